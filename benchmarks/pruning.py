"""Time pruning at many targets: one sort or decomposition a layer, against one pass per ratio.

Magnitude, on a layer of 1.6 million weights: the baseline sorts the sizes anew for each ratio and zeroes the first of
that order (stable, so that equal entries count). The results must agree to the last bit. A second baseline, with a
partial sort, is the fastest pass per ratio that we know. Error targets: the baseline sorts, and sums squares, anew for
each. Singular values: the baseline decomposes the weight anew for each ratio, and a second one decomposes it once and
multiplies the kept factors for each. One thread, CPU time, the methods in turn, best of several.

    python benchmarks/pruning.py --quick
"""

import argparse
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from lib import pruning

RATIOS = np.concatenate([[0, 0.1, 0.2, 0.3, 0.4], np.linspace(0.5, 1, 21)])
ERRORS = np.linspace(0.01, 0.9, 26)
RANK_RATIOS = np.arange(0, 1.0, 0.05)


def sort_per_ratio(weight, ratios):
    results = []
    for ratio in ratios:
        order = np.argsort(np.abs(weight).ravel(), kind="stable")
        pruned = weight.copy()
        pruned.ravel()[order[: count(ratio, weight.size)]] = 0
        results.append(pruned)
    return results


def partition_per_ratio(weight, ratios):
    """Right where no two sizes are equal."""
    results = []
    for ratio in ratios:
        m = count(ratio, weight.size)
        sizes = np.abs(weight)
        edge = np.partition(sizes.ravel(), m - 1)[m - 1] if m else -1.0
        results.append(np.where(sizes <= edge, np.float32(0), weight))
    return results


def at_once(weight, ratios):
    path = pruning.prune_path({"weight": torch.from_numpy(weight)}, "magnitude", ratios)
    return [pruned["weight"].numpy() for pruned, _ in path]


def counts_per_error(weight, errors):
    results = []
    for error in errors:
        squares = np.cumsum(np.square(np.sort(np.abs(weight).ravel()), dtype=np.float64))
        results.append(int(np.sum(squares <= error**2 * squares[-1])))
    return results


def counts_at_once(weight, errors):
    return pruning.removable(weight.ravel(), errors).tolist()


def svd_per_ratio(weight, ratios):
    return [factors_per_ratio(weight, [ratio])[0] for ratio in ratios]


def factors_per_ratio(weight, ratios):
    u, s, v = np.linalg.svd(weight, full_matrices=False)
    results = []
    for ratio in ratios:
        rank = len(s) - count(ratio, len(s))
        results.append(u[:, :rank] @ np.diag(s[:rank]) @ v[:rank])
    return results


def ranks_at_once(weight, ratios):
    path = pruning.prune_path({"weight": torch.from_numpy(weight)}, "singular_value", ratios)
    return [pruned["weight"].numpy() for pruned, _ in path]


def count(ratio, n):
    return int(np.floor(round(ratio * n, 6)))


def times(methods, repeats, *arguments):
    """Best CPU time of each, and its last result."""
    best, results = dict.fromkeys(methods, np.inf), {}
    for _ in range(repeats):
        for method in methods:
            clock = time.process_time()
            results[method] = method(*arguments)
            best[method] = min(best[method], time.process_time() - clock)
    return best, results


def report(title, best, verdict):
    print(title)
    ours = list(best)[-1]
    for method, seconds in best.items():
        note = verdict if method is ours else f"ratio {seconds / best[ours]:.1f}"
        print(f"  {method.__name__:22s} {1e3 * seconds:9.1f} ms   {note}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--columns", type=int, default=784)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="256 rows, one repeat")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats = 256, 1
    rng = np.random.default_rng(0)
    weight = rng.standard_t(3, size=(options.rows, options.columns)).astype(np.float32)
    size = f"{options.rows} x {options.columns} = {weight.size:,} weights, float32"
    with threadpool_limits(1):
        torch.set_num_threads(1)
        best, results = times([sort_per_ratio, partition_per_ratio, at_once], options.repeats, weight, RATIOS)
        bits = [[pruned.view(np.uint32) for pruned in results[method]] for method in (sort_per_ratio, at_once)]
        same = all(map(np.array_equal, *bits))
        report(f"magnitude, {len(RATIOS)} ratios of {size}", best, f"bit-identical to the sorts: {same}")
        best, results = times([counts_per_error, counts_at_once], options.repeats, weight, ERRORS)
        same = results[counts_per_error] == results[counts_at_once]
        report(f"entries that may go at {len(ERRORS)} errors", best, f"counts equal: {same}")
        matrix = weight[: options.rows // 2].astype(np.float64)
        best, results = times(
            [svd_per_ratio, factors_per_ratio, ranks_at_once],
            1 if options.rows > 500 else options.repeats,
            matrix,
            RANK_RATIOS,
        )
        error = max(np.abs(a - b).max() for a, b in zip(results[svd_per_ratio], results[ranks_at_once], strict=True))
        error /= np.abs(matrix).max()
        report(f"singular values, {len(RANK_RATIOS)} ratios of {matrix.shape}", best, f"largest difference {error:.0e}")


if __name__ == "__main__":
    main()
