"""Draws of stable laws and their closed forms: against simulation, special cases and each other."""

import numpy as np
import pytest
import torch
from scipy import special
from scipy.stats import kstest

from lib import stable
from lib.stable import draws

U = np.array([0.3, -0.4, 1.2])
KS_LIMIT = 2.2  # sqrt(n) times the distance: exceeded by chance once in 8,000 tests


def rng(seed=0):
    return np.random.default_rng(seed)


def within(values, expected, errors=4.5):
    """The mean of the values is within so many standard errors of what is expected."""
    return abs(np.mean(values) - expected) < errors * np.std(values) / np.sqrt(len(values))


# --- one dimension --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.4, 0.8, 1.0, 1.2, 1.5, 1.8, 1.99, 2.0])
def test_draws_follow_the_distribution_function(alpha):
    x = stable.sample(alpha, 20_000, rng=rng(1))
    assert kstest(x, lambda y: stable.cdf(y, alpha)).statistic * np.sqrt(len(x)) < KS_LIMIT


@pytest.mark.parametrize("alpha", [0.8, 1.0, 1.5, 2.0])
def test_draws_have_the_characteristic_function(alpha):
    x = stable.sample(alpha, 100_000, scale=0.7, rng=rng(2))
    for u in (0.1, 1.0, 2.5):
        assert within(np.cos(u * x), stable.cf(u, alpha, 0.7))
        assert within(np.sin(u * x), 0.0)


def test_draws_sum_like_themselves():
    """The sum of m draws is m^(1/alpha) times one draw."""
    sums = stable.sample(1.5, (20_000, 7), rng=rng(3)).sum(1) / 7 ** (1 / 1.5)
    assert kstest(sums, lambda y: stable.cdf(y, 1.5)).statistic * np.sqrt(20_000) < KS_LIMIT


def test_far_draws_follow_the_power_of_the_tail():
    """Beyond x = 1000, of a million draws: their number against c x^-alpha, in Poisson errors."""
    x = np.abs(stable.sample(1.2, 1_000_000, rng=rng(4)))
    expected = 1e6 * stable.tail_constant(1.2) * 1000**-1.2
    assert abs(np.sum(x > 1000) - expected) < 4.5 * np.sqrt(expected)


@pytest.mark.parametrize("alpha", [0.5, 0.8, 1.0, 1.2, 1.5, 1.9, 2.0])
def test_extreme_numbers_of_the_generator_give_no_nan(alpha):
    turn = torch.tensor([0.0, 0.0, 0.5, 0.5, 1 - 2**-53, 1 - 2**-53], dtype=torch.float64)
    exponential = torch.tensor([draws.LEAST, 50.0] * 3, dtype=torch.float64)
    for method, index in ((draws._symmetric, alpha), (draws._positive, alpha / 2)):
        first, second = turn.clone(), exponential.clone()
        method(first, second, torch.empty(6, dtype=torch.float64), index)
        assert torch.isfinite(first * second).all()
        assert method == draws._symmetric or (first * second >= 0).all()


def test_a_grid_of_laws_is_one_call():
    alphas, scales = np.array([0.7, 1.0, 1.6, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])
    x = stable.sample(alphas[:, None], (4, 20_000), scale=scales[:, None], rng=rng(5))
    for row, alpha, scale in zip(x, alphas, scales, strict=True):
        assert kstest(row, lambda y, a=alpha, s=scale: stable.cdf(y, a, s)).statistic * np.sqrt(20_000) < KS_LIMIT
    same = stable.sample(np.full(50_000, 1.6), 50_000, scale=3.0, rng=rng(6))
    np.testing.assert_allclose(same, stable.sample(1.6, 50_000, scale=3.0, rng=rng(6)), rtol=1e-12)


