"""Pairs of classes: the classes of each seed, nested training sets, images."""

import numpy as np
import pytest

from lib import datasets, pairs

TABLE = {
    200: (2, 5),
    201: (2, 8),
    202: (7, 0),
    203: (0, 8),
    204: (3, 5),
    219: (9, 4),
    224: (0, 6),
    230: (8, 1),
    243: (7, 9),
}


@pytest.mark.parametrize("seed", TABLE)
def test_classes_of_each_seed(seed):
    assert pairs.classes(seed) == TABLE[seed]


def test_digits():
    pair = pairs.load("digits", 202)
    data = datasets.load("digits")
    assert pair.classes == (7, 0) and pair.image_shape == (1, 28, 28)
    assert pair.inputs.shape == (40, 784) and pair.inputs.dtype == np.float32
    assert pair.labels.tolist() == [0, 1] * 20
    counts = [int((data.labels == c).sum()) - 20 for c in (7, 0)]
    assert np.bincount(pair.test_labels).tolist() == counts and len(pair.test_inputs) == sum(counts)
    everything = np.concatenate([pair.inputs, pair.test_inputs])
    assert len(np.unique(everything, axis=0)) == len(everything)  # no image in both, none twice


def test_images_of_digits_by_hand():
    """Each pixel of the enlarged image lies a third of a pixel or nothing off a small one; the margin is black."""
    pair = pairs.load("digits", 202)
    data = datasets.load("digits")
    small = (data.inputs * data.input_std + data.input_mean).reshape(-1, 8, 8) / 16
    place = (np.arange(24) + 0.5) / 3 - 0.5
    low = np.clip(np.floor(place), 0, 7).astype(int)
    high, share = np.minimum(low + 1, 7), np.clip(place - low, 0, 1)
    rows = small[:, low] * (1 - share)[:, None] + small[:, high] * share[:, None]
    large = rows[..., low] * (1 - share) + rows[..., high] * share
    whole = np.pad(large, ((0, 0), (2, 2), (2, 2)))
    whole = (whole - whole.mean()) / whole.std()
    sevens = whole[data.labels == 7].reshape(-1, 784)
    for image in pair.inputs[::2]:
        assert np.abs(sevens - image).max(axis=1).min() < 1e-5


def test_seeds():
    first, again, other = (pairs.load("digits", 204, permutation_seed=s) for s in (None, 204, 205))
    assert np.array_equal(first.inputs, again.inputs) and first.classes == other.classes == (3, 5)
    assert not np.array_equal(first.inputs, other.inputs)


@pytest.mark.parametrize(("name", "shape"), [("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))])
def test_larger_sets(name, shape, monkeypatch):
    rng = np.random.default_rng(0)
    dim = int(np.prod(shape))
    inputs = (rng.normal(size=(3000, 12)) @ rng.normal(size=(12, dim)) + np.arange(dim) / 500).astype(np.float32)
    labels = np.r_[np.repeat([2, 8], 1400), np.zeros(200, np.int64)]
    nothing = np.zeros(len(inputs))
    fake = datasets.Dataset(name, inputs, nothing, labels, np.arange(len(inputs)), 0.0, 1.0, 0.0, 1.0)
    monkeypatch.setattr(datasets, "load", lambda *args, **options: fake)
    pair = pairs.load(name, 201)
    assert pair.inputs.shape == (400, dim) and np.bincount(pair.test_labels).tolist() == [1000, 1000]
    channels = inputs.reshape(len(inputs), shape[0], -1)
    if name == "cifar10":
        channels = (channels - channels.mean((0, 2), keepdims=True)) / channels.std((0, 2), keepdims=True)
    members = [channels[labels == c].reshape(-1, dim) for c in pair.classes]
    for label in (0, 1):
        for image in pair.inputs[pair.labels == label][:5]:
            assert np.abs(members[label] - image).max(axis=1).min() < 1e-4


def test_bad_arguments_are_named():
    for argument, call in {
        "name": lambda: pairs.load("bike_sharing"),
        "data_seed": lambda: pairs.load("digits", -1),
        "permutation_seed": lambda: pairs.load("digits", permutation_seed=0.5),
    }.items():
        with pytest.raises(ValueError, match=rf"^{argument} .*allowed"):
            call()
