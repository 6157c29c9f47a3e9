"""Empirical kernels: which parameters count, precision and modes, what is left as it was, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from kernel_networks import assert_equal, build, full
from torch import nn

from lib import ntk

# Torch gives these warnings once per process: whichever test comes first sees them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    pytest.mark.filterwarnings("ignore:There is a performance drop"),
]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


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
