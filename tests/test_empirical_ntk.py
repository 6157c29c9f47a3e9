"""Empirical kernels of torch networks against the Jacobians of autograd, of every kind of layer and output."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev

from lib import empirical_ntk, gradient_gram, ntk

# Torch gives these warnings once per process: whichever test comes first sees them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    pytest.mark.filterwarnings("ignore:There is a performance drop"),
]
ACCURACY = 1e-12


class Twice(nn.Module):
    """A linear layer called twice."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.last = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.last(torch.tanh(self.again(torch.tanh(self.again(torch.tanh(self.first(x)))))))


class Tied(nn.Module):
    """A weight that two layers share, or that one layer and a product outside it do."""

    def __init__(self, by_product):
        super().__init__()
        self.first, self.second, self.by_product = nn.Linear(4, 4), nn.Linear(4, 4), by_product
        if not by_product:
            self.second.weight = self.first.weight

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        return hidden @ self.first.weight + self.second(hidden) if self.by_product else self.second(hidden)


class Free(nn.Module):
    """Parameters that belong to no layer, one layer never used, and one output that skips a layer."""

    def __init__(self):
        super().__init__()
        self.scale, self.unused = nn.Parameter(torch.rand(3)), nn.Linear(2, 2)
        self.first, self.last = nn.Linear(4, 3), nn.Linear(3, 1)

    def forward(self, x):
        hidden = torch.sigmoid(self.first(input=x) * self.scale)
        return torch.cat([hidden[:, :1], self.last(hidden)], 1)


class Residual(nn.Module):
    """A block with a sum in place, and a linear layer on every position of a sequence."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(4, 4), nn.Linear(4, 3, bias=False)

    def forward(self, x):
        hidden = self.inner(x.reshape(len(x), 3, -1))
        hidden += x.reshape(len(x), 3, -1)
        return self.last(hidden.relu_()).sum(1)


class Folded(nn.Module):
    """Linear layers that take positions as samples, before or behind the samples."""

    def __init__(self):
        super().__init__()
        self.folded, self.sequence, self.last = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(6, 2)

    def forward(self, x):
        hidden = torch.tanh(self.folded(x.reshape(-1, 4))).reshape(len(x), 3, 3)
        hidden = torch.tanh(self.sequence(hidden.transpose(0, 1))).transpose(0, 1)
        return self.last(hidden.flatten(1))


class Recurrent(nn.Module):
    """A recurrent layer, whose last state is read."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.inner(x)[0][:, -1])


def convolutional(**options):
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, **options), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(4), nn.Tanh(), nn.Linear(4, 3)
    )


def lenet(outputs=3):
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(5 * 2 * 2, 6), nn.ReLU(), nn.Linear(6, outputs),
    )  # fmt: skip


def with_running_statistics(model, shape):
    with torch.no_grad():
        for _ in range(3):
            model(3 * torch.rand(9, *shape) - 1)
    return model


def deep_patches():
    """Two positions and many channels, where patches are cheaper than gradients."""
    return nn.Sequential(nn.Conv1d(12, 14, 3), nn.Tanh(), nn.Flatten(), nn.Linear(28, 2))


