"""Tail indices from blocks: how fast sums grow, and how the two largest of a block compare."""

import numpy as np
from numpy.typing import ArrayLike

from lib import stable
from lib.tails import samples

CANDIDATES = (2, 5, 10, 20, 50, 100, 500, 1000)


def block_grid(n: int) -> list[int]:
    r"""The block sizes that `block` takes the median over, for n samples.

    Of 2, 5, 10, 20, 50, 100, 500 and 1000, those up to n/2, each lowered to the largest divisor of n, and the largest
    divisor of n up to $\sqrt n$; without repetitions and without 1. An odd n gives the grid of n - 1: the last sample
    is to be dropped. Returns an increasing list, never empty.
    Raises ValueError unless n is an integer of at least 4. Barsbey et al. 2021, arXiv:2106.03795.
    """
    samples.checked_size(n, "n", 4, 2**53)
    n -= n % 2
    wanted = [c for c in CANDIDATES if c <= n // 2] + [int(np.sqrt(n))]
    return sorted({_divisor(n, c) for c in wanted} - {1})


def _divisor(n: int, most: int) -> int:
    return next(d for d in range(most, 0, -1) if n % d == 0)


def block(
    x: ArrayLike,
    block_size: int | None = None,
    *,
    center: str | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    r"""Tail index of a strictly stable law, from the growth of sums over blocks of $K_1$ samples.

    $\frac{1}{\hat\alpha} = \frac{1}{\log K_1}\big(\frac{1}{K_2}\sum_{i \le K_2} \log|Y_i|
    - \frac1K\sum_{i \le K}\log|X_i|\big)$ with $Y_i$ the sum of the i-th block and $K = K_1 K_2$. It is unbiased for
    $1/\alpha$; for data that are not stable it measures how their sums grow, not how their tail falls.
    With block_size this estimate; without, the median over `block_grid`, capped at 2.

    x: (n,) numbers, or (..., n, r) vectors of r coordinates, one estimate for each leading index; a batch of numbers
    is (..., n, 1). Samples beyond the last whole block are dropped: the last n mod block_size, or the last one of an
    odd n. center: None takes x as it is; "median" or "mean" removes that of each coordinate first. A shift of one
    scale unit turns 1.5 into 1.1, and the median of skewed data is such a shift.
    permutations: repeat for so many random orders from rng, the same for all leading indices, and take the median.
    A vector of exact zeros counts as 2^-52 times the geometric mean of the other norms.
    Returns (...), float64; inf where sums do not grow.
    Raises ValueError on values out of range. Mohammadi et al. 2015; Barsbey et al. 2021, arXiv:2106.03795.
    Derived in: notebooks/11_stable_laws.
    """
    x = samples.checked(x, 4 if block_size is None else 2, axis=-1 if np.ndim(x) == 1 else -2)
    x = x[:, None] if x.ndim == 1 else x
    n = x.shape[-2]
    sizes = block_grid(n) if block_size is None else [samples.checked_size(block_size, "block_size", 2, n)]
    x = samples.scaled(samples.centered(x, center, axis=-2), (-2, -1))

    logs = samples.log_norms(x)

    def estimate(ordered):
        indices = block_indices(ordered, sizes, logs)
        return indices[0] if block_size else samples.over_sizes(indices)

    return samples.over_orders(estimate, x, samples.orders(n, permutations, rng), -2)[()]


def block_indices(x: np.ndarray, sizes: list[int], logs: np.ndarray | None = None) -> np.ndarray:
    """The estimate of `block` for each size, (sizes, ...), samples in the order given; small sums build large ones.

    logs: `samples.log_norms` of x in any order, where they are known.
    """
    kept = _kept(x.shape[-2], sizes)
    sums, slopes = {1: x[..., :kept, :]}, []
    logs = samples.log_norms(sums[1]) if logs is None or kept < x.shape[-2] else logs

    def mean(values):
        if values.min() > -np.inf:
            return values.mean(axis=-1)
        zero = samples.ZERO + logs.mean(axis=-1, where=logs > -np.inf, keepdims=True)
        return np.where(values > -np.inf, values, zero).mean(axis=-1)

    start = mean(logs)
    for size in sizes:
        base = max(d for d in sums if size % d == 0)
        sums[size] = _sum_blocks(sums[base], size // base)
        slopes.append((mean(samples.log_norms(sums[size])) - start) / np.log(size))
    return samples.index_of(np.array(slopes))


def block_standard_error(alpha: ArrayLike, n: int, block_size: int, dim: int = 1) -> np.ndarray:
    r"""Standard deviation of the $1/\hat\alpha$ of `block` for n stable samples, of the rotation-invariant law.

    $\sqrt{v (1/K_2 + 1/K)} / \log K_1$ with v the variance of `stable.log_moments`. It leaves out that sums and
    samples are correlated, and is right to within 8 percent. That of $\hat\alpha$ is about $\alpha^2$ times it.
    alpha: any shape; returns that shape, float64. Raises ValueError on values out of range.
    Derived in: notebooks/11_stable_laws.
    """
    size = samples.checked_size(block_size, "block_size", 2, samples.checked_size(n, "n", 2, 2**53))
    variance = stable.log_moments(alpha, dim)[1]
    return np.sqrt(variance * (1 / (n // size) + 1 / (n // size * size))) / np.log(size)


def davydov_paulauskas(
    x: ArrayLike,
    block_size: int | None = None,
    *,
    center: str | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    r"""Tail index from the second largest over the largest |x| of blocks: $\hat\alpha = \bar Z / (1 - \bar Z)$.

    With $\bar Z$ the mean of that ratio over blocks of m samples; its limit is $\alpha/(1+\alpha)$ as m grows, for any
    tail $x^{-\alpha}$. With block_size this estimate; without, the median over `block_grid`, capped at 2.
    x: (..., n); the other arguments, and what is dropped, as for `block`. A block of zeros has the ratio 1.
    Returns (...), float64; inf where all ratios are 1. Raises ValueError on values out of range.
    Davydov and Paulauskas 1999.
    Derived in: notebooks/11_stable_laws.
    """
    x = samples.checked(x, 4 if block_size is None else 2)
    n = x.shape[-1]
    sizes = block_grid(n) if block_size is None else [samples.checked_size(block_size, "block_size", 2, n)]
    x = samples.scaled(samples.centered(x, center), -1)

    def estimate(ordered):
        indices = largest_pair_indices(ordered, sizes)
        return indices[0] if block_size else samples.over_sizes(indices)

    return samples.over_orders(estimate, x, samples.orders(n, permutations, rng), -1)[()]


def largest_pair_indices(x: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The estimate of `davydov_paulauskas` for each size, (sizes, ...); pairs of small blocks build those of large."""
    largest = np.abs(x[..., : _kept(x.shape[-1], sizes)])
    pairs, indices = {1: (largest, None)}, []
    for size in sizes:
        base = max(d for d in pairs if size % d == 0)
        pairs[size] = first, second = _largest_pairs(*pairs[base], size // base)
        ratio = np.divide(second, first, out=np.ones_like(first), where=first > 0).mean(axis=-1)
        indices.append(np.where(ratio < 1, ratio, np.inf) / np.maximum(1 - ratio, 2.0**-53))
    return np.array(indices)


def _kept(n: int, sizes: list[int]) -> int:
    """How many samples whole blocks use: of one size all that fit, of a grid an even number."""
    return n - n % sizes[0] if len(sizes) == 1 else n - n % 2


def _sum_blocks(x: np.ndarray, m: int) -> np.ndarray:
    """Sums of m neighbours along the last axis but one."""
    blocks = x.reshape(*x.shape[:-2], -1, m, x.shape[-1])
    if m > 16:
        return blocks.sum(axis=-2)
    total = blocks[..., 0, :] + blocks[..., 1, :]  # strided sums beat a reduction over a short axis
    for j in range(2, m):
        total += blocks[..., j, :]
    return total


def _largest_pairs(first: np.ndarray, second: np.ndarray | None, m: int) -> tuple[np.ndarray, np.ndarray]:
    """The two largest of m neighbouring blocks, from the two largest of each; single numbers have no second."""
    first = first.reshape(*first.shape[:-1], -1, m)
    top, next_top = np.maximum(first[..., 0], first[..., 1]), np.minimum(first[..., 0], first[..., 1])
    for j in range(2, m):
        np.maximum(next_top, np.minimum(top, first[..., j]), out=next_top)
        np.maximum(top, first[..., j], out=top)
    if second is not None:
        second = second.reshape(*second.shape[:-1], -1, m)
        for j in range(m):
            np.maximum(next_top, second[..., j], out=next_top)
    return top, next_top
