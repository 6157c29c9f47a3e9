"""Eigenvalues outside the bulk: where noise ends, where a rank-one part shows, and phases of a spectrum."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lib.esd.marchenko_pastur import marchenko_pastur
from lib.esd.power_law import hill
from lib.esd.spectra import spectrum

_TRACY_WIDOM = 2.0234  # 99 % quantile of the Tracy-Widom law of real matrices
PHASES = ("random-like", "bleeding-out", "bulk+spike", "bulk-decay", "heavy-tailed", "rank-collapse")


@dataclass(frozen=True)
class Spike:
    r"""Largest singular value and vectors of $\theta uv^T$ plus noise, in the limit of large matrices.

    singular_value: $s_1$; left, right: $\cos^2(u_1,u)$ on the side of the rows and $\cos^2(v_1,v)$ on that of the
    columns; projected: $\cos^2(v_1,W^Tu)$ with the whole matrix; visible: whether $s_1$ leaves the bulk.
    """

    singular_value: float
    left: float
    right: float
    projected: float
    visible: bool


def spike(theta: float, shape: tuple[int, int]) -> Spike:
    r"""What a rank-one part $\theta uv^T$ does to a matrix (h, d) of independent entries of mean 0 and variance 1.

    For unit vectors u (h,), v (d,) that do not depend on the noise it shows if and only if $\theta^4>hd$. Then

    $$s_1=\frac{\sqrt{(\theta^2+h)(\theta^2+d)}}\theta,\quad
    \cos^2(u_1,u)=\frac{\theta^4-hd}{\theta^2(\theta^2+h)},\quad
    \cos^2(v_1,v)=\frac{\theta^4-hd}{\theta^2(\theta^2+d)},$$

    and $\cos^2(v_1,W^Tu)=1-hd/\theta^4$. Otherwise $s_1=\sqrt h+\sqrt d$ and all cosines are 0.
    Raises ValueError unless theta is finite and at least 0, and shape two integers of at least 1.
    Baik, Ben Arous and Péché 2005; Benaych-Georges and Nadakuditi 2012.
    Derived in: notebooks/16_one_step.
    """
    h, d = _sides(shape)
    if isinstance(theta, bool) or not np.isfinite(theta) or theta < 0:
        raise ValueError(f"theta is {theta!r}; allowed: a finite number of at least 0")
    if theta <= (h * d) ** 0.25:
        return Spike(h**0.5 + d**0.5, 0.0, 0.0, 0.0, False)
    rows, columns = h / theta / theta, d / theta / theta
    value, above = theta * ((1 + rows) * (1 + columns)) ** 0.5, 1 - rows * columns
    return Spike(float(value), float(above / (1 + rows)), float(above / (1 + columns)), float(above), True)


def edge(shape: tuple[int, int]) -> float:
    r"""The 99 % quantile of the largest eigenvalue of $W^TW$ for Gaussian entries of variance 1.

    $(\sqrt{h-1}+\sqrt d)^2+q\,(\sqrt{h-1}+\sqrt d)\big(\frac1{\sqrt{h-1}}+\frac1{\sqrt d}\big)^{1/3}$ with the
    quantile $q=2.02$ of the Tracy-Widom law. Raises ValueError unless shape is two integers of at least 2.
    Johnstone 2001.
    """
    h, d = _sides(shape, 2)
    n, m = (max(h, d) - 1) ** 0.5, min(h, d) ** 0.5
    return (n + m) ** 2 + _TRACY_WIDOM * (n + m) * (1 / n + 1 / m) ** (1 / 3)


@dataclass(frozen=True)
class Phase:
    """A phase by name (one of `PHASES`), with what decides it: outliers, distance to noise, exponent."""

    name: str
    outliers: int
    distance: float
    hill: float


def phase(eigenvalues: ArrayLike, shape: tuple[int, int]) -> Phase:
    r"""The phase of a spectrum, by a rule of ours: thresholds on three numbers.

    outliers: eigenvalues above `edge`. distance: Kolmogorov-Smirnov distance $\Delta$ of all eigenvalues to the law of
    Marchenko and Pastur for entries of variance 1; an outlier adds at most 1/k. hill: `hill`, whose limit for noise of
    this shape is $\alpha_0$. In this order, the first that holds:

    - rank-collapse: at least 5 % of the eigenvalues are below $10^{-5}\lambda_1$;
    - heavy-tailed: $\Delta\ge0.25$ and $\alpha<\alpha_0-0.3$;
    - bulk-decay: $\Delta\ge0.05$, or $\Delta\ge0.03$ without outliers;
    - random-like: no outliers;
    - bleeding-out: $s_1<1.03(\sqrt h+\sqrt d)$; bulk+spike: all that is left.

    Names are those of Martin and Mahoney 2021 (JMLR), who give no thresholds: other thresholds, other phases. A weight
    that was scaled as a whole is no longer noise of variance 1; divide by its scale first.
    eigenvalues: (k,) in any order, k = min(shape) at least 2. Raises ValueError on values out of range.
    Used in: notebooks/17_spike_to_heavy_tail.
    """
    values, (h, d) = spectrum(eigenvalues, 2), _sides(shape, 2)
    if values.shape != (min(h, d),) or not values[-1]:
        raise ValueError(f"eigenvalues has shape {values.shape}; allowed: ({min(h, d)},), the largest positive")
    law = marchenko_pastur(min(h, d) / max(h, d))
    k, outliers = len(values), int(np.sum(values > edge(shape)))
    above = np.arange(1, k + 1) / k - law.cdf(values / max(h, d))
    distance = float(max(above.max(), 1 / k - above.min()))
    collapsed = np.mean(values < 1e-5 * values[-1]) >= 0.05
    exponent = float(hill(values)) if values[len(values) // 2] > 0 else np.inf
    name = "bulk+spike"
    if collapsed:
        name = "rank-collapse"
    elif distance >= 0.25 and exponent < law.hill() - 0.3:
        name = "heavy-tailed"
    elif distance >= 0.05 or (not outliers and distance >= 0.03):
        name = "bulk-decay"
    elif not outliers:
        name = "random-like"
    elif values[-1] ** 0.5 < 1.03 * (h**0.5 + d**0.5):
        name = "bleeding-out"
    return Phase(name, outliers, distance, exponent)


def _sides(shape: tuple[int, int], least: int = 1) -> tuple[int, int]:
    sides = tuple(shape) if isinstance(shape, tuple | list) else ()
    integers = all(isinstance(s, int | np.integer) and not isinstance(s, bool) for s in sides)
    if len(sides) != 2 or not integers or min(sides) < least:
        raise ValueError(f"shape is {shape!r}; allowed: (rows, columns), integers of at least {least}")
    return int(sides[0]), int(sides[1])
