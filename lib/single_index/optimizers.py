"""Full-batch steps on the hidden weights, for one member or many at once."""

import math

import torch

BETAS, EPSILON = (0.9, 0.999), 1e-8


def gd_step(
    weights: torch.Tensor,
    gradient: torch.Tensor,
    learning_rate: float | torch.Tensor,
    *,
    weight_decay: float | torch.Tensor = 0.0,
) -> torch.Tensor:
    r"""Return the weights after a step of gradient descent, $W-\eta(G+\lambda W)$.

    weights, gradient: (..., h, d); learning_rate, weight_decay: numbers or (...). The step of `torch.optim.SGD`; with
    momentum, `velocity` takes the place of the gradient.
    """
    return weights - _number(learning_rate, weights) * _decayed(weights, gradient, weight_decay)


def velocity(
    weights: torch.Tensor,
    gradient: torch.Tensor,
    momentum: float | torch.Tensor,
    *,
    last: torch.Tensor | None = None,
    weight_decay: float | torch.Tensor = 0.0,
) -> torch.Tensor:
    r"""Return what gradient descent with momentum steps along, $u\leftarrow\beta u+G+\lambda W$.

    The buffer of `torch.optim.SGD`: the learning rate stands outside, as in `gd_step(weights, velocity, rate)`.

    weights, gradient: (..., h, d); momentum, weight_decay: numbers or (...). last: what the step before returned, or
    None before the first step.
    """
    gradient = _decayed(weights, gradient, weight_decay)
    return gradient if last is None else _number(momentum, weights) * last + gradient


def adam_step(
    weights: torch.Tensor,
    gradient: torch.Tensor,
    learning_rate: float | torch.Tensor,
    *,
    moments: tuple[torch.Tensor, torch.Tensor] | None = None,
    step: int = 1,
    weight_decay: float | torch.Tensor = 0.0,
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    r"""Return the weights after a full-batch Adam step, and the moments for the next one.

    $m\leftarrow0.9m+0.1G$, $v\leftarrow0.999v+0.001G^2$, then
    $W-\eta\frac{m/(1-0.9^k)}{\sqrt{v/(1-0.999^k)}+10^{-8}}$ at step k; weight decay is added to G first, as in
    `torch.optim.Adam`. The first step is $-\eta\,\mathrm{sign}(G)$ where $|G|\gg10^{-8}$.

    weights, gradient: (..., h, d); learning_rate, weight_decay: numbers or (...). moments: None before the first step;
    they are changed in place. step: k, counted from 1. Raises ValueError on a step below 1, and when moments are
    missing after the first step.
    """
    if isinstance(step, bool) or not hasattr(step, "__index__") or step < 1:
        raise ValueError(f"step is {step!r}; allowed: an integer >= 1")
    if moments is None and step > 1:
        raise ValueError(f"moments is None; allowed at step {step}: what the step before returned")
    gradient = _decayed(weights, gradient, weight_decay)
    m, v = moments or (torch.zeros_like(weights), torch.zeros_like(weights))
    m.lerp_(gradient, 1 - BETAS[0])
    v.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    size = (v.sqrt() / math.sqrt(1 - BETAS[1] ** step)).add_(EPSILON)
    return weights - _number(learning_rate, weights) / (1 - BETAS[0] ** step) * (m / size), (m, v)


def step_lr(
    learning_rate: float | torch.Tensor, step: int, gamma: float | torch.Tensor, step_size: int | torch.Tensor = 1
) -> float | torch.Tensor:
    r"""Return the learning rate of step k, counted from 1: $\eta\,\gamma^{\lfloor(k-1)/s\rfloor}$.

    The schedule of `torch.optim.lr_scheduler.StepLR`, stepped once after each step. Numbers or tensors.
    """
    return learning_rate * gamma ** ((step - 1) // step_size)


def normalize(weights: torch.Tensor) -> torch.Tensor:
    r"""Return the weights scaled to their Frobenius norm at random, $W\sqrt{hd}/\lVert W\rVert_F$; (..., h, d)."""
    norm = torch.linalg.matrix_norm(weights, keepdim=True)
    return weights * (math.sqrt(weights.shape[-1] * weights.shape[-2]) / norm)


def _number(value, weights: torch.Tensor) -> torch.Tensor | float:
    """A number for each member, in the shape that multiplies the weights."""
    if not isinstance(value, torch.Tensor) or value.ndim == 0:
        return value
    return value.to(weights.dtype)[..., None, None]


def _decayed(weights: torch.Tensor, gradient: torch.Tensor, weight_decay) -> torch.Tensor:
    if isinstance(weight_decay, torch.Tensor) or weight_decay:
        return gradient + _number(weight_decay, weights) * weights
    return gradient
