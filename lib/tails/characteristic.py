r"""Tail indices of stable laws by their quantiles and by their characteristic function: precise where the law is right.

Both assume a symmetric stable law. For data that are not, an index below 2 does not mean a heavy tail: the Laplace law
gives about 1.6. Beside it belong `hill`, which reads the tail itself, and the distance of `stable_fit`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from lib import stable
from lib.tails import samples

# alpha, the ratio of ranges (q95 - q05) / (q75 - q25), and q75: from `stable.ppf`.
QUANTILES = np.array(
    [
        (0.2, 12709.2343, 3.62411396),
        (0.25, 1938.10746, 2.53608456),
        (0.3, 553.006168, 2.00605327),
        (0.35, 225.60488, 1.70206217),
        (0.4, 115.036596, 1.50895849),
        (0.5, 44.6351182, 1.28383278),
        (0.6, 23.6121892, 1.16210396),
        (0.7, 14.893767, 1.09006422),
        (0.8, 10.4790834, 1.04553474),
        (0.9, 7.92849245, 1.01758341),
        (1, 6.31375151, 1),
        (1.1, 5.2228689, 0.988852332),
        (1.2, 4.45085059, 0.9815372),
        (1.3, 3.88646995, 0.97637894),
        (1.4, 3.46562472, 0.972367403),
        (1.5, 3.14979508, 0.968933182),
        (1.6, 2.91402916, 0.965773727),
        (1.7, 2.73938223, 0.962737858),
        (1.8, 2.60991372, 0.959756431),
        (1.9, 2.51281829, 0.956803058),
        (2, 2.43866364, 0.953872552),
    ]
).T
POINTS = np.geomspace(0.05, 3.0, 12)  # where the characteristic function is compared, in units of 1 / scale
LEAST = 0.2  # no estimate is smaller
BLOCK = 2**14


@dataclass(frozen=True)
class StableFit:
    """A symmetric stable law fitted to data: tail index and its standard error, scale, location, and distance.

    distance: the largest difference between the distribution functions of data and law (Kolmogorov-Smirnov).
    """

    tail_index: float
    standard_error: float
    scale: float
    location: float
    distance: float


def mcculloch(x: ArrayLike) -> np.ndarray:
    r"""Tail index of a symmetric stable law from the ratio of quantiles $\frac{q_{95}-q_5}{q_{75}-q_{25}}$ of the data.

    Free of location and scale. The ratio of each $\alpha$ comes from `stable.ppf`, interpolated to $10^{-4}$.
    x: (..., n); returns (...), float64, in [0.2, 2].
    Raises ValueError on fewer than 5 samples, and when half of them are equal. McCulloch 1986.
    Derived in: notebooks/11_stable_laws.
    """
    return _start(x)[1][0][()]


def ecf(x: ArrayLike) -> np.ndarray:
    r"""Tail index of a symmetric stable law, by generalised least squares on the empirical characteristic function.

    With the data centred at their median, $\hat\varphi(t) = \frac1n \sum_j \cos(t x_j)$ at 12 points t is fitted by
    $e^{-(\sigma t)^\alpha}$ in $\alpha$ and $\sigma$, weighted by the inverse of its covariance
    $\frac1n \big[\frac12\varphi(s+t) + \frac12\varphi(s-t) - \varphi(s)\varphi(t)\big]$; the start is `mcculloch`.
    Its variance is within 5 percent of the Cramér-Rao bound for $\alpha \ge 1.2$, and 11 at 1.
    x: (..., n); returns (...), float64, in [0.2, 2].
    Raises ValueError on fewer than 5 samples, and when half of them are equal. Koutrouvelis 1980.
    Derived in: notebooks/11_stable_laws.
    """
    return fit(*_start(x))[0][()]


def stable_fit(x: ArrayLike) -> StableFit:
    r"""The symmetric stable law of `ecf`, with the standard error of its index and its distance from the data.

    The distance of n samples of a stable law is about $0.6/\sqrt n$, and rarely beyond $1/\sqrt n$.
    The standard error is the asymptotic one, before the cap at 2.
    x: (n,). Raises ValueError as `ecf` does.
    Derived in: notebooks/11_stable_laws.
    """
    if np.ndim(x) != 1:
        raise ValueError(f"x has shape {np.shape(x)}; allowed: (n,)")
    x, start = _start(x)
    alpha, scale, location, error = (float(part) for part in fit(x, start))
    ranked = np.sort(x)
    # The distribution function at many points, interpolated in a coordinate that compresses the tails.
    from scipy.interpolate import PchipInterpolator

    ends = np.arcsinh((ranked[[0, -1]] - location) / scale)
    grid = np.linspace(*ends, 1000) if len(x) > 1000 and ends[1] > ends[0] else None
    if grid is None:
        values = stable.cdf(ranked - location, alpha, scale)
    else:
        values = PchipInterpolator(grid, stable.cdf(np.sinh(grid), alpha))(np.arcsinh((ranked - location) / scale))
    steps = np.arange(len(x) + 1) / len(x)
    distance = max(np.max(values - steps[:-1]), np.max(steps[1:] - values))
    return StableFit(alpha, error, scale, location, float(distance))


@lru_cache(maxsize=1)
def _splines():
    from scipy.interpolate import CubicSpline

    alpha, ratio, quartile = QUANTILES
    return CubicSpline(-np.log(ratio), alpha), CubicSpline(alpha, np.log(quartile))


def by_quantiles(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index, scale and location (the median) by `mcculloch`; the index is nan where half of the entries are equal."""
    ranked, n = np.sort(x, axis=-1), x.shape[-1]
    place = np.clip(np.array([0.05, 0.25, 0.5, 0.75, 0.95]) * n - 0.5, 0, n - 1)
    left = np.minimum(place.astype(int), n - 2)
    values = ranked[..., left] + (place - left) * (ranked[..., left + 1] - ranked[..., left])
    low, quarter, middle, three, high = np.moveaxis(values, -1, 0)
    spread = np.where(three > quarter, three - quarter, 1.0)
    to_alpha, to_quartile = _splines()
    ratio = np.clip((high - low) / spread, QUANTILES[1].min(), QUANTILES[1].max())
    alpha = np.clip(to_alpha(-np.log(ratio)), LEAST, samples.LARGEST)
    return np.where(three > quarter, alpha, np.nan), spread / (2 * np.exp(to_quartile(alpha))), middle


