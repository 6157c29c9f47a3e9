r"""Moments of symmetric alpha-stable laws with characteristic function $\exp(-|u|^\alpha)$, whole and truncated.

With U uniform on $(0,\pi/2)$ and E exponential, $|X|=A(U)\,E^{b}$, where $b=(\alpha-1)/\alpha$ and
$A(U)=\sin(\alpha U)\cos(U)^{-1/\alpha}\cos((1-\alpha)U)^{-b}$. The integral over E is an incomplete gamma function; the
one over U is left to quadrature. Whole moments and probabilities are those of `lib.stable`.
"""

import itertools
from collections.abc import Callable

import numpy as np
from scipy import integrate, optimize, special

from lib import stable

# Logarithms of E at the truncation, between which the integrand over U is smooth.
_LEVELS = (-30.0, -8.0, -2.0, 0.0, 1.0, 2.0, 3.5)


def absolute(tail_index: float, p: float) -> float:
    r"""Absolute moment of order p; it is inf from $p=\alpha<2$ on.

    $E|X|^p=2^p\,\Gamma(\frac{1+p}2)\,\Gamma(1-\frac p\alpha)\big/\big(\sqrt\pi\,\Gamma(1-\frac p2)\big)$.
    tail_index: a number in (0, 2]; p: a number >= 0. Raises ValueError on values out of range.
    """
    _check(tail_index, p)
    return float(stable.moment(p, tail_index))


def truncated(tail_index: float, p: float, t: float) -> float:
    r"""$E[|X|^p;|X|\le t]$; p = 0 gives $P(|X|\le t)$.

    tail_index: a number in (0, 2]; p: a number >= 0; t: a finite number >= 0. Relative error about 1e-9.
    Raises ValueError on values out of range.
    """
    _check(tail_index, p, t)
    if t == 0:
        return 0.0
    if tail_index == 2:
        return absolute(2, p) * float(special.gammainc((1 + p) / 2, t * t / 4))
    if tail_index == 1:

        def density(s):
            """In s = log x."""
            return np.exp((p + 1) * s - np.logaddexp(0, 2 * s))

        cuts = [-60 + min(0, np.log(t)), min(0, np.log(t)), np.log(t)]
        parts = [
            integrate.quad(density, *ends, epsabs=0, epsrel=1e-11, limit=200)[0] for ends in itertools.pairwise(cuts)
        ]
        return 2 / np.pi * float(np.sum(parts))
    b = (tail_index - 1) / tail_index
    order = 1 + b * p

    def part(log_factor, edge):
        inside = special.gamma(order) * special.gammainc(order, edge) if b > 0 else _upper_gamma(order, edge)
        return np.exp(p * log_factor) * inside

    return _over_angles(tail_index, t, part, 600 / (1 + abs(order)))


def survival(tail_index: float, t: float) -> float:
    r"""$P(|X|>t)$, accurate far in the tail.

    tail_index: a number in (0, 2]; t: a finite number >= 0. Raises ValueError on values out of range.
    """
    _check(tail_index, 0, t)
    return 2 * float(stable.sf(t, tail_index))


def threshold(tail_index: float, kappa: float) -> float:
    r"""The t with $P(|X|>t)=\kappa$.

    tail_index: a number in (0, 2]; kappa: a number in (0, 1). Raises ValueError on values out of range.
    """
    _check(tail_index, 0)
    if not 0 < kappa < 1:
        raise ValueError(f"kappa is {kappa}; allowed: a number in (0, 1)")
    return -float(stable.ppf(kappa / 2, tail_index))


def truncation(tail_index: float, p: float, share: float) -> float:
    r"""The t with $E[|X|^p;|X|\le t]$ a given share of $E|X|^p$.

    tail_index: a number in (0, 2]; p: a number > 0, below tail_index unless that is 2; share: a number in (0, 1).
    Raises ValueError on values out of range.
    """
    whole = absolute(tail_index, p)
    if not (p > 0 and whole < np.inf and 0 < share < 1):
        raise ValueError(
            f"p and share are {p} and {share}; allowed: p > 0 with a finite moment at tail_index {tail_index}, "
            "share in (0, 1)"
        )
    return _crossing(lambda log_t: -np.log(max(truncated(tail_index, p, np.exp(log_t)), 1e-320) / (share * whole)))


