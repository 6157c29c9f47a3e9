"""Training of a grid of networks together: learning rates, batch sizes, seeds and noise, one row of a table each.

settings = training.grid(learning_rate=[0.05, 0.1], batch_size=10, seed=range(3))
build = lambda generator: networks.fcn(64, 256, 2, 10, generator=generator)
trained = training.train_grid(build, (inputs, labels), settings, stopping.converged(), test=(others, theirs))
trained.table  # a row for each network
trained.network(0)  # a torch module
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import nn

from lib import ensemble
from lib.checkpoint import Checkpoint, deferred_interrupt
from lib.linearized import chosen_device, float_type
from lib.noise import NONE, Streams
from lib.settings import NUMBER, SHARE, completed, product
from lib.stopping import STATUS, Rule
from lib.training_run import METRICS, STREAMS, Data, Run, epoch_order

__all__ = ["Trained", "epoch_order", "grid", "train_grid"]

# Columns of the settings, and what they are when left out.
DEFAULTS = {
    "learning_rate": None,
    "batch_size": None,
    "seed": 0,
    "order_seed": 0,  # the seed, unless told
    "momentum": 0.0,
    "weight_decay": 0.0,
    "noise": NONE,
    "noise_scale": 0.0,
    "tail_index": 2.0,
}
CHECKS = (
    ("learning_rate", "a finite number > 0", lambda v: np.isfinite(v) and v > 0),
    ("batch_size", "an integer >= 1", lambda v: v == v // 1 >= 1 and np.isfinite(v)),
    ("seed", "an integer in [0, 2^63)", lambda v: v == v // 1 and 0 <= v < 2**63),
    ("order_seed", "an integer in [0, 2^63)", lambda v: v == v // 1 and 0 <= v < 2**63),
    ("momentum", SHARE, lambda v: 0 <= v < 1),
    ("weight_decay", NUMBER, lambda v: np.isfinite(v) and v >= 0),
    ("noise_scale", NUMBER, lambda v: np.isfinite(v) and v >= 0),
    ("tail_index", "a number in (0, 2]", lambda v: 0 < v <= 2),
)
# Networks train together while their weights stay below this many numbers: on the CPU, those that its caches hold.
GROUP = {"cpu": 2**19, "cuda": 2**30}


@dataclass(frozen=True, eq=False)
class Trained:
    """What `train_grid` gives.

    table: one row for each member, in the order of the settings, which are its first columns; then `status`
    ("converged", "out of steps", "diverged" or "stuck"), `iterations`, and train_loss, train_accuracy, test_loss,
    test_accuracy of the final network, and of the averaged one with names that begin with averaged_. Accuracies are
    shares. A loss that diverged is inf; nan stands for what there is not: the accuracy of diverged networks, the
    average of those that had none, everything of a test set not given.
    history: the evaluations, with columns member, step, train_loss, train_accuracy, test_loss, test_accuracy.
    weights, averaged: {name: (members, ...)}, on the CPU; nan for averages there are not. `lib.pruning` takes them with
    stacked. build: the function that was given.
    """

    table: pd.DataFrame
    history: pd.DataFrame
    weights: dict[str, torch.Tensor]
    averaged: dict[str, torch.Tensor]
    build: Callable[[torch.Generator], nn.Module]

    def network(self, member: int, averaged: bool = False) -> nn.Module:
        """One member as a torch module. Raises ValueError when there is no such member, or it has no average."""
        if not 0 <= member < len(self.table):
            raise ValueError(f"member is {member}; allowed: 0 to {len(self.table) - 1}")
        if averaged and not np.isfinite(self.table["averaged_train_loss"].iloc[member]):
            raise ValueError(f"averaged is True; allowed for member {member}, which has no average: False")
        module = self.build(_generator(self.table["seed"].iloc[member]))
        return ensemble.unstack(module, self.averaged if averaged else self.weights, member)


def grid(**settings: object) -> pd.DataFrame:
    """Every combination of some settings, one a row, the last named fastest.

    settings: columns that `train_grid` knows, each one value or several. Raises ValueError on an unknown name, or a
    setting without a value. Used with tables joined by `pandas.concat` for grids that are not products.
    """
    return product(settings, DEFAULTS)


def train_grid(
    build: Callable[[torch.Generator], nn.Module],
    train: tuple[ArrayLike, ArrayLike],
    settings: pd.DataFrame | Mapping[str, ArrayLike],
    rule: Rule,
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    evaluate_every: int = 200,
    noise_convention: str = "published",
    noise_unit: str = "kernel",
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = 60.0,
    progress: bool = False,
) -> Trained:
    r"""Train networks of one shape by mini-batch SGD on the cross-entropy, many at once.

    $v \leftarrow \beta v + \nabla \hat L_B(w) + \lambda w$, $w \leftarrow w - \eta v$, then noise
    $w \leftarrow w + \sigma \eta^{1/\alpha} \xi$. Evaluation, averaging and stopping see w before its noise.
    Batches are drawn without replacement in shuffled epochs (`epoch_order`), the last of an epoch may be short. Members
    of one order_seed share the order, members of one seed the initial weights and the draws of the noise.

    build: makes a network with random weights of a torch.Generator, such as a `lib.networks` one; called with one of
    manual_seed(seed). train, test: inputs (N, d) and labels (N,), integers from 0.
    settings: a table with columns learning_rate, batch_size and any of seed, order_seed (the seed unless told),
    momentum, weight_decay, noise ("none", or a kind of `stable.noise`), noise_scale $\sigma$, tail_index $\alpha$.
    rule: of `lib.stopping`. evaluate_every: steps between evaluations, the first is before training.
    noise_convention, noise_unit: as for `noise.draw`. dtype: torch.float64 unless told, or float32. device: CUDA where
    there is one, unless told.
    checkpoint: a file to go on from and to write every so many seconds, at the end and on Ctrl-C; the same call with
    it goes on and, with as many threads, ends with the same bits as one that was never interrupted.
    Divergence ends one member, not the others. Raises ValueError on values out of range.
    Barsbey et al. 2021, arXiv:2106.03795; Wan et al. 2024, arXiv:2306.08125.
    """
    from tqdm import tqdm

    job = _Job(build, train, test, settings, rule, evaluate_every, noise_convention, noise_unit, dtype, device)
    file = Checkpoint(checkpoint, job.fingerprint() if checkpoint else "", checkpoint_seconds)
    state = file.load() or {"done": [], "run": None}
    bar = tqdm(total=len(job.table), desc="train", unit="network", disable=not progress)
    with deferred_interrupt() as interrupted, bar:
        bar.update(sum(len(members) for members in job.groups[: len(state["done"])]))
        for members in job.groups[len(state["done"]) :]:
            run = job.run(members)
            if state["run"] is not None:
                run.load(state["run"])
                bar.update(run.n_finished)
            while run.n_running:
                if interrupted.is_set() or file.due:
                    file.save(state | {"run": run.state()})
                if interrupted.is_set():
                    raise KeyboardInterrupt
                bar.update(run.step())
                if run.evaluated:
                    bar.set_postfix_str(f"step {run.t}, loss {run.median_loss:.2g}", refresh=False)
            state = {"done": [*state["done"], run.results()], "run": None}
            file.save(state)
        if interrupted.is_set():
            raise KeyboardInterrupt
    return job.trained(state["done"])


class _Job:
    """The arguments of `train_grid`, checked, and the groups of members that train together."""

    def __init__(self, build, train, test, settings, rule, every, convention, unit, dtype, device) -> None:
        if isinstance(every, bool) or not hasattr(every, "__index__") or every < 1:
            raise ValueError(f"evaluate_every is {every!r}; allowed: an integer >= 1")
        if not isinstance(rule, Rule):
            raise ValueError(f"rule is {rule!r}; allowed: a stopping.Rule")
        self.build, self.rule, self.every = build, rule, every
        self.noise = {"convention": convention, "unit": unit}
        self.table = _checked(settings)
        options = {"dtype": float_type(dtype), "device": chosen_device(device)}
        self.seeds, self.seed_of = np.unique(self.table["seed"], return_inverse=True)
        modules = [build(_generator(seed)).to(**options) for seed in self.seeds]
        self.module, self.model = modules[0], ensemble.of(modules[0])
        self.starts = list(ensemble.stack(modules).values())
        self.data = Data(train, test, self.model, self.starts)
        largest = self.table["batch_size"].max()
        if largest > len(self.data.train[0]):
            raise ValueError(f"batch_size is {largest}; allowed: at most {len(self.data.train[0])}, the samples")
        Streams(self.model.shapes, *(self.table[name] for name in STREAMS), **self.noise)  # checks its arguments
        most = GROUP.get(options["device"].type, GROUP["cpu"]) // sum(start[0].numel() for start in self.starts)
        self.groups = [
            rows[i : i + max(1, most)]
            for rows in self.table.groupby("batch_size", sort=False).indices.values()
            for i in range(0, len(rows), max(1, most))
        ]

    def run(self, members: np.ndarray) -> Run:
        index = torch.as_tensor(self.seed_of[members], device=self.starts[0].device)
        weights = [start[index] for start in self.starts]
        return Run(self.model, weights, self.data, self.table.iloc[members], self.rule, self.every, self.noise)

    def fingerprint(self) -> str:
        """A hash of all that decides what comes out."""
        words = [self.module, self.table.to_csv(), self.rule, self.every, self.noise, self.starts[0].device.type]
        tensors = [*self.starts, *self.data.train, *(self.data.test or ())]
        digest = hashlib.sha256("\n".join(map(str, [*words, *(t.dtype for t in tensors)])).encode())
        for tensor in tensors:
            digest.update(str(tuple(tensor.shape)).encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def trained(self, results: list[dict]) -> Trained:
        """The results of all groups, in the order of the settings."""
        members = np.concatenate(self.groups)
        back = torch.as_tensor(np.argsort(members))

        def joined(name):
            return torch.cat([result[name] for result in results])[back].numpy()

        table = self.table.assign(status=[STATUS[code] for code in joined("status")], iterations=joined("iterations"))
        for kind, prefix in enumerate(("", "averaged_")):
            for i, metric in enumerate(METRICS):
                table[prefix + metric] = joined("metrics")[:, kind, i]
        pieces = []
        for group, result in zip(self.groups, results, strict=True):
            piece = pd.DataFrame(result["history"].numpy(), columns=["member", "step", *METRICS])
            pieces.append(piece.assign(member=group[piece["member"].astype(int)], step=piece["step"].astype(int)))
        history = pd.concat(pieces).sort_values(["member", "step"], kind="stable", ignore_index=True)

        def stacked(name):
            layers = zip(*(result[name] for result in results), strict=True)
            return {n: torch.cat(pieces)[back] for n, pieces in zip(self.model.names, layers, strict=True)}

        averaged = stacked("averaged") if self.rule.n_average else {}
        return Trained(table, history, stacked("weights"), averaged, self.build)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(seed))


def _checked(settings: pd.DataFrame | Mapping[str, ArrayLike]) -> pd.DataFrame:
    """The settings with every column, one row a member, numbered from 0."""
    given = pd.DataFrame(settings)
    if "order_seed" not in given:
        given = given.assign(order_seed=given.get("seed", 0))
    return completed(given, DEFAULTS, CHECKS)
