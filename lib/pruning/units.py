"""Pruning of units: single entries, inputs, outputs or kernels; the smallest first, or at random."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lib.pruning.weights import Pruned, Weight, ascending, centred, counts, norm, relative_error, scale_of

if TYPE_CHECKING:
    import torch

UNITS = ("entry", "input", "output", "kernel")


def magnitude(
    weight: ArrayLike,
    ratio: float | None = None,
    error: float | None = None,
    center: bool = False,
    *,
    energy: float | None = None,
    stacked: bool = False,
) -> Pruned:
    r"""The weight without its smallest entries.

    Give one target. ratio q: $\lfloor qn\rfloor$ of n entries go, the first of equal ones first. error
    $\epsilon$: as many as the relative error allows, $\|\hat W-W\|_F\le\epsilon\|W\|_F$. energy $\rho$: the same for
    squares, $\epsilon=\sqrt\rho$.
    center: sizes count from the median m of all entries, and targets from $\|W-m\|$. Entries that go become m and
    not 0, and m is one more number to store.
    weight: array or tensor of any shape; stacked: its first axis is that of members, each pruned by itself.
    Raises ValueError on values out of range. Barsbey et al. 2021, arXiv:2106.03795.
    """
    return Units([weight], "entry", center, stacked).cut(ratio=ratio, error=error, energy=energy)[0]


def global_magnitude(
    weights: Sequence[ArrayLike],
    ratio: float | None = None,
    error: float | None = None,
    center: bool = False,
    *,
    energy: float | None = None,
    stacked: bool = False,
) -> list[Pruned]:
    """Several weights without the smallest entries of them all: `magnitude` with one threshold.

    center: each weight is centred by its own median. Returns one `Pruned` a weight.
    Raises ValueError on values out of range. Barsbey et al. 2021, arXiv:2106.03795.
    """
    return Units(list(weights), "entry", center, stacked).cut(ratio=ratio, error=error, energy=energy)


def node(
    weight: ArrayLike,
    ratio: float | None = None,
    error: float | None = None,
    center: bool = False,
    *,
    energy: float | None = None,
    by: str = "input",
    stacked: bool = False,
) -> Pruned:
    r"""The weight without its units of smallest Euclidean norm.

    by "input": the columns of a matrix (out, in), each all the weights that leave one input; "output": its rows,
    each all that enter one hidden unit. Of a convolution (out, in, *kernel): its input channels, and its filters;
    "kernel": each of its out * in kernels.
    Targets as for `magnitude`, units in place of entries: energy $\rho$ removes the largest m with
    $\sum_{i\le m}\|w_{(i)}\|^2\le\rho\sum_i\|w_i\|^2$, norms ascending; error has $\rho=\epsilon^2$.
    center: norms are those of $w_i-m$, m the median of the units coordinate by coordinate. Units that go become m
    and not 0, and m must be stored. stacked: as for `magnitude`. What other layers save by it is not counted.
    Raises ValueError on values out of range.
    Barsbey et al. 2021, arXiv:2106.03795 (input, kernel, centred); Wan et al. 2023, arXiv:2306.08125 (output, energy).
    """
    if by == "entry":
        raise ValueError("by is 'entry'; allowed: 'input', 'output' or 'kernel'; single entries go by magnitude")
    return Units([weight], by, center, stacked).cut(ratio=ratio, error=error, energy=energy)[0]


def random(
    weight: ArrayLike,
    ratio: float,
    center: bool = False,
    *,
    by: str = "entry",
    stacked: bool = False,
    rng: np.random.Generator,
) -> Pruned:
    """The weight without units chosen at random, whatever their size: a control for the other methods.

    by: "entry", or as for `node`; ratio, center and stacked: as for `magnitude`. Members draw by themselves.
    Raises ValueError on values out of range.
    """
    return Units([weight], by, center, stacked, rng=_checked_rng(rng)).cut(ratio=ratio)[0]


class Units:
    """Units of one or more weights, in the order in which they go; sorted once, cut as often as one likes."""

    def __init__(
        self, weights: list[ArrayLike], by: str, center: bool, stacked: bool, *, rng: np.random.Generator | None = None
    ):
        import torch

        if not weights:
            raise ValueError("weights is empty; allowed: at least one weight")
        if by not in UNITS:
            raise ValueError(f"by is {by!r}; allowed: {', '.join(map(repr, UNITS))}")
        least = {"entry": 1, "kernel": 3}.get(by, 2)
        self.weights = [Weight(weight, stacked, least) for weight in weights]
        self.by = by
        self.rows = [_to_rows(weight.values, by) for weight in self.weights]
        if len({(len(row), row.device) for row in self.rows}) > 1:
            raise ValueError("weights differ in their members or devices; allowed: as many members on one device")
        self.splits = [row.shape[1] for row in self.rows]
        rows, self.medians = zip(*(centred(row, center) for row in self.rows), strict=True)
        if by == "entry":  # single precision is enough to order its own numbers
            sizes = [row[..., 0].abs() for row in rows]
            self.sizes = torch.cat([size.float() if size.itemsize < 4 else size for size in sizes], 1)
            scale = scale_of(self.sizes, 1)
        else:  # squared norms, over the square of a scale
            scale = scale_of(rows[0], (1, 2))
            self.sizes = (rows[0] / scale).square().sum(2)
        # Units go in the order of their keys: `ranked` holds the keys in that order, `sums` what they take with them.
        self.keys = self.sizes if rng is None else _drawn(self.sizes, rng)
        self.ranked = ascending(self.keys)
        in_order = self.ranked if rng is None else torch.empty_like(self.sizes).scatter_(1, self.keys, self.sizes)
        self.scale, squares = scale.reshape(-1).cpu().numpy(), in_order.cpu().numpy().astype(np.float64)
        if by == "entry":
            np.square(np.divide(squares, self.scale[:, None], out=squares), out=squares)
        self.sums = np.cumsum(squares, axis=1, out=squares)
        alone = len(self.rows) == 1 and not center
        self.norms = [self.scale * np.sqrt(self.sums[:, -1])] if alone else [norm(row, (1, 2)) for row in self.rows]
        # Entries that become 0 on either side of one threshold: torch has a fast function for it.
        self.shrinks = alone and by == "entry" and rng is None and self.rows[0].itemsize >= 4

    def cut(self, **target: float | None) -> list[Pruned]:
        """The weights without as many units as the target (ratio, error or energy) says."""
        import torch

        removed = counts(target, self.sizes.shape[1], self.sums)
        last = torch.as_tensor(removed, device=self.keys.device)[:, None] - 1
        edge = torch.where(last < 0, -1, self.ranked.gather(1, last.clamp(min=0)))
        after = self.ranked.gather(1, (last + 1).clamp(max=self.ranked.shape[1] - 1))
        tied = ((last >= 0) & (last + 1 < self.ranked.shape[1]) & (after == edge))[:, 0]
        if self.shrinks and not tied.any():
            rows = zip(self.rows[0], edge[:, 0].tolist(), strict=True)
            values = torch.stack([torch.nn.functional.hardshrink(row, size) for row, size in rows])
            return [self._result(0, values, removed, None)]
        gone = self.keys <= edge
        for member in tied.nonzero()[:, 0].tolist():
            gone[member] = self._with_ties(self.keys[member], edge[member], int(removed[member]))
        results = []
        for i, part in enumerate(gone.split(self.splits, 1)):
            row, middle = self.rows[i], self.medians[i]
            fill = torch.zeros((), dtype=row.dtype, device=row.device) if middle is None else middle.to(row.dtype)
            count = removed if len(self.rows) == 1 else part.sum(1).cpu().numpy()
            results.append(self._result(i, torch.where(part[..., None], fill, row), count, part))
        return results

    def _with_ties(self, keys: "torch.Tensor", edge: "torch.Tensor", count: int) -> "torch.Tensor":
        """Which units of one member are the `count` first; of those at the edge the first go first."""
        below, equal = keys < edge, keys == edge
        return below | (equal & (equal.cumsum(0) <= count - below.sum()))

    def _result(self, i: int, rows: "torch.Tensor", count: np.ndarray, gone: "torch.Tensor | None") -> Pruned:
        weight, units, dim = self.weights[i], *self.rows[i].shape[1:]
        values = _from_rows(rows, weight.values.shape, self.by)
        stored = (units - count) * dim + (0 if self.medians[i] is None else dim)
        return weight.pruned(values, count, stored, self._error(i, gone, count))

    def _error(self, i: int, gone: "torch.Tensor | None", count: np.ndarray) -> np.ndarray:
        """The norm of what left weight i, over its own."""
        if len(self.rows) == 1:  # the cumulative sums know
            return relative_error(self.scale, self.sums, count, self.norms[i])
        lost = norm(self.sizes.split(self.splits, 1)[i] * gone, 1)
        return np.divide(lost, self.norms[i], out=np.zeros_like(lost), where=self.norms[i] > 0)


def _to_rows(values: "torch.Tensor", by: str) -> "torch.Tensor":
    """Weights (members, out, in, *kernel) as units (members, units, numbers of each)."""
    if by == "entry":
        return values.reshape(len(values), -1, 1)
    if by == "kernel":
        return values.reshape(len(values), values.shape[1] * values.shape[2], -1)
    return (values.transpose(1, 2) if by == "input" else values).flatten(2)


def _from_rows(rows: "torch.Tensor", shape: "torch.Size", by: str) -> "torch.Tensor":
    if by != "input":
        return rows.reshape(shape)
    return rows.reshape(shape[0], shape[2], shape[1], *shape[3:]).transpose(1, 2)


def _drawn(sizes: "torch.Tensor", rng: np.random.Generator) -> "torch.Tensor":
    """A random order of the units for each member."""
    import torch

    draws = rng.permuted(np.tile(np.arange(sizes.shape[1]), (len(sizes), 1)), axis=1)
    return torch.as_tensor(draws, device=sizes.device)


def _checked_rng(rng: np.random.Generator | None) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng}; allowed for random pruning: a np.random.Generator")
    return rng
