"""Margins and normalised losses: gradients of single networks, invariance to scale, linear networks by hand."""

import math

import numpy as np
import pytest
import torch
from test_decisions import MNIST, drawn, samples, with_torch_batch_norm
from torch import nn

from lib import margins, small_networks
from lib.decisions import decisions

NETWORKS = {
    "lenet": small_networks.lenet("1/6", image_shape=MNIST),
    "shallow": small_networks.lenet("2/6", depth="1c-1f", image_shape=(2, 13, 14)),
    "mlp": small_networks.mlp("2/6", depth=3, image_shape=MNIST),
}


def without_biases(network, members, seed=0):
    return {name: w for name, w in drawn(network, members, seed).items() if "bias" not in name}


def labels_of(n):
    return torch.arange(n) % 2


def autograd(network, weights, x):
    """One network and one sample at a time."""
    found = []
    for member in range(len(next(iter(weights.values())))):
        network.load_state_dict({name: w[member] for name, w in weights.items()})
        x = x.detach().requires_grad_()
        logits = network(x)
        found.append(torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), x)[0])
    return torch.stack(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_single_networks(name, monkeypatch):
    network = NETWORKS[name]
    weights, x = without_biases(network, 4), samples(network, 11)
    expected = autograd(network, weights, x)
    torch.testing.assert_close(margins.gradients(network, weights, x), expected)
    for rows, floats in ((1, 1), (4, 10**5)):
        monkeypatch.setattr(margins, "ROWS", rows)
        monkeypatch.setattr(margins, "AT_ONCE", {"cpu": floats})
        torch.testing.assert_close(margins.gradients(network, weights, x), expected)
        norms = margins.gradient_norms(network, weights, x)
        torch.testing.assert_close(norms, expected.norm(dim=2))
        torch.testing.assert_close(margins.lipschitz(network, weights, x), norms.amax(1))


def test_gradients_with_batch_norm():
    """In evaluation mode, statistics of the context are constants; also at points of the context itself."""
    network = small_networks.resnet("1/6", blocks=2, image_shape=MNIST)
    weights, context = drawn(network, 2), samples(network, 5, 1)
    x = torch.cat([samples(network, 3, 2), context[:1]])
    found = margins.gradients(network, weights, x, context=context)
    for member in range(2):
        theirs = with_torch_batch_norm(network)
        theirs.load_state_dict({name: w[member] for name, w in weights.items()}, strict=False)
        theirs.train()(context)
        own = x.clone().requires_grad_()
        logits = theirs.eval()(own)
        (expected,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), own)
        torch.testing.assert_close(found[member], expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_homogeneity(name):
    """Euler: the gradient times x is d(x), so the margin is at most |x|; and d(c x) = c d(x)."""
    network = NETWORKS[name]
    weights, x = without_biases(network, 3), samples(network, 6)
    d, gradients = decisions(network, weights, x), margins.gradients(network, weights, x)
    torch.testing.assert_close((gradients * x).sum(2), d)
    assert torch.all(d.abs() / gradients.norm(dim=2) <= x.norm(dim=1) * (1 + 1e-12))
    torch.testing.assert_close(decisions(network, weights, 3 * x), 3 * d)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("exact", [True, False])
def test_scales_of_layers_change_no_loss(name, exact):
    """To the last bit for powers of two, which round nothing; whatever the scales, up to rounding."""
    network = NETWORKS[name]
    weights, x, y = without_biases(network, 3), samples(network, 8), labels_of(8)
    rng = np.random.default_rng(0)
    scales = [2.0 ** rng.integers(-6, 7) if exact else rng.uniform(0.1, 5) for _ in weights]
    scaled = {name: c * w for c, (name, w) in zip(scales, weights.items(), strict=True)}
    found = []
    for own in (weights, scaled):
        constants = margins.lipschitz(network, own, x)
        losses = margins.lipschitz_loss(network, own, x, y, constants), margins.weight_norm_loss(network, own, x, y)
        found.append(torch.stack([*losses, constants / (math.prod(scales) if own is scaled else 1)]))
    if exact:
        assert torch.equal(*found)
    torch.testing.assert_close(*found, rtol=1e-11, atol=0)
    assert torch.equal(decisions(network, weights, x) > 0, decisions(network, scaled, x) > 0)


def test_linear_networks_by_hand():
    network = nn.Sequential(small_networks.Images((1, 1, 3)), nn.Flatten(), nn.Linear(3, 2))
    weight = torch.tensor([[[1.0, 2, 2], [1, 5, 6]]])
    weights, x, y = (
        {"2.weight": weight, "2.bias": torch.tensor([[0.5, 0.0]])},
        torch.eye(3) * 2,
        torch.tensor([1, 0, 1]),
    )
    v, d = torch.tensor([0.0, 3, 4]), torch.tensor([[-0.5, 5.5, 7.5]])
    assert torch.equal(margins.gradients(network, weights, x), v.expand(1, 3, 3))
    constants = margins.lipschitz(network, weights, x)
    assert constants.tolist() == [5]
    signed = margins.margins(d, y, constants)
    torch.testing.assert_close(signed, torch.tensor([[-0.1, -1.1, 1.5]]))
    expected = torch.log1p(torch.exp(-signed)).mean(1)
    torch.testing.assert_close(margins.lipschitz_loss(network, weights, x, y, constants), expected)
    norm = float(weight.norm()) / 3
    assert margins.weight_norms(network, weights).tolist() == pytest.approx([norm])
    expected = np.log1p(np.exp(-d[0].numpy() * [1, -1, 1] / norm)).mean()
    assert margins.weight_norm_loss(network, weights, x, y).tolist() == pytest.approx([expected])


def test_zero_margins_give_log_two():
    network = NETWORKS["mlp"]
    weights = {name: 0 * w for name, w in without_biases(network, 2).items()}
    x = samples(network, 4)
    loss = margins.lipschitz_loss(network, weights, x, labels_of(4), torch.ones(2, dtype=torch.float64))
    assert loss.tolist() == pytest.approx([math.log(2)] * 2)


def test_bad_arguments_are_named():
    network = NETWORKS["mlp"]
    weights, x, y = without_biases(network, 2), samples(network, 4), labels_of(4)
    resnet = small_networks.resnet("1/6", blocks=1, image_shape=MNIST)
    calls = {
        "inputs": lambda: margins.gradients(network, weights, x[:, 1:]),
        "inputs ": lambda: margins.lipschitz(network, weights, x[:0]),
        "labels": lambda: margins.lipschitz_loss(network, weights, x, y[1:], torch.ones(2)),
        "labels ": lambda: margins.lipschitz_loss(network, weights, x, 2 * y, torch.ones(2)),
        "constants": lambda: margins.lipschitz_loss(network, weights, x, y, torch.ones(3)),
        "context": lambda: margins.lipschitz(resnet, drawn(resnet, 1), x),
        "weights": lambda: margins.weight_norms(network, {}),
    }
    for argument, call in calls.items():
        with pytest.raises(ValueError, match=rf"^{argument.strip()} .*allowed"):
            call()
