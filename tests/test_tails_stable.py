"""Tail indices of stable laws by quantiles and by the characteristic function: errors, invariances, other laws."""

import numpy as np
import pytest
from scipy.stats import kstest

from lib import stable, tails
from lib.tails import characteristic

# Standard errors of the best unbiased estimate of alpha, times sqrt(n), scale unknown: from the Fisher information of
# the density, by finite differences of `stable.pdf`.
CRAMER_RAO = {1.0: 1.103, 1.2: 1.325, 1.5: 1.535, 1.8: 1.383, 1.9: 1.127}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("alpha", CRAMER_RAO)
def test_bound_is_that_of_the_density(alpha):
    """Fisher information in alpha and log-scale; scores by finite differences."""
    h, t = 1e-4, np.linspace(0, 25, 1200)
    x = np.sinh(t)

    def log_density(a, s=0.0):
        return np.log(stable.pdf(x, a, np.exp(s)))

    scores = [
        (log_density(alpha + h) - log_density(alpha - h)) / (2 * h),
        (log_density(alpha, h) - log_density(alpha, -h)) / (2 * h),
    ]
    weight = 2 * stable.pdf(x, alpha) * np.cosh(t)
    matrix = [[np.trapezoid(p * q * weight, t) for p in scores] for q in scores]
    assert np.sqrt(np.linalg.inv(matrix)[0, 0]) == pytest.approx(CRAMER_RAO[alpha], rel=1e-3)


@pytest.mark.parametrize("alpha", CRAMER_RAO)
def test_ecf_is_nearly_as_good_as_possible(alpha):
    """400 fits of 5000 numbers: bias below its noise, and a root mean square error next to the bound."""
    x = stable.sample(alpha, (400, 5000), scale=0.3, rng=rng(1)) + 7
    found = tails.ecf(x)
    bound = CRAMER_RAO[alpha] / np.sqrt(5000)
    assert abs(found.mean() - alpha) < 4.5 * bound / np.sqrt(400)
    error = np.sqrt(np.mean((found - alpha) ** 2))
    assert 1 - 4.5 / np.sqrt(800) < error / bound < {1.0: 1.06}.get(alpha, 1.02) + 4.5 / np.sqrt(800)


def test_errors_of_the_normal_law():
    x = rng(2).normal(size=(200, 10_000))
    assert np.sqrt(np.mean((tails.ecf(x) - 2) ** 2)) < 0.0015
    assert np.sqrt(np.mean((tails.mcculloch(x) - 2) ** 2)) < 0.045


@pytest.mark.parametrize("alpha", [0.6, 1.2, 1.5, 1.8])
def test_mcculloch(alpha):
    """400 fits of 10,000 numbers against the large-sample error: the covariance of quantiles, and the delta method."""
    p = np.array([0.05, 0.25, 0.75, 0.95])
    q = stable.ppf(p, alpha)
    f = stable.pdf(q, alpha)
    covariance = (np.minimum.outer(p, p) - np.outer(p, p)) / np.outer(f, f) / 10_000
    gradient = np.array([-1, 0, 0, 1]) / (q[3] - q[0]) - np.array([0, -1, 1, 0]) / (q[2] - q[1])  # of the log-ratio
    ratio = [np.log(np.divide(*stable.ppf([0.05, 0.25], alpha + h))) for h in (1e-4, -1e-4)]
    error = np.sqrt(gradient @ covariance @ gradient) / abs((ratio[0] - ratio[1]) / 2e-4)
    found = tails.mcculloch(stable.sample(alpha, (400, 10_000), rng=rng(3)))
    assert abs(found.mean() - alpha) < 4.5 * error / np.sqrt(400) + 1e-3
    assert found.std() == pytest.approx(error, rel=4.5 / np.sqrt(800))