LAYERS = {
    "linear": (lambda: nn.Linear(3, 2), (3,)),
    "linear, no bias, one output": (lambda: nn.Sequential(nn.Linear(3, 1, bias=False), nn.Flatten(0)), (3,)),
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 7), nn.GELU(), nn.Linear(7, 3)), (6,)),
    "conv": (convolutional, (2, 5, 6)),
    "conv, stride, padding": (partial(convolutional, stride=2, padding=1), (2, 5, 6)),
    "conv, uneven": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, (3, 2), (2, 1), (0, 2), (1, 3)), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)
        ),
        (2, 5, 6),
    ),
    "conv, dilation, no bias": (partial(convolutional, dilation=2, bias=False), (2, 5, 6)),
    "conv, same": (partial(convolutional, padding="same", dilation=(1, 2)), (2, 5, 6)),
    "conv, same, even kernel": (lambda: nn.Sequential(nn.Conv1d(2, 3, 4, padding="same"), nn.Flatten()), (2, 5)),
    "conv, valid": (partial(convolutional, padding="valid"), (2, 5, 6)),
    "conv, circular": (partial(convolutional, padding=(1, 2), padding_mode="circular"), (2, 5, 6)),
    "conv, reflect": (partial(convolutional, padding="same", padding_mode="reflect"), (2, 5, 6)),
    "conv, patches": (deep_patches, (12, 4)),
    "conv, three axes": (lambda: nn.Sequential(nn.Conv3d(1, 2, 2, 2), nn.Flatten(), nn.Linear(16, 2)), (1, 4, 4, 5)),
    "lenet": (lenet, (1, 12, 12)),
    "sequence": (Residual, (12,)),
}
OTHERS = {
    "batch norm": (
        lambda: with_running_statistics(
            nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)), (2, 3, 3)
        ),
        (2, 3, 3),
    ),
    "layer norm": (lambda: nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 2)), (4,)),
    "groups": (lambda: nn.Sequential(nn.Conv2d(4, 6, 2, groups=2), nn.GroupNorm(3, 6), nn.Flatten()), (4, 2, 3)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)),
        (2, 2, 2),
    ),
    "twice": (Twice, (4,)),
    "tied": (partial(Tied, False), (4,)),
    "tied by a product": (partial(Tied, True), (4,)),
    "free": (Free, (4,)),
    "folded": (Folded, (12,)),
    "recurrent": (Recurrent, (4, 3)),
    "softmax": (lambda: nn.Sequential(nn.Linear(4, 3), nn.PReLU(), nn.Softmax(1)), (4,)),
    "weight norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Tanh(), nn.Linear(3, 2)),
        (4,),
    ),
}
EVERY = LAYERS | OTHERS


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def build(name, n=5, m=3):
    """The network of a name in evaluation mode, float64, and two sets of samples."""
    make, shape = EVERY[name]
    model = make()
    if any(isinstance(module, nn.LazyLinear) for module in model.modules()):
        model(torch.zeros(2, *shape))
    return model.double().eval(), torch.randn(n, *shape).double(), torch.randn(m, *shape).double()


def jacobian(model, samples):
    """(N, C, P), one sample after the other, in the parameters with requires_grad."""
    parameters = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    rows = []
    for sample in samples:
        parts = jacrev(lambda group, x=sample: functional_call(model, group, (x[None],)).reshape(-1))(parameters)
        rows.append(torch.cat([parts[name].flatten(1) for name in parameters], 1))
    return torch.stack(rows).detach()


def full(model, left, right):
    return torch.einsum("icp,jdp->ijcd", jacobian(model, left), jacobian(model, right))


def assert_equal(kernel, expected):
    assert kernel.shape == expected.shape
    scale = expected.abs().max().item()
    np.testing.assert_allclose(kernel.numpy(), expected.numpy(), rtol=0, atol=ACCURACY * scale)


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


@pytest.mark.parametrize("frozen", ["0.weight", "0.bias", "2.weight", "2.bias", "0"])
@pytest.mark.parametrize("network", [lambda: nn.Linear(4, 3), lambda: nn.Conv1d(1, 2, 2)])
def test_frozen_parameters_do_not_count(network, frozen):
    model = nn.Sequential(network(), nn.Sequential(nn.Tanh(), nn.Flatten()), nn.LazyLinear(2))
    x = torch.randn(5, 1, 4).double()
    model(x.float())
    for name, parameter in model.double().named_parameters():
        parameter.requires_grad_(not name.startswith(frozen))
    assert_equal(ntk.empirical(model, x, outputs="full"), full(model, x, x))


def test_integer_inputs_of_an_embedding():
    model = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 4), nn.Tanh(), nn.Flatten(), nn.Linear(8, 2)).double()
    tokens = torch.randint(7, (6, 2))
    assert_equal(ntk.empirical(model, tokens.numpy(), outputs="full"), full(model, tokens, tokens))


def test_precision_is_that_asked_for_and_inputs_may_be_arrays():
    model, x, _ = build("mlp")
    expected = full(model, x, x)[:, :, 0, 0]
    single = ntk.empirical(model, x.numpy(), outputs=0, dtype=torch.float32)
    assert single.dtype == torch.float32
    assert (single - expected).abs().max() < 1e-5 * expected.abs().max()
    double = ntk.empirical(model.float(), x, outputs=0)
    assert double.dtype == torch.float64
    assert_equal(double, full(model.double(), x, x)[:, :, 0, 0])


