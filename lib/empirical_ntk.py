"""Empirical neural tangent kernel of any torch network, layer by layer.

Linear and convolutional layers need their inputs and the slopes of the outputs with respect to theirs, which one
forward pass and one backward pass for each output give: O(N^2 (in + out)) operations for a linear layer, in place of
the O(N^2 P) of a product of Jacobians. Only the parameters of other modules have a Jacobian.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import nn
from torch.autograd.graph import get_gradient_edge

from lib.gradient_gram import Gram, Layer, add_jacobians, close

_BLOCK = 128  # samples in one pass through the network
_ENTRIES = 2**26  # slopes and gradients kept of a set of samples, unless one output has more


@torch.enable_grad()
def empirical(
    model: nn.Module,
    inputs: ArrayLike | torch.Tensor,
    other: ArrayLike | torch.Tensor | None = None,
    *,
    outputs: Literal["trace", "full"] | int = "trace",
    dtype: torch.dtype = torch.float64,
    tile: int | None = None,
) -> torch.Tensor:
    """Empirical NTK of a torch network, the Gram matrix of the gradients of its outputs in its parameters.

    K_ij^{cd} = grad f_c(x_i) . grad f_d(y_j), summed over the parameters with requires_grad.

    inputs (N, ...) and other (M, ...; by default the inputs again) are what the model takes; it returns (N,) or
    (N, C). The result is on the model's device and has the given dtype, in which all is computed: (N, M) for
    outputs="trace", sum_c K_ij^{cc} (divide by C for the mean), and for outputs=c, K_ij^{cc}; (N, M, C, C) for "full"
    (a view with the outputs of a sample side by side). With one set of inputs it is exactly symmetric. Floating
    inputs are cast to dtype, integers are passed on as they are.

    Linear and convolutional layers (one group) cost O(N^2 (in + out)), and memory for their inputs and slopes, or for
    the gradients of small convolutions. Other parameters (norm layers, embeddings, layers called twice, shared
    weights) have Jacobians, of some parameters at a time. The memory beside K is some times 512 MB in float64, or
    what all samples need for one output, if that is more; "full" keeps all outputs. tile is the number of rows of the
    tiles of K, by default 256 on a CPU and 4096 elsewhere. The model is copied, and not changed.

    Raises ValueError if the model has batch statistics or dropout in use (call `model.eval()`), no parameter that
    requires a gradient, or outputs of another shape or not finite, if it mixes samples, and for bad arguments.
    Derived in: notebooks/06_kernels_and_spectra. Jacot et al. 2018, arXiv:1806.07572; Novak et al. 2022,
    arXiv:2206.08720.
    """
    _check_model(model)
    _check_options(outputs, dtype, tile)
    network = copy.deepcopy(model).to(dtype)
    x = _samples(inputs, "inputs", network, dtype)
    sets = [x] if other is None else [x, _samples(other, "other", network, dtype)]
    if sets[-1].shape[1:] != x.shape[1:]:
        raise ValueError(f"other must have samples of the shape of inputs, {tuple(x.shape[1:])}; got {sets[-1].shape}")
    layers, rest, first = _plan(network, x[:1])
    _check_independence(network, x, first)
    n_outputs = first.shape[1]
    if isinstance(outputs, int) and outputs >= n_outputs:
        raise ValueError(f"outputs must be below {n_outputs}, the number of outputs of the model; got {outputs}")
    chosen = [outputs] if isinstance(outputs, int) else list(range(n_outputs))
    q = len(chosen) if outputs == "full" else 1
    matrix = x.new_zeros((len(x) * q, len(sets[-1]) * q), dtype=dtype)
    gram = Gram(matrix, q, tile or (4096 if x.is_cuda else 256), symmetric=other is None)
    if layers:
        _add_layers(gram, network, layers, sets, chosen)
    add_jacobians(gram, network.requires_grad_(False), rest, sets, chosen)
    if gram.symmetric:
        gram.mirror()
    return matrix.view(len(x), q, -1, q).permute(0, 2, 1, 3) if outputs == "full" else matrix


def _add_layers(
    gram: Gram, network: nn.Module, layers: list[Layer], sets: list[torch.Tensor], chosen: list[int]
) -> None:
    """Add the Gram matrices of the layers, for as many outputs at a time as memory allows."""
    full = gram.n_outputs > 1
    by_patches = [layer.by_patches(len(chosen), full) for layer in layers]
    width = sum(layer.width(choice) for layer, choice in zip(layers, by_patches, strict=True))
    at_once = len(chosen) if full else max(1, _ENTRIES // (width * max(map(len, sets))))
    for start in range(0, len(chosen), at_once):
        outputs = chosen[start : start + at_once]
        sides = [list(_features(network, layers, by_patches, samples, outputs)) for samples in sets]
        for k, layer in enumerate(layers):
            (inputs, left), (other, right) = sides[0][k], sides[-1][k]
            if by_patches[k]:
                slopes = [left, right] if full else [s.flatten(1, 2)[:, None] for s in (left, right)]
                gram.add_patches(layer, [inputs, other], slopes)
            elif full:
                gram.add_features(left.flatten(0, 1), right.flatten(0, 1))
            else:
                gram.add_features(left.flatten(1), right.flatten(1))


def _features(
    network: nn.Module, layers: list[Layer], by_patches: list[bool], samples: torch.Tensor, outputs: list[int]
) -> Iterator[tuple[torch.Tensor | None, torch.Tensor]]:
    """For each layer its inputs and the slopes (N, C, out, positions), or nothing and the gradients (N, C, P).

    The samples pass in blocks, each with one backward pass for each output.
    """
    inputs: list[list[torch.Tensor]] = [[] for _ in layers]
    kept: list[torch.Tensor | None] = [None for _ in layers]
    for start in range(0, len(samples), _BLOCK):
        rows = slice(start, start + _BLOCK)
        calls = _record([layer.module for layer in layers], network, samples[rows])
        values = _outputs(calls.pop(None), len(samples[rows]))
        calls = [calls[layer.module][0] for layer in layers]
        passes = [_slopes(values[:, output], calls, output != outputs[-1]) for output in outputs]
        for k, layer in enumerate(layers):
            slopes = torch.stack([layer.by_position(each[k]) for each in passes], 1)
            if kept[k] is None:
                shape = slopes.shape[2:] if by_patches[k] else [layer.width(False)]
                kept[k] = slopes.new_empty(len(samples), len(outputs), *shape)
            if by_patches[k]:
                inputs[k].append(calls[k][0])
                kept[k][rows] = slopes
            else:
                layer.gradients(calls[k][0], slopes, kept[k][rows])
    for k in range(len(layers)):
        yield torch.cat(inputs[k]) if by_patches[k] else None, kept[k]
        inputs[k] = kept[k] = None


def _plan(network: nn.Module, sample: torch.Tensor) -> tuple[list[Layer], list[str], torch.Tensor]:
    """Layers whose gradients the closed form gives, names of the other parameters in use, outputs of the sample.

    One sample decides. A layer called twice, on a reshaped batch, or whose weights act elsewhere too is not taken:
    for such a layer the closed form is not the gradient that autograd finds.
    """
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    owners = Counter(id(p) for module in network.modules() for p in module.parameters(recurse=False))
    calls = _record([m for m in network.modules() if Layer.handles(m)], network, sample)
    outputs = _outputs(calls.pop(None), 1)
    total = outputs[0] @ torch.linspace(1, 2, outputs.shape[1], dtype=outputs.dtype, device=outputs.device)
    if not total.requires_grad:
        raise ValueError("model must depend on a parameter that requires a gradient")
    found = torch.autograd.grad(total, list(trained.values()), retain_graph=True, allow_unused=True)
    gradient = {id(p): g for p, g in zip(trained.values(), found, strict=True) if g is not None}
    layers = []
    for module, seen in calls.items():
        own = {name: id(p) in gradient for name, p in module.named_parameters(recurse=False)}
        layer = Layer(module, own["weight"], own.get("bias", False), seen[0][2].numel() // len(module.weight))
        shared = any(owners[id(p)] > 1 for p in layer.parameters)
        if len(seen) > 1 or not layer.parameters or shared or not layer.batched(*seen[0][::2]):
            continue
        x, edge, _ = seen[0]
        (slopes,) = torch.autograd.grad(total, [edge], retain_graph=True)
        found = layer.gradients(x, layer.by_position(slopes)[:, None], x.new_empty(1, 1, layer.width(False)))
        if close(found.flatten(), torch.cat([gradient[id(p)].flatten() for p in layer.parameters])):
            layers.append(layer)
    done = {id(p) for layer in layers for p in layer.parameters}
    rest = [name for name, p in trained.items() if id(p) in gradient and id(p) not in done]
    return layers, rest, outputs.detach()


def _slopes(values: torch.Tensor, calls: list[tuple], retain_graph: bool) -> list[torch.Tensor]:
    """Derivatives of one value for each sample with respect to the outputs of the layers, in their shape."""
    edges = [edge for _, edge, _ in calls]
    found = torch.autograd.grad(values.sum(), edges, retain_graph=retain_graph, allow_unused=True)
    return [values.new_zeros(shape) if g is None else g for g, (*_, shape) in zip(found, calls, strict=True)]


def _record(modules: list[nn.Module], network: nn.Module, samples: torch.Tensor) -> dict:
    """Run the network: for each module its calls (inputs, edge, shape of the output), and under None the outputs."""
    calls: dict = {}

    def keep(module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor) -> None:
        if output.requires_grad:
            x = args[0] if args else kwargs["input"]
            calls.setdefault(module, []).append((x.detach(), get_gradient_edge(output), output.shape))

    handles = [module.register_forward_hook(keep, with_kwargs=True) for module in modules]
    try:
        calls[None] = network(samples.clone())
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _outputs(values: torch.Tensor, n: int) -> torch.Tensor:
    """Outputs as (n, C), checked."""
    if not isinstance(values, torch.Tensor):
        raise ValueError(f"model must return one tensor; got {type(values).__name__}")
    if values.dim() > 2 or values.numel() == 0 or (n > 1 and (values.dim() == 0 or len(values) != n)):
        raise ValueError(f"model must return outputs of shape (N,) or (N, C); got {tuple(values.shape)} for N = {n}")
    if not torch.isfinite(values).all():
        raise ValueError("model must return finite outputs; they hold nan or inf")
    return values.reshape(n, -1)


def _check_independence(network: nn.Module, samples: torch.Tensor, first: torch.Tensor) -> None:
    with torch.no_grad():
        outputs = _outputs(network(samples[:3].clone()), min(3, len(samples)))
    if not close(outputs[:1], first):
        raise ValueError(
            "model must treat each sample by itself; its output for one sample changes with the batch, or at random"
        )


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    for name, module in model.named_modules():
        label = f"{type(module).__name__} {name!r}"
        if isinstance(module, nn.modules.batchnorm._NormBase):
            batch = isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None
            if batch or (module.training and module.track_running_stats):
                fix = "it keeps no running ones" if batch else "call model.eval()"
                raise ValueError(f"model must not use statistics of the batch, as its {label} does: {fix}")
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.training and module.p > 0:
            raise ValueError(f"model must not be random, as its {label} is in training mode: call model.eval()")


def _check_options(outputs: str | int, dtype: torch.dtype, tile: int | None) -> None:
    number = isinstance(outputs, int) and not isinstance(outputs, bool) and outputs >= 0
    if not number and outputs not in ("trace", "full"):
        raise ValueError(f"outputs must be 'trace', 'full' or the index of an output; got {outputs!r}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64; got {dtype}")
    if tile is not None and (isinstance(tile, bool) or not isinstance(tile, int) or tile < 1):
        raise ValueError(f"tile must be None or an integer of at least 1; got {tile!r}")


def _samples(values: ArrayLike | torch.Tensor, name: str, network: nn.Module, dtype: torch.dtype) -> torch.Tensor:
    first = next(network.parameters(), None)
    if first is None:
        raise ValueError("model must have parameters; it has none")
    try:
        samples = torch.as_tensor(values, device=first.device).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array of numbers") from error
    if samples.dim() == 0 or samples.numel() == 0:
        raise ValueError(f"{name} must have shape (N, ...) with at least one sample; got {tuple(samples.shape)}")
    if not torch.isfinite(samples).all():
        raise ValueError(f"{name} must be finite; it holds nan or inf")
    return samples.to(dtype) if samples.is_floating_point() else samples
