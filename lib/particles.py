r"""Particles with a mean-field drift and stable noise: next to their limit, by Euler steps, and exactly where linear.

A network $f=\frac1n\sum_ih(\theta^i)$ with one weight a unit, the loss $\frac12f^2$ and weight decay moves by
$d\theta^i=-\theta^i-h'(\theta^i)f$ per unit of time, plus noise of scale $\sigma\eta^{1/\alpha}$ a step of length
$\eta$. For an odd h and a symmetric start the limit of many units has f = 0: independent Ornstein-Uhlenbeck processes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from lib import stable

ACTIVATIONS = ("tanh", "linear")
AT_ONCE = 2**18  # particles moved together: their temporaries stay in the cache


def increments(
    tail_index: float, size: int | tuple[int, ...], step: float, *, scale: float = 1.0, rng: np.random.Generator
) -> np.ndarray:
    r"""Independent increments of a stable process over times of length $\eta$: $\sigma\eta^{1/\alpha}\xi$.

    Returns shape size, float64. Raises ValueError on values out of range.
    Derived in: notebooks/15_heavy_tailed_noise.
    """
    _check_positive("step", step)
    return stable.sample(tail_index, size, scale=scale * step ** (1 / tail_index), rng=rng)


def coarsen(fine: ArrayLike, factor: int) -> np.ndarray:
    """Increments over longer times: sums of `factor` consecutive ones along the first axis.

    fine: (n_steps, ...). Returns (n_steps / factor, ...). Raises ValueError unless factor divides n_steps.
    """
    fine = np.asarray(fine, np.float64)
    if factor < 1 or not len(fine) or len(fine) % factor:
        raise ValueError(f"factor is {factor}; allowed: a divisor of the number of increments, {len(fine)}")
    return fine.reshape(len(fine) // factor, factor, *fine.shape[1:]).sum(axis=1)


def euler(start: ArrayLike, noise: ArrayLike, step: float, drift: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    r"""Euler's scheme $\theta_{k+1}=\theta_k+\eta\,b(\theta_k)+\Delta_k$.

    start: a shape that broadcasts to (...); noise: increments $\Delta$ (n_steps, ...); drift: b, an array to an array.
    Returns the path (n_steps + 1, ...), float64. Raises ValueError unless step > 0.
    Derived in: notebooks/15_heavy_tailed_noise.
    """
    _check_positive("step", step)
    noise = np.asarray(noise, np.float64)
    path = np.empty((len(noise) + 1, *noise.shape[1:]))
    path[0] = start
    for k, kick in enumerate(noise):
        path[k + 1] = path[k] + step * drift(path[k]) + kick
    return path


def gap(
    activation: str,
    n_particles: int,
    tail_index: float,
    *,
    n_steps: int,
    n_runs: int,
    horizon: float = 1.0,
    scale: float = 1.0,
    rng: np.random.Generator,
) -> np.ndarray:
    r"""Largest distance $\max_i|\theta^{i,n}_k-\theta^{i,\infty}_k|$ of n particles from those of the limit.

    Both start at 0, take the same noise, and Euler steps of length horizon / n_steps: the particles of the module's
    network with h = tanh ("tanh") or h the identity ("linear"), the limit by $-\theta$ alone.
    Returns (n_runs, n_steps), a row for each independent run, at the times after each step.
    Raises ValueError on values out of range. Derived in: notebooks/15_heavy_tailed_noise.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}; allowed: one of {ACTIVATIONS}")
    for name, value in (("n_particles", n_particles), ("n_steps", n_steps), ("n_runs", n_runs)):
        _check_count(name, value)
    _check_positive("horizon", horizon)
    step = horizon / n_steps
    found = np.empty((n_runs, n_steps))
    at_once = max(1, AT_ONCE // n_particles)
    for first in range(0, n_runs, at_once):
        rows = found[first : first + at_once]
        x = np.zeros((len(rows), n_particles))
        limit = np.zeros_like(x)
        for k in range(n_steps):
            kick = increments(tail_index, x.shape, step, scale=scale, rng=rng)
            h = np.tanh(x) if activation == "tanh" else x
            slope = 1 - h**2 if activation == "tanh" else 1.0
            x = x - step * (x + slope * h.mean(axis=1, keepdims=True)) + kick
            limit = (1 - step) * limit + kick
            rows[:, k] = np.abs(x - limit).max(axis=1)
    return found


def linear_gap_scale(
    n_particles: ArrayLike, tail_index: float, *, n_steps: int, horizon: float = 1.0, scale: float = 1.0
) -> float | np.ndarray:
    r"""Scale of the stable law of `gap` after the last step when h is linear, before the absolute value.

    All particles have the same gap, $\sum_jc_j\bar\Delta_{K-1-j}$ with $c_j=(1-2\eta)^j-(1-\eta)^j$ and means
    $\bar\Delta$ of n increments, of scale $\sigma\eta^{1/\alpha}n^{1/\alpha-1}$. Returns n_particles' shape.
    Raises ValueError on values out of range. Derived in: notebooks/15_heavy_tailed_noise.
    """
    _check_count("n_steps", n_steps)
    _check_positive("horizon", horizon)
    n, step, powers = np.asarray(n_particles, np.float64), horizon / n_steps, np.arange(n_steps)
    weights = np.abs((1 - 2 * step) ** powers - (1 - step) ** powers)
    one = scale * (step * np.sum(weights**tail_index)) ** (1 / tail_index)
    return (one * n ** (1 / tail_index - 1))[()]


def stationary_scale(
    learning_rate: ArrayLike, tail_index: float, *, rate: float = 1.0, scale: float = 1.0, n_steps: int | None = None
) -> float | np.ndarray:
    r"""Scale of $x_{k+1}=(1-\lambda\eta)x_k+\sigma\eta^{1/\alpha}\xi_{k+1}$ from 0, after n_steps or in the long run.

    $\sigma\big(\eta\frac{1-q^k}{1-q}\big)^{1/\alpha}$ with $q=|1-\lambda\eta|^\alpha$; in the long run the power is 0,
    and the limit of small $\eta$ is $\sigma(\alpha\lambda)^{-1/\alpha}$.
    learning_rate: numbers with $0<\lambda\eta<2$; rate: $\lambda$. Returns learning_rate's shape, float64.
    Raises ValueError on values out of range. Derived in: notebooks/15_heavy_tailed_noise.
    """
    eta = np.asarray(learning_rate, np.float64)
    if not np.all((eta > 0) & (rate * eta > 0) & (rate * eta < 2)):
        raise ValueError(f"learning_rate is {learning_rate}; allowed with rate {rate}: numbers in (0, {2 / rate:g})")
    log_q = tail_index * np.log(np.maximum(np.abs(1 - rate * eta), 1e-300))
    grown = 1.0 if n_steps is None else -np.expm1(n_steps * log_q)
    return (scale * (eta * grown / -np.expm1(log_q)) ** (1 / tail_index))[()]


def euler_scale(
    step: float, tail_index: float, *, horizon: float = 1.0, rate: float = 1.0, scale: float = 1.0
) -> float:
    r"""Scale of the error of Euler's scheme at the horizon T for the drift $-\lambda\theta$, a stable number.

    $\sigma\big(\int_0^T|e^{-\lambda s}-(1-\lambda\eta)^{\lfloor s/\eta\rfloor}|^\alpha ds\big)^{1/\alpha}$, of order
    $\eta$. step: $\eta$, a divisor of T. Raises ValueError on values out of range.
    Derived in: notebooks/15_heavy_tailed_noise.
    """
    _check_positive("step", step)
    n_steps = round(horizon / step)
    if n_steps < 1 or not np.isclose(n_steps * step, horizon):
        raise ValueError(f"step is {step}; allowed: the horizon {horizon} over a whole number")
    nodes, weights = np.polynomial.legendre.leggauss(8)
    # The integrand is smooth but where its sign changes, once or so within a step: many short pieces.
    pieces = max(1, 4096 // n_steps)
    left = np.arange(n_steps * pieces) * (step / pieces)
    s = left[:, None] + (nodes + 1) / 2 * (step / pieces)
    frozen = (1 - rate * step) ** (np.arange(n_steps * pieces) // pieces)
    gaps = np.abs(np.exp(-rate * s) - frozen[:, None]) ** tail_index
    return float(scale * (gaps @ weights * step / pieces / 2).sum() ** (1 / tail_index))


def step_condition(n: ArrayLike, tail_index: ArrayLike) -> float | np.ndarray:
    r"""The largest learning rate of the theorem: $n^{-\alpha/2-1}$, at which $(n\eta)^{1/\alpha}=n^{-1/2}$.

    n: numbers >= 1, units; broadcasts with tail_index. Raises ValueError on values out of range.
    Derived in: notebooks/15_heavy_tailed_noise.
    """
    n, tail_index = np.asarray(n, np.float64), np.asarray(tail_index, np.float64)
    if not np.all(n >= 1) or not np.all((tail_index > 0) & (tail_index <= 2)):
        raise ValueError(f"n is {n} and tail_index is {tail_index}; allowed: n >= 1, tail_index in (0, 2]")
    return (n ** (-tail_index / 2 - 1))[()]


def worst_increment(n: int, step: float, tail_index: float, *, scale: float = 1.0) -> float:
    r"""Median of the largest of n independent increments over a time $\eta$, by absolute value.

    The x with $P(|\Delta|\le x)^n=\frac12$, close to $\sigma\big(c_\alpha n\eta/\log2\big)^{1/\alpha}$ for large n.
    Raises ValueError on values out of range. Derived in: notebooks/15_heavy_tailed_noise.
    """
    _check_count("n", n)
    _check_positive("step", step)
    above = -np.expm1(-np.log(2) / n) / 2  # one tail of one increment
    return float(-stable.ppf(above, tail_index) * scale * step ** (1 / tail_index))


def _check_positive(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}; allowed: a finite number > 0")


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name} is {value!r}; allowed: an integer >= 1")
