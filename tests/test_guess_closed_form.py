"""Probabilities of random classifiers: known values, and simulations within 4.5 standard errors."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lib import guess
from lib.guess import closed_form


def simulated(inputs, labels, n=400_000):
    v = np.random.default_rng(0).normal(size=(n, inputs.shape[1]))
    return np.mean(np.all((v @ inputs.T > 0) == (np.asarray(labels) == 1), axis=1))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_few_samples(n, seed):
    rng = np.random.default_rng(seed)
    inputs, labels = rng.normal(size=(n, 3)) + 0.7, rng.integers(0, 2, n)
    p = closed_form.few_samples(inputs, labels)
    assert abs(p - simulated(inputs, labels)) < 4.5 * math.sqrt(p * (1 - p) / 400_000)
    assert closed_form.few_samples(inputs * rng.uniform(0.1, 9, (n, 1)), labels) == pytest.approx(p, rel=1e-12)


def test_few_samples_by_hand():
    assert closed_form.few_samples([[3.0, 0]], [0]) == 0.5
    for angle in (0, 1e-9, 1.0, math.pi):
        x = [[1.0, 0], [math.cos(angle), math.sin(angle)]]
        assert closed_form.few_samples(x, [1, 1]) == pytest.approx((math.pi - angle) / (2 * math.pi), abs=1e-15)
        assert closed_form.few_samples(x, [0, 1]) == pytest.approx(angle / (2 * math.pi), rel=1e-12, abs=1e-16)
    assert closed_form.few_samples(np.eye(3), [0, 1, 0]) == pytest.approx(closed_form.orthogonal(3))


def test_search_agrees_with_few_samples():
    from test_guess import linear

    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(3, 4)) + 0.5
    table = guess.acceptance(linear(4), inputs, [0, 1, 1], 60_000, seed=0, prior="kaiming_gaussian", n_samples=[2, 3])
    for n, p, error in table[["n", "probability", "standard_error"]].to_numpy():
        assert abs(p - closed_form.few_samples(inputs[: int(n)], [0, 1, 1][: int(n)])) < 4.5 * error


def test_equal_cosines():
    for n in (1, 2, 3, 8, 30):
        assert closed_form.equal_cosines(0, n) == pytest.approx(2.0**-n, rel=1e-8)
        assert closed_form.equal_cosines(0.5, n) == pytest.approx(1 / (n + 1), rel=1e-8)
        assert closed_form.equal_cosines(1, n) == 0.5
    for rho in (0.2, 0.9, 0.9999):
        gram = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
        rows = np.linalg.cholesky(gram)
        assert closed_form.equal_cosines(rho, 3) == pytest.approx(closed_form.few_samples(rows, [1, 1, 1]), rel=1e-8)
        gram = np.full((5, 5), rho) + (1 - rho) * np.eye(5)
        orthant = multivariate_normal.cdf(np.zeros(5), np.zeros(5), gram, abseps=1e-6, releps=1e-6, maxpts=10**6, rng=0)
        assert closed_form.equal_cosines(rho, 5) == pytest.approx(orthant, rel=1e-3)


def test_cosines_by_the_integral():
    """The map of one layer is E[relu(u) relu(v)] / E[relu(u)^2] for normal u, v of that correlation."""
    u, z = np.random.default_rng(0).normal(size=(2, 1_000_000))
    for r in (-0.9, 0.0, 0.5, 0.8):
        v = r * u + math.sqrt(1 - r**2) * z
        products = 2 * np.maximum(u, 0) * np.maximum(v, 0)
        assert abs(closed_form.cosine_after(r, 1) - products.mean()) < 4.5 * products.std() / 1000
    assert closed_form.cosine_after(1.0, 5) == 1 and closed_form.cosine_after(-1.0, 1) == 0
    r = closed_form.cosine_after(np.linspace(-1, 1, 50), 3)
    assert np.all(np.diff(r) > 0) and np.array_equal(closed_form.cosine_after([0.3], 0), [0.3])


def test_separation_of_known_values():
    """Known values for cosine 0.8 and 0 to 4 layers; without a layer it is the linear classifier."""
    found = [float(closed_form.separates(0.8, depth)) for depth in range(5)]
    assert found == pytest.approx([0.1024, 0.0950, 0.0886, 0.0831, 0.0783], abs=5e-5)
    x = [[1.0, 0], [0.8, 0.6]]
    assert found[0] == pytest.approx(closed_form.few_samples(x, [1, 0]))


def test_separation_by_networks_of_finite_width():
    """Width 256: 4.5 standard errors, and 0.002 for the width, whose effect is of order 1 / 256."""
    rng = np.random.default_rng(0)
    n, width = 4000, 256
    pair = np.array([[1.0, 0], [0.8, 0.6]]).T
    h = np.maximum(rng.normal(size=(n, width, 2)).astype(np.float32) @ pair.astype(np.float32), 0)
    for depth in (1, 2):
        if depth > 1:
            h = np.stack([np.maximum(rng.normal(size=(width, width)).astype(np.float32) @ each, 0) for each in h])
        # The last layer by its law: given the features, d is normal, and separates with the angle over 2 pi.
        a, b = h[..., 0], h[..., 1]
        cosines = (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
        shares = np.arccos(np.clip(cosines, -1, 1)) / (2 * math.pi)
        assert abs(shares.mean() - closed_form.separates(0.8, depth)) < 4.5 * shares.std() / math.sqrt(n) + 0.002


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("n", lambda: closed_form.orthogonal(0)),
        ("inputs", lambda: closed_form.few_samples(np.eye(4), [0, 1, 0, 1])),
        ("inputs", lambda: closed_form.few_samples([[0.0, 0]], [1])),
        ("labels", lambda: closed_form.few_samples(np.eye(2), [1, 2])),
        ("cosine", lambda: closed_form.equal_cosines(-0.1, 3)),
        ("n", lambda: closed_form.equal_cosines(0.1, 0)),
        ("cosine", lambda: closed_form.cosine_after(1.1, 1)),
        ("depth", lambda: closed_form.separates(0.5, -1)),
    ],
)
def test_bad_arguments_are_named(argument, call):
    with pytest.raises(ValueError, match=rf"^{argument} .*allowed"):
        call()
