r"""Compressible laws: the best k-term error of infinitely many i.i.d. entries, and how fast it is reached.

For a kept share $\kappa=k/n$ the relative error $\bar\sigma_k(x)_p$ tends to a number that depends on the law alone.
It is 0, and the law is compressible, where $E|X|^p=\infty$: for a tail index $\alpha\le p$.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from lib import stable_moments
from lib.compressibility import plain

LAWS = ("gaussian", "uniform", "laplace", "stable")
# E x^4 / (E x^2)^2 of the laws that weights start from.
_KURTOSIS = {"gaussian": 3.0, "uniform": 1.8}
# A law given by its quantiles is integrated over tail probabilities down to exp(-_DEEP): a pure power from there on.
_DEEP = 150.0
_EDGES = np.concatenate([[0, 1e-4, 1e-3, 0.01, 0.1, 0.3], np.arange(0.6, 4, 0.4), np.linspace(4, _DEEP, 75)])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)

Law = str | Callable[[np.ndarray], np.ndarray]


def limit_error(law: Law, kappa: ArrayLike, p: float = 2.0, *, tail_index: float | None = None) -> float | np.ndarray:
    r"""Relative best k-term error of infinitely many i.i.d. entries: $G_p(\kappa)^{1/p}$, $\kappa$ the share kept.

    $G_p(\kappa)=E[|X|^p;|X|\le t]/E|X|^p$ with $P(|X|>t)=\kappa$, and $G_p=0$ where $E|X|^p=\infty$.
    law: "gaussian", $P(\chi^2_{p+1}\le t^2)$; "uniform", symmetric, $(1-\kappa)^{p+1}$; "laplace", the incomplete
    gamma function $P(p+1,-\log\kappa)$; "stable", symmetric with tail_index in (0, 2], by quadrature; or a function
    q -> t with $P(|X|>t)=q$, vectorised, whose moments are finite below tail_index (inf unless told).
    kappa: numbers in [0, 1]; p in (0, inf). Returns kappa's shape, float64. Raises ValueError on values out of range.
    Derived in: notebooks/13_compressible_laws. Gribonval, Cevher, Davies 2012, arXiv:1102.1249.
    """
    kappa = _unit("kappa", kappa)
    tail_index = _checked_law(law, p, tail_index)
    if tail_index <= p:
        return plain(np.where(kappa > 0, 0.0, 1.0))
    inside = np.clip(kappa, 1e-300, 1.0)
    if law == "gaussian" or (law == "stable" and tail_index == np.inf):
        share = special.gammainc((p + 1) / 2, special.gammainccinv(0.5, inside))
    elif law == "uniform":
        share = (1 - kappa) ** (p + 1)
    elif law == "laplace":
        share = special.gammainc(p + 1, -np.log(inside))
    elif law == "stable":
        share = np.vectorize(lambda q: _stable_share(q, tail_index, p), otypes=[float])(kappa)
    else:
        share = np.vectorize(lambda q: _quantile_share(law, q, p, tail_index), otypes=[float])(inside)
    return plain(np.where(kappa == 0, 1.0, np.where(kappa == 1, 0.0, share)) ** (1 / p))


def pruning_ratio(law: Law, error: ArrayLike, p: float = 2.0, *, tail_index: float | None = None) -> float | np.ndarray:
    r"""Share $1-\kappa$ of infinitely many i.i.d. entries that may go at a relative error: $G_p(\kappa)=\epsilon^p$.

    At p = 2 and error 0.1: uniform .2154, which is $\epsilon^{2/3}$; Gaussian .2653; Laplace .3534. It is 1 at any
    positive error where $E|X|^p=\infty$.
    law, p and tail_index as for `limit_error`; error: numbers in [0, 1]. Returns error's shape, float64.
    Raises ValueError on values out of range.
    Derived in: notebooks/13_compressible_laws. Barsbey et al. 2021, arXiv:2106.03795.
    """
    error = _unit("error", error)
    tail_index = _checked_law(law, p, tail_index)
    if tail_index <= p:
        return plain(np.where(error > 0, 1.0, 0.0))
    if law == "gaussian" or (law == "stable" and tail_index == np.inf):
        return plain(special.gammainc(0.5, special.gammaincinv((p + 1) / 2, error**p)))
    if law == "uniform":
        return plain(error ** (p / (p + 1)))
    if law == "laplace":
        return plain(-np.expm1(-special.gammaincinv(p + 1, error**p)))

    def solve(epsilon):
        if epsilon in (0, 1):
            return epsilon
        if law == "stable":
            t = stable_moments.truncation(tail_index, p, epsilon**p)
            return 1 - stable_moments.survival(tail_index, t)
        return optimize.brentq(
            lambda r: limit_error(law, 1 - r, p, tail_index=tail_index) - epsilon, 0.0, 1.0, xtol=1e-12
        )

    return plain(np.vectorize(solve, otypes=[float])(error))


def rate(tail_index: ArrayLike, p: float = 2.0) -> float | np.ndarray:
    r"""Exponent of the error of n entries at a fixed kept share.

    $\bar\sigma_{\kappa n}\asymp n^{1/p-1/\alpha}$ for $\alpha<p$; the exponent is 0 for $\alpha\ge p$.
    tail_index: numbers > 0; returns its shape, float64. At p = 2 and tail index 1.75 it is -0.071: halving the error
    takes 16 000 times as many entries. Raises ValueError on values out of range.
    Derived in: notebooks/13_compressible_laws.
    """
    tail_index = np.asarray(tail_index, np.float64)
    if not np.all(tail_index > 0):
        raise ValueError(f"tail_index is {tail_index}; allowed: numbers > 0")
    _checked_power(p)
    return plain(np.minimum(1 / p - 1 / tail_index, 0.0))


def median_error(n: ArrayLike, kappa: float, tail_index: float, p: float = 2.0) -> float | np.ndarray:
    r"""Median of the relative error of n i.i.d. stable entries as n grows, with the constant of the rate.

    $\bar\sigma_{\kappa n}\simeq n^{1/p-1/\alpha}\big(E[|X|^p;|X|\le t]/S\big)^{1/p}$, with $P(|X|>t)=\kappa$. S is the
    limit of $n^{-p/\alpha}\sum_i|X_i|^p$: positive stable of index $a=\alpha/p$, with Laplace transform
    $\exp(-c\,\Gamma(1-a)s^a)$ where $P(|X|>x)\simeq c\,x^{-\alpha}$. The closer $\alpha$ is to p, the larger n must be.
    n: numbers >= 1; kappa in (0, 1]; tail_index in (0, 2), below p. Returns n's shape, float64.
    Raises ValueError on values out of range. Derived in: notebooks/13_compressible_laws.
    """
    n, kappa = np.asarray(n, np.float64), float(_unit("kappa", kappa))
    _checked_law("stable", p, tail_index)
    if tail_index >= p or tail_index == 2:
        raise ValueError(f"tail_index is {tail_index}; allowed: a number in (0, 2) and below p = {p}")
    if kappa == 0 or not np.all(n >= 1):
        raise ValueError(f"kappa is {kappa} and n is {n}; allowed: kappa in (0, 1], n >= 1")
    a = tail_index / p
    tail = 2 / np.pi * special.gamma(tail_index) * np.sin(np.pi * tail_index / 2)
    total = (tail * special.gamma(1 - a)) ** (1 / a) * stable_moments.positive_median(a)
    lost = stable_moments.truncated(tail_index, p, stable_moments.threshold(tail_index, kappa)) if kappa < 1 else 0.0
    return plain(n ** (1 / p - 1 / tail_index) * (lost / total) ** (1 / p))


def initial_node_ratio(energy: ArrayLike, dim: int, law: str = "uniform") -> float | np.ndarray:
    r"""Share of units that a share of the squared norm removes when their dim weights are i.i.d.: the untrained value.

    The squared norms are close to normal with relative deviation $s=\sqrt{(E x^4/(E x^2)^2-1)/\mathrm{dim}}$, and the
    ratio r solves $r-s\,\varphi(\Phi^{-1}(r))=\rho$. For Gaussian weights they are $\chi^2$, and r is exact.
    energy: numbers in [0, 1]; law: "uniform" or "gaussian". Returns energy's shape, float64.
    Raises ValueError on values out of range. Derived in: notebooks/13_compressible_laws.
    """
    energy = _unit("energy", energy)
    if law not in _KURTOSIS:
        raise ValueError(f"law is {law!r}; allowed: {', '.join(map(repr, _KURTOSIS))}")
    if dim < 1:
        raise ValueError(f"dim is {dim}; allowed: a whole number >= 1")
    if law == "gaussian":
        return plain(special.gammainc(dim / 2, special.gammaincinv(dim / 2 + 1, energy)))
    s = np.sqrt((_KURTOSIS[law] - 1) / dim)

    def excess(r, rho):
        return r - s * np.exp(-(special.ndtri(r) ** 2) / 2) / np.sqrt(2 * np.pi) - rho

    def solve(rho):
        return rho if rho in (0, 1) else optimize.brentq(excess, rho, 1.0, args=(rho,), xtol=1e-14)

    return plain(np.vectorize(solve, otypes=[float])(energy))


def _stable_share(kappa: float, tail_index: float, p: float) -> float:
    if kappa in (0, 1):
        return 1.0 - kappa
    t = stable_moments.threshold(tail_index, kappa)
    return stable_moments.truncated(tail_index, p, t) / stable_moments.absolute(tail_index, p)


def _quantile_share(quantile: Callable, kappa: float, p: float, tail_index: float) -> float:
    """G_p from the quantiles: both moments are integrals over tail probabilities q = exp(-s)."""
    cut = min(-np.log(kappa), _DEEP)
    edges = np.union1d(_EDGES, [cut])
    half = np.diff(edges) / 2
    s = (edges[:-1] + half)[:, None] + half[:, None] * _NODES
    terms = (np.asarray(quantile(np.exp(-s))) ** p * np.exp(-s) * _WEIGHTS).sum(1) * half
    beyond = float(quantile(np.exp(-_DEEP)) ** p * np.exp(-_DEEP)) / (1 - p / tail_index)
    return terms[edges[1:] <= cut].sum() / (terms.sum() + beyond)


def _checked_power(p: float) -> None:
    if not 0 < p < np.inf:
        raise ValueError(f"p is {p}; allowed: a number in (0, inf)")


def _checked_law(law: Law, p: float, tail_index: float | None) -> float:
    """The index below which moments are finite, once law, p and tail_index are checked."""
    _checked_power(p)
    if not callable(law) and law not in LAWS:
        raise ValueError(f"law is {law!r}; allowed: {', '.join(map(repr, LAWS))}, or a function")
    if law == "stable" and (tail_index is None or not 0 < tail_index <= 2):
        raise ValueError(f"tail_index is {tail_index}; allowed for law 'stable': a number in (0, 2]")
    if law in LAWS and law != "stable" and tail_index is not None:
        raise ValueError(f"tail_index is {tail_index}; allowed for law {law!r}: None")
    if tail_index is not None and not tail_index > 0:
        raise ValueError(f"tail_index is {tail_index}; allowed: a number > 0")
    return np.inf if tail_index is None or (law == "stable" and tail_index == 2) else float(tail_index)


def _unit(name: str, value: ArrayLike) -> np.ndarray:
    value = np.asarray(value, np.float64)
    if not np.all((value >= 0) & (value <= 1)):
        raise ValueError(f"{name} is {value}; allowed: numbers in [0, 1]")
    return value
