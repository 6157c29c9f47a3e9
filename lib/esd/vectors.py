"""What singular vectors and features have in common with a direction, with other vectors, or with a target."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh

from lib.esd.spectra import matrices

if TYPE_CHECKING:
    import torch


def alignment(weight: "ArrayLike | torch.Tensor", direction: "ArrayLike | torch.Tensor") -> np.ndarray:
    r"""$|\langle v_1,\beta\rangle|/\|\beta\|$, with the right singular vector $v_1$ of the largest singular value.

    For a random direction it is about $\sqrt{2/\pi d}$. Where the two largest singular values are close, $v_1$ turns
    easily, and so does this.
    weight: (..., h, d); direction: (d,), or (..., d), one for each matrix; returns (...), float64, in [0, 1].
    Raises ValueError unless the shapes fit, all is finite, and no direction is 0.
    Used in: notebooks/16_one_step. Kothapalli et al. 2025, arXiv:2406.04657.
    """
    weight, direction = matrices(weight), _vectors(direction, "direction")
    rows, columns = weight.shape[-2:]
    if direction.shape[-1] != columns or direction.shape[:-1] not in ((), weight.shape[:-2]):
        allowed = f"({columns},) or {(*weight.shape[:-2], columns)}"
        raise ValueError(f"direction has shape {direction.shape}; allowed: {allowed}")
    direction = np.broadcast_to(direction, (*weight.shape[:-2], columns))
    found = np.empty(weight.shape[:-2])
    for i in np.ndindex(found.shape):
        w = weight[i] / (np.abs(weight[i]).max() or 1.0)
        gram, last = (w.T @ w, columns - 1) if columns <= rows else (w @ w.T, rows - 1)
        top = eigh(gram, subset_by_index=[last, last], check_finite=False)[1][:, 0]
        top = top if columns <= rows else w.T @ top
        found[i] = abs(top @ direction[i]) / (np.linalg.norm(direction[i]) * (np.linalg.norm(top) or 1.0))
    return np.minimum(found, 1.0)[()]


def overlaps(first: "ArrayLike | torch.Tensor", second: "ArrayLike | torch.Tensor") -> tuple[np.ndarray, np.ndarray]:
    r"""Squared overlaps of the singular vectors of two matrices of one shape.

    With thin decompositions $W_a=U_aS_aV_a^T$, $k=\min(h,d)$ and the largest singular values first, they are
    $O_L=(U_1^TU_2)^{\circ2}$ and $O_R=(V_1^TV_2)^{\circ2}$. On the shorter side rows and columns sum to 1, on the
    longer side to at most 1. Two independent random vectors in n dimensions have the mean 1/n.
    first, second: (..., h, d); returns left and right, (..., k, k) each, float64; row: vector of first.
    Raises ValueError unless both are finite and of one shape. Kothapalli et al. 2025, arXiv:2406.04657.
    Used in: notebooks/17_spike_to_heavy_tail.
    """
    first, second = matrices(first, "first"), matrices(second, "second")
    if first.shape != second.shape:
        raise ValueError(f"second has shape {second.shape}; allowed: that of first, {first.shape}")
    u, _, v = np.linalg.svd(first, full_matrices=False)
    x, _, y = np.linalg.svd(second, full_matrices=False)
    return (u.mT @ x) ** 2, (v @ y.mT) ** 2


def kernel_target_alignment(features: "ArrayLike | torch.Tensor", target: "ArrayLike | torch.Tensor") -> np.ndarray:
    r"""Alignment of the kernel $K=ZZ^T$ of features with a target,

    $$\frac{\langle K,yy^T\rangle}{\|K\|_F\,\|yy^T\|_F}=\frac{\|Z^Ty\|^2}{\|Z^TZ\|_F\,\|y\|^2},$$

    neither centred. The right side needs no n x n matrix.
    features Z: (..., n, p); target y: (n,), or (..., n), one for each; returns (...), float64, in [0, 1].
    Raises ValueError unless the shapes fit, all is finite, and neither is 0. Cristianini et al. 2001.
    """
    features, target = matrices(features, "features"), _vectors(target, "target")
    if target.shape[-1] != features.shape[-2] or target.shape[:-1] not in ((), features.shape[:-2]):
        allowed = f"({features.shape[-2]},) or {features.shape[:-1]}"
        raise ValueError(f"target has shape {target.shape}; allowed: {allowed}")
    features = features / _largest(features, "features", (-2, -1))
    target = target / _largest(target, "target", -1)
    n, p = features.shape[-2:]
    projected = np.matmul(features.mT, target[..., None])[..., 0]
    gram = features.mT @ features if p <= n else features @ features.mT
    return (projected**2).sum(axis=-1) / (np.linalg.norm(gram, axis=(-2, -1)) * (target**2).sum(axis=-1))


def _vectors(values: "ArrayLike | torch.Tensor", name: str) -> np.ndarray:
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
    values = np.asarray(values, np.float64)
    if values.ndim < 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"{name} has shape {values.shape} or entries that are not finite; allowed: finite vectors")
    _largest(values, name, -1)
    return values


def _largest(values: np.ndarray, name: str, axes: int | tuple[int, int]) -> np.ndarray:
    largest = np.abs(values).max(axis=axes, keepdims=True)
    if not largest.all():
        raise ValueError(f"{name} is 0 everywhere; allowed: at least one entry that is not")
    return largest
