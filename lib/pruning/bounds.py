"""What pruning does to the function a network computes, and what compressibility promises about its risk."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize


def perturbation_bound(weights: Sequence[ArrayLike], pruned: Sequence[ArrayLike], input_norm: ArrayLike = 1.0) -> float:
    r"""Bound on the change of the output of a ReLU network without biases when its matrices change.

    $\|f_{\hat w}(x)-f_w(x)\|\le\|x\|\big[\prod_l(\|W_l\|_2+\|\Delta_l\|_2)-\prod_l\|W_l\|_2\big]$, with
    $\Delta_l=\hat W_l-W_l$ and spectral norms; for any activation that is 1-Lipschitz and 0 at 0. It is loose.
    weights, pruned: matrices (out, in) of all layers, before and after, in order. A convolution is another matrix than
    its weight, and is refused. input_norm: $\|x\|$, numbers >= 0. Returns its shape. Raises ValueError on shapes that
    differ or are not those of matrices. Derived in: notebooks/13_compressible_laws.
    """
    weights, pruned = ([_matrix(w) for w in layers] for layers in (weights, pruned))
    if not weights or [w.shape for w in weights] != [w.shape for w in pruned]:
        shapes = [w.shape for w in weights], [w.shape for w in pruned]
        raise ValueError(f"weights and pruned have shapes {shapes}; allowed: the same, of at least one matrix")
    if not np.all(np.asarray(input_norm) >= 0):
        raise ValueError(f"input_norm is {input_norm}; allowed: numbers >= 0")
    before = np.array([np.linalg.norm(w, 2) for w in weights])
    change = np.array([np.linalg.norm(b - a, 2) for a, b in zip(weights, pruned, strict=True)])
    # The difference of the products as a sum of positive terms: small changes lose no digits.
    terms = [np.prod((before + change)[:l]) * change[l] * np.prod(before[l + 1 :]) for l in range(len(before))]
    bound = np.asarray(input_norm, np.float64) * np.sum(terms)
    return bound.item() if bound.ndim == 0 else bound


def generalization_bound(
    n_samples: int,
    n_parameters: int,
    n_nonzeros: int,
    *,
    lipschitz: float,
    radius: float,
    error: float = 0.0,
    delta: float = 0.05,
    resolution: float | None = None,
) -> float:
    r"""Bound on the gap between risk and training loss of all weights close to sparse ones, for a loss in [0, 1].

    With probability at least $1-\delta$, for all w of norm at most R with k non-zeros among d at once:
    $$2\Lambda e+\sqrt{\frac{k\log(\mathrm e d/k)+k\log(1+2R/e)+\log(2/\delta)}{2n}}+2\Lambda\epsilon R$$
    $\Lambda$ is the Lipschitz constant of the loss in w where $\|w\|\le R$: a union over the supports, a net of
    width e (resolution) over each, and Hoeffding's inequality. Weights that are not sparse pay the last term, where
    $\epsilon$ is their relative best k-term error. None of the constants may depend on the data.
    resolution: e > 0; without it, the e that makes the bound least. Returns the bound, which says nothing above 1.
    Raises ValueError on values out of range. Derived in: notebooks/13_compressible_laws.
    """
    if n_samples < 1 or not 0 <= n_nonzeros <= n_parameters or n_parameters < 1:
        raise ValueError(
            f"n_samples, n_parameters, n_nonzeros are {n_samples}, {n_parameters}, {n_nonzeros}; "
            "allowed: n_samples >= 1, n_parameters >= 1, n_nonzeros in [0, n_parameters]"
        )
    for name, value in (("lipschitz", lipschitz), ("radius", radius), ("resolution", resolution)):
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"{name} is {value}; allowed: a finite number > 0")
    if not (0 <= error <= 1 and 0 < delta < 1):
        raise ValueError(f"error and delta are {error} and {delta}; allowed: error in [0, 1], delta in (0, 1)")
    if n_nonzeros == 0:  # one vector, 0: no net is needed
        return float(np.sqrt(np.log(2 / delta) / (2 * n_samples)) + 2 * lipschitz * error * radius)

    def bound(log_e):
        supports = n_nonzeros * (1 + np.log(n_parameters / n_nonzeros))
        net = n_nonzeros * np.log1p(2 * radius * np.exp(-log_e))
        deviation = np.sqrt((supports + net + np.log(2 / delta)) / (2 * n_samples))
        return 2 * lipschitz * np.exp(log_e) + deviation + 2 * lipschitz * error * radius

    if resolution is not None:
        return float(bound(np.log(resolution)))
    # Beyond these ends the first or the second term alone is worse than at them.
    grid = np.log(radius) + np.linspace(-60, 10, 281)
    best = grid[np.argmin(bound(grid))]
    return float(optimize.minimize_scalar(bound, bounds=(best - 0.25, best + 0.25), method="bounded").fun)


def _matrix(weight: ArrayLike) -> np.ndarray:
    weight = weight.detach().cpu().numpy() if hasattr(weight, "detach") else weight
    weight = np.asarray(weight, np.float64)
    if weight.ndim != 2 or weight.size == 0 or not np.all(np.isfinite(weight)):
        raise ValueError(f"weights hold an array of shape {weight.shape}; allowed: finite matrices (out, in)")
    return weight
