"""The expected loss of a read-out: its averages by quadrature, its limits, and against read-outs of drawn samples."""

import numpy as np
import pytest
import torch
from scipy import stats

from lib import single_index
from lib.single_index import expected_risk, gaussian_constants


def test_averages_of_features_by_monte_carlo():
    """An infinite sample and the ridge lambda: the missed signal is 1/4 - 2 f.a + a' O a of a = (O + lambda)^-1 f."""
    d, h, n = 6, 8, 2_000_000
    p = single_index.make(d, h, 1, rng=np.random.default_rng(0), device="cpu")
    weights = 3 * p.weights
    inputs = np.random.default_rng(1).standard_normal((n, d))
    z = np.tanh(inputs @ weights.numpy().T / d**0.5)
    f, omega = z.T @ (inputs @ p.teacher.numpy()) / (2 * n), z.T @ z / n
    a = np.linalg.solve(omega + 0.1 * np.eye(h), f)
    found = expected_risk(weights, p.teacher, 10**9, 0.1)
    assert found.missed == pytest.approx(0.25 - 2 * f @ a + a @ omega @ a, abs=1e-3)  # about two standard errors
    assert found.effective_ridge == pytest.approx(0.1, rel=1e-7) and found.variance == pytest.approx(0, abs=1e-7)


def test_features_of_one_direction_by_quadrature():
    """One unit along the teacher: a regression on tanh(s z)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    for s in (0.3, 1.0, 2.0):
        square, moment = weights @ np.tanh(s * nodes) ** 2, weights @ (np.tanh(s * nodes) * nodes) / 2
        found = expected_risk([[s]], [1.0], 10**9, 1e-9)
        assert found.missed == pytest.approx(0.25 - moment**2 / square, abs=1e-6)


def test_limits():
    """No ridge: least squares over h features, or over d where the features are linear. A large ridge: no read-out."""
    n, noise = 4000, gaussian_constants().floor
    p = single_index.make(100, 150, 1, rng=np.random.default_rng(0), device="cpu")
    found = expected_risk(p.weights, p.teacher, n, 1e-9)
    assert found.test_loss == pytest.approx((noise + found.missed) / (1 - 150 / n), rel=1e-4)
    small = expected_risk(p.weights / 100, p.teacher, n, 1e-10)  # far below the linear part, far above the rest
    assert small.test_loss == pytest.approx(noise / (1 - 100 / n), rel=1e-4)
    none = expected_risk(p.weights, p.teacher, n, [1e6, 1e7])
    assert none.test_loss == pytest.approx(noise + 0.25, rel=1e-3) and none.variance == pytest.approx(0, abs=1e-6)
    again = expected_risk(p.weights / 10, p.teacher, n, [0.01], scaling="intended")
    legacy = expected_risk(p.weights, p.teacher, n, [0.01], scaling="legacy")
    assert again.test_loss == pytest.approx(legacy.test_loss, rel=1e-12)


@pytest.mark.parametrize("scaling", ["intended", "legacy"])
@pytest.mark.parametrize("step", [0, 5])
def test_read_outs_of_drawn_samples(scaling, step):
    """Mean of 12 samples against the limit: four standard errors, and 2 % for sizes that are finite."""
    sizes = {"dim": 100, "width": 150, "n_samples": 800}
    settings = single_index.grid(optimizer="gd", learning_rate=150.0, seed=0)
    trained = single_index.train(settings, n_steps=step, probes=[step], keep_weights=True, **sizes)
    weights, teacher = trained.weights[0, 0], trained.problem(0).teacher
    ridges = [0.001, 0.01, 0.1]
    found = expected_risk(weights, teacher, 800, ridges, scaling=scaling)
    losses = []
    for seed in range(1, 13):
        p = single_index.make(**sizes, n_test=4000, rng=np.random.default_rng(seed), device="cpu")
        drawn = {"probe_": p.probe_inputs, "test_": p.test_inputs}
        rng = np.random.default_rng(100 + seed)
        targets = {
            f"{name}targets": torch.nn.functional.softplus(x @ teacher)
            + 0.3 * torch.tensor(rng.standard_normal(len(x)))
            for name, x in drawn.items()
        }
        problem = single_index.Problem(**(vars(p) | {"teacher": teacher} | targets))
        losses.append(single_index.evaluate(weights, problem, ridges, scaling)["test_loss"].numpy())
    bound = 4 * stats.sem(losses, axis=0) + 0.02 * found.test_loss
    assert (np.abs(np.mean(losses, axis=0) - found.test_loss) < bound).all()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"n_samples": 0}, "n_samples"),
        ({"scaling": "other"}, "scaling"),
        ({"ridge": 0.0}, "ridge"),
        ({"teacher": np.ones(3)}, "teacher"),
        ({"weights": np.full((3, 2), np.inf)}, "weights"),
        ({"label_noise": -1.0}, "label_noise"),
    ],
)
def test_wrong_arguments(change, word):
    given = {"weights": np.ones((3, 2)), "teacher": np.array([1.0, 0.0]), "n_samples": 10} | change
    with pytest.raises(ValueError, match=word):
        expected_risk(**given)
