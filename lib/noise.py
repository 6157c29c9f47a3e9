"""Heavy-tailed noise for the weights of an ensemble: which layers take it, and a stream of draws for each of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from lib import stable

NONE = "none"
UNITS = ("kernel", "filter")


def noisy_layers(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Positions of the parameters that take noise.

    All weights (two axes or more) but the last, the output layer, and but the first of convolutions (three axes or
    more); never biases. Position decides: a hidden layer as wide as the number of classes takes noise like any other.
    Raises ValueError when no weight is left. Wan et al. 2024, arXiv:2306.08125.
    """
    weights = [l for l, shape in enumerate(shapes) if len(shape) >= 2]
    convolutions = [l for l in weights if len(shapes[l]) > 2]
    noisy = [l for l in weights[:-1] if l not in convolutions[:1]]
    if not noisy:
        raise ValueError(f"shapes is {list(shapes)}; allowed: those with a weight between the first and the output")
    return noisy


def draw(
    kind: str,
    tail_index: float,
    shape: tuple[int, ...],
    *,
    convention: str = "published",
    unit: str = "kernel",
    rng: np.random.Generator | torch.Generator,
) -> np.ndarray | torch.Tensor:
    """Noise of scale 1 for one weight (out, in) or (out, in, *kernel): `stable.noise`, one vector for each hidden unit.

    The vectors are the rows of a matrix; of a convolution the kernels, (out, in) of them, or with unit "filter" the
    filters, out of them. Kind "I" has one number for each vector, and comes with axes of length 1 that broadcast; a
    layer whose inputs sum to zero does not feel it. Returns float64, an array or a tensor as rng is.
    Raises ValueError on values out of range. Wan et al. 2024, arXiv:2306.08125.
    """
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}; allowed: one of {UNITS}")
    if len(shape) < 2:
        raise ValueError(f"shape is {shape}; allowed: (out, in) or (out, in, *kernel)")
    axes = 2 if len(shape) > 2 and unit == "kernel" else 1
    size = (*shape[:axes], int(np.prod(shape[axes:])))
    drawn = stable.noise(kind, tail_index, size, convention=convention, rng=rng)
    if kind == "I":
        drawn = drawn[..., :1]
        drawn = drawn.copy() if isinstance(drawn, np.ndarray) else drawn
    return drawn.reshape(shape if kind != "I" else (*shape[:axes], *[1] * (len(shape) - axes)))


class Streams:
    r"""The noise of many members: after each step $w \leftarrow w + \sigma\eta^{1/\alpha}\xi$ on the `noisy_layers`.

    kinds (members,): "none", "I", "II" or "III"; tail_indices, scales $\sigma$ and learning_rates $\eta$ (members,).
    seeds (members,): a member's draws come from one generator for each seed and layer, so they do not depend on the
    other members or layers, and members of one seed and kind that differ in scale or learning rate have the same draws.
    On the CPU NumPy draws, elsewhere the device: the numbers differ between the two.
    Raises ValueError on values out of range.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        kinds: Sequence[str],
        tail_indices: ArrayLike,
        scales: ArrayLike,
        learning_rates: ArrayLike,
        seeds: Sequence[int],
        *,
        convention: str = "published",
        unit: str = "kernel",
        device: torch.device | str = "cpu",
    ) -> None:
        self._options = {"convention": convention, "unit": unit}
        self._shapes, self._device = list(shapes), torch.device(device)
        members = zip(kinds, tail_indices, scales, learning_rates, seeds, strict=True)
        self._groups: dict[tuple[int, str, float], dict[int, float]] = {}
        for member, (kind, index, scale, rate, seed) in enumerate(members):
            if kind == NONE or scale == 0:
                continue
            if not (np.isfinite(scale) and scale > 0):
                raise ValueError(f"noise_scale is {scale}; allowed: a finite number >= 0")
            stable.noise_scale(kind, index, convention)  # checks all three
            group = self._groups.setdefault((int(seed), kind, float(index)), {})
            group[member] = float(scale * rate ** (1 / index))
        self._layers = noisy_layers(shapes) if self._groups else []
        self._rngs = {key: [self._rng(key[0], l) for l in self._layers] for key in self._groups}

    def _rng(self, seed: int, layer: int) -> np.random.Generator | torch.Generator:
        sequence = np.random.SeedSequence(seed, spawn_key=(1, layer))
        if self._device.type == "cpu":
            return np.random.default_rng(sequence)
        return torch.Generator(self._device).manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def add(self, weights: Sequence[torch.Tensor]) -> None:
        """Add the noise of one step to the weights (members, ...), in place."""
        for key, group in self._groups.items():
            _, kind, index = key
            for l, rng in zip(self._layers, self._rngs[key], strict=True):
                drawn = torch.as_tensor(draw(kind, index, self._shapes[l], rng=rng, **self._options))
                drawn = drawn.to(weights[l])
                for member, scale in group.items():
                    weights[l][member].add_(drawn, alpha=scale)

    def keep(self, members: Sequence[int]) -> None:
        """Drop all but these members."""
        new = {int(old): i for i, old in enumerate(members)}
        groups = {
            key: {new[member]: scale for member, scale in group.items() if member in new}
            for key, group in self._groups.items()
        }
        self._groups = {key: group for key, group in groups.items() if group}
        self._rngs = {key: self._rngs[key] for key in self._groups}

    def state(self) -> list[list[Mapping | torch.Tensor]]:
        """Where the generators stand."""
        return [[_state(rng) for rng in rngs] for rngs in self._rngs.values()]

    def load(self, states: Sequence[Sequence[Mapping | torch.Tensor]]) -> None:
        """Go on from what `state` gave."""
        for rngs, saved in zip(self._rngs.values(), states, strict=True):
            for rng, state in zip(rngs, saved, strict=True):
                if isinstance(rng, torch.Generator):
                    rng.set_state(state)
                else:
                    rng.bit_generator.state = state


def _state(rng: np.random.Generator | torch.Generator) -> Mapping | torch.Tensor:
    return rng.get_state() if isinstance(rng, torch.Generator) else rng.bit_generator.state
