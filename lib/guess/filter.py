"""The sequential filter: samples are looked at in stages, and only networks right so far see the next stage."""

from collections.abc import Sequence

import torch

from lib.decisions import Decisions, networks_at_once
from lib.guess.draws import Draws


def stages(n_samples: Sequence[int]) -> list[int]:
    """Where stages end: after 2, 4, 8, ... samples, and after each number that counts."""
    ends, powers = set(n_samples), 2
    while powers < max(n_samples):
        ends.add(powers)
        powers *= 2
    return sorted(ends)


def alternating(labels: torch.Tensor, n_samples: Sequence[int]) -> torch.Tensor:
    """An order of the samples in which classes alternate, and the first n stay the first n for each n that counts."""
    order, start = [], 0
    for n in sorted(n_samples):
        zeros, ones = (torch.nonzero(labels[start:n] == y)[:, 0] + start for y in (0, 1))
        ranks = torch.cat([2 * torch.arange(len(zeros)), 2 * torch.arange(len(ones)) + 1])
        order.append(torch.cat([zeros, ones])[ranks.argsort()])
        start = n
    return torch.cat(order)


class Survivors:
    """Networks that are right so far: rows (networks, size), numbers of their draws, signs, and whether d was 0."""

    def __init__(self, rows: torch.Tensor, numbers: torch.Tensor, signs: torch.Tensor, ties: torch.Tensor) -> None:
        self.rows, self.numbers, self.signs, self.ties = rows, numbers, signs, ties

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def joined(cls, parts: Sequence["Survivors"]) -> "Survivors":
        """All of them in one."""
        columns = ([getattr(part, name) for part in parts] for name in ("rows", "numbers", "signs", "ties"))
        return cls(*(torch.cat(column) if len(column) > 1 else column[0] for column in columns))


class Filter:
    r"""Which random networks have no training error, at the end of each stage.

    d = 0 counts as class 0. With both_signs, a network and the one with the opposite last layer, whose d is opposite,
    are tested together: at most one of them is right, as a sample of class 1 needs d > 0.
    inputs (n, d) and labels (n,) in the order of the stages; ends: their ends, the last is n.
    """

    def __init__(
        self,
        model: Decisions,
        draws: Draws,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        ends: Sequence[int],
        both: bool,
    ) -> None:
        self.model, self.draws, self.both, self.ends = model, draws, both, list(ends)
        starts = [0, *self.ends[:-1]]
        self.prepared = [model.prepare(inputs[a:b]) for a, b in zip(starts, self.ends, strict=True)]
        labels = [labels[a:b] for a, b in zip(starts, self.ends, strict=True)]
        # Right are s d >= 0 for class 0, s d > 0 for class 1, with s = -1 and 1: at least the smallest positive number.
        self.targets = [(2 * y - 1).to(inputs.dtype) for y in labels]
        self.least = [y.to(inputs.dtype) * 2.0**-149 for y in labels]
        self.one = int(labels[0].argmax())

    def first(self, block: int) -> Survivors:
        """The survivors of the first stage among a block of draws."""
        rows = self.draws.rows(block)
        d = self._decisions(rows, 0)
        # Where both signs are tested, the first sample of class 1 says which of the two may be right.
        signs = d[:, self.one].sign() if self.both else d.new_ones(len(d))
        values = d * signs[:, None] * self.targets[0]
        kept = torch.nonzero((values >= self.least[0]).all(1))[:, 0]
        ties = (values[kept] == 0).any(1)
        return Survivors(rows[kept], kept + block * len(rows), signs[kept], ties)

    def next(self, survivors: Survivors, stage: int) -> Survivors:
        """Those of them that survive another stage."""
        values = self._decisions(survivors.rows, stage) * survivors.signs[:, None] * self.targets[stage]
        kept = torch.nonzero((values >= self.least[stage]).all(1))[:, 0]
        ties = (values[kept] == 0).any(1) | survivors.ties[kept]
        return Survivors(survivors.rows[kept], survivors.numbers[kept], survivors.signs[kept], ties)

    def _decisions(self, rows: torch.Tensor, stage: int) -> torch.Tensor:
        """d (networks, samples of the stage)."""
        samples = len(self.targets[stage])
        step = networks_at_once(self.model, samples, rows.device)
        d = rows.new_empty(len(rows), samples)
        for start in range(0, len(rows), step):
            weights = self.draws.weights(rows[start : start + step])
            d[start : start + step] = self.model(weights, self.prepared[stage])
        return d
