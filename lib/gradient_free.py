"""Two optimisers that see no gradient: they only compare losses of copies of a network, many copies at once.

Both lower the weight-normalised loss of a two-class network, which no scaling of its weights changes, until it has no
training error. Chiang et al. 2023 (Loss landscapes are all you need).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lib.decisions import Weights, checked, decisions
from lib.margins import margins, weight_norms

# A search whose moves were halved so often has ended where it is.
HALVINGS = 20


@dataclass(frozen=True, eq=False)
class Descent:
    """What an optimiser came to.

    weights: {name: (1, ...)}. losses (rounds + 1,): the loss before the first round and after each, which never grows.
    accuracies (rounds + 1,): on the training set. radii (rounds,): the size of the moves tried. fits: whether the last
    network has no training error.
    """

    weights: dict[str, torch.Tensor]
    losses: np.ndarray
    accuracies: np.ndarray
    radii: np.ndarray

    @property
    def fits(self) -> bool:
        return bool(self.accuracies[-1] == 1)


def pattern_search(
    network: nn.Module,
    weights: Weights,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    radius: float = 1.0,
    n_copies: int = 128,
    max_rounds: int = 10_000,
    rng: np.random.Generator,
) -> Descent:
    """Move one number of the network at a time, by plus or minus r, whenever the loss falls.

    All moves (a number, a sign) come in a random order. Each round tries the next n_copies of them and takes the best
    if it is better. After all were tried r is halved, and there is a new order.
    network: the shape, as for `decisions.Decisions`; weights: one network, {name: (1, ...)}, with biases if these are
    to move. inputs (n, d) and labels (n,) of 0 and 1: tensors. It stops at the first network without training error,
    d = 0 counting as class 0, when r was halved 20 times, and after max_rounds.
    Raises ValueError on values out of range.
    """

    def proposals() -> Iterator[tuple[torch.Tensor, float]]:
        r = radius
        while r >= radius * 2.0**-HALVINGS:
            moves = rng.permutation(2 * len(state.flat))
            for start in range(0, len(moves), n_copies):
                index, sign = np.divmod(moves[start : start + n_copies], 2)
                copies = state.flat.repeat(len(index), 1)
                steps = torch.from_numpy(r * (2.0 * sign - 1)).to(copies)
                copies[torch.arange(len(index)), torch.from_numpy(index)] += steps
                yield copies, r
            r /= 2

    state = _State(network, weights, inputs, labels, radius, n_copies, max_rounds, rng)
    return state.descend(proposals())


def greedy_random(
    network: nn.Module,
    weights: Weights,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    radius: float = 1.0,
    n_copies: int = 128,
    patience: int = 100,
    max_rounds: int = 10_000,
    rng: np.random.Generator,
) -> Descent:
    """Move all numbers of the network at once, by normal noise of standard deviation r, whenever the loss falls.

    Each round tries n_copies noises and takes the best if it is better. After `patience` rounds in a row without
    progress r is halved. Arguments, end and errors as for `pattern_search`.
    """
    if isinstance(patience, bool) or not hasattr(patience, "__index__") or patience < 1:
        raise ValueError(f"patience is {patience!r}; allowed: an integer >= 1")

    def proposals() -> Iterator[tuple[torch.Tensor, float]]:
        r, failed = radius, 0
        while r >= radius * 2.0**-HALVINGS:
            noise = rng.standard_normal((n_copies, len(state.flat)), np.float32)
            before = state.losses[-1]
            yield state.flat + torch.from_numpy(noise).to(state.flat) * r, r
            failed = failed + 1 if state.losses[-1] == before else 0
            if failed == patience:
                r, failed = r / 2, 0

    state = _State(network, weights, inputs, labels, radius, n_copies, max_rounds, rng)
    return state.descend(proposals())


class _State:
    """The current network as one row of numbers, its loss, and the history."""

    def __init__(self, network, weights, inputs, labels, radius, n_copies, max_rounds, rng) -> None:
        if not (np.isfinite(radius) and radius > 0):
            raise ValueError(f"radius is {radius}; allowed: a finite number > 0")
        for name, value in (("n_copies", n_copies), ("max_rounds", max_rounds)):
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"{name} is {value!r}; allowed: an integer >= 1")
        if not isinstance(rng, np.random.Generator):
            raise ValueError(f"rng is {type(rng).__name__}; allowed: a numpy.random.Generator")
        self.network, self.inputs, self.labels, self.max_rounds = network, inputs, labels, max_rounds
        weights = checked(network, weights)
        self.shapes = {name: weight.shape[1:] for name, weight in weights.items()}
        rows = torch.cat([weight.flatten(1) for weight in weights.values()], 1)
        if len(rows) != 1:
            raise ValueError(f"weights has {len(rows)} networks; allowed: one")
        losses, accuracies = self._measure(rows)
        self.flat, self.losses, self.accuracies = rows[0], [losses[0].item()], [accuracies[0].item()]

    def descend(self, proposals: Iterator[tuple[torch.Tensor, float]]) -> Descent:
        radii: list[float] = []
        while self.accuracies[-1] < 1 and len(radii) < self.max_rounds:
            copies, radius = next(proposals, (None, None))
            if copies is None:
                break
            losses, accuracies = self._measure(copies)
            best = int(losses.argmin())
            better = losses[best].item() < self.losses[-1]
            if better:
                self.flat = copies[best]
            self.losses.append(losses[best].item() if better else self.losses[-1])
            self.accuracies.append(accuracies[best].item() if better else self.accuracies[-1])
            radii.append(radius)
        weights = self._weights(self.flat[None])
        return Descent(weights, np.array(self.losses), np.array(self.accuracies), np.array(radii))

    def _weights(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = rows.split([shape.numel() for shape in self.shapes.values()], 1)
        return {name: part.unflatten(1, shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}

    def _measure(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses and accuracies of networks (networks, size)."""
        weights = self._weights(rows)
        d = decisions(self.network, weights, self.inputs)
        losses = functional.softplus(-margins(d, self.labels, weight_norms(self.network, weights))).mean(1)
        return losses, ((d > 0) == self.labels.bool()).double().mean(1)
