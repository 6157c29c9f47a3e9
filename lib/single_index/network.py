r"""The student: its output, its gradient in closed form, its features and the ridge read-out on them.

Leading axes: inputs (..., n, d) carry some, weights (..., h, d) the same and possibly more, whose members share the
inputs. All members of a problem then go through one matrix product.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from lib.single_index.problem import Problem

# Divisor of W x in the features that are evaluated, as a power of d. The second is that of the published code, which
# divides by the root of d twice; the network itself divides once.
SCALINGS = {"intended": 0.5, "legacy": 1.0}
# Hidden activations of one pass, on the CPU as many as its caches hold.
BLOCK = {"cpu": 2**18, "cuda": 2**28}


def output(weights: torch.Tensor, readout: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    r"""Outputs of the student, $f(x)=h^{-1/2}a^T\tanh(Wx/\sqrt d)$.

    weights: (..., h, d); readout: (..., h); inputs: (..., n, d); returns (..., n). Raises ValueError on axes that do
    not fit. Kothapalli et al. 2025, arXiv:2406.04657.
    """
    _check(weights, readout, inputs)
    a = _lead(readout, weights).unsqueeze(-2)
    return (a @ _hidden(weights, inputs, 0.5)).squeeze(-2) / math.sqrt(weights.shape[-2])


def gradient(
    weights: torch.Tensor, readout: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Gradient in W of the loss $R=\frac1n\sum_i(f(x_i)-y_i)^2$, without a half, and the loss.

    $$G=\frac2{n\sqrt{hd}}\Big[\big(a\,r^T\big)\odot\tanh'\big(WX^T/\sqrt d\big)\Big]X,\qquad r_i=f(x_i)-y_i .$$

    weights: (..., h, d); readout: (..., h); inputs: (..., n, d); targets: (..., n); returns (..., h, d) and (...).
    Samples go in blocks, so that memory does not grow with n. Raises ValueError on axes that do not fit.
    Kothapalli et al. 2025, arXiv:2406.04657. Derived in: notebooks/16_one_step.
    """
    _check(weights, readout, inputs, targets)
    (h, d), n = weights.shape[-2:], inputs.shape[-2]
    a, y = _lead(readout, weights), _lead(targets, weights)
    total, loss = None, 0.0
    size = max(64, BLOCK.get(weights.device.type, BLOCK["cpu"]) // (weights.numel() // d))
    for start in range(0, n, size):
        block = inputs[..., start : start + size, :]
        hidden = _hidden(weights, block, 0.5)
        r = (a.unsqueeze(-2) @ hidden).squeeze(-2) / math.sqrt(h) - y[..., start : start + size]
        loss = loss + r.square().sum(-1)
        back = hidden.square_().neg_().add_(1).mul_(a.unsqueeze(-1)).mul_(r.unsqueeze(-2))
        piece = back.reshape(*block.shape[:-2], -1, block.shape[-2]) @ block
        total = piece if total is None else total.add_(piece)
    return total.mul_(2 / (n * math.sqrt(h * d))).reshape(weights.shape), loss / n


def features(weights: torch.Tensor, inputs: torch.Tensor, scaling: str = "intended") -> torch.Tensor:
    r"""Features of the inputs, $Z=h^{-1/2}\tanh(XW^T/\sqrt d)$, or with d in place of its root.

    weights: (..., h, d); inputs: (..., n, d); returns (..., n, h). scaling: "intended", the activations of the network
    itself, or "legacy", those of the published evaluation. Raises ValueError on another scaling and axes that do not
    fit.
    """
    if scaling not in SCALINGS:
        raise ValueError(f"scaling is {scaling!r}; allowed: {', '.join(SCALINGS)}")
    _check(weights, None, inputs)
    return _hidden(weights, inputs, SCALINGS[scaling]).mT / math.sqrt(weights.shape[-2])


def ridge(features: torch.Tensor, targets: torch.Tensor, ridge: float | Sequence[float]) -> torch.Tensor:
    r"""Read-out weights that minimise $\frac1n\lVert y-Za\rVert^2+\frac\lambda h\lVert a\rVert^2$.

    $\hat a=(Z^TZ+\frac{\lambda n}hI)^{-1}Z^Ty$, by Cholesky for one ridge, and by one eigendecomposition for several.

    features: (..., n, h); targets: (..., n); ridge $\lambda$: a number > 0, or several; returns (..., h), or
    (..., k, h) for k ridges. In double precision whatever the features are. Raises ValueError on a ridge that is not
    positive.
    """
    ridges = _ridges(ridge)
    gram, moment = (features.mT @ features).double(), (features.mT @ targets.unsqueeze(-1)).double()
    found = _solve(gram, moment, ridges, features.shape[-2])
    return (found if np.ndim(ridge) else found[..., 0, :]).to(features.dtype)


def evaluate(
    weights: torch.Tensor, problem: Problem, ridge: float | Sequence[float] = 0.01, scaling: str = "intended"
) -> dict[str, torch.Tensor]:
    r"""Losses of the ridge read-out, fitted on the probe sample, and the alignment of the features' kernel there.

    probe_loss, test_loss: (..., k) for k ridges, mean squares of $Z\hat a-y$ on the probe and on the test sample.
    kta: (...), $\frac{\lVert Z^Ty\rVert^2}{\lVert Z^TZ\rVert_F\lVert y\rVert^2}$ on the probe sample.
    weights: (..., h, d); problem: with the leading axes of the inputs. Weights that are not finite give the loss inf
    and the alignment nan. Raises ValueError as `features` and `ridge` do.
    Kothapalli et al. 2025, arXiv:2406.04657.
    """
    ridges = _ridges(ridge)
    finite = torch.isfinite(weights).flatten(-2).all(-1)
    weights = torch.where(finite[..., None, None], weights, 0)
    y = _lead(problem.probe_targets, weights).unsqueeze(-1)
    z = features(weights, problem.probe_inputs, scaling)
    gram, moment = (z.mT @ z).double(), (z.mT @ y).double()
    fitted = _solve(gram, moment, ridges, z.shape[-2]).mT.to(z.dtype)
    norm = torch.linalg.matrix_norm(gram) * y.double().square().sum((-2, -1))
    kta = moment.square().sum((-2, -1)) / norm
    probe_loss = (z @ fitted - y).square().mean(-2)
    del z
    other = _lead(problem.test_targets, weights).unsqueeze(-1)
    test_loss = (features(weights, problem.test_inputs, scaling) @ fitted - other).square().mean(-2)
    lost = ~finite
    return {
        "probe_loss": probe_loss.masked_fill(lost[..., None], math.inf),
        "test_loss": test_loss.masked_fill(lost[..., None], math.inf),
        "kta": kta.masked_fill(lost, math.nan),
    }


def _hidden(weights: torch.Tensor, inputs: torch.Tensor, power: float) -> torch.Tensor:
    """tanh(W X^T / d^power), (..., h, n), as 1 - 2 / (1 + exp(2z)): twice as fast on the CPU, off by rounding of 1."""
    lead, (h, d) = inputs.shape[:-2], weights.shape[-2:]
    scaled = inputs.mT * (2 / d**power)
    hidden = (weights.reshape(*lead, -1, d) @ scaled).exp_().add_(1).reciprocal_().mul_(-2).add_(1)
    return hidden.reshape(*weights.shape[:-2], h, inputs.shape[-2])


def _lead(vectors: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Vectors (..., k) with axes of length one for those leading axes of the weights that they lack."""
    missing = weights.ndim - 1 - vectors.ndim
    return vectors.reshape(*vectors.shape[:-1], *(1,) * missing, vectors.shape[-1])


def _ridges(ridge: float | Sequence[float]) -> list[float]:
    ridges = np.atleast_1d(np.asarray(ridge, dtype=float))
    if ridges.ndim > 1 or not len(ridges) or not (np.isfinite(ridges).all() and (ridges > 0).all()):
        raise ValueError(f"ridge is {ridge!r}; allowed: a finite number > 0, or a list of them")
    return ridges.tolist()


def _solve(gram: torch.Tensor, moment: torch.Tensor, ridges: list[float], n: int) -> torch.Tensor:
    """(G + lambda n / h)^-1 m for Gram matrices (..., h, h) and moments (..., h, 1); returns (..., k, h)."""
    h = gram.shape[-1]
    if len(ridges) == 1:
        shifted = gram + (ridges[0] * n / h) * torch.eye(h, dtype=gram.dtype, device=gram.device)
        return torch.cholesky_solve(moment, torch.linalg.cholesky(shifted)).mT
    values, vectors = torch.linalg.eigh(gram)
    shifts = torch.tensor(ridges, dtype=gram.dtype, device=gram.device) * (n / h)
    inverse = 1 / (values.clamp(min=0).unsqueeze(-2) + shifts.unsqueeze(-1))
    return (inverse * (vectors.mT @ moment).mT) @ vectors.mT


def _check(weights, readout, inputs, targets=None) -> None:
    if weights.ndim < 2 or inputs.ndim < 2 or weights.shape[-1] != inputs.shape[-1]:
        raise ValueError(f"inputs is {tuple(inputs.shape)}; allowed with weights {tuple(weights.shape)}: (..., n, d)")
    if weights.shape[: inputs.ndim - 2] != inputs.shape[:-2]:
        raise ValueError(f"inputs leads with {tuple(inputs.shape[:-2])}; allowed: first axes of {tuple(weights.shape)}")
    if readout is not None and readout.shape[-1] != weights.shape[-2]:
        raise ValueError(f"readout is {tuple(readout.shape)}; allowed: (..., {weights.shape[-2]}), the width")
    if targets is not None and targets.shape[-1] != inputs.shape[-2]:
        raise ValueError(f"targets is {tuple(targets.shape)}; allowed: (..., {inputs.shape[-2]}), the samples")
