"""Pruning of singular values."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lib.pruning.weights import Pruned, Weight, centred, counts, norm, relative_error, scale_of

if TYPE_CHECKING:
    import torch


def singular_value(
    weight: ArrayLike,
    ratio: float | None = None,
    error: float | None = None,
    center: bool = False,
    *,
    energy: float | None = None,
    stacked: bool = False,
) -> Pruned:
    r"""The weight without its smallest singular values, the nearest matrix of its rank.

    A convolution (out, in, *kernel) counts as a matrix (out, in * kernel). Targets as for `magnitude`: of
    $L=\min(\mathrm{rows},\mathrm{columns})$ singular values $\lfloor qL\rfloor$ go, or as many of the smallest as leave
    $\sum s^2\le\epsilon^2\|W\|_F^2$.
    stored: the two factors, rank * (rows + columns), or the entries of the matrix where these are fewer: ratios above
    that of `break_even_rank` alone save anything.
    center: what is cut is the matrix less the median of each column. Columns get it back, and their medians are stored.
    stacked: as for `magnitude`. Raises ValueError on values out of range.
    Barsbey et al. 2021, arXiv:2106.03795.
    """
    return LowRank(weight, center, stacked).cut(ratio=ratio, error=error, energy=energy)[0]


def break_even_rank(rows: int, columns: int) -> int:
    r"""Largest rank at which two factors hold no more numbers than the matrix: $\lfloor rc/(r+c)\rfloor$.

    Raises ValueError unless rows and columns are at least 1.
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"rows and columns are {rows} and {columns}; allowed: at least 1")
    return rows * columns // (rows + columns)


class LowRank:
    """Singular values and vectors of one weight, decomposed once, cut as often as one likes."""

    def __init__(self, weight: ArrayLike, center: bool, stacked: bool):
        import torch

        self.weight = Weight(weight, stacked, 2)
        matrix = self.weight.values.flatten(2).double()
        self.norms = norm(matrix, (1, 2))
        self.shape = tuple(matrix.shape[1:])
        matrix, self.medians = centred(matrix, center)
        self.wide = self.shape[0] < self.shape[1]
        self.matrix = matrix.mT if self.wide else matrix  # the decomposition of a tall matrix is the faster one
        scale = scale_of(self.matrix, (1, 2))
        left, values, self.right = torch.linalg.svd(self.matrix / scale, full_matrices=False)
        self.left = left * (values * scale[..., 0])[:, None]
        self.scale = scale.reshape(-1).cpu().numpy()
        self.sums = np.cumsum(values.flip(1).square().cpu().numpy(), axis=1)

    def cut(self, **target: float | None) -> list[Pruned]:
        """The weight without as many singular values as the target (ratio, error or energy) says."""
        import torch

        length = self.sums.shape[1]
        removed = counts(target, length, self.sums)
        values = torch.stack([self._without(i, int(count)) for i, count in enumerate(removed)])
        values = values.mT if self.wide else values
        stored = (length - removed) * sum(self.shape)
        if self.medians is not None:
            values, stored = values + self.medians, stored + self.shape[1]
        error = relative_error(self.scale, self.sums, removed, self.norms)
        unchanged = torch.as_tensor(removed == 0, device=values.device)[:, None, None]  # to the last bit
        values = torch.where(unchanged, self.weight.values.flatten(2), values)
        return [self.weight.pruned(values, removed, stored, error)]

    def _without(self, member: int, count: int) -> "torch.Tensor":
        """One member without its `count` smallest singular values, by the smaller of the two products."""
        left, right, matrix = self.left[member], self.right[member], self.matrix[member]
        rank = len(right) - count
        if count <= rank:
            return matrix - left[:, rank:] @ right[rank:]
        return left[:, :rank] @ right[:rank]
