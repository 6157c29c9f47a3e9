"""Weights as the pruning methods take and return them: arrays or tensors, alone or stacked over members."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lib.compressibility import count_removable, energy_of, power_of_two

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pruned:
    r"""A pruned weight and what it took.

    weight: as given: NumPy array or tensor, of the same shape, dtype and device. removed: units taken away (entries,
    singular values, or nodes). stored: numbers that the weight still needs, medians included, never more than its
    entries. error: $\|\hat W-W\|_F/\|W\|_F$. The last three are numbers, or arrays (members,) for stacked weights.
    """

    weight: "np.ndarray | torch.Tensor"
    removed: int | np.ndarray
    stored: int | np.ndarray
    error: float | np.ndarray


class Weight:
    """One weight, or several stacked on the first axis, as a tensor (members, *shape)."""

    def __init__(self, weight: "ArrayLike | torch.Tensor", stacked: bool, least: int = 1):
        import torch

        self.numpy = not isinstance(weight, torch.Tensor)
        values = torch.from_numpy(np.array(weight)) if self.numpy else weight.detach()
        if not values.is_floating_point():
            values = values.to(torch.float64)
        if values.ndim < least + stacked or values.numel() == 0:
            axes = f"at least {least + stacked} axes" + (", the members first," if stacked else "")
            raise ValueError(f"weight has shape {tuple(values.shape)}; allowed: {axes} and at least one entry")
        if not torch.isfinite(values.abs().amax()):  # nan is the largest of all
            raise ValueError("weight has entries that are not finite; allowed: finite numbers")
        self.stacked = stacked
        self.values = values if stacked else values[None]
        self.size = self.values[0].numel()

    def pruned(self, values: "torch.Tensor", removed: np.ndarray, stored: np.ndarray, error: np.ndarray) -> Pruned:
        """The result for the user, from tensors and arrays with a first axis of members."""
        values = values.to(self.values.dtype).reshape(self.values.shape)
        results = [values, removed, np.minimum(stored, self.size), error]
        if not self.stacked:
            results = [results[0][0], *(result[0].item() for result in results[1:])]
        if self.numpy:
            results[0] = results[0].numpy()
        return Pruned(*results)


def counts(target: dict[str, float | None], n_units: int, sums: np.ndarray) -> np.ndarray:
    """Units to remove (members,), from the one of ratio, error and energy that is given; sums as in `removable`.

    Raises ValueError unless exactly one is given, a number in [0, 1].
    """
    given = {name: value for name, value in target.items() if value is not None}
    if len(given) != 1:
        raise ValueError(f"{', '.join(target)} are {list(target.values())}; allowed: exactly one is not None")
    if "ratio" in given:
        # 0.29 of 100 is 29, although the product of the two floats is less.
        count = share_of(given["ratio"], n_units)
        return np.full(len(sums), count)
    return count_removable(sums, energy_of(given.get("error"), given.get("energy")))


def share_of(ratio: float, n_units: int) -> int:
    """The whole part of ratio times n_units, for the decimal number that is meant."""
    if np.ndim(ratio) or not 0 <= ratio <= 1:
        raise ValueError(f"ratio is {ratio}; allowed: a number in [0, 1]")
    return min(int(np.floor(ratio * n_units + 1e-12 * n_units)), n_units)


def ascending(values: "torch.Tensor") -> "torch.Tensor":
    """Sorted along the last axis; by NumPy on the CPU, which is several times faster at it."""
    import torch

    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(dim=-1).values


def median(values: "torch.Tensor", axis: int) -> "torch.Tensor":
    """Median along an axis, which stays with length one; the mean of the middle two where the number is even."""
    ranked = ascending(values.movedim(axis, -1).contiguous())
    n = ranked.shape[-1]
    return ((ranked[..., (n - 1) // 2] + ranked[..., n // 2]) / 2).unsqueeze(axis)


def centred(values: "torch.Tensor", center: bool) -> "tuple[torch.Tensor, torch.Tensor | None]":
    """Values (members, rows, columns) less the median of each column, and the medians; or as they are, and None."""
    if not center:
        return values, None
    middle = median(values.double(), 1)
    return values.double() - middle, middle


def scale_of(values: "torch.Tensor", axes: int | tuple[int, ...]) -> "torch.Tensor":
    """A power of two no less than the largest size along axes, which stay with length one: see `power_of_two`."""
    import torch

    largest = values.abs().amax(axes, keepdim=True)
    return torch.as_tensor(power_of_two(largest.double().cpu().numpy()), device=values.device)


def norm(values: "torch.Tensor", axes: int | tuple[int, ...]) -> np.ndarray:
    """Euclidean norm in float64 over some axes; squares of heavy tails do not overflow."""
    scale = scale_of(values, axes)
    return ((values / scale).square().sum(axes, keepdim=True).sqrt() * scale).sum(axes).cpu().numpy()


def relative_error(scale: np.ndarray, sums: np.ndarray, removed: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Norm of what the first `removed` units (members,) take with them, over that of the weight.

    sums: (members, units), cumulative squares over the square of scale (members,).
    """
    lost = np.take_along_axis(sums, np.maximum(removed - 1, 0)[:, None], 1)[:, 0] * (removed > 0)
    return np.divide(scale * np.sqrt(lost), norms, out=np.zeros_like(lost), where=norms > 0)
