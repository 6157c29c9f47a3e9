r"""Best k-term errors of vectors, and how many entries may go at a given error.

Keep the k largest of n entries: the relative error is $\bar\sigma_k(x)_p=\|x-x^{(k)}\|_p/\|x\|_p$. What it tends to
for i.i.d. entries is in `lib.compressible_laws`.
"""

import numpy as np
from numpy.typing import ArrayLike


def best_k_term_error(
    x: ArrayLike, k: ArrayLike, p: float = 2.0, relative: bool = True, axis: int = -1
) -> float | np.ndarray:
    r"""What is lost when only the k largest entries of x stay: $(\sum_{i>k}|x|_{(i)}^p)^{1/p}$, over $\|x\|_p$.

    x: array with n entries along axis; k: whole numbers in [0, n], of any shape; p in (0, inf], with p = inf for
    the largest entry lost. Returns float64 of shape (x's without axis) + (k's); the relative error of a vector of
    zeros is 0. One sort serves all k. Raises ValueError on values out of range.
    Derived in: notebooks/13_compressible_laws.
    Gribonval, Cevher, Davies 2012, arXiv:1102.1249; Barsbey et al. 2021, arXiv:2106.03795.
    """
    sizes, sums, scale = _ascending(x, p, axis)
    k, n = np.asarray(k), sizes.shape[-1]
    if not np.issubdtype(k.dtype, np.integer) or np.any(k < 0) or np.any(k > n):
        raise ValueError(f"k is {k}; allowed: whole numbers in [0, {n}], the entries of x along axis {axis}")
    if np.isinf(p):
        sums = sizes
    sums = np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], -1)
    lost = sums[..., n - k]
    total = sums[..., -1].reshape(sums.shape[:-1] + (1,) * k.ndim)
    if relative:
        lost = np.divide(lost, total, out=np.zeros_like(lost), where=total > 0)
    lost = lost if np.isinf(p) else lost ** (1 / p)
    return plain(lost if relative else lost * scale.reshape(total.shape))


def removable(
    x: ArrayLike, error: ArrayLike | None = None, *, energy: ArrayLike | None = None, p: float = 2.0, axis: int = -1
) -> int | np.ndarray:
    r"""How many of the smallest entries may go: the largest m with $\sum_{i\le m}|x|_{[i]}^p\le\rho\sum_i|x_i|^p$.

    Entries ascend in size. error is the relative error, $\rho=\epsilon^p$; energy is $\rho$ itself; give one of
    them, numbers in [0, 1] of any shape. The count comes from the cumulative sums as it is, at any n. Entries that
    are 0 go at any error.
    x: array with n entries along axis; p in (0, inf). Returns int64 of shape (x's without axis) + (error's).
    Raises ValueError on values out of range.
    Used in: notebooks/13_compressible_laws.
    Barsbey et al. 2021, arXiv:2106.03795 (error); Wan et al. 2023, arXiv:2306.08125 (energy).
    """
    if np.isinf(p):
        raise ValueError("p is inf; allowed: a number in (0, inf)")
    _, sums, _ = _ascending(x, p, axis)
    return plain(count_removable(sums, energy_of(error, energy, p)))


def energy_of(error: ArrayLike | None, energy: ArrayLike | None, p: float = 2.0) -> np.ndarray:
    """The share of the sum of p-th powers that may go, from whichever of error and energy is given.

    Raises ValueError unless exactly one is, with values in [0, 1].
    """
    if (error is None) == (energy is None):
        raise ValueError(f"error is {error} and energy is {energy}; allowed: one of the two given, the other None")
    name, value = ("error", error) if energy is None else ("energy", energy)
    value = np.asarray(value, np.float64)
    if not np.all((value >= 0) & (value <= 1)):
        raise ValueError(f"{name} is {value}; allowed: numbers in [0, 1]")
    return value**p if energy is None else value


def count_removable(sums: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Counts (..., shape of energy) from cumulative sums (..., n) of ascending terms: `removable` once sorted."""
    rows = sums.reshape(-1, sums.shape[-1])
    counts = [np.searchsorted(row, energy * row[-1], "right") for row in rows]
    return np.array(counts, np.int64).reshape(sums.shape[:-1] + np.shape(energy))


def _ascending(x: ArrayLike, p: float, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes over a scale, ascending on the last axis; cumulative sums of their p-th powers; the scale (...)."""
    x = np.asarray(x, np.float64)
    if x.ndim == 0 or not -x.ndim <= axis < x.ndim or x.shape[axis] == 0:
        raise ValueError(f"x has shape {x.shape}; allowed: at least one entry along axis {axis}")
    if not np.all(np.isfinite(x)):
        raise ValueError("x has entries that are not finite; allowed: finite numbers")
    if not p > 0:
        raise ValueError(f"p is {p}; allowed: a number > 0")
    sizes = np.sort(np.abs(np.moveaxis(x, axis, -1)), axis=-1)
    scale = power_of_two(sizes[..., -1])
    sizes /= scale[..., None]
    return sizes, sizes if np.isinf(p) else np.cumsum(sizes**p, axis=-1), scale


def power_of_two(largest: np.ndarray) -> np.ndarray:
    """A scale in [largest, 2 * largest], 1 for 0: powers over it do not overflow, and dividing by it is exact."""
    return np.ldexp(1.0, np.frexp(np.asarray(largest, np.float64))[1])


def plain(value: np.ndarray) -> float | int | np.ndarray:
    """The value, as a Python number where it has no axes."""
    return np.asarray(value).item() if np.ndim(value) == 0 else value
