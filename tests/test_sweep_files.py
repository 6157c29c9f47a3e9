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
