"""The papers' networks, and ensembles of them: parameter counts, start, both implementations, evaluation."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from lib import ensemble, networks


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(seed=0, depth=2):
    return networks.fcn(5, 7, depth, 3, generator=generator(seed))


# --- networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dim", "depth", "count"),
    [(784, 4, 14_209_024), (3072, 4, 18_894_848), (784, 6, 22_597_632), (3072, 6, 27_283_456)],
)
def test_parameters_of_the_fully_connected_networks(dim, depth, count):
    network = networks.fcn(dim, 2048, depth, 10, generator=generator(), dtype=torch.float32)
    assert networks.n_parameters(network) == count
    assert len(list(network.parameters())) == depth + 1


@pytest.mark.parametrize(
    ("shape", "layers", "pool", "count"),
    [
        ((1, 28, 28), networks.VGG11_MNIST, False, 9_221_696),
        ((3, 32, 32), networks.VGG11, False, 9_222_848),
        ((3, 32, 32), networks.VGG11_WIDE, True, 9 * 128 * (3 + 256 + 1024 + 2048 + 4096 + 3 * 8192) + 10_240),
    ],
)
def test_parameters_of_the_convolutional_networks(shape, layers, pool, count):
    network = networks.cnn(shape, layers, 10, global_pool=pool, generator=generator(), dtype=torch.float32)
    assert networks.n_parameters(network) == count
    assert len(list(network.parameters())) == 9
    with torch.no_grad():
        assert network(torch.zeros(2, int(np.prod(shape)))).shape == (2, 10)


def test_start_of_linear_layers_is_that_of_torch():
    """Uniform on +-1/sqrt(in): bounds, and the variance within 4 standard errors; torch's own has the same bounds."""
    for weight in networks.fcn(100, 400, 1, 10, generator=generator()).parameters():
        bound = weight.shape[1] ** -0.5
        assert 0.99 * bound < weight.abs().max() <= bound
        standard_error = bound**2 * np.sqrt(4 / 45 / weight.numel())
        assert abs((weight**2).mean().item() - bound**2 / 3) < 4 * standard_error
    with torch.random.fork_rng():
        assert abs(torch.nn.Linear(100, 400).weight.abs().max().item() / 0.1 - 1) < 0.01


def test_start_of_convolutions():
    """N(0, 2 / (9 out)): the variance within 4 standard errors."""
    for weight in list(networks.cnn((3, 8, 8), (64, "M", 32), 5, generator=generator()).parameters())[:2]:
        variance = 2 / (9 * weight.shape[0])
        assert abs(weight.var().item() / variance - 1) < 4 * np.sqrt(2 / weight.numel())


def test_networks_draw_from_their_generator_only():
    before = torch.random.get_rng_state()
    same, other = ([*small(seed).parameters(), *images(seed).parameters()] for seed in (3, 4))
    again = [*small(3).parameters(), *images(3).parameters()]
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(same, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(same, other, strict=True))


def images(seed=0, **options):
    return networks.cnn((2, 4, 4), (3, "M", 4, "M"), 3, generator=generator(seed), **options)


def test_flattened_samples_are_images():
    x = torch.randn(6, 2, 4, 4, generator=generator(), dtype=torch.float64)
    assert torch.equal(images()(x), images()(x.flatten(1)))
    assert images(width_factor=2)[1].out_channels == 6


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: networks.fcn(0, 3, 1, 2, generator=generator()), "dim"),
        (lambda: networks.fcn(3, 2.5, 1, 2, generator=generator()), "width"),
        (lambda: networks.fcn(3, 3, -1, 2, generator=generator()), "depth"),
        (lambda: networks.fcn(3, 3, 1, 2, generator=np.random.default_rng()), "generator"),
        (lambda: networks.cnn((8, 8), (3,), 2, generator=generator()), "image_shape"),
        (lambda: networks.cnn((1, 8, 8), (3, "P"), 2, generator=generator()), "layers"),
        (lambda: networks.cnn((1, 4, 4), (3, "M", "M", "M"), 2, generator=generator()), "max-pools"),
        (lambda: networks.cnn((1, 4, 4), (3,), 2, width_factor=0, generator=generator()), "width_factor"),
    ],
)
def test_bad_sizes_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()


# --- ensembles ------------------------------------------------------------------------------------------------


def test_stack_and_unstack():
    modules = [small(seed) for seed in range(3)]
    weights = ensemble.stack(modules)
    assert [tuple(w.shape) for w in weights.values()] == [(3, 7, 5), (3, 7, 7), (3, 3, 7)]
    back = ensemble.unstack(small(9), weights, 1)
    x = torch.randn(4, 5, generator=generator(), dtype=torch.float64)
    assert torch.equal(back(x), modules[1](x))
    with pytest.raises(ValueError, match="modules"):
        ensemble.stack([small(), small(depth=1)])
    with pytest.raises(ValueError, match="weights"):
        ensemble.unstack(small(depth=1), weights, 0)


