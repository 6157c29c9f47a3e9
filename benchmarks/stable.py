"""Time stable laws against scipy: draws and distribution function. `python benchmarks/stable.py --quick`.

One thread, CPU time, best of several repeats, the two methods taking turns. Draws are compared with the distribution
function (Kolmogorov-Smirnov: sqrt(n) times the distance, beyond 1.63 by chance once in a hundred). Far out, both
distribution functions are compared with six terms of the tail,
sum over k of (-1)^(k + 1) Gamma(k a) sin(k pi a / 2) x^(-k a) / (pi k!).
"""

import argparse
import time

import numpy as np
import torch
from scipy.special import gamma
from scipy.stats import kstest, levy_stable
from threadpoolctl import threadpool_limits

from lib import stable


def best(functions, repeats):
    """The shortest CPU time of each, after one call that is not timed."""
    seconds = [[] for _ in functions]
    for repeat in range(repeats + 1):
        for own, function in zip(seconds, functions, strict=True):
            clock = time.process_time()
            function()
            if repeat:
                own.append(time.process_time() - clock)
    return [min(own) for own in seconds]


def draws(n, repeats):
    print(f"{n} draws: million a second")
    print(f"{'alpha':>6} {'scipy':>8} {'here':>8} {'ratio':>6} {'KS':>6}")
    for alpha in (0.8, 1.0, 1.2, 1.5, 1.8, 2.0):
        rng = np.random.default_rng(0)
        methods = (
            lambda a=alpha, r=rng: levy_stable.rvs(a, 0, size=n, random_state=r),
            lambda a=alpha, r=rng: stable.sample(a, n, rng=r),
        )
        slow, fast = best(methods, repeats)
        x = stable.sample(alpha, min(n, 50_000), rng=rng)
        distance = kstest(x, lambda y, a=alpha: stable.cdf(y, a)).statistic * np.sqrt(len(x))
        print(
            f"{alpha:6.1f} {n / slow / 1e6:8.1f} {n / fast / 1e6:8.1f} {slow / fast:6.1f} {distance:6.2f}", flush=True
        )


def distribution(n, repeats):
    print(f"\ndistribution function: microseconds a point of {n}, relative error of the tail at two x")
    print(f"{'alpha':>6} {'scipy':>8} {'here':>8} {'ratio':>6} {'x':>7} {'scipy':>8} {'here':>8}")
    for alpha in (1.2, 1.5, 1.95):
        x = np.random.default_rng(0).standard_cauchy(n)
        methods = (lambda a=alpha, x=x: levy_stable.cdf(x, a, 0), lambda a=alpha, x=x: stable.cdf(x, a))
        slow, fast = best(methods, repeats)
        row = f"{alpha:6.2f} {1e6 * slow / n:8.1f} {1e6 * fast / n:8.1f} {slow / fast:6.1f}"
        for far in (1e4, 1e6):
            k = np.arange(1, 7)
            terms = (-1) ** (k + 1) * gamma(k * alpha) / gamma(k + 1) * far ** (-k * alpha)
            tail = np.sum(terms * np.sin(k * np.pi * alpha / 2)) / np.pi
            errors = [abs(sf / tail - 1) for sf in (levy_stable.sf(far, alpha, 0), stable.sf(far, alpha))]
            print(f"{row} {far:7.0e} {errors[0]:8.0e} {errors[1]:8.0e}", flush=True)
            row = " " * len(row)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="200,000 draws, 500 points, two repeats")
    options = parser.parse_args()
    if options.quick:
        options.draws, options.points, options.repeats = 200_000, 500, 2
    torch.set_num_threads(1)
    draws(options.draws, options.repeats)
    distribution(options.points, options.repeats)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
