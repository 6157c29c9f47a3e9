"""Distribution function, density and quantiles of the symmetric stable law, with full relative accuracy in the tails.

For $x > 0$ and $\\alpha \\ne 1$ put $p = \\alpha/(\\alpha - 1)$ and, with $\\theta$ in $(0, \\pi/2)$,

$$g = x^p (\\cos\\theta / \\sin\\alpha\\theta)^p \\cos((\\alpha-1)\\theta) / \\cos\\theta.$$

Zolotarev's integrals are $P(X > x) = \\frac1\\pi \\int e^{-g} d\\theta$ for $\\alpha > 1$,
$\\frac1\\pi \\int (1 - e^{-g}) d\\theta$ for $\\alpha < 1$, and the density is
$\\frac{|p|}{\\pi x} \\int g e^{-g} d\\theta$. Their integrands are positive: nothing cancels. Far out they live next to
$\\theta = \\pi/2$, and near $x = 0$ next to 0, so the variable here is $z = \\log(\\varphi/\\theta)$ with
$\\varphi = \\pi/2 - \\theta$, in which both ends are resolved. The integrand of $P$ is nearly a step from 1 to 0 at the
$z^*$ with $g = 1$; the step is integrated exactly, and what remains on either side by Gauss-Legendre panels.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lib.stable.formulas import checked_index, checked_scale, tail_constant

if TYPE_CHECKING:
    import torch

NODES = 32  # of each Gauss-Legendre panel
PANEL = 6.0  # largest length of a panel in z
PANEL_LOG = 14.0  # largest change of log g over a panel
FAR = 1e18  # from x**alpha on, the leading term of the tail is exact to rounding
NEGLECTED = 42.0  # what is exp(-42) of the rest is left out
CHUNK = 1024


def cdf(x: ArrayLike, alpha: float, scale: float = 1.0) -> np.ndarray:
    r"""Distribution function $P(X \le x)$ of the law with characteristic function $e^{-|\sigma u|^\alpha}$.

    Zolotarev's integral (see the module); $\frac12 + \frac1\pi \arctan(x/\sigma)$ at $\alpha = 1$ and the normal law
    of variance $2\sigma^2$ at $\alpha = 2$. The lower tail has full relative accuracy; for the upper see `sf`.
    x: any shape, infinities allowed; alpha in (0, 2]; returns that shape, float64.
    Raises ValueError on nan in x and on alpha or scale out of range.
    """
    return sf(-np.asarray(x, np.float64), alpha, scale)


def sf(x: ArrayLike, alpha: float, scale: float = 1.0) -> np.ndarray:
    r"""Upper tail $P(X > x)$ of the law with characteristic function $e^{-|\sigma u|^\alpha}$.

    As `cdf`, with full relative accuracy for large x, where it is $\frac12 c_\alpha (x/\sigma)^{-\alpha}$ with
    `tail_constant`.
    x: any shape; returns that shape, float64. Raises ValueError as `cdf` does.
    Derived in: notebooks/11_stable_laws.
    """
    x, alpha, scale = _checked(x, alpha, scale)
    tail, _ = _positive(np.abs(x).ravel() / scale, alpha)
    tail = tail.reshape(x.shape)
    return np.where(x < 0, 1 - tail, tail)[()]


def pdf(x: ArrayLike, alpha: float, scale: float = 1.0) -> np.ndarray:
    r"""Density of the law with characteristic function $e^{-|\sigma u|^\alpha}$, accurate in both tails.

    Zolotarev's integral (see the module); $\Gamma(1 + 1/\alpha)/(\pi\sigma)$ at 0.
    x: any shape; returns that shape, float64. Raises ValueError as `cdf` does.
    """
    x, alpha, scale = _checked(x, alpha, scale)
    return _positive(np.abs(x).ravel() / scale, alpha)[1].reshape(x.shape)[()] / scale


def ppf(q: ArrayLike, alpha: float, scale: float = 1.0) -> np.ndarray:
    r"""Quantile: the x with $P(X \le x) = q$, by Newton's method on $\log P$ against $\log |x|$.

    The lower tail has full relative accuracy; the upper one is its mirror image, `-ppf(small)`.
    q: any shape, in [0, 1]; returns that shape, float64, with infinities at 0 and 1.
    Raises ValueError on values out of range.
    """
    q = np.asarray(q, np.float64)
    alpha, scale = _number(checked_index(alpha), "alpha"), _number(checked_scale(scale), "scale")
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError("q has entries out of range; allowed: numbers in [0, 1]")
    if alpha == 2:
        return scale * np.sqrt(2) * special.ndtri(q)
    tail = np.minimum(q, 1 - q)
    inside = (tail > 0) & (tail < 0.5)
    x = np.array(np.where(tail > 0, 0.0, np.inf))
    x[inside] = 1 / np.tan(np.pi * tail[inside]) if alpha == 1 else _quantile(tail[inside], alpha)
    return scale * np.where(q < 0.5, -x, x)[()]


def _checked(x: ArrayLike, alpha: float, scale: float) -> tuple[np.ndarray, float, float]:
    x = np.asarray(x, np.float64)
    if np.any(np.isnan(x)):
        raise ValueError("x has nan entries; allowed: numbers, infinities included")
    return x, _number(checked_index(alpha), "alpha"), _number(checked_scale(scale), "scale")


def _number(value: np.ndarray, name: str) -> float:
    if np.ndim(value):
        raise ValueError(f"{name} has shape {np.shape(value)}; allowed: one number")
    return float(value)


def _positive(x: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Upper tail and density at x >= 0, (n,), of the standard law."""
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        if alpha == 2:
            return special.erfc(x / 2) / 2, np.exp(-(x**2) / 4) / np.sqrt(4 * np.pi)
        if alpha == 1:
            return np.where(x > 0, np.arctan(1 / x), np.pi / 2) / np.pi, 1 / (np.pi * (1 + x**2))
        tail = tail_constant(alpha) / 2 * x**-alpha
        density = alpha * tail / x
    near, middle = x < 1e-290, (x >= 1e-290) & (x < FAR ** (1 / alpha))
    tail[near], density[near] = 0.5, special.gamma(1 + 1 / alpha) / np.pi
    density[np.isinf(x)] = 0.0
    tail[middle], density[middle] = _zolotarev(x[middle], alpha)
    return tail, density


