"""The law of the first step: against quadrature, random matrices of known outliers, and simulated steps."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from lib import single_index

SEEDS = range(8)


def gaussian_mean(function):
    return integrate.quad(lambda x: function(x) * stats.norm.pdf(x), -12, 12, epsabs=1e-13)[0]


@pytest.mark.parametrize(
    ("n", "V", "b", "kappa", "agreement", "gd"),
    [(2000, 1.3196, 2.6578, 0.8244, 0.8855, 1.2598), (8000, 0.7926, 4.1195, 0.8869, 0.9242, 1.8354)],
)
def test_constants(n, V, b, kappa, agreement, gd):
    """Values of an independent program; the averages over erf by quadrature."""
    found = single_index.one_step_theory(1500, 1000, n)
    assert found.V == pytest.approx(V, abs=6e-5) and found.b == pytest.approx(b, abs=6e-5)
    assert found.kappa == pytest.approx(kappa, abs=6e-5) and found.agreement == pytest.approx(agreement, abs=6e-5)
    assert found.gd_threshold / 1000 == pytest.approx(gd, abs=6e-5)
    m = lambda xi: special.erf(found.b * xi / math.sqrt(2))  # noqa: E731
    assert found.kappa**2 == pytest.approx(gaussian_mean(lambda xi: m(xi) ** 2), abs=1e-11)
    assert found.chi == pytest.approx(gaussian_mean(lambda xi: xi * m(xi)), abs=1e-11)
    assert found.agreement == pytest.approx((1 + gaussian_mean(lambda xi: abs(m(xi)))) / 2, abs=1e-8)


@pytest.mark.parametrize("shape", [(1500, 1000, 2000), (300, 200, 1600), (100, 400, 300)])
def test_thresholds_solve_their_equation(shape):
    found = single_index.one_step_theory(*shape)
    h, d, _ = shape
    for name in ("gd", "adam"):
        threshold = getattr(found, name + "_threshold")
        law = getattr(found, name)
        assert law(threshold).theta_square == pytest.approx(math.sqrt(h * d), rel=1e-12)
        below, above = law(0.999 * threshold), law(1.001 * threshold)
        assert not below.exists and above.exists
        assert below.singular_value == pytest.approx(math.sqrt(h) + math.sqrt(d), rel=1e-12)
        assert above.singular_value > below.singular_value and below.alignment == below.cosine == 0
        rates = threshold * np.array([[1.5, 2.0], [0.0, 3.0]])
        assert law(rates).alignment.shape == (2, 2)
        assert law(rates).alignment[1, 1] == law(3 * threshold).alignment


def test_limits_of_large_steps():
    """The alignment with a rank-one matrix alone."""
    c = single_index.gaussian_constants()
    found = single_index.one_step_theory(1500, 1000, 2000)
    assert found.gd(1e9).alignment == pytest.approx(c.teacher_slope / math.sqrt(found.V), rel=1e-4)
    expected = c.teacher_slope / math.sqrt(found.V) * found.chi / found.kappa
    assert found.adam(1e6).alignment == pytest.approx(expected, rel=1e-4)
    best = 1000 / (2 * c.slope**2)
    plain = found.gd(best * np.array([0.98, 1, 1.02]))
    plain = plain.alignment / plain.cosine
    assert plain[1] > plain[0] and plain[1] > plain[2]
    assert plain[1] == pytest.approx(c.teacher_slope / math.sqrt(found.V - c.slope**2), rel=1e-12)


@pytest.mark.parametrize(("h", "d"), [(450, 300), (300, 450)])
@pytest.mark.parametrize("ratio", [1.5, 3.0])
def test_outlier_of_a_long_row(h, d, ratio):
    """Gaussian weights whose row along a direction is replaced by a long one, of a known angle with the teacher.

    Largest singular values scatter by about 0.3, and the law lacks corrections of relative order 1/d.
    """
    rng = np.random.default_rng(0)
    theta_square, overlap = ratio * math.sqrt(h * d), 0.6
    values, alignments = [], []
    for _ in SEEDS:
        weights, u, row, teacher = (rng.standard_normal(shape) for shape in ((h, d), h, d, d))
        u, teacher = u / np.linalg.norm(u), teacher / np.linalg.norm(teacher)
        row -= teacher * (row @ teacher)
        row *= math.sqrt(1 - overlap**2) / np.linalg.norm(row)
        row = math.sqrt(theta_square + d) * (row + overlap * teacher)
        weights += np.outer(u, row - u @ weights)
        tensors = [torch.as_tensor(t) for t in (weights, u, teacher)]
        found = single_index.outlier(*tensors)
        assert found.theta_square == pytest.approx(theta_square) and found.exists
        _, s, right = np.linalg.svd(weights, full_matrices=False)
        values.append(s[0] / found.singular_value - 1)
        alignments.append(abs(right[0] @ teacher) - found.alignment)
    for off, slack in ((values, 0.003), (alignments, 0.01)):
        assert abs(np.mean(off)) < slack + 4 * np.std(off) / math.sqrt(len(off))


def test_outlier_takes_the_longest_row_of_the_span():
    p = single_index.make(30, 20, 40, n_test=1, rng=np.random.default_rng(0), device="cpu")
    directions = torch.stack([p.readout, p.readout.sign()])
    found = single_index.outlier(p.weights, directions, p.teacher)
    angles = torch.linspace(0, math.pi, 4001, dtype=torch.float64)
    basis = torch.linalg.qr(directions.T).Q.T
    rows = torch.stack([angles.cos(), angles.sin()], 1) @ basis @ p.weights
    assert found.theta_square == pytest.approx(rows.square().sum(1).max().item() - 30, rel=1e-6)
    several = single_index.outlier(p.weights.expand(3, 20, 30), directions.expand(3, 2, 20), p.teacher)
    np.testing.assert_allclose(several.theta_square, found.theta_square)


@pytest.fixture(scope="module")
def steps():
    """Problems of one size with their gradients."""
    h, d, n = 300, 200, 400
    problems = [
        single_index.make(d, h, n, n_test=1, rng=np.random.default_rng(seed), device="cpu") for seed in range(20)
    ]
    slopes = [single_index.gradient(p.weights, p.readout, p.inputs, p.targets)[0] for p in problems]
    return single_index.one_step_theory(h, d, n), problems, slopes


def within(values, expected, slack, errors=4):
    """The mean is the expected one up to four standard errors and a stated relative correction of finite size."""
    values = np.asarray(values, dtype=float)
    return abs(values.mean() - expected) < slack * expected + errors * values.std() / math.sqrt(len(values))


def test_gradient_is_nearly_of_rank_one(steps):
    law, problems, slopes = steps
    c = single_index.gaussian_constants()
    found = []
    for p, slope in zip(problems, slopes, strict=True):
        v = p.inputs.T @ (p.targets - single_index.output(p.weights, p.readout, p.inputs)) / 400
        first = torch.outer(p.readout, v) * 2 * c.slope / math.sqrt(300 * 200)
        rest = -slope - first
        sign = torch.linalg.svdvals(slope.sign())[0].item() / math.sqrt(300 * 200)
        agreement = (slope.sign() == -first.sign()).double().mean().item()
        spectral = torch.linalg.matrix_norm(slope, 2)
        found.append([v.square().sum(), first.norm() / rest.norm(), sign, agreement, slope.norm() / spectral])
    expected = [law.V, law.b, law.kappa, law.agreement, math.sqrt(1 + law.b**-2)]
    for values, value in zip(np.array(found).T, expected, strict=True):
        assert within(values, value, 0.015)


@pytest.mark.parametrize(("name", "ratio"), [("gd", 1.5), ("gd", 2.5), ("adam", 1.6), ("adam", 2.5)])
def test_spike_of_a_simulated_step(steps, name, ratio):
    """The law with the measured rows within 1 % on average, that with its limits within 1 % and the scatter."""
    law, problems, slopes = steps
    rate = ratio * getattr(law, name + "_threshold")
    values, alignments, off, turned = [], [], [], []
    for p, slope in zip(problems, slopes, strict=True):
        if name == "gd":
            weights, directions = single_index.gd_step(p.weights, slope, rate), p.readout
        else:
            weights, _ = single_index.adam_step(p.weights, slope, rate)
            directions = torch.stack([p.readout, p.readout.sign()])
        _, s, right = torch.linalg.svd(weights, full_matrices=False)
        spike = single_index.outlier(weights, directions, p.teacher)
        values.append(s[0].item())
        alignments.append(abs(right[0] @ p.teacher).item())
        off.append(s[0].item() / spike.singular_value - 1)
        turned.append(alignments[-1] - spike.alignment)
    limit = getattr(law, name)(rate)
    assert abs(np.mean(off)) < 0.01 and abs(np.mean(turned)) < 0.03
    assert within(values, limit.singular_value, 0.01) and within(alignments, limit.alignment, 0.03)


def test_one_direction_is_not_enough_for_adam():
    """The rows along sign(a) alone miss that the rest of a pulls at the step too; the correction is in the law."""
    h, d = 900, 600
    law = single_index.one_step_theory(h, d, 2 * d)
    rate, off = 1.25 * law.adam_threshold, []
    for seed in range(4):
        p = single_index.make(d, h, 2 * d, n_test=1, rng=np.random.default_rng(seed), device="cpu")
        slope, _ = single_index.gradient(p.weights, p.readout, p.inputs, p.targets)
        weights, _ = single_index.adam_step(p.weights, slope, rate)
        value = torch.linalg.svdvals(weights)[0].item()
        both = torch.stack([p.readout, p.readout.sign()])
        spikes = [single_index.outlier(weights, u, p.teacher).singular_value for u in (p.readout.sign(), both)]
        off.append([spike / value - 1 for spike in spikes])
    alone, both = np.mean(off, axis=0)
    assert abs(both) < 0.003 < -alone


def test_wrong_arguments():
    weights, teacher = torch.zeros(4, 3), torch.zeros(3)
    law = single_index.one_step_theory(30, 20, 40)
    wrong = [
        (lambda: single_index.one_step_theory(0, 20, 40), "width"),
        (lambda: single_index.one_step_theory(30, 2.0, 40), "dim"),
        (lambda: single_index.one_step_theory(30, 20, -1), "n_samples"),
        (lambda: single_index.one_step_theory(30, 20, 40, np.nan), "label_noise"),
        (lambda: law.gd(-1.0), "learning_rate"),
        (lambda: law.adam([0.1, np.inf]), "learning_rate"),
        (lambda: single_index.outlier(weights, torch.zeros(3), teacher), "directions"),
        (lambda: single_index.outlier(weights, torch.zeros(4, 4), teacher), "directions"),
        (lambda: single_index.outlier(weights, torch.ones(4), teacher[:2]), "teacher"),
    ]
    for call, word in wrong:
        with pytest.raises(ValueError, match=f"^{word} .*allowed"):
            call()
