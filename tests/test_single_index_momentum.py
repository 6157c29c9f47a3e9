"""Gradient descent with momentum in the single-index study: that of torch, for members with their own momentum."""

import pytest
import torch

from lib import single_index

SIZES = {"dim": 7, "width": 5, "n_samples": 11}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_momentum_is_that_of_torch(weight_decay):
    settings = single_index.grid(
        optimizer="gd", learning_rate=2.0, seed=3, momentum=[0.0, 0.9], gamma=0.8, weight_decay=weight_decay
    )
    trained = single_index.train(settings, n_steps=5, probes=[5], keep_weights=True, device="cpu", **SIZES)
    p = trained.problem(0)
    for member, momentum in enumerate([0.0, 0.9]):
        weights = p.weights.clone().requires_grad_()
        optimizer = torch.optim.SGD([weights], lr=2.0, momentum=momentum, weight_decay=weight_decay)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.8)
        for _ in range(5):
            optimizer.zero_grad()
            outputs = torch.tanh(p.inputs @ weights.T / 7**0.5) @ p.readout / 5**0.5
            (outputs - p.targets).square().mean().backward()
            optimizer.step()
            schedule.step()
        torch.testing.assert_close(trained.weights[member, 0], weights.detach(), rtol=1e-12, atol=1e-12)


def test_velocity_for_many_members():
    rng = torch.Generator().manual_seed(0)
    w, g, last = torch.randn(3, 2, 4, 5, generator=rng, dtype=torch.float64)
    momentum = torch.tensor([0.0, 0.5], dtype=torch.float64)
    found = single_index.velocity(w, g, momentum, last=last, weight_decay=0.1)
    for i in range(2):
        torch.testing.assert_close(found[i], momentum[i] * last[i] + g[i] + 0.1 * w[i])
    torch.testing.assert_close(single_index.velocity(w, g, momentum), g)


@pytest.mark.parametrize("change", [{"momentum": 1.0}, {"momentum": -0.1}, {"momentum": 0.5, "optimizer": "adam"}])
def test_wrong_momentum(change):
    settings = {"optimizer": ["gd"], "learning_rate": [1.0]} | {name: [value] for name, value in change.items()}
    with pytest.raises(ValueError, match="momentum"):
        single_index.train(settings, n_steps=1, **SIZES)
