r"""SGD with a budget of samples: the limit of small steps, in which the batch size drops out, and time to a loss."""

import numpy as np
from numpy.typing import ArrayLike

from lib import quadrature
from lib.problem import SpectralProblem

# Rate of the steps whose spectral nodes also carry the limit; it only has to be small next to 2.
NODE_RATE = 0.05


def limit(
    problem: SpectralProblem, noise_rate: float, times: ArrayLike, tau1: float = 1.0, tau2: float = 1.0
) -> np.ndarray:
    r"""The noise-averaged loss in the limit of small steps, at slow times $s = at$.

    With $a = \alpha/(1-\beta) \to 0$ and $\gamma a = q$ fixed the second moments obey

    $$ \frac{dc_k}{ds} = -2\lambda_k c_k + q\lambda_k^2 \big(\tau_1 \textstyle\sum_l c_l - \tau_2 c_k\big), $$

    and $\ell = \frac12\sum_k c_k$. The learning rate, the momentum and the batch size enter through q alone.
    noise_rate: q >= 0. times: s >= 0, any shape; returns the losses in that shape, float64, exact up to rounding
    and the 1e-12 of the compressed spectrum (`lib.quadrature`). Needs eigenvalues of at most 1: see
    `SpectralProblem.normalized`.
    Raises ValueError on values out of range.
    Derived in: notebooks/09_budget_independence. Velikanov et al. 2023, arXiv:2206.11124.
    """
    from scipy.linalg import expm

    times = np.asarray(times, np.float64)
    if not (np.isfinite(noise_rate) and noise_rate >= 0):
        raise ValueError(f"noise_rate is {noise_rate}; allowed: a finite number >= 0")
    if not np.all((times >= 0) & np.isfinite(times)):
        raise ValueError("times has entries that are negative or not finite; allowed: finite numbers >= 0")
    if not (np.isfinite(tau1) and np.isfinite(tau2)):
        raise ValueError(f"tau1 is {tau1}, tau2 is {tau2}; allowed: finite numbers")
    if problem.eigenvalues[0] > 1:
        raise ValueError(f"problem has the eigenvalue {problem.eigenvalues[0]}; allowed: at most 1")
    steps = int(np.ceil(times.max(initial=0) / NODE_RATE)) + 1
    settings = np.array([NODE_RATE]), np.zeros(1), np.array([noise_rate * tau2])
    lam, starts, noise = quadrature.compress(problem.eigenvalues, problem.coefficients, *settings, steps)
    generator = noise_rate * tau1 * np.outer(noise, np.ones_like(noise))
    generator -= np.diag(2 * lam + noise_rate * tau2 * lam**2)
    losses = [0.5 * np.sum(expm(generator * s) @ starts) for s in times.ravel()]
    return np.array(losses).reshape(times.shape)


def steps_to_reach(losses: ArrayLike, target: float) -> np.ndarray:
    """The number of steps after which a loss first is at most `target`, interpolated in its logarithm.

    losses: (..., T + 1), starting with L(0) > target > 0; returns (...,), inf where the target is not reached.
    Raises ValueError when the target is not positive or not below every L(0).
    """
    losses = np.asarray(losses, np.float64)
    if not (np.isfinite(target) and target > 0 and np.all(losses[..., 0] > target)):
        raise ValueError(f"target is {target}; allowed: a positive number below the losses at the start")
    reached = losses <= target
    after = np.maximum(reached.argmax(axis=-1), 1)[..., None]
    high, low = (np.take_along_axis(losses, at, -1)[..., 0] for at in (after - 1, after))
    with np.errstate(all="ignore"):
        steps = after[..., 0] - 1 + np.log(high / target) / np.log(high / low)
    return np.where(reached.any(axis=-1), steps, np.inf)
