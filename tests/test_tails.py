"""Tail indices from blocks and from order statistics: against their formulas, and on laws whose index is known."""

import math

import numpy as np
import pytest

from lib import stable, tails


def rng(seed=0):
    return np.random.default_rng(seed)


def by_formula(x, size):
    """One block estimate of numbers (n,) or vectors (n, r), as the formula is written."""
    x = np.reshape(x, (len(x), -1))
    blocks = [sum(x[i : i + size]) for i in range(0, len(x) - size + 1, size)]
    kept = x[: len(blocks) * size]
    slope = np.mean([math.log(math.hypot(*y)) for y in blocks]) - np.mean([math.log(math.hypot(*v)) for v in kept])
    return math.log(size) / slope


# --- the grid -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 6, 10, 12, 26, 100, 200, 1024, 2048, 10_000, 10_006, 100_000, 9 * 2**18])
def test_grid_by_its_rule(n):
    divisors = [d for d in range(1, n + 1) if n % d == 0]
    expected = {max(d for d in divisors if d <= c) for c in (2, 5, 10, 20, 50, 100, 500, 1000) if c <= n / 2}
    root = max(d for d in divisors if d * d <= n)
    expected |= {root} if root > 1 else set()
    assert tails.block_grid(n) == sorted(expected)
    assert tails.block_grid(n + 1) == sorted(expected)


def test_grids_by_hand():
    assert tails.block_grid(10) == [2, 5] and tails.block_grid(4) == [2] and tails.block_grid(14) == [2]
    assert tails.block_grid(10_000) == [2, 5, 10, 20, 50, 100, 500, 1000]
    assert tails.block_grid(2048) == [2, 4, 8, 16, 32, 64, 256, 512]


# --- block sums -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "r"), [(60, 1), (61, 1), (600, 1), (600, 3), (38, 5)])
def test_block_is_its_formula(n, r):
    x = rng(1).standard_t(2, size=(n, r))
    for size in (2, 3, 7, 18):
        assert tails.block(x, size) == pytest.approx(by_formula(x, size), rel=1e-12)
    even = x[: n - n % 2]
    median = np.median([by_formula(even, size) for size in tails.block_grid(n)])
    assert tails.block(x) == pytest.approx(min(2, median), rel=1e-12)
    if r == 1:
        assert tails.block(x[:, 0]) == tails.block(x) and tails.block(x[:, 0], 3) == tails.block(x, 3)


def test_block_over_a_batch():
    x = rng(2).standard_t(2, size=(2, 3, 101, 4))
    for options in ({}, {"block_size": 7}, {"center": "median"}, {"center": "mean", "block_size": 2}):
        found = tails.block(x, **options)
        assert found.shape == (2, 3)
        for i in np.ndindex(2, 3):
            assert found[i] == pytest.approx(tails.block(x[i], **options), rel=1e-13)


def test_centering():
    """Of each coordinate by its own median or mean; then a shift changes nothing."""
    x = rng(3).standard_t(2, size=(200, 2)) + np.array([5.0, -3.0])
    assert tails.block(x, center="median") == tails.block(x - np.median(x, axis=0))
    assert tails.block(x, 5, center="mean") == tails.block(x - x.mean(axis=0), 5)
    assert tails.block(x) < 1.1 < tails.block(x, center="median")


def test_permutations_are_seeded_medians():
    x = rng(4).standard_t(2, size=(101, 2))
    own = rng(5)
    each = [tails.block(x[own.permutation(101)]) for _ in range(5)]
    assert tails.block(x, permutations=5, rng=rng(5)) == pytest.approx(np.median(each), rel=1e-13)
    each = [tails.davydov_paulauskas(x[own.permutation(101), 0], 10) for _ in range(3)]
    own = rng(5)
    [own.permutation(101) for _ in range(5)]
    found = tails.davydov_paulauskas(x[:, 0], 10, permutations=3, rng=own)
    assert found == pytest.approx(np.median(each), rel=1e-13)


@pytest.mark.parametrize("factor", [1e-250, 1e-9, 1e9, 1e200])
def test_scale_changes_nothing(factor):
    x = rng(6).standard_t(2, size=(100, 3))
    assert tails.block(x * factor) == pytest.approx(tails.block(x), rel=1e-9)
    assert tails.hill(x[:, 0] * factor, 20) == pytest.approx(tails.hill(x[:, 0], 20), rel=1e-9)
    assert tails.davydov_paulauskas(x[:, 0] * factor, 5) == pytest.approx(tails.davydov_paulauskas(x[:, 0], 5))