@pytest.mark.parametrize("name", ["lenet", "batch norm", "twice"])
@pytest.mark.parametrize("grad", [True, False])
def test_model_inputs_and_modes_are_left_as_they_were(name, grad):
    model, x, y = build(name)
    parameters = list(model.parameters())
    parameters[0].grad = torch.ones_like(parameters[0])
    parameters[-1].requires_grad_(False)
    before, inputs = copy.deepcopy(model.state_dict()), x.clone()
    with torch.set_grad_enabled(grad):
        kernel = ntk.empirical(model, x, y, dtype=torch.float32)
        assert torch.is_grad_enabled() == grad
    assert not kernel.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [p.requires_grad for p in parameters] == [True] * (len(parameters) - 1) + [False]
    assert torch.equal(parameters[0].grad, torch.ones_like(parameters[0]))
    assert all(p.grad is None and p.dtype == torch.float64 for p in parameters[1:])
    assert not any(module.training or module._forward_hooks for module in model.modules())
    assert torch.equal(x, inputs)


def test_a_network_that_works_in_place_does_not_change_the_inputs():
    model, x = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2)).double(), torch.randn(4, 3).double()
    before = x.clone()
    kernel = ntk.empirical(model, x, outputs="full")
    assert torch.equal(x, before)
    model[0] = nn.ReLU()
    assert_equal(kernel, full(model, x, x))


def test_training_mode_is_no_obstacle_without_batch_statistics_or_dropout():
    model, x, _ = build("layer norm")
    assert_equal(ntk.empirical(model.train(), x, outputs="full"), full(model, x, x))
    ntk.empirical(nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.0)), x)


def test_modules_that_cannot_be_batched_over_samples():
    """Three samples of three features: where torch batches this module wrongly, the shapes hide it."""
    model, x, _ = build("softmax", n=3)
    assert_equal(ntk.empirical(model, x, outputs="full"), full(model, x, x))


def test_one_sample():
    model, x, _ = build("lenet", n=1)
    assert_equal(ntk.empirical(model, x, outputs="full"), full(model, x, x))


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x - x.mean(0))


class Random(Mixing):
    def forward(self, x):
        return nn.functional.dropout(self.layer(x), 0.5)


class Wrong(Mixing):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(self.layer(x))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), r"^model must not use statistics .* '1' .*eval"),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, track_running_stats=False)).eval(), "keeps no running ones$"),
        (nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.1)), r"^model must not be random, as its Dropout '1' .*eval"),
        (Mixing(), "^model must treat each sample by itself"),
        (Random(), "^model must treat each sample by itself"),
        (nn.Linear(3, 2).requires_grad_(False), "^model must depend on a parameter that requires a gradient"),
        (Wrong(torch.detach), "^model must depend on a parameter that requires a gradient"),
        (nn.ReLU(), "^model must have parameters"),
        (lambda x: x, r"^model must be a torch\.nn\.Module"),
        (Wrong(lambda z: (z, z)), "^model must return one tensor; got tuple"),
        (Wrong(lambda z: z.reshape(-1, 2, 1, 1)), r"^model must return outputs of shape \(N,\) or \(N, C\)"),
        (Wrong(lambda z: z.sum()), r"^model must return outputs of shape \(N,\) or \(N, C\)"),
        (Wrong(lambda z: z / 0), "^model must return finite outputs"),
    ],
)  # fmt: skip
def test_bad_models_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        ntk.empirical(model, torch.randn(4, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": "mean"}, "^outputs must be 'trace', 'full' or the index of an output; got 'mean'"),
        ({"outputs": -1}, "^outputs must be 'trace', 'full'"),
        ({"outputs": True}, "^outputs must be 'trace', 'full'"),
        ({"outputs": None}, "^outputs must be 'trace', 'full'"),
        ({"outputs": 2}, "^outputs must be below 2"),
        ({"dtype": torch.float16}, r"^dtype must be torch\.float32 or torch\.float64"),
        ({"dtype": "float64"}, r"^dtype must be torch\.float32 or torch\.float64"),
        ({"tile": 0}, "^tile must be None or an integer of at least 1"),
        ({"tile": 8.0}, "^tile must be None or an integer of at least 1"),
        ({"inputs": np.ones((0, 3))}, r"^inputs must have shape \(N, \.\.\.\)"),
        ({"inputs": 1.0}, r"^inputs must have shape \(N, \.\.\.\)"),
        ({"inputs": "abc"}, "^inputs must be an array of numbers"),
        ({"inputs": np.array([[1, np.inf, 0]])}, "^inputs must be finite"),
        ({"other": np.array([[1, np.nan, 0]])}, "^other must be finite"),
        ({"other": np.ones((2, 4))}, r"^other must have samples of the shape of inputs, \(3,\)"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    arguments = {"inputs": np.ones((2, 3))} | arguments
    with pytest.raises(ValueError, match=message):
        ntk.empirical(nn.Linear(3, 2), **arguments)
