"""Time random search against plain evaluation of every sample of every draw. `python benchmarks/guess.py --quick`.

The baseline holds many networks as grouped convolutions over copies of the images, linear layers as grouped 1 x 1
convolutions, and evaluates all samples of all draws. Both accept when no sample is wrong, d = 0 counting as class 0.
The baseline tests one network a draw, the search the two signs of its last layer. One thread, CPU time, rounds
interleaved, medians; then the acceptance probabilities, which must agree, and whether both accept the same draws.
"""

import argparse
import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lib import guess, pairs, small_networks
from lib.guess.draws import Draws


class Plain:
    """All samples of all networks, by grouped convolutions."""

    def __init__(self, network, inputs, networks_at_once):
        self.layers = [(name, m) for name, m in network.named_children() if not isinstance(m, small_networks.Images)]
        self.shape, self.count = network[0].shape, networks_at_once
        x = torch.tensor(inputs).view(-1, *self.shape)
        self.copies = x.repeat(1, networks_at_once, 1, 1)

    def logits(self, weights):
        x = self.copies
        for name, layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                x = functional.conv2d(x, weights[f"{name}.weight"].flatten(0, 1), groups=self.count)
            elif isinstance(layer, nn.Linear):
                x = functional.conv2d(x, weights[f"{name}.weight"].flatten(0, 1)[..., None, None], groups=self.count)
            elif isinstance(layer, nn.Flatten):
                x = x.view(len(x), -1, 1, 1)
            else:
                x = layer(x)
        return x.view(len(x), self.count, 2)

    def accepted(self, weights, labels):
        """(networks,)"""
        return (self.logits(weights).argmax(2) == labels[:, None]).all(0)


def draw(network, n):
    return {name: torch.empty(n, *p.shape).uniform_(-1, 1) for name, p in network.float().named_parameters()}


def same_set(network, pair, n, n_draws):
    """Whether the search accepts the draws that the baseline accepts with one of the two signs."""
    inputs, labels = pair.inputs[:n], torch.from_numpy(pair.labels[:n])
    found = guess.search(network, inputs, labels, n_draws, seed=0, max_draws=n_draws, device="cpu")
    draws, expected = Draws(network, "uniform", 0, torch.device("cpu")), []
    plain = Plain(network, inputs, draws.block)
    for block in range(math.ceil(n_draws / draws.block)):
        logits = plain.logits(draws.weights(draws.rows(block)))
        right = [(sign.argmax(2) == labels[:, None]).all(0) for sign in (logits, logits.flip(2))]
        # argmax takes the first of equal logits, class 0, also after the flip.
        expected += (torch.nonzero(right[0] | right[1])[:, 0] + block * draws.block).tolist()
    return found.numbers[n].tolist() == [number for number in expected if number < n_draws], len(found.numbers[n])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", choices=["digits", "mnist"])
    parser.add_argument("--samples", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--widths", nargs="+", default=["1/6", "2/6", "4/6"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time of each round, about")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.3 s")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 3, 0.3
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pair = pairs.load(options.data)
    print(f"LeNet, {options.data}, classes {pair.classes}; draws and accepted networks per CPU second")
    titles = ("width", "n", "plain", "search", "ratio", "of accepted", "p plain", "p search", "same")
    print("{:>6}{:>4}{:>9}{:>9}{:>7}{:>13}{:>10}{:>10}{:>6}".format(*titles))
    for width in options.widths:
        network = small_networks.lenet(width, image_shape=pair.image_shape)
        for n in options.samples:
            labels, at_once = torch.from_numpy(pair.labels[:n]), {"1/6": 1000, "2/6": 500}.get(width, 200)
            plain = Plain(network, pair.inputs[:n], at_once)
            clocks, counts = np.zeros((2, options.rounds)), np.zeros((2, options.rounds))
            found, searched, n_draws = 0, [], 4 * at_once
            for r in range(options.rounds + 1):
                clock, seen, right = time.process_time(), 0, 0
                while seen == 0 or time.process_time() - clock < options.seconds:
                    right += int(plain.accepted(draw(network, at_once), labels).sum())
                    seen += at_once
                plain_clock = time.process_time() - clock
                clock = time.process_time()
                table = guess.acceptance(network, pair.inputs[:n], pair.labels[:n], n_draws, seed=r, device="cpu")
                search_clock = time.process_time() - clock
                if r:  # the first warms up
                    clocks[:, r - 1], counts[:, r - 1] = (plain_clock, search_clock), (seen, n_draws)
                    found += right
                    searched.append(table.iloc[0])
                n_draws = max(1000, int(n_draws * options.seconds / search_clock))
            rates = np.median(counts / clocks, axis=1)
            p = found / counts[0].sum(), sum(row.accepted for row in searched) / sum(row.tested for row in searched)
            same, _ = same_set(network, pair, n, 20 * at_once)
            print(
                f"{width:>6}{n:>4}{rates[0]:>9.0f}{rates[1]:>9.0f}{rates[1] / rates[0]:>7.1f}"
                f"{2 * rates[1] / rates[0]:>13.1f}{p[0]:>10.2e}{p[1]:>10.2e}{same!s:>6}",
                flush=True,
            )


if __name__ == "__main__":
    main()
