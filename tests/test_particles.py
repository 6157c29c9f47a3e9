"""Particles and their Euler schemes: against closed forms, brute force, and simulations within stated errors."""

import math

import numpy as np
import pytest
from scipy import integrate

from lib import particles, stable


def rng(seed=0):
    return np.random.default_rng(seed)


def scale_of(x, alpha):
    """Scale of stable numbers from the median of their sizes, and its standard error."""
    x = np.abs(x)
    quartile = -stable.ppf(0.25, alpha)  # median of |X| at scale 1
    density = 2 * stable.pdf(quartile, alpha)
    return np.median(x) / quartile, 1 / (2 * density * np.sqrt(len(x)) * quartile)


# --- increments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
def test_sums_of_increments_are_increments_of_the_sum(alpha):
    """200 steps of 0.005 make one of 1, whatever the step: within 4 standard errors of 20 000 numbers."""
    for step, n in ((0.005, 200), (0.25, 4)):
        sums = particles.coarsen(particles.increments(alpha, (n, 20_000), step, scale=0.1, rng=rng()), n)[0]
        found, error = scale_of(sums, alpha)
        assert abs(found - 0.1) < 4 * 0.1 * error


def test_coarse_increments_by_hand():
    fine = np.arange(12.0).reshape(6, 2)
    assert particles.coarsen(fine, 3).tolist() == [[6, 9], [24, 27]]
    assert np.array_equal(particles.coarsen(fine, 1), fine)
    for factor in (0, 4):
        with pytest.raises(ValueError, match="factor"):
            particles.coarsen(fine, factor)


# --- Euler's scheme -----------------------------------------------------------------------------------------------


def test_euler_by_a_loop():
    noise = rng(1).standard_normal((5, 3))
    path = particles.euler(0.5, noise, 0.1, np.cos)
    x = [0.5, 0.5, 0.5]
    for k in range(5):
        assert path[k].tolist() == pytest.approx(x, rel=1e-15)
        x = [v + 0.1 * math.cos(v) + noise[k, i] for i, v in enumerate(x)]
    assert path[5].tolist() == pytest.approx(x, rel=1e-15)


@pytest.mark.parametrize(("alpha", "step"), [(1.5, 0.25), (1.5, 1 / 32), (1.9, 0.125)])
def test_error_of_euler_for_a_linear_drift(alpha, step):
    """The quadrature against an adaptive one, and against a reference of 64 finer steps: within 4 errors and 2 %."""
    exact = particles.euler_scale(step, alpha, rate=1.3, scale=0.7)
    whole = 0.0
    for j in range(round(1 / step)):
        whole += integrate.quad(
            lambda s, j=j: abs(math.exp(-1.3 * s) - (1 - 1.3 * step) ** j) ** alpha, j * step, (j + 1) * step
        )[0]
    assert exact == pytest.approx(0.7 * whole ** (1 / alpha), rel=1e-5)
    n, fine = 5_000, step / 64
    noise = particles.increments(alpha, (round(1 / fine), n), fine, scale=0.7, rng=rng(2))
    reference = np.zeros(n)
    for kick in noise:  # the noise in the middle of its step: second order in the fine step
        reference = reference * math.exp(-1.3 * fine) + kick * math.exp(-1.3 * fine / 2)
    coarse = particles.euler(0.0, particles.coarsen(noise, 64), step, lambda x: -1.3 * x)[-1]
    found, error = scale_of(coarse - reference, alpha)
    assert abs(found / exact - 1) < 4 * error + 0.02


def test_error_of_euler_is_of_first_order():
    scales = [particles.euler_scale(2.0**-j, 1.5) for j in (8, 9)]
    assert scales[0] / scales[1] == pytest.approx(2, rel=5e-3)


# --- the linear recursion -----------------------------------------------------------------------------------------


def test_stationary_scale_by_its_sum():
    """The scale to the power alpha is a geometric sum."""
    for eta, alpha, rate in ((0.5, 1.5, 1.0), (0.1, 1.2, 3.0), (1.5, 1.9, 1.0)):
        terms = [eta * abs(1 - rate * eta) ** (alpha * j) for j in range(4000)]
        for n in (1, 7, None):
            expected = 2 * sum(terms[:n]) ** (1 / alpha)
            assert particles.stationary_scale(eta, alpha, rate=rate, scale=2, n_steps=n) == pytest.approx(expected)
    assert particles.stationary_scale(1.0, 1.5) == pytest.approx(1)  # forgets everything at once
    assert particles.stationary_scale(1e-6, 1.5, rate=2.0) == pytest.approx(3 ** (-1 / 1.5), rel=1e-5)
    assert particles.stationary_scale(0.3, 2.0) ** 2 == pytest.approx(0.3 / (1 - 0.49))  # an ordinary variance


def test_stationary_scale_by_simulation():
    noise = particles.increments(1.5, (60, 20_000), 0.1, rng=rng(3))
    last = particles.euler(0.0, noise, 0.1, lambda x: -x)[-1]
    found, error = scale_of(last, 1.5)
    exact = particles.stationary_scale(0.1, 1.5, n_steps=60)
    assert abs(found / exact - 1) < 4 * error
    assert exact == pytest.approx(0.776, abs=1e-3)


# --- many particles -----------------------------------------------------------------------------------------------


