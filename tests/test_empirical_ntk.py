"""Empirical kernels of torch networks against the Jacobians of autograd, of every kind of layer and output."""

import numpy as np
import pytest
import torch
from kernel_networks import EVERY, LAYERS, OTHERS, assert_equal, build, full
from torch import nn
from torch.func import functional_call

from lib import empirical_ntk, gradient_gram, ntk

# Torch gives these warnings once per process: whichever test comes first sees them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    pytest.mark.filterwarnings("ignore:There is a performance drop"),
]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", EVERY)
def test_kernel_is_the_product_of_autograd_jacobians(name):
    model, x, y = build(name)
    for other in (None, y):
        expected = full(model, x, x if other is None else other)
        assert_equal(ntk.empirical(model, x, other, outputs="full"), expected)
        assert_equal(ntk.empirical(model, x, other), expected.diagonal(dim1=2, dim2=3).sum(-1))
        last = expected.shape[2] - 1
        assert_equal(ntk.empirical(model, x, other, outputs=last), expected[:, :, last, last])


@pytest.mark.parametrize("name", LAYERS)
def test_linear_and_convolutional_layers_have_no_jacobian(name, monkeypatch):
    model, x, _ = build(name)
    monkeypatch.setattr(gradient_gram, "jacrev", None)
    ntk.empirical(model, x)


@pytest.mark.parametrize("name", OTHERS)
def test_only_parameters_outside_the_layers_have_a_jacobian(name, monkeypatch):
    taken = set()

    def spy(network, group, arguments):
        taken.update(group)
        return functional_call(network, group, arguments)

    monkeypatch.setattr(gradient_gram, "functional_call", spy)
    ntk.empirical(*build(name)[:2])
    expected = {
        "batch norm": {"1.weight", "1.bias"}, "layer norm": {"1.weight", "1.bias"}, "softmax": {"1.weight"},
        "groups": {"0.weight", "0.bias", "1.weight", "1.bias"}, "transposed": {"0.weight", "0.bias"},
        "twice": {"again.weight", "again.bias"}, "tied by a product": {"first.weight", "first.bias"},
        "tied": {"first.weight", "first.bias", "second.bias"}, "free": {"scale"},
        "folded": {"folded.weight", "folded.bias", "sequence.weight", "sequence.bias"},
        "weight norm": {"0.bias", *(f"0.parametrizations.weight.original{i}" for i in (0, 1))},
        "recurrent": {f"inner.{p}_l0" for p in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    }  # fmt: skip
    assert taken == expected[name]


@pytest.mark.parametrize("tile", [1, 2, 7, 20])
@pytest.mark.parametrize("name", ["mlp", "lenet", "conv, patches", "batch norm"])
@pytest.mark.parametrize("outputs", ["trace", "full", 1])
def test_tiles_do_not_change_the_kernel(name, outputs, tile):
    model, x, y = build(name, n=9, m=4)
    for other in (None, y):
        assert_equal(ntk.empirical(model, x, other, outputs=outputs, tile=tile),
                     ntk.empirical(model, x, other, outputs=outputs))  # fmt: skip


@pytest.mark.parametrize("outputs", ["trace", "full"])
def test_patches_and_gradients_agree(outputs, monkeypatch):
    model, x, y = build("lenet")
    kernels = []
    for choice in (True, False):
        monkeypatch.setattr(gradient_gram.Layer, "by_patches", lambda *_, choice=choice: choice)
        kernels.append([ntk.empirical(model, x, other, outputs=outputs, tile=40) for other in (None, y)])
    for by_patches, by_gradients in zip(*kernels, strict=True):
        assert_equal(by_patches, by_gradients)


@pytest.mark.parametrize("name", ["mlp", "lenet", "conv, patches"])
def test_blocks_of_samples_and_few_outputs_at_a_time(name, monkeypatch):
    model, x, y = build(name, n=7)
    arguments = [(x, other, outputs) for other in (None, y) for outputs in ("trace", "full")]
    whole = [ntk.empirical(model, *sets, outputs=outputs) for *sets, outputs in arguments]
    monkeypatch.setattr(empirical_ntk, "_BLOCK", 3)
    monkeypatch.setattr(empirical_ntk, "_ENTRIES", 1)
    for (*sets, outputs), kernel in zip(arguments, whole, strict=True):
        assert_equal(ntk.empirical(model, *sets, outputs=outputs), kernel)


def test_jacobians_of_few_parameters_at_a_time(monkeypatch):
    model, x, _ = build("folded")
    whole = ntk.empirical(model, x)
    monkeypatch.setattr(gradient_gram, "_JACOBIAN_ENTRIES", 1)
    assert_equal(ntk.empirical(model, x), whole)


@pytest.mark.parametrize("outputs", ["trace", "full"])
def test_kernel_of_one_set_is_exactly_symmetric(outputs):
    model, x, _ = build("lenet", n=30)
    kernel = ntk.empirical(model, x, outputs=outputs, tile=8)
    swapped = kernel.transpose(0, 1)
    assert torch.equal(kernel, swapped if outputs == "trace" else swapped.transpose(2, 3))


def test_two_layer_network_in_the_ntk_parametrisation():
    """Weights of the closed form, scaled in the forward pass: the same kernel to rounding."""

    class TwoLayer(nn.Module):
        def __init__(self, parameters):
            super().__init__()
            self.hidden, self.last = nn.Linear(parameters.dim, parameters.width), nn.Linear(parameters.width, 1, False)
            arrays = (parameters.hidden_weights, parameters.hidden_biases, parameters.output_weights[None])
            for target, array in zip(self.parameters(), arrays, strict=True):
                target.data = torch.tensor(array)

        def forward(self, x):
            hidden = torch.relu(self.hidden(x / x.shape[1] ** 0.5))
            return self.last(hidden / hidden.shape[1] ** 0.5)

    rng = np.random.default_rng(0)
    parameters = ntk.init_two_layer(12, 50, rng=rng)
    x = rng.standard_normal((40, 12))
    model = TwoLayer(parameters)
    assert_equal(ntk.empirical(model, x, tile=16), torch.from_numpy(ntk.two_layer(x, parameters)))