def test_shapes_and_seeds():
    assert stable.sample(1.5, (), rng=rng()).shape == () and stable.sample(1.5, 0, rng=rng()).shape == (0,)
    first, again = (stable.sample(1.5, (3, 40_000), rng=rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, 40_000) and first.dtype == np.float64
    assert len(np.unique(first)) == first.size


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
def test_a_torch_generator_gives_tensors(alpha):
    def drawn(seed):
        return stable.sample(alpha, 20_000, scale=2.0, rng=torch.Generator().manual_seed(seed))

    x = drawn(0)
    assert x.dtype == torch.float64 and torch.equal(x, drawn(0)) and not torch.equal(x, drawn(1))
    assert kstest(x.numpy(), lambda y: stable.cdf(y, alpha, 2.0)).statistic * np.sqrt(20_000) < KS_LIMIT


# --- positive and isotropic laws ------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0.3, 0.5, 0.75, 0.95, 1.0])
def test_positive_draws_have_the_laplace_transform(index):
    a = stable.sample_positive(index, 100_000, rng=rng(8))
    assert np.all(a > 0)
    for s in (0.2, 1.0, 4.0):
        assert abs(np.mean(np.exp(-s * a)) - np.exp(-(s**index))) <= 4.5 * np.std(np.exp(-s * a)) / 316 + 1e-15


def test_positive_draws_of_index_one_half():
    """They are 1 / (2 Z^2) of a normal Z: P(A <= x) = erfc(1 / (2 sqrt(x)))."""
    a = stable.sample_positive(0.5, 50_000, rng=rng(9))
    assert kstest(a, lambda x: special.erfc(0.5 / np.sqrt(x))).statistic * np.sqrt(50_000) < KS_LIMIT


@pytest.mark.parametrize("alpha", [1.2, 1.75, 2.0])
def test_isotropic_draws(alpha):
    x = stable.sample_isotropic(alpha, 100_000, 3, scale=0.8, rng=rng(10))
    assert x.shape == (100_000, 3)
    assert within(np.cos(x @ U), np.exp(-((0.8 * np.linalg.norm(U)) ** alpha)))
    logs = np.log(np.linalg.norm(x, axis=1))
    mean, variance = stable.log_moments(alpha, 3, 0.8)
    assert within(logs, mean)
    assert within((logs - mean) ** 2, variance)


# --- the three kinds of noise ---------------------------------------------------------------------------------

# Products of one-dimensional characteristic functions, by hand, at alpha = 1.75 and U.
BY_HAND = {("I", "unit"): 0.30682, ("II", "unit"): 0.18293, ("III", "unit"): 0.20542, ("III", "published"): 0.42190}


@pytest.mark.parametrize(("kind", "convention"), BY_HAND)
def test_characteristic_functions_by_hand(kind, convention):
    value = stable.noise_cf(kind, U, 1.75, convention=convention)
    assert value == pytest.approx(BY_HAND[kind, convention], abs=6e-6)


@pytest.mark.parametrize("kind", ["I", "II", "III"])
@pytest.mark.parametrize("convention", ["unit", "published"])
@pytest.mark.parametrize("alpha", [1.2, 1.75, 2.0])
def test_noise_has_its_characteristic_function(kind, convention, alpha):
    x = stable.noise(kind, alpha, (100_000, 3), scale=1.3, convention=convention, rng=rng(11))
    assert within(np.cos(x @ U), stable.noise_cf(kind, U, alpha, 1.3, convention=convention))


def test_conventions_at_index_two():
    """Variances of a coordinate: 2 in the unit convention; in the published one 1, 2 and 1."""
    for convention, variances in (("unit", (2, 2, 2)), ("published", (1, 2, 1))):
        for kind, variance in zip(("I", "II", "III"), variances, strict=True):
            x = stable.noise(kind, 2.0, (200_000, 1), convention=convention, rng=rng(12))
            assert within(x**2, variance)


def test_noise_of_kind_one_is_one_number_a_unit():
    x = stable.noise("I", 1.5, (4, 5, 6), rng=rng(13))
    assert x.shape == (4, 5, 6) and np.ptp(x, axis=-1).max() == 0 and len(np.unique(x)) == 20
    assert x.strides[-1] == 0 and not x.flags.writeable


@pytest.mark.parametrize("kind", ["I", "II", "III"])
def test_noise_for_a_grid_of_laws(kind):
    """Leading axes: an index and a scale for each network, the same for all its units."""
    alphas, scales = np.array([[1.3], [1.9]]), np.array([[0.5], [2.0]])
    x = stable.noise(kind, alphas, (2, 60_000, 3), scale=scales, convention="published", rng=rng(14))
    expected = stable.noise_cf(kind, U, alphas[:, 0], scales[:, 0], convention="published")
    for network, value in zip(x, expected, strict=True):
        assert within(np.cos(network @ U), value)
    t = stable.noise(kind, alphas, (2, 60_000, 3), scale=scales, rng=torch.Generator().manual_seed(0))
    expected = stable.noise_cf(kind, U, alphas[:, 0], scales[:, 0])
    for network, value in zip(t.numpy(), expected, strict=True):
        assert within(np.cos(network @ U), value)


def test_steps_of_any_size_add_up_to_the_same_law():
    """200 steps of size 0.005 with noise sigma eta^(1/alpha): a stable law of scale sigma."""
    steps = stable.noise("II", 1.75, (20_000, 200), scale=0.1 * 0.005 ** (1 / 1.75), rng=rng(15))
    assert kstest(steps.sum(1), lambda y: stable.cdf(y, 1.75, 0.1)).statistic * np.sqrt(20_000) < KS_LIMIT


# --- moments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.6, 1.0, 1.5, 2.0])
def test_log_moments(alpha):
    mean, variance = stable.log_moments(alpha, scale=3.0)
    assert mean == pytest.approx(np.log(3) + np.euler_gamma * (1 / alpha - 1), abs=1e-14)
    assert variance == pytest.approx(np.pi**2 * (1 / (6 * alpha**2) + 1 / 12), rel=1e-14)
    logs = np.log(np.abs(stable.sample(alpha, 100_000, scale=3.0, rng=rng(16))))
    assert within(logs, mean) and within((logs - mean) ** 2, variance)


def test_moments():
    p = np.array([-0.5, 0.3, 1.0, 1.4, 1.5, 3.0])
    cauchy = 1 / np.cos(np.pi * np.array([-0.5, 0.3]) / 2)
    np.testing.assert_allclose(stable.moment(p, 1.0), [*cauchy, np.inf, np.inf, np.inf, np.inf], rtol=1e-13)
    assert stable.moment(1.0, 1.5) == pytest.approx(2 / np.pi * special.gamma(1 - 1 / 1.5), rel=1e-13)
    assert stable.moment(2.0, 2.0, 3.0) == pytest.approx(18) and stable.moment(4.0, 2.0) == pytest.approx(12)
    assert stable.moment(0.0, 0.7) == pytest.approx(1)
    x = np.abs(stable.sample(1.8, 200_000, scale=2.0, rng=rng(17)))
    assert within(x**0.6, stable.moment(0.6, 1.8, 2.0))
    # The density of log|X| has the moments as its transform: derivatives at 0 are the log-moments.
    h = 1e-4
    slope = (np.log(stable.moment(h, 1.3)) - np.log(stable.moment(-h, 1.3))) / (2 * h)
    assert slope == pytest.approx(stable.log_moments(1.3)[0], abs=1e-7)


# --- refusals -------------------------------------------------------------------------------------------------

GOOD = {"alpha": 1.5, "size": (2, 3), "rng": rng()}


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        ("sample", GOOD | {"alpha": 0.0}, "alpha"),
        ("sample", GOOD | {"alpha": 2.1}, "alpha"),
        ("sample", GOOD | {"alpha": np.nan}, "alpha"),
        ("sample", GOOD | {"alpha": [1.5, 1.6]}, "alpha"),
        ("sample", GOOD | {"scale": 0.0}, "scale"),
        ("sample", GOOD | {"scale": np.ones((4, 1, 1))}, "scale"),
        ("sample", GOOD | {"size": -1}, "size"),
        ("sample", GOOD | {"size": 2.0}, "size"),
        ("sample", GOOD | {"rng": None}, "rng"),
        ("sample", GOOD | {"rng": 3}, "rng"),
        ("sample_positive", {"index": 1.5, "size": 3, "rng": rng()}, "index"),
        ("sample_isotropic", {"alpha": 1.5, "n": 3, "dim": -1, "rng": rng()}, "size"),
        ("noise", GOOD | {"kind": "IV"}, "kind"),
        ("noise", GOOD | {"kind": "I", "convention": "mine"}, "convention"),
        ("noise", GOOD | {"kind": "I", "size": ()}, "size"),
        ("noise", GOOD | {"kind": "II", "alpha": [1.5, 1.6, 1.7]}, "alpha"),
        ("cf", {"u": 1.0, "alpha": -1.0}, "alpha"),
        ("noise_cf", {"kind": "I", "u": 1.0, "alpha": 1.0}, "u"),
        ("tail_constant", {"alpha": 3.0}, "alpha"),
        ("moment", {"power": -1.0, "alpha": 1.0}, "power"),
        ("log_moments", {"alpha": 1.0, "dim": 0}, "dim"),
        ("cdf", {"x": np.nan, "alpha": 1.0}, "x"),
        ("sf", {"x": 1.0, "alpha": 0.0}, "alpha"),
        ("pdf", {"x": 1.0, "alpha": 1.0, "scale": -1.0}, "scale"),
        ("ppf", {"q": 1.1, "alpha": 1.0}, "q"),
        ("cdf", {"x": 1.0, "alpha": [1.0, 1.5]}, "alpha"),
    ],
)
def test_refuses(function, arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} .*allowed"):
        getattr(stable, function)(**arguments)
