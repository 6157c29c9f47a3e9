"""When training ends: the rules of both papers, kept for many members at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RUNNING, CONVERGED, OUT_OF_STEPS, DIVERGED, STUCK = range(5)
STATUS = ("running", "converged", "out of steps", "diverged", "stuck")
STATE = ("inert", "loss", "holds", "lost", "stuck", "stop", "burn_in")
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Rule:
    """When one training ends, and which iterates are averaged. Made by `converged`, `reached` or `steps`.

    The criterion: training loss below `loss` and training accuracy at least `accuracy`, both of the last evaluation.
    Found first after t steps, training goes on for `wait` + `n_average` steps, and from then on ends as soon as the
    criterion holds, "converged". The average is over all iterates after step t + `wait`.
    After `max_steps` it ends in any case, "out of steps"; where the wait does not fit before, the average is over the
    last `n_average` iterates. A loss that is not finite ends it as "diverged", accuracy at most `hopeless` after more
    than `patience` steps as "stuck", and so does that accuracy with twice the same loss, bit by bit: the units of some
    layer are dead, and no gradient will move them. patience None: never stuck.
    """

    loss: float = np.inf
    accuracy: float = 1.0
    wait: int = 0
    n_average: int = 0
    max_steps: int = 100_000
    patience: int | None = None
    hopeless: float = 0.1

    def __post_init__(self) -> None:
        if not self.loss > 0:
            raise ValueError(f"loss is {self.loss}; allowed: a number > 0, or inf")
        if not self.accuracy >= 0:
            raise ValueError(f"accuracy is {self.accuracy}; allowed: a share in [0, 1], or inf for never")
        if not 0 <= self.hopeless <= 1:
            raise ValueError(f"hopeless is {self.hopeless}; allowed: a share in [0, 1]")
        for name in ("wait", "n_average", "max_steps", "patience"):
            value = getattr(self, name)
            if name == "patience" and value is None:
                continue
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
                raise ValueError(f"{name} is {value!r}; allowed: an integer >= 0")
        if self.n_average > self.max_steps:
            raise ValueError(f"n_average is {self.n_average}; allowed: at most max_steps, {self.max_steps}")


def converged(
    n_average: int = 1000,
    *,
    loss: float = 5e-5,
    accuracy: float = 1.0,
    max_steps: int = 1_000_000,
    patience: int | None = 50_000,
    hopeless: float = 0.1,
) -> Rule:
    """Train until the network interpolates, then on, and average the last iterates.

    First found converged, training goes on for 10 times n_average steps, of which the last n_average are averaged; for
    n_average above 1000, for 3 times. Raises ValueError on values out of range.
    Barsbey et al. 2021, arXiv:2106.03795; evaluation there is every 200 steps.
    """
    wait = (9 if n_average <= 1000 else 2) * n_average
    return Rule(loss, accuracy, wait, n_average, max_steps, patience, hopeless)


def reached(
    accuracy: float = 0.95,
    *,
    loss: float = np.inf,
    max_steps: int = 100_000,
    patience: int | None = 100_000,
    hopeless: float = 0.125,
) -> Rule:
    """Train until a training accuracy is reached, and stop there.

    hopeless: in the paper's code 1.25 over the number of classes, 0.53 for two. Raises ValueError on values out of
    range. Wan et al. 2024, arXiv:2306.08125; evaluation there is every 100 steps, 10 for ECG5000.
    """
    return Rule(loss, accuracy, 0, 0, max_steps, patience, hopeless)


def steps(n_steps: int, n_average: int = 0) -> Rule:
    """Train for n_steps whatever happens, and average the last n_average iterates."""
    return Rule(np.inf, np.inf, 0, n_average, n_steps, None)


class Watch:
    """The rule at work on many members, all after the same number of steps.

    Call `see` after every evaluation and `finished` after every step at or beyond `next_step`.
    inert (members,): which of them only gradients move, no noise or momentum.
    """

    def __init__(self, rule: Rule, inert: ArrayLike) -> None:
        self.rule, self.inert = rule, np.array(inert, bool)
        members = len(self.inert)
        self.loss = np.full(members, np.nan)
        self.holds = np.zeros(members, bool)
        self.lost = np.zeros(members, bool)
        self.stuck = np.zeros(members, bool)
        self.stop = np.full(members, NEVER)
        self.burn_in = np.full(members, rule.max_steps - rule.n_average if rule.n_average else NEVER)

    def see(self, step: int, loss: ArrayLike, accuracy: ArrayLike) -> None:
        """Take note of an evaluation: training loss and accuracy (members,) after so many steps."""
        rule, loss, accuracy = self.rule, np.asarray(loss, np.float64), np.asarray(accuracy, np.float64)
        self.lost |= ~np.isfinite(loss)
        self.holds = (loss < rule.loss) & (accuracy >= rule.accuracy)
        if rule.patience is not None:
            dead = self.inert & (loss == self.loss)
            self.stuck = (accuracy <= rule.hopeless) & ((step > rule.patience) | dead)
        self.loss = loss
        fits = step + rule.wait + rule.n_average <= rule.max_steps
        first = self.holds & (self.stop == NEVER) if fits else np.zeros_like(self.holds)
        self.stop[first] = step + rule.wait + rule.n_average
        if rule.n_average:
            self.burn_in[first] = step + rule.wait

    @property
    def next_step(self) -> int:
        """No member can finish before this step, unless an evaluation comes before it."""
        return int(min(self.stop.min(initial=NEVER), self.rule.max_steps))

    def finished(self, step: int) -> np.ndarray:
        """The status (members,) after so many steps, codes into `STATUS`."""
        ends = np.where(self.holds & (step >= self.stop), CONVERGED, RUNNING)
        if step >= self.rule.max_steps:
            ends[ends == RUNNING] = OUT_OF_STEPS
        ends[self.stuck] = STUCK
        ends[self.lost] = DIVERGED
        return ends

    def shares(self, step: int) -> np.ndarray | None:
        """The share (members,) of the iterate after so many steps in the running mean; None when it is 0 for all."""
        count = step - self.burn_in
        return np.where(count > 0, 1 / np.maximum(count, 1), 0.0) if (count > 0).any() else None

    def keep(self, members: np.ndarray) -> None:
        """Drop all but these members."""
        for name, value in self.state().items():
            setattr(self, name, value[members])

    def state(self) -> dict[str, np.ndarray]:
        """What changes during training."""
        return {name: getattr(self, name) for name in STATE}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` gave."""
        for name, value in state.items():
            setattr(self, name, np.asarray(value))