def _start(x: ArrayLike) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    x = samples.checked(x, 5)
    start = by_quantiles(x)
    if np.isnan(start[0]).any():
        raise ValueError("x has half of its entries equal; allowed: data without so many ties")
    return x, start


def fit(x: np.ndarray, start: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Index, scale, location and the standard error of the index, each (...), by Gauss-Newton steps from a start."""
    alpha, unit, location = start
    found = _mean_cosines((x - location[..., None]) / unit[..., None])
    log_scale = np.zeros_like(alpha)  # of the data in units of `unit`
    for _ in range(30):
        a, s = alpha[..., None], np.exp(log_scale)[..., None]
        power = (s * POINTS) ** a
        model = np.exp(-power)
        slopes = np.stack([-model * power * np.log(s * POINTS), -model * power * a], axis=-1)
        weighted = np.linalg.solve(_covariance(a, s), slopes)
        information = weighted.mT @ slopes
        step = np.linalg.solve(information, weighted.mT @ (found - model)[..., None])[..., 0]
        moved = np.clip(alpha + step[..., 0].clip(-0.3, 0.3), LEAST, samples.LARGEST)
        log_scale = np.clip(log_scale + step[..., 1].clip(-0.5, 0.5), -3, 3)
        change = np.abs(moved - alpha).max()
        alpha = moved
        if change < 1e-10:
            break
    error = np.sqrt(np.linalg.inv(information)[..., 0, 0] / x.shape[-1])
    return alpha, np.exp(log_scale) * unit, location, error


def _covariance(alpha: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """n times the covariance of the mean cosines at the points, (..., points, points)."""
    t, alpha = scale * POINTS, alpha[..., None]
    u, v = t[..., :, None], t[..., None, :]
    matrix = np.exp(-((u + v) ** alpha)) / 2 + np.exp(-(np.abs(u - v) ** alpha)) / 2 - np.exp(-(u**alpha) - v**alpha)
    return matrix + 1e-10 * matrix * np.eye(len(POINTS))  # it is almost singular at alpha = 2


def _mean_cosines(x: np.ndarray) -> np.ndarray:
    """Mean cosine of t x for each of the points t, (..., points), block by block to stay in the cache."""
    import torch

    n = x.shape[-1]
    rows = torch.from_numpy(np.ascontiguousarray(x).reshape(-1, n))
    sums = torch.zeros(len(rows), len(POINTS), dtype=torch.float64)
    height = max(1, BLOCK // n)
    for top in range(0, len(rows), height):
        for start in range(0, n, BLOCK):
            part = rows[top : top + height, start : start + BLOCK]
            for j, t in enumerate(POINTS):
                sums[top : top + height, j] += (part * t).cos_().sum(1)
    return sums.div_(n).numpy().reshape(*x.shape[:-1], len(POINTS))
