"""Decision functions of many networks at once, against the networks themselves, one at a time."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from lib import decisions, priors, small_networks

MNIST, CIFAR, ODD = (1, 28, 28), (3, 32, 32), (2, 27, 30)
CASES = [
    *(
        ("lenet", shape, {"width": width, "depth": depth, "bias": bias})
        for shape, width, bias in ((MNIST, "1/6", False), (CIFAR, "2/6", False), (ODD, "4/6", True))
        for depth in small_networks.LENET_DEPTHS
    ),
    *(
        ("mlp", shape, {"width": "2/6", "depth": h, "bias": bias})
        for shape, h, bias in ((MNIST, 1, True), (ODD, 4, False))
    ),
    *(("resnet", shape, {"width": "1/6", "blocks": b}) for shape in (MNIST, CIFAR) for b in (1, 2, 3)),
]


def drawn(network, members, seed=0):
    """Weights in double precision, biases too."""
    rng = np.random.default_rng(seed)
    weights = {name: w.double() for name, w in priors.draw(network, members, rng=rng).items()}
    return {
        name: w + torch.from_numpy(rng.normal(size=w.shape)) if "bias" in name else w for name, w in weights.items()
    }


def samples(network, n, seed=0):
    dim = int(np.prod(network[0].shape))
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, dim)))


def plain(network, weights, x):
    logits = vmap(lambda own: functional_call(network, own, (x,)))(weights)
    return logits[..., 1] - logits[..., 0]


@pytest.mark.parametrize(("name", "shape", "options"), CASES)
def test_they_are_what_the_networks_say(name, shape, options):
    network = getattr(small_networks, name)(image_shape=shape, **options)
    weights, x = drawn(network, 5), samples(network, 7)
    expected = plain(network, weights, x)
    close = {"rtol": 1e-9, "atol": 1e-9 * float(expected.abs().max())}
    torch.testing.assert_close(decisions.decisions(network, weights, x), expected, **close)


def test_pieces_change_nothing(monkeypatch):
    network = small_networks.lenet("1/6", image_shape=MNIST)
    weights, x = drawn(network, 9), samples(network, 150)
    whole = plain(network, weights, x)
    monkeypatch.setattr(decisions, "AT_ONCE", {"cpu": 1})
    torch.testing.assert_close(decisions.decisions(network, weights, x), whole)


def test_zero_biases_may_be_left_out():
    network = small_networks.mlp("1/6", bias=True, image_shape=MNIST)
    weights = {name: w if "weight" in name else 0 * w for name, w in drawn(network, 3).items()}
    x = samples(network, 4)
    short = {name: w for name, w in weights.items() if "weight" in name}
    assert torch.equal(decisions.decisions(network, short, x), decisions.decisions(network, weights, x))


def with_torch_batch_norm(module):
    """A copy whose batch norms are those of torch, with momentum 1."""
    kinds = (nn.Sequential, small_networks.Residual)
    if isinstance(module, small_networks.BatchNorm):
        return nn.BatchNorm2d(len(module.weight), momentum=1.0, dtype=module.weight.dtype)
    return type(module)(*(with_torch_batch_norm(m) for m in module)) if isinstance(module, kinds) else module


def test_context_is_evaluation_with_running_statistics():
    """torch's batch norm of momentum 1, one pass over the context in train mode, then evaluation mode."""
    network = small_networks.resnet("1/6", image_shape=MNIST)
    weights, context, x = drawn(network, 3), samples(network, 6, 1), samples(network, 70, 2)
    found = decisions.decisions(network, weights, x, context=context)
    for member in range(3):
        theirs = with_torch_batch_norm(network)
        theirs.load_state_dict({name: w[member] for name, w in weights.items()}, strict=False)
        theirs.train()(context)
        logits = theirs.eval()(x)
        torch.testing.assert_close(found[member], (logits[:, 1] - logits[:, 0]).detach())
    whole = torch.cat([context, x])
    torch.testing.assert_close(found, plain(small_networks.with_context(network, 6), weights, whole)[:, 6:])


def test_bad_arguments_are_named():
    network = small_networks.mlp("1/6", image_shape=MNIST)
    weights, x = drawn(network, 2), samples(network, 3)
    with pytest.raises(ValueError, match=r"^inputs .*allowed"):
        decisions.decisions(network, weights, x[:, :5])
    with pytest.raises(ValueError, match=r"^weights .*allowed"):
        decisions.decisions(network, {"3.weight": weights["3.weight"]}, x)
    with pytest.raises(ValueError, match=r"^weights .*allowed"):
        decisions.decisions(network, weights | {"3.weight": weights["3.weight"][:1]}, x)
    for other in (
        nn.Sequential(nn.Linear(3, 2)),
        nn.Sequential(network[0], nn.Flatten(), nn.Linear(784, 3)),
        nn.Sequential(network[0], nn.Tanh()),
    ):
        with pytest.raises(ValueError, match=r"^network .*allowed"):
            decisions.Decisions(other)
