"""Pairs of classes as two-class problems: nested, balanced training sets, and what is left to test on."""

import os
from dataclasses import dataclass

import numpy as np
import torch

from lib import datasets

# Shape of an image; per class, images left out before the training set, images kept for training, images to test on.
SHAPES = {"digits": (1, 28, 28), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
SKIPPED, TRAIN, TEST = ({"digits": a, "mnist": b, "cifar10": b} for a, b in ((0, 128), (20, 200), (None, 1000)))


@dataclass(frozen=True, eq=False)
class Pair:
    """Two classes of a data set, labels 0 and 1 in the order of `classes`.

    inputs (n, d) float32 and labels (n,) int64: for training, classes alternate, so that the first n rows are a
    balanced set for every even n, each in the next. test_inputs, test_labels: other images of both classes.
    image_shape: (channels, height, width), with d their product.
    """

    inputs: np.ndarray
    labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    classes: tuple[int, int]
    image_shape: tuple[int, int, int]


def classes(data_seed: int) -> tuple[int, int]:
    """The pair of a seed: the first two of a permutation of ten classes by `torch.randperm`, labels 0 and 1 in order.

    Raises ValueError on a seed that is not an integer in [0, 2^63).
    """
    first, second = torch.randperm(10, generator=_generator("data_seed", data_seed))[:2].tolist()
    return first, second


def load(
    name: str,
    data_seed: int = 202,
    *,
    permutation_seed: int | None = None,
    root: str | os.PathLike | None = None,
    download: bool = False,
) -> Pair:
    """Two classes of a data set, split by a seed.

    name: "digits" (8 x 8, here in [0, 1], enlarged three times by bilinear interpolation, in a margin of two pixels),
    "mnist" or "cifar10"; standardised over the full set, CIFAR-10 by channel. data_seed: which classes.
    permutation_seed: how the images of each are shuffled, the data_seed unless told. For each class the first 128 are
    left out (none for digits), the next 200 (20) are for training, and the next 1000 (all) to test on; all come from
    the full training set of "mnist" and "cifar10". root, download: as for `datasets.load`.
    Raises ValueError on an unknown name or seeds out of range. Peleg & Hein 2024, arXiv:2407.03848, who test on the
    official test sets.
    """
    if name not in SHAPES:
        raise ValueError(f"name is {name!r}; allowed: {', '.join(SHAPES)}")
    pair = classes(data_seed)
    generator = _generator("permutation_seed", data_seed if permutation_seed is None else permutation_seed)
    data = datasets.load(name, root=root, download=download, dtype=np.float32)
    images = _images(data)
    parts: list[list[np.ndarray]] = [[], []]
    for label in pair:
        members = np.flatnonzero(data.labels == label)
        members = members[torch.randperm(len(members), generator=generator).numpy()][SKIPPED[name] :]
        train, rest = np.split(members, [TRAIN[name]])
        parts[0].append(images[train])
        parts[1].append(images[rest[: TEST[name]]])
    inputs = np.stack(parts[0], 1).reshape(-1, images.shape[1])
    labels = np.tile([0, 1], TRAIN[name])
    test_labels = np.repeat([0, 1], [len(part) for part in parts[1]])
    return Pair(inputs, labels, np.concatenate(parts[1]), test_labels, pair, SHAPES[name])


def _images(data: datasets.Dataset) -> np.ndarray:
    """All images, flattened, standardised."""
    if data.name == "digits":
        small = torch.from_numpy(data.inputs * np.float32(data.input_std) + np.float32(data.input_mean)) / 16
        large = torch.nn.functional.interpolate(small.view(-1, 1, 8, 8), scale_factor=3, mode="bilinear")
        images = torch.nn.functional.pad(large, (2, 2, 2, 2)).flatten(1).numpy()
        return (images - images.mean(dtype=np.float64).astype(np.float32)) / images.std(dtype=np.float64).astype(
            np.float32
        )
    if data.name == "cifar10":
        channels = data.inputs.reshape(len(data.inputs), 3, -1)
        mean, std = (f(channels, axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None] for f in (np.mean, np.std))
        return ((channels - mean) / std).reshape(len(channels), -1)
    return data.inputs


def _generator(name: str, seed: int) -> torch.Generator:
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= seed < 2**63:
        raise ValueError(f"{name} is {seed!r}; allowed: an integer in [0, 2^63)")
    return torch.Generator().manual_seed(int(seed))
