"""What pruned networks still do, against what is left of them; and what positions of kept entries cost.

curves = pruning_curves.accuracy(build(generator), trained.weights, "magnitude", x_test, y_test, ratios=[0.5, 0.9])
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from lib import ensemble, pruning

if TYPE_CHECKING:
    import pandas as pd
    import torch


def accuracy(
    module: "torch.nn.Module",
    weights: "Mapping[str, torch.Tensor]",
    method: str,
    inputs: ArrayLike,
    labels: ArrayLike,
    *,
    ratios: Iterable[float] | None = None,
    errors: Iterable[float] | None = None,
    energies: Iterable[float] | None = None,
    **options,
) -> "pd.DataFrame":
    """Loss and accuracy of networks after pruning to many targets, without training them further.

    module: a network of the shape. weights: {name: (members, ...)} with finite entries, such as those of
    `training.train_grid`. method, targets and options: as for `pruning.prune_path`, without stacked. inputs (N, d) and
    labels (N,): the data on which the pruned networks are evaluated.
    Returns a row for each target and member, targets slowest: member, the target ("ratio", "error" or "energy"),
    remaining (share of the numbers of the network still stored), stored (their count), change (relative error of the
    pruned weights, mean over the pruned layers), loss, and accuracy, a share.
    Raises ValueError on values out of range. Used in: notebooks/14_pruning.
    Barsbey et al. 2021, arXiv:2106.03795; evaluation there is on the test set, without fine-tuning.
    """
    import pandas as pd
    import torch

    given = {"ratio": ratios, "error": errors, "energy": energies}
    given = {name: list(values) for name, values in given.items() if values is not None}
    if len(given) != 1:
        raise ValueError(f"targets given: {list(given)}; allowed: exactly one of ratios, errors, energies")
    (name, values), model = *given.items(), ensemble.of(module)
    like = next(iter(weights.values()))
    inputs = torch.as_tensor(np.asarray(inputs)).to(like)
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64, device=like.device)
    if inputs.ndim != 2 or len(inputs) == 0 or labels.shape != inputs.shape[:1]:
        shapes = tuple(inputs.shape), tuple(labels.shape)
        raise ValueError(f"inputs and labels have shapes {shapes}; allowed: (N, d) and (N,), N >= 1")
    targets = {"ratio": "ratios", "error": "errors", "energy": "energies"}[name]
    path = pruning.prune_path(weights, method, **{targets: values}, stacked=True, **options)
    pieces = []
    for value, (pruned, left) in zip(values, path, strict=True):
        loss, right = ensemble.evaluate(model, pruned, inputs, labels)
        change = np.mean([layer.error for layer in left.layers], axis=0)
        columns = {"remaining": left.remaining, "stored": left.stored, "change": change, "loss": loss}
        pieces.append(pd.DataFrame({"member": range(len(like)), name: value} | columns | {"accuracy": right}))
    return pd.concat(pieces, ignore_index=True)


def position_bits(n: ArrayLike, kept: ArrayLike) -> float | np.ndarray:
    r"""Bits that it takes at least to say which of n entries were kept: $\log_2\binom nk$.

    No code for all choices of k among n entries has fewer bits on average; a bitmap has n.
    n, kept: whole numbers with 0 <= kept <= n, which broadcast. Returns float64.
    Raises ValueError on values out of range. Derived in: notebooks/14_pruning.
    """
    n, kept = np.asarray(n), np.asarray(kept)
    whole = np.issubdtype(n.dtype, np.integer) and np.issubdtype(kept.dtype, np.integer)
    if not whole or np.any(kept < 0) or np.any(kept > n):
        raise ValueError(f"n and kept are {n} and {kept}; allowed: whole numbers with 0 <= kept <= n")
    bits = (gammaln(n + 1.0) - gammaln(kept + 1.0) - gammaln(n - kept + 1.0)) / np.log(2)
    bits = np.maximum(bits, 0.0)  # a choice of none or all is no news, whatever rounding says
    return bits.item() if bits.ndim == 0 else bits
