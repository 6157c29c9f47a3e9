"""Guess & Check: random networks are drawn until enough of them have no training error."""

import hashlib
import math
import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import nn

from lib.checkpoint import Checkpoint, deferred_interrupt
from lib.decisions import Decisions
from lib.guess.draws import Draws
from lib.guess.filter import Filter, Survivors, alternating, stages
from lib.guess.found import Found
from lib.linearized import chosen_device

TIES = ("class0", "strict")


def search(
    network: nn.Module,
    inputs: ArrayLike,
    labels: ArrayLike,
    n_accepted: int,
    *,
    seed: int,
    prior: str = "uniform",
    ties: str = "class0",
    n_samples: Sequence[int] | None = None,
    max_draws: int | None = None,
    both_signs: bool = True,
    sequential: bool = True,
    memory: int = 2**26,
    device: torch.device | str | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = 60.0,
    progress: bool = False,
) -> Found:
    r"""Random networks without training error: exact, independent draws of the prior given that they have none.

    A network is accepted when $d(x) = f_1(x) - f_0(x)$ is > 0 on samples of class 1 and <= 0 on those of class 0. Most
    fail on the first two samples, so samples come in stages and only networks right so far see the next one. Since
    the law of the last layer is symmetric, each draw stands for two networks, with d and with -d, at most one of them
    right. Both leave the law of what is accepted as it is; networks with batch norm see all samples at once.

    network: the shape, as for `decisions.Decisions`; its own weights are not read. inputs (n, d), labels (n,) of 0 and
    1. n_accepted: how many networks. seed: decides the draws, the same in any amount of memory on one kind of device.
    prior: a law of `lib.priors`. ties: "class0", or "strict", which rejects networks with d = 0 on a sample.
    n_samples: several numbers of samples in one pass, each meaning the first so many rows; the search goes on until
    n_accepted are found for the largest. max_draws: where to stop if not enough are found.
    both_signs, sequential: False for neither of the two accelerations, to compare. memory: bytes for networks waiting
    for their next stage. device: CUDA where there is one, unless told.
    checkpoint: a file to go on from, written every so many seconds, at the end and on Ctrl-C; the same call with it
    goes on and ends with the same networks. progress: a bar of accepted networks.
    Returns `Found`. Without max_draws the probability of acceptance per draw, (k - 1) / (draws - 1), is unbiased.
    Raises ValueError on values out of range. Peleg & Hein 2024, arXiv:2407.03848.
    """
    if isinstance(n_accepted, bool) or not hasattr(n_accepted, "__index__") or n_accepted < 1:
        raise ValueError(f"n_accepted is {n_accepted!r}; allowed: an integer >= 1")
    job = _Job(network, inputs, labels, seed, prior, ties, n_samples, max_draws, both_signs, sequential, memory, device)
    return job.run(n_accepted, n_accepted, checkpoint, checkpoint_seconds, progress)


def acceptance(
    network: nn.Module, inputs: ArrayLike, labels: ArrayLike, n_draws: int, *, progress: bool = False, **options
) -> pd.DataFrame:
    """The probability that a random network has no training error, from a number of draws: the table of `Found`.

    options: seed and others as for `search`; max_draws is n_draws. Nothing is kept. Raises ValueError on values out of
    range.
    """
    names = ("prior", "ties", "n_samples", "both_signs", "sequential", "memory", "device")
    unknown = set(options) - {"seed", *names}
    if unknown or "seed" not in options:
        raise ValueError(f"options has {sorted(options)}; allowed: seed, and any of {', '.join(names)}")
    defaults = dict(prior="uniform", ties="class0", n_samples=None, both_signs=True, sequential=True, memory=2**26)
    job = _Job(network, inputs, labels, max_draws=n_draws, **(defaults | {"device": None} | options))
    return job.run(None, 0, None, 60.0, progress).table


