"""Eigenvalues of a weight matrix, and ranks that follow from them."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import torch


def matrices(weight: "ArrayLike | torch.Tensor", name: str = "weight") -> np.ndarray:
    """A weight (..., rows, columns) as a float64 array; raises ValueError unless it is a finite matrix, or many."""
    weight = weight.detach().cpu().numpy() if hasattr(weight, "detach") else weight
    weight = np.asarray(weight, np.float64)
    if weight.ndim < 2 or not weight.size:
        raise ValueError(f"{name} has shape {weight.shape}; allowed: (..., rows, columns), none of them 0")
    if not np.isfinite(weight).all():
        raise ValueError(f"{name} has entries that are not finite; allowed: finite numbers")
    return weight


def spectrum(eigenvalues: ArrayLike, least: int = 1) -> np.ndarray:
    """Eigenvalues (..., k) in ascending order, float64; raises ValueError if too few, negative, or not finite."""
    eigenvalues = eigenvalues.detach().cpu().numpy() if hasattr(eigenvalues, "detach") else eigenvalues
    values = np.asarray(eigenvalues, np.float64)
    if values.ndim < 1 or values.shape[-1] < least or not values.size:
        raise ValueError(f"eigenvalues has shape {values.shape}; allowed: (..., k) with k at least {least}")
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("eigenvalues has entries below 0 or not finite; allowed: finite numbers of at least 0")
    return np.sort(values, axis=-1)


def eigenvalues(weight: "ArrayLike | torch.Tensor") -> np.ndarray:
    r"""The $k=\min(\text{rows},\text{columns})$ eigenvalues of $W^TW$ that are not trivial, in descending order.

    They are squares of singular values, computed as such: forming $W^TW$ would lose all below $10^{-16}\lambda_1$.
    Not divided by a size: entries of variance 1 give values up to about $(\sqrt h+\sqrt d)^2$.
    weight: (..., rows, columns), an array, or a tensor on any device; returns (..., k), float64.
    Raises ValueError unless weight is finite with at least two axes.
    """
    return np.linalg.svd(matrices(weight), compute_uv=False) ** 2


def stable_rank(eigenvalues: ArrayLike) -> np.ndarray:
    r"""$\|W\|_F^2/\|W\|_2^2=\sum_i\lambda_i/\lambda_1$, between 1 and k.

    eigenvalues: (..., k) in any order; returns (...), float64. Raises ValueError unless all are at least 0 and one is
    positive.
    """
    return effective_ranks(eigenvalues)[0]


def effective_ranks(eigenvalues: ArrayLike, after: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r"""Two effective ranks of what is left of a spectrum after its j largest eigenvalues (`after`):

    $$r_j=\frac{\sum_{i>j}\lambda_i}{\lambda_{j+1}},\qquad
    R_j=\frac{(\sum_{i>j}\lambda_i)^2}{\sum_{i>j}\lambda_i^2}.$$

    $1\le r_j\le R_j\le r_j^2$, and both are at most k - j; $r_0$ is the stable rank.
    eigenvalues: (..., k) in any order; after: in [0, k - 1]; returns two arrays (...), float64.
    Raises ValueError on values out of range, and where $\lambda_{j+1}=0$. Bartlett et al. 2020, arXiv:1906.11300.
    """
    values = spectrum(eigenvalues)
    if isinstance(after, bool) or not isinstance(after, int | np.integer) or not 0 <= after < values.shape[-1]:
        raise ValueError(f"after is {after!r}; allowed: an integer in [0, {values.shape[-1] - 1}]")
    values = values[..., : values.shape[-1] - after]
    largest = values[..., -1]
    if not largest.all():
        raise ValueError("eigenvalues are 0 from there on; allowed: at least one that is positive")
    shares = values / largest[..., None]
    total = shares.sum(axis=-1)
    return total, total**2 / (shares**2).sum(axis=-1)
