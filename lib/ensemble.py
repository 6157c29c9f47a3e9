"""Many networks of one shape, trained and evaluated together: every weight has a first axis of members.

model = ensemble.of(networks.fcn(64, 256, 2, 10, generator=generator))
weights = ensemble.stack([first, second, third])  # {name: (3, ...)}
loss, accuracy = ensemble.evaluate(model, weights, inputs, labels)
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

# Numbers that one layer's outputs may hold while samples are evaluated.
EVALUATED_AT_ONCE = {"cpu": 2**20, "cuda": 2**27}


def stack(modules: Sequence[nn.Module]) -> dict[str, torch.Tensor]:
    """The parameters of modules of one shape as {name: (members, ...)}, detached copies.

    Raises ValueError when there is none, or their parameters differ in name or shape.
    """
    tables = [dict(module.named_parameters()) for module in modules]
    shapes = [{name: tuple(p.shape) for name, p in table.items()} for table in tables]
    if not tables or any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"modules has shapes {shapes}; allowed: at least one module, all of one shape")
    return {name: torch.stack([table[name].detach() for table in tables]) for name in tables[0]}


def unstack(module: nn.Module, weights: Mapping[str, torch.Tensor], member: int) -> nn.Module:
    """The module itself, its parameters set to copies of one member's weights.

    Raises ValueError when the names or shapes differ from the module's.
    """
    own = dict(module.named_parameters())
    if set(own) != set(weights) or any(weights[name].shape[1:] != p.shape for name, p in own.items()):
        given = {name: tuple(value.shape) for name, value in weights.items()}
        raise ValueError(f"weights has {given}; allowed: a first axis of members, then the shapes of the module")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.data = weights[name][member].clone()
    return module


def of(module: nn.Module) -> "Dense | Functional":
    """The ensemble of networks of a module's shape: `Dense` for ReLU networks without biases, else `Functional`.

    Raises ValueError when the module has buffers, as those of batch norm: members would share them.
    """
    parts = list(module) if type(module) is nn.Sequential else []
    linear, between = parts[::2], parts[1::2]
    if len(parts) % 2 and all(type(p) is nn.Linear and p.bias is None for p in linear):
        if all(type(p) is nn.ReLU for p in between):
            return Dense(module)
    if any(True for _ in module.buffers()):
        raise ValueError("module has buffers, such as running means; allowed: modules with parameters only")
    return Functional(module)


class _Ensemble:
    """What both ensembles share. Weights are lists of tensors (members, ...), in the order of `names`."""

    def __init__(self, module: nn.Module) -> None:
        self.names = tuple(name for name, _ in module.named_parameters())
        self.shapes = tuple(tuple(p.shape) for p in module.parameters())


class Dense(_Ensemble):
    r"""Networks $W_{L}\,\phi(\cdots\phi(W_1 x))$, forward and backward by batched products, without autograd.

    With $a_l$ (members, b, h) the outputs of a layer and $dz_l$ the slopes of the loss, the weights move by
    $-\alpha\,dz_l^T a_{l-1}$ in one product, in place: no gradient is ever stored.
    """

    def logits(self, weights: Sequence[torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        """inputs (b, d), shared, or (members, b, d) -> (members, b, n_classes)."""
        return self._forward(weights, inputs, [])

    def step(self, weights: Sequence[torch.Tensor], inputs: torch.Tensor, targets: torch.Tensor, move: "Move") -> None:
        """One step of SGD on the mean cross-entropy; targets: one-hot, (b, n_classes) or (members, b, n_classes)."""
        outputs: list[torch.Tensor] = []
        slopes = torch.softmax(self._forward(weights, inputs, outputs), -1).sub_(targets)
        move.note(slopes)
        slopes *= move.factor / inputs.shape[-2]
        for l in reversed(range(len(weights))):
            below = None
            if l:
                below = torch.bmm(slopes, weights[l])
                below = torch.ops.aten.threshold_backward(below, outputs[l], 0)
            move.outer(l, weights[l], slopes, outputs[l])
            slopes = below

    def _forward(self, weights, x, outputs):
        if x.ndim == 2:
            x = x.expand(len(weights[0]), *x.shape)
        for l, weight in enumerate(weights):
            outputs.append(x)
            x = torch.bmm(x, weight.transpose(1, 2))
            if l < len(weights) - 1:
                x.relu_()
        return x


class Functional(_Ensemble):
    """Networks of any module without buffers, by `torch.func.vmap` of the gradient."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        skeleton = module  # its own parameters are never read: each call brings others
        names = self.names

        def forward(weights, x):
            return functional_call(skeleton, dict(zip(names, weights, strict=True)), (x,))

        def loss(weights, x, y):
            logits = forward(weights, x)
            return functional.cross_entropy(logits, y), (torch.softmax(logits.detach(), -1) - y)

        self._forward, self._gradient = forward, grad(loss, has_aux=True)

    def logits(self, weights: Sequence[torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        """inputs (b, d), shared, or (members, b, d) -> (members, b, n_classes)."""
        shared = None if inputs.ndim == 2 else 0
        return vmap(self._forward, in_dims=(0, shared))(tuple(weights), inputs)

    def step(self, weights: Sequence[torch.Tensor], inputs: torch.Tensor, targets: torch.Tensor, move: "Move") -> None:
        """One step of SGD on the mean cross-entropy; targets: one-hot, (b, n_classes) or (members, b, n_classes)."""
        shared = None if inputs.ndim == 2 else 0
        each = vmap(self._gradient, in_dims=(0, shared, shared))
        gradients, slopes = each(tuple(weights), inputs, targets)
        move.note(slopes)
        for l, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            move.along(l, weight, gradient)


class Move:
    r"""How SGD moves each member: $v \leftarrow \beta v + g + \lambda w$, $w \leftarrow w - \alpha v$.

    learning_rate, momentum and weight_decay: (members,) tensors. `lost` (members,) counts the steps since a member's
    outputs were no longer finite.
    """

    def __init__(self, learning_rate: torch.Tensor, momentum: torch.Tensor, weight_decay: torch.Tensor) -> None:
        self.settings = learning_rate, momentum, weight_decay
        self.velocity: list[torch.Tensor] | None = None
        self.lost = torch.zeros(len(learning_rate), dtype=torch.int64, device=learning_rate.device)
        self._refresh()

    def _refresh(self) -> None:
        rate, momentum, decay = self.settings
        self.plain = not bool(momentum.any())
        self.decays = bool(decay.any())
        # Without momentum the step size enters with the slopes; else it multiplies the velocity.
        self.factor = (-rate if self.plain else torch.ones_like(rate))[:, None, None]

    def start(self, weights: Sequence[torch.Tensor]) -> None:
        """Velocities of zero, where some member has momentum."""
        self.velocity = None if self.plain else [torch.zeros_like(weight) for weight in weights]

    def keep(self, members: torch.Tensor) -> None:
        """Drop all but these members."""
        self.settings = tuple(setting[members] for setting in self.settings)
        self.lost = self.lost[members]
        self._refresh()
        # Velocities are of no use to members without momentum.
        self.velocity = None if self.plain or self.velocity is None else [v[members] for v in self.velocity]

    def note(self, slopes: torch.Tensor) -> None:
        """Count a step for the members whose slopes are nan: softmax makes nan of outputs that are not finite."""
        self.lost += slopes[:, :, 0].sum(1).isnan()

    def outer(self, l: int, weight: torch.Tensor, slopes: torch.Tensor, inputs: torch.Tensor) -> None:
        """Move a layer whose gradient, times `factor`, is slopes^T inputs."""
        if self.velocity is None:
            if self.decays:
                weight.mul_(_wide(1 - self.settings[0] * self.settings[2], weight))
            weight.baddbmm_(slopes.transpose(1, 2), inputs)
        else:
            self._damp(l, weight).baddbmm_(slopes.transpose(1, 2), inputs)
            self._go(l, weight)

    def along(self, l: int, weight: torch.Tensor, gradient: torch.Tensor) -> None:
        """Move a layer along its gradient."""
        if self.velocity is None:
            if self.decays:
                weight.mul_(_wide(1 - self.settings[0] * self.settings[2], weight))
            weight.addcmul_(gradient, _wide(-self.settings[0], weight))
        else:
            self._damp(l, weight).add_(gradient)
            self._go(l, weight)

    def _damp(self, l, weight):
        velocity = self.velocity[l].mul_(_wide(self.settings[1], weight))
        return velocity.addcmul_(weight, _wide(self.settings[2], weight)) if self.decays else velocity

    def _go(self, l, weight):
        weight.addcmul_(self.velocity[l], _wide(-self.settings[0], weight))


def evaluate(
    model: Dense | Functional,
    weights: Mapping[str, torch.Tensor] | Sequence[torch.Tensor],
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean cross-entropy and accuracy of every member, each (members,) float64.

    weights: {name: (members, ...)} or a list in the order of `model.names`. inputs: (N, d), labels: (N,) int64. The
    largest logit decides, the first of equal ones. A member whose logits are not all finite has loss inf, accuracy nan.
    """
    if isinstance(weights, Mapping):
        weights = [weights[name] for name in model.names]
    members = len(weights[0])
    widest = max(max(shape) if len(shape) == 2 else inputs.shape[1] * max(shape[:2]) for shape in model.shapes)
    rows = max(1, EVALUATED_AT_ONCE.get(inputs.device.type, EVALUATED_AT_ONCE["cpu"]) // (widest * members))
    loss = torch.zeros(members, dtype=torch.float64, device=inputs.device)
    right = torch.zeros_like(loss)
    with torch.no_grad():
        for x, y in zip(inputs.split(rows), labels.split(rows), strict=True):
            logits = model.logits(weights, x)
            chosen = logits.gather(2, y.expand(members, -1)[..., None])[..., 0]
            loss += (torch.logsumexp(logits, 2) - chosen).sum(1)
            right += (logits.argmax(2) == y).sum(1)
    loss, right = (loss / len(labels)).cpu().numpy(), (right / len(labels)).cpu().numpy()
    finite = np.isfinite(loss)
    return np.where(finite, loss, np.inf), np.where(finite, right, np.nan)


def _wide(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(members,) with axes of one entry, to multiply a weight (members, ...)."""
    return values.reshape(-1, *[1] * (weight.ndim - 1))
