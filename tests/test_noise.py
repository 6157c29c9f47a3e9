"""Noise injection: which layers, the law of what is added, its scale, its streams, and where it is unseen."""

import numpy as np
import pytest
import torch

from lib import networks, noise, stable, stopping, training

SHAPE = (4, 3)  # the vectors of three coordinates at which the characteristic functions below were worked out
U = np.array([0.3, -0.4, 1.2])


def streams(n=1, shapes=((2, 3), (3, 2)), kind="II", index=1.5, scale=1.0, rate=1.0, seeds=None, **options):
    return noise.Streams(shapes, [kind] * n, [index] * n, [scale] * n, [rate] * n, seeds or [0] * n, **options)


def test_layers_that_take_noise():
    assert noise.noisy_layers([(8, 4), (10, 8)]) == [0]
    assert noise.noisy_layers([(10, 4), (10, 10), (10, 10)]) == [0, 1]  # hidden widths equal to the classes
    assert noise.noisy_layers([(8, 4), (8,), (8, 8), (8,), (2, 8), (2,)]) == [0, 2]
    assert noise.noisy_layers([(8, 1, 3, 3), (8, 8, 3, 3), (8, 8, 3, 3), (10, 8)]) == [1, 2]
    with pytest.raises(ValueError, match="shapes"):
        noise.noisy_layers([(8, 1, 3, 3), (10, 8)])


@pytest.mark.parametrize(("kind", "expected"), [("I", 0.30682), ("II", 0.18293), ("III", 0.42190)])
def test_law_of_the_rows(kind, expected):
    """Empirical characteristic function at one point, tail index 1.75, within 4 standard errors."""
    drawn = np.broadcast_to(noise.draw(kind, 1.75, (100_000, 3), rng=np.random.default_rng(0)), (100_000, 3))
    cosines = np.cos(drawn @ U)
    assert abs(cosines.mean() - expected) < 4 * cosines.std() / np.sqrt(len(cosines))
    assert np.isclose(stable.noise_cf(kind, U, 1.75, convention="published"), expected, atol=1e-5)


@pytest.mark.parametrize(("kind", "published", "unit"), [("I", 1.0, 2.0), ("II", 2.0, 2.0), ("III", 1.0, 2.0)])
def test_variance_at_tail_index_2(kind, published, unit):
    for convention, variance in (("published", published), ("unit", unit)):
        drawn = noise.draw(kind, 2.0, (40_000, 2), convention=convention, rng=np.random.default_rng(1))
        drawn = np.broadcast_to(drawn, (40_000, 2))[:, 0]
        assert abs(np.mean(drawn**2) / variance - 1) < 4 * np.sqrt(2 / 40_000)


