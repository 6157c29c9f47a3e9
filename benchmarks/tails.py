"""Time tail indices of all layers against a plain loop, and compare estimators. `python benchmarks/tails.py --quick`.

The baseline does what the recipe says, one thing at a time: for each of five random orders and each block size the
estimate of that size, and for each order statistic a sort of its own. The columns that both have are compared.
One thread, CPU time. A second table has the root mean square errors of the estimators on stable draws.
"""

import argparse
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from lib import networks, stable, tails


def block(x, m):
    x = x.reshape(len(x), -1)
    sums = x.reshape(-1, m, x.shape[1]).sum(1)
    slope = np.log(np.linalg.norm(sums, axis=1)).mean() - np.log(np.linalg.norm(x, axis=1)).mean()
    return np.log(m) / slope


def hill(x, m):
    top = np.sort(np.abs(x))[::-1]
    return 1 / np.log(top[:m] / top[m]).mean()


def pickands(x, m):
    top = np.sort(np.abs(x))[::-1]
    with np.errstate(all="ignore"):
        slope = np.log((top[m // 4] - top[m // 2]) / (top[m // 2] - top[m]))
    return np.log(2) / slope if slope > 0 else np.inf


def de_haan(x, m):
    top = np.sort(np.abs(x))[::-1]
    logs = np.log(top[:m] / top[m])
    return 2 * logs.mean() / (logs**2).mean()


def dekkers(x, m):
    top = np.sort(np.abs(x))[::-1]
    logs = np.log(top[:m] / top[m])
    gamma = logs.mean() + 1 - 0.5 / (1 - logs.mean() ** 2 / (logs**2).mean())
    return 1 / gamma if gamma > 0 else np.inf


def davydov_paulauskas(x, m):
    top = np.sort(np.abs(x).reshape(-1, m), axis=1)
    ratio = (top[:, -2] / top[:, -1]).mean()
    return ratio / (1 - ratio)


ALTERNATIVES = (hill, pickands, de_haan, dekkers, davydov_paulauskas)


def loop(weights, rng):
    """The table of the layers, as a list of dictionaries."""
    table = []
    for l, weight in enumerate(weights):
        rows = weight.T if l == len(weights) - 1 else weight
        rows = rows - np.median(rows, axis=0)
        norms = np.linalg.norm(rows, axis=1)
        found = {}
        for name, x in (
            ("multivariate", rows),
            ("norms", norms - np.median(norms)),
            ("independent", rows.ravel() - np.median(rows)),
        ):
            grid = tails.block_grid(len(x))
            estimates = {}
            for _ in range(5):
                shuffled = x[rng.permutation(len(x))]
                methods = (block,) if name == "multivariate" else (block, *ALTERNATIVES)
                for method in methods:
                    median = np.median([method(shuffled, m) for m in grid])
                    estimates.setdefault(method.__name__, []).append(min(median, 2))
            for method, values in estimates.items():
                found[name if method == "block" else f"{name}_{method}"] = np.median(values)
        table.append(found)
    return table


def layers(width, depth):
    generator = torch.Generator().manual_seed(0)
    model = networks.fcn(784, width, depth, 10, generator=generator)
    weights = [p.detach().numpy() for p in model.parameters()]
    rng = np.random.default_rng(0)
    for weight in weights:  # heavy-tailed weights, with which no estimate is at its cap
        weight += stable.sample(1.5, weight.shape, scale=weight.std(), rng=rng)
    tails.layer_indices([weight[:20, :20] for weight in weights])
    clock = time.process_time()
    table = tails.layer_indices(weights, rng=np.random.default_rng(0), aggregates=False)
    fast = time.process_time() - clock
    clock = time.process_time()
    expected = loop(weights, np.random.default_rng(0))
    slow = time.process_time() - clock
    error = max(abs(table.iloc[l][name] / value - 1) for l, row in enumerate(expected) for name, value in row.items())
    n = sum(weight.size for weight in weights)
    print(f"{len(weights)} layers of width {width}, {n / 1e6:.2f} million weights, {table.shape[1]} columns")
    print(
        f"plain loop {slow:6.2f} s, here {fast:6.2f} s, ratio {slow / fast:.1f}, largest relative error {error:.0e}\n"
    )


def errors(n, repeats):
    print(f"root mean square errors on {repeats} samples of {n} stable numbers, milliseconds a sample")
    estimators = {
        "ecf": tails.ecf,
        "mcculloch": tails.mcculloch,
        "block, grid": lambda x: tails.block(x[..., None]),
        "block, grid, 5 orders": lambda x: tails.block(x[..., None], permutations=5, rng=np.random.default_rng(0)),
        "block, 10": lambda x: tails.block(x[..., None], 10),
        "block, sqrt(n)": lambda x: tails.block(x[..., None], int(n**0.5)),
        "hill, k = n / 100": lambda x: tails.hill(x, n // 100),
    }
    alphas = (1.2, 1.5, 1.8, 2.0)
    samples = [stable.sample(alpha, (repeats, n), rng=np.random.default_rng(1)) for alpha in alphas]
    print(f"{'':22}" + "".join(f"{alpha:8.1f}" for alpha in alphas) + f"{'ms':>8}")
    for name, estimate in estimators.items():
        clock = time.process_time()
        found = [np.sqrt(np.mean((estimate(x) - alpha) ** 2)) for alpha, x in zip(alphas, samples, strict=True)]
        ms = 1e3 * (time.process_time() - clock) / (repeats * len(alphas))
        print(f"{name:22}" + "".join(f"{error:8.4f}" for error in found) + f"{ms:8.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="width 256, 50 repeats")
    options = parser.parse_args()
    if options.quick:
        options.width, options.repeats = 256, 50
    torch.set_num_threads(1)
    layers(options.width, options.depth)
    errors(options.samples, options.repeats)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
