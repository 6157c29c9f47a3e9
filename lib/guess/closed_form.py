"""Probabilities that a random classifier has no training error, where they are known exactly."""

import math

import numpy as np
from numpy.typing import ArrayLike


def orthogonal(n: int) -> float:
    r"""The probability $2^{-n}$ of a linear classifier of Gaussian weights on n orthogonal samples: it guesses each.

    Raises ValueError on n < 1.
    """
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 1:
        raise ValueError(f"n is {n!r}; allowed: an integer >= 1")
    return 2.0**-n


def few_samples(inputs: ArrayLike, labels: ArrayLike) -> float:
    r"""The probability of a linear classifier of Gaussian weights on one, two or three samples, from their angles.

    $d(x) = \langle v, x \rangle$ with v normal is right on all samples when v lies in an intersection of half-spaces.
    With $\theta_{ij}$ the angles between $s_i x_i$ and $s_j x_j$, $s = 2 y - 1$: it is $\frac12$ for one sample,
    $\frac12 - \frac{\theta_{12}}{2\pi}$ for two, and $\frac12 - \frac{\theta_{12} + \theta_{13} + \theta_{23}}{4\pi}$
    for three. inputs (n, d) without zero rows, labels (n,) of 0 and 1. Raises ValueError on others.
    """
    x, y = np.asarray(inputs, np.float64), np.asarray(labels)
    if (
        x.ndim != 2
        or not 1 <= len(x) <= 3
        or not np.all(np.isfinite(x))
        or not (norms := np.linalg.norm(x, axis=1)).all()
    ):
        raise ValueError(f"inputs has shape {x.shape}; allowed: one to three finite rows that are not 0")
    if y.shape != x.shape[:1] or not np.isin(y, (0, 1)).all():
        raise ValueError(f"labels is {labels}; allowed: 0 or 1 for each of {len(x)} inputs")
    rows = (2 * y - 1)[:, None] * x / norms[:, None]
    first, second = np.triu_indices(len(x), 1)
    # The angle by its half, exact also when it is small.
    angles = 2 * np.arctan2(
        np.linalg.norm(rows[first] - rows[second], axis=1), np.linalg.norm(rows[first] + rows[second], axis=1)
    )
    return float(0.5 - angles.sum() / ((4 if len(x) == 3 else 2) * math.pi))


def equal_cosines(cosine: float, n: int) -> float:
    r"""The probability of a linear classifier of Gaussian weights on n samples, all $s_i x_i$ at a cosine $\rho \ge 0$.

    $\int \Phi\big(t \sqrt{\rho / (1 - \rho)}\big)^n \varphi(t)\,dt$: a shared part of the values, and one of each. It
    is $2^{-n}$ at 0, $1 / (n + 1)$ at 1/2, and 1/2 at 1. With a direction that separates the
    classes, fitting n samples costs about a logarithm of n in bits, and not n.
    Raises ValueError on values out of range.
    """
    from scipy.integrate import quad
    from scipy.stats import norm

    orthogonal(n)
    if not 0 <= cosine <= 1:
        raise ValueError(f"cosine is {cosine}; allowed: a number in [0, 1]")
    if cosine == 1:
        return 0.5
    slope = math.sqrt(cosine / (1 - cosine))
    value, _ = quad(lambda t: norm.cdf(slope * t) ** n * norm.pdf(t), -12, 12, limit=500, epsabs=0, epsrel=1e-10)
    return float(value)


def cosine_after(cosine: ArrayLike, depth: int) -> np.ndarray:
    r"""The cosine of two inputs after some ReLU layers of infinite width and zero biases.

    $r_{l+1} = \frac1\pi\big(\sqrt{1 - r_l^2} + r_l (\pi - \arccos r_l)\big)$; it grows towards 1. cosine: any shape,
    in [-1, 1]. Raises ValueError on values out of range. Cho & Saul 2009 (the arc-cosine kernel of degree 1).
    """
    r = np.asarray(cosine, np.float64)
    if not np.all(np.abs(r) <= 1):
        raise ValueError(f"cosine is {cosine}; allowed: numbers in [-1, 1]")
    if isinstance(depth, bool) or not hasattr(depth, "__index__") or depth < 0:
        raise ValueError(f"depth is {depth!r}; allowed: an integer >= 0")
    for _ in range(depth):
        r = np.clip((np.sqrt(1 - r**2) + r * (math.pi - np.arccos(r))) / math.pi, -1, 1)
    return r


def separates(cosine: ArrayLike, depth: int) -> np.ndarray:
    r"""The probability that a random infinitely wide ReLU network puts two inputs, in this order, in classes 1 and 0.

    $P(d(x) > 0, d(x') < 0) = \frac{\arccos r_L}{2\pi}$ with $r_L$ of `cosine_after`, L = depth: d is a Gaussian process
    whose correlation is $r_L$. Raises ValueError on values out of range.
    """
    return np.arccos(cosine_after(cosine, depth)) / (2 * math.pi)
