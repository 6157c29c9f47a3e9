"""Tail indices of the layers of a network, as a table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.tails import samples
from lib.tails.blocks import block_grid, block_indices, largest_pair_indices
from lib.tails.characteristic import by_quantiles, fit
from lib.tails.order_statistics import ALL, largest_logs

if TYPE_CHECKING:
    import pandas as pd
    import torch

    Weights = Sequence[np.ndarray] | Mapping[str, np.ndarray] | torch.nn.Module

AGGREGATES = ("median", "mean", "min")
ALTERNATIVES = (*ALL, "davydov_paulauskas")
LEAST = 5  # samples, below which there is no estimate


def layer_samples(model: "Weights") -> dict[str, np.ndarray]:
    r"""The weights of each layer as samples, one a row, that the estimators take for draws of one law.

    Of a linear layer (out, in) the rows are its units, with their incoming weights; of the last layer of the network,
    if it is linear, the hidden units, with their outgoing weights: (in, out), its transpose. Of a convolution
    (out, in, *kernel) they are the out times in kernels.
    model: a torch module; or its weights in order, as a sequence or a mapping of names, of tensors or arrays. A weight
    is a parameter with at least two axes, and the last layer is the last of them, whatever its shape.
    Returns float64 arrays by name. Raises ValueError without weights, or when one is not finite.
    Barsbey et al. 2021, arXiv:2106.03795.
    """
    named = _named(model)
    last = next(reversed(named))
    rows = {}
    for name, weight in named.items():
        weight = weight if weight.ndim > 2 else weight.T if name == last else weight
        rows[name] = np.ascontiguousarray(
            weight.reshape(-1, int(np.prod(weight.shape[2:]))) if weight.ndim > 2 else weight
        )
    return rows


def layer_indices(
    model: "Weights", *, permutations: int = 5, rng: np.random.Generator | None = None, aggregates: bool = True
) -> "pd.DataFrame":
    r"""Tail indices of the weights of each layer: a row a layer, a column an estimator, all capped at 2.

    From the rows A of `layer_samples`, less the median of each coordinate: "multivariate" is `block` of the rows;
    "norms" that of their Euclidean norms less the median norm; "independent" that of all entries, less their median.
    "norms_hill", "independent_hill" and so on take `hill`, `pickands`, `de_haan`, `dekkers` and `davydov_paulauskas` on
    the same numbers, for the median over the sizes of `block_grid`, taken as k; "independent_mcculloch" and
    "independent_ecf" are `mcculloch` and `ecf`. Norms are not symmetric around their median, so their column is a
    heuristic.

    model: as for `layer_samples`. permutations: `block` and `davydov_paulauskas` repeat for so many random orders, and
    the median is kept; 0 takes the order of the weights. rng: None is a generator with seed 0, so that a network has
    one table. An odd number of samples loses the last of each order. Layers with fewer than 5 samples, or constant
    ones, have nan. With aggregates, rows "median", "mean" and "min" over the layers follow.
    Raises ValueError on values out of range. Barsbey et al. 2021, arXiv:2106.03795.
    """
    import pandas as pd

    samples.checked_size(permutations, "permutations", 0, 10**6)
    rng = np.random.default_rng(0) if rng is None else rng
    rows = {name: _layer(weight, permutations, rng) for name, weight in layer_samples(model).items()}
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=np.float64).rename_axis(index="layer")
    return pd.concat([table, table.agg(list(AGGREGATES))]).rename_axis(index="layer") if aggregates else table


def _layer(weight: np.ndarray, permutations: int, rng: np.random.Generator) -> dict[str, float]:
    weight = samples.centered(weight, "median", axis=0)
    norms = np.linalg.norm(weight, axis=1)
    found = {"multivariate": _multivariate(weight, permutations, rng)}
    for name, values in (("norms", norms), ("independent", weight.reshape(-1))):
        values = samples.centered(values, "median")
        usable = len(values) >= LEAST and np.any(values)
        own, others = (
            _univariate(values, permutations, rng) if usable else (np.nan, dict.fromkeys(ALTERNATIVES, np.nan))
        )
        found[name] = own
        found |= {f"{name}_{other}": value for other, value in others.items()}
    start = by_quantiles(values) if usable else (np.nan,)
    found["independent_mcculloch"] = float(start[0])
    found["independent_ecf"] = float(start[0] if np.isnan(start[0]) else fit(values, start)[0])
    first = ["multivariate", "norms", "independent"]
    return {name: found[name] for name in [*first, *(n for n in found if n not in first)]}


def _multivariate(weight: np.ndarray, permutations: int, rng: np.random.Generator) -> float:
    if len(weight) < LEAST or not np.any(weight):
        return np.nan
    weight, grid = samples.scaled(weight, (-2, -1)), block_grid(len(weight))
    logs, drawn = samples.log_norms(weight), samples.orders(len(weight), permutations, rng)
    return float(samples.over_orders(lambda x: samples.over_sizes(block_indices(x, grid, logs)), weight, drawn, 0))


def _univariate(values: np.ndarray, permutations: int, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
    """The index by `block`, and those of the alternatives by name."""
    values, grid = samples.scaled(values, -1), block_grid(len(values))
    logs = samples.log_norms(values[:, None])

    def by_blocks(x):
        indices = block_indices(x[:, None], grid, logs), largest_pair_indices(x, grid)
        return np.array([samples.over_sizes(each) for each in indices])

    own, pairs = samples.over_orders(by_blocks, values, samples.orders(len(values), permutations, rng), 0)
    top = largest_logs(values, max(grid))
    ks = [k for k in grid if k < len(top) and top[k] > -np.inf]
    others = {
        n: float(samples.over_sizes([estimate(top, k) for k in ks])) if ks else np.nan for n, estimate in ALL.items()
    }
    return float(own), others | {"davydov_paulauskas": float(pairs)}


def _named(model: "Weights") -> dict[str, np.ndarray]:
    """The weights by name, in order, as float64 arrays."""
    if hasattr(model, "named_parameters"):
        items = [(name, p) for name, p in model.named_parameters() if p.ndim >= 2]
    elif isinstance(model, Mapping):
        items = [(str(name), w) for name, w in model.items() if np.ndim(w) >= 2]
    elif isinstance(model, Sequence):
        items = [(f"layer {l}", w) for l, w in enumerate(model)]
    else:
        raise ValueError(f"model is a {type(model).__name__}; allowed: a torch module, or its weights in order")
    arrays = {}
    for name, weight in items:
        weight = weight.detach().cpu().numpy() if hasattr(weight, "detach") else weight
        arrays[name] = np.asarray(weight, np.float64)
        if arrays[name].ndim < 2 or not arrays[name].size or not np.isfinite(arrays[name]).all():
            raise ValueError(f"model has {name} of shape {np.shape(weight)}; allowed: finite, with at least two axes")
    if not arrays:
        raise ValueError("model has no weights; allowed: at least one parameter with two axes")
    return arrays