def test_exact_zeros_count_as_tiny():
    x = np.array([3.0, 0.0, 2.0, 5.0, -1.0, 4.0])
    logs = np.log([3, 2, 5, 1, 4])
    zero = np.mean(logs) + np.log(2.0**-52)
    slope = np.mean(np.log([3, 7, 3])) - (logs.sum() + zero) / 6
    assert tails.block(x, 2) == pytest.approx(np.log(2) / slope, rel=1e-13)
    assert np.isfinite(tails.block(np.r_[x, np.zeros(20)]))


def test_sums_that_do_not_grow_give_infinity():
    assert tails.block(np.array([1.0, -0.5] * 8), 2) == np.inf
    assert tails.block(np.array([1.0, -0.5] * 8)) == 2


@pytest.mark.parametrize("alpha", [1.2, 1.75, 2.0])
def test_block_is_unbiased_for_the_reciprocal(alpha):
    """With the standard error of the formula, which is right to within 8 percent, and 4.5 of its own errors."""
    reciprocal = 1 / tails.block(stable.sample(alpha, (200, 10_000, 1), rng=rng(7)), 100)
    error = tails.block_standard_error(alpha, 10_000, 100)
    assert abs(reciprocal.mean() - 1 / alpha) < 4.5 * error / np.sqrt(200)
    assert reciprocal.std() == pytest.approx(error, rel=0.08 + 4.5 / np.sqrt(400))


@pytest.mark.parametrize("kind", ["II", "III"])
def test_block_of_vectors(kind):
    """Independent and rotation-invariant coordinates; the formula of the error is for the latter."""
    x = stable.noise(kind, 1.5, (60, 1024, 20), rng=rng(8))
    reciprocal = 1 / tails.block(x, 16)
    assert abs(reciprocal.mean() - 1 / 1.5) < 4.5 * reciprocal.std() / np.sqrt(60)
    if kind == "III":
        assert reciprocal.std() == pytest.approx(tails.block_standard_error(1.5, 1024, 16, 20), rel=0.5)
    whole = tails.block(x)
    assert abs(np.median(whole) - 1.5) < 0.05 and whole.std() < 0.08


def test_block_reads_growth_not_tails():
    """The Laplace law, all of whose moments exist, looks heavy; skewed data centred at the median drift."""
    assert tails.block(rng(9).laplace(size=(20, 10_000, 1))).mean() == pytest.approx(1.72, abs=0.04)
    skewed = rng(10).exponential(size=(20, 10_000, 1))
    assert tails.block(skewed, center="median").mean() == pytest.approx(1.18, abs=0.05)
    assert tails.block(skewed, center="mean").mean() == pytest.approx(1.92, abs=0.05)
    assert tails.block(rng(11).uniform(-1, 1, size=10_000)) == 2


# --- order statistics -----------------------------------------------------------------------------------------


