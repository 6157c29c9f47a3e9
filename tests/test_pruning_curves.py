"""Accuracy of pruned networks, and the cost of positions."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lib import ensemble, networks, pruning, pruning_curves


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def fcn(seed):
    return networks.fcn(6, 12, 2, 4, generator=generator(seed))


def cnn(seed):
    return networks.cnn((1, 4, 4), [3, "M", 5], 4, generator=generator(seed))


CASES = [
    (fcn, 6, "magnitude", {"ratios": [0.9, 0.0, 0.5], "exclude_last": True, "center": True}),
    (fcn, 6, "global_magnitude", {"errors": [0.3, 0.6]}),
    (fcn, 6, "singular_value", {"energies": [0.05, 0.4], "layers": [0, 1]}),
    (cnn, 16, "node", {"ratios": [0.25, 0.75], "conv_by": "kernel"}),
]


@pytest.mark.parametrize(("build", "dim", "method", "options"), CASES)
def test_rows_are_those_of_single_networks(build, dim, method, options):
    """Loss and accuracy by hand, one module and one target at a time."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, dim)), rng.integers(0, 4, 40)
    modules = [build(seed) for seed in range(3)]
    table = pruning_curves.accuracy(build(9), ensemble.stack(modules), method, x, y, **options)
    name = next(n for n in ("ratio", "error", "energy") if n in table)
    plural = {"ratio": "ratios", "error": "errors", "energy": "energies"}[name]
    others = {k: v for k, v in options.items() if k != plural}
    assert list(table) == ["member", name, "remaining", "stored", "change", "loss", "accuracy"]
    rows = iter(table.itertuples())
    for value in options[plural]:
        for i, module in enumerate(modules):
            row = next(rows)
            pruned, left = pruning.prune(module, method, **{name: value}, **others)
            with torch.no_grad():
                logits = pruned(torch.from_numpy(x))
            assert (row.member, getattr(row, name)) == (i, value)
            assert row.loss == pytest.approx(nn.functional.cross_entropy(logits, torch.from_numpy(y)).item(), rel=1e-9)
            assert row.accuracy == pytest.approx(np.mean(logits.argmax(1).numpy() == y))
            old, new = (dict(net.named_parameters()) for net in (module, pruned))
            names = [layer.name for layer in left.layers]
            errors = [((old[n] - new[n]).norm() / old[n].norm()).item() for n in names]
            assert row.change == pytest.approx(np.mean(errors), abs=1e-12)
            assert (row.stored, row.remaining) == (left.stored, pytest.approx(left.remaining))
    assert next(rows, None) is None


def test_bad_arguments():
    weights = ensemble.stack([fcn(0)])
    x, y = np.ones((5, 6)), np.zeros(5, int)
    with pytest.raises(ValueError, match="targets given: \\[\\]; allowed: exactly one of ratios, errors, energies"):
        pruning_curves.accuracy(fcn(0), weights, "magnitude", x, y)
    with pytest.raises(ValueError, match="allowed: exactly one"):
        pruning_curves.accuracy(fcn(0), weights, "magnitude", x, y, ratios=[0.1], errors=[0.1])
    with pytest.raises(ValueError, match="inputs and labels have shapes"):
        pruning_curves.accuracy(fcn(0), weights, "magnitude", x, y[:4], ratios=[0.1])
    with pytest.raises(ValueError, match=r"ratio is 1\.5; allowed"):
        pruning_curves.accuracy(fcn(0), weights, "magnitude", x, y, ratios=[1.5])
    weights["0.weight"][0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        pruning_curves.accuracy(fcn(0), weights, "magnitude", x, y, ratios=[0.1])


def test_position_bits_against_counting():
    for n in (1, 2, 7, 60, 1000):
        for kept in {0, 1, n // 3, n // 2, n}:
            assert pruning_curves.position_bits(n, kept) == pytest.approx(math.log2(math.comb(n, kept)), abs=1e-9)
    n, kept = 10**6, np.array([10**5, 5 * 10**5])
    share = kept / n
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    bits = pruning_curves.position_bits(n, kept)
    assert bits.shape == (2,) and np.all(bits <= n * entropy) and np.all(bits > n * entropy - np.log2(n))
    for bad in ((5, 6), (5, -1), (5.0, 2)):
        with pytest.raises(ValueError, match="n and kept are"):
            pruning_curves.position_bits(*bad)
