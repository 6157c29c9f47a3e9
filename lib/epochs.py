"""Training seen after every epoch: the networks of `training.train_grid`, and the norms of their gradients."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from lib import ensemble
from lib.linearized import chosen_device, float_type
from lib.training_run import Data, epoch_order


@dataclass(frozen=True, eq=False)
class Epoch:
    """What `run` yields after an epoch.

    number: epochs done. gradient_norms (members,) float64: the mean over the mini-batches of the epoch of the 2-norm of
    a network's gradient, biases left out; nan before the first epoch. weights: {name: (members, ...)}, which the next
    epoch overwrites.
    """

    number: int
    gradient_norms: np.ndarray
    weights: dict[str, torch.Tensor]


class _Recording(ensemble.Move):
    """Plain SGD that adds up the norms of gradients, without those of biases."""

    def start(self, weights: Sequence[torch.Tensor], names: Sequence[str] = ()) -> None:
        super().start(weights)
        self.counts = [not name.endswith("bias") for name in names]
        self.total = torch.zeros_like(self.settings[0])

    def note(self, slopes: torch.Tensor) -> None:
        self.squares = torch.zeros_like(self.total)  # every step begins here

    def along(self, l: int, weight: torch.Tensor, gradient: torch.Tensor) -> None:
        if self.counts[l]:
            self.squares += gradient.flatten(1).square().sum(1)
        if l == len(self.counts) - 1:
            self.total += self.squares.sqrt()
        super().along(l, weight, gradient)


def run(
    build: Callable[[torch.Generator], nn.Module],
    train: tuple[ArrayLike, ArrayLike],
    seeds: Sequence[int],
    n_epochs: int,
    *,
    learning_rate: float,
    batch_size: int,
    order_seed: int = 0,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Iterator[Epoch]:
    """Train networks of one shape together by plain SGD on the cross-entropy, and yield them before and after epochs.

    The batches are those of `training.train_grid` with this order_seed, shared by all networks, and so are the weights.
    build: makes a network with random weights of a torch.Generator, called with one of manual_seed(seed). train: inputs
    (N, d) and labels (N,). dtype: torch.float64 unless told, or float32. device: CUDA where there is one, unless told.
    Raises ValueError on values out of range. Peleg & Hein 2024, arXiv:2407.03848.
    """
    for name, value in (("n_epochs", n_epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name} is {value!r}; allowed: an integer >= 1")
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate is {learning_rate}; allowed: a finite number > 0")
    if not len(seeds):
        raise ValueError("seeds is empty; allowed: at least one")
    options = {"dtype": float_type(dtype), "device": chosen_device(device)}
    modules = [build(torch.Generator().manual_seed(int(seed))).to(**options) for seed in seeds]
    model = ensemble.Functional(modules[0])
    weights = list(ensemble.stack(modules).values())
    data = Data(train, None, model, weights)
    inputs, n = data.train[0], len(data.train[0])
    if batch_size > n:
        raise ValueError(f"batch_size is {batch_size}; allowed: at most {n}, the samples")
    rates = torch.full((len(modules),), float(learning_rate), **options)
    move = _Recording(rates, torch.zeros_like(rates), torch.zeros_like(rates))
    move.start(weights, model.names)
    named = dict(zip(model.names, weights, strict=True))
    yield Epoch(0, np.full(len(modules), np.nan), named)
    for epoch in range(n_epochs):
        move.total.zero_()
        order = torch.as_tensor(epoch_order(n, order_seed, epoch), device=inputs.device)
        batches = order.split(batch_size)
        for batch in batches:
            model.step(weights, inputs[batch], data.targets[batch], move)
        yield Epoch(epoch + 1, (move.total / len(batches)).double().cpu().numpy(), named)
