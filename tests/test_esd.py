"""Spectra of weights: against definitions, closed forms, simulations of noise, and the package powerlaw."""

import warnings

import numpy as np
import powerlaw
import pytest
import torch
from scipy.integrate import quad

from lib import esd, tails


def rng(seed=0):
    return np.random.default_rng(seed)


# --- eigenvalues and ranks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5)])
def test_eigenvalues_are_those_of_the_gram_matrix(shape):
    weight = rng(1).standard_normal((2, *shape))
    found = esd.eigenvalues(weight)
    assert found.shape == (2, min(shape)) and found.dtype == np.float64
    for w, own in zip(weight, found, strict=True):
        gram = w.T @ w if shape[1] <= shape[0] else w @ w.T
        assert own == pytest.approx(np.linalg.eigvalsh(gram)[::-1], rel=1e-10)
    single = esd.eigenvalues(torch.nn.Parameter(torch.tensor(weight, dtype=torch.float32)))
    assert single == pytest.approx(found, rel=1e-5) and single.dtype == np.float64


def test_small_eigenvalues_keep_their_digits():
    """A product with the transpose would lose a singular value of 1e-9 beside one of 1."""
    left, right = (np.linalg.qr(rng(s).standard_normal((4, 4)))[0] for s in (2, 3))
    assert esd.eigenvalues(left * [1, 0.5, 1e-3, 1e-9] @ right)[-1] == pytest.approx(1e-18, rel=1e-6)


def test_ranks_by_their_definitions():
    weight = rng(4).standard_normal((3, 9, 6))
    values = esd.eigenvalues(weight)
    expected = [np.linalg.norm(w) ** 2 / np.linalg.norm(w, 2) ** 2 for w in weight]
    assert esd.stable_rank(values) == pytest.approx(expected, rel=1e-12)
    for after in (0, 2, 5):
        rest = values[:, after:]
        first, second = esd.effective_ranks(values[:, ::-1], after)
        assert first == pytest.approx(rest.sum(1) / rest[:, 0], rel=1e-12)
        assert second == pytest.approx(rest.sum(1) ** 2 / (rest**2).sum(1), rel=1e-12)
        assert np.all(first >= 1) and np.all(first <= second + 1e-12) and np.all(second <= first**2 + 1e-12)
    assert esd.effective_ranks([0.0, 3.0, 3.0, 3.0], 1) == pytest.approx((2, 2))
    assert esd.stable_rank(np.full(5, 1e200)) == pytest.approx(5)


# --- Marchenko and Pastur ---------------------------------------------------------------------------------------


def mean(law, function):
    """The mean under the density, by quadrature in an angle, in which it is smooth."""
    low, high = law.edges

    def integrand(t):
        x = (low + high) / 2 + (high - low) / 2 * np.cos(t)
        return function(x) * law.density(x) * (high - low) / 2 * np.sin(t)

    return quad(integrand, 0, np.pi, epsabs=1e-12, epsrel=1e-10, limit=200)[0]


@pytest.mark.parametrize("c", [0.1, 0.5, 2 / 3, 0.95, 1.0])
def test_marchenko_pastur_by_quadrature(c):
    law = esd.marchenko_pastur(c)
    assert mean(law, np.ones_like) == pytest.approx(1, abs=1e-9)
    for order, expected in enumerate([1, 1 + c, 1 + 3 * c + c**2, 1 + 6 * c + 6 * c**2 + c**3], start=1):
        assert law.moment(order) == pytest.approx(expected, rel=1e-14)
        assert mean(law, lambda x, k=order: x**k) == pytest.approx(expected, rel=1e-9)
    log = -1 - ((1 - c) / c * np.log(1 - c) if c < 1 else 0)
    assert mean(law, np.log) == pytest.approx(log, abs=1e-8)
    for x in np.quantile(law.edges, [0.01, 0.2, 0.5, 0.9]):
        below = quad(law.density, law.edges[0], x, epsabs=1e-12, limit=400)[0]
        assert law.cdf(x) == pytest.approx(below, abs=1e-7)
    assert law.cdf([law.edges[0] - 1, law.edges[1] + 1]) == pytest.approx([0, 1], abs=1e-15)
    assert list(law.density([law.edges[0] - 0.1, law.edges[1] + 0.1])) == [0, 0]
    for share in (0.01, 0.3, 0.999):
        assert law.cdf(law.quantile(share)) == pytest.approx(share, abs=1e-12)
    assert law.median == law.quantile(0.5) and (law.quantile(0), law.quantile(1)) == law.edges