class _Job:
    """The arguments, checked, and the rounds: whole blocks of draws whose survivors fit in memory."""

    def __init__(
        self, network, inputs, labels, seed, prior, ties, n_samples, max_draws, both_signs, sequential, memory, device
    ) -> None:
        self.model, device = Decisions(network), chosen_device(device)
        inputs, labels = _samples(inputs, labels, self.model, device)
        self.n_samples = _counts(n_samples, labels.cpu(), self.model.batch_norm or not sequential)
        if ties not in TIES:
            raise ValueError(f"ties is {ties!r}; allowed: {', '.join(TIES)}")
        for name, value in (("max_draws", max_draws), ("memory", memory)):
            if not (name == "max_draws" and value is None):
                if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
                    raise ValueError(f"{name} is {value!r}; allowed: an integer >= 1")
        self.draws = Draws(network, prior, seed, device)
        self.ties, self.max_draws, self.both = ties, math.inf if max_draws is None else int(max_draws), both_signs
        together = self.model.batch_norm or not sequential
        ends = self.n_samples if together else stages(self.n_samples)
        order = alternating(labels.cpu(), self.n_samples).to(device)
        inputs, labels = inputs[order], labels[order]
        self.filter = Filter(self.model, self.draws, inputs, labels, ends, both_signs)
        self.per_round = max(1, memory // (4 * self.draws.size * self.draws.block))
        words = [network, prior, seed, ties, self.n_samples, max_draws, both_signs, sequential, device.type]
        digest = hashlib.sha256("\n".join(map(str, [*words, self.draws.block])).encode())
        digest.update(inputs.cpu().numpy().tobytes() + labels.cpu().numpy().tobytes())
        self.digest = digest

    def run(self, target, keep: int, checkpoint, seconds: float, progress: bool) -> Found:
        """Rounds until the target, None for no target, or max_draws."""
        from tqdm import tqdm

        self.digest.update(str((target, keep)).encode())
        file = Checkpoint(checkpoint, self.digest.hexdigest() if checkpoint else "", seconds)
        state = file.load() or self._start()
        total, unit = (self.max_draws, "draw") if target is None else (target, "network")
        with (
            deferred_interrupt() as interrupted,
            tqdm(total=total, desc="guess", unit=unit, disable=not progress) as bar,
        ):
            while True:
                done = state["draws"] if target is None else min(state["counts"][-1][0], target)
                bar.update(done - bar.n)
                rate = state["counts"][-1][0] / max(1, state["draws"])
                bar.set_postfix_str(f"{state['draws']} drawn, accepted {rate:.2g}", refresh=False)
                if state["finished"] or file.due or interrupted.is_set():
                    file.save(state)
                if interrupted.is_set():
                    raise KeyboardInterrupt
                if state["finished"]:
                    return self._found(state, target)
                self._round(state, target, keep)

    def _start(self) -> dict:
        none = {str(n): torch.empty(0, self.draws.size) for n in self.n_samples}
        numbers = {str(n): torch.empty(0, dtype=torch.int64) for n in self.n_samples}
        counts = [[0, 0, 0] for _ in self.n_samples]  # accepted by the rule, accepted under "class0", with ties
        return {"block": 0, "draws": 0, "finished": False, "counts": counts, "rows": none, "numbers": numbers}

    def _round(self, state: dict, target: int | None, keep: int) -> None:
        """Another round, and what of it counts: nothing drawn after the last network needed does."""
        block, start, have = self.draws.block, state["block"], state["counts"][-1][0]
        count = self.per_round
        if self.max_draws < math.inf:
            count = min(count, math.ceil(self.max_draws / block) - start)
        if target is not None:  # about as many as are still needed, as many as before while nothing is known
            count = min(count, max(4, math.ceil(start * (target - have) / have) if have else start))
        blocks = range(start, start + count)
        survivors = Survivors.joined([self.filter.first(b) for b in blocks])
        found, end = [], min(self.max_draws, blocks.stop * block)
        for stage, stop in enumerate(self.filter.ends):
            survivors = self.filter.next(survivors, stage) if stage else survivors
            if stop in self.n_samples:
                found.append((survivors, survivors.numbers.cpu(), survivors.ties.cpu()))
        _, numbers, ties = found[-1]
        if target is not None:
            numbers = numbers if self.ties == "class0" else numbers[~ties]
            needed = target - state["counts"][-1][0]
            reached = len(numbers) >= needed and int(numbers[needed - 1]) < end
            end = int(numbers[needed - 1]) + 1 if reached else end
            state["finished"] = reached
        for n, count, (survivors, numbers, ties) in zip(self.n_samples, state["counts"], found, strict=True):
            inside = numbers < end
            accepted = inside if self.ties == "class0" else inside & ~ties
            chosen = torch.nonzero(accepted)[: keep - len(state["numbers"][str(n)]), 0] if keep else []
            if len(chosen):
                rows = self._signed(survivors, chosen)
                state["rows"][str(n)] = torch.cat([state["rows"][str(n)], rows])
                state["numbers"][str(n)] = torch.cat([state["numbers"][str(n)], numbers[chosen]])
            for i, those in enumerate((accepted, inside, inside & ties)):
                count[i] += int(those.sum())
        state["block"], state["draws"] = blocks.stop, end
        state["finished"] = state["finished"] or end >= self.max_draws

    def _signed(self, survivors: Survivors, chosen: torch.Tensor) -> torch.Tensor:
        """Rows on the CPU, the last layer with the sign under which the network is right."""
        chosen = chosen.to(survivors.rows.device)
        rows, signs = survivors.rows[chosen], survivors.signs[chosen]
        rows[:, -self.model.head.weight.numel() :] *= signs[:, None]
        return rows.cpu()

    def _found(self, state: dict, target: int | None) -> Found:
        draws, table = state["draws"], []
        full = target is not None and state["counts"][-1][0] >= target
        for n, (accepted, right, tied) in zip(self.n_samples, state["counts"], strict=True):
            # The last draw is accepted by the rule of stopping, and not by chance: without it the share is unbiased.
            share = (accepted - 1) / (draws - 1) if full and draws > 1 else accepted / draws
            signs = 2 if self.both else 1
            error = math.sqrt(share * (1 - share) / draws)
            table.append(
                {
                    "n": n,
                    "draws": draws,
                    "tested": signs * draws,
                    "accepted": accepted,
                    "ties": tied,
                    "probability": share / signs,
                    "standard_error": error / signs,
                    "bits": -math.log2(share / signs) if share else math.inf,
                    "bits_standard_error": error / share / math.log(2) if share else math.nan,
                    "tie_rate": tied / right if right else math.nan,
                }
            )
        weights = {n: self.draws.weights(state["rows"][str(n)]) for n in self.n_samples}
        weights = {n: {name: weight.contiguous() for name, weight in w.items()} for n, w in weights.items()}
        return Found(pd.DataFrame(table), weights, {n: state["numbers"][str(n)].numpy() for n in self.n_samples})


def _samples(inputs, labels, model: Decisions, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, labels = np.asarray(inputs), np.asarray(labels)
    dim = math.prod(model.image_shape)
    if inputs.ndim != 2 or inputs.shape[1] != dim or not len(inputs) or not np.all(np.isfinite(inputs)):
        raise ValueError(f"inputs has shape {inputs.shape}; allowed: (n, {dim}), finite entries")
    if labels.shape != inputs.shape[:1] or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels has shape {labels.shape}; allowed: 0 or 1 for each of {len(inputs)} inputs")
    return torch.tensor(inputs, dtype=torch.float32, device=device), torch.tensor(
        labels.astype(np.int64), device=device
    )


def _counts(n_samples: Sequence[int] | None, labels: torch.Tensor, together: bool) -> list[int]:
    counts = [len(labels)] if n_samples is None else sorted(set(n_samples))
    for n in counts:
        if isinstance(n, bool) or not hasattr(n, "__index__") or not 2 <= n <= len(labels):
            raise ValueError(f"n_samples has {n!r}; allowed: integers from 2 to {len(labels)}, the samples")
    if not counts or labels[: counts[0]].min() == labels[: counts[0]].max():
        raise ValueError(f"n_samples is {n_samples}; allowed: numbers of first samples that have both classes")
    if together and len(counts) > 1:
        raise ValueError(f"n_samples is {n_samples}; allowed with batch norm, or all samples at once: one number")
    return [int(n) for n in counts]
