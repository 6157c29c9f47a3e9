"""Training seen after every epoch, against `train_grid` and against gradients of single networks."""

import functools

import numpy as np
import pytest
import torch
from test_guess import SHAPE, samples
from torch import nn

from lib import epochs, small_networks, stopping, training
from lib.decisions import decisions

INPUTS, LABELS = samples(7)
SEEDS = [3, 0, 5]


def lenet(generator):
    return small_networks.lenet("1/6", bias=True, generator=generator, image_shape=SHAPE)


def resnet(generator):
    return small_networks.resnet("1/6", blocks=2, generator=generator, image_shape=SHAPE)


def options(**changes):
    return {"learning_rate": 0.01, "batch_size": 2, "order_seed": 4, "device": "cpu"} | changes


@pytest.mark.parametrize("build", [lenet, resnet])
def test_weights_are_those_of_train_grid(build):
    """To the last bit after each epoch, whose last batch is short; batch norm too, by statistics of each batch."""
    settings = training.grid(learning_rate=0.01, batch_size=2, seed=SEEDS, order_seed=4)
    seen = 0
    for epoch in epochs.run(build, (INPUTS, LABELS), SEEDS, 3, **options()):
        rule = stopping.steps(4 * epoch.number)
        trained = training.train_grid(build, (INPUTS, LABELS), settings, rule, evaluate_every=100, device="cpu")
        assert all(torch.equal(weight, epoch.weights[name]) for name, weight in trained.weights.items())
        seen += 1
    assert seen == 4


def test_gradient_norms_of_single_networks():
    """Plain SGD of one network with torch.optim, the norm over all weights but biases at each step."""
    found = [epoch.gradient_norms for epoch in epochs.run(lenet, (INPUTS, LABELS), SEEDS, 2, **options())]
    assert np.isnan(found[0]).all()
    x, y = torch.tensor(INPUTS), torch.tensor(LABELS)
    for member, seed in enumerate(SEEDS):
        network = lenet(torch.Generator().manual_seed(seed))
        sgd = torch.optim.SGD(network.parameters(), lr=0.01)
        for epoch in range(2):
            norms = []
            for batch in torch.tensor(training.epoch_order(7, 4, epoch)).split(2):
                sgd.zero_grad()
                nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
                weights = [p.grad.flatten() for name, p in network.named_parameters() if "bias" not in name]
                norms.append(torch.cat(weights).norm().item())
                sgd.step()
            assert found[epoch + 1][member] == pytest.approx(np.mean(norms), rel=1e-10)


def test_the_networks_of_the_study_learn():
    """Zero biases to begin with, trained; batches of two; a fixed number of epochs."""
    wide = functools.partial(small_networks.lenet, "4/6", bias=True, image_shape=SHAPE)
    each = epochs.run(lambda g: wide(generator=g), (INPUTS, LABELS), range(4), 10, **options(dtype=torch.float32))
    for epoch in each:
        biases = [weight for name, weight in epoch.weights.items() if name.endswith("bias")]
        assert all(bool(bias.any()) == (epoch.number > 0) for bias in biases)
    d = decisions(wide(), epoch.weights, torch.tensor(INPUTS, dtype=torch.float32))
    assert torch.equal(d > 0, torch.tensor(LABELS == 1).expand(4, -1))


@pytest.mark.parametrize(
    "change", [{"n_epochs": 0}, {"batch_size": 0}, {"batch_size": 8}, {"learning_rate": -1.0}, {"seeds": []}]
)
def test_bad_arguments_are_named(change):
    good = {"build": lenet, "train": (INPUTS, LABELS), "seeds": [0], "n_epochs": 1} | options()
    with pytest.raises(ValueError, match=rf"^{next(iter(change))} .*allowed"):
        next(epochs.run(**(good | change)))
