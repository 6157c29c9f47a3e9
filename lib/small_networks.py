"""The small two-class networks of the study of random interpolating networks: LeNet, MLP and ResNet by width and depth.

Plain torch modules, flattened samples (N, d) in, logits (N, 2) out. `lib.guess` searches among their random weights,
`lib.training` trains them, and `lib.decisions` evaluates many at once.
"""

import copy
import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import nn
from torch.nn.utils import skip_init

from lib import priors

LENET, MLP, RESNET = (6, 16, 120, 84), (120, 60, 30, 12), (6, 12, 24, 48)  # sizes at width 1
LENET_DEPTHS = {"1c-1f": (1, ()), "2c-1f": (2, ()), "2c-2f": (2, (3,)), "2c-3f": (2, (2, 3))}  # convolutions, hidden
NARROWEST = "1/6*"
Width = float | str | Sequence[float | str]


class Images(nn.Module):
    """Flattened samples become images; images stay what they are."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, *self.shape)

    def extra_repr(self) -> str:
        return str(self.shape)


class BatchNorm(nn.Module):
    r"""Batch norm by the statistics of the batch given, always: $\gamma (x - m) / \sqrt{v + 10^{-5}} + \beta$.

    It keeps no running statistics, so that many networks are evaluated or trained together. With `context` m, set by
    `with_context`, the statistics are those of the first m samples, and the others see the variance divided by
    (numbers - 1), as in the evaluation mode of torch after one pass over the m.
    """

    eps, context = 1e-5, None

    def __init__(self, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(channels, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        head = x if self.context is None else x[: self.context]
        variance, mean = torch.var_mean(head, (0, 2, 3), correction=0, keepdim=True)
        found = (head - mean) * torch.rsqrt(variance + self.eps)
        if self.context is not None:
            count = head[:, 0].numel()
            others = (x[self.context :] - mean) * torch.rsqrt(variance * (count / (count - 1)) + self.eps)
            found = torch.cat([found, others])
        return found * self.weight[:, None, None] + self.bias[:, None, None]


class Residual(nn.Sequential):
    """x plus what the layers within make of x."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


class Scale(nn.Module):
    """Multiplication by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        return str(self.factor)


def with_context(network: nn.Module, n_samples: int | None) -> nn.Module:
    """A copy of a network whose batch norms take their statistics from the first so many samples of what they see."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.context = n_samples
    return network


def lenet(
    width: Width = 1,
    depth: str = "2c-3f",
    *,
    image_shape: tuple[int, int, int] = (1, 28, 28),
    bias: bool = False,
    prior: str = "kaiming",
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
) -> nn.Sequential:
    r"""LeNet for two classes: 5 x 5 convolutions with ReLU and max-pools, then fully connected layers.

    At width 1: 6 channels, 16 channels, 120 units, 84 units, 2 logits; a width w takes $\lfloor 6w \rfloor$ and so on.
    width: a number, a fraction such as "2/6", four of these, or "1/6*", which is (1/6, 1/6, 1/24, 1/24). depth:
    convolutions and linear layers, "1c-1f", "2c-1f", "2c-2f" or "2c-3f"; "2c-2f" keeps the second hidden layer, and
    "1c-1f" both max-pools. image_shape: (channels, height, width). bias: whether layers have biases; they start at 0.
    prior: the law of the weights, see `lib.priors`. generator: draws them; None leaves them 0, which is enough for
    `guess.search`. Raises ValueError on values out of range.
    Peleg & Hein 2024, arXiv:2407.03848.
    """
    sizes = _sizes(LENET, NARROWEST if width == NARROWEST else width)
    if depth not in LENET_DEPTHS:
        raise ValueError(f"depth is {depth!r}; allowed: {', '.join(LENET_DEPTHS)}")
    n_convolutions, hidden = LENET_DEPTHS[depth]
    channels, height, wide = _shape(image_shape)
    layers: list[nn.Module] = [Images(image_shape)]
    for size in sizes[:n_convolutions]:
        layers += [skip_init(nn.Conv2d, channels, size, 5, bias=bias, dtype=dtype), nn.ReLU(), nn.MaxPool2d(2)]
        channels, height, wide = size, (height - 4) // 2, (wide - 4) // 2
    if n_convolutions == 1:
        layers.append(nn.MaxPool2d(2))
        height, wide = height // 2, wide // 2
    if min(height, wide) < 1:
        raise ValueError(f"image_shape is {image_shape}; allowed: images of which convolutions leave a pixel")
    layers.append(nn.Flatten())
    layers += _dense([channels * height * wide, *(sizes[i] for i in hidden), 2], bias, dtype)
    return priors.start(nn.Sequential(*layers), prior, generator)


