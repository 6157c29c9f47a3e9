"""Closed forms of the symmetric stable laws: characteristic functions, moments, the constant of the tail."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

KINDS = ("I", "II", "III")
CONVENTIONS = ("unit", "published")


def cf(u: ArrayLike, alpha: ArrayLike, scale: ArrayLike = 1.0) -> np.ndarray:
    r"""Characteristic function $E e^{iuX} = e^{-|\sigma u|^\alpha}$ of the symmetric stable law.

    At $\alpha = 2$ this is the normal law of variance $2\sigma^2$, at $\alpha = 1$ the Cauchy law of scale $\sigma$.
    The three arguments broadcast; returns float64. Raises ValueError on alpha or scale out of range.
    Derived in: notebooks/11_stable_laws.
    """
    alpha, scale = checked_index(alpha), checked_scale(scale)
    return np.exp(-(np.abs(scale * np.asarray(u, np.float64)) ** alpha))


def noise_cf(
    kind: str, u: ArrayLike, alpha: ArrayLike, scale: ArrayLike = 1.0, *, convention: str = "unit"
) -> np.ndarray:
    r"""Characteristic function of one vector of `noise`: with $s = \sigma$ times `noise_scale`,

    $e^{-|s \sum_j u_j|^\alpha}$ for kind "I", $e^{-s^\alpha \sum_j |u_j|^\alpha}$ for "II",
    $e^{-s^\alpha |u|^\alpha}$ for "III".
    u: (..., p); alpha and scale broadcast against (...); returns (...), float64.
    Raises ValueError on values out of range. Wan et al. 2024, arXiv:2306.08125.
    Derived in: notebooks/11_stable_laws.
    """
    u = np.asarray(u, np.float64)
    if u.ndim == 0:
        raise ValueError("u has no axis; allowed: vectors along the last axis")
    alpha, s = checked_index(alpha), checked_scale(scale) * noise_scale(kind, alpha, convention)
    if kind == "II":
        return np.exp(-(s**alpha) * np.sum(np.abs(u) ** np.expand_dims(alpha, -1), axis=-1))
    return np.exp(-((s * np.abs(u.sum(axis=-1) if kind == "I" else np.linalg.norm(u, axis=-1))) ** alpha))


def noise_scale(kind: str, alpha: ArrayLike, convention: str = "unit") -> np.ndarray:
    r"""The scale of a coordinate of `noise`, next to the law with characteristic function $e^{-|u|^\alpha}$.

    1 in the convention "unit". In "published", that of the paper's code, it is $2^{-1/2}$ for kind "III", whose
    mixing variable lacks a factor 2, and for kind "I" at $\alpha = 2$, where the code draws N(0, 1), not N(0, 2).
    alpha: any shape; returns that shape, float64. Raises ValueError on values out of range.
    Wan et al. 2024, arXiv:2306.08125.
    """
    alpha = checked_index(alpha)
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; allowed: one of {KINDS}")
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; allowed: one of {CONVENTIONS}")
    small = (kind == "III") | (np.equal(alpha, 2) & (kind == "I"))
    return np.where((convention == "published") & small, 0.5**0.5, 1.0)[()] * np.ones_like(alpha)


def tail_constant(alpha: ArrayLike) -> np.ndarray:
    r"""The $c_\alpha$ of $P(|X| > x) \sim c_\alpha (x/\sigma)^{-\alpha}$: $\frac2\pi \Gamma(\alpha) \sin(\pi\alpha/2)$.

    It is 0 at $\alpha = 2$, where the tail is not a power. alpha: any shape; returns that shape, float64.
    Raises ValueError on alpha out of range.
    Derived in: notebooks/11_stable_laws.
    """
    alpha = checked_index(alpha)
    return 2 / np.pi * special.gamma(alpha) * np.sin(np.pi * np.minimum(alpha, 2 - alpha) / 2)


def moment(power: ArrayLike, alpha: ArrayLike, scale: ArrayLike = 1.0) -> np.ndarray:
    r"""Absolute moment $E|X|^p$: with $-1 < p < \alpha$, or any $p > -1$ at $\alpha = 2$,

    $\sigma^p \frac{2^p \Gamma((1+p)/2) \Gamma(1 - p/\alpha)}{\sqrt\pi\, \Gamma(1 - p/2)}$, and inf beyond.
    The arguments broadcast; returns float64. Raises ValueError on values out of range.
    """
    p, alpha, scale = np.broadcast_arrays(np.asarray(power, np.float64), checked_index(alpha), checked_scale(scale))
    if not np.all(p > -1) or not np.all(np.isfinite(p)):
        raise ValueError(f"power is {power}; allowed: finite numbers > -1")
    ratio = np.ones(p.shape)
    heavy = (alpha < 2) & (p < alpha)
    ratio[heavy] = np.exp(special.gammaln(1 - p[heavy] / alpha[heavy]) - special.gammaln(1 - p[heavy] / 2))
    ratio[(alpha < 2) & (p >= alpha)] = np.inf
    return ratio * (2 * scale) ** p * special.gamma((1 + p) / 2) / np.sqrt(np.pi)


def log_moments(alpha: ArrayLike, dim: int = 1, scale: ArrayLike = 1.0) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean and variance of $\log|X|$ for the rotation-invariant law $e^{-\sigma^\alpha |u|^\alpha}$ in r dimensions.

    $E = \log 2\sigma + \gamma_E(\frac1\alpha - \frac12) + \frac12\psi(\frac r2)$ and
    $V = \frac{\pi^2}{6}(\frac{1}{\alpha^2} - \frac14) + \frac14\psi'(\frac r2)$; in one dimension
    $\log\sigma + \gamma_E(\frac1\alpha - 1)$ and $\pi^2(\frac{1}{6\alpha^2} + \frac1{12})$.
    alpha and scale broadcast; returns two arrays, float64. Raises ValueError on values out of range.
    Derived in: notebooks/11_stable_laws.
    """
    alpha, scale = checked_index(alpha), checked_scale(scale)
    if isinstance(dim, bool) or dim != int(dim) or dim < 1:
        raise ValueError(f"dim is {dim}; allowed: an integer >= 1")
    mean = np.log(2 * scale) + np.euler_gamma * (1 / alpha - 0.5) + special.digamma(dim / 2) / 2
    return mean, np.pi**2 / 6 * (alpha**-2.0 - 0.25) + special.polygamma(1, dim / 2) / 4 + 0 * scale


def checked_index(alpha: ArrayLike, name: str = "alpha", most: float = 2.0) -> np.ndarray:
    """The index as float64; raises ValueError unless all its entries are in (0, most]."""
    values = np.asarray(alpha, np.float64)
    if values.size == 0 or not np.all((values > 0) & (values <= most)):
        raise ValueError(f"{name} is {alpha}; allowed: numbers in (0, {most:g}]")
    return values[()]


def checked_scale(scale: ArrayLike) -> np.ndarray:
    """The scale as float64; raises ValueError unless all its entries are positive and finite."""
    values = np.asarray(scale, np.float64)
    if values.size == 0 or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(f"scale is {scale}; allowed: finite numbers > 0")
    return values[()]
