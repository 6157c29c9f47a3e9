"""Sampling of stable laws: the generator's numbers in NumPy, the trigonometry in torch, block by block.

Every function takes rng: a `numpy.random.Generator`, and returns a float64 array; or a `torch.Generator`, and returns
a float64 tensor on that generator's device.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lib.stable.formulas import checked_index, checked_scale, noise_scale

if TYPE_CHECKING:
    import torch

    Rng = np.random.Generator | torch.Generator
    Sample = np.ndarray | torch.Tensor

BLOCK = 2**15  # numbers worked on at once: their temporaries stay in the cache
LEAST = 1e-30  # keeps logarithms finite where a generator returns an exact zero


def sample(alpha: ArrayLike, size: int | tuple[int, ...], *, scale: ArrayLike = 1.0, rng: "Rng") -> "Sample":
    r"""Independent draws of the symmetric stable law with characteristic function $e^{-|\sigma u|^\alpha}$.

    Chambers, Mallows and Stuck: with U uniform on $(-\frac\pi2, \frac\pi2)$ and E exponential,
    $X = \sigma \frac{\sin \alpha U}{(\cos U)^{1/\alpha}} \big(\frac{\cos((1-\alpha)U)}{E}\big)^{(1-\alpha)/\alpha}$.
    alpha in (0, 2] and scale > 0 broadcast against size: a grid of laws is one call. Returns shape size, float64; for
    alpha below 0.1 some draws overflow to infinity.
    Raises ValueError on values out of range. Chambers et al. 1976.
    Derived in: notebooks/11_stable_laws.
    """
    alpha, scale = checked_index(alpha), checked_scale(scale)
    shape = _checked(size, alpha, scale, rng)
    if np.ndim(alpha) == 0 and alpha == 2:
        return _normal(shape, rng, scale * np.sqrt(2))
    if np.ndim(alpha) == 0 and alpha == 1:
        return _cauchy(shape, rng, scale)
    return _draw(_symmetric, shape, alpha, scale, rng)


def sample_positive(index: ArrayLike, size: int | tuple[int, ...], *, rng: "Rng") -> "Sample":
    r"""Independent draws of the positive stable law with Laplace transform $E e^{-sA} = e^{-s^a}$.

    Kanter: with $\theta$ uniform on $(0, \pi)$ and E exponential,
    $A = \frac{\sin a\theta}{(\sin\theta)^{1/a}} \big(\frac{\sin((1-a)\theta)}{E}\big)^{(1-a)/a}$; A = 1 at a = 1.
    index: a in (0, 1], broadcasts against size. Returns shape size, float64.
    Raises ValueError on values out of range. Kanter 1975.
    Derived in: notebooks/11_stable_laws.
    """
    index = checked_index(index, "index", 1.0)
    shape = _checked(size, index, 1.0, rng)
    return _draw(_positive, shape, index, 1.0, rng)


def sample_isotropic(alpha: float, n: int, dim: int, *, scale: float = 1.0, rng: "Rng") -> "Sample":
    r"""Independent vectors of the rotation-invariant stable law, $E e^{i\langle u, X\rangle} = e^{-|\sigma u|^\alpha}$.

    $X = \sigma\sqrt{2A}\, G$ with A of `sample_positive` at $a = \alpha/2$ and G standard normal in R^dim.
    Returns (n, dim), float64, one vector a row. Raises ValueError on values out of range.
    Derived in: notebooks/11_stable_laws.
    """
    return noise("III", alpha, (n, dim), scale=scale, rng=rng)


def noise(
    kind: str,
    alpha: ArrayLike,
    size: tuple[int, ...],
    *,
    scale: ArrayLike = 1.0,
    convention: str = "unit",
    rng: "Rng",
) -> "Sample":
    r"""Heavy-tailed noise for the weights of hidden units: independent vectors, of one of three kinds.

    "I": one stable number, the same in every coordinate. "II": independent stable coordinates. "III": the
    rotation-invariant law. Their characteristic functions are `noise_cf`. In the convention "unit" every coordinate
    has scale $\sigma$; "published" multiplies by `noise_scale`, as the paper's code does.
    At step size $\eta$ the noise of one step is this with scale $\sigma\eta^{1/\alpha}$.

    size: (..., p), one vector along the last axis; alpha and scale broadcast against (...). Returns shape size,
    float64; for kind "I" a read-only view (in torch, an expanded tensor) of one number for each vector.
    Raises ValueError on values out of range. Wan et al. 2024, arXiv:2306.08125.
    Derived in: notebooks/11_stable_laws.
    """
    alpha, scale = checked_index(alpha), checked_scale(scale) * noise_scale(kind, alpha, convention)
    shape = _checked(size, alpha, scale, rng, vectors=True)
    if kind == "I":
        drawn = sample(alpha, shape[:-1], scale=scale, rng=rng)[..., None]
        return np.broadcast_to(drawn, shape) if isinstance(drawn, np.ndarray) else drawn.expand(shape)
    if kind == "II":
        return sample(np.expand_dims(alpha, -1), shape, scale=np.expand_dims(scale, -1), rng=rng)
    radius = _draw(_positive, shape[:-1], alpha / 2, 1.0, rng)
    radius *= 2.0
    vectors = _normal(shape, rng, 1.0)
    vectors *= _like(vectors, scale)[..., None] * radius[..., None] ** 0.5
    return vectors


def _symmetric(turn: "torch.Tensor", radius: "torch.Tensor", spare: "torch.Tensor", alpha) -> None:
    """Make two factors of the draws, in place, of numbers uniform on [0, 1) and exponential ones; spare is memory."""
    import torch

    turn.sub_(0.5)
    torch.mul(turn, np.pi * (1 - alpha), out=spare).cos_()
    torch.div(spare, radius, out=radius).log_().mul_((1 - alpha) / alpha)
    torch.mul(turn, np.pi, out=spare).cos_().log_().mul_(1 / alpha)  # the cosine of a rounded pi/2 is positive
    radius.sub_(spare).exp_()
    turn.mul_(np.pi * alpha).sin_()


def _positive(turn: "torch.Tensor", radius: "torch.Tensor", spare: "torch.Tensor", index) -> None:
    import torch

    turn.neg_().add_(1.0)  # in (0, 1]
    torch.mul(turn, np.pi * (1 - index), out=spare).sin_().clamp_(min=LEAST)
    torch.div(spare, radius, out=radius).log_().mul_((1 - index) / index)
    torch.mul(turn, np.pi, out=spare).sin_().log_().mul_(1 / index)  # the sine of a rounded pi is positive
    radius.sub_(spare).exp_()
    turn.mul_(np.pi * index).sin_()


def _draw(method, shape: tuple[int, ...], index: np.ndarray, scale: np.ndarray, rng: "Rng") -> "Sample":
    """Apply a method to fresh uniform and exponential numbers, block by block on the CPU, all at once on a device."""
    import torch

    if isinstance(rng, torch.Generator):
        turn, radius, spare = (torch.empty(shape, dtype=torch.float64, device=rng.device) for _ in range(3))
        turn.uniform_(generator=rng)
        radius.exponential_(generator=rng).clamp_(min=LEAST)
        method(turn, radius, spare, _like(turn, index))
        return turn.mul_(radius).mul_(_like(turn, scale))
    out = np.empty(shape)
    drawn = torch.from_numpy(out).reshape(-1)
    index, scale = (np.broadcast_to(a, shape) if np.ndim(a) else float(a) for a in (index, scale))
    buffers = torch.empty(3, min(BLOCK, out.size), dtype=torch.float64)
    for start in range(0, out.size, BLOCK):
        block = slice(start, min(start + BLOCK, out.size))
        here, factor = (a if isinstance(a, float) else torch.from_numpy(a.flat[block]) for a in (index, scale))
        turn, radius, spare = buffers[:, : block.stop - start]
        rng.random(out=turn.numpy())
        rng.standard_exponential(out=radius.numpy())
        method(turn, radius, spare, here)
        torch.mul(turn, radius, out=drawn[block])
        if not isinstance(factor, float) or factor != 1:
            drawn[block] *= factor
    return out


def _cauchy(shape: tuple[int, ...], rng: "Rng", scale: np.ndarray) -> "Sample":
    """The tangent of uniform angles."""
    import torch

    if isinstance(rng, np.random.Generator):
        drawn = np.empty(shape)
        rng.random(out=drawn)
        angle = torch.from_numpy(drawn)
    else:
        drawn = angle = torch.empty(shape, dtype=torch.float64, device=rng.device).uniform_(generator=rng)
    for block in angle.reshape(-1).split(BLOCK):
        block.sub_(0.5).mul_(np.pi).tan_()
    drawn *= _like(drawn, scale)
    return drawn


def _normal(shape: tuple[int, ...], rng: "Rng", scale: np.ndarray) -> "Sample":
    if isinstance(rng, np.random.Generator):
        drawn = rng.standard_normal(shape)
    else:
        import torch

        drawn = torch.empty(shape, dtype=torch.float64, device=rng.device).normal_(generator=rng)
    drawn *= _like(drawn, scale)
    return drawn


def _like(drawn: "Sample", values: np.ndarray) -> "Sample":
    """values as an array or a tensor, whichever drawn is."""
    return np.asarray(values) if isinstance(drawn, np.ndarray) else drawn.new_tensor(values)


def _checked(size, alpha: np.ndarray, scale: np.ndarray, rng: "Rng", vectors: bool = False):
    """The shape as a tuple, after checks of what the draws have in common."""
    if not isinstance(rng, np.random.Generator):
        import torch

        if not isinstance(rng, torch.Generator):
            raise ValueError(f"rng is {type(rng).__name__}; allowed: a numpy.random.Generator or a torch.Generator")
    shape = tuple(size) if np.iterable(size) else (size,)
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 0 for n in shape):
        raise ValueError(f"size is {size}; allowed: integers >= 0")
    if vectors and not shape:
        raise ValueError("size is (); allowed: at least one axis, of the coordinates")
    target = shape[:-1] if vectors else shape
    for name, values in (("alpha", alpha), ("scale", scale)):
        pairs = zip(np.shape(values)[::-1], target[::-1], strict=False)
        if np.ndim(values) > len(target) or not all(own in (1, n) for own, n in pairs):
            raise ValueError(f"{name} has shape {np.shape(values)}; allowed: one that broadcasts to {target}")
    return shape