def mlp(
    width: Width = 1,
    depth: int = 4,
    *,
    image_shape: tuple[int, int, int] = (1, 28, 28),
    bias: bool = False,
    prior: str = "kaiming",
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
) -> nn.Sequential:
    """A fully connected ReLU network for two classes, on images that a 2 x 2 max-pool has halved.

    At width 1 the hidden layers have 120, 60, 30 and 12 units; depth keeps the last so many of them, 1 to 4.
    Other arguments, and errors, as for `lenet`. Peleg & Hein 2024, arXiv:2407.03848.
    """
    sizes = _sizes(MLP, width)
    if isinstance(depth, bool) or depth not in range(1, 5):
        raise ValueError(f"depth is {depth!r}; allowed: 1, 2, 3 or 4 hidden layers")
    channels, height, wide = _shape(image_shape)
    if min(height, wide) < 2:
        raise ValueError(f"image_shape is {image_shape}; allowed: images of at least 2 x 2")
    layers = [Images(image_shape), nn.MaxPool2d(2), nn.Flatten()]
    layers += _dense([channels * (height // 2) * (wide // 2), *sizes[4 - depth :], 2], bias, dtype)
    return priors.start(nn.Sequential(*layers), prior, generator)


def resnet(
    width: Width = 1,
    blocks: int = 3,
    *,
    image_shape: tuple[int, int, int] = (1, 28, 28),
    prior: str = "kaiming",
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
) -> nn.Sequential:
    """A ResNet with batch norm for two classes: 3 x 3 convolutions without biases, up to three blocks.

    At width 1: 6 channels, then blocks of 12, 24 and 48, each a convolution and a 2 x 2 max-pool; the first and the
    last block add a residual branch of two convolutions. Then a max-pool of 4 x 4, or 2 x 2 for images below 32 pixels,
    a linear layer without bias, and a factor 1/8. With 2 blocks the first is gone; with 1 only the last remains,
    without its residual branch. Other arguments, and errors, as for `lenet`.
    Peleg & Hein 2024, arXiv:2407.03848.
    """
    sizes = _sizes(RESNET, width)
    if isinstance(blocks, bool) or blocks not in (1, 2, 3):
        raise ValueError(f"blocks is {blocks!r}; allowed: 1, 2 or 3")
    channels, height, wide = _shape(image_shape)
    layers = [Images(image_shape), *_unit(channels, sizes[0], dtype)]
    channels = sizes[0]
    for block in range(4 - blocks, 4):
        size = sizes[block]
        layers += [*_unit(channels, size, dtype), nn.MaxPool2d(2)]
        if block == 1 or (block == 3 and blocks > 1):
            layers.append(Residual(*_unit(size, size, dtype), *_unit(size, size, dtype)))
        channels, height, wide = size, height // 2, wide // 2
    last = 4 if min(image_shape[1:]) >= 32 else 2
    height, wide = height // last, wide // last
    if min(height, wide) < 1:
        raise ValueError(f"image_shape is {image_shape}; allowed: images of which the max-pools leave a pixel")
    head = skip_init(nn.Linear, channels * height * wide, 2, bias=False, dtype=dtype)
    layers += [nn.MaxPool2d(last), nn.Flatten(), head, Scale(0.125)]
    return priors.start(nn.Sequential(*layers), prior, generator)


def _dense(sizes: Sequence[int], bias: bool, dtype: torch.dtype) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [skip_init(nn.Linear, fan_in, fan_out, bias=bias, dtype=dtype), nn.ReLU()]
    return layers[:-1]


def _unit(fan_in: int, fan_out: int, dtype: torch.dtype) -> list[nn.Module]:
    convolution = skip_init(nn.Conv2d, fan_in, fan_out, 3, padding=1, bias=False, dtype=dtype)
    return [convolution, BatchNorm(fan_out, dtype), nn.ReLU()]


def _shape(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if len(image_shape) != 3 or any(isinstance(s, bool) or not hasattr(s, "__index__") or s < 1 for s in image_shape):
        raise ValueError(f"image_shape is {image_shape}; allowed: (channels, height, width), integers >= 1")
    return tuple(image_shape)


def _sizes(full: Sequence[int], width: Width) -> list[int]:
    """The sizes at a width, rounded down; exact for fractions, which floats near a fraction are taken for."""
    allowed = f'a number > 0, a fraction such as "2/6", {len(full)} of these, or "{NARROWEST}" for lenet'
    if width == NARROWEST and full is LENET:
        width = ("1/6", "1/6", "1/24", "1/24")
    each = [width] * len(full) if isinstance(width, str | float | int) else list(width)
    try:
        factors = [Fraction(w).limit_denominator(1000) for w in each]
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"width is {width!r}; allowed: {allowed}") from error
    if len(factors) != len(full):
        raise ValueError(f"width has {len(factors)} entries; allowed: {allowed}")
    sizes = [math.floor(size * factor) for size, factor in zip(full, factors, strict=True)]
    if min(sizes) < 1:
        raise ValueError(f"width is {width!r}, and layers would have {sizes} units; allowed: at least 1 each")
    return sizes
