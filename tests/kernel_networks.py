"""Networks of every kind of layer and output, and their kernels by the Jacobians of autograd."""

from functools import partial

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, jacrev

ACCURACY = 1e-12


class Twice(nn.Module):
    """A linear layer called twice."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.last = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.last(torch.tanh(self.again(torch.tanh(self.again(torch.tanh(self.first(x)))))))


class Tied(nn.Module):
    """A weight that two layers share, or that one layer and a product outside it do."""

    def __init__(self, by_product):
        super().__init__()
        self.first, self.second, self.by_product = nn.Linear(4, 4), nn.Linear(4, 4), by_product
        if not by_product:
            self.second.weight = self.first.weight

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        return hidden @ self.first.weight + self.second(hidden) if self.by_product else self.second(hidden)


class Free(nn.Module):
    """Parameters that belong to no layer, one layer never used, and one output that skips a layer."""

    def __init__(self):
        super().__init__()
        self.scale, self.unused = nn.Parameter(torch.rand(3)), nn.Linear(2, 2)
        self.first, self.last = nn.Linear(4, 3), nn.Linear(3, 1)

    def forward(self, x):
        hidden = torch.sigmoid(self.first(input=x) * self.scale)
        return torch.cat([hidden[:, :1], self.last(hidden)], 1)


class Residual(nn.Module):
    """A block with a sum in place, and a linear layer on every position of a sequence."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(4, 4), nn.Linear(4, 3, bias=False)

    def forward(self, x):
        hidden = self.inner(x.reshape(len(x), 3, -1))
        hidden += x.reshape(len(x), 3, -1)
        return self.last(hidden.relu_()).sum(1)


class Folded(nn.Module):
    """Linear layers that take positions as samples, before or behind the samples."""

    def __init__(self):
        super().__init__()
        self.folded, self.sequence, self.last = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(6, 2)

    def forward(self, x):
        hidden = torch.tanh(self.folded(x.reshape(-1, 4))).reshape(len(x), 3, 3)
        hidden = torch.tanh(self.sequence(hidden.transpose(0, 1))).transpose(0, 1)
        return self.last(hidden.flatten(1))


class Recurrent(nn.Module):
    """A recurrent layer, whose last state is read."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.inner(x)[0][:, -1])


def convolutional(**options):
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, **options), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(4), nn.Tanh(), nn.Linear(4, 3)
    )


def lenet(outputs=3):
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(5 * 2 * 2, 6), nn.ReLU(), nn.Linear(6, outputs),
    )  # fmt: skip


def with_running_statistics(model, shape):
    with torch.no_grad():
        for _ in range(3):
            model(3 * torch.rand(9, *shape) - 1)
    return model


def deep_patches():
    """Two positions and many channels, where patches are cheaper than gradients."""
    return nn.Sequential(nn.Conv1d(12, 14, 3), nn.Tanh(), nn.Flatten(), nn.Linear(28, 2))


LAYERS = {
    "linear": (lambda: nn.Linear(3, 2), (3,)),
    "linear, no bias, one output": (lambda: nn.Sequential(nn.Linear(3, 1, bias=False), nn.Flatten(0)), (3,)),
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 7), nn.GELU(), nn.Linear(7, 3)), (6,)),
    "conv": (convolutional, (2, 5, 6)),
    "conv, stride, padding": (partial(convolutional, stride=2, padding=1), (2, 5, 6)),
    "conv, uneven": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, (3, 2), (2, 1), (0, 2), (1, 3)), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)
        ),
        (2, 5, 6),
    ),
    "conv, dilation, no bias": (partial(convolutional, dilation=2, bias=False), (2, 5, 6)),
    "conv, same": (partial(convolutional, padding="same", dilation=(1, 2)), (2, 5, 6)),
    "conv, same, even kernel": (lambda: nn.Sequential(nn.Conv1d(2, 3, 4, padding="same"), nn.Flatten()), (2, 5)),
    "conv, valid": (partial(convolutional, padding="valid"), (2, 5, 6)),
    "conv, circular": (partial(convolutional, padding=(1, 2), padding_mode="circular"), (2, 5, 6)),
    "conv, reflect": (partial(convolutional, padding="same", padding_mode="reflect"), (2, 5, 6)),
    "conv, patches": (deep_patches, (12, 4)),
    "conv, three axes": (lambda: nn.Sequential(nn.Conv3d(1, 2, 2, 2), nn.Flatten(), nn.Linear(16, 2)), (1, 4, 4, 5)),
    "lenet": (lenet, (1, 12, 12)),
    "sequence": (Residual, (12,)),
}
OTHERS = {
    "batch norm": (
        lambda: with_running_statistics(
            nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)), (2, 3, 3)
        ),
        (2, 3, 3),
    ),
    "layer norm": (lambda: nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 2)), (4,)),
    "groups": (lambda: nn.Sequential(nn.Conv2d(4, 6, 2, groups=2), nn.GroupNorm(3, 6), nn.Flatten()), (4, 2, 3)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)),
        (2, 2, 2),
    ),
    "twice": (Twice, (4,)),
    "tied": (partial(Tied, False), (4,)),
    "tied by a product": (partial(Tied, True), (4,)),
    "free": (Free, (4,)),
    "folded": (Folded, (12,)),
    "recurrent": (Recurrent, (4, 3)),
    "softmax": (lambda: nn.Sequential(nn.Linear(4, 3), nn.PReLU(), nn.Softmax(1)), (4,)),
    "weight norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Tanh(), nn.Linear(3, 2)),
        (4,),
    ),
}
EVERY = LAYERS | OTHERS


def build(name, n=5, m=3):
    """The network of a name in evaluation mode, float64, and two sets of samples."""
    make, shape = EVERY[name]
    model = make()
    if any(isinstance(module, nn.LazyLinear) for module in model.modules()):
        model(torch.zeros(2, *shape))
    return model.double().eval(), torch.randn(n, *shape).double(), torch.randn(m, *shape).double()


def jacobian(model, samples):
    """(N, C, P), one sample after the other, in the parameters with requires_grad."""
    parameters = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    rows = []
    for sample in samples:
        parts = jacrev(lambda group, x=sample: functional_call(model, group, (x[None],)).reshape(-1))(parameters)
        rows.append(torch.cat([parts[name].flatten(1) for name in parameters], 1))
    return torch.stack(rows).detach()


def full(model, left, right):
    return torch.einsum("icp,jdp->ijcd", jacobian(model, left), jacobian(model, right))


def assert_equal(kernel, expected):
    assert kernel.shape == expected.shape
    scale = expected.abs().max().item()
    np.testing.assert_allclose(kernel.numpy(), expected.numpy(), rtol=0, atol=ACCURACY * scale)
