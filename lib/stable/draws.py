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

BLOCK = 2**14  # numbers worked on at once: their temporaries stay in the cache
LEAST = 1e-30  # keeps logarithms finite where a generator returns an exact zero


def sample(alpha: ArrayLike, size: int | tuple[int, ...], *, scale: ArrayLike = 1.0, rng: "Rng") -> "Sample":
    r"""Independent draws of the symmetric stable law with characteristic function $e^{-|\sigma u|^\alpha}$.

    Chambers, Mallows and Stuck: with U uniform on $(-\frac\pi2, \frac\pi2)$ and E exponential,
    $X = \sigma \frac{\sin \alpha U}{(\cos U)^{1/\alpha}} \big(\frac{\cos((1-\alpha)U)}{E}\big)^{(1-\alpha)/\alpha}$.
    alpha in (0, 2] and scale > 0 broadcast against size: a grid of laws is one call. Returns shape size, float64; for
    alpha below 0.1 some draws overflow to infinity.
    Raises ValueError on values out of range. Chambers et al. 1976.
    """
    alpha, scale = checked_index(alpha), checked_scale(scale)
    shape = _checked(size, alpha, scale, rng)
    if np.ndim(alpha) == 0 and alpha == 2:
        return _normal(shape, rng, scale * np.sqrt(2))
    cauchy = np.ndim(alpha) == 0 and alpha == 1
    return _draw(_cauchy if cauchy else _symmetric, shape, alpha, scale, rng)


def sample_positive(index: ArrayLike, size: int | tuple[int, ...], *, rng: "Rng") -> "Sample":
    r"""Independent draws of the positive stable law with Laplace transform $E e^{-sA} = e^{-s^a}$.

    Kanter: with $\theta$ uniform on $(0, \pi)$ and E exponential,
    $A = \frac{\sin a\theta}{(\sin\theta)^{1/a}} \big(\frac{\sin((1-a)\theta)}{E}\big)^{(1-a)/a}$; A = 1 at a = 1.
    index: a in (0, 1], broadcasts against size. Returns shape size, float64.
    Raises ValueError on values out of range. Kanter 1975.
    """
    index = checked_index(index, "index", 1.0)
    shape = _checked(size, index, 1.0, rng)
    return _draw(_positive, shape, index, 1.0, rng)


def sample_isotropic(alpha: float, n: int, dim: int, *, scale: float = 1.0, rng: "Rng") -> "Sample":
    r"""Independent vectors of the rotation-invariant stable law, $E e^{i\langle u, X\rangle} = e^{-|\sigma u|^\alpha}$.

    $X = \sigma\sqrt{2A}\, G$ with A of `sample_positive` at $a = \alpha/2$ and G standard normal in R^dim.
    Returns (n, dim), float64, one vector a row. Raises ValueError on values out of range.
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


def _symmetric(uniform: "torch.Tensor", exponential: "torch.Tensor", alpha) -> "torch.Tensor":
    """Draws from numbers uniform on [0, 1) and exponential ones; both are overwritten."""
    angle = uniform.sub_(0.5).mul_(np.pi)
    radius = (angle * (1 - alpha)).cos_().div_(exponential.clamp_(min=LEAST)).log_().mul_(1 - alpha)
    radius.sub_(angle.cos().log_()).mul_(1 / alpha).exp_()  # the cosine of a rounded pi/2 is positive
    return angle.mul_(alpha).sin_().mul_(radius)


def _cauchy(uniform: "torch.Tensor", exponential: None, alpha: float) -> "torch.Tensor":
    return uniform.sub_(0.5).mul_(np.pi).tan_()


def _positive(uniform: "torch.Tensor", exponential: "torch.Tensor", index) -> "torch.Tensor":
    angle = uniform.neg_().add_(1.0).mul_(np.pi)  # in (0, pi]
    radius = (angle * (1 - index)).sin_().clamp_(min=LEAST).div_(exponential.clamp_(min=LEAST)).log_().mul_(1 - index)
    radius.sub_(angle.sin().clamp_(min=LEAST).log_()).mul_(1 / index).exp_()
    return angle.mul_(index).sin_().mul_(radius)


def _draw(method, shape: tuple[int, ...], index: np.ndarray, scale: np.ndarray, rng: "Rng") -> "Sample":
    """Apply a method to fresh uniform and exponential numbers, block by block on the CPU, all at once on a device."""
    import torch

    if isinstance(rng, torch.Generator):
        uniform, exponential = (torch.empty(shape, dtype=torch.float64, device=rng.device) for _ in range(2))
        uniform.uniform_(generator=rng)
        if method is not _cauchy:
            exponential.exponential_(generator=rng)
        return method(uniform, exponential, _like(uniform, index)).mul_(_like(uniform, scale))
    out = np.empty(shape)
    flat = out.reshape(-1)
    index, scale = (np.broadcast_to(a, shape) if np.ndim(a) else float(a) for a in (index, scale))
    buffers = np.empty((2, min(BLOCK, flat.size)))
    for start in range(0, flat.size, BLOCK):
        block = slice(start, min(start + BLOCK, flat.size))
        here, factor = (a if isinstance(a, float) else torch.from_numpy(a.flat[block]) for a in (index, scale))
        uniform, exponential = buffers[:, : block.stop - start]
        rng.random(out=uniform)
        if method is not _cauchy:
            rng.standard_exponential(out=exponential)
        drawn = method(torch.from_numpy(uniform), torch.from_numpy(exponential), here)
        torch.mul(drawn, factor, out=torch.from_numpy(flat[block]))
    return out


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