@pytest.mark.parametrize("kind", ["I", "II", "III"])
def test_units_of_convolutions(kind):
    """Kind I is one number a kernel or a filter. In III the squares within a vector share a factor, others do not."""
    shape = (300, 4, 3, 3)
    for unit, same in (("kernel", (1, 1, 3, 3)), ("filter", (1, 4, 3, 3))):
        drawn = noise.draw(kind, 1.2, shape, unit=unit, rng=np.random.default_rng(2))
        if kind == "I":
            assert drawn.shape == tuple(n // k for n, k in zip(shape, same, strict=True))
            continue
        assert drawn.shape == shape
        across = np.corrcoef(np.log(drawn[:, 0, 0, 0] ** 2), np.log(drawn[:, 1, 2, 2] ** 2))[0, 1]
        within = np.corrcoef(np.log(drawn[:, 0, 0, 0] ** 2), np.log(drawn[:, 0, 2, 2] ** 2))[0, 1]
        # Correlation of log-squares of a mixture: its log-variance over the total; independence within 4 / sqrt(300).
        shared = (np.log(drawn**2).var() - np.pi**2 / 2) / np.log(drawn**2).var() if kind == "III" else 0.0
        assert abs(within - shared) < 4 / np.sqrt(300)
        assert abs(across - (shared if unit == "filter" else 0.0)) < 4 / np.sqrt(300)


@pytest.mark.parametrize("kind", ["I", "II", "III"])
def test_sum_of_steps_has_the_scale_of_their_time(kind):
    """K steps of rate eta sum to scale sigma (K eta)^(1/alpha), whatever eta: characteristic function, 4 errors."""
    index, sigma, rate, steps = 1.5, 0.7, 0.02, 25
    weights = [torch.zeros(1, 20_000, 3, dtype=torch.float64), torch.zeros(1, 2, 20_000, dtype=torch.float64)]
    stream = streams(1, [tuple(w.shape[1:]) for w in weights], kind, index, sigma, rate, convention="unit")
    for _ in range(steps):
        stream.add(weights)
    cosines = np.cos(weights[0][0].numpy() @ U)
    expected = stable.noise_cf(kind, U, index, sigma * (rate * steps) ** (1 / index))
    assert abs(cosines.mean() - expected) < 4 * cosines.std() / np.sqrt(len(cosines))
    assert not weights[1].any()  # the output layer


def test_entries_follow_the_stable_law():
    """Kolmogorov-Smirnov distance to the distribution function; 1.95 / sqrt(n) is exceeded once in a thousand."""
    stream = streams(1, [(200, 30), (2, 200)], "II", 1.3, scale=0.5, rate=0.1, convention="unit")
    weights = [torch.zeros(1, 200, 30, dtype=torch.float64), torch.zeros(1, 2, 200, dtype=torch.float64)]
    stream.add(weights)
    x = np.sort(weights[0].numpy().ravel()) / (0.5 * 0.1 ** (1 / 1.3))
    heights = stable.cdf(x, 1.3)
    n = len(x)
    assert max(np.max(heights - np.arange(n) / n), np.max(np.arange(1, n + 1) / n - heights)) < 1.95 / np.sqrt(n)


def added(n=1, **options):
    stream = streams(n, **options)
    weights = [torch.zeros(n, 2, 3, dtype=torch.float64), torch.zeros(n, 3, 2, dtype=torch.float64)]
    stream.add(weights)
    return weights[0]


def test_draws_depend_on_the_seed_only():
    """Members of one seed have the same draws; layers have streams of their own; scale and rate only multiply."""
    together = added(3, seeds=[5, 6, 5])
    assert torch.equal(together[0], together[2]) and not torch.equal(together[0], together[1])
    assert torch.equal(together[1], added(seeds=[6])[0])
    torch.testing.assert_close(added(scale=2.0, rate=0.1)[0], added()[0] * 2 * 0.1 ** (1 / 1.5))
    shapes = [(2, 3), (2, 3), (3, 2)]
    weights = [torch.zeros(1, *shape, dtype=torch.float64) for shape in shapes]
    streams(1, shapes).add(weights)
    assert not torch.equal(weights[0], weights[1])


def test_a_stream_goes_on_where_it_stood():
    shapes = [(2, 3), (3, 2)]
    make = lambda: noise.Streams(shapes, ["I", "none", "III"], [1.5] * 3, [1.0] * 3, [0.1] * 3, [0, 0, 1])  # noqa: E731
    one, other = make(), make()
    weights = [torch.zeros(3, *shape, dtype=torch.float64) for shape in shapes]
    one.add(weights)
    assert not weights[0][1].any() and weights[0][0].any()
    one.keep([2])
    state = one.state()
    other.keep([2])
    ends = []
    for stream in (one, other):
        if stream is other:
            stream.load(state)
        weights = [torch.zeros(1, *shape, dtype=torch.float64) for shape in shapes]
        state = [[dict(s) for s in group] for group in state]
        stream.add(weights)
        ends.append(weights[0])
    assert torch.equal(*ends)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"kind": "IV"}, "kind"),
        ({"index": 2.5}, "alpha"),
        ({"scale": -1.0}, "noise_scale"),
        ({"convention": "other"}, "convention"),
        ({"shapes": [(3, 2)]}, "shapes"),
    ],
)
def test_bad_noise_is_named(options, name):
    with pytest.raises(ValueError, match=name):
        streams(**options)


def test_bad_draws_are_named():
    with pytest.raises(ValueError, match="unit"):
        noise.draw("I", 1.5, (2, 3), unit="layer", rng=np.random.default_rng())
    with pytest.raises(ValueError, match="shape"):
        noise.draw("I", 1.5, (2,), rng=np.random.default_rng())


def test_noise_of_kind_1_is_invisible_to_inputs_of_zero_sum():
    """One hidden layer: the function and its training do not change, though the weights do."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 8)), rng.integers(0, 3, 60)
    x -= x.mean(axis=1, keepdims=True)
    settings = training.grid(
        learning_rate=0.1, batch_size=7, noise=["none", "I", "III"], noise_scale=0.05, tail_index=1.5
    )
    build = lambda generator: networks.fcn(8, 20, 1, 3, generator=generator)  # noqa: E731
    trained = training.train_grid(build, (x, y), settings, stopping.steps(40), evaluate_every=10)
    losses = trained.table["train_loss"]
    assert np.isclose(losses[0], losses[1], rtol=1e-9) and not np.isclose(losses[0], losses[2], rtol=1e-3)
    first = trained.weights["0.weight"]
    assert (first[1] - first[0]).abs().max() > 0.01
