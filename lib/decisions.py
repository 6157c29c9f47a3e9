"""Decision functions d = f_1 - f_0 of many two-class networks at once: the same values as theirs, in other layouts.

The first layer sees the same inputs in every network, so one product with the weights of all of them does. Images are
kept as (networks, channels, height, width, samples), where the patches of a convolution are long runs, and later
convolutions are batched products with their patches. Max-pools come before ReLU, with which they commute.
"""

import functools
import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from lib.small_networks import BatchNorm, Images, Residual, Scale

# Numbers that weights and the widest layer may hold at a time: on the CPU, those that its caches hold.
AT_ONCE = {"cpu": 2**20, "cuda": 2**28}
Weights = Mapping[str, torch.Tensor]


class Decisions:
    """The decision functions of all networks of one shape; `decisions` is the same in one call.

    network: an `nn.Sequential` that starts with `Images`, of convolutions of stride 1, linear layers, ReLU, max-pools,
    `nn.Flatten`, and `BatchNorm`, `Residual` and `Scale` of `lib.small_networks`, with two logits. Its parameters are
    not read. Raises ValueError on others.
    """

    def __init__(self, network: nn.Module) -> None:
        parts = _parts(network)
        linear = [module for _, module in parts if isinstance(module, nn.Linear)]
        if not isinstance(parts[0][1], Images) or not linear or linear[-1].out_features != 2:
            layers = [type(module).__name__ for _, module in parts]
            raise ValueError(f"network has layers {layers}; allowed: Images first, and two logits in the end")
        self.image_shape, self.head, self._parts = parts[0][1].shape, linear[-1], parts[1:]
        first = next(i for i, (_, module) in enumerate(self._parts) if isinstance(module, nn.Conv2d | nn.Linear))
        self._before, self._first, self._after = self._parts[:first], self._parts[first], self._parts[first + 1 :]
        self._pool = 1
        if isinstance(self._first[1], nn.Conv2d) and isinstance(self._after[0][1], nn.MaxPool2d):
            self._pool = self._after.pop(0)[1].kernel_size
        self.batch_norm = any(isinstance(module, BatchNorm) for module in network.modules())
        self.floats = _widest(self._parts, self.image_shape)
        self.n_weights = sum(parameter.numel() for parameter in network.parameters())

    def prepare(self, inputs: torch.Tensor) -> torch.Tensor:
        """What all networks do alike with inputs (n, d): all before the first weight, and the patches for it."""
        x = self._apply(self._before, {}, self._images(inputs[None]))
        if isinstance(self._first[1], nn.Linear):
            return x[0]
        patches, height, width = _patches(x, self._first[1])
        p, n = self._pool, len(inputs)
        patches = patches.view(-1, height, width, n)[:, : height // p * p, : width // p * p]
        patches = patches.unflatten(2, (-1, p)).unflatten(1, (-1, p))
        # Axes: entry of a patch, row and column within a pool, row and column of pools, sample.
        return patches.permute(0, 2, 4, 1, 3, 5).contiguous()

    def __call__(self, weights: Weights, prepared: torch.Tensor, context: int | None = None) -> torch.Tensor:
        """d (networks, n) of inputs prepared; batch norm takes its statistics from the first `context` samples."""
        name, module = self._first
        weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
        if isinstance(module, nn.Linear):
            x = self._linear(module, weight, bias, prepared.expand(len(weight), *prepared.shape))
        else:
            products = weight.reshape(-1, weight[0, 0].numel()) @ prepared.flatten(1)
            x = products.view(*weight.shape[:2], self._pool**2, *prepared.shape[3:])
            x = _biased(x.amax(2) if self._pool > 1 else x[:, :, 0], bias)
        return self._apply(self._after, weights, x, context)

    def _images(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.unflatten(2, self.image_shape).permute(0, 2, 3, 4, 1).contiguous()

    def _apply(self, parts, weights: Weights, x: torch.Tensor, context: int | None = None) -> torch.Tensor:
        for name, module in parts:
            weight, bias = weights.get(f"{name}.weight"), weights.get(f"{name}.bias")
            if isinstance(module, nn.Conv2d):
                patches, height, width = _patches(x, module)
                x = torch.bmm(weight.flatten(2), patches).unflatten(2, (height, width, -1))
                x = _biased(x, bias)
            elif isinstance(module, nn.Linear):
                x = self._linear(module, weight, bias, x)
            elif isinstance(module, nn.MaxPool2d):
                x = _max_pool(x, module.kernel_size)
            elif isinstance(module, nn.ReLU):
                x = x.relu_()
            elif isinstance(module, nn.Flatten):
                x = x.flatten(1, 3).transpose(1, 2).contiguous()
            elif isinstance(module, BatchNorm):
                x = _batch_norm(x, weight, bias, module.eps, context)
            elif isinstance(module, Residual):
                inner = [(f"{name}.{place}", part) for place, part in _parts(module)]
                x = x + self._apply(inner, weights, x, context)
            elif isinstance(module, Scale):
                x = x * module.factor
        return x

    def _linear(self, module: nn.Linear, weight: torch.Tensor, bias: torch.Tensor | None, x: torch.Tensor):
        if module is self.head:
            x = torch.bmm(x, (weight[:, 1] - weight[:, 0])[..., None])[..., 0]
            return x if bias is None else x + (bias[:, 1:] - bias[:, :1])
        x = torch.bmm(x, weight.transpose(1, 2))
        return x if bias is None else x + bias[:, None]


def decisions(
    network: nn.Module,
    weights: Weights,
    inputs: torch.Tensor,
    *,
    context: torch.Tensor | None = None,
) -> torch.Tensor:
    """d = f_1 - f_0 of many networks on many inputs, (networks, n).

    network: their shape, as for `Decisions`. weights: {name: (networks, ...)}; biases may be left out when they are 0.
    inputs: (n, d) of the type of the weights. context (m, d): with batch norm, the samples whose statistics are used,
    their variance divided by m - 1 per pixel as running variances are; None takes those of the inputs themselves.
    Raises ValueError on shapes that do not fit. Memory stays bounded whatever n is, unless inputs are coupled.
    """
    model = Decisions(network)
    weights = checked(network, weights)
    if inputs.ndim != 2 or inputs.shape[1] != math.prod(model.image_shape):
        raise ValueError(f"inputs has shape {tuple(inputs.shape)}; allowed: (n, {math.prod(model.image_shape)})")
    members = len(next(iter(weights.values())))
    found = torch.empty(members, len(inputs), dtype=inputs.dtype, device=inputs.device)
    coupled = model.batch_norm and context is None
    m = len(context) if model.batch_norm and context is not None else 0
    rows = max(1, len(inputs)) if coupled else 64
    step = networks_at_once(model, rows + m, inputs.device)
    for start in range(0, len(inputs), rows):
        piece = inputs[start : start + rows]
        prepared = model.prepare(torch.cat([context, piece]) if m else piece)
        for i in range(0, members, step):
            part = {name: weight[i : i + step] for name, weight in weights.items()}
            found[i : i + step, start : start + rows] = model(part, prepared, m or None)[:, m:]
    return found


def networks_at_once(model: Decisions, n_samples: int, device: torch.device) -> int:
    """How many networks to evaluate together on so many samples."""
    each = model.n_weights + model.floats * max(1, n_samples)
    return max(1, AT_ONCE.get(device.type, AT_ONCE["cpu"]) // each)


def checked(network: nn.Module, weights: Weights) -> dict[str, torch.Tensor]:
    """The weights themselves, without names the network lacks.

    Raises ValueError when one is missing that is not a bias of a layer, or shapes do not fit.
    """
    found = {}
    members = {len(weight) for weight in weights.values()}
    for name, parameter in network.named_parameters():
        if name not in weights and name.endswith("bias") and network.get_parameter(name).ndim == 1:
            layer = network.get_submodule(name.rpartition(".")[0])
            if not isinstance(layer, BatchNorm):
                continue
        if name not in weights or weights[name].shape[1:] != parameter.shape or len(members) != 1:
            given = {name: tuple(weight.shape) for name, weight in weights.items()}
            raise ValueError(f"weights has {given}; allowed: {name} as (networks, *{tuple(parameter.shape)})")
        found[name] = weights[name]
    return found


def _parts(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and layers in order, each max-pool moved before ReLU."""
    parts = []
    for name, module in network.named_children():
        if isinstance(module, nn.MaxPool2d):
            at = len(parts)
            while at and isinstance(parts[at - 1][1], nn.ReLU | nn.MaxPool2d):
                at -= 1
            while at < len(parts) and isinstance(parts[at][1], nn.MaxPool2d):
                at += 1
            parts.insert(at, (name, module))
        elif isinstance(module, Images | nn.Conv2d | nn.Linear | nn.ReLU | nn.Flatten | BatchNorm | Residual | Scale):
            parts.append((name, module))
        else:
            raise ValueError(f"network has {module}; allowed: layers of lib.small_networks")
    return parts


def _widest(parts, shape: tuple[int, int, int]) -> int:
    """The most numbers that a layer makes of one sample of a network: outputs, and patches but for the first."""
    channels, height, width = shape
    widest, first = channels * height * width, True
    for _, module in parts:
        if isinstance(module, nn.Conv2d):
            k, p = module.kernel_size[0], module.padding[0]
            height, width, channels = height + 2 * p - k + 1, width + 2 * p - k + 1, module.out_channels
            patch = 0 if first else module.in_channels * k * k
            widest, first = max(widest, (patch + channels) * height * width), False
        elif isinstance(module, nn.MaxPool2d):
            height, width = height // module.kernel_size, width // module.kernel_size
        elif isinstance(module, nn.Linear):
            widest = max(0 if first else widest, module.out_features)
            first = False
    return widest


def _biased(x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return x if bias is None else x + bias[:, :, None, None, None]


def _patches(x: torch.Tensor, layer: nn.Conv2d) -> tuple[torch.Tensor, int, int]:
    """The patches (networks, in k k, height width n) of images (networks, in, H, W, n), and the height and width."""
    k, p = layer.kernel_size[0], layer.padding[0]
    if p:
        x = functional.pad(x, (0, 0, p, p, p, p))
    height, width = x.shape[2] - k + 1, x.shape[3] - k + 1
    return _unfold(x, k), height, width


def _unfold(x: torch.Tensor, k: int) -> torch.Tensor:
    networks, channels, height, width, n = x.shape
    rows, run = height - k + 1, (width - k + 1) * n
    area = height * width * n
    view = x.as_strided((networks, channels, k, k, rows, run), (channels * area, area, width * n, n, width * n, 1))
    return view.reshape(networks, channels * k * k, rows * run)


def _max_pool(x: torch.Tensor, k: int) -> torch.Tensor:
    """Maxima of squares k x k."""
    height, width = x.shape[2] // k * k, x.shape[3] // k * k
    x = x[:, :, :height, :width]
    x = functools.reduce(torch.maximum, [x[:, :, i::k] for i in range(k)])
    return functools.reduce(torch.maximum, [x[:, :, :, j::k] for j in range(k)])


def _batch_norm(x, weight, bias, eps: float, context: int | None) -> torch.Tensor:
    """By statistics of the first `context` samples: of all when None; the others with the unbiased variance."""
    shape = (*weight.shape, 1, 1, 1)
    head = x if context is None else x[..., :context]
    variance, mean = torch.var_mean(head, (2, 3, 4), correction=0, keepdim=True)
    found = (head - mean) * torch.rsqrt(variance + eps)
    if context is not None:
        count = head[0, 0].numel()
        others = (x[..., context:] - mean) * torch.rsqrt(variance * (count / (count - 1)) + eps)
        found = torch.cat([found, others], -1)
    return found * weight.view(shape) + bias.view(shape)