def _zolotarev(x: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    import torch

    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(NODES))
    out = np.empty((2, len(x)))
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        log_x = torch.from_numpy(np.log(x[part]))[:, None]
        out[0, part], out[1, part] = _integrals(log_x, alpha, nodes, weights)
    return out[0], abs(alpha / (alpha - 1)) / x * out[1]


def _integrals(log_x: "torch.Tensor", alpha: float, nodes: "torch.Tensor", weights: "torch.Tensor"):
    """The integrals of the tail and of g exp(-g), over theta and divided by pi."""
    import torch

    level = NEGLECTED * max(alpha, 1 / alpha)  # where log g = -level, and where g = NEGLECTED, nothing is left
    step, large, small = _levels(log_x, alpha, [0.0, np.log(NEGLECTED), -level]).split(1, dim=1)
    tail, density = _angles(step)[0], torch.zeros_like(step)
    for sign in (1, -1):  # above the step, where the integrand falls from 1 to 0, and below
        growing = (alpha > 1) == (sign > 0)  # does g grow away from the step
        end = large if growing else small
        end = torch.minimum(end, step.clamp(min=0) + NEGLECTED).maximum(step.clamp(max=0) - NEGLECTED)
        change = np.log(NEGLECTED) if growing else level
        count = int(np.ceil(max((end - step).abs().max().item() / PANEL, change / PANEL_LOG)))
        places = (torch.arange(count)[:, None] + (nodes + 1) / 2) / count
        phi, theta = _angles(step + (end - step) * places.reshape(1, -1))
        measure = (
            phi * theta * weights.repeat(count) * ((end - step).abs() / (np.pi * count))
        )  # dphi = 2/pi phi theta dz
        g = _log_g(log_x, alpha, phi, theta).clamp_(max=700).exp_()
        decayed = torch.exp(-g)
        rest = decayed if growing else -torch.expm1(-g)
        tail += sign * (rest * measure).sum(1, keepdim=True)
        density += (g.mul_(decayed) * measure).sum(1, keepdim=True)
    return (part[:, 0].numpy() / np.pi for part in (tail, density))


def _angles(z: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
    """phi and theta, where phi + theta = pi/2 and phi/theta = exp(z)."""
    return z.sigmoid().mul_(np.pi / 2), z.neg().sigmoid_().mul_(np.pi / 2)


def _log_g(log_x: "torch.Tensor", alpha: float, phi: "torch.Tensor", theta: "torch.Tensor") -> "torch.Tensor":
    # sin(alpha theta) and cos((alpha - 1) theta) from arguments that stay accurate near both ends.
    sine = (alpha * theta).minimum((2 - alpha) * np.pi / 2 + alpha * phi).sin_().log_()
    cosine = phi.mul(abs(alpha - 1)).add_((1 - abs(alpha - 1)) * np.pi / 2).sin_().log_()
    log_phi = phi.sin().log_()
    return (log_x + log_phi).sub_(sine).mul_(alpha / (alpha - 1)).add_(cosine).sub_(log_phi)


def _levels(log_x: "torch.Tensor", alpha: float, values: list[float]) -> "torch.Tensor":
    """The z at which log g has each of the values, (n, values), by bisection: g is monotone in z."""
    import torch

    values = log_x.new_tensor(values)
    low, high = torch.full_like(log_x + values, -130.0), torch.full_like(log_x + values, 730.0)
    for _ in range(45):
        middle = (low + high) / 2
        above = (_log_g(log_x, alpha, *_angles(middle)) > values) == (alpha > 1)
        high, low = torch.where(above, middle, high), torch.where(above, low, middle)
    return (low + high) / 2


def _quantile(tail: np.ndarray, alpha: float) -> np.ndarray:
    """x > 0 with upper tail in (0, 1/2): Newton's steps in log x, kept inside a bracket."""
    far = (np.log(tail_constant(alpha) / 2) - np.log(tail)) / alpha  # exact once x**alpha > FAR
    center = np.log((0.5 - tail) * np.pi) - special.gammaln(1 + 1 / alpha)
    t = np.where(tail > 0.25, center, far)
    low, high = np.full(t.shape, -200.0), np.full(t.shape, np.log(FAR) / alpha)
    left = np.flatnonzero(t < high)
    t[left] = np.clip(t[left], low[left], high[left])
    for _ in range(60):
        x = np.exp(t[left])
        value, density = _positive(x, alpha)
        excess = value / tail[left] - 1
        low[left], high[left] = np.where(excess > 0, t[left], low[left]), np.where(excess > 0, high[left], t[left])
        step = t[left] + np.log1p(excess) * value / (x * density)
        step = np.where((step >= low[left]) & (step <= high[left]), step, (low[left] + high[left]) / 2)
        going = (np.abs(excess) > 1e-15) & (np.abs(step - t[left]) > 4e-16 * np.maximum(1, np.abs(step)))
        t[left] = step
        left = left[going]
        if not len(left):
            break
    with np.errstate(over="ignore"):
        return np.exp(t)
