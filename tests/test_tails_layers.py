"""Tail indices of the layers of a network: which weights are samples, and what the table holds."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lib import stable, tails

BOTH = ["hill", "pickands", "de_haan", "dekkers", "davydov_paulauskas"]
COLUMNS = ["multivariate", "norms", "independent"]
COLUMNS += [f"norms_{n}" for n in BOTH] + [f"independent_{n}" for n in BOTH]
COLUMNS += ["independent_mcculloch", "independent_ecf"]


def rng(seed=0):
    return np.random.default_rng(seed)


def heavy(*shape, alpha=1.6, seed=0):
    return stable.sample(alpha, shape, rng=rng(seed))


def network():
    """A convolution, two hidden layers as wide as there are classes, and biases."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(36, 10), nn.ReLU(), nn.Linear(10, 10))
    model.append(nn.Linear(10, 10, bias=False))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, generator=generator)
    return model


def test_samples_are_the_rows():
    model = network()
    rows = tails.layer_samples(model)
    weights = {name: p.detach().numpy() for name, p in model.named_parameters() if name.endswith("weight")}
    assert list(rows) == list(weights) == ["0.weight", "2.weight", "4.weight", "5.weight"]
    assert rows["0.weight"].shape == (12, 9) and rows["0.weight"].dtype == np.float64
    np.testing.assert_array_equal(rows["0.weight"][7], weights["0.weight"][2, 1].ravel())  # kernel (2, 1) of (4, 3)
    np.testing.assert_array_equal(rows["2.weight"], weights["2.weight"])
    np.testing.assert_array_equal(rows["4.weight"], weights["4.weight"])  # square too, and not the last
    np.testing.assert_array_equal(rows["5.weight"], weights["5.weight"].T)


def test_weights_come_as_a_module_a_list_or_a_mapping():
    model = network()
    expected = list(tails.layer_samples(model).values())
    weights = [p.detach() for p in model.parameters() if p.ndim > 1]
    as_list = tails.layer_samples(weights)
    assert list(as_list) == ["layer 0", "layer 1", "layer 2", "layer 3"]
    as_mapping = tails.layer_samples({f"w{i}": w.numpy() for i, w in enumerate(weights)} | {"bias": np.ones(3)})
    assert list(as_mapping) == ["w0", "w1", "w2", "w3"]
    for found in (as_list, as_mapping):
        for own, other in zip(found.values(), expected, strict=True):
            np.testing.assert_array_equal(own, other)
    assert tails.layer_samples([weights[0]])["layer 0"].shape == (12, 9)  # a last convolution is not transposed


def test_table_is_its_estimators():
    """Every cell of one layer, from the estimators on the centred rows; the random orders in the same succession."""
    weight = heavy(61, 8)
    own = rng(3)
    table = tails.layer_indices([weight, heavy(5, 40)], permutations=3, rng=rng(3), aggregates=False)
    assert list(table.columns) == COLUMNS and list(table.index) == ["layer 0", "layer 1"]
    rows = weight - np.median(weight, axis=0)
    norms = np.linalg.norm(rows, axis=1)
    expected = {"multivariate": tails.block(rows, permutations=3, rng=own)}
    for name, values in (("norms", norms - np.median(norms)), ("independent", rows.ravel() - np.median(rows))):
        state = own.bit_generator.state
        expected[name] = tails.block(values, permutations=3, rng=own)
        own.bit_generator.state = state
        expected[f"{name}_davydov_paulauskas"] = tails.davydov_paulauskas(values, permutations=3, rng=own)
        grid = tails.block_grid(len(values))
        for other in BOTH[:-1]:
            estimates = [getattr(tails, other)(values, k) for k in grid]
            expected[f"{name}_{other}"] = min(2, np.median(estimates))
    expected["independent_mcculloch"] = tails.mcculloch(rows.ravel())
    expected["independent_ecf"] = tails.ecf(rows.ravel())
    for column in COLUMNS:
        assert table.loc["layer 0", column] == pytest.approx(expected[column], rel=1e-9), column


def test_aggregates():
    table = tails.layer_indices([heavy(40, 6, seed=i) for i in range(3)])
    assert list(table.index) == ["layer 0", "layer 1", "layer 2", "median", "mean", "min"]
    assert table.index.name == "layer" and (table.dtypes == np.float64).all()
    layers = table.iloc[:3]
    pd.testing.assert_series_equal(table.loc["median"], layers.median(), check_names=False)
    pd.testing.assert_series_equal(table.loc["mean"], layers.mean(), check_names=False)
    pd.testing.assert_series_equal(table.loc["min"], layers.min(), check_names=False)


def test_a_network_has_one_table():
    weights = [heavy(40, 6), heavy(10, 40)]
    first = tails.layer_indices(weights)
    pd.testing.assert_frame_equal(first, tails.layer_indices(weights))
    pd.testing.assert_frame_equal(first, tails.layer_indices(weights, rng=rng(0)))
    assert not first.equals(tails.layer_indices(weights, rng=rng(1)))
    model = nn.Sequential(nn.Linear(6, 40, bias=False), nn.Linear(40, 10, bias=False)).double()
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.as_tensor(weight))
    found = tails.layer_indices(model)
    np.testing.assert_array_equal(found.to_numpy(), first.to_numpy())
    assert list(found.index[:2]) == ["0.weight", "1.weight"]


@pytest.mark.parametrize("alpha", [1.4, 1.75])
def test_indices_of_stable_layers(alpha):
    """Independent entries: all variants that assume a stable law find the index of a layer of 500 x 200."""
    table = tails.layer_indices([heavy(500, 200, alpha=alpha), heavy(10, 500, alpha=alpha)])
    for column in ("multivariate", "independent", "independent_ecf", "independent_mcculloch"):
        assert table.loc["layer 0", column] == pytest.approx(alpha, abs=0.12), column
    assert table.loc["layer 0", "independent"] == pytest.approx(alpha, abs=0.03)
    assert table.loc["layer 1", "multivariate"] == pytest.approx(alpha, abs=0.3)


def test_odd_and_hopeless_layers():
    """Odd numbers of samples are fine; too few samples, and constants, have no index and no say in the aggregates."""
    weights = [heavy(41, 7), np.ones((8, 8)), heavy(3, 9), heavy(9, 41)]
    table = tails.layer_indices(weights)
    assert table.loc["layer 0"].notna().all() and table.loc["layer 3"].notna().all()
    assert table.loc["layer 1"].isna().all()
    few = table.loc["layer 2"]
    assert np.isnan(few["multivariate"]) and np.isnan(few["norms"]) and np.isfinite(few["independent"])
    assert np.isfinite(table.loc[["median", "mean", "min"]].to_numpy()).all()
    sparse = np.zeros((20, 20))
    sparse[:3, :3] = heavy(3, 3)
    found = tails.layer_indices([sparse], aggregates=False).iloc[0]
    assert np.isfinite(found["independent"]) and np.isnan(found["independent_ecf"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"model": 3}, "model"),
        ({"model": []}, "model"),
        ({"model": nn.ReLU()}, "model"),
        ({"model": [np.ones(3)]}, "model"),
        ({"model": [np.full((9, 9), np.nan)]}, "model"),
        ({"model": [np.eye(9)], "permutations": 1.5}, "permutations"),
        ({"model": [np.eye(9)], "rng": 3}, "rng"),
    ],
)
def test_refuses(arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} .*allowed"):
        tails.layer_indices(**arguments)
