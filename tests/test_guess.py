"""Guess & Check: the same networks as by looking at every sample of every draw, their law, files and interruptions."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from lib import guess, priors, small_networks
from lib.decisions import decisions
from lib.guess import filter as stages
from lib.guess.draws import Draws

SHAPE = (1, 18, 18)
NETWORKS = {
    "lenet": small_networks.lenet("1/6*", image_shape=SHAPE),
    "wide": small_networks.lenet("2/6", depth="2c-1f", image_shape=SHAPE),
    "mlp": small_networks.mlp("1/6", depth=2, image_shape=SHAPE),
    "resnet": small_networks.resnet("1/6", blocks=2, image_shape=SHAPE),
}


def samples(n, seed=0, shape=SHAPE, noise=0.5):
    """Two classes that differ in their mean, in an order without pattern but for the first two."""
    rng = np.random.default_rng(seed)
    labels = np.r_[0, 1, rng.permutation(np.arange(n - 2) % 2)]
    centres = rng.normal(size=(2, math.prod(shape)))
    return centres[labels] + noise * rng.normal(size=(n, math.prod(shape))), labels


def brute_force(network, inputs, labels, n_draws, *, seed=0, prior="uniform", ties="class0", both=True):
    """Numbers and signs of the accepted among the first draws, each evaluated on all samples by the torch module."""
    draws = Draws(network, prior, seed, torch.device("cpu"))
    blocks = -(-n_draws // draws.block)
    weights = draws.weights(torch.cat([draws.rows(b) for b in range(blocks)])[:n_draws])
    x = torch.tensor(inputs, dtype=torch.float32)
    logits = vmap(lambda own: functional_call(network, own, (x,)), chunk_size=256)(weights)
    d = (logits[..., 1] - logits[..., 0]).numpy()
    found = []
    for sign in (1, -1) if both else (1,):
        e = sign * d
        right = np.where(labels == 1, e > 0, e < 0 if ties == "strict" else e <= 0).all(1)
        found += [(int(i), sign, bool((e[i] == 0).any())) for i in np.flatnonzero(right)]
    return sorted(found)


# --- the accepted set -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("ties", ["class0", "strict"])
@pytest.mark.parametrize("both", [True, False])
def test_accepted_are_those_of_full_evaluation(name, ties, both):
    network, n_draws = NETWORKS[name], {"lenet": 6000, "resnet": 500}.get(name, 2000)
    inputs, labels = samples(6)
    expected = brute_force(network, inputs, labels, n_draws, ties=ties, both=both)
    options = {"seed": 0, "ties": ties, "both_signs": both, "max_draws": n_draws, "device": "cpu"}
    found = guess.search(network, inputs, labels, 10**6, **options)
    assert found.numbers[6].tolist() == [number for number, _, _ in expected] and len(expected) > 3
    row = found.table.iloc[0]
    assert row.draws == n_draws and row.accepted == len(expected) and row.tested == n_draws * (2 if both else 1)
    loose = brute_force(network, inputs, labels, n_draws, ties="class0", both=both)
    assert row.ties == sum(tied for *_, tied in loose) and row.tie_rate == row.ties / len(loose)
    assert (row.ties > 0) == (name in ("lenet", "mlp"))  # both have layers of two or three units that may be dead
    all_at_once = guess.search(network, inputs, labels, 10**6, sequential=False, **options)
    assert all_at_once.numbers[6].tolist() == found.numbers[6].tolist()
    # The weights are those of the draws, the last layer with the sign that is right.
    draws = Draws(network, "uniform", 0, torch.device("cpu"))
    head = list(found.weights[6])[-1]
    for member, (number, sign, _) in enumerate(expected):
        own = draws.weights(draws.rows(number // draws.block))
        for layer, weight in found.weights[6].items():
            assert torch.equal(weight[member], own[layer][number % draws.block] * (sign if layer == head else 1))
    table = guess.acceptance(network, inputs, labels, n_draws, **{k: v for k, v in options.items() if k != "max_draws"})
    assert table.equals(found.table)


@pytest.mark.parametrize("name", NETWORKS)
def test_accepted_networks_have_no_training_error(name):
    network = NETWORKS[name]
    inputs, labels = samples(8, 1)
    found = guess.search(network, inputs, labels, 5, seed=3, device="cpu")
    x = torch.tensor(inputs, dtype=torch.float32)
    d = decisions(network, found.weights[8], x)
    assert np.array_equal(d.numpy() > 0, np.tile(labels == 1, (5, 1)))
    for member in range(5):
        logits = found.network(network.float(), member)(x).detach()
        assert np.array_equal(logits.argmax(1), labels)
        torch.testing.assert_close(logits[:, 1] - logits[:, 0], d[member], rtol=1e-4, atol=1e-4)
    network.double()


def test_several_numbers_of_samples_in_one_pass():
    """For each of them, what a search for it alone accepts among the same draws."""
    network = NETWORKS["mlp"]
    inputs, labels = samples(14, 2)
    sizes = [2, 6, 10, 14]
    found = guess.search(network, inputs, labels, 8, seed=0, n_samples=sizes, device="cpu")
    draws = int(found.table["draws"].iloc[0])
    assert found.table["n"].tolist() == sizes and found.numbers[14][-1] == draws - 1
    for n, accepted in zip(sizes, found.table["accepted"], strict=True):
        expected = brute_force(network, inputs[:n], labels[:n], draws)
        assert accepted == len(expected)
        assert found.numbers[n].tolist() == [number for number, *_ in expected[:8]]
        assert len(found.weights[n]["3.weight"]) == 8


@pytest.mark.parametrize("memory", [1, 2**22, 2**30])
def test_memory_changes_nothing(memory):
    network = NETWORKS["lenet"]
    inputs, labels = samples(8, 3)
    options = {"seed": 5, "n_samples": [4, 8], "device": "cpu"}
    found, again = (guess.search(network, inputs, labels, 6, memory=m, **options) for m in (2**24, memory))
    assert found.table.equals(again.table)
    for n in (4, 8):
        assert np.array_equal(found.numbers[n], again.numbers[n])
        assert all(torch.equal(weight, again.weights[n][name]) for name, weight in found.weights[n].items())
    assert not np.array_equal(
        guess.search(network, inputs, labels, 6, **(options | {"seed": 6})).numbers[8], found.numbers[8]
    )


def test_order_of_samples():
    labels = torch.tensor([0, 1, 1, 1, 0, 0, 0, 1, 0])
    order = stages.alternating(labels, [2, 6, 9])
    assert labels[order].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert all(sorted(order[:n].tolist()) == list(range(n)) for n in (2, 6, 9))
    assert stages.stages([5, 12]) == [2, 4, 5, 8, 12] and stages.stages([2]) == [2]


# --- laws -----------------------------------------------------------------------------------------------------


def linear(dim):
    return nn.Sequential(small_networks.Images((1, 1, dim)), nn.Flatten(), nn.Linear(dim, 2, bias=False))


@pytest.mark.parametrize("both", [True, False])
def test_probability_of_orthogonal_samples(both):
    """A linear network sees orthogonal samples independently: 2^-n for each sign; 4.5 standard errors."""
    table = guess.acceptance(
        linear(6), np.eye(6), [0, 1] * 3, 40_000, seed=0, prior="kaiming_gaussian", n_samples=[2, 4, 6], both_signs=both
    )
    for n, p, error in table[["n", "probability", "standard_error"]].to_numpy():
        assert abs(p - 2.0**-n) < 4.5 * error
        draws = 40_000 * (4 if both else 1) / (2 if both else 1) ** 2
        q = 2.0**-n * (2 if both else 1)
        assert error == pytest.approx(math.sqrt(q * (1 - q) / draws) / (2 if both else 1), rel=0.2)
    assert table["bits"].tolist() == pytest.approx((-np.log2(table["probability"])).tolist())


def test_probability_is_unbiased_when_the_search_stops():
    """(k - 1) / (draws - 1) over many searches for few networks, for all numbers of samples at once."""
    runs = [
        guess.search(
            linear(4), np.eye(4), [0, 1, 0, 1], 3, seed=s, prior="kaiming_gaussian", n_samples=[2, 4], device="cpu"
        ).table["probability"]
        for s in range(200)
    ]
    for i, p in enumerate((1 / 4, 1 / 16)):
        values = np.array([run.iloc[i] for run in runs])
        assert abs(values.mean() - p) < 4.5 * values.std() / math.sqrt(len(runs))


def test_prior_scale_changes_no_network():
    """The uniform laws differ by scale only, which no decision sees; so do those of Kaiming and theirs."""
    inputs, labels = samples(8, 4)
    network = NETWORKS["lenet"]
    found = [guess.search(network, inputs, labels, 20, seed=0, prior=p, device="cpu") for p in priors.PRIORS]
    assert np.array_equal(found[0].numbers[8], found[1].numbers[8])
    assert np.array_equal(found[0].numbers[8], found[2].numbers[8])
    assert not np.array_equal(found[0].numbers[8], found[3].numbers[8])
    for name, weight in found[0].weights[8].items():
        bound = math.sqrt(6 / math.prod(weight.shape[2:]))
        torch.testing.assert_close(found[1].weights[8][name], 0.2 * weight)
        torch.testing.assert_close(found[2].weights[8][name], bound * weight)


@pytest.mark.parametrize("prior", priors.PRIORS)
def test_draws_follow_the_prior(prior):
    from scipy import stats
    from test_small_networks import cdf

    network = small_networks.lenet("2/6", bias=True, image_shape=(1, 28, 28))
    draws = Draws(network, prior, 0, torch.device("cpu"))
    rows = torch.cat([draws.rows(b) for b in range(2)])
    weights = draws.weights(rows)
    assert list(weights) == [name for name, _ in network.named_parameters() if "weight" in name]
    for weight in weights.values():
        x = weight.numpy().ravel()
        assert stats.kstest(x, cdf(prior, math.prod(weight.shape[2:]))).pvalue > 1e-3 and np.all(x != 0)
        for a, b in ((x[:-1], x[1:]), (x[: len(x) // 2], x[len(x) // 2 :][: len(x) // 2])):
            assert abs(np.corrcoef(a, b)[0, 1]) < 4.5 / math.sqrt(len(a))
    if prior == "kaiming_gaussian":
        z = rows.flatten() / draws._spread.repeat(len(rows))
        assert abs(float((z**4).mean()) - 3) < 4.5 * math.sqrt(96 / len(z)) and z.abs().max() < 6.6


def test_draws_of_batch_norm():
    draws = Draws(NETWORKS["resnet"], "uniform", 0, torch.device("cpu"))
    weights = draws.weights(draws.rows(0))
    assert 0.9 <= weights["2.weight"].min() < 0.91 and 1.09 < weights["2.weight"].max() <= 1.1
    assert -0.05 <= weights["2.bias"].min() < -0.04 and 0.04 < weights["2.bias"].max() <= 0.05
    draws = Draws(NETWORKS["resnet"], "kaiming", 0, torch.device("cpu"))
    weights = draws.weights(draws.rows(0))
    assert torch.all(weights["2.weight"] == 1) and not weights["2.bias"].any()
    inputs, labels = samples(4)
    found = guess.search(NETWORKS["resnet"], inputs, labels, 2, seed=0, prior="kaiming_gaussian", device="cpu")
    assert len(found.weights[4]["2.bias"]) == 2


# --- files and interruptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_files_give_back_what_was_found(name, tmp_path):
    inputs, labels = samples(4, 5)
    found = guess.search(NETWORKS[name], inputs, labels, 3, seed=0, device="cpu")
    found.save(tmp_path / "found.npz")
    again = guess.load(tmp_path / "found.npz")
    assert again.table.equals(found.table) and np.array_equal(again.numbers[4], found.numbers[4])
    x = torch.tensor(inputs, dtype=torch.float32)
    a, b = (decisions(NETWORKS[name], each.weights[4], x) for each in (found, again))
    assert torch.equal(a, b)
    network = again.network(NETWORKS[name], 2).float()
    assert np.array_equal(network(x).argmax(1), labels)


def test_files_of_another_kind_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "objects.npz", **{"table/n": np.array([{}], dtype=object)})
    for name in ("other", "text", "objects"):
        with pytest.raises(ValueError, match="allowed"):
            guess.load(tmp_path / f"{name}.npz")
    with pytest.raises(FileNotFoundError):
        guess.load(tmp_path / "nothing.npz")


def test_interrupted_searches_go_on(tmp_path, monkeypatch):
    """Ctrl-C at several rounds, then the end: the same networks, none twice and none lost."""
    import signal

    from lib.guess import rounds as module

    network = NETWORKS["lenet"]
    inputs, labels = samples(12, 6, noise=1.5)
    options = {"seed": 1, "n_samples": [4, 12], "memory": 1, "device": "cpu"}
    expected = guess.search(network, inputs, labels, 10, **options)
    whole_round, interruptions = module._Job._round, 0

    def interrupted(*args):
        whole_round(*args)
        signal.raise_signal(signal.SIGINT)

    path = tmp_path / "search.pt"
    while True:
        monkeypatch.setattr(module._Job, "_round", interrupted if interruptions < 4 else whole_round)
        try:
            found = guess.search(network, inputs, labels, 10, checkpoint=path, **options)
        except KeyboardInterrupt:
            interruptions += 1
            continue
        break
    assert interruptions == 4 and found.table.equals(expected.table)
    for n in (4, 12):
        assert np.array_equal(found.numbers[n], expected.numbers[n])
        assert all(torch.equal(weight, expected.weights[n][name]) for name, weight in found.weights[n].items())
    monkeypatch.setattr(module._Job, "_round", None)  # all is in the file
    assert guess.search(network, inputs, labels, 10, checkpoint=path, **options).table.equals(expected.table)
    with pytest.raises(ValueError, match="checkpoint"):
        guess.search(network, inputs, labels, 10, checkpoint=path, **(options | {"seed": 2}))


def test_progress_says_how_many(capsys):
    inputs, labels = samples(4, 5)
    guess.search(NETWORKS["mlp"], inputs, labels, 3, seed=0, device="cpu", progress=True)
    assert "guess: 100%" in (said := capsys.readouterr().err) and "accepted" in said


# --- arguments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        ("n_accepted", {"n_accepted": 0}),
        ("seed", {"seed": -1}),
        ("prior", {"prior": "normal"}),
        ("ties", {"ties": "class1"}),
        ("inputs", {"inputs": np.zeros((4, 3))}),
        ("inputs", {"inputs": np.full((4, 324), np.nan)}),
        ("labels", {"labels": [0, 1, 2, 0]}),
        ("n_samples", {"n_samples": [1]}),
        ("n_samples", {"n_samples": [6]}),
        ("n_samples", {"n_samples": [2], "labels": [0, 0, 1, 1]}),
        ("n_samples", {"n_samples": [2, 4], "network": NETWORKS["resnet"]}),
        ("max_draws", {"max_draws": 0}),
        ("memory", {"memory": 0}),
        ("network", {"network": nn.Sequential(nn.Linear(324, 2))}),
    ],
)
def test_bad_arguments_are_named(argument, change):
    inputs, labels = samples(4)
    good = {"network": NETWORKS["mlp"], "inputs": inputs, "labels": labels, "n_accepted": 1, "seed": 0, "device": "cpu"}
    with pytest.raises(ValueError, match=rf"^{argument} .*allowed"):
        guess.search(**(good | change))


def test_bad_options_of_acceptance_are_named():
    inputs, labels = samples(4)
    for options in ({}, {"seed": 0, "n_accepted": 3}):
        with pytest.raises(ValueError, match=r"^options .*allowed"):
            guess.acceptance(NETWORKS["mlp"], inputs, labels, 10, **options)


def test_members_that_are_not_there():
    inputs, labels = samples(4)
    found = guess.search(NETWORKS["mlp"], inputs, labels, 1, seed=0, device="cpu")
    for member, n in ((1, None), (0, 2)):
        with pytest.raises(ValueError, match=r"^member .*allowed"):
            found.network(NETWORKS["mlp"], member, n)
