r"""Margins that the scale of the weights does not change, and the losses made of them.

An interpolating network can have any cross-entropy: scaling its weights scales $d = f_1 - f_0$ and changes no
prediction. Divided by the Lipschitz constant of d, or by the norms of its layers, margins can be compared.
Throughout, weights are {name: (networks, ...)}, inputs (n, d) and labels (n,) of 0 and 1, as tensors; `context` is as
for `decisions.decisions`. Peleg & Hein 2024, arXiv:2407.03848.
"""

import copy
import math

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from lib.decisions import Decisions, Weights, checked, decisions
from lib.small_networks import with_context

# Samples whose gradients are taken together, and numbers that the widest layer may hold then.
ROWS, AT_ONCE = 128, {"cpu": 2**22, "cuda": 2**28}


def gradients(
    network: nn.Module, weights: Weights, inputs: torch.Tensor, *, context: torch.Tensor | None = None
) -> torch.Tensor:
    r"""The gradients $\nabla_x d(x)$ of many networks at many inputs, (networks, n, d).

    With zero biases d is homogeneous, so that $\langle \nabla d(x), x \rangle = d(x)$. Where max-pool or ReLU has a
    kink, it is the gradient of one of the linear pieces, that of torch. With batch norm give a context, its statistics
    are constants. Raises ValueError on shapes that do not fit.
    """
    return torch.cat([piece for piece in _pieces(network, weights, inputs, context)], 1)


def gradient_norms(
    network: nn.Module, weights: Weights, inputs: torch.Tensor, *, context: torch.Tensor | None = None
) -> torch.Tensor:
    r"""$\|\nabla_x d(x)\|_2$ over all pixels, (networks, n), in memory that does not grow with n d."""
    return torch.cat([piece.norm(dim=2) for piece in _pieces(network, weights, inputs, context)], 1)


def lipschitz(
    network: nn.Module, weights: Weights, inputs: torch.Tensor, *, context: torch.Tensor | None = None
) -> torch.Tensor:
    r"""The empirical Lipschitz constants $\hat L = \max_x \|\nabla_x d(x)\|_2$ over the inputs, (networks,).

    A lower bound of the true constant of d. The inputs are taken in pieces, the maximum is over all of them.
    """
    if not len(inputs):
        raise ValueError("inputs has no rows; allowed: at least one")
    norms = [piece.norm(dim=2).amax(1) for piece in _pieces(network, weights, inputs, context)]
    return torch.stack(norms).amax(0)


def lipschitz_loss(
    network: nn.Module,
    weights: Weights,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    constants: torch.Tensor,
    *,
    context: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""The Lipschitz-normalised loss $\frac1n \sum_i \log(1 + e^{-s_i d(x_i) / \hat L})$, (networks,).

    s_i = 2 y_i - 1; constants (networks,): those of `lipschitz`, of as large a set of inputs as there is. Zero margins
    give log 2. Raises ValueError on shapes that do not fit.
    """
    return _loss(decisions(network, weights, inputs, context=context), labels, constants)


def weight_norms(network: nn.Module, weights: Weights) -> torch.Tensor:
    r"""The products $N = \prod_l \|W_l\|_F / 3$ over convolutions and linear layers, no biases, no batch norm.

    Returns (networks,). The 3 of each layer is a scale for display alone; L layers multiply margins by 3^L.
    """
    weights = checked(network, weights)
    layers = [weight for weight in weights.values() if weight.ndim > 2]
    return torch.stack([weight.flatten(1).norm(dim=1) / 3 for weight in layers]).prod(0)


def weight_norm_loss(
    network: nn.Module,
    weights: Weights,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    context: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""The weight-normalised loss $\frac1n \sum_i \log(1 + e^{-s_i d(x_i) / N})$, (networks,), N of `weight_norms`.

    Chiang et al. 2023 (Loss landscapes are all you need).
    """
    return _loss(decisions(network, weights, inputs, context=context), labels, weight_norms(network, weights))


def margins(values: torch.Tensor, labels: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
    r"""Normalised margins $s_i d(x_i) / L$, (networks, n), of values d (networks, n) and constants L (networks,).

    Raises ValueError on shapes that do not fit, and on labels that are not 0 or 1.
    """
    if values.ndim != 2 or labels.shape != values.shape[1:] or not ((labels == 0) | (labels == 1)).all():
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}; allowed: 0 or 1 for {tuple(values.shape)[1:]} samples"
        )
    if constants.shape != values.shape[:1]:
        raise ValueError(f"constants has shape {tuple(constants.shape)}; allowed: {tuple(values.shape)[:1]}")
    return (2 * labels - 1) * values / constants[:, None]


def _loss(values: torch.Tensor, labels: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
    return functional.softplus(-margins(values, labels, constants)).mean(1)


def _pieces(network: nn.Module, weights: Weights, inputs: torch.Tensor, context: torch.Tensor | None):
    """The gradients in pieces (networks, samples, d)."""
    model, weights, m = Decisions(network), checked(network, weights), 0
    if inputs.ndim != 2 or inputs.shape[1] != math.prod(model.image_shape):
        raise ValueError(f"inputs has shape {tuple(inputs.shape)}; allowed: (n, {math.prod(model.image_shape)})")
    if model.batch_norm:
        if context is None:
            raise ValueError("context is None; allowed with batch norm: the samples of its statistics")
        m = len(context)
    skeleton = with_context(network, m).to(inputs) if m else copy.deepcopy(network).to(inputs)
    members = len(next(iter(weights.values())))
    zeros = {name: torch.zeros_like(p) for name, p in skeleton.named_parameters() if name not in weights}

    def total(own, x):
        logits = functional_call(skeleton, zeros | own, (x,))[m:]
        return (logits[:, 1] - logits[:, 0]).sum()

    each = vmap(grad(total, 1), (0, None))
    step = max(1, AT_ONCE.get(inputs.device.type, AT_ONCE["cpu"]) // (model.floats * (ROWS + m)))
    for piece in inputs.split(ROWS):
        whole = torch.cat([context, piece]) if m else piece
        parts = ({name: weight[i : i + step] for name, weight in weights.items()} for i in range(0, members, step))
        yield torch.cat([each(part, whole)[:, m:] for part in parts])
