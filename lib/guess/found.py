"""What a search among random networks gives, kept in a file of plain arrays."""

import copy
import os
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib import ensemble
from lib.decisions import checked


@dataclass(frozen=True, eq=False)
class Found:
    """The accepted networks of a search, and how many were drawn.

    table: one row for each number of samples n, with draws, tested (networks: twice the draws with both signs),
    accepted (of all draws), ties (networks accepted under "class0" with d = 0 on a sample), probability of acceptance,
    its standard_error, bits = -log2 of it, bits_standard_error, and tie_rate = ties / accepted under "class0".
    weights: {n: {name: (networks, ...)}}, the first accepted in the order drawn, float32 on the CPU; biases are 0 and
    not there. numbers: {n: (networks,)}, the numbers of their draws.
    """

    table: pd.DataFrame
    weights: dict[int, dict[str, torch.Tensor]]
    numbers: dict[int, np.ndarray]

    def network(self, like: nn.Module, member: int, n: int | None = None) -> nn.Module:
        """A copy of a network of this shape, with the weights of one that was found.

        n: the number of samples, the largest unless told. Raises ValueError when there is no such member or n, or the
        shape is another.
        """
        n = max(self.weights) if n is None else n
        if n not in self.weights or not 0 <= member < len(self.numbers[n]):
            counts = {n: len(numbers) for n, numbers in self.numbers.items()}
            raise ValueError(f"member is {member}, n is {n}; allowed: n and members below {counts}")
        weights = checked(like, self.weights[n])
        for name, parameter in like.named_parameters():
            weights.setdefault(name, torch.zeros(len(self.numbers[n]), *parameter.shape))
        weights = {name: weight.to(like.get_parameter(name).dtype) for name, weight in weights.items()}
        return ensemble.unstack(copy.deepcopy(like), weights, member)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to an npz file of plain arrays."""
        arrays = {f"table/{name}": self.table[name].to_numpy() for name in self.table}
        for n, weights in self.weights.items():
            arrays |= {f"weights/{n}/{name}": weight.numpy() for name, weight in weights.items()}
            arrays[f"numbers/{n}"] = self.numbers[n]
        with open(path, "wb") as file:
            np.savez(file, **arrays)


def load(path: str | os.PathLike) -> Found:
    """What `Found.save` wrote; running no code of the file. Raises ValueError on a file of another kind."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} cannot be read: {error}; allowed: a file that Found.save wrote") from error
    columns, weights, numbers = {}, {}, {}
    for key, array in arrays.items():
        kind, _, rest = key.partition("/")
        if kind == "table":
            columns[rest] = array
        elif kind == "numbers":
            numbers[int(rest)] = array
            weights.setdefault(int(rest), {})
        elif kind == "weights":
            n, _, name = rest.partition("/")
            weights.setdefault(int(n), {})[name] = torch.from_numpy(array)
    if not columns or set(weights) != set(numbers):
        raise ValueError(f"{path} has arrays {list(arrays)}; allowed: a file that Found.save wrote")
    return Found(pd.DataFrame(columns), weights, numbers)
