"""The index of multiplicative noise: against Kummer functions, adaptive integrals, closed forms, simulations."""

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from lib import multiplicative, tails


def kummer(order, learning_rate, batch_size):
    """log E|1 - eta Q|^alpha by confluent hypergeometric functions, with as many digits as their sum cancels."""
    with mpmath.workdps(400):
        a, half = mpmath.mpf(order), mpmath.mpf(batch_size) / 2
        s = half / mpmath.mpf(learning_rate)
        left = mpmath.beta(half, a + 1) * mpmath.hyp1f1(half, half + a + 1, -s)
        right = mpmath.exp(-s) * mpmath.gamma(a + 1) * mpmath.hyperu(a + 1, a + 1 + half, s)
        return float(mpmath.log(s**half / mpmath.gamma(half) * (left + right)))


@pytest.mark.parametrize(
    ("order", "learning_rate", "batch_size"),
    [(0.3, 0.5, 1), (1.7, 1.2, 1), (3, 0.8, 4), (50, 0.1, 3), (400, 0.02, 5), (1e3, 0.1, 50), (1, 50, 2)],
)  # fmt: skip
def test_moment_is_a_sum_of_kummer_functions(order, learning_rate, batch_size):
    found = multiplicative.log_moment(order, learning_rate, batch_size)
    assert found == pytest.approx(kummer(order, learning_rate, batch_size), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(("learning_rate", "batch_size"), [(0.5, 1), (1.0, 1), (0.8, 2), (0.3, 7), (3.0, 4)])
def test_moment_and_exponent_by_adaptive_integration(learning_rate, batch_size):
    kink, density = batch_size / learning_rate, stats.chi2(batch_size).pdf

    def mean(function):
        """Integral over q = u^2, from 0 to the kink and on to infinity."""
        pieces = [(1e-300, np.sqrt(kink)), (np.sqrt(kink), np.inf)]
        return sum(
            integrate.quad(lambda u: function(abs(1 - u * u / kink)) * density(u * u) * 2 * u, *piece, limit=400)[0]
            for piece in pieces
        )

    for order in (0.5, 1.5, 4.0):
        by_hand = np.log(mean(lambda d, power=order: d**power))
        assert multiplicative.log_moment(order, learning_rate, batch_size) == pytest.approx(by_hand, abs=1e-7)
    exponent = mean(lambda d: np.log(max(d, 1e-300)))
    assert multiplicative.lyapunov_exponent(learning_rate, batch_size) == pytest.approx(exponent, abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 10, 1000, 10_000])
@pytest.mark.parametrize("learning_rate", [1e-4, 0.05, 1.0, 7.0])
def test_closed_moments(learning_rate, batch_size):
    """h(0) = 1, h(2) and h(4) from the moments of a chi-squared number."""
    eta, b = learning_rate, batch_size
    moments = np.cumprod([1, *(1 + 2 * k / b for k in range(4))])  # E Q^k
    for order, tolerance in ((0, 1e-11), (2, 1e-11), (4, 1e-10)):
        expected = sum(stats.binom(order, 0.5).pmf(k) * 2**order * (-eta) ** k * moments[k] for k in range(order + 1))
        assert np.exp(multiplicative.log_moment(order, eta, b)) == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_convex_in_the_order():
    orders = np.linspace(0, 6, 25)
    values = np.array([multiplicative.log_moment(order, 0.8, 1) for order in orders])
    assert np.all(np.diff(values, 2) > 0)
    slope = (multiplicative.log_moment(1e-5, 0.8, 1) - 0) / 1e-5
    assert slope == pytest.approx(multiplicative.lyapunov_exponent(0.8, 1), abs=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 10, 64, 500])
def test_index_two_where_second_moments_end(batch_size):
    rate = 2 * batch_size / (batch_size + 2)
    assert multiplicative.tail_index(rate, batch_size) == pytest.approx(2, rel=1e-9)
    assert multiplicative.critical_learning_rate(2, batch_size) == pytest.approx(rate, rel=1e-9)


def test_known_roots():
    """To the digits of another program's quadrature."""
    known = {(0.5, 1): 2.904, (0.8, 1): 1.546, (1.0, 1): 1.091, (1.2, 1): 0.785, (0.8, 2): 2.832, (0.8, 4): 5.07}
    for (rate, batch), index in known.items():
        assert multiplicative.tail_index(rate, batch) == pytest.approx(index, abs=0.004 if batch == 4 else 0.0005)