@pytest.mark.parametrize("position", [2, 5])
@pytest.mark.parametrize("c", [0.3, 1.0])
def test_hill_limit_by_quadrature(c, position):
    law = esd.marchenko_pastur(c)
    start = law.quantile(1 / position)
    above, logs = (
        quad(lambda x, f=f: f(x) * law.density(x), start, law.edges[1], epsabs=1e-12)[0]
        for f in (np.ones_like, lambda x: np.log(x / start))
    )
    assert law.hill(position) == pytest.approx(1 + above / logs, rel=1e-6)


def test_hill_limits_known_from_elsewhere():
    """Values of an independent program."""
    known = {0.1: 4.8731, 0.25: 3.4546, 0.5: 2.7058, 2 / 3: 2.4492, 0.75: 2.3507, 0.8: 2.2981, 0.9: 2.2041, 1: 2.1217}
    for c, value in known.items():
        assert esd.marchenko_pastur(c).hill() == pytest.approx(value, abs=5e-5)


def test_noise_has_these_laws():
    """Eigenvalues repel, so that one matrix is close to the limit: 1/k, up to a logarithm, not 1/sqrt(k)."""
    for shape in [(600, 400), (400, 600)]:
        law = esd.marchenko_pastur(400 / 600)
        values = np.sort(esd.eigenvalues(rng(5).standard_normal(shape)) / 600)
        assert np.abs(law.cdf(values) - np.arange(400) / 400).max() < 0.01
        assert esd.hill(values) == pytest.approx(law.hill(), abs=0.03)
        assert esd.hill(values, 4) == pytest.approx(law.hill(4), abs=0.03)


# --- exponents --------------------------------------------------------------------------------------------------


def test_hill_by_its_formula():
    values = rng(6).pareto(1.5, (2, 3, 41)) + 1
    for position in (2, 3, 7, 100):
        found = esd.hill(values, position)
        assert found.shape == (2, 3)
        for at in np.ndindex(2, 3):
            ordered = sorted(values[at])
            i = 41 // position
            logs = [np.log(ordered[j] / ordered[i]) for j in range(i, 41)]
            assert found[at] == pytest.approx(1 + len(logs) / sum(logs), rel=1e-12)
            if i:  # the same estimator as a tail index, which does not count the first term, a zero
                m = 41 - i
                assert found[at] - 1 == pytest.approx(m / (m - 1) * tails.hill(values[at], m - 1), rel=1e-12)
    assert esd.hill(values * 1e-30) == pytest.approx(esd.hill(values), rel=1e-12)
    assert esd.hill([2.0, 2.0, 2.0]) == np.inf


@pytest.mark.parametrize("alpha", [1.5, 2.5, 4.0])
def test_hill_of_a_power_law(alpha):
    """Given the start, logarithms of the m - 1 others over it are exponential: the sum is a Gamma number."""
    m, repeats = 500, 400
    values = rng(7).uniform(size=(repeats, 2 * m)) ** (-1 / (alpha - 1))
    reciprocal = 1 / (esd.hill(values) - 1)
    error = (m - 1) ** 0.5 / m / (alpha - 1)
    assert abs(reciprocal.mean() - (m - 1) / m / (alpha - 1)) < 4.5 * error / repeats**0.5
    assert reciprocal.std() == pytest.approx(error, rel=4.5 / (2 * repeats) ** 0.5)


def by_loop(x):
    """alpha, xmin and distance, as the formulas say."""
    x, best = np.sort(x), (np.inf,)
    for start in np.unique(x)[:-1]:
        tail = x[x >= start]
        alpha = 1 + len(tail) / np.log(tail / start).sum()
        empirical = np.array([np.sum(tail < value) for value in tail]) / len(tail)
        distance = np.abs(1 - (tail / start) ** (1 - alpha) - empirical).max()
        if distance < best[0]:
            best = distance, alpha, start, len(tail)
    return best


