"""Optimisers without gradients: they reach networks without training error, and follow their rules step by step."""

import numpy as np
import pytest
import torch
from test_guess import SHAPE, linear, samples
from torch.func import functional_call

from lib import gradient_free, margins, priors, small_networks
from lib.decisions import decisions

METHODS = [gradient_free.pattern_search, gradient_free.greedy_random]
NETWORK = small_networks.lenet("2/6", depth="2c-1f", bias=True, image_shape=SHAPE)


def problem(seed=0, n=10):
    inputs, labels = samples(n, seed)
    weights = {
        name: torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, w.shape)).float()
        for name, w in priors.draw(NETWORK, 1, rng=np.random.default_rng(seed)).items()
    }
    return weights, torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels)


@pytest.mark.parametrize("method", METHODS)
def test_they_reach_networks_without_training_error(method):
    reached = 0
    for seed in range(3):
        weights, x, y = problem(seed)
        found = method(NETWORK, weights, x, y, radius=0.5, n_copies=64, rng=np.random.default_rng(seed))
        assert found.fits and np.all(np.diff(found.losses) <= 0) and len(found.losses) == len(found.radii) + 1
        assert np.all(found.accuracies[:-1] < 1)
        reached += len(found.radii) > 0
        assert torch.equal(decisions(NETWORK, found.weights, x)[0] > 0, y.bool())
        logits = functional_call(NETWORK, {name: w[0] for name, w in found.weights.items()}, (x,))
        assert torch.equal(logits.argmax(1), y)
        loss = margins.weight_norm_loss(NETWORK, found.weights, x, y).item()
        assert loss == pytest.approx(found.losses[-1], rel=1e-5)
    assert reached  # some did not start there


def small(seed=1):
    """A linear classifier in four dimensions that cannot fit, so that no run ends early."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(6, 4)))
    weights = {"2.weight": torch.from_numpy(rng.normal(size=(1, 2, 4)))}
    return linear(4), weights, torch.cat([x, x]), torch.tensor([0, 1] * 3 + [1, 0] * 3)


def loss_by_hand(flat, x, y):
    w = flat.reshape(2, 4)
    d = x.numpy() @ (w[1] - w[0]) / (np.linalg.norm(w) / 3)
    return np.log1p(np.exp(-d * (2 * y.numpy() - 1))).mean()


@pytest.mark.parametrize("method", METHODS)
def test_searches_end(method):
    """Here no network fits; the moves become small, and the search is over."""
    network, weights, x, y = small()
    options = {"patience": 2} if method is gradient_free.greedy_random else {}
    found = method(network, weights, x, y, radius=0.5, **options, rng=np.random.default_rng(0))
    assert not found.fits and len(found.radii) < 1000 and found.radii[-1] == 0.5 * 2.0**-20


def test_pattern_search_step_by_step():
    network, weights, x, y = small()
    found = gradient_free.pattern_search(
        network, weights, x, y, radius=0.8, n_copies=5, max_rounds=12, rng=np.random.default_rng(3)
    )
    rng, flat, r, losses, radii = np.random.default_rng(3), weights["2.weight"].numpy().ravel(), 0.8, [], []
    losses.append(loss_by_hand(flat, x, y))
    for _ in range(3):  # passes of four rounds each, 16 moves
        moves = rng.permutation(16)
        for start in range(0, 16, 5):
            copies = [flat + r * (2 * (m % 2) - 1) * np.eye(8)[m // 2] for m in moves[start : start + 5]]
            values = [loss_by_hand(copy, x, y) for copy in copies]
            if min(values) < losses[-1]:
                flat = copies[int(np.argmin(values))]
            losses.append(min(min(values), losses[-1]))
            radii.append(r)
        r /= 2
    assert found.losses == pytest.approx(losses, rel=1e-12) and found.radii.tolist() == radii
    np.testing.assert_allclose(found.weights["2.weight"].ravel(), flat)
    assert found.losses[-1] < found.losses[0] and not found.fits


def test_greedy_random_step_by_step():
    network, weights, x, y = small()
    options = {"radius": 2.0, "n_copies": 3, "patience": 2, "max_rounds": 40}
    found = gradient_free.greedy_random(network, weights, x, y, **options, rng=np.random.default_rng(4))
    rng, flat, r, failed = np.random.default_rng(4), weights["2.weight"].numpy().ravel(), 2.0, 0
    losses, radii = [loss_by_hand(flat, x, y)], []
    for _ in range(40):
        copies = flat + r * rng.standard_normal((3, 8), np.float32).astype(np.float64)
        values = [loss_by_hand(copy, x, y) for copy in copies]
        radii.append(r)
        if min(values) < losses[-1]:
            flat, failed = copies[int(np.argmin(values))], 0
        else:
            failed += 1
        losses.append(min(min(values), losses[-1]))
        if failed == 2:
            r, failed = r / 2, 0
    assert found.losses == pytest.approx(losses, rel=1e-12) and found.radii.tolist() == radii
    assert len(set(radii)) > 3


@pytest.mark.parametrize("method", METHODS)
def test_bad_arguments_are_named(method):
    network, weights, x, y = small()
    good = {"weights": weights, "rng": np.random.default_rng(0), "max_rounds": 1}
    changes = [("radius", 0.0), ("radius", np.inf), ("n_copies", 0), ("max_rounds", 1.5), ("rng", 3)]
    changes.append(("weights", {"2.weight": torch.zeros(2, 2, 4)}))
    if method is gradient_free.greedy_random:
        changes.append(("patience", 0))
    for argument, value in changes:
        with pytest.raises(ValueError, match=rf"^{argument} .*allowed"):
            method(network, inputs=x, labels=y, **(good | {argument: value}))