def test_table_of_quantiles():
    for alpha, ratio, quartile in characteristic.QUANTILES.T:
        q95, q75 = -stable.ppf([0.05, 0.25], alpha)
        assert ratio == pytest.approx(q95 / q75, rel=1e-8) and quartile == pytest.approx(q75, rel=1e-8)


@pytest.mark.parametrize("alpha", [0.23, 0.55, 0.95, 1.25, 1.55, 1.95])
def test_between_the_nodes_of_the_table(alpha):
    """The law's own quantiles at the levels (i + 1/2)/n, whose sample quantiles are almost exact."""
    x = stable.ppf((np.arange(2000) + 0.5) / 2000, alpha)
    assert tails.mcculloch(x) == pytest.approx(alpha, abs=3e-4)
    assert tails.mcculloch(3 - 2 * x) == pytest.approx(tails.mcculloch(x), rel=1e-12)
    if alpha > 0.5:
        assert tails.ecf(x) == pytest.approx(alpha, abs=0.01)
        assert tails.ecf(3 - 2 * x) == pytest.approx(tails.ecf(x), rel=1e-9)


def test_batches():
    x = stable.sample(1.4, (2, 3, 20_001), rng=rng(4))
    for estimate in (tails.ecf, tails.mcculloch):
        found = estimate(x)
        assert found.shape == (2, 3)
        for i in np.ndindex(2, 3):
            assert found[i] == pytest.approx(estimate(x[i]), rel=1e-9)
        assert np.shape(estimate(x[0, 0])) == ()


@pytest.mark.parametrize("n", [5, 40])
def test_few_samples_stay_in_range(n):
    for x in (stable.sample(0.5, (300, n), rng=rng(5)), rng(6).uniform(size=(300, n)), rng(7).normal(size=(300, n))):
        for estimate in (tails.ecf, tails.mcculloch):
            found = estimate(x)
            assert np.all((found >= 0.2) & (found <= 2))


def test_stable_fit():
    x = stable.sample(1.6, 20_000, scale=2.5, rng=rng(8)) - 4
    fit = tails.stable_fit(x)
    assert fit.tail_index == tails.ecf(x)
    assert fit.standard_error == pytest.approx(1.5 / np.sqrt(20_000), rel=0.05)
    assert abs(fit.tail_index - 1.6) < 4.5 * fit.standard_error
    assert fit.scale == pytest.approx(2.5, rel=0.05) and fit.location == pytest.approx(-4, abs=0.15)
    law = kstest(x - fit.location, lambda y: stable.cdf(y, fit.tail_index, fit.scale))
    assert fit.distance == pytest.approx(law.statistic, abs=1e-6)
    assert fit.distance < 1 / np.sqrt(20_000)
    few = tails.stable_fit(x[:50])
    law = kstest(x[:50] - few.location, lambda y: stable.cdf(y, few.tail_index, few.scale))
    assert few.distance == pytest.approx(law.statistic, rel=1e-12)


def test_other_laws_are_told_apart_by_the_distance():
    """Indices below 2 of light-tailed laws, and the distance that shows it: 1 / sqrt(n) is 0.0071."""
    laplace = rng(9).laplace(size=20_000)
    assert tails.ecf(laplace) == pytest.approx(1.61, abs=0.03)
    assert tails.stable_fit(laplace).distance > 0.02
    t3 = rng(10).standard_t(3, size=20_000)
    assert tails.ecf(t3) == pytest.approx(1.61, abs=0.03) and tails.hill(t3, 200) == pytest.approx(3, abs=0.6)


@pytest.mark.parametrize("function", [tails.ecf, tails.mcculloch, tails.stable_fit])
def test_refuses(function):
    for x in ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, np.nan, 3.0, 4.0, 5.0], np.ones(10), [0.0, 0, 0, 0, 0, 0, 0, 1.0]):
        with pytest.raises(ValueError, match=r"^x .*allowed"):
            function(x)
    with pytest.raises(ValueError, match=r"^x .*allowed"):
        tails.stable_fit(np.ones((2, 8)))