LAWS = {
    "pareto": lambda n, r: r.pareto(r.uniform(0.5, 4), n) + 1,
    "light": lambda n, r: r.exponential(size=n),
    "lognormal": lambda n, r: np.exp(2 * r.standard_normal(n)),
    "noise": lambda n, r: esd.eigenvalues(r.standard_normal((n + n // 2, n))),
    "rounded": lambda n, r: np.ceil(r.pareto(1.0, n) * 3),
    "bulk and tail": lambda n, r: np.where(r.random(n) < 0.8, r.uniform(0.5, 1, n), r.pareto(1.5, n) + 1),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [3, 12, 60, 201])
def test_power_law_is_the_best_of_all_starts(law, n):
    for seed in range(6):
        x = LAWS[law](n, rng(seed))
        if len(np.unique(x)) < 2:
            continue
        distance, alpha, start, count = by_loop(x)
        found = esd.fit_power_law(rng(seed).permutation(x))
        assert (found.xmin, found.n_tail) == (start, count)
        assert found.alpha == pytest.approx(alpha, rel=1e-10)
        assert found.distance == pytest.approx(distance, abs=1e-12)
        assert found.sigma == pytest.approx((alpha - 1) / count**0.5, rel=1e-10)


@pytest.mark.parametrize("law", LAWS)
def test_power_law_agrees_with_the_package(law):
    """Its default stops at alpha = 3, hence the range."""
    x = LAWS[law](150, rng(20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own coming changes, and of what it calls noisy fits
        theirs = powerlaw.Fit(x, parameter_ranges={"alpha": [1, None]}, verbose=0)
        found = esd.fit_power_law(x)
        assert (found.xmin, found.n_tail) == (theirs.xmin, np.sum(x >= theirs.xmin))
        assert found.alpha == pytest.approx(theirs.alpha, rel=1e-8)
        assert found.distance == pytest.approx(theirs.D, rel=1e-8)
        assert found.sigma == pytest.approx(theirs.power_law.standard_err, rel=1e-8)


def test_power_law_of_few_values():
    two = esd.fit_power_law([1.0, 4.0])
    assert (two.xmin, two.n_tail) == (1.0, 2) and two.alpha == pytest.approx(1 + 2 / np.log(4))
    assert two.distance == pytest.approx(abs(1 - 4 ** (1 - two.alpha) - 0.5))
    tied = esd.fit_power_law([1.0, 1.0, 1.0, 3.0])  # the smallest value is a start once, with all its copies
    assert (tied.xmin, tied.n_tail) == (1.0, 4) and tied.alpha == pytest.approx(1 + 4 / np.log(3))


def test_power_law_has_no_scale():
    x = rng(8).pareto(1.5, 400) + 1
    found, scaled = esd.fit_power_law(x), esd.fit_power_law(x * 2.0**-60)
    assert scaled.alpha == pytest.approx(found.alpha, rel=1e-12) and scaled.xmin == found.xmin * 2.0**-60
    assert scaled.distance == pytest.approx(found.distance, rel=1e-10) and scaled.n_tail == found.n_tail


def test_power_law_finds_where_it_begins():
    """Uniform below 1, Pareto above: 30 data sets, alpha within 4.5 standard errors of their mean."""
    found = []
    for seed in range(30):
        r = rng(100 + seed)
        found.append(esd.fit_power_law(np.r_[r.uniform(0, 1, 500), r.pareto(1.5, 500) + 1]))
    alphas = np.array([f.alpha for f in found])
    assert abs(alphas.mean() - 2.5) < 4.5 * alphas.std(ddof=1) / 30**0.5 + 0.02
    assert 0.9 < np.median([f.xmin for f in found]) < 1.3


# --- vectors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 5), (5, 8)])
def test_alignment_by_decomposition(shape):
    weight, direction = rng(9).standard_normal((3, *shape)), rng(10).standard_normal((3, shape[1]))
    expected = [abs(np.linalg.svd(w)[2][0] @ b) / np.linalg.norm(b) for w, b in zip(weight, direction, strict=True)]
    assert esd.alignment(weight, direction) == pytest.approx(expected, abs=1e-12)
    assert esd.alignment(torch.tensor(weight), direction[0])[0] == pytest.approx(expected[0], abs=1e-12)
    rank_one = np.outer(rng(11).standard_normal(shape[0]), direction[0])
    assert esd.alignment(rank_one, 1e-9 * direction[0]) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("shape", [(9, 5), (5, 9)])
def test_overlaps_by_pairs(shape):
    first, second = rng(12).standard_normal((2, 3, *shape))
    left, right = esd.overlaps(first, second)
    assert left.shape == right.shape == (3, 5, 5)
    (u, _, v), (x, _, y) = (np.linalg.svd(w[1], full_matrices=False) for w in (first, second))
    for i, j in [(0, 0), (1, 4), (4, 2)]:
        assert left[1, i, j] == pytest.approx((u[:, i] @ x[:, j]) ** 2, abs=1e-12)
        assert right[1, i, j] == pytest.approx((v[i] @ y[j]) ** 2, abs=1e-12)
    short, long = (right, left) if shape[1] < shape[0] else (left, right)
    assert short.sum(1) == pytest.approx(1, abs=1e-12) and short.sum(2) == pytest.approx(1, abs=1e-12)
    assert long.sum(1).max() < 1 and long.sum(2).max() < 1
    for same in esd.overlaps(first[0], -2 * first[0]):
        assert same == pytest.approx(np.eye(5), abs=1e-12)


def test_overlaps_of_independent_matrices_are_noise():
    left, right = esd.overlaps(*rng(13).standard_normal((2, 400, 30, 20)))
    for values, size in ((left, 30), (right, 20)):
        own = values[:, 0, 0]
        assert abs(own.mean() - 1 / size) < 4.5 * own.std() / 20


@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_kernel_target_alignment_by_its_kernel(shape):
    features, target = rng(14).standard_normal((2, *shape)), rng(15).standard_normal((2, shape[0]))
    expected = []
    for z, y in zip(features, target, strict=True):
        kernel, other = z @ z.T, np.outer(y, y)
        expected.append(np.sum(kernel * other) / np.linalg.norm(kernel) / np.linalg.norm(other))
    assert esd.kernel_target_alignment(features, target) == pytest.approx(expected, rel=1e-12)
    assert esd.kernel_target_alignment(features[0] * 1e-200, 1e200 * target[0]) == pytest.approx(expected[0], rel=1e-12)
    rank_one = np.outer(target[0], np.ones(3))
    assert esd.kernel_target_alignment(torch.tensor(rank_one), target[0]) == pytest.approx(1, abs=1e-12)


# --- outliers ---------------------------------------------------------------------------------------------------


def test_spike_in_simulations():
    """Mean of 40 matrices: within 4.5 standard errors, and 2 % for the finite size."""
    h, d, theta = 300, 200, 25.0
    found, r = [], rng(16)
    for _ in range(40):
        u, v = (g / np.linalg.norm(g) for g in (r.standard_normal(h), r.standard_normal(d)))
        weight = theta * np.outer(u, v) + r.standard_normal((h, d))
        x, s, y = np.linalg.svd(weight, full_matrices=False)
        z = weight.T @ u
        found.append([s[0], (x[:, 0] @ u) ** 2, (y[0] @ v) ** 2, (y[0] @ z) ** 2 / (z @ z)])
    law = esd.spike(theta, (h, d))
    error = 4.5 * np.std(found, axis=0, ddof=1) / 40**0.5
    expected = np.array([law.singular_value, law.left, law.right, law.projected])
    assert np.all(np.abs(np.mean(found, axis=0) - expected) < error + 0.02 * expected)
    assert law.visible and law.left < law.right < law.projected


def test_spike_in_its_other_forms():
    h, d = 300, 200
    critical = (h * d) ** 0.25
    below, at = esd.spike(0.99 * critical, (h, d)), esd.spike(critical * (1 + 1e-9), (h, d))
    assert (below.left, below.right, below.projected, below.visible) == (0, 0, 0, False)
    assert below.singular_value == pytest.approx(h**0.5 + d**0.5) == at.singular_value
    for theta in (20.0, 50.0):
        law, z = esd.spike(theta, (h, d)), theta**2 + d  # z: squared norm of the transpose applied to u
        assert law.singular_value == pytest.approx((z * (z + h - d) / (z - d)) ** 0.5, rel=1e-12)
        assert law.projected == pytest.approx(1 - h * d / theta**4, rel=1e-12)
        assert law.right == pytest.approx((theta**4 - h * d) / (theta**2 * (theta**2 + d)), rel=1e-12)
        turned = esd.spike(theta, (d, h))
        assert (turned.left, turned.right) == pytest.approx((law.right, law.left), rel=1e-12)
    assert esd.spike(1e150, (h, d)).left == pytest.approx(1)


def test_one_matrix_in_a_hundred_exceeds_the_edge():
    """Of 1000: within 4.5 standard errors, and half a percent for the finite size."""
    largest = np.linalg.norm(rng(17).standard_normal((1000, 60, 40)), 2, axis=(1, 2)) ** 2
    share = np.mean(largest > esd.edge((60, 40)))
    assert abs(share - 0.01) < 4.5 * (0.01 * 0.99 / 1000) ** 0.5 + 0.005
    assert esd.edge((40, 60)) == esd.edge((60, 40))


def test_phases_of_made_spectra():
    shape, e = (300, 200), 300**0.5 + 200**0.5
    law = esd.marchenko_pastur(2 / 3)
    bulk = 300 * np.array([law.quantile((i + 0.5) / 200) for i in range(200)])
    cases = {
        "random-like": bulk,
        "bleeding-out": np.r_[bulk[:-1], (1.025 * e) ** 2],
        "bulk+spike": np.r_[bulk[:-1], (3 * e) ** 2],
        "bulk-decay": 1.3 * bulk,
        "heavy-tailed": 300 * rng(18).uniform(size=200) ** -1.5,
        "rank-collapse": np.r_[np.zeros(10), bulk[10:]],
    }
    for name, values in cases.items():
        found = esd.phase(rng(19).permutation(values), shape)
        assert found.name == name, found
        assert found.outliers == np.sum(values > esd.edge(shape)) and found.hill == pytest.approx(esd.hill(values))
        below = [np.mean(values < v) - law.cdf(v / 300) for v in values]
        upto = [np.mean(values <= v) - law.cdf(v / 300) for v in values]
        assert found.distance == pytest.approx(np.abs(below + upto).max(), abs=1e-12)
    assert esd.phase(bulk, shape).distance == pytest.approx(0.5 / 200, abs=1e-9)
    assert esd.phase(np.full(200, 1e9), shape).distance == pytest.approx(1)
    assert esd.phase(bulk, (200, 300)).name == "random-like"


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (esd.eigenvalues, {"weight": [1.0, 2.0]}, "weight"),
        (esd.eigenvalues, {"weight": np.zeros((0, 3))}, "weight"),
        (esd.eigenvalues, {"weight": [[1.0, np.nan]]}, "weight"),
        (esd.stable_rank, {"eigenvalues": []}, "eigenvalues"),
        (esd.stable_rank, {"eigenvalues": [0.0, 0.0]}, "eigenvalues"),
        (esd.stable_rank, {"eigenvalues": [-1.0, 2.0]}, "eigenvalues"),
        (esd.effective_ranks, {"eigenvalues": [1.0, 2.0], "after": 2}, "after"),
        (esd.effective_ranks, {"eigenvalues": [1.0, 2.0], "after": 1.0}, "after"),
        (esd.marchenko_pastur, {"aspect_ratio": 0}, "aspect_ratio"),
        (esd.marchenko_pastur, {"aspect_ratio": 1.5}, "aspect_ratio"),
        (esd.marchenko_pastur(0.5).quantile, {"share": 1.1}, "share"),
        (esd.marchenko_pastur(0.5).moment, {"order": 0}, "order"),
        (esd.marchenko_pastur(0.5).hill, {"position": 1}, "position"),
        (esd.hill, {"eigenvalues": [1.0]}, "eigenvalues"),
        (esd.hill, {"eigenvalues": [0.0, 0.0, 1.0, 2.0], "position": 4}, "eigenvalues"),
        (esd.hill, {"eigenvalues": [1.0, 2.0], "position": 1}, "position"),
        (esd.hill, {"eigenvalues": [1.0, np.inf]}, "eigenvalues"),
        (esd.fit_power_law, {"eigenvalues": [1.0]}, "eigenvalues"),
        (esd.fit_power_law, {"eigenvalues": [3.0, 3.0, 3.0]}, "eigenvalues"),
        (esd.fit_power_law, {"eigenvalues": [0.0, 1.0, 2.0]}, "eigenvalues"),
        (esd.fit_power_law, {"eigenvalues": [[1.0, 2.0], [1.0, 3.0]]}, "eigenvalues"),
        (esd.alignment, {"weight": np.ones((3, 2)), "direction": np.ones(3)}, "direction"),
        (esd.alignment, {"weight": np.ones((3, 2)), "direction": np.zeros(2)}, "direction"),
        (esd.alignment, {"weight": np.ones((5, 3, 2)), "direction": np.ones((4, 2))}, "direction"),
        (esd.overlaps, {"first": np.ones((3, 2)), "second": np.ones((2, 3))}, "second"),
        (esd.overlaps, {"first": np.ones(3), "second": np.ones(3)}, "first"),
        (esd.kernel_target_alignment, {"features": np.ones((3, 2)), "target": np.ones(2)}, "target"),
        (esd.kernel_target_alignment, {"features": np.ones((3, 2)), "target": np.zeros(3)}, "target"),
        (esd.kernel_target_alignment, {"features": np.zeros((3, 2)), "target": np.ones(3)}, "features"),
        (esd.spike, {"theta": -1.0, "shape": (3, 2)}, "theta"),
        (esd.spike, {"theta": np.inf, "shape": (3, 2)}, "theta"),
        (esd.spike, {"theta": 1.0, "shape": (3, 0)}, "shape"),
        (esd.edge, {"shape": (3, 1)}, "shape"),
        (esd.edge, {"shape": 3}, "shape"),
        (esd.phase, {"eigenvalues": [1.0, 2.0], "shape": (3, 3)}, "eigenvalues"),
        (esd.phase, {"eigenvalues": [1.0, 2.0], "shape": (3.0, 2)}, "shape"),
    ],
)
def test_refuses(function, arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} .*allowed"):
        function(**arguments)
