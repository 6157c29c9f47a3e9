"""Best k-term errors, the entries that may go, and their limits for i.i.d. entries."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from lib import compressibility, compressible_laws, stable_moments


def rng(seed=0):
    return np.random.default_rng(seed)


def stable(tail_index, size, seed):
    """Symmetric stable numbers, exp(-|u|**tail_index), from an angle and an exponential."""
    u = rng(seed).uniform(-np.pi / 2, np.pi / 2, size)
    e = rng(seed + 1).exponential(size=size)
    a = tail_index
    return np.sin(a * u) / np.cos(u) ** (1 / a) * (np.cos((1 - a) * u) / e) ** ((1 - a) / a)


# --- best k-term errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.7, np.inf])
def test_best_k_term_error_is_the_least_of_all_supports(p):
    import itertools

    x = rng().normal(size=7)
    for k in range(8):
        kept = [np.isin(np.arange(7), s) for s in itertools.combinations(range(7), k)]
        least = min(np.linalg.norm(np.where(mask, 0, x), p) for mask in kept)
        assert compressibility.best_k_term_error(x, k, p, relative=False) == pytest.approx(least, rel=1e-13)
        assert compressibility.best_k_term_error(x, k, p) == pytest.approx(least / np.linalg.norm(x, p), rel=1e-13)


def test_axes_and_arrays_of_k():
    x = rng(1).standard_cauchy(size=(3, 50, 2))
    k = np.array([[0, 10, 50], [1, 2, 3]])
    errors = compressibility.best_k_term_error(x, k, axis=1)
    assert errors.shape == (3, 2, 2, 3)
    single = [[compressibility.best_k_term_error(x[i, :, j], k) for j in range(2)] for i in range(3)]
    np.testing.assert_array_equal(errors, single)
    assert isinstance(compressibility.best_k_term_error(x[0, :, 0], 3), float)
    np.testing.assert_array_equal(errors[..., 0, 0], 1)
    np.testing.assert_array_equal(errors[..., 0, 2], 0)


def test_extreme_and_zero_vectors():
    x = np.array([1e200, -3e200, 4e200])
    assert compressibility.best_k_term_error(x, 1, relative=False) == pytest.approx(np.sqrt(10) * 1e200)
    assert compressibility.best_k_term_error(x, 1) == pytest.approx(np.sqrt(10 / 26))
    assert compressibility.best_k_term_error(np.zeros(4), [0, 2]).tolist() == [0, 0]
    assert compressibility.removable(np.zeros(4), 0.0) == 4


# --- removable ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 97, 1000])
def test_removable_at_every_count(n):
    """Whole numbers: sums are exact, and each count is met on its boundary, just above and just below."""
    x = rng(n).permutation(np.arange(1, n + 1) * rng(n).choice([-1, 1], n))
    sums = np.cumsum(np.arange(1, n + 1) ** 2)
    targets = np.sqrt(sums / sums[-1])
    counts = np.arange(1, n + 1)
    np.testing.assert_array_equal(compressibility.removable(x, np.minimum(targets * (1 + 1e-12), 1)), counts)
    np.testing.assert_array_equal(compressibility.removable(x, targets * (1 - 1e-12)), counts - 1)
    np.testing.assert_array_equal(
        compressibility.removable(x, energy=np.minimum(sums / sums[-1] * (1 + 1e-12), 1)), counts
    )
    assert compressibility.removable(x, 0) == 0 and compressibility.removable(x, 1) == n


@pytest.mark.parametrize("p", [1.0, 2.0, 1.3])
def test_removable_is_the_largest_count(p):
    x = rng(2).standard_t(2, size=(4, 333))
    for error in (0.01, 0.1, 0.5):
        m = compressibility.removable(x, error, p=p)
        assert m.shape == (4,) and m.dtype == np.int64
        for row, count in zip(x, m, strict=True):
            errors = compressibility.best_k_term_error(row, 333 - np.array([count, count + 1]), p)
            assert errors[0] <= error < errors[1]
    energies = np.array([[0.1, 0.2], [0.3, 0.0]])
    both = compressibility.removable(x, energy=energies, p=p)
    assert both.shape == (4, 2, 2)
    np.testing.assert_array_equal(both, compressibility.removable(x, energies ** (1 / p) * (1 + 1e-14), p=p))


def test_equal_entries_and_single_precision():
    assert compressibility.removable(np.ones(10), 0.5) == 2  # a quarter of ten, 2.5
    assert compressibility.removable(np.ones(16, np.float32), 0.5) == 4
    assert compressibility.removable(np.r_[np.zeros(5), np.ones(3)], 0.0) == 5


# --- laws -----------------------------------------------------------------------------------------------------

QUANTILES = {
    "gaussian": lambda q: stats.norm.isf(q / 2),
    "uniform": lambda q: 1 - q,
    "laplace": lambda q: -np.log(q),
}


@pytest.mark.parametrize("law", QUANTILES)
@pytest.mark.parametrize("p", [0.7, 2.0, 3.0])
def test_closed_forms_against_quadrature_of_the_density(law, p):
    law_of_x = {"gaussian": stats.norm, "uniform": stats.uniform(-1, 2), "laplace": stats.laplace}[law]
    end = 1 if law == "uniform" else 60
    kappa = np.array([0.9, 0.5, 0.1, 0.003])
    for q, error in zip(kappa, compressible_laws.limit_error(law, kappa, p), strict=True):
        t = law_of_x.isf(q / 2)
        lost, kept = (
            integrate.quad(lambda x: x**p * law_of_x.pdf(x), *ends, epsabs=0, epsrel=1e-11, limit=200)[0]
            for ends in ((0, t), (t, end))
        )
        assert error**p == pytest.approx(lost / (lost + kept), rel=1e-9)
    np.testing.assert_allclose(
        compressible_laws.limit_error(QUANTILES[law], kappa, p), compressible_laws.limit_error(law, kappa, p), rtol=1e-6
    )


def test_pruning_ratios_at_ten_percent():
    assert compressible_laws.pruning_ratio("uniform", 0.1) == pytest.approx(0.1 ** (2 / 3), rel=1e-14)
    assert compressible_laws.pruning_ratio("gaussian", 0.1) == pytest.approx(0.2653, abs=5e-5)
    assert compressible_laws.pruning_ratio("laplace", 0.1) == pytest.approx(0.3534, abs=5e-5)
    assert compressible_laws.limit_error("gaussian", 0.1) ** 2 == pytest.approx(0.5607, abs=5e-5)


@pytest.mark.parametrize(("law", "tail_index"), [*((law, None) for law in QUANTILES), ("stable", 1.5), ("stable", 2)])
def test_pruning_ratio_inverts_the_limit(law, tail_index):
    p = 1.0
    error = np.array([0, 0.02, 0.3, 0.9, 1])
    ratio = compressible_laws.pruning_ratio(law, error, p, tail_index=tail_index)
    back = compressible_laws.limit_error(law, 1 - ratio, p, tail_index=tail_index)
    np.testing.assert_allclose(back, error, rtol=1e-8, atol=1e-15)


@pytest.mark.parametrize(("law", "tail_index"), [("gaussian", None), ("laplace", None), ("stable", 1.8)])
def test_limits_against_samples(law, tail_index):
    """One sample of 400,000, p = 1 for the stable law: all well within the spread of repeats."""
    n, p = 400_000, 1.0 if law == "stable" else 2.0
    x = {"gaussian": rng(3).normal(size=n), "laplace": rng(3).laplace(size=n), "stable": stable(1.8, n, 3)}[law]
    kappa = np.array([0.05, 0.3])
    errors = compressibility.best_k_term_error(x, (kappa * n).astype(int), p)
    limit = compressible_laws.limit_error(law, kappa, p, tail_index=tail_index)
    np.testing.assert_allclose(errors, limit, rtol=0.01)
    ratio = compressible_laws.pruning_ratio(law, 0.1, p, tail_index=tail_index)
    assert compressibility.removable(x, 0.1, p=p) / n == pytest.approx(ratio, abs=0.004)


def test_a_law_with_power_tails():
    """Student with 3 degrees of freedom, x = sqrt(3) tan(v): its second moment is a sine integral in closed form."""
    kappa = np.array([0.4, 0.1, 1e-3])
    t = stats.t(3).isf(kappa / 2)
    v = np.arctan(t / np.sqrt(3))
    share = (2 * v - np.sin(2 * v)) / np.pi
    law = compressible_laws.limit_error(lambda q: stats.t(3).isf(q / 2), kappa, tail_index=3)
    np.testing.assert_allclose(law**2, share, rtol=1e-6)


def test_where_the_moment_is_infinite():
    kappa = np.array([0, 0.01, 0.5, 1])
    for tail_index in (0.5, 1.0, 1.9):
        errors = compressible_laws.limit_error("stable", kappa, tail_index=tail_index)
        assert errors.tolist() == [1, 0, 0, 0]
        assert compressible_laws.pruning_ratio("stable", [0, 0.1], tail_index=tail_index).tolist() == [0, 1]
    np.testing.assert_allclose(
        compressible_laws.limit_error("stable", 0.2, tail_index=2), compressible_laws.limit_error("gaussian", 0.2)
    )


# --- rates ----------------------------------------------------------------------------------------------------


def test_rates():
    assert compressible_laws.rate(1.75) == pytest.approx(-1 / 14)
    assert compressible_laws.rate([1.0, 1.5, 2.0, 3.0]).tolist() == pytest.approx([-0.5, -1 / 6, 0, 0])
    assert compressible_laws.rate(0.8, p=1.0) == pytest.approx(-0.25)
    assert 0.5 ** (1 / compressible_laws.rate(1.75)) == pytest.approx(2**14)


@pytest.mark.parametrize(("tail_index", "allowed"), [(0.7, 0.08), (1.0, 0.08), (1.5, 0.08)])
def test_median_error_against_samples(tail_index, allowed):
    """Medians of 400 draws of 20,000 entries, whose logarithm has a standard error of about 0.03 to 0.06."""
    n, kappa = 20_000, 0.1
    x = stable(tail_index, (400, n), 5)
    measured = np.median(compressibility.best_k_term_error(x, int(kappa * n)))
    assert measured == pytest.approx(compressible_laws.median_error(n, kappa, tail_index), rel=3 * allowed)
    growth = compressible_laws.median_error([1e4, 1e6], kappa, tail_index)
    assert np.log(growth[1] / growth[0]) / np.log(100) == pytest.approx(compressible_laws.rate(tail_index))
    assert compressible_laws.median_error(n, 1.0, tail_index) == 0


# --- moments of stable laws -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tail_index", [0.7, 1.3, 1.9])
def test_stable_distribution_against_inversion(tail_index):
    """P(|X| <= t) is an integral of the characteristic function against sin(ut) / u."""
    for t in (0.3, 1.0, 4.0):
        end = 45 ** (1 / tail_index)
        integral = integrate.quad(
            lambda u, t=t: np.exp(-(u**tail_index)) * t * np.sinc(u * t / np.pi), 0, end, limit=2000, epsabs=1e-12
        )[0]
        assert stable_moments.truncated(tail_index, 0, t) == pytest.approx(2 / np.pi * integral, abs=1e-9)
        assert stable_moments.survival(tail_index, t) == pytest.approx(1 - 2 / np.pi * integral, abs=1e-9)


@pytest.mark.parametrize("tail_index", [0.4, 0.99, 1.0, 1.001, 1.5, 1.99, 2.0])
def test_stable_moments_agree_with_each_other(tail_index):
    """Far out the tail is c x**-alpha: what truncation leaves out of a whole moment is then known."""
    p = tail_index / 2
    t = 8.0 if tail_index == 2 else 1e8 ** (1 / tail_index)
    tail = 2 / np.pi * special.gamma(tail_index) * np.sin(np.pi * tail_index / 2)
    beyond = tail * tail_index / (tail_index - p) * t ** (p - tail_index)
    whole = stable_moments.absolute(tail_index, p)
    assert stable_moments.truncated(tail_index, p, t) + beyond == pytest.approx(whole, rel=1e-6)
    for kappa in (1e-6, 0.1, 0.9):
        edge = stable_moments.threshold(tail_index, kappa)
        assert stable_moments.survival(tail_index, edge) == pytest.approx(kappa, rel=1e-9)
        assert stable_moments.truncated(tail_index, 0, edge) == pytest.approx(1 - kappa, rel=1e-9)
    if tail_index < 2:
        assert stable_moments.survival(tail_index, t) == pytest.approx(tail * t**-tail_index, rel=1e-3)
        assert stable_moments.absolute(tail_index, tail_index) == np.inf


@pytest.mark.parametrize(("tail_index", "p"), [(0.4, 2.0), (0.5, 1.0), (1.0, 2.0), (1.5, 2.0), (1.9, 0.3)])
def test_truncated_moments_by_parts(tail_index, p):
    t = 3.0
    whole = t**p * stable_moments.truncated(tail_index, 0, t)
    inner = integrate.quad(lambda x: p * x ** (p - 1) * stable_moments.truncated(tail_index, 0, x), 0, t, epsrel=1e-7)
    assert stable_moments.truncated(tail_index, p, t) == pytest.approx(whole - inner[0], rel=1e-6)


def test_positive_median():
    assert stable_moments.positive_median(0.5) == pytest.approx(stats.levy.median() / 2, rel=1e-9)
    u, e = rng(7).uniform(0, np.pi, 200_000), rng(8).exponential(size=200_000)
    a = 0.8
    draws = np.sin(a * u) / np.sin(u) ** (1 / a) * (np.sin((1 - a) * u) / e) ** ((1 - a) / a)
    assert np.mean(draws <= stable_moments.positive_median(a)) == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(200_000))


# --- nodes of untrained networks ------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "ratio"), [(64, 0.1227), (140, 0.1146), (784, 0.1058), (3072, 0.1029)])
def test_initial_node_ratios(dim, ratio):
    assert compressible_laws.initial_node_ratio(0.1, dim) == pytest.approx(ratio, abs=6e-5)


@pytest.mark.parametrize("law", ["uniform", "gaussian"])
def test_initial_node_ratio_against_weights(law):
    rows = rng(9).normal(size=(20_000, 140)) if law == "gaussian" else rng(9).uniform(-1, 1, (20_000, 140))
    measured = compressibility.removable(np.linalg.norm(rows, axis=1), energy=np.array([0.1, 0.4])) / 20_000
    np.testing.assert_allclose(measured, compressible_laws.initial_node_ratio([0.1, 0.4], 140, law), atol=0.002)
    assert compressible_laws.initial_node_ratio([0, 1], 140, law).tolist() == [0, 1]


# --- bad input ------------------------------------------------------------------------------------------------

BAD = {
    "x has shape": lambda: compressibility.best_k_term_error(3.0, 0),
    "x has entries": lambda: compressibility.best_k_term_error([1, np.nan], 0),
    "k is 3": lambda: compressibility.best_k_term_error([1, 2], 3),
    "k is 0.5": lambda: compressibility.best_k_term_error([1, 2], 0.5),
    "p is 0": lambda: compressibility.best_k_term_error([1, 2], 1, p=0),
    "p is inf": lambda: compressibility.removable([1, 2], 0.1, p=np.inf),
    "p is -1": lambda: compressible_laws.limit_error("gaussian", 0.1, -1),
    "error is None and energy is None": lambda: compressibility.removable([1, 2]),
    "error is 0.1 and energy is 0.1": lambda: compressibility.removable([1, 2], 0.1, energy=0.1),
    "error is 1.5": lambda: compressibility.removable([1, 2], 1.5),
    "energy is -1": lambda: compressibility.removable([1, 2], energy=-1),
    "kappa is 1.2": lambda: compressible_laws.limit_error("gaussian", 1.2),
    "law is 'levy'": lambda: compressible_laws.limit_error("levy", 0.5),
    "tail_index is None": lambda: compressible_laws.limit_error("stable", 0.5),
    "tail_index is 2.5": lambda: compressible_laws.pruning_ratio("stable", 0.5, tail_index=2.5),
    "tail_index is 1.5; allowed for law 'gaussian'": lambda: compressible_laws.limit_error(
        "gaussian", 0.5, tail_index=1.5
    ),
    "tail_index is 0": lambda: compressible_laws.rate(0),
    "tail_index is 1.5; allowed: a number in": lambda: compressible_laws.median_error(10, 0.1, 1.5, p=1.0),
    "kappa is 0": lambda: compressible_laws.median_error(10, 0.0, 1.5),
    "error is 2": lambda: compressible_laws.pruning_ratio("gaussian", 2),
    "law is 'stable'": lambda: compressible_laws.initial_node_ratio(0.1, 10, "stable"),
    "dim is 0": lambda: compressible_laws.initial_node_ratio(0.1, 0),
    "tail_index is 3": lambda: stable_moments.absolute(3, 1),
    "p is -2": lambda: stable_moments.absolute(1.5, -2),
    "t is -1": lambda: stable_moments.truncated(1.5, 1, -1),
    "t is inf": lambda: stable_moments.survival(1.5, np.inf),
    "kappa is 0;": lambda: stable_moments.threshold(1.5, 0),
    "p and share": lambda: stable_moments.truncation(1.5, 1.6, 0.5),
    "index is 1": lambda: stable_moments.positive_median(1),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
