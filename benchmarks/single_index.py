"""Time full-batch training of many students against the plain way. `python benchmarks/single_index.py --quick`.

The baseline trains one student after the other as a script would: a data loader whose one batch is the whole sample,
autograd, and `torch.optim`. It starts from the same weights and sees the same data, and the weights after training are
compared. Measurements at probes are left out on both sides. One thread, CPU time.
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lib import single_index


class Student(nn.Module):
    def __init__(self, problem):
        super().__init__()
        self.hidden = nn.Linear(problem.weights.shape[1], problem.weights.shape[0], bias=False)
        self.hidden.weight = nn.Parameter(problem.weights.clone())
        self.readout = problem.readout

    def forward(self, x):
        hidden = torch.tanh(self.hidden(x) / x.shape[1] ** 0.5)
        return hidden @ self.readout / len(self.readout) ** 0.5


def loop(settings, sizes, n_steps, dtype):
    """Weights after training, one member at a time."""
    optimizers = {"gd": torch.optim.SGD, "adam": torch.optim.Adam}
    found = []
    for row in settings.itertuples():
        problem = single_index.make(**sizes, rng=np.random.default_rng(row.seed), dtype=dtype, device="cpu")
        student = Student(problem)
        optimizer = optimizers[row.optimizer](student.parameters(), lr=row.learning_rate)
        loader = DataLoader(TensorDataset(problem.inputs, problem.targets), batch_size=len(problem.targets))
        for _ in range(n_steps):
            for x, y in loader:
                optimizer.zero_grad()
                (student(x) - y).square().mean().backward()
                optimizer.step()
        found.append(student.hidden.weight.detach())
    return torch.stack(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--width", type=int, default=300)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="10 steps, one seed")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.seeds = 10, 1
    torch.set_num_threads(1)
    d, rates = options.dim, {"gd": [0.5, 1.5, 3.0], "adam": [0.1, 0.3, 1.0]}
    grids = [
        single_index.grid(optimizer=name, learning_rate=[r * d if name == "gd" else r for r in rates[name]],
                          seed=range(options.seeds))
        for name in rates
    ]  # fmt: skip
    settings = pd.concat(grids, ignore_index=True)
    print(f"d = {d}, h = {options.width}, {len(settings)} students, {options.steps} steps; ms of one student's step")
    print(f"{'n':>6} {'dtype':>8} {'plain':>8} {'here':>8} {'ratio':>6} {'error':>8}")
    for n in (2 * d, 8 * d):
        sizes = {"dim": d, "width": options.width, "n_samples": n, "n_test": 1}
        for dtype in (torch.float32, torch.float64):
            times = {"plain": [], "here": []}
            for _ in range(options.repeats):
                clock = time.process_time()
                trained = single_index.train(
                    settings, **sizes, n_steps=options.steps, probes=[options.steps], losses=False, spectra=False,
                    keep_weights=True, dtype=dtype, device="cpu",
                )  # fmt: skip
                times["here"].append(time.process_time() - clock)
                clock = time.process_time()
                expected = loop(settings, sizes, options.steps, dtype)
                times["plain"].append(time.process_time() - clock)
            plain, here = (1e3 * min(times[name]) / (len(settings) * options.steps) for name in ("plain", "here"))
            error = ((trained.weights[:, 0] - expected).norm() / expected.norm()).item()
            kind = str(dtype).removeprefix("torch.")
            print(f"{n:6} {kind:>8} {plain:8.2f} {here:8.2f} {plain / here:6.1f} {error:8.0e}", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
