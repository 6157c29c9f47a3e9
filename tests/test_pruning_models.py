"""Pruning of whole networks: every layer, honest counts, many targets at once, ensembles; bounds on what it does."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from lib import pruning


def rng(seed=0):
    return np.random.default_rng(seed)


def heavy(shape, seed=0):
    return rng(seed).standard_t(1.5, size=shape)


# --- networks -------------------------------------------------------------------------------------------------


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 12), nn.ReLU(),
        nn.Linear(12, 5, bias=False),
    ).double()  # fmt: skip


NAMES = ["0.weight", "2.weight", "5.weight", "7.weight"]


@pytest.mark.parametrize("method", pruning.METHODS)
def test_every_layer_of_a_network_is_pruned_the_last_too(method):
    model = network()
    before = copy.deepcopy(model.state_dict())
    options = {"rng": rng()} if method == "random" else {}
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    pruned, left = pruning.prune(model, method, 0.5, center=method != "random", **options)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [layer.name for layer in left.layers] == NAMES
    old, new = dict(model.named_parameters()), dict(pruned.named_parameters())
    for layer in left.layers:
        a, b = old[layer.name].detach(), new[layer.name].detach()
        assert layer.error == pytest.approx(float((a - b).norm() / a.norm()), rel=1e-9) and layer.error > 0
        assert layer.dense == a.numel()
    assert all(torch.equal(old[n], new[n]) for n in old if n not in NAMES)
    assert left.parameters == sum(p.numel() for p in model.parameters())
    assert left.stored == left.parameters - sum(layer.dense - layer.stored for layer in left.layers)
    assert left.remaining == left.stored / left.parameters
    rebuilt = network(1)
    rebuilt.load_state_dict(pruned.state_dict())
    assert torch.equal(rebuilt(x), pruned(x)) and not torch.allclose(model(x), pruned(x))
    last = pruning.prune(model, method, 0.5, layers=[-1], **options)[0]
    assert not torch.allclose(model(x), last(x))
    same, left = pruning.prune(model, method, 0.5, exclude_last=True, **options)
    assert torch.equal(old[NAMES[-1]], same[7].weight) and [layer.name for layer in left.layers] == NAMES[:-1]


def test_counts_of_a_network():
    model = network()
    sizes = [108, 216, 768, 60]
    _, left = pruning.prune(model, "magnitude", 0.5)
    assert [layer.stored for layer in left.layers] == [54, 108, 384, 30] and left.pruning_ratio == 0.5
    assert left.parameters == sum(sizes) + 6 + 4 + 12 and left.stored == 576 + 22
    _, left = pruning.prune(model, "node", 0.5, by="output", conv_by="kernel")
    assert [layer.removed for layer in left.layers] == [6, 12, 6, 2]
    assert [layer.stored for layer in left.layers] == [54, 108, 384, 36]
    _, left = pruning.prune(model, "singular_value", 0.5)
    assert [layer.stored for layer in left.layers] == [3 * 24, 2 * 58, 6 * 76, 3 * 17]
    assert pruning.prune(model, "singular_value", 0)[1].remaining == 1
    _, left = pruning.prune(model, "magnitude", 1.0, center=True, exclude_last=True)
    assert [layer.stored for layer in left.layers] == [1, 1, 1]


@pytest.mark.parametrize("method", pruning.METHODS)
def test_a_path_is_the_single_prunings(method):
    model = network()
    targets = ["ratios"] if method == "random" else ["ratios", "errors", "energies"]
    for name in targets:
        values = [0.9, 0.0, 0.3, 0.3, 1.0]
        options = {"rng": rng(5)} if method == "random" else {}
        path = list(pruning.prune_path(model, method, **{name: values}, **options))
        assert len({id(copied) for copied, _ in path}) == len(values) == len(path)
        for value, (copied, left) in zip(values, path, strict=True):
            options = {"rng": rng(5)} if method == "random" else {}
            single = {"ratios": "ratio", "errors": "error", "energies": "energy"}[name]
            alone, count = pruning.prune(model, method, **{single: value}, **options)
            assert all(map(torch.equal, alone.parameters(), copied.parameters()))
            assert count == left


def test_shared_weights_and_gradients():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4, bias=False))
    model[2].weight = model[0].weight
    model[0].weight.requires_grad_(False)
    model.eval()
    pruned, left = pruning.prune(model, "magnitude", 0.5)
    assert pruned[2].weight is pruned[0].weight and not pruned[0].weight.requires_grad and not pruned.training
    assert left.parameters == 20 and len(left.layers) == 1


def test_ensembles_as_modules_and_as_tensors():
    tensors = {
        "one": torch.tensor(heavy((3, 7, 4), 15)),
        "bias": torch.ones(3, 7),
        "two": torch.tensor(heavy((3, 2, 7))),
    }
    module = nn.ParameterDict(tensors)
    for method in ("magnitude", "global_magnitude", "singular_value", "node"):
        pruned, left = pruning.prune(tensors, method, error=0.4, stacked=True)
        as_module, same = pruning.prune(module, method, error=0.4, stacked=True)
        assert list(pruned) == list(tensors) and left.parameters == same.parameters == 28 + 7 + 14
        for i in range(3):
            alone, count = pruning.prune({n: t[i] for n, t in tensors.items()}, method, error=0.4)
            assert count.stored == left.stored[i] and count.pruning_ratio == left.pruning_ratio[i]
            for name, tensor in alone.items():
                torch.testing.assert_close(pruned[name][i], tensor, rtol=0, atol=1e-12)
                assert torch.equal(pruned[name], as_module[name])
    assert pruned["bias"] is not tensors["bias"]


# --- bounds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_perturbation_bound(depth):
    sizes = rng(16).integers(5, 30, depth + 1)
    weights = [rng(17 + i).normal(size=(b, a)) for i, (a, b) in enumerate(itertools.pairwise(sizes))]
    x = rng(18).normal(size=(200, sizes[0]))

    def outputs(layers):
        h = x.T
        for i, layer in enumerate(layers):
            h = layer @ (np.maximum(h, 0) if i else h)
        return h

    for ratio in (0.01, 0.5, 1.0):
        pruned = [pruning.magnitude(weight, ratio).weight for weight in weights]
        bound = pruning.perturbation_bound(weights, pruned, np.linalg.norm(x, axis=1))
        assert np.all(np.linalg.norm(outputs(pruned) - outputs(weights), axis=0) <= bound)
        norms = [np.linalg.norm(w, 2) for w in weights]
        changes = [np.linalg.norm(p - w, 2) for p, w in zip(pruned, weights, strict=True)]
        plain = np.prod(np.add(norms, changes)) - np.prod(norms)
        assert pruning.perturbation_bound(weights, pruned) == pytest.approx(plain, rel=1e-9)
    tiny = [weight * (1 + 1e-14) for weight in weights]
    assert pruning.perturbation_bound(weights, tiny) == pytest.approx(depth * 1e-14 * np.prod(norms), rel=0.1)
    assert pruning.perturbation_bound(weights[:1], [0 * weights[0]]) == pytest.approx(norms[0])  # attained
    assert pruning.perturbation_bound([torch.eye(2)], [torch.eye(2)]) == 0


def test_generalization_bound():
    n, d, k, lipschitz, radius, delta, e = 10_000, 500, 20, 2.0, 3.0, 0.1, 1e-3
    supports = 20 * np.log(np.e * 500 / 20) + 20 * np.log(1 + 6 / 1e-3) + np.log(20)
    expected = 2 * lipschitz * e + np.sqrt(supports / (2 * n))
    options = {"lipschitz": lipschitz, "radius": radius, "delta": delta}
    assert pruning.generalization_bound(n, d, k, **options, resolution=e) == pytest.approx(expected)
    dense = pruning.generalization_bound(n, d, k, **options, resolution=e, error=0.01)
    assert dense == pytest.approx(expected + 2 * lipschitz * 0.01 * radius)
    best = pruning.generalization_bound(n, d, k, **options)
    fixed = [pruning.generalization_bound(n, d, k, **options, resolution=r) for r in np.geomspace(1e-8, 10, 400)]
    assert min(fixed) * (1 - 1e-3) < best <= min(fixed)
    assert pruning.generalization_bound(n, d, 5, **options) < best < pruning.generalization_bound(n, d, 60, **options)
    nothing = pruning.generalization_bound(n, d, 0, **options, error=1.0)
    assert nothing == pytest.approx(np.sqrt(np.log(20) / 20_000) + 12)


def test_generalization_bound_holds_for_a_class_that_can_be_searched():
    """Losses clip(x_j w_j, 0, 1) of one-sparse w in [-1, 1]: the worst gap of 300 draws stays below the bound."""
    n, d = 200, 30
    grid = np.linspace(-1, 1, 41)
    gaps = []
    for seed in range(300):
        x = rng(seed).uniform(0, 1, (n, d))  # E x w is w / 2 for w in [0, 1], and 0 below
        gaps.append(np.abs(x.mean(0)[:, None] * np.maximum(grid, 0) - np.maximum(grid, 0) / 2).max())
    bound = pruning.generalization_bound(n, d, 1, lipschitz=1.0, radius=1.0, delta=0.05)
    assert np.quantile(gaps, 0.95) < bound < 1


# --- bad input ------------------------------------------------------------------------------------------------

W = np.eye(3)
LIPSCHITZ = {"lipschitz": 1.0, "radius": 1.0}
BAD = {
    "model is a list": lambda: pruning.prune([W], "node", 0.1),
    "method is 'svd'": lambda: pruning.prune(network(), "svd", 0.1),
    "layers holds": lambda: pruning.prune(network(), "node", 0.1, layers=["0.weight", "1.weight"]),
    "layers leaves nothing": lambda: pruning.prune(network(), "node", 0.1, layers=[3], exclude_last=True),
    "a transposed convolution": lambda: pruning.prune(nn.ConvTranspose2d(2, 3, 2), "node", 0.1),
    "targets given": lambda: pruning.prune(network(), "node"),
    "error is a target": lambda: pruning.prune(network(), "random", error=0.1, rng=rng()),
    "rng is None; allowed": lambda: pruning.prune(network(), "random", 0.1),
    "rng is Generator": lambda: pruning.prune(network(), "node", 0.1, rng=rng()),
    "by and conv_by": lambda: pruning.prune(network(), "magnitude", 0.1, by="input"),
    "conv_by is 'filter'": lambda: pruning.prune(network(), "node", 0.1, conv_by="filter"),
    "ratio is 2.0": lambda: pruning.prune_path(network(), "node", [0.1, 2.0]),
    "parameters have": lambda: pruning.prune({"w": torch.ones(3, 2, 2), "b": torch.ones(2)}, "node", 0.1, stacked=True),
    "weights and pruned": lambda: pruning.perturbation_bound([W], [W, W]),
    "weights hold": lambda: pruning.perturbation_bound([np.ones((2, 2, 3, 3))], [np.ones((2, 2, 3, 3))]),
    "input_norm is -1": lambda: pruning.perturbation_bound([W], [W], -1),
    "n_samples, n_parameters": lambda: pruning.generalization_bound(10, 5, 6, **LIPSCHITZ),
    "lipschitz is 0": lambda: pruning.generalization_bound(10, 5, 2, lipschitz=0, radius=1),
    "resolution is 0": lambda: pruning.generalization_bound(10, 5, 2, **LIPSCHITZ, resolution=0),
    "error and delta": lambda: pruning.generalization_bound(10, 5, 2, **LIPSCHITZ, delta=1.0),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
