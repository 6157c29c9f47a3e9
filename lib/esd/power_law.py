r"""Exponents of power laws: a density $\propto\lambda^{-\alpha}$ above some $\lambda_{\min}$.

Here $\alpha$ is the exponent of the density. The tail index of `lib.tails`, of the distribution function, is
$\alpha-1$.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lib.esd.spectra import spectrum

_QUANTILES = (16, 64, 256, 1024)  # positions at which a start is bounded before its distance is computed
_BLOCK = 1 << 13  # starts bounded at once


@dataclass(frozen=True)
class PowerLaw:
    r"""A density $\propto\lambda^{-\alpha}$ on $[\lambda_{\min},\infty)$, fitted to the n_tail values there.

    alpha: its exponent; xmin: $\lambda_{\min}$, one of the data; distance: the Kolmogorov-Smirnov distance that xmin
    makes least; sigma: the standard error $(\alpha-1)/\sqrt{n_\text{tail}}$ of alpha at a given xmin. The choice of
    xmin adds to it, by far more as a rule.
    """

    alpha: float
    xmin: float
    distance: float
    n_tail: int
    sigma: float


def hill(eigenvalues: ArrayLike, position: int = 2) -> np.ndarray:
    r"""Hill's estimate of the exponent of the density, from a given rank on:

    $$\alpha=1+\frac m{\sum_{j=i}^{k-1}\log(\lambda_{(j)}/\lambda_{(i)})},\qquad i=\lfloor k/p\rfloor,\quad m=k-i,$$

    of ascending $\lambda_{(0)}\le\lambda_{(1)}\le\dots$, and p the position; 2 starts at the median.
    The term $j=i$, which is 0, counts in m. Without scale: a factor of all eigenvalues changes nothing. An untrained
    weight has no power law, and yet a value: `MarchenkoPastur.hill`.
    eigenvalues: (..., k) in any order, k at least 2; position: at least 2; returns (...), float64, and inf where all
    from i on are equal. Raises ValueError on values out of range, and where $\lambda_{(i)}=0$. Hill 1975.
    Derived in: notebooks/17_spike_to_heavy_tail.
    """
    values = spectrum(eigenvalues, 2)
    if isinstance(position, bool) or not isinstance(position, int | np.integer) or position < 2:
        raise ValueError(f"position is {position!r}; allowed: an integer of at least 2")
    tail = values[..., values.shape[-1] // position :]
    if not tail[..., 0].all():
        raise ValueError("eigenvalues are 0 at the start; allowed: positive from there on")
    mean = np.log(tail / tail[..., :1]).mean(axis=-1)
    with np.errstate(divide="ignore"):
        return 1 + 1 / mean


def fit_power_law(eigenvalues: ArrayLike) -> PowerLaw:
    r"""The exponent by maximum likelihood, above the $\lambda_{\min}$ at which the fit is closest.

    Of each distinct value but the last as $\lambda_{\min}$, with the m values from there on,

    $$\alpha=1+\frac m{\sum\log(\lambda/\lambda_{\min})},\qquad
    D=\max\Big|1-\Big(\frac\lambda{\lambda_{\min}}\Big)^{1-\alpha}-F_m(\lambda)\Big|,$$

    where $F_m(\lambda)$ is the share of the m values that are smaller than $\lambda$: before the jump, as in the
    reference implementations. The least D wins, the smallest $\lambda_{\min}$ among equals.

    Distances of the starts are bounded from below at a few of their quantiles, and computed in the order of the bounds
    until a bound exceeds the best: the result is that of computing all, at a fraction of the work.
    eigenvalues: (n,) in any order, positive, at least two distinct. Zeros have no power law: leave them out first.
    Raises ValueError otherwise. Clauset, Shalizi and Newman 2009, arXiv:0706.1062.
    Used in: notebooks/17_spike_to_heavy_tail.
    """
    values = spectrum(eigenvalues, 2)
    if values.ndim != 1 or values[0] <= 0 or values[0] == values[-1]:
        raise ValueError(
            f"eigenvalues has shape {values.shape}, from {values.min()} to {values.max()}; "
            "allowed: (n,), positive, at least two distinct"
        )
    n = len(values)
    values, below = np.unique(values, return_index=True)  # distinct values, and how many are smaller than each
    gaps = np.log1p(np.diff(values) / values[:-1])
    logs = np.concatenate([[0.0], np.cumsum(gaps)])
    sums = np.cumsum((gaps * (n - below[1:]))[::-1])[::-1]  # of log(value / start); all terms positive
    counts = n - below
    rates = counts[:-1] / sums  # alpha - 1
    best, start = np.inf, -1
    left, bounds = np.arange(len(rates)), np.zeros(len(rates))
    for quantiles in _QUANTILES:  # a coarse bound of all, finer ones of the few that these leave
        left = left[bounds <= best * (1 + 1e-9)]  # the factor is for the rounding of bounds
        bounds = _bounds(left, quantiles, logs, below, counts, rates)
        first = left[np.argmin(bounds)]
        best, start = min((best, start), (_distance(first, logs, below, counts, rates), first))
    for j in np.argsort(bounds, kind="stable"):
        if bounds[j] > best * (1 + 1e-9):
            break
        best, start = min((best, start), (_distance(left[j], logs, below, counts, rates), left[j]))
    m, rate = int(counts[start]), float(rates[start])
    return PowerLaw(1 + rate, float(values[start]), float(best), m, rate / m**0.5)


def _distance(i: int, logs: np.ndarray, below: np.ndarray, counts: np.ndarray, rates: np.ndarray) -> float:
    return np.abs(1 - np.exp(rates[i] * (logs[i] - logs[i:])) - (below[i:] - below[i]) / counts[i]).max()


def _bounds(
    starts: np.ndarray, quantiles: int, logs: np.ndarray, below: np.ndarray, counts: np.ndarray, rates: np.ndarray
) -> np.ndarray:
    """Largest deviation of each start at some of its quantiles, at most its distance."""
    bounds, shares = np.empty(len(starts)), np.arange(1, quantiles + 1) / quantiles
    for first in range(0, len(starts), _BLOCK):
        i = starts[first : first + _BLOCK, None]
        at = i + ((len(logs) - 1 - i) * shares).astype(np.intp)
        deviation = 1 - np.exp(rates[i] * (logs[i] - logs[at])) - (below[at] - below[i]) / counts[i]
        bounds[first : first + _BLOCK] = np.abs(deviation).max(axis=1)
    return bounds
