"""Time a grid of 32 trainings as one ensemble against 32 plain loops of torch. `python benchmarks/training.py --quick`.

Fully connected networks on data of the size of digits (1400 samples of 64 numbers, 10 classes), 8 learning rates and
4 seeds. The loop is the one a user would write: a module, cross_entropy, backward, torch.optim.SGD, on the same
batches. Both run in one process with the same number of threads; evaluations are left out. The largest difference of
their losses is compared at the end.
"""

import argparse
import time

import numpy as np
import torch
from torch.nn import functional

from lib import networks, stopping, training

N, DIM, CLASSES = 1400, 64, 10


def loop(build, x, y, rows, n_steps):
    """The loss of each network after n_steps, one after another."""
    losses = []
    for row in rows.itertuples():
        network = build(torch.Generator().manual_seed(row.seed))
        optimizer = torch.optim.SGD(network.parameters(), lr=row.learning_rate)
        taken, epoch = 0, 0
        while taken < n_steps:
            order = torch.from_numpy(training.epoch_order(N, row.seed, epoch))
            for batch in order.split(row.batch_size)[: n_steps - taken]:
                optimizer.zero_grad()
                functional.cross_entropy(network(x[batch]), y[batch]).backward()
                optimizer.step()
                taken += 1
            epoch += 1
        with torch.no_grad():
            losses.append(functional.cross_entropy(network(x), y).item())
    return np.array(losses)


def best(function, repeats, clock):
    """The shortest time of several calls, and what the last one returned."""
    seconds = []
    for _ in range(repeats):
        start = clock()
        result = function()
        seconds.append(clock() - start)
    return min(seconds), result


def line(width, depth, batch_size, dtype, options):
    """Time one row of the table; without the time of zero steps, which is that of set-up and evaluation."""
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(N, DIM)), rng.integers(0, CLASSES, N)
    x, y = torch.tensor(inputs, dtype=dtype), torch.tensor(labels)
    rows = training.grid(learning_rate=np.geomspace(0.005, 0.05, 8), batch_size=batch_size, seed=range(4))

    def build(generator):
        return networks.fcn(DIM, width, depth, CLASSES, generator=generator, dtype=dtype)

    def at_once(n_steps):
        run = {"evaluate_every": options.steps + 1, "dtype": dtype, "device": "cpu"}
        trained = training.train_grid(build, (inputs, labels), rows, stopping.steps(n_steps), **run)
        return trained.table["train_loss"].to_numpy()

    clock, times, losses = time.process_time if options.cpu_time else time.perf_counter, [], []
    for function in (lambda n: loop(build, x, y, rows, n), at_once):
        start, _ = best(lambda function=function: function(0), options.repeats, clock)
        seconds, loss = best(lambda function=function: function(options.steps), options.repeats, clock)
        times.append(1e6 * (seconds - start) / (len(rows) * options.steps))
        losses.append(loss)
    slow, fast = times
    row = f"{width:5d} {depth:5d} {batch_size:5d} {str(dtype)[6:]:>8} | {slow:7.1f} {fast:7.1f} {slow / fast:6.1f}"
    print(f"{row} {np.abs(losses[0] - losses[1]).max():10.0e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=280)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--cpu-time", action="store_true", help="instead of elapsed time; only sensible with one thread"
    )
    parser.add_argument("--quick", action="store_true", help="widths 64 and 256 only, one repeat")
    options = parser.parse_args()
    if options.quick:
        options.repeats = 1
    torch.set_num_threads(options.threads)
    print(f"32 networks, {options.steps} steps, {options.threads} threads, microseconds a network and step")
    titles = f"{'loops':>7} {'at once':>7} {'ratio':>6} {'difference':>10}"
    print(f"{'width':>5} {'depth':>5} {'batch':>5} {'type':>8} | {titles}")
    for width in (64, 256) if options.quick else (32, 64, 128, 256):
        for depth, batch_size in ((2, 10),) if options.quick else ((1, 10), (2, 5), (2, 10), (2, 50), (4, 10)):
            for dtype in (torch.float64, torch.float32):
                line(width, depth, batch_size, dtype, options)


if __name__ == "__main__":
    main()