def positive_median(index: float) -> float:
    r"""Median of the positive stable law with Laplace transform $E e^{-sA}=\exp(-s^a)$.

    $P(A\le x)=\frac1\pi\int_0^\pi\exp\big(-(K(\theta)/x)^{a/(1-a)}\big)d\theta$, with
    $K(\theta)=\sin(a\theta)\sin(\theta)^{-1/a}\sin((1-a)\theta)^{(1-a)/a}$.
    index: a in (0, 1). Raises ValueError on values out of range.
    """
    if not 0 < index < 1:
        raise ValueError(f"index is {index}; allowed: a number in (0, 1)")

    def log_power(theta):
        """Logarithm of $K^{a/(1-a)}$, increasing."""
        sines = np.log(np.sin(index * theta)) - np.log(np.sin(theta)) / index
        return sines * index / (1 - index) + np.log(np.sin((1 - index) * theta))

    def below(shift):
        return integrate.quad(lambda v: np.exp(-np.exp(min(log_power(v) - shift, 700))), 0, np.pi, epsabs=1e-11)[0]

    start = log_power(np.pi / 2)
    shift = optimize.brentq(lambda shift: below(shift) / np.pi - 0.5, start - 20, start + 20, xtol=1e-12)
    return float(np.exp(shift * (1 - index) / index))


def _over_angles(tail_index: float, t: float, part: Callable[[float, float], float], reach: float) -> float:
    """Mean over U of part(log A(U), e), where e is the E at which |X| = t, its logarithm clipped to -reach."""
    b = (tail_index - 1) / tail_index

    def level(s):
        return (np.log(t) - _log_factor(tail_index, *_angles(s))) / b

    def integrand(s):
        u, rest = _angles(s)
        log_factor = _log_factor(tail_index, u, rest)
        edge = np.exp(np.clip((np.log(t) - log_factor) / b, -reach, 600))
        return part(log_factor, edge) * u * rest

    first, last = -45 + min(0, np.log(t)), 45 + max(0, tail_index * np.log(t))
    low, high = sorted((level(first), level(last)))
    cuts = [optimize.brentq(lambda s, v=v: level(s) - v, first, last) for v in _LEVELS if low < v < high]
    cuts = np.unique([first, *cuts, last])
    # U is uniform on (0, pi / 2), and dU = u * rest * ds / (pi / 2).
    parts = [
        integrate.quad(integrand, *ends, epsabs=0, epsrel=1e-10, limit=200)[0] for ends in itertools.pairwise(cuts)
    ]
    return (2 / np.pi) ** 2 * float(np.sum(parts))


def _crossing(decreasing: Callable[[float], float]) -> float:
    """Exponential of the zero of a decreasing function."""
    low, high = -1.0, 1.0
    while decreasing(low) < 0:
        low *= 2
    while decreasing(high) > 0:
        high *= 2
    return float(np.exp(optimize.brentq(decreasing, low, high, xtol=1e-13)))


def _angles(s: float) -> tuple[float, float]:
    """The angle U and what it lacks to a right angle, both exact near the ends, from the logit of U."""
    return np.pi / 2 / (1 + np.exp(-s)), np.pi / 2 / (1 + np.exp(s))


def _log_factor(tail_index: float, u: float, rest: float) -> float:
    b = (tail_index - 1) / tail_index
    # Near the right angle sin(alpha U) is small for alpha near 2: its argument counts from the zero at pi.
    sine = np.sin(tail_index * u) if u < rest else np.sin(np.pi / 2 * (2 - tail_index) + tail_index * rest)
    return np.log(sine) - np.log(np.sin(rest)) / tail_index - b * np.log(np.cos((1 - tail_index) * u))


def _upper_gamma(order: float, edge: float) -> float:
    """Upper incomplete gamma function, for negative orders too."""
    if order > 0:
        return special.gamma(order) * special.gammaincc(order, edge)
    if order == 0:
        return special.exp1(edge)
    return (_upper_gamma(order + 1, edge) - edge**order * np.exp(-edge)) / order


def _check(tail_index: float, p: float, t: float = 0.0) -> None:
    if not 0 < tail_index <= 2:
        raise ValueError(f"tail_index is {tail_index}; allowed: a number in (0, 2]")
    if not 0 <= p < np.inf:
        raise ValueError(f"p is {p}; allowed: a number >= 0")
    if not 0 <= t < np.inf:
        raise ValueError(f"t is {t}; allowed: a finite number >= 0")
