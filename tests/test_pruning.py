"""Pruning of one weight, or of several with one threshold: what goes, what remains, and at which error."""

import itertools

import numpy as np
import pytest
import torch

from lib import pruning


def rng(seed=0):
    return np.random.default_rng(seed)


def heavy(shape, seed=0):
    return rng(seed).standard_t(1.5, size=shape)


METHODS = {
    "magnitude": pruning.magnitude,
    "singular_value": pruning.singular_value,
    "node": pruning.node,
    "output": lambda *a, **k: pruning.node(*a, by="output", **k),
    "kernel": lambda *a, **k: pruning.node(*a, by="kernel", **k),
}
MATRIX_METHODS = [name for name in METHODS if name != "kernel"]


# --- entries --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("center", [False, True])
def test_magnitude_against_a_sort_for_each_ratio(dtype, center):
    weight = heavy((37, 23)).astype(dtype) + dtype(0.3)
    middle = np.median(weight.astype(float)) if center else 0.0
    for ratio in np.arange(0, 1.01, 0.05):
        expected = weight.copy().ravel()
        count = int(np.floor(round(ratio * weight.size, 6)))
        order = np.argsort(np.abs(weight.astype(float) - middle).ravel(), kind="stable")
        expected[order[:count]] = middle
        result = pruning.magnitude(weight, ratio, center=center)
        np.testing.assert_array_equal(result.weight, expected.reshape(weight.shape))
        assert result.weight.dtype == dtype and result.removed == count
        assert result.stored == min(weight.size, weight.size - count + center)
        change = np.linalg.norm(result.weight.astype(float) - weight) / np.linalg.norm(weight.astype(float))
        assert result.error == pytest.approx(change, rel=1e-5, abs=1e-7)


def test_equal_entries_leave_in_order():
    weight = np.array([[2.0, -1.0, 1.0], [1.0, 0.0, 1.0]])
    assert pruning.magnitude(weight, 0.5).weight.tolist() == [[2, 0, 0], [1, 0, 1]]
    assert pruning.magnitude(weight, 1.0).weight.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert pruning.magnitude(np.ones(100), 0.29).removed == 29  # 0.29 * 100 is 28.999999999999996
    result = pruning.magnitude(np.ones((2, 3)), 0.5, center=True)  # all go to the median, and are what they were
    assert result.weight.tolist() == [[1, 1, 1], [1, 1, 1]] and result.error == 0 and result.stored == 4


def test_pruned_entries_become_the_median():
    weight = heavy(1001) + 5
    result = pruning.magnitude(weight, 0.6, center=True)
    assert np.sum(result.weight == np.median(weight)) == 600  # the median itself is the first to go
    assert not np.any(result.weight == 0)
    assert result.stored == 401 + 1


