r"""What the first step does to the singular values of the weights, in the limit of large h, d and n.

The step adds a matrix of nearly rank one, $u\,w^T$, to Gaussian weights. All it does to the largest singular value
is to make the one row $u^TW$ longer.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from lib.single_index.problem import gaussian_constants, positive_integer


@dataclass(frozen=True, eq=False)
class Spike:
    r"""The largest singular value after a step; arrays of one shape.

    theta_square: $\theta^2$, the squared length of the longest row, less d. exists: $\theta^2>\sqrt{hd}$, the value
    stands out of the bulk. singular_value: it, or the edge $\sqrt h+\sqrt d$ of the bulk. cosine: of its right vector
    with the longest row, or 0. alignment: of that vector with the teacher, without sign, or 0.
    """

    theta_square: np.ndarray
    exists: np.ndarray
    singular_value: np.ndarray
    cosine: np.ndarray
    alignment: np.ndarray


@dataclass(frozen=True)
class OneStep:
    r"""The first step of GD and of full-batch Adam from random weights.

    V: $E\lVert v\rVert^2$ of $v=\frac1nX^T(y-f)$. b: size of the rank-one part of an entry of the gradient over that
    of the rest. kappa: $s_1(\mathrm{sign}\,G)/\sqrt{hd}$. chi: correlation of the sign of an entry with $v$.
    agreement: share of entries with the sign of the rank-one part. gd_threshold, adam_threshold: learning rates above
    which a singular value leaves the bulk. gd(learning_rate), adam(learning_rate): the `Spike`.
    """

    width: int
    dim: int
    n_samples: int
    label_noise: float
    V: float
    b: float
    kappa: float
    chi: float
    agreement: float
    gd_threshold: float
    adam_threshold: float

    def gd(self, learning_rate: ArrayLike) -> Spike:
        r"""The spike after a GD step. With $q=2\mu_1\eta/d$: $\theta^2/d=q^2V-2q\mu_1$.

        learning_rate: numbers >= 0; the spike has their shape. Raises ValueError on negative ones.
        Derived in: notebooks/16_one_step.
        """
        c = gaussian_constants(self.label_noise)
        q = 2 * c.slope * _rates(learning_rate) / self.dim
        theta_square = self.dim * (q**2 * self.V - 2 * q * c.slope)
        overlap = q * c.teacher_slope / np.sqrt(1 - 2 * q * c.slope + q**2 * self.V)
        return _spike(theta_square, overlap, self.width, self.dim)

    def adam(self, learning_rate: ArrayLike) -> Spike:
        r"""The spike after a full-batch Adam step. With $e=\eta\sqrt h$ the rows along sign(a) and along the rest of a
        have the Gram matrix $d\begin{pmatrix}1-2\sqrt{2/\pi}\,ce+\kappa^2e^2&-\sqrt{1-2/\pi}\,ce\\\cdot&1\end{pmatrix}$
        with $c=\mu_1\chi/\sqrt V$; $d+\theta^2$ is its largest eigenvalue.

        learning_rate: numbers >= 0 of order $1/\sqrt h$; the spike has their shape. Raises ValueError on negative ones.
        Derived in: notebooks/16_one_step.
        """
        c = gaussian_constants(self.label_noise)
        e = _rates(learning_rate) * math.sqrt(self.width)
        pull = c.slope * self.chi / math.sqrt(self.V)
        first = 1 - 2 * math.sqrt(2 / math.pi) * pull * e + (self.kappa * e) ** 2
        cross = -math.sqrt(1 - 2 / math.pi) * pull * e
        top = (first + 1) / 2 + np.hypot((first - 1) / 2, cross)
        # Of the eigenvector (p, r): cross * p = (top - 1) * r.
        share = (top - 1) / np.maximum(np.hypot(top - 1, cross), np.finfo(float).tiny)
        overlap = share * e * self.chi * c.teacher_slope / math.sqrt(self.V) / np.sqrt(top)
        return _spike(self.dim * (top - 1), overlap, self.width, self.dim)


def one_step_theory(width: int, dim: int, n_samples: int, label_noise: float = 0.3) -> OneStep:
    r"""Constants and thresholds of the first step, for h, d, n in fixed proportion and large.

    $V=\mu_1^2+\mu_1^{*2}+\frac dnEr^2$, $b=\mu_1\sqrt{V\frac nd/(Er^2\,\mathrm{Var}\tanh')}$,
    $\kappa^2=\frac2\pi\arcsin\frac{b^2}{1+b^2}$, $\chi=\sqrt{2/\pi}\,b/\sqrt{1+b^2}$, and with $s=\sqrt{h/d}$
    $\eta_c^{\mathrm{GD}}=\frac d{2\mu_1V}\big(\mu_1+\sqrt{\mu_1^2+Vs}\big)$,
    $\eta_c^{\mathrm{Adam}}=e/\sqrt h$ with
    $\big(\kappa^2+(1-\frac2\pi)\frac{c^2}s\big)e^2-2\sqrt{2/\pi}\,ce-s=0$, $c=\mu_1\chi/\sqrt V$.

    width h, dim d, n_samples n: integers >= 1. label_noise: of the targets, >= 0. Raises ValueError on others.
    Derived in: notebooks/16_one_step.
    """
    for name, value in {"width": width, "dim": dim, "n_samples": n_samples}.items():
        positive_integer(name, value)
    c = gaussian_constants(label_noise)
    V = c.slope**2 + c.teacher_slope**2 + dim / n_samples * c.residual_square
    b = c.slope * math.sqrt(V * n_samples / dim / (c.residual_square * c.slope_variance))
    kappa = math.sqrt(2 / math.pi * math.asin(b**2 / (1 + b**2)))
    chi = math.sqrt(2 / math.pi) * b / math.hypot(1, b)
    s = math.sqrt(width / dim)
    gd = dim / (2 * c.slope * V) * (c.slope + math.sqrt(c.slope**2 + V * s))
    pull = c.slope * chi / math.sqrt(V)
    square, half = kappa**2 + (1 - 2 / math.pi) * pull**2 / s, math.sqrt(2 / math.pi) * pull
    adam = (half + math.sqrt(half**2 + square * s)) / square / math.sqrt(width)
    agreement = 0.5 + math.atan(b) / math.pi
    return OneStep(width, dim, n_samples, label_noise, V, b, kappa, chi, agreement, gd, adam)


def outlier(weights: torch.Tensor, directions: torch.Tensor, teacher: torch.Tensor) -> Spike:
    r"""The spike of weights whose step went along known output directions, from the rows along them.

    With orthonormal U of the span of the directions, $z$ the longest of the rows $u^TW$ for unit $u$ in the span,
    $Z=\lVert z\rVert^2$ and $\theta^2=Z-d$: a singular value leaves the bulk for $\theta^2>\sqrt{hd}$, and
    $s_1=\sqrt{(\theta^2+h)(\theta^2+d)}/\theta$, $\cos^2(v_1,z)=1-hd/\theta^4$, so that the alignment of $v_1$ with the
    teacher is that of $z$ times this cosine. The step must leave the weights orthogonal to the span independent of it:
    for GD the direction is a, for Adam they are a and sign(a), and sign(a) alone is not enough.

    weights: (..., h, d) after the step; directions: (..., k, h), k < h, or (..., h); teacher: (..., d), of length one.
    Raises ValueError on axes that do not fit. Derived in: notebooks/16_one_step.
    """
    h, d = weights.shape[-2:]
    directions = directions.unsqueeze(-2) if directions.ndim == weights.ndim - 1 else directions
    if directions.ndim != weights.ndim or directions.shape[-1] != h or directions.shape[-2] >= h:
        allowed = f"(..., k, {h}) with k < {h}, or (..., {h})"
        raise ValueError(f"directions is {tuple(directions.shape)}; allowed: {allowed}")
    if teacher.shape[-1] != d:
        raise ValueError(f"teacher is {tuple(teacher.shape)}; allowed: (..., {d})")
    rows = torch.linalg.qr(directions.mT).Q.mT @ weights
    _, lengths, right = torch.linalg.svd(rows, full_matrices=False)
    overlap = (right[..., 0, :] * teacher).sum(-1).abs()
    return _spike((lengths[..., 0] ** 2 - d).cpu().numpy(), overlap.cpu().numpy(), h, d)


def _spike(theta_square: np.ndarray, overlap: np.ndarray, h: int, d: int) -> Spike:
    exists = theta_square > math.sqrt(h * d)
    t = np.where(exists, theta_square, math.sqrt(h * d))
    cosine = np.where(exists, np.sqrt(np.clip(1 - h * d / t**2, 0, None)), 0.0)
    return Spike(theta_square, exists, np.sqrt((t + h) * (t + d) / t), cosine, overlap * cosine)


def _rates(learning_rate: ArrayLike) -> np.ndarray:
    rates = np.asarray(learning_rate, dtype=float)
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise ValueError(f"learning_rate is {learning_rate!r}; allowed: finite numbers >= 0")
    return rates
