"""Mean and diagonal covariance of the residual: cases in which they are exact, and sampled runs."""

import numpy as np
import pytest

from lib import covariance, regimes


def problem(size=12, seed=0):
    """A kernel with largest eigenvalue N, and a residual."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((size, size)) * np.arange(1, size + 1) ** -0.8
    kernel = features @ features.T
    return kernel * regimes.kernel_scale(kernel), rng.standard_normal(size)


@pytest.mark.parametrize("momentum", [0.0, 0.4])
def test_the_first_step_is_exact(momentum):
    kernel, residual = problem()
    exact = regimes.averaged(kernel, residual, 0.7, momentum, 2, 1)
    np.testing.assert_allclose(covariance.diagonal(kernel, residual, 0.7, momentum, 2, 1).loss, exact, rtol=1e-12)


@pytest.mark.parametrize("momentum", [-0.3, 0.0, 0.8])
def test_a_full_batch_has_no_variance_and_follows_gradient_descent(momentum):
    kernel, residual = problem()
    moments = covariance.diagonal(kernel, residual, 0.9, momentum, 12, 50)
    exact = regimes.averaged(kernel, residual, 0.9, momentum, 12, 50)
    np.testing.assert_allclose(moments.loss, exact, rtol=1e-10)
    assert not moments.variance.any() and not moments.spread.any()


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_exact_for_a_diagonal_kernel(momentum):
    kernel = 10 * np.diag(np.arange(1.0, 11) ** -1.5)
    residual = np.random.default_rng(1).standard_normal(10)
    exact = regimes.averaged(kernel, residual, 0.1, momentum, 2, 80)
    np.testing.assert_allclose(covariance.diagonal(kernel, residual, 0.1, momentum, 2, 80).loss, exact, rtol=1e-10)


def test_mean_and_spread_are_those_of_sampled_runs():
    n, runs = 40, 4000
    angle = 2 * np.pi * np.subtract.outer(np.arange(n), np.arange(n)) / n
    kernel = sum(k**-1.5 * np.cos(k * angle) for k in range(1, 20)) + 3
    kernel *= regimes.kernel_scale(kernel)
    residual = np.cos(np.arange(n)) + 0.5
    moments = covariance.diagonal(kernel, residual, 1.0, 0.0, 8, 12)
    losses = regimes.linearized(kernel, residual, 1.0, 0.0, 8, 12, n_runs=runs, rng=np.random.default_rng(0))
    error = losses[:, 1:].std(axis=0) / np.sqrt(runs)
    assert np.all(np.abs(losses.mean(axis=0)[1:] - moments.loss[1:]) < 4 * error + 0.01 * moments.loss[1:])
    assert losses[:, 6:].std(axis=0) == pytest.approx(moments.spread[6:], rel=0.15)


def test_what_diverges_is_inf():
    kernel, residual = problem()
    moments = covariance.diagonal(kernel, residual, 30.0, 0.0, 1, 400)
    assert moments.loss[-1] == np.inf and not np.isnan(moments.loss).any() and not np.isnan(moments.spread).any()


@pytest.mark.parametrize(
    ("name", "value"), [("learning_rate", -1.0), ("momentum", 1.5), ("batch_size", 13), ("n_steps", 1.5)]
)
def test_values_out_of_range_are_refused(name, value):
    settings = {"learning_rate": 0.5, "momentum": 0.0, "batch_size": 2, "n_steps": 3} | {name: value}
    with pytest.raises(ValueError, match=name):
        covariance.diagonal(*problem(), **settings)
