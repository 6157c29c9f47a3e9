"""Laws from which the weights of random networks are drawn, one network at a time or many together.

"uniform" is U[-1, 1], "uniform02" U[-0.2, 0.2], "kaiming" U[-b, b] with b = sqrt(6 / fan_in), and "kaiming_gaussian"
N(0, 2 / fan_in). Biases are 0. The scale and shift of a batch norm are U[0.9, 1.1] and U[-0.05, 0.05] under both
uniform laws, and 1 and 0 under the others. Peleg & Hein 2024, arXiv:2407.03848.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

PRIORS = ("uniform", "uniform02", "kaiming", "kaiming_gaussian")


@dataclass(frozen=True)
class Law:
    """How one parameter is drawn: `center` + `spread` x, with x uniform on [-1, 1] or standard normal.

    A spread of 0 makes a constant. shape: that of the parameter. bias: whether it is that of a layer, which is 0.
    """

    name: str
    shape: tuple[int, ...]
    center: float
    spread: float
    normal: bool = False
    bias: bool = False


def laws(network: nn.Module, prior: str) -> list[Law]:
    """The law of every parameter, in the order of `named_parameters`.

    A parameter with at least two axes, (out, in, ...), is a weight, of fan-in in, times the size of the kernel.
    Raises ValueError on an unknown prior.
    """
    if prior not in PRIORS:
        raise ValueError(f"prior is {prior!r}; allowed: {', '.join(PRIORS)}")
    bounded = prior.startswith("uniform")
    found = []
    for name, parameter in network.named_parameters():
        shape = tuple(parameter.shape)
        layer = network.get_submodule(name.rpartition(".")[0])
        if len(shape) >= 2:
            variance = 2 / math.prod(shape[1:])
            spread = {"uniform": 1.0, "uniform02": 0.2, "kaiming": math.sqrt(3 * variance)}.get(prior)
            normal = spread is None
            found.append(Law(name, shape, 0.0, math.sqrt(variance) if normal else spread, normal))
        elif isinstance(layer, nn.Linear | nn.Conv2d):
            found.append(Law(name, shape, 0.0, 0.0, bias=True))
        elif name.endswith("weight"):
            found.append(Law(name, shape, 1.0, 0.1 if bounded else 0.0))
        else:
            found.append(Law(name, shape, 0.0, 0.05 if bounded else 0.0))
    return found


def start(network: nn.Module, prior: str, generator: torch.Generator | None) -> nn.Module:
    """The network itself, its parameters drawn; without a generator, weights of layers are 0.

    Raises ValueError on an unknown prior or a generator of another kind.
    """
    if not (generator is None or isinstance(generator, torch.Generator)):
        raise ValueError(f"generator is {type(generator).__name__}; allowed: a torch.Generator, or None")
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for law in laws(network, prior):
            parameter = parameters[law.name].fill_(0.0)
            if generator is not None and law.spread:
                parameter = (
                    parameter.normal_(generator=generator)
                    if law.normal
                    else parameter.uniform_(-1, 1, generator=generator)
                )
            parameter.mul_(law.spread).add_(law.center)
    return network


def draw(network: nn.Module, n: int, prior: str = "uniform", *, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Weights of n networks, {name: (n, ...)}, float32, biases included.

    Raises ValueError on an unknown prior or n < 0.
    """
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 0:
        raise ValueError(f"n is {n!r}; allowed: an integer >= 0")
    return {law.name: torch.from_numpy(_numbers(law, n, rng)) for law in laws(network, prior)}


def _numbers(law: Law, n: int, rng: np.random.Generator) -> np.ndarray:
    shape = (n, *law.shape)
    if not law.spread:
        return np.full(shape, law.center, np.float32)
    x = rng.standard_normal(shape, np.float32) if law.normal else 2 * rng.random(shape, np.float32) - 1
    return (law.center + law.spread * x).astype(np.float32)
