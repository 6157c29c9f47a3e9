"""Random networks by number: draw i is the same whatever is drawn before it, and however many at a time."""

import math

import numpy as np
import torch
from torch import nn

from lib.priors import laws

# A block of draws holds about so many numbers, and 16 to 1024 networks; changing this changes what is drawn.
BLOCK = {"cpu": 2**19, "cuda": 2**26}
LARGEST = {"cpu": 2**10, "cuda": 2**16}


class Draws:
    """Random networks of one shape, in blocks: block b holds the draws b * `block` to (b + 1) * `block` - 1.

    network: its shape; prior: a name of `lib.priors`; seed: an integer in [0, 2^63). Rows (block, size), float32, hold
    the numbers of one network each, without biases, which are 0, and constants. On CUDA the device's own generator
    draws, so that numbers differ from those of the CPU. Raises ValueError on values out of range.
    """

    def __init__(self, network: nn.Module, prior: str, seed: int, device: torch.device) -> None:
        if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= seed < 2**63:
            raise ValueError(f"seed is {seed!r}; allowed: an integer in [0, 2^63)")
        everything = laws(network, prior)
        self.laws = [law for law in everything if law.spread]
        self.constants = [law for law in everything if not law.spread and not law.bias]
        self.seed, self.device = int(seed), device
        sizes = [math.prod(law.shape) for law in self.laws]
        self.size, self.normal = sum(sizes), any(law.normal for law in self.laws)
        kind = device.type if device.type in BLOCK else "cpu"
        self.block = min(LARGEST[kind], 2 ** max(4, (BLOCK[kind] // self.size).bit_length() - 1))
        self.ends = np.cumsum(sizes).tolist()
        # Uniform numbers come as integers, to be divided by 2^31.
        unit = 2.0**-31 if device.type == "cpu" and not self.normal else 1.0
        self._spread, self._center = (
            torch.cat([torch.full((n,), value(law)) for n, law in zip(sizes, self.laws, strict=True)]).to(device)
            for value in (lambda law: law.spread * unit, lambda law: law.center)
        )
        self._shifted = bool(self._center.any())

    def rows(self, block: int) -> torch.Tensor:
        """One block of draws, (block, size)."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(block,))
        shape = (self.block, self.size)
        if self.device.type == "cpu":
            x = (_normal if self.normal else _uniform)(sequence, math.prod(shape)).view(shape).mul_(self._spread)
        else:
            generator = torch.Generator(self.device).manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
            x = torch.empty(shape, device=self.device)
            x = x.normal_(generator=generator) if self.normal else x.uniform_(-1, 1, generator=generator)
            x.mul_(self._spread)
        return x.add_(self._center) if self._shifted else x

    def weights(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Rows (networks, size) as {name: (networks, ...)}, views where numbers were drawn."""
        parts = zip(self.laws, [0, *self.ends], self.ends, strict=False)
        found = {law.name: rows[:, start:end].unflatten(1, law.shape) for law, start, end in parts}
        for law in self.constants:
            found[law.name] = rows.new_full((1, 1), law.center).expand(len(rows), *law.shape)
        return found


def _raw(sequence: np.random.SeedSequence, count: int) -> torch.Tensor:
    """Random 32-bit integers."""
    words = np.random.SFC64(sequence).random_raw(-(-count // 2))
    return torch.from_numpy(words.view(np.int32))[:count]


def _uniform(sequence: np.random.SeedSequence, count: int) -> torch.Tensor:
    """Uniform on the odd integers between -2^31 and 2^31, rounded to float32: symmetric, and never 0."""
    return _raw(sequence, count).bitwise_or_(1).to(torch.float32)


def _normal(sequence: np.random.SeedSequence, count: int) -> torch.Tensor:
    """Standard normal numbers by Box and Muller, at most 6.6 in size."""
    half = -(-count // 2)
    radius, angle = _raw(sequence, 2 * half).view(2, half)
    radius = ((radius & (2**31 - 1)) | 1).to(torch.float32).mul_(2.0**-31).log_().mul_(-2).sqrt_()
    angle = angle.to(torch.float32).mul_(math.pi * 2.0**-31)
    return torch.cat([radius * angle.cos(), radius * angle.sin()])[:count]
