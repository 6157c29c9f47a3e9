"""The small two-class networks and their priors: counts of parameters, shapes, laws."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from lib import networks, priors, small_networks

MNIST, CIFAR = (1, 28, 28), (3, 32, 32)


def counts(build, *options):
    """Parameters on MNIST and CIFAR-10, for each value of the options."""
    return [
        [networks.n_parameters(build(shape, *values)) for values in zip(*options, strict=True)]
        for shape in (MNIST, CIFAR)
    ]


def test_lenet_by_width():
    widths = ("1/6*", "1/6", "2/6", "3/6", "4/6", 1)
    assert counts(lambda shape, w: small_networks.lenet(w, bias=True, image_shape=shape), widths) == [
        [269, 1062, 4753, 11074, 18644, 43746],
        [409, 1472, 6653, 15544, 26044, 61326],
    ]
    assert counts(
        lambda shape, w: small_networks.lenet(w, bias=True, image_shape=shape),
        (1 / 6, 4 / 6, ["1/6", 1 / 6, "1/24", 1 / 24]),
    ) == [
        [1062, 18644, 269],
        [1472, 26044, 409],
    ]


def test_lenet_by_depth():
    found = counts(
        lambda shape, d: small_networks.lenet("2/6", depth=d, bias=True, image_shape=shape),
        ("1c-1f", "2c-1f", "2c-2f", "2c-3f"),
    )
    assert found == [[198, 469, 2633, 4753], [350, 659, 3993, 6653]]


def test_mlp_by_width_and_depth():
    by_depth = counts(lambda shape, h: small_networks.mlp("2/6", depth=h, bias=True, image_shape=shape), (1, 2, 3, 4))
    assert by_depth[0] == [798, 2024, 4204, 8964]
    by_width = counts(lambda shape, w: small_networks.mlp(w, bias=True, image_shape=shape), ("1/6", "2/6", "4/6", 1))
    assert by_width == [[4223, 8964, 20006, 33128], [15663, 31844, 65766, 101768]]


def test_resnet_by_width_and_blocks():
    by_width = counts(lambda shape, w: small_networks.resnet(w, image_shape=shape), ("1/6", "2/6", "4/6", 1))
    assert by_width == [[1697, 6598, 26012, 58242], [1715, 6634, 26084, 58350]]
    by_blocks = counts(lambda shape, b: small_networks.resnet("2/6", blocks=b, image_shape=shape), (1, 2, 3))
    assert by_blocks == [[1910, 6326, 6598], [890, 6202, 6634]]


def test_layers_of_lenet():
    """The function, written out, at two convolutions and three linear layers."""
    generator = torch.Generator().manual_seed(0)
    network = small_networks.lenet("2/6", bias=True, generator=generator, image_shape=MNIST)
    x = torch.randn(3, 784, dtype=torch.float64, generator=generator)
    c1, c2, f1, f2, f3 = [m for m in network if isinstance(m, nn.Conv2d | nn.Linear)]
    y = nn.functional.max_pool2d(c1(x.view(3, 1, 28, 28)).relu(), 2)
    y = nn.functional.max_pool2d(c2(y).relu(), 2)
    assert y.shape == (3, 5, 4, 4)
    torch.testing.assert_close(network(x), f3(f2(f1(y.flatten(1)).relu()).relu()))
    assert [tuple(m.weight.shape) for m in (f1, f2, f3)] == [(40, 80), (28, 40), (2, 28)]


def test_batch_norm_is_that_of_torch():
    x = torch.randn(6, 4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mine, theirs = small_networks.BatchNorm(4, torch.float64), nn.BatchNorm2d(4, dtype=torch.float64)
    with torch.no_grad():
        for module in (mine, theirs):
            module.weight.copy_(torch.tensor([1.0, 0.9, 1.1, -2.0]))
            module.bias.copy_(torch.tensor([0.0, 0.05, -0.3, 1.0]))
    torch.testing.assert_close(mine(x), theirs(x))


def test_resnet_is_its_layers():
    network = small_networks.resnet("1/6", generator=torch.Generator().manual_seed(0), image_shape=MNIST)
    kinds = [type(module).__name__ for module in network]
    unit = ["Conv2d", "BatchNorm", "ReLU"]
    tail = ["MaxPool2d", "Flatten", "Linear", "Scale"]
    expected = [
        "Images",
        *unit,
        *unit,
        "MaxPool2d",
        "Residual",
        *unit,
        "MaxPool2d",
        *unit,
        "MaxPool2d",
        "Residual",
        *tail,
    ]
    assert kinds == expected
    x = torch.randn(4, 784, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    residual = network[8]
    y = network[:8](x)
    torch.testing.assert_close(residual(y), y + nn.Sequential(*residual)(y))
    assert network[:-1](x).shape == (4, 2)
    torch.testing.assert_close(network(x), network[:-1](x) / 8)


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (lambda: small_networks.lenet(0, image_shape=MNIST), "width"),
        (lambda: small_networks.lenet("a", image_shape=MNIST), "width"),
        (lambda: small_networks.lenet([1, 1], image_shape=MNIST), "width"),
        (lambda: small_networks.lenet(math.inf, image_shape=MNIST), "width"),
        (lambda: small_networks.lenet("1/12", image_shape=MNIST), "width"),
        (lambda: small_networks.lenet(depth="3c", image_shape=MNIST), "depth"),
        (lambda: small_networks.lenet(image_shape=(28, 28)), "image_shape"),
        (lambda: small_networks.lenet(image_shape=(1, 8, 8)), "image_shape"),
        (lambda: small_networks.lenet(prior="normal", image_shape=MNIST), "prior"),
        (lambda: small_networks.lenet(generator=3, image_shape=MNIST), "generator"),
        (lambda: small_networks.mlp("1/6*", image_shape=MNIST), "width"),
        (lambda: small_networks.mlp(depth=5, image_shape=MNIST), "depth"),
        (lambda: small_networks.mlp(image_shape=(1, 1, 9)), "image_shape"),
        (lambda: small_networks.resnet(blocks=0, image_shape=MNIST), "blocks"),
        (lambda: small_networks.resnet(image_shape=(1, 9, 9)), "image_shape"),
        (lambda: priors.draw(small_networks.mlp(image_shape=MNIST), -1, rng=np.random.default_rng(0)), "n"),
    ],
)
def test_bad_arguments_are_named(build, argument):
    with pytest.raises(ValueError, match=rf"^{argument} .*allowed"):
        build()


# --- priors ---------------------------------------------------------------------------------------------------


def cdf(prior, fan_in):
    if prior == "kaiming_gaussian":
        return stats.norm(0, math.sqrt(2 / fan_in)).cdf
    bound = {"uniform": 1, "uniform02": 0.2, "kaiming": math.sqrt(6 / fan_in)}[prior]
    return stats.uniform(-bound, 2 * bound).cdf


@pytest.mark.parametrize("prior", priors.PRIORS)
def test_priors_of_every_layer(prior):
    """Of many networks at once, and of one network; biases are 0."""
    build = small_networks.lenet
    drawn = priors.draw(build("2/6", bias=True, image_shape=MNIST), 50, prior, rng=np.random.default_rng(0))
    own = dict(
        build(
            "4/6", bias=True, image_shape=MNIST, prior=prior, generator=torch.Generator().manual_seed(0)
        ).named_parameters()
    )
    for weights, members in ((drawn, 50), ({name: p.detach()[None] for name, p in own.items()}, 1)):
        for name, weight in weights.items():
            assert len(weight) == members
            if name.endswith("bias"):
                assert not weight.any()
            else:
                x = weight.numpy().ravel()
                assert stats.kstest(x, cdf(prior, math.prod(weight.shape[2:]))).pvalue > 1e-3


@pytest.mark.parametrize("prior", priors.PRIORS)
def test_priors_of_batch_norm(prior):
    drawn = priors.draw(small_networks.resnet("4/6", image_shape=MNIST), 30, prior, rng=np.random.default_rng(0))
    scale, shift = drawn["2.weight"].numpy().ravel(), drawn["2.bias"].numpy().ravel()
    if prior.startswith("kaiming"):
        assert np.all(scale == 1) and np.all(shift == 0)
    else:
        assert stats.kstest(scale, stats.uniform(0.9, 0.2).cdf).pvalue > 1e-3
        assert stats.kstest(shift, stats.uniform(-0.05, 0.1).cdf).pvalue > 1e-3


def test_starts_are_seeded_and_may_be_left_out():
    first, again, other = (
        small_networks.mlp("1/6", generator=torch.Generator().manual_seed(s), image_shape=MNIST) for s in (0, 0, 1)
    )
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first[3].weight, other[3].weight)
    assert not any(p.any() for p in small_networks.lenet(bias=True, image_shape=MNIST).parameters())
