"""The networks of the papers as plain torch modules: flattened samples (N, d) in, logits (N, n_classes) out.

A network built from generators of the same seed starts with the same weights; no other random state is touched.
`lib.ensemble` trains many networks of one shape at once.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import skip_init

from lib.small_networks import Images, lenet, mlp, resnet

__all__ = ["VGG11", "VGG11_MNIST", "VGG11_WIDE", "Images", "cnn", "fcn", "lenet", "mlp", "n_parameters", "resnet"]

# Convolutions by their output channels, "M" a max-pool that halves the image.
VGG11 = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
VGG11_MNIST = (64, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
VGG11_WIDE = (128, "M", 256, "M", 512, 512, "M", 1024, 1024, "M", 1024, 1024, "M")


def fcn(
    dim: int, width: int, depth: int, n_classes: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> nn.Sequential:
    r"""A fully connected ReLU network without biases.

    $f(x) = W_{D+1}\,\phi(W_D \cdots \phi(W_1 x))$, $\phi(t) = \max(t, 0)$; entries of $W_l$ (out, in) start uniform on
    $\pm 1/\sqrt{\mathrm{in}}$, the default of `torch.nn.Linear`.
    depth: the number D of hidden layers of `width` units, so D + 1 weight matrices; FCN4 of Barsbey et al. has depth 4
    and width 2048. generator: draws the weights. Raises ValueError on sizes out of range.
    Barsbey et al. 2021, arXiv:2106.03795; Wan et al. 2024, arXiv:2306.08125.
    """
    for name, value, least in (("dim", dim, 1), ("width", width, 1), ("depth", depth, 0), ("n_classes", n_classes, 1)):
        _check_integer(name, value, least)
    _check_generator(generator)
    sizes = [dim, *[width] * depth, n_classes]
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [_linear(fan_in, fan_out, generator, dtype), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn(
    image_shape: tuple[int, int, int],
    layers: Sequence[int | str],
    n_classes: int,
    *,
    width_factor: float = 1.0,
    global_pool: bool = False,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> nn.Sequential:
    r"""A VGG-like network without biases or batch norm: 3 x 3 convolutions with ReLU, max-pools, one linear layer.

    Convolutions (out, in, 3, 3), padded by 1, start from $N(0, \frac{2}{9\,\mathrm{out}})$, the linear layer uniform on
    $\pm 1/\sqrt{\mathrm{in}}$.
    image_shape: (channels, height, width); samples may be flattened. layers: the channels of each convolution, and "M"
    for a max-pool. `VGG11` is that of Barsbey et al. for images of 32 x 32, `VGG11_MNIST` theirs for 28 x 28, and
    `VGG11_WIDE`, with global_pool, that of Wan et al. width_factor multiplies all channels, rounded, at least 1.
    global_pool: average the last image to one pixel instead of flattening it.
    Raises ValueError on values out of range, and when pools leave no pixel.
    Barsbey et al. 2021, arXiv:2106.03795; Wan et al. 2024, arXiv:2306.08125.
    """
    if len(image_shape) != 3 or not layers:
        raise ValueError(f"image_shape {image_shape}, layers {layers}; allowed: (channels, height, width), not empty")
    for value in (*image_shape, n_classes):
        _check_integer("image_shape or n_classes", value, 1)
    if not (math.isfinite(width_factor) and width_factor > 0):
        raise ValueError(f"width_factor is {width_factor}; allowed: a finite number > 0")
    _check_generator(generator)
    channels, height, width = image_shape
    modules: list[nn.Module] = [Images(image_shape)]
    for layer in layers:
        if layer == "M":
            modules.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        else:
            _check_integer("an entry of layers other than 'M'", layer, 1)
            wide = max(1, round(layer * width_factor))
            modules += [_convolution(channels, wide, generator, dtype), nn.ReLU()]
            channels = wide
    if not height * width:
        raise ValueError(
            f"layers has {list(layers).count('M')} max-pools; allowed: those that leave {image_shape} a pixel"
        )
    if global_pool:
        modules.append(nn.AdaptiveAvgPool2d(1))
        height = width = 1
    head = _linear(channels * height * width, n_classes, generator, dtype)
    return nn.Sequential(*modules, nn.Flatten(), head)


def n_parameters(module: nn.Module) -> int:
    """The number of trained numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def _linear(fan_in: int, fan_out: int, generator: torch.Generator, dtype: torch.dtype) -> nn.Linear:
    # skip_init: the module's own start would draw from the global generator.
    layer = skip_init(nn.Linear, fan_in, fan_out, bias=False, dtype=dtype)
    bound = 1 / math.sqrt(fan_in)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    return layer


def _convolution(fan_in: int, fan_out: int, generator: torch.Generator, dtype: torch.dtype) -> nn.Conv2d:
    layer = skip_init(nn.Conv2d, fan_in, fan_out, 3, padding=1, bias=False, dtype=dtype)
    nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / (9 * fan_out)), generator=generator)
    return layer


def _check_integer(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ValueError(f"{name} is {value!r}; allowed: an integer >= {least}")


def _check_generator(generator: torch.Generator) -> None:
    if not isinstance(generator, torch.Generator):
        raise ValueError(f"generator is {type(generator).__name__}; allowed: a torch.Generator")