def test_which_modules_are_dense():
    linear, relu = torch.nn.Linear(4, 4, bias=False), torch.nn.ReLU()
    assert isinstance(ensemble.of(small()), ensemble.Dense)
    assert isinstance(ensemble.of(torch.nn.Sequential(linear)), ensemble.Dense)
    for other in (
        torch.nn.Sequential(torch.nn.Linear(4, 4), relu, linear),
        torch.nn.Sequential(linear, torch.nn.Tanh(), linear),
        torch.nn.Sequential(linear, relu),
        linear,
        images(),
    ):
        assert isinstance(ensemble.of(other), ensemble.Functional)
    with pytest.raises(ValueError, match="buffers"):
        ensemble.of(torch.nn.Sequential(linear, torch.nn.BatchNorm1d(4)))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", [ensemble.Dense, ensemble.Functional])
@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.1), (0.5, 0.1)])
def test_steps_of_an_ensemble_are_those_of_torch(kind, shared, momentum, decay):
    """Three members, one without momentum and decay, against torch.optim.SGD with autograd."""
    rates, momenta, decays = [0.1, 0.5, 0.2], [0.0, momentum, momentum], [0.0, decay, decay]
    modules = [small(seed) for seed in range(3)]
    weights = list(ensemble.stack(modules).values())
    model = kind(small())
    move = ensemble.Move(*(torch.tensor(v, dtype=torch.float64) for v in (rates, momenta, decays)))
    move.start(weights)
    x = torch.randn(3, 6, 5, generator=generator(1), dtype=torch.float64)
    y = torch.randint(3, (3, 6), generator=generator(2))
    if shared:
        x, y = x[0], y[0]
    optimizers = [
        torch.optim.SGD(m.parameters(), lr=r, momentum=b, weight_decay=d)
        for m, r, b, d in zip(modules, rates, momenta, decays, strict=True)
    ]
    for _ in range(5):
        model.step(weights, x, functional.one_hot(y, 3).double(), move)
        for i, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
            optimizer.zero_grad()
            functional.cross_entropy(module(x if shared else x[i]), y if shared else y[i]).backward()
            optimizer.step()
    for got, expected in zip(weights, ensemble.stack(modules).values(), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-13)
    assert move.lost.tolist() == [0, 0, 0]


def test_convolutional_ensemble_steps_as_torch_does():
    modules = [images(seed) for seed in range(2)]
    weights = list(ensemble.stack(modules).values())
    move = ensemble.Move(*(torch.full((2,), v, dtype=torch.float64) for v in (0.1, 0.0, 0.0)))
    x = torch.randn(5, 32, generator=generator(1), dtype=torch.float64)
    y = torch.randint(3, (5,), generator=generator(2))
    ensemble.of(images()).step(weights, x, functional.one_hot(y, 3).double(), move)
    for i, module in enumerate(modules):
        gradients = torch.autograd.grad(functional.cross_entropy(module(x), y), list(module.parameters()))
        for weight, start, gradient in zip(weights, module.parameters(), gradients, strict=True):
            torch.testing.assert_close(weight[i], start.detach() - 0.1 * gradient, rtol=0, atol=1e-13)


@pytest.mark.parametrize("make", [small, images])
def test_evaluation(make, monkeypatch):
    """Loss and accuracy of every member, in pieces of the samples, against torch; ties go to the first class."""
    monkeypatch.setattr(ensemble, "EVALUATED_AT_ONCE", {"cpu": 200})
    modules = [make(seed) for seed in range(3)]
    weights = ensemble.stack(modules)
    weights = {name: torch.cat([w, w[:1] * 0, w[:1] * np.nan]) for name, w in weights.items()}
    model = ensemble.of(modules[0])
    x = torch.randn(23, 5 if make is small else 32, generator=generator(1), dtype=torch.float64)
    y = torch.randint(3, (23,), generator=generator(2))
    loss, accuracy = ensemble.evaluate(model, weights, x, y)
    for i, module in enumerate(modules):
        assert np.isclose(loss[i], functional.cross_entropy(module(x), y).item(), rtol=1e-12)
        assert np.isclose(accuracy[i], (module(x).argmax(1) == y).double().mean().item())
    assert np.isclose(loss[3], np.log(3)) and np.isclose(accuracy[3], (y == 0).double().mean().item())
    assert loss[4] == np.inf and np.isnan(accuracy[4])
