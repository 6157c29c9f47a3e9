"""What the tail-index estimators share: checks of the data, centring, logarithms of norms, medians over orders."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

LARGEST = 2.0  # stable laws have no larger index
ZERO = np.log(2.0**-52)  # a norm of exactly zero counts as this factor times the geometric mean of the others


def centered(x: ArrayLike, center: str | None, axis: int = -1) -> np.ndarray:
    r"""x less its median or mean along an axis, float64; None leaves it where it is.

    Estimators of symmetric laws need data centred at zero. The median of data with an infinite mean is safe; for
    skewed data it is not where the mean is, and block sums then drift: see `block`.
    Raises ValueError unless center is None, "median" or "mean".
    """
    x = np.asarray(x, np.float64)
    if center is None:
        return x
    if center not in ("median", "mean"):
        raise ValueError(f"center is {center!r}; allowed: None, 'median' or 'mean'")
    if center == "mean":
        return x - x.mean(axis=axis, keepdims=True)
    ranked = np.sort(np.moveaxis(x, axis, -1), axis=-1)  # a sort of float64 is faster than NumPy's median
    n = ranked.shape[-1]
    return x - np.expand_dims((ranked[..., (n - 1) // 2] + ranked[..., n // 2]) / 2, axis)


def checked(x: ArrayLike, least: int, axis: int = -1) -> np.ndarray:
    """x as float64; raises ValueError unless it is finite, with at least so many samples along the axis."""
    x = np.asarray(x, np.float64)
    if x.ndim < -axis or x.shape[axis] < least or not x.size:
        raise ValueError(f"x has shape {x.shape}; allowed: at least {least} samples")
    if not np.isfinite(x.max() - x.min()):
        raise ValueError("x has entries that are not finite, or of too large a range; allowed: finite numbers")
    return x


def checked_size(value: int, name: str, least: int, most: int) -> int:
    """An integer; raises ValueError unless it is within the bounds."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; allowed: an integer in [{least}, {most}]")
    return int(value)


def scaled(x: np.ndarray, axes: int | tuple[int, ...]) -> np.ndarray:
    """x divided by its largest size when squares of it would overflow or vanish; refuses rows of zeros."""
    largest = np.maximum(x.max(axis=axes, keepdims=True), -x.min(axis=axes, keepdims=True))
    if not largest.all():
        raise ValueError("x is zero everywhere, as given or once centred; allowed: data that vary")
    return x if 1e-100 < largest.min() and largest.max() < 1e100 else x / largest


def log_norms(x: np.ndarray) -> np.ndarray:
    """log |x| of the vectors along the last axis."""
    with np.errstate(divide="ignore"):
        if x.shape[-1] == 1:
            return np.log(np.abs(x[..., 0]))
        return np.log(np.einsum("...r,...r->...", x, x)) / 2


def index_of(gamma: np.ndarray) -> np.ndarray:
    """1 / gamma, and inf where gamma <= 0: a tail lighter than any power."""
    with np.errstate(divide="ignore"):
        return np.where(gamma > 0, 1 / np.maximum(gamma, 0), np.inf)


def over_sizes(estimates: np.ndarray) -> np.ndarray:
    """The median over the first axis, capped at 2."""
    return np.minimum(np.median(estimates, axis=0), LARGEST)


def orders(n: int, permutations: int, rng: np.random.Generator | None) -> Iterator[np.ndarray | None]:
    """Random orders of n samples, one at a time; for 0 permutations only None, the order given."""
    checked_size(permutations, "permutations", 0, 10**6)
    if permutations and not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {type(rng).__name__}; allowed with permutations: a numpy.random.Generator")
    if not permutations:
        return iter((None,))
    return (rng.permutation(n) for _ in range(permutations))


def over_orders(estimate: Callable[[np.ndarray], np.ndarray], x: np.ndarray, drawn: Iterator, axis: int) -> np.ndarray:
    """The median of the estimates over orders of the samples."""
    return np.median([estimate(x if order is None else np.take(x, order, axis=axis)) for order in drawn], axis=0)