def test_gap_by_a_loop():
    for activation, h, slope in (
        ("tanh", math.tanh, lambda v: 1 / math.cosh(v) ** 2),
        ("linear", lambda v: v, lambda v: 1.0),
    ):
        found = particles.gap(activation, 3, 1.5, n_steps=4, n_runs=1, scale=0.5, rng=rng(4))
        again, x, limit, expected = rng(4), [0.0] * 3, [0.0] * 3, []
        for _ in range(4):
            kick = particles.increments(1.5, (1, 3), 0.25, scale=0.5, rng=again)[0]
            f = sum(map(h, x)) / 3
            x = [v - 0.25 * (v + slope(v) * f) + k for v, k in zip(x, kick, strict=True)]
            limit = [0.75 * v + k for v, k in zip(limit, kick, strict=True)]
            expected.append(max(abs(a - b) for a, b in zip(x, limit, strict=True)))
        assert found[0].tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("alpha", [1.5, 1.8])
def test_gap_of_linear_particles_is_stable(alpha):
    """Its law is known exactly: median of 4000 runs within 4 standard errors, for two numbers of particles."""
    for n in (2, 50):
        last = particles.gap("linear", n, alpha, n_steps=10, n_runs=4_000, rng=rng(5))[:, -1]
        found, error = scale_of(last, alpha)
        assert abs(found / particles.linear_gap_scale(n, alpha, n_steps=10) - 1) < 4 * error


def test_gap_of_linear_particles_in_continuous_time():
    """With small steps the scale is an integral of e^{-2s} - e^{-s}."""
    for alpha in (1.2, 1.8):
        whole = integrate.quad(lambda s, a=alpha: (math.exp(-s) - math.exp(-2 * s)) ** a, 0, 1)[0]
        expected = whole ** (1 / alpha) * 100 ** (1 / alpha - 1)
        assert particles.linear_gap_scale(100, alpha, n_steps=4000) == pytest.approx(expected, rel=2e-3)


def test_gap_of_bounded_particles_of_two_sizes():
    """A bounded interaction: sixteen times the particles, a quarter of the gap, within 4 errors of 400 medians."""
    small, large = (
        np.median(particles.gap("tanh", n, 1.3, n_steps=10, n_runs=400, rng=rng(6)).max(axis=1)) for n in (50, 800)
    )
    # The gap is close to a |normal| number, whose median has a relative error 1.17 / sqrt(runs).
    assert abs(math.log(small / large / 4)) < 4 * 1.17 * math.sqrt(2 / 400)


# --- the worst of many --------------------------------------------------------------------------------------------


def test_step_condition():
    for n, alpha in ((2000, 1.75), (10, 1.2), (5000, 2.0)):
        step = particles.step_condition(n, alpha)
        assert (n * step) ** (1 / alpha) == pytest.approx(n**-0.5)
    assert particles.step_condition(2000, 1.75) == pytest.approx(6.5e-7, rel=0.01)


def test_worst_increment():
    """Its median by simulation, within 4 standard errors, and by the tail for many particles."""
    for n, alpha in ((1, 1.5), (40, 1.5), (40, 2.0)):
        exact = particles.worst_increment(n, 0.01, alpha, scale=2.0)
        drawn = np.abs(particles.increments(alpha, (8_000, n), 0.01, scale=2.0, rng=rng(7))).max(axis=1)
        assert abs(np.mean(drawn <= exact) - 0.5) < 4 * 0.5 / math.sqrt(8_000)
    tail = (stable.tail_constant(1.5) * 1e6 * 1e-3 / math.log(2)) ** (1 / 1.5)
    assert particles.worst_increment(10**6, 1e-3, 1.5) == pytest.approx(tail, rel=1e-3)


# --- arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("step", lambda: particles.increments(1.5, 3, 0.0, rng=rng())),
        ("step", lambda: particles.euler(0.0, np.zeros((2, 1)), -1.0, np.sin)),
        ("activation", lambda: particles.gap("relu", 3, 1.5, n_steps=2, n_runs=2, rng=rng())),
        ("n_particles", lambda: particles.gap("tanh", 0, 1.5, n_steps=2, n_runs=2, rng=rng())),
        ("n_runs", lambda: particles.gap("tanh", 3, 1.5, n_steps=2, n_runs=True, rng=rng())),
        ("horizon", lambda: particles.gap("tanh", 3, 1.5, n_steps=2, n_runs=2, horizon=0.0, rng=rng())),
        ("alpha", lambda: particles.gap("tanh", 3, 2.5, n_steps=2, n_runs=2, rng=rng())),
        ("n_steps", lambda: particles.linear_gap_scale(3, 1.5, n_steps=0)),
        ("learning_rate", lambda: particles.stationary_scale(2.0, 1.5)),
        ("learning_rate", lambda: particles.stationary_scale(0.1, 1.5, rate=-1.0)),
        ("step", lambda: particles.euler_scale(0.3, 1.5)),
        ("n is", lambda: particles.step_condition(0.5, 1.5)),
        ("tail_index", lambda: particles.step_condition(5, 2.5)),
        ("n is", lambda: particles.worst_increment(0, 0.1, 1.5)),
    ],
)
def test_bad_arguments_are_named(name, call):
    with pytest.raises(ValueError, match=name):
        call()
