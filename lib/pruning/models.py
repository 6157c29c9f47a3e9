"""Pruning of whole networks: a pruned copy and an honest count of what remains; many ratios for one preparation."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lib.pruning.low_rank import LowRank
from lib.pruning.units import UNITS, Units
from lib.pruning.weights import Pruned

if TYPE_CHECKING:
    import torch

METHODS = ("magnitude", "global_magnitude", "singular_value", "node", "random")


@dataclass(frozen=True)
class LayerCount:
    """One pruned weight: its name, its entries, and what `Pruned` says of it."""

    name: str
    dense: int
    stored: int | np.ndarray
    removed: int | np.ndarray
    error: float | np.ndarray


@dataclass(frozen=True)
class Remaining:
    """What remains of a network: counts are numbers to store, those of biases and layers left alone included.

    layers: the pruned ones. parameters: all numbers of the network before, shared ones once. Of an ensemble, per
    member: parameters of one, and arrays (members,) for what differs.
    """

    layers: tuple[LayerCount, ...]
    parameters: int

    @property
    def stored(self) -> int | np.ndarray:
        """Numbers that the whole network still needs."""
        return self.parameters + sum(layer.stored - layer.dense for layer in self.layers)

    @property
    def remaining(self) -> float | np.ndarray:
        """Share of the numbers of the whole network that is still needed."""
        return self.stored / self.parameters

    @property
    def pruning_ratio(self) -> float | np.ndarray:
        """Share of the numbers of the pruned layers that is gone."""
        return 1 - sum(layer.stored for layer in self.layers) / sum(layer.dense for layer in self.layers)


def prune(
    model: "torch.nn.Module | Mapping[str, torch.Tensor]",
    method: str,
    ratio: float | None = None,
    *,
    error: float | None = None,
    energy: float | None = None,
    **options,
) -> "tuple[torch.nn.Module | dict[str, torch.Tensor], Remaining]":
    """A pruned copy of a network, and what remains of it.

    Give one target; it holds in every layer by itself, and for "global_magnitude" in all of them together.
    model, method and options: as for `prune_path`. The model itself is left as it is. Raises ValueError on values out
    of range.
    """
    given = {"ratios": ratio, "errors": error, "energies": energy}
    targets = {name: None if value is None else [value] for name, value in given.items()}
    return next(prune_path(model, method, **targets, **options))


def prune_path(
    model: "torch.nn.Module | Mapping[str, torch.Tensor]",
    method: str,
    ratios: Iterable[float] | None = None,
    *,
    errors: Iterable[float] | None = None,
    energies: Iterable[float] | None = None,
    layers: Iterable[str | int] | None = None,
    exclude_last: bool = False,
    center: bool = False,
    by: str | None = None,
    conv_by: str | None = None,
    stacked: bool = False,
    rng: np.random.Generator | None = None,
) -> "Iterator[tuple[torch.nn.Module | dict[str, torch.Tensor], Remaining]]":
    """Pruned copies of a network for many targets: each weight is sorted, or decomposed, once for all of them.

    model: a torch module, on any device, or a mapping of names to its tensors, which comes back as a dict. A weight is
    a parameter with at least two axes, (out, in) or (out, in, *kernel). Modules that share a weight share the pruned
    one. With stacked, every parameter has a first axis of members, each pruned by itself.
    method: "magnitude", "global_magnitude", "singular_value", "node" or "random", as the functions of these names.
    by: the units of "node" ("input" unless told) and "random" ("entry" unless told); conv_by: those of convolutions,
    where they differ, such as "kernel". "random" needs rng, and ratios; it draws one order for all of them.
    Give one of ratios, errors and energies. layers: names, as in `named_parameters`, or positions among the weights;
    all unless told. exclude_last leaves the last weight of the network alone. Biases stay. center: as for `magnitude`.
    Yields (copy, `Remaining`) in the order of the targets. Raises ValueError on values out of range.
    """
    tensors = _tensors(model)
    names = _chosen(tensors, layers, exclude_last, stacked)
    _check_transposed(model, method, names)
    name, values = _targets(ratios, errors, energies)
    if method == "random" and name != "ratio":
        raise ValueError(f"{name} is a target; allowed for method 'random': ratios")
    cuts = _prepared(method, [tensors[n] for n in names], _unit_names(method, by, conv_by), center, stacked, rng)
    size = sum(tensor.numel() for tensor in tensors.values())
    if stacked:
        members = {len(tensor) if tensor.ndim else 0 for tensor in tensors.values()}
        if len(members) > 1:
            raise ValueError(f"parameters have {sorted(members)} members; allowed with stacked: as many each")
        size //= members.pop()

    def path():
        for value in values:
            results = [result for cut in cuts for result in cut.cut(**{name: value})]
            yield _copied(model, tensors, names, results), _remaining(tensors, names, results, size, stacked)

    return path()


def _tensors(model: "torch.nn.Module | Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    import torch

    if isinstance(model, torch.nn.Module):
        return {name: parameter.detach() for name, parameter in model.named_parameters()}
    if not isinstance(model, Mapping) or not all(isinstance(v, torch.Tensor) for v in model.values()):
        raise ValueError(f"model is a {type(model).__name__}; allowed: a torch module, or a mapping to tensors")
    return dict(model)


def _chosen(tensors: dict, layers: Iterable[str | int] | None, exclude_last: bool, stacked: bool) -> list[str]:
    """Names of the weights to prune, in the order of the network."""
    weights = [name for name, tensor in tensors.items() if tensor.ndim >= 2 + stacked]
    picked = set(weights)
    if layers is not None:
        layers = [layers] if isinstance(layers, str | int) else list(layers)
        n = len(weights)
        picked = {weights[l] if isinstance(l, int | np.integer) and -n <= l < n else l for l in layers}
        if not picked <= set(weights):
            unknown = sorted(map(str, picked - set(weights)))
            raise ValueError(f"layers holds {unknown}; allowed: {weights} and positions among them")
    if exclude_last:
        picked -= set(weights[-1:])
    if not picked:
        raise ValueError(f"layers leaves nothing to prune; allowed: at least one of {weights}")
    return [name for name in weights if name in picked]


def _check_transposed(model: "torch.nn.Module | Mapping[str, torch.Tensor]", method: str, names: list[str]) -> None:
    """Transposed convolutions store (in, out, *kernel): their rows and columns would be taken for each other."""
    import torch
    from torch.nn.modules.conv import _ConvTransposeNd

    if isinstance(model, torch.nn.Module) and method in ("node", "random", "singular_value"):
        for name, module in model.named_modules():
            if isinstance(module, _ConvTransposeNd) and (weight := f"{name}.weight".lstrip(".")) in names:
                raise ValueError(f"layers holds {weight!r}, a transposed convolution; allowed: {method!r} of others")


def _targets(*given: Iterable[float] | None) -> tuple[str, list[float]]:
    names = ("ratio", "error", "energy")
    found = [(name, list(values)) for name, values in zip(names, given, strict=True) if values is not None]
    if len(found) != 1:
        raise ValueError(f"targets given: {[name for name, _ in found]}; allowed: exactly one of {', '.join(names)}")
    name, values = found[0]
    for value in values:
        if np.ndim(value) or not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; allowed: numbers in [0, 1]")
    return name, values


def _unit_names(method: str, by: str | None, conv_by: str | None) -> tuple[str, str]:
    """Units of matrices, and of convolutions."""
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; allowed: {', '.join(map(repr, METHODS))}")
    if method not in ("node", "random"):
        if by is not None or conv_by is not None:
            raise ValueError(f"by and conv_by are {by!r} and {conv_by!r}; allowed for method {method!r}: None")
        return "entry", "entry"
    by = by or ("input" if method == "node" else "entry")
    allowed = UNITS[1:] if method == "node" else UNITS
    for name, value in (("by", by), ("conv_by", conv_by or by)):
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}; allowed: {', '.join(map(repr, allowed))}")
    return by, conv_by or by


def _prepared(method: str, weights: list, by: tuple[str, str], center: bool, stacked: bool, rng) -> list:
    """What has a method `cut`: one for each weight, or one for all of them."""
    if (method == "random") != isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng}; allowed: a np.random.Generator for method 'random', None for the others")
    if method == "singular_value":
        return [LowRank(weight, center, stacked) for weight in weights]
    if method == "global_magnitude":
        return [Units(weights, "entry", center, stacked)]
    return [Units([weight], by[weight.ndim > 2 + stacked], center, stacked, rng=rng) for weight in weights]


def _copied(
    model: "torch.nn.Module | Mapping[str, torch.Tensor]", tensors: dict, names: list[str], results: list[Pruned]
):
    """A copy of the model with other weights: what deepcopy finds in its memo, it takes instead of copying."""
    import torch

    if not isinstance(model, torch.nn.Module):
        new = {name: result.weight for name, result in zip(names, results, strict=True)}
        return {name: new[name] if name in new else tensor.clone() for name, tensor in tensors.items()}
    parameters = dict(model.named_parameters())
    memo = {}
    for name, result in zip(names, results, strict=True):
        old = parameters[name]
        memo[id(old)] = torch.nn.Parameter(result.weight.contiguous(), requires_grad=old.requires_grad)
    return copy.deepcopy(model, memo)


def _remaining(tensors: dict, names: list[str], results: list[Pruned], size: int, stacked: bool) -> Remaining:
    layers = []
    for name, result in zip(names, results, strict=True):
        dense = tensors[name].numel() // (len(tensors[name]) if stacked else 1)
        layers.append(LayerCount(name, dense, result.stored, result.removed, result.error))
    return Remaining(tuple(layers), size)
