"""The files of book/sweeps: each is a valid sweep, and those of Barsbey et al. are all of their settings."""

import pytest

from lib.book import sweep
from lib.book.notebook import ROOT

FILES = sorted((ROOT / "book/sweeps").glob("*.yml"))
# Data, network: how many settings of each batch size, smallest and largest learning rate, the same over the batch size.
PUBLISHED = {
    "cifar10-fcn4": ({10: 1, 50: 12, 100: 35}, (0.005, 0.27), (5e-5, 2.7e-3)),
    "cifar10-fcn6": ({50: 10, 100: 21}, (0.0025, 0.34), (2.5e-5, 4e-3)),
    "cifar10-vgg11": ({50: 6, 100: 12}, (0.001, 0.15), (1e-5, 1.5e-3)),
    "mnist-fcn4": ({50: 38, 100: 14}, (0.005, 0.57), (5e-5, 1.14e-2)),
    "mnist-fcn6": ({50: 23, 100: 13}, (0.0025, 0.44), (5e-5, 8.8e-3)),
    "mnist-vgg11": ({50: 12, 100: 18}, (0.001, 0.3175), (1e-5, 6.35e-3)),
}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_file_describes_points_that_differ(file):
    described = sweep.from_file(file)
    points = sweep.points(described, file.parent / "nowhere")
    assert len(points) == len(sweep.combinations(described)) > 1
    assert float(described.about["hours"]) > 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_batch_sizes_and_learning_rates_are_the_published_ones(name):
    counts, rates, per_sample = PUBLISHED[name]
    pairs = [(p["batch_size"], p["learning_rate"]) for p in points_of(name)]
    assert {size: sum(b == size for b, _ in pairs) for size, _ in pairs} == counts
    assert (min(rate for _, rate in pairs), max(rate for _, rate in pairs)) == rates
    assert (min(rate / b for b, rate in pairs), max(rate / b for b, rate in pairs)) == pytest.approx(per_sample)


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_and_stopping_are_the_published_ones(name):
    dataset, network = name.split("-")
    for point in points_of(name):
        assert point["dataset"] == dataset and point["width"] in (2048, None) and point["depth"] in (4, 6, None)
        assert network == ("vgg11" if point["depth"] is None else f"fcn{point['depth']}")
        assert (point["loss"], point["n_average"], point["max_steps"]) == (5e-5, 1000, 10**6)


def test_the_published_settings_are_215():
    assert [len(points_of(name)) for name in PUBLISHED] == [48, 31, 18, 52, 36, 30]
    assert sum(len(points_of(name)) for name in PUBLISHED) == 215


def points_of(name):
    """What the grid sets at each point; None for what a convolutional network has not."""
    points = sweep.combinations(sweep.from_file(ROOT / f"book/sweeps/barsbey-{name}.yml"))
    return [{"width": None, "depth": None} | point for point in points]


# Of the single-index study: what varies, and how many samples.
SINGLE_INDEX = {
    "bulk-lr": ({"learning_rate": [0.001, 0.01, 0.1, 1, 10, 100, 1000, 2000, 3000], "optimizer": ["gd", "adam"]}, 2000),
    "vary-n": ({"n_samples": [500, 2000, 4000, 8000]}, None),
    "vary-reg-lambda": ({"ridges": [[0.1, 0.01, 0.001, 0.0001]]}, 8000),
    "vary-label-noise-std": ({"label_noise": [0.1, 0.3, 0.5, 0.7]}, 8000),
    "vary-step-lr-gamma": ({"gamma": [0.2, 0.4, 0.6, 0.8]}, 8000),
    "main": ({"learning_rate": [1]}, 2000),
    "main-lr-schedule": ({"gamma": [0.6]}, 2000),
}


@pytest.mark.parametrize("name", SINGLE_INDEX)
def test_single_index_settings_are_the_published_ones(name):
    varied, n_samples = SINGLE_INDEX[name]
    points = sweep.combinations(sweep.from_file(ROOT / f"book/sweeps/kothapalli-{name}.yml"))
    for point in points:
        assert (point["dim"], point["width"], point["n_test"]) == (1000, 1500, 200)
        assert n_samples in (None, point["n_samples"])
    for key, values in varied.items():
        found = [point[key] for point in points]
        assert all(value in found for value in values) and all(value in values for value in found)


# Of a figure of the third study: points, networks of each, and the numbers of samples.
HISTOGRAMS = {
    "01-priors": (8, 2000, {16}),
    "02-width": (8, 2000, {16}),
    "05-depth": (8, 2000, {16}),
    "07-gradients": (4, 200, {16}),
    "08-priors-3-5": (8, 500, {16}),
    "09-priors-cifar10": (12, 500, {16}),
    "10-priors-4-32": (16, 2000, {4, 32}),
    "11-priors-weight-norm": (8, 2000, {16}),
    "12-epochs": (4, 500, {16}),
    "14-width-4": (8, 2000, {4}),
    "15-width-32": (8, 2000, {32}),
    "16-width-3-5": (8, 500, {16}),
    "17-width-truck-deer": (8, 500, {16}),
    "18-width-bird-ship": (8, 500, {16}),
    "26-depth-4-32": (16, 2000, {4, 32}),
    "27-depth-pairs": (24, 500, {16}),
}


@pytest.mark.parametrize("file", [f for f in FILES if f.stem.startswith("peleg-fig")], ids=lambda f: f.stem)
def test_random_and_trained_networks_have_the_published_settings(file):
    """Rates by start and data set; 60 epochs but for one figure; curves have four training sets and 100 networks."""
    name, points = file.stem.removeprefix("peleg-fig-"), sweep.combinations(sweep.from_file(file))
    for point in points:
        small = {"mnist": 0.001, "cifar10": 0.0001}[point["dataset"]]
        trained = point["method"] == "sgd"
        assert point["learning_rate"] == (small if trained and point["prior"] == "uniform" else 0.01)
        assert point["n_epochs"] == 60 or name == "12-epochs"
    if name in HISTOGRAMS:
        n_points, n_networks, sizes = HISTOGRAMS[name]
        assert len(points) == n_points and {p["n_networks"] for p in points} == {n_networks}
        assert {n for p in points for n in p["n_samples"]} == sizes
    else:
        assert {p["permutation_seed"] for p in points} == {200, 201, 202, 203}
        assert {p["n_networks"] for p in points} == {100}
        largest = {n for p in points for n in p["n_samples"] if n < 400}
        assert max(largest) == (128 if "long" in name else 24 if {p["dataset"] for p in points} == {"cifar10"} else 32)


def test_figures_of_the_third_study_are_all_there():
    found = {f.stem.split("-")[2] for f in FILES if f.stem.startswith("peleg-fig")}
    assert found == {f"{i:02d}" for i in range(1, 28) if i not in (6, 13)}  # these two have no settings
