"""Time the power-law fit of a spectrum against the package powerlaw. `python benchmarks/esd.py --quick`.

Both try every distinct value as the start of the power law and keep the one with the least Kolmogorov-Smirnov distance;
alpha, xmin and the distance are compared. The package gets the range of exponents [1, inf): its own default stops at 3,
and then returns another start and another exponent wherever the best one is larger; the last line shows what. Above
3 it also minimises numerically, so that its time depends on the data: there is a row for each of three laws. One
thread, CPU time; ours is the best of five. "loop" is the same search written plainly with NumPy.
"""

import argparse
import time
import warnings

import numpy as np
import powerlaw
from threadpoolctl import threadpool_limits

from lib import esd


def spectra(n, rng):
    """Eigenvalues of an untrained weight, of a heavy-tailed one, and numbers with an exact power law from 1 on."""
    k = min(n, 4000)  # a decomposition of a larger weight would take longer than all fits
    noise = esd.eigenvalues(rng.standard_normal((k + k // 2, k)))
    heavy = esd.eigenvalues(rng.standard_t(2.2, (k + k // 2, k)))
    yield "untrained weight", noise if k == n else rng.choice(noise, n) * rng.uniform(1, 1.001, n)
    yield "heavy-tailed weight", heavy if k == n else rng.choice(heavy, n) * rng.uniform(1, 1.001, n)
    yield "power law, alpha = 3.5", rng.pareto(2.5, n) + 1


def plain(x):
    """alpha, xmin and distance by the formulas, one start after another."""
    x, best = np.sort(x), (np.inf, 0, 0)
    for i in range(len(x) - 1):
        tail = x[i:] / x[i]
        alpha = 1 + len(tail) / np.log(tail).sum()
        distance = np.abs(1 - tail ** (1 - alpha) - np.arange(len(tail)) / len(tail)).max()
        best = min(best, (distance, alpha, x[i]))
    return best[1], best[2], best[0]


def package(x, limit=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ranges = {"alpha": [1, None]} if limit is None else None
        fit = powerlaw.Fit(x, parameter_ranges=ranges, verbose=0)
        return fit.alpha, fit.xmin, fit.D


def timed(function, x, repeats=1):
    best = np.inf
    for _ in range(repeats):
        clock = time.process_time()
        found = function(x)
        best = min(best, time.process_time() - clock)
    return best, found


def ours(x):
    fit = esd.fit_power_law(x)
    return fit.alpha, fit.xmin, fit.distance


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--quick", action="store_true", help="1000 and 2000 values only")
    options = parser.parse_args()
    sizes = [1000, 2000] if options.quick else options.sizes
    rng = np.random.default_rng(0)
    print(f"{'values':>7} {'':24}{'powerlaw':>10}{'loop':>9}{'here':>9}{'ratio':>8}{'to loop':>8}  differences")
    for n in sizes:
        for name, x in spectra(n, rng):
            fast, found = timed(ours, x, 5)
            loop, again = timed(plain, x)
            slow, expected = timed(package, x)
            off = max(abs(a / b - 1) for other in (expected, again) for a, b in zip(found, other, strict=True))
            row = f"{n:7} {name:24}{slow:8.2f} s{loop:7.2f} s{1e3 * fast:6.2f} ms{slow / fast:8.0f}{loop / fast:8.0f}"
            print(row + f"  {off:.0e}, alpha {found[0]:.3f}", flush=True)
    name, x = list(spectra(1000, np.random.default_rng(0)))[-1]
    default = package(x, limit=3)
    print(f"\n{name}, 1000 values: alpha {ours(x)[0]:.3f} from {ours(x)[1]:.3f} on;", end=" ")
    print(f"with the default range of powerlaw {default[0]:.3f} from {default[1]:.3f} on")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