@pytest.mark.parametrize("method", MATRIX_METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_error_targets_are_kept_and_tight(method, center):
    weight = heavy((30, 20), 1)
    axis = {"singular_value": 0, "node": 1, "output": 0, "magnitude": None}[method]
    part = weight - np.median(weight, axis=axis, keepdims=True) if center else weight
    n_units = {"singular_value": 20, "node": 20, "output": 30, "magnitude": 600}[method]
    for error in (0.05, 0.3, 0.7):
        result = METHODS[method](weight, error=error, center=center)
        more = METHODS[method](weight, (result.removed + 1) / n_units, center=center)
        sizes = [np.linalg.norm(r.weight - weight) / np.linalg.norm(part) for r in (result, more)]
        assert sizes[0] <= error < sizes[1]
        assert more.removed == result.removed + 1
        assert result.error == pytest.approx(np.linalg.norm(result.weight - weight) / np.linalg.norm(weight), abs=1e-12)
        same = METHODS[method](weight, energy=error**2, center=center)
        np.testing.assert_array_equal(same.weight, result.weight)


# --- nodes ----------------------------------------------------------------------------------------------------


def test_nodes_by_hand():
    weight = np.array([[3.0, 1.0, 0.0], [4.0, -1.0, 2.0]])
    assert pruning.node(weight, 0.4).weight.tolist() == [[3, 0, 0], [4, 0, 2]]
    result = pruning.node(weight, 0.5, by="output")
    assert result.weight.tolist() == [[0, 0, 0], [4, -1, 2]]
    assert (result.removed, result.stored, result.error) == (1, 3, pytest.approx(np.sqrt(10 / 31)))
    centred = pruning.node(weight, 0.4, center=True)  # medians of the rows are 1 and 2
    assert centred.weight.tolist() == [[3, 1, 1], [4, -1, 2]]  # the last column was (-1, 0) off, the least
    assert centred.stored == 4 + 2


def test_units_of_convolutions():
    weight = heavy((6, 5, 3, 3), 2)
    norms = {by: np.sqrt(np.square(weight).sum(axis)) for by, axis in (("input", (0, 2, 3)), ("output", (1, 2, 3)))}
    norms["kernel"] = np.sqrt(np.square(weight).sum((2, 3)))
    for by, size in norms.items():
        result = pruning.node(weight, 0.41, by=by)
        count = int(0.41 * size.size)
        gone = size <= np.sort(size.ravel())[count - 1]
        where = {"input": gone[None, :, None, None], "output": gone[:, None, None, None]}.get(by, gone[..., None, None])
        np.testing.assert_array_equal(result.weight, np.where(where, 0, weight))
        assert result.removed == count and result.stored == weight.size - count * weight.size // size.size
    centred = pruning.node(weight, 0.41, by="kernel", center=True)
    kernels = weight.reshape(30, 9)
    middle = np.median(kernels, axis=0)
    order = np.argsort(np.linalg.norm(kernels - middle, axis=1))
    expected = kernels.copy()
    expected[order[:12]] = middle
    np.testing.assert_array_equal(centred.weight.reshape(30, 9), expected)
    assert centred.stored == 18 * 9 + 9


@pytest.mark.parametrize("rho", [0.05, 0.1, 0.3])
def test_share_of_squared_norms(rho):
    """The largest m with the m smallest squared norms at most rho of all; unsquared, the norms of the matrices."""
    weight = heavy((200, 12), 3)
    squares = np.sort(np.square(weight).sum(1))
    m = max(m for m in range(201) if squares[:m].sum() <= rho * squares.sum())
    assert pruning.node(weight, energy=rho, by="output").removed == m
    unsquared = max(m for m in range(201) if np.sqrt(squares[:m].sum()) <= rho * np.sqrt(squares.sum()))
    assert pruning.node(weight, error=rho, by="output").removed == unsquared


def test_untrained_networks_lose_what_their_law_says():
    layer = rng(4).uniform(-1, 1, (4000, 140))
    ratio = pruning.node(layer, energy=0.1, by="output").removed / 4000
    assert ratio == pytest.approx(pruning.initial_node_ratio(0.1, 140), abs=0.004)


# --- singular values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (16, 3, 3, 3)])
@pytest.mark.parametrize("center", [False, True])
def test_singular_values_against_a_decomposition(shape, center):
    weight = heavy(shape, 5)
    matrix = weight.reshape(shape[0], -1)
    middle = np.median(matrix, axis=0) if center else np.zeros(matrix.shape[1])
    u, s, v = np.linalg.svd(matrix - middle, full_matrices=False)
    for ratio in (0, 0.1, 0.5, 0.8, 1):
        rank = len(s) - int(len(s) * ratio)
        result = pruning.singular_value(weight, ratio, center=center)
        expected = (u[:, :rank] * s[:rank]) @ v[:rank] + middle
        np.testing.assert_allclose(result.weight.reshape(matrix.shape), expected, atol=1e-11 * s[0])
        assert result.error == pytest.approx(np.linalg.norm(s[rank:]) / np.linalg.norm(matrix), abs=1e-10)
        charged = rank * sum(matrix.shape) + center * matrix.shape[1]
        assert result.stored == min(charged, weight.size)
        assert result.removed == len(s) - rank
    np.testing.assert_array_equal(pruning.singular_value(weight, 0, center=center).weight, weight)


def test_ranks_of_deficient_matrices():
    """Singular values over eight decades, and rounding beyond them."""
    left, right = rng(6).normal(size=(60, 9)), rng(7).normal(size=(9, 80))
    weight = left * 10.0 ** -np.arange(9) @ right
    for error, removed in ((1e-12, 51), (1e-4, 55)):
        result = pruning.singular_value(weight, error=error)
        assert 0 <= result.removed - removed <= (1 if error > 1e-5 else 0)
        assert np.linalg.norm(result.weight - weight) <= max(error, 1e-14) * np.linalg.norm(weight)
    assert pruning.singular_value(np.zeros((3, 4)), error=0.1).removed == 3


def test_break_even_rank():
    for rows, columns in ((10, 10), (256, 784), (3, 1)):
        rank = pruning.break_even_rank(rows, columns)
        assert rank * (rows + columns) <= rows * columns < (rank + 1) * (rows + columns)
    weight = heavy((10, 10))
    assert [pruning.singular_value(weight, q).stored for q in (0, 0.4, 0.5, 0.6)] == [100, 100, 100, 80]


# --- orders and controls --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail_index", [1.0, 1.5, 2.5])
@pytest.mark.parametrize("shape", [(40, 40), (25, 60), (60, 25)])
def test_entries_and_singular_values_lose_less_than_nodes(tail_index, shape):
    """Kept columns are a choice of entries, and a matrix of that rank: no node error is below the other two."""
    weight = rng(8).standard_t(tail_index, size=shape)
    for kept in range(0, min(shape) + 1, 5):
        node = pruning.node(weight, 1 - kept / shape[1])
        assert node.removed == shape[1] - kept
        lost = pruning.best_k_term_error(weight.ravel(), kept * shape[0])
        assert pruning.magnitude(weight, 1 - kept / shape[1]).error == pytest.approx(lost, abs=1e-12)
        cut = pruning.singular_value(weight, 1 - kept / min(shape))
        assert lost <= node.error * (1 + 1e-12)
        assert cut.error <= node.error * (1 + 1e-12)


def test_random_pruning():
    weight = heavy((50, 40), 9)
    first, second, other = (pruning.random(weight, 0.3, rng=rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.weight, second.weight)
    assert np.any(first.weight != other.weight)
    gone = first.weight == 0
    assert gone.sum() == 600 == first.removed and np.all(first.weight[~gone] == weight[~gone])
    assert first.error == pytest.approx(np.linalg.norm(weight[gone]) / np.linalg.norm(weight))
    rows = pruning.random(weight, 0.3, by="output", rng=rng(3))
    assert np.all(rows.weight == 0, axis=1).sum() == 15 == rows.removed
    counts = sum(
        pruning.random(np.ones(10), 0.3, rng=generator).weight for generator in [rng(4)] * 1 for _ in range(2000)
    )
    assert np.abs(counts / 2000 - 0.7).max() < 4.5 * np.sqrt(0.21 / 2000)


@pytest.mark.parametrize("method", MATRIX_METHODS)
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_neither_overflow_nor_vanish(method, scale):
    weight = heavy((12, 9), 19)
    plain, scaled = METHODS[method](weight, error=0.3), METHODS[method](scale * weight, error=0.3)
    np.testing.assert_allclose(scaled.weight / scale, plain.weight, atol=1e-12)
    assert scaled.removed == plain.removed and scaled.error == pytest.approx(plain.error)
    zero = METHODS[method](0 * weight, 0.5)
    assert zero.error == 0 and not zero.weight.any()


# --- members, tensors, and layers together --------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_stacked_members_are_pruned_alone(method, center):
    weights = heavy((4, 6, 5, 3, 3), 10)
    weights[2] = 1.0  # ties
    for target in ({"ratio": 0.45}, {"error": 0.4}, {"energy": 0.3}):
        together = METHODS[method](weights, center=center, stacked=True, **target)
        for i, weight in enumerate(weights):
            alone = METHODS[method](weight, center=center, **target)
            np.testing.assert_allclose(together.weight[i], alone.weight, atol=1e-12)
            assert (together.removed[i], together.stored[i]) == (alone.removed, alone.stored)
            assert together.error[i] == pytest.approx(alone.error, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("method", MATRIX_METHODS)
def test_tensors_come_back_as_tensors(method, dtype):
    weight = torch.tensor(heavy((12, 9), 11)).to(dtype).requires_grad_()
    before = weight.detach().clone()
    result = METHODS[method](weight, 0.5)
    assert result.weight.dtype == dtype and result.weight.shape == weight.shape and not result.weight.requires_grad
    assert torch.equal(before, weight)
    result.weight.fill_(7.0)
    assert torch.equal(before, weight)


@pytest.mark.parametrize("center", [False, True])
def test_global_magnitude_against_one_sort(center):
    weights = [heavy((8, 5), 12) + 1, 10 * heavy((5, 3), 13), np.zeros((2, 2)), 0.1 * heavy(7, 14)]
    middles = [np.median(w) if center else 0.0 for w in weights]
    flat = np.concatenate([np.abs(w - m).ravel() for w, m in zip(weights, middles, strict=True)])
    for ratio in (0, 0.3, 0.77, 1):
        gone = np.zeros(flat.size, bool)
        gone[np.argsort(flat, kind="stable")[: int(ratio * flat.size)]] = True
        results = pruning.global_magnitude(weights, ratio, center=center)
        ends = np.cumsum([0, *(w.size for w in weights)])
        for weight, middle, result, (i, j) in zip(weights, middles, results, itertools.pairwise(ends), strict=True):
            mask = gone[i:j].reshape(weight.shape)
            np.testing.assert_array_equal(result.weight, np.where(mask, middle, weight))
            assert result.removed == mask.sum() and result.stored == min(weight.size, (~mask).sum() + center)
            norm = np.linalg.norm(weight)
            change = np.linalg.norm(result.weight - weight) / norm if norm else 0
            assert result.error == pytest.approx(change, abs=1e-12)
    results = pruning.global_magnitude(weights, error=0.02, center=center)
    assert sum(result.removed for result in results) == pruning.removable(flat, 0.02) > 30


# --- bad input ------------------------------------------------------------------------------------------------

W = np.eye(3)
BAD = {
    "weight has shape": lambda: pruning.node(np.ones(3), 0.1),
    "weight has shape .*at least 3 axes": lambda: pruning.node(W, 0.1, by="kernel"),
    "weight has entries": lambda: pruning.magnitude([1.0, np.inf], 0.1),
    "weights is empty": lambda: pruning.global_magnitude([], 0.1),
    "exactly one is not None": lambda: pruning.magnitude(W),
    "ratio, error, energy are": lambda: pruning.magnitude(W, 0.1, 0.2),
    "ratio is 1.2": lambda: pruning.singular_value(W, 1.2),
    "error is 1.2": lambda: pruning.magnitude(W, error=1.2),
    "energy is -1": lambda: pruning.node(W, energy=-1),
    "by is 'rows'": lambda: pruning.node(W, 0.1, by="rows"),
    "by is 'entry'": lambda: pruning.node(W, 0.1, by="entry"),
    "rng is None": lambda: pruning.random(W, 0.1, rng=None),
    "rows and columns": lambda: pruning.break_even_rank(0, 3),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
