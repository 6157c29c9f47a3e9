"""One ensemble at work for `lib.training`: steps, evaluations, averages, and members that leave when they finish."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from lib.ensemble import Dense, Functional, Move, evaluate
from lib.noise import NONE, Streams
from lib.stopping import DIVERGED, RUNNING, Rule, Watch

STREAMS = ("noise", "tail_index", "noise_scale", "learning_rate", "seed")  # the columns that `Streams` takes
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


def epoch_order(n_samples: int, order_seed: int, epoch: int) -> np.ndarray:
    """The order (n_samples,) of the samples in an epoch; batches of any size are consecutive pieces of it."""
    sequence = np.random.SeedSequence(int(order_seed), spawn_key=(0, int(epoch)))
    return np.random.default_rng(sequence).permutation(n_samples)


class Data:
    """Training and test set as tensors: inputs (N, d), labels (N,), and one-hot targets (N, n_classes).

    test: may be None. model and weights: an ensemble, whose outputs tell the number of classes.
    Raises ValueError on shapes that do not fit, labels out of range, or inputs that are not finite.
    """

    def __init__(
        self,
        train: tuple[ArrayLike, ArrayLike],
        test: tuple[ArrayLike, ArrayLike] | None,
        model: Dense | Functional,
        weights: Sequence[torch.Tensor],
    ) -> None:
        like = weights[0]
        self.train = _tensors("train", train, like)
        self.test = None if test is None else _tensors("test", test, like)
        if self.test and self.test[0].shape[1] != self.train[0].shape[1]:
            raise ValueError(f"test has inputs of {self.test[0].shape[1]}; allowed: {self.train[0].shape[1]}")
        try:
            with torch.no_grad():
                n_classes = model.logits([weight[:1] for weight in weights], self.train[0][:1]).shape[-1]
        except RuntimeError as error:
            raise ValueError(f"train has inputs of {self.train[0].shape[1]}, and the network fails: {error}") from error
        for name, part in (("train", self.train), ("test", self.test)):
            if part and part[1].max() >= n_classes:
                raise ValueError(f"{name} has the label {int(part[1].max())}; allowed: 0 to {n_classes - 1}")
        self.targets = torch.eye(n_classes, dtype=like.dtype, device=like.device)[self.train[1]]

    @property
    def sets(self) -> list[tuple[torch.Tensor, torch.Tensor] | None]:
        """Training and test set."""
        return [self.train, self.test]


class Run:
    """Members of one batch size, all after the same number of steps t; before the first call of `step`, t is -1.

    weights: list of (members, ...), overwritten. rows: their settings, a table as `lib.training.train_grid` makes it.
    noise: keyword arguments of `Streams`.
    """

    def __init__(
        self,
        model: Dense | Functional,
        weights: list[torch.Tensor],
        data: Data,
        rows: pd.DataFrame,
        rule: Rule,
        every: int,
        noise: Mapping[str, str],
    ) -> None:
        self.model, self.weights, self.data, self.every = model, weights, data, every
        self.t, self.evaluated, self.median_loss = -1, False, np.inf
        members, like = len(rows), weights[0]
        settings = (rows[name].tolist() for name in ("learning_rate", "momentum", "weight_decay"))
        self._move = Move(*(torch.tensor(s, dtype=like.dtype, device=like.device) for s in settings))
        self._move.start(weights)
        columns = (rows[name].tolist() for name in STREAMS)
        self._streams = Streams(model.shapes, *columns, device=like.device, **noise)
        self._watch = Watch(rule, ((rows["noise"] == NONE) & (rows["momentum"] == 0)).to_numpy())
        self._averages: list[torch.Tensor] | None = None
        self._alive = np.arange(members)
        self._batch_size, self._order_seeds = int(rows["batch_size"].iloc[0]), rows["order_seed"].to_numpy()
        self._epoch = -1
        self._history: list[np.ndarray] = []  # pieces (rows, 6): member, step, and the four metrics
        self._status = np.full(members, RUNNING)
        self._iterations = np.zeros(members, np.int64)
        self._metrics = np.full((members, 2, 4), np.nan)
        kept = [torch.full(weight.shape, torch.nan, dtype=weight.dtype) for weight in weights]
        self._final = kept
        self._averaged = [weight.clone() for weight in kept] if rule.n_average else None

    @property
    def n_running(self) -> int:
        """Members that train."""
        return len(self._alive)

    @property
    def n_finished(self) -> int:
        """Members that do not any more."""
        return len(self._status) - len(self._alive)

    def step(self) -> int:
        """One step of every running member, and what follows it; returns how many finished.

        The first call takes no step, but evaluates the networks as they are.
        """
        running = self.n_running
        self.t += 1
        if self.t:
            self.model.step(self.weights, *self._batch(), self._move)
        self._average()
        self._observe()
        if self.t and self.n_running:
            self._streams.add(self.weights)
        return running - self.n_running

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of step t, (b, ...) when all members share them, else (members, b, ...)."""
        inputs, _ = self.data.train
        per_epoch = -(-len(inputs) // self._batch_size)
        epoch, place = divmod(self.t - 1, per_epoch)
        if epoch != self._epoch:
            seeds, self._order_of = np.unique(self._order_seeds[self._alive], return_inverse=True)
            orders = np.stack([epoch_order(len(inputs), seed, epoch) for seed in seeds])
            self._orders, self._epoch = torch.as_tensor(orders, device=inputs.device), epoch
            self._order_of = torch.as_tensor(self._order_of, device=inputs.device)
        chosen = self._orders[:, place * self._batch_size : (place + 1) * self._batch_size]
        if len(chosen) == 1:
            return inputs[chosen[0]], self.data.targets[chosen[0]]
        return inputs[chosen][self._order_of], self.data.targets[chosen][self._order_of]

    def _average(self) -> None:
        shares = self._watch.shares(self.t)
        if shares is None:
            return
        if self._averages is None:
            self._averages = [torch.zeros_like(weight) for weight in self.weights]
        shares = torch.as_tensor(shares).to(self.weights[0])
        for average, weight in zip(self._averages, self.weights, strict=True):
            average.lerp_(weight, shares.reshape(-1, *[1] * (weight.ndim - 1)))

    def _observe(self) -> None:
        """Evaluate when it is time; take out the members that finish."""
        watch, rule = self._watch, self._watch.rule
        self.evaluated = self.t % self.every == 0 or self.t == rule.max_steps
        if self.evaluated:
            values = self._measure(self.weights)
            lost = self._move.lost.cpu().numpy()
            self._record(self._alive, values)
            watch.see(self.t, np.where(lost, np.inf, values[:, 0]), values[:, 1])
            self.median_loss = float(np.median(values[:, 0]))
        if not self.evaluated and self.t < watch.next_step:
            return
        status = watch.finished(self.t)
        ends = status != RUNNING
        if not ends.any():
            return
        members, local = self._alive[ends], torch.as_tensor(np.flatnonzero(ends), device=self.weights[0].device)
        self._status[members] = status[ends]
        self._iterations[members] = self.t - self._move.lost[local].cpu().numpy()
        final = [weight[local] for weight in self.weights]
        self._store(members, final, self._final, 0, values[ends] if self.evaluated else self._measure(final))
        if not self.evaluated:
            self._record(members, self._metrics[members, 0])
        averaged = ends & (status != DIVERGED) & (watch.burn_in < self.t)
        if self._averaged and averaged.any():
            local = torch.as_tensor(np.flatnonzero(averaged), device=self.weights[0].device)
            means = [average[local] for average in self._averages]
            self._store(self._alive[averaged], means, self._averaged, 1, self._measure(means))
        self._keep(np.flatnonzero(~ends))

    def _measure(self, weights: list[torch.Tensor]) -> np.ndarray:
        """Metrics (members, 4)."""
        nothing = np.full(len(weights[0]), np.nan)
        pairs = [(nothing, nothing) if s is None else evaluate(self.model, weights, *s) for s in self.data.sets]
        return np.column_stack([column for pair in pairs for column in pair])

    def _record(self, members: np.ndarray, values: np.ndarray) -> None:
        self._history.append(np.column_stack([members, np.full(len(members), self.t), values]))

    def _store(self, members: np.ndarray, weights: list[torch.Tensor], place: list[torch.Tensor], kind: int, values):
        self._metrics[members, kind] = values
        for kept, weight in zip(place, weights, strict=True):
            kept[torch.from_numpy(members)] = weight.cpu()

    def _keep(self, local: np.ndarray) -> None:
        """Drop all running members but these."""
        self._alive = self._alive[local]
        self._epoch = -1
        index = torch.as_tensor(local, device=self.weights[0].device)
        self._move.keep(index)
        self._watch.keep(local)
        self._streams.keep(local)
        self.weights = [weight[index] for weight in self.weights]
        if self._averages is not None:
            self._averages = [average[index] for average in self._averages]

    def results(self) -> dict:
        """What the members came to, in tensors: NaN where there is nothing."""
        arrays = {"status": self._status, "iterations": self._iterations, "metrics": self._metrics}
        history = np.concatenate(self._history) if self._history else np.empty((0, 6))
        tensors = {name: torch.as_tensor(array.copy()) for name, array in (arrays | {"history": history}).items()}
        return tensors | {"weights": self._final, "averaged": self._averaged}

    def state(self) -> dict:
        """All that changes, for a checkpoint."""
        watch = {name: torch.as_tensor(value) for name, value in self._watch.state().items()}
        return {
            "t": self.t,
            "alive": torch.as_tensor(self._alive),
            "results": self.results(),
            "weights": self.weights,
            "averages": self._averages,
            "velocity": self._move.velocity,
            "lost": self._move.lost,
            "watch": watch,
            "streams": self._streams.state(),
        }

    def load(self, state: dict) -> None:
        """Go on from what `state` gave, in a run made from the same arguments."""
        results, device = state["results"], self.weights[0].device
        self._keep(state["alive"].numpy())
        self.t = state["t"]
        self._status, self._iterations = results["status"].numpy(), results["iterations"].numpy()
        self._metrics, self._history = results["metrics"].numpy(), [results["history"].numpy()]
        self._final, self._averaged = results["weights"], results["averaged"]
        self.weights = [weight.to(device) for weight in state["weights"]]
        self._averages = None if state["averages"] is None else [average.to(device) for average in state["averages"]]
        velocity = state["velocity"]
        self._move.velocity = None if velocity is None else [v.to(device) for v in velocity]
        self._move.lost = state["lost"].to(device)
        self._watch.load({name: value.numpy() for name, value in state["watch"].items()})
        self._streams.load(state["streams"])


def _tensors(name: str, part: tuple[ArrayLike, ArrayLike], like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs as weights are, and labels, both checked."""
    if not isinstance(part, Sequence) or len(part) != 2:
        raise ValueError(f"{name} is a {type(part).__name__}; allowed: a pair (inputs, labels)")
    inputs, labels = (np.asarray(array) for array in part)
    if inputs.ndim != 2 or not inputs.size or not np.all(np.isfinite(inputs)):
        raise ValueError(f"{name} has inputs of shape {inputs.shape}; allowed: (N, d) with N, d >= 1, finite entries")
    if labels.shape != inputs.shape[:1] or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(
            f"{name} has labels of shape {labels.shape} and type {labels.dtype}; allowed: integers >= 0 of shape "
            f"{inputs.shape[:1]}"
        )
    return torch.tensor(inputs).to(like), torch.tensor(labels, dtype=torch.int64, device=like.device)
