"""Full-batch training of many students together: optimizers, learning rates, seeds and schedules, one row each."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from lib.linearized import chosen_device, float_type
from lib.single_index.network import SCALINGS, _ridges, evaluate, gradient, output
from lib.single_index.optimizers import adam_step, gd_step, normalize, step_lr, velocity
from lib.single_index.problem import Problem, make, positive_integer
from lib.single_index.settings import checked

# Hidden weights of the members that train together: on the CPU those that its caches hold, on a GPU a share of what is
# free, with so many copies of them, and of the activations that are evaluated, at work.
GROUP, COPIES = 2**17, 16


@dataclass(frozen=True, eq=False)
class Trained:
    """What `train` gives.

    table: one row for each member, probe and ridge, in this order: member (the row of the settings), the settings,
    step, train_loss, alignment, ridge, and for each scaling probe_loss_..., test_loss_..., kta_... with "intended" or
    "legacy". train_loss is that of the student with its fixed read-out, alignment the cosine of the top right
    singular vector and the teacher, without sign. Members whose weights overflow have losses inf from there on, and
    alignments nan. singular_values: (members, probes, min(h, d)), descending, float64; inf where weights are not
    finite; None unless measured. weights: (members, probes, h, d), None unless kept. probes: the steps.
    """

    table: pd.DataFrame
    singular_values: np.ndarray | None
    weights: torch.Tensor | None
    probes: tuple[int, ...]
    sizes: dict

    def problem(self, member: int) -> Problem:
        """The problem of one member, drawn again. Raises ValueError when there is no such member."""
        rows = self.table[self.table["member"] == member]
        if not len(rows):
            raise ValueError(f"member is {member}; allowed: 0 to {self.table['member'].max()}")
        seed, noise = int(rows["seed"].iloc[0]), float(rows["label_noise"].iloc[0])
        return make(**self.sizes, label_noise=noise, rng=np.random.default_rng(seed), device="cpu")


def train(
    settings: pd.DataFrame | Mapping[str, ArrayLike],
    *,
    dim: int,
    width: int,
    n_samples: int,
    n_steps: int,
    probes: Sequence[int] | None = None,
    n_test: int = 2000,
    ridge: float | Sequence[float] = 0.01,
    losses: bool = True,
    spectra: bool = True,
    keep_weights: bool = False,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    progress: bool = False,
) -> Trained:
    r"""Train the hidden weights of many students by full-batch steps, and measure them at probes.

    settings: a table with columns optimizer ("gd" or "adam"), learning_rate and any of seed, gamma and step_size (of
    `step_lr`), momentum (of gd), weight_decay, weight_normalization (before each forward pass; probed weights are those
    after the step), label_noise. Members of one seed share teacher, samples and start: the problem is
    `make(dim, width, n_samples, rng=np.random.default_rng(seed))`, so those of another n_samples share teacher and
    start too.
    dim d, width h, n_samples n, n_test: integers >= 1. n_steps: >= 0. probes: steps in [0, n_steps], ascending; the
    first and the last unless told. ridge: as for `ridge`. losses, spectra, keep_weights: what to measure; without
    spectra no alignments. dtype: torch.float64 unless told, or float32; spectra and ridge are in float64 in any case.
    device: CUDA where there is one, unless told. Raises ValueError on values out of range.
    Kothapalli et al. 2025, arXiv:2406.04657.
    """
    from tqdm import tqdm

    sizes = {"dim": dim, "width": width, "n_samples": n_samples, "n_test": n_test}
    for name, value in sizes.items():
        positive_integer(name, value)
    if isinstance(n_steps, bool) or not hasattr(n_steps, "__index__") or n_steps < 0:
        raise ValueError(f"n_steps is {n_steps!r}; allowed: an integer >= 0")
    steps = list(dict.fromkeys((0, n_steps) if probes is None else probes))
    if not steps or steps != sorted(steps) or not all(s == int(s) and 0 <= s <= n_steps for s in steps):
        raise ValueError(f"probes is {probes!r}; allowed: ascending steps in [0, {n_steps}]")
    table, ridges = checked(settings), _ridges(ridge)
    options = {"dtype": float_type(dtype), "device": chosen_device(device)}

    def look(weights, problem):
        return _measured(weights, problem, ridges, losses, spectra, keep_weights)

    def begin(problem):
        """The first gradient, and what is measured before it: all members of a problem share them."""
        weights = problem.weights.unsqueeze(1)
        start = look(weights, problem) if 0 in steps else {}
        if n_steps:
            start["slope"], _ = gradient(weights, problem.readout, problem.inputs, problem.targets)
        return start

    results: list[list[dict]] = [[] for _ in range(len(table))]
    with tqdm(total=n_steps * len(table), desc="train", unit="step", disable=not progress) as bar:
        for members, problem, start in _groups(table, sizes, options, begin):
            rows = table.iloc[members.ravel()]
            for found in _run(rows, members.shape, problem, start, n_steps, steps, look, bar):
                for i, member in enumerate(members.ravel()):
                    results[member].append({k: v.flatten(0, 1)[i].cpu() for k, v in found.items()})
    frame = _table(table, results, steps, ridges)

    def stacked(name):
        return torch.stack([torch.stack([probe[name] for probe in result]) for result in results])

    values = stacked("singular_values").numpy() if spectra else None
    return Trained(frame, values, stacked("weights") if keep_weights else None, tuple(map(int, steps)), sizes)


def _groups(table: pd.DataFrame, sizes: dict, options: dict, begin: Callable[[Problem], dict]):
    """Members that train together, (seeds, settings of each), their problems stacked over the seeds, and starts."""

    @lru_cache(maxsize=2)
    def draw(seed, noise):
        problem = make(**sizes, label_noise=noise, rng=np.random.default_rng(seed), **options)
        problem = problem.map(lambda tensor: tensor.unsqueeze(0))
        return vars(problem), begin(problem)

    numbers = sizes["width"] * sizes["dim"]
    most = GROUP // numbers
    if options["device"].type == "cuda":
        activations = sizes["width"] * max(sizes["n_samples"], sizes["n_test"])
        most = torch.cuda.mem_get_info(options["device"])[0] // (8 * COPIES * max(numbers, activations))
    for (_, noise), part in table.groupby(["optimizer", "label_noise"], sort=False):
        rows = list(part.groupby("seed", sort=False).indices.values())
        rows = [part.index.to_numpy()[index] for index in rows]
        size = max(1, min(most, max(map(len, rows))))
        pieces = [row[i : i + size] for row in rows for i in range(0, len(row), size)]
        for length in sorted({len(piece) for piece in pieces}):
            same, together = [piece for piece in pieces if len(piece) == length], max(1, most // length)
            for i in range(0, len(same), together):
                members = np.stack(same[i : i + together])
                drawn = [draw(int(seed), noise) for seed in table["seed"].to_numpy()[members[:, 0]]]
                tensors, start = (_joined(parts) for parts in zip(*drawn, strict=True))
                yield members, Problem(**tensors), start


def _joined(parts: tuple[dict[str, torch.Tensor], ...]) -> dict[str, torch.Tensor]:
    return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _run(rows: pd.DataFrame, shape, problem: Problem, start: dict, n_steps: int, probes, look, bar):
    """Yield what was measured at each probe; all tensors lead with (seeds, settings of each)."""
    device = problem.weights.device
    column = {
        name: torch.tensor(rows[name].to_numpy(copy=True), device=device).reshape(shape)
        for name in ("learning_rate", "gamma", "step_size", "momentum", "weight_decay", "weight_normalization")
    }
    decay = column["weight_decay"] if column["weight_decay"].any() else 0.0
    normal = column["weight_normalization"][..., None, None]
    adam, moments, last = rows["optimizer"].iloc[0] == "adam", None, None
    weights = problem.weights.unsqueeze(1).repeat(1, shape[1], 1, 1)
    for step in range(n_steps + 1):
        if step in probes:
            first = {name: v.expand(*shape, *v.shape[2:]) for name, v in start.items() if name != "slope"}
            yield look(weights, problem) if step else first
        if step == n_steps:
            break
        if normal.any():
            weights = torch.where(normal, normalize(weights), weights)
        if step or normal.any():
            slope, _ = gradient(weights, problem.readout, problem.inputs, problem.targets)
        else:
            slope = start["slope"].expand(weights.shape)
        rate = step_lr(column["learning_rate"], step + 1, column["gamma"], column["step_size"])
        if adam:
            weights, moments = adam_step(weights, slope, rate, moments=moments, step=step + 1, weight_decay=decay)
        elif column["momentum"].any():
            last = velocity(weights, slope, column["momentum"], last=last, weight_decay=decay)
            weights = gd_step(weights, last, rate)
        else:
            weights = gd_step(weights, slope, rate, weight_decay=decay)
        bar.update(weights.shape[0] * weights.shape[1])


def _measured(weights: torch.Tensor, problem: Problem, ridges, losses: bool, spectra: bool, keep_weights: bool):
    outputs = output(weights, problem.readout, problem.inputs)
    loss = (outputs - problem.targets.unsqueeze(1)).square().mean(-1)
    finite = torch.isfinite(weights).flatten(-2).all(-1)
    found = {"train_loss": torch.where(finite, loss, math.inf)}
    if losses:
        for scaling in SCALINGS:
            values = evaluate(weights, problem, ridges, scaling)
            found |= {f"{name}_{scaling}": value for name, value in values.items()}
    if spectra:
        whole = torch.where(finite[..., None, None], weights, 0).double()
        _, values, right = torch.linalg.svd(whole, full_matrices=False)
        cosine = (right[..., 0, :] @ problem.teacher.double().unsqueeze(-1)).squeeze(-1).abs()
        found["alignment"] = torch.where(finite, cosine, math.nan)
        found["singular_values"] = torch.where(finite.unsqueeze(-1), values, math.inf)
    if keep_weights:
        found["weights"] = weights
    return found


def _table(settings: pd.DataFrame, results: list[list[dict]], probes, ridges) -> pd.DataFrame:
    """One row for each member, probe and ridge."""
    rows = []
    for member, probed in enumerate(results):
        for step, found in zip(probes, probed, strict=True):
            for i, ridge in enumerate(ridges):
                row = {"member": member, **settings.loc[member], "step": int(step), "ridge": ridge}
                for name, value in found.items():
                    if name not in ("singular_values", "weights"):
                        row[name] = float(value[i] if value.ndim else value)
                rows.append(row)
    return pd.DataFrame(rows)
