r"""Multiplicative noise: one weight, trained on fresh samples with a finite batch, has a power-law tail.

Online least squares with one standard normal input a and noise $\varepsilon$ of variance 1 moves the error x of the
weight by $x \leftarrow (1 - \eta Q) x + \frac\eta b \sum_{i \le b} a_i \varepsilon_i$ with
$Q = \frac1b \sum_{i \le b} a_i^2$.
"""

import numpy as np
from scipy import optimize, special

# Trapezoidal rules after double exponential substitutions: t in (0, 1) by tanh-sinh, t - 1 in (0, inf) by exp-sinh.
_STEP = 1 / 1024
_U = np.arange(-4.5, 4.5 + _STEP / 2, _STEP)
_SINH, _LOG_COSH = np.pi / 2 * np.sinh(_U), np.log(np.pi / 2 * np.cosh(_U) * _STEP)
_LOG_DISTANCE = np.concatenate([-np.logaddexp(0, 2 * _SINH), _SINH])  # log |1 - t|
_LOG_T = np.concatenate([-np.logaddexp(0, -2 * _SINH), np.logaddexp(0, _SINH)])
_LOG_DT = _LOG_DISTANCE + np.concatenate([np.log(2) + _LOG_T[: len(_U)] + _LOG_COSH, _LOG_COSH])
LARGEST_ORDER, LARGEST_BATCH, RATES = 1e5, 10_000, (1e-4, 1e4)


def log_moment(order: float, learning_rate: float, batch_size: int) -> float:
    r"""The logarithm of $h(\alpha) = E|1 - \eta Q|^\alpha$, where b Q is a $\chi^2_b$ number.

    A convex function of $\alpha$, 0 at $\alpha = 0$; $h(2) = (1-\eta)^2 + 2\eta^2/b$. By quadrature, with
    $t = \eta Q$, of $\frac{s^{b/2}}{\Gamma(b/2)} \int_0^\infty |1 - t|^\alpha\, t^{b/2-1} e^{-st}\,dt$, $s = b/2\eta$.
    order: $\alpha$ in [0, 1e5]. learning_rate: in [1e-4, 1e4]; batch_size: up to 10000.
    Raises ValueError on values out of range. Derived in: notebooks/12_tails_from_sgd.
    """
    _check_order(order)
    return _log_moment(order, _log_weights(learning_rate, batch_size))


def lyapunov_exponent(learning_rate: float, batch_size: int) -> float:
    r"""$E \log|1 - \eta Q|$, the slope of `log_moment` at 0: the rate at which two runs on one stream part.

    Negative where a stationary law exists. learning_rate, batch_size and errors: as for `log_moment`.
    Derived in: notebooks/12_tails_from_sgd.
    """
    return float(np.exp(_log_weights(learning_rate, batch_size)) @ _LOG_DISTANCE)


def tail_index(learning_rate: float, batch_size: int) -> float:
    r"""The tail index $\alpha > 0$ of the stationary law: $E|1 - \eta Q|^\alpha = 1$.

    Then $P(|x| > y) \sim C y^{-\alpha}$.
    It falls with the learning rate and rises with the batch size where it is at least 1; it is 2 at $\eta = 2b/(b+2)$.
    Returns 0 where there is no stationary law. learning_rate and batch_size: as for `log_moment`.
    Raises ValueError on values out of range, and when the index is above 1e5.
    Kesten 1973; Goldie 1991; Barsbey et al. 2021, arXiv:2106.03795. Derived in: notebooks/12_tails_from_sgd.
    """
    logs = _log_weights(learning_rate, batch_size)
    if np.exp(logs) @ _LOG_DISTANCE >= 0:
        return 0.0
    high = 1.0
    while _log_moment(high, logs) <= 0:
        if high >= LARGEST_ORDER:
            raise ValueError(f"learning_rate is {learning_rate}; allowed: one whose index is below {LARGEST_ORDER:g}")
        high *= 2
    low = high / 2
    while _log_moment(low, logs) > 0:
        low /= 2
    return float(optimize.brentq(_log_moment, low, high, (logs,), xtol=1e-300, rtol=1e-12))


def critical_learning_rate(order: float, batch_size: int) -> float:
    r"""The learning rate up to which the stationary law has moments below an order: where $E|1 - \eta Q|^\alpha = 1$.

    Order 2 gives $2b/(b+2)$, where second moments diverge; order 0 the rate at which the `lyapunov_exponent` is 0 and
    the stationary law ends.
    order: $\alpha$ in [0, 100]; batch_size: as for `log_moment`. Raises ValueError on values out of range.
    Derived in: notebooks/12_tails_from_sgd.
    """
    _check_order(order, 100)

    def excess(log_rate):
        logs = _log_weights(np.exp(log_rate), batch_size)
        return _log_moment(order, logs) if order > 0 else np.exp(logs) @ _LOG_DISTANCE

    low = np.log(RATES[0])
    high = low
    while excess(high) <= 0:  # negative right of 0, then positive for good
        low, high = high, high + 0.25
    return float(np.exp(optimize.brentq(excess, low, high, xtol=1e-12)))


def simulate(
    learning_rate: float, batch_size: int, n_chains: int, n_steps: int, *, rng: np.random.Generator
) -> np.ndarray:
    r"""Errors of the weight (n_chains,) after so many steps from 0, in independent chains, float64.

    Given Q the sum of $a_i \varepsilon_i$ is normal with variance b Q, so a step costs two draws.
    learning_rate, batch_size: as for `log_moment`. Raises ValueError on values out of range.
    Derived in: notebooks/12_tails_from_sgd.
    """
    _check(learning_rate, batch_size)
    for name, value in (("n_chains", n_chains), ("n_steps", n_steps)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} is {value!r}; allowed: an integer >= 1")
    x = np.zeros(n_chains)
    for _ in range(n_steps):
        q = 2 / batch_size * rng.standard_gamma(batch_size / 2, n_chains)
        kick = np.sqrt(q / batch_size) * rng.standard_normal(n_chains)
        x += learning_rate * (kick - q * x)
    return x


def _log_weights(learning_rate: float, batch_size: int) -> np.ndarray:
    """Logarithms of the weights of the nodes t, whose sum is 1 up to rounding."""
    _check(learning_rate, batch_size)
    half = batch_size / 2
    s = half / learning_rate
    scale = half * np.log(s) - special.gammaln(half)
    with np.errstate(over="ignore"):
        return scale + (half - 1) * _LOG_T - s * np.exp(_LOG_T) + _LOG_DT


def _log_moment(order: float, logs: np.ndarray) -> float:
    terms = order * _LOG_DISTANCE + logs
    largest = terms.max()
    return float(largest + np.log(np.exp(terms - largest).sum()))


def _check_order(order: float, most: float = LARGEST_ORDER) -> None:
    if np.ndim(order) or not 0 <= order <= most:
        raise ValueError(f"order is {order!r}; allowed: a number in [0, {most:g}]")


def _check(learning_rate: float, batch_size: int) -> None:
    if np.ndim(learning_rate) or not RATES[0] * (1 - 1e-9) <= learning_rate <= RATES[1]:
        raise ValueError(f"learning_rate is {learning_rate!r}; allowed: a number in [{RATES[0]:g}, {RATES[1]:g}]")
    integer = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if not integer or not 1 <= batch_size <= LARGEST_BATCH:
        raise ValueError(f"batch_size is {batch_size!r}; allowed: an integer in [1, {LARGEST_BATCH}]")
