r"""Tail indices from the largest order statistics $|X|_{(1)} \ge |X|_{(2)} \ge \dots$ of the sizes of the data.

All of them read the decay $P(|X| > x) \sim x^{-\alpha}$ itself. Each takes x (..., n), one estimate for each leading
index, and k: an integer, or (m,) of them, which adds a last axis. A tail lighter than any power gives inf. center:
None takes x as it is; "median" or "mean" removes that first.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from lib.tails import samples


def hill(x: ArrayLike, k: ArrayLike, *, center: str | None = None) -> np.ndarray:
    r"""Hill's estimate $1/\gamma_k$ with $\gamma_k = \frac1k \sum_{i \le k} \log\frac{|X|_{(i)}}{|X|_{(k+1)}}$.

    For an exact Pareto tail its relative standard error is $1/\sqrt k$. For stable laws of index above 1.5 the tail
    starts so far out that it is biased upwards at any usual k; at 2 it says nothing.
    x: (..., n); k: in [1, n - 1], a number or (m,); returns (...) or (..., m), float64.
    Raises ValueError on values out of range, and unless $|X|_{(k+1)} > 0$. Hill 1975.
    Derived in: notebooks/11_stable_laws.
    """
    return _for_each(_hill, x, k, 1, center)


def _hill(top: np.ndarray, k: int) -> np.ndarray:
    return samples.index_of(top[..., :k].mean(axis=-1) - top[..., k])


def de_haan(x: ArrayLike, k: ArrayLike, *, center: str | None = None) -> np.ndarray:
    r"""The moment ratio $2\gamma_k / M_k$ with $M_k = \frac1k \sum_{i \le k} \log^2\frac{|X|_{(i)}}{|X|_{(k+1)}}$.

    x, k and what it returns and raises: as `hill`. Danielsson, Jansen and de Vries 1996.
    """
    return _for_each(_de_haan, x, k, 1, center)


def _de_haan(top: np.ndarray, k: int) -> np.ndarray:
    gamma, square = _moments(top, k)
    return samples.index_of(square / np.where(gamma > 0, 2 * gamma, 1))


def dekkers(x: ArrayLike, k: ArrayLike, *, center: str | None = None) -> np.ndarray:
    r"""The estimate of Dekkers, Einmahl and de Haan, $1/\big(\gamma_k + 1 - \frac12 (1 - \gamma_k^2/M_k)^{-1}\big)$.

    It also holds for tails that end, where it is inf. x, k and what it returns and raises: as `hill`, with k >= 2.
    Dekkers et al. 1989.
    """
    return _for_each(_dekkers, x, k, 2, center)


def _dekkers(top: np.ndarray, k: int) -> np.ndarray:
    gamma, square = _moments(top, k)
    rest = 1 - gamma**2 / np.where(square > 0, square, 1)  # 0 up to rounding if all k are tied
    return samples.index_of(np.where((square > 0) & (rest > 1e-12), gamma + 1 - 0.5 / np.maximum(rest, 1e-12), 0))


def pickands(x: ArrayLike, k: ArrayLike, *, center: str | None = None) -> np.ndarray:
    r"""Pickands' estimate, from spacings of three order statistics:

    $\log 2 \Big/ \log\frac{|X|_{(\lfloor k/4\rfloor+1)} - |X|_{(\lfloor k/2\rfloor+1)}}{|X|_{(\lfloor k/2\rfloor+1)} -
    |X|_{(k+1)}}$. Ties count as a light tail: inf.
    x, k and what it returns and raises: as `hill`, with k >= 2. Pickands 1975.
    """
    return _for_each(_pickands, x, k, 2, center)


def _pickands(top: np.ndarray, k: int) -> np.ndarray:
    a, b, c = (np.exp(top[..., i] - top[..., 0]) for i in (k // 4, k // 2, k))
    ratio = (a - b) / np.where(b > c, b - c, np.inf)
    return samples.index_of(np.log(np.maximum(ratio, 1.0)) / np.log(2))


# Each of the logarithms of the sizes, largest first, and of k.
ALL = {"hill": _hill, "pickands": _pickands, "de_haan": _de_haan, "dekkers": _dekkers}


def largest_logs(x: np.ndarray, most: int) -> np.ndarray:
    """The most + 1 largest log |x|, descending, by a partial sort."""
    x = np.abs(x)
    most = min(most + 1, x.shape[-1])
    with np.errstate(divide="ignore"):
        return np.log(np.sort(np.partition(x, -most, axis=-1)[..., -most:], axis=-1)[..., ::-1])


def _moments(top: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    logs = top[..., :k] - top[..., k, None]
    return logs.mean(axis=-1), (logs**2).mean(axis=-1)


def _for_each(estimate: Callable, x: ArrayLike, k: ArrayLike, least: int, center: str | None) -> np.ndarray:
    x = samples.centered(samples.checked(x, least + 1), center)
    many = np.ndim(k) > 0
    ks = [samples.checked_size(e, "k", least, x.shape[-1] - 1) for e in (np.asarray(k).tolist() if many else [k])]
    if not ks:
        raise ValueError("k is empty; allowed: at least one integer")
    top = largest_logs(x, max(ks))
    if np.isneginf(top[..., -1]).any():
        raise ValueError(f"k is {max(ks)}, and x has not as many entries that differ from 0; allowed: a smaller k")
    found = np.stack([estimate(top, each) for each in ks], axis=-1)
    return found if many else found[..., 0][()]