def test_order_statistics_by_their_formulas():
    x = rng(12).standard_t(2, size=300)
    top = np.sort(np.abs(x))[::-1]
    for k in (2, 3, 7, 100, 299):
        logs = np.log(top[:k] / top[k])
        gamma, square = logs.mean(), (logs**2).mean()
        assert tails.hill(x, k) == pytest.approx(1 / gamma, rel=1e-12)
        assert tails.de_haan(x, k) == pytest.approx(2 * gamma / square, rel=1e-12)
        both = gamma + 1 - 0.5 / (1 - gamma**2 / square)
        assert tails.dekkers(x, k) == pytest.approx(1 / both if both > 0 else np.inf, rel=1e-9)
        a, b, c = top[k // 4], top[k // 2], top[k]
        slope = np.log((a - b) / (b - c))
        assert tails.pickands(x, k) == pytest.approx(np.log(2) / slope if slope > 0 else np.inf, rel=1e-9)
    assert tails.hill(x, 1) == pytest.approx(1 / np.log(top[0] / top[1]))


@pytest.mark.parametrize("estimate", [tails.hill, tails.de_haan, tails.dekkers, tails.pickands])
def test_order_statistics_over_batches_and_sizes(estimate):
    x = rng(13).standard_t(2, size=(2, 3, 80)) + 1
    found = estimate(x, [4, 20, 11], center="median")
    assert found.shape == (2, 3, 3)
    for i in np.ndindex(2, 3):
        for j, k in enumerate((4, 20, 11)):
            assert found[(*i, j)] == pytest.approx(estimate(x[i] - np.median(x[i]), k), rel=1e-12)
    assert np.shape(estimate(x[0, 0], 5)) == () and estimate(x, 5).shape == (2, 3)


@pytest.mark.parametrize("alpha", [0.8, 1.5, 3.0])
def test_order_statistics_of_a_pareto_law(alpha):
    """|X| = U^(-1/alpha) with random signs: the exact law, so that gamma has mean 1/alpha at any k."""
    x = rng(14).uniform(size=(300, 2000)) ** (-1 / alpha) * rng(15).choice([-1, 1], size=(300, 2000))
    gamma = 1 / tails.hill(x, 400)
    assert abs(gamma.mean() - 1 / alpha) < 4.5 / (alpha * np.sqrt(400 * 300))
    assert gamma.std() == pytest.approx(1 / (alpha * np.sqrt(400)), rel=0.2)
    for estimate in (tails.de_haan, tails.dekkers, tails.pickands):
        reciprocal = 1 / estimate(x, 400)
        assert abs(reciprocal.mean() - 1 / alpha) < 4.5 * reciprocal.std() / np.sqrt(300) + 0.01
    # Of two Pareto numbers the smaller over the larger has mean alpha / (1 + alpha); so has the top pair of any block.
    for size in (2, 10, 50):
        ratio = tails.davydov_paulauskas(x, size)
        assert abs(np.mean(ratio / (1 + ratio)) - alpha / (1 + alpha)) < 4.5 * 0.3 / np.sqrt(300 * 2000 / size)


def test_davydov_paulauskas_by_hand():
    x = np.array([1.0, -4.0, 2.0, 0.0, 3.0, 3.0, 9.0])  # blocks of 3: 2/4, 3/3; of 2: 1/4, 0, 1
    assert tails.davydov_paulauskas(x, 3) == pytest.approx(0.75 / 0.25)
    assert tails.davydov_paulauskas(x, 2) == pytest.approx((1.25 / 3) / (1.75 / 3))
    assert tails.davydov_paulauskas(x[:6]) == pytest.approx(np.median([1.25 / 1.75]))
    assert tails.davydov_paulauskas(np.ones(6), 2) == np.inf and tails.davydov_paulauskas(np.ones(6)) == 2
    batch = rng(16).standard_t(2, size=(3, 100))
    sizes = tails.block_grid(100)
    for row, found in zip(batch, tails.davydov_paulauskas(batch), strict=True):
        assert found == min(2, np.median([tails.davydov_paulauskas(row, size) for size in sizes]))


def test_light_tails_and_ties_give_infinity():
    x = rng(17).uniform(-1, 1, size=5000)
    assert tails.dekkers(x, 500) == np.inf and tails.pickands(x, 500) == np.inf
    for estimate in (tails.hill, tails.de_haan, tails.dekkers, tails.pickands):
        assert estimate(np.full(10, 2.0), 4) == np.inf


# --- refusals -------------------------------------------------------------------------------------------------

X = np.arange(1.0, 13.0)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (tails.block, {"x": [1.0, np.nan, 2.0, 3.0]}, "x"),
        (tails.block, {"x": [1.0, np.inf, 2.0, 3.0]}, "x"),
        (tails.block, {"x": [1.0, 2.0, 3.0]}, "x"),
        (tails.block, {"x": 1.0}, "x"),
        (tails.block, {"x": np.zeros(8)}, "x"),
        (tails.block, {"x": np.ones(8), "center": "median"}, "x"),
        (tails.block, {"x": np.stack([np.ones((8, 1)), np.zeros((8, 1))])}, "x"),
        (tails.block, {"x": X, "block_size": 1}, "block_size"),
        (tails.block, {"x": X, "block_size": 13}, "block_size"),
        (tails.block, {"x": X, "block_size": 2.0}, "block_size"),
        (tails.block, {"x": X, "center": "mode"}, "center"),
        (tails.block, {"x": X, "permutations": -1}, "permutations"),
        (tails.block, {"x": X, "permutations": 2}, "rng"),
        (tails.block_grid, {"n": 3}, "n"),
        (tails.block_grid, {"n": 10.0}, "n"),
        (tails.block_standard_error, {"alpha": 1.5, "n": 100, "block_size": 101}, "block_size"),
        (tails.block_standard_error, {"alpha": 3.0, "n": 100, "block_size": 10}, "alpha"),
        (tails.davydov_paulauskas, {"x": X, "block_size": 0}, "block_size"),
        (tails.hill, {"x": X, "k": 0}, "k"),
        (tails.hill, {"x": X, "k": 12}, "k"),
        (tails.hill, {"x": X, "k": []}, "k"),
        (tails.hill, {"x": [0.0, 0.0, 0.0, 1.0, 2.0], "k": 2}, "k"),
        (tails.hill, {"x": [], "k": 2}, "x"),
        (tails.pickands, {"x": X, "k": 1}, "k"),
        (tails.dekkers, {"x": X, "k": 1.5}, "k"),
        (tails.de_haan, {"x": X, "k": 3, "center": 1}, "center"),
    ],
)
def test_refuses(function, arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} .*allowed"):
        function(**arguments)
