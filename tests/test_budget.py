"""The limit of small steps against an ODE solver, closed forms and small steps; times to a loss."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lib import budget, genfun, regimes
from lib.problem import SpectralProblem


@pytest.mark.parametrize(("q", "tau1", "tau2"), [(0.5, 1.0, 1.0), (0.3, 1.0, -1.0), (0.2, 1.5, 0.5)])
def test_limit_against_an_ode_solver(q, tau1, tau2):
    problem = SpectralProblem.power_law(1.5, 0.75, 120)
    lam, c = problem.eigenvalues, problem.coefficients

    def flow(_, c):
        return -2 * lam * c + q * lam**2 * (tau1 * c.sum() - tau2 * c)

    times = np.array([0.0, 0.3, 4.0, 50.0])
    solution = solve_ivp(flow, (0, 50), c, method="Radau", t_eval=times, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(budget.limit(problem, q, times, tau1, tau2), solution.y.sum(axis=0) / 2, rtol=1e-8)


def test_limit_without_noise_is_gradient_flow():
    problem = SpectralProblem.power_law(1.2, 0.5, 3000)
    times = np.array([[1.0, 30.0], [200.0, 5000.0]])
    flow = 0.5 * np.sum(problem.coefficients * np.exp(-2 * times[..., None] * problem.eigenvalues), axis=-1)
    np.testing.assert_allclose(budget.limit(problem, 0.0, times), flow, rtol=1e-10)


def test_one_mode_does_not_feel_the_noise():
    problem = SpectralProblem([0.7], [2.0])
    np.testing.assert_allclose(budget.limit(problem, 0.9, [1.0, 2.0]), np.exp([-1.4, -2.8]), rtol=1e-13)


@pytest.mark.parametrize("momentum", [-0.5, 0.0, 0.6])
def test_small_steps_approach_the_limit_at_first_order(momentum):
    problem, q, s = SpectralProblem.power_law(1.5, 0.75, 200), 0.4, 6.0
    errors = []
    for a in (0.02, 0.01):
        losses = regimes.spectral_diagonal(problem, a * (1 - momentum), momentum, q / a, round(s / a))
        errors.append(losses[-1] / budget.limit(problem, q, s) - 1)
    assert abs(errors[1]) < 0.02
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)


def test_limit_is_stable_up_to_the_critical_noise_rate():
    problem = SpectralProblem.power_law(1.5, 0.75, 50)
    critical = 2 / genfun.critical_regularization(problem.eigenvalues)
    below, above = (budget.limit(problem, factor * critical, [5000.0, 50000.0]) for factor in (0.98, 1.02))
    assert below[1] < below[0]
    assert above[1] > above[0]


def test_steps_to_reach():
    losses = np.array([[8.0, 4.0, 2.0, 1.0], [8.0, 8.0, 8.0, 8.0], [8.0, 9.0, np.inf, np.inf]])
    np.testing.assert_allclose(budget.steps_to_reach(losses, 2.0), [2, np.inf, np.inf])
    assert budget.steps_to_reach(losses[0], 3.0) == pytest.approx(1 + np.log2(4 / 3))


def test_bad_arguments():
    problem = SpectralProblem.power_law(1.5, 0.75, 5)
    for call, words in [
        (lambda: budget.limit(problem, -1.0, [1.0]), "noise_rate"),
        (lambda: budget.limit(problem, 0.1, [-1.0]), "times"),
        (lambda: budget.limit(problem, 0.1, [1.0], np.inf), "tau1"),
        (lambda: budget.limit(SpectralProblem([2.0], [1.0]), 0.1, [1.0]), "eigenvalue"),
        (lambda: budget.steps_to_reach([1.0, 0.5], 0.0), "target"),
        (lambda: budget.steps_to_reach([1.0, 0.5], 2.0), "target"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()
