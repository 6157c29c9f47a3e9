r"""What the read-out is expected to lose on new inputs, from the hidden weights alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from lib.single_index.network import SCALINGS, _ridges
from lib.single_index.problem import gaussian_constants, positive_integer

ORDERS = 25  # odd Hermite orders; what is left of the activation counts as independent in each unit
_POINTS = np.arange(-768, 769) / 64  # of a normal number


@dataclass(frozen=True)
class Risk:
    r"""Expected test loss of a ridge read-out, and what it consists of; floats, or arrays over the ridges.

    test_loss: floor + missed + variance. missed: the part of the linear signal, of square 1/4, that the read-out of
    an infinite sample would not have, at a ridge as strong as the finite sample makes it. variance: what the noise in
    the n targets costs. effective_ridge: $\bar\lambda$, that ridge.
    """

    test_loss: np.ndarray
    missed: np.ndarray
    variance: np.ndarray
    effective_ridge: np.ndarray


def expected_risk(
    weights: ArrayLike | torch.Tensor,
    teacher: ArrayLike | torch.Tensor,
    n_samples: int,
    ridge: float | Sequence[float] = 0.01,
    *,
    label_noise: float = 0.3,
    scaling: str = "intended",
) -> Risk:
    r"""Expected test loss of the ridge read-out on n samples that are independent of the weights.

    With features $\phi(x)=\tanh(Wx/\tau)$, $\Omega=E\phi\phi^T$ and $\Phi=E\,\phi\,y$ the ridge $\lambda$ acts like
    $\bar\lambda\ge\lambda$ in an infinite sample, and the loss is
    $$\bar\lambda\Big(1-\frac{\mathrm{df}_1}n\Big)=\lambda,\qquad
    \frac{E_0+E_{\mathrm s}}{1-\mathrm{df}_2/n},\quad
    E_{\mathrm s}=\frac14-\Phi^T\big[(\Omega+\bar\lambda)^{-1}+\bar\lambda(\Omega+\bar\lambda)^{-2}\big]\Phi,$$
    $\mathrm{df}_i=\mathrm{Tr}\,\Omega^i(\Omega+\bar\lambda)^{-i}$ and $E_0$ the floor of `gaussian_constants`.
    Both averages follow from the Hermite coefficients of tanh. Exact for Gaussian features in the limit of large sizes.
    Features of trained weights that depend on few directions are not Gaussian, and it is an approximation.
    weights: (h, d); teacher: (d,), of length one; n_samples: n >= 1; ridge: one or several; scaling: as for
    `features`. Raises ValueError on values out of range, and weights that are not finite.
    Tested in notebooks/18_what_shapes_the_tail. After Hastie et al. 2022, arXiv:1903.08560, and Mei and Montanari
    2022, arXiv:1908.05355.
    """
    positive_integer("n_samples", n_samples)
    if scaling not in SCALINGS:
        raise ValueError(f"scaling is {scaling!r}; allowed: {', '.join(SCALINGS)}")
    weights, teacher = (np.asarray(_numpy(v), dtype=float) for v in (weights, teacher))
    if weights.ndim != 2 or teacher.shape != weights.shape[1:]:
        raise ValueError(f"teacher has shape {teacher.shape}; allowed: one number for each column of {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("weights has entries that are not finite; allowed: finite numbers")
    norms = np.linalg.norm(weights, axis=1)
    rows = weights / np.maximum(norms, np.finfo(float).tiny)[:, None]
    coefficients, squares = _hermite(norms / weights.shape[1] ** SCALINGS[scaling])
    cosines = rows @ rows.T
    step, power, omega = cosines**2, cosines, np.zeros_like(cosines)
    for c in coefficients:
        omega += np.outer(c, c) * power
        power = power * step
    omega[np.diag_indices(len(omega))] = squares
    constants = gaussian_constants(label_noise)
    values, vectors = np.linalg.eigh(omega)
    values = np.maximum(values, 0)
    signal = (vectors.T @ (constants.teacher_slope * coefficients[0] * (rows @ teacher))) ** 2
    ridges = np.array(_ridges(ridge))
    effective = np.array([_effective(values, n_samples, r) for r in ridges])
    shifted = values + effective[:, None]
    missed = constants.teacher_slope**2 - (signal / shifted * (1 + effective[:, None] / shifted)).sum(1)
    missed = np.maximum(missed, 0)
    share = ((values / shifted) ** 2).sum(1) / n_samples
    total = (constants.floor + missed) / (1 - share)
    found = (total, missed, total - missed - constants.floor, effective)
    return Risk(*(v if np.ndim(ridge) else v[0] for v in found))


def _hermite(scales: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Coefficients of tanh(s z) in normalised Hermite polynomials of odd order, and its mean square, for each s."""
    density = np.exp(-(_POINTS**2) / 2)
    density /= density.sum()
    values = np.tanh(np.outer(_POINTS, scales))
    coefficients, before, now = [], np.zeros_like(_POINTS), np.ones_like(_POINTS)
    for m in range(2 * ORDERS):
        if m % 2:
            coefficients.append((density * now) @ values)
        before, now = now, (_POINTS * now - math.sqrt(m) * before) / math.sqrt(m + 1)
    return coefficients, density @ values**2


def _effective(values: np.ndarray, n: int, ridge: float) -> float:
    """The root e of e (1 - df1 / n) = ridge, whose left side rises with e; by bisection of log e."""
    low, high = math.log(ridge), math.log(ridge + values.sum() / n)
    for _ in range(60):
        middle = (low + high) / 2
        e = math.exp(middle)
        if e - (e * values / (values + e)).sum() / n < ridge:
            low = middle
        else:
            high = middle
    return math.exp(high)


def _numpy(values: ArrayLike | torch.Tensor) -> ArrayLike:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