def test_index_and_critical_rate_are_inverse():
    for batch_size in (1, 5, 40):
        for order in (0.4, 1.0, 3.3, 20.0):
            rate = multiplicative.critical_learning_rate(order, batch_size)
            assert multiplicative.tail_index(rate, batch_size) == pytest.approx(order, rel=1e-7)
        end = multiplicative.critical_learning_rate(0, batch_size)
        assert multiplicative.lyapunov_exponent(end, batch_size) == pytest.approx(0, abs=1e-9)
        assert multiplicative.tail_index(end * 1.001, batch_size) == 0
        assert 0 < multiplicative.tail_index(end * 0.999, batch_size) < 0.1


def test_falls_with_the_rate_and_rises_with_the_batch():
    indices = np.array([[multiplicative.tail_index(eta, b) for eta in (0.05, 0.2, 0.5, 1, 1.5)] for b in (1, 2, 4, 8)])
    assert np.all(np.diff(indices, axis=1) < 0) and np.all(np.diff(indices, axis=0) > 0)


def test_small_rates_see_the_quotient_alone():
    """alpha eta / b tends to the root of c (log 2c - 1) = 1/2, with a correction of about eta b / 2 logarithms."""
    for batch_size in (1, 5, 20):
        found = [multiplicative.tail_index(eta, batch_size) * eta / batch_size for eta in (0.02, 0.01, 0.005)]
        assert np.all(np.diff(found) > 0) and found[-1] == pytest.approx(1.79556, rel=0.01)


@pytest.mark.parametrize(("learning_rate", "batch_size"), [(0.8, 1), (1.0, 1), (0.8, 2)])
def test_simulated_tails(learning_rate, batch_size):
    """Hill's estimate from 100 of 100000 chains: relative standard error 0.1, and 3.5 of them."""
    x = multiplicative.simulate(learning_rate, batch_size, 100_000, 80, rng=np.random.default_rng(1))
    index = multiplicative.tail_index(learning_rate, batch_size)
    assert index / tails.hill(x, 100) == pytest.approx(1, abs=0.35)


def test_simulated_chains_are_the_recursion():
    """Variance from the recursion of second moments, and from batches drawn sample by sample."""
    eta, b, steps, chains = 0.3, 3, 12, 200_000
    x = multiplicative.simulate(eta, b, chains, steps, rng=np.random.default_rng(2))
    contraction = (1 - eta) ** 2 + 2 * eta**2 / b
    expected = eta**2 / b * (1 - contraction**steps) / (1 - contraction)
    rng, y = np.random.default_rng(3), np.zeros(chains)
    for _ in range(steps):
        a, noise = rng.standard_normal((2, chains, b))
        y = y - eta * np.mean(a * (a * y[:, None] - noise), axis=1)
    for values in (x, y):
        error = np.std(values**2) / np.sqrt(chains)
        assert np.mean(values**2) == pytest.approx(expected, abs=4.5 * error)
    assert stats.ks_2samp(x, y).pvalue > 1e-4


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (multiplicative.log_moment, (-1, 0.5, 1), "order"),
        (multiplicative.log_moment, (np.nan, 0.5, 1), "order"),
        (multiplicative.log_moment, (1, 0, 1), "learning_rate"),
        (multiplicative.log_moment, (1, np.nan, 1), "learning_rate"),
        (multiplicative.log_moment, (1, 0.5, 1.0), "batch_size"),
        (multiplicative.lyapunov_exponent, (0.5, 0), "batch_size"),
        (multiplicative.tail_index, (1e-3, 1000), "learning_rate"),
        (multiplicative.tail_index, (0.5, True), "batch_size"),
        (multiplicative.critical_learning_rate, (101, 1), "order"),
        (multiplicative.critical_learning_rate, (1, -2), "batch_size"),
    ],
)
def test_refuses(function, arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} .*allowed"):
        function(*arguments)


def test_simulation_refuses():
    for sizes, named in (((0, 5), "n_chains"), ((5, 1.5), "n_steps")):
        with pytest.raises(ValueError, match=rf"^{named} .*allowed"):
            multiplicative.simulate(0.5, 1, *sizes, rng=np.random.default_rng(0))
