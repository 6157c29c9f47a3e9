"""Training of grids: against plain loops of torch, averages, divergence, checkpoints, results."""

import signal
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from lib import checkpoint, networks, noise, stopping, training, training_run

N, DIM, CLASSES = 23, 6, 3
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, DIM)), RNG.integers(0, CLASSES, N)
TEST = RNG.normal(size=(11, DIM)), RNG.integers(0, CLASSES, 11)
STEPS = stopping.steps(20)


def build(generator):
    return networks.fcn(DIM, 9, 2, CLASSES, generator=generator)


def train(settings, rule=STEPS, make=build, **options):
    return training.train_grid(make, (X, Y), settings, rule, **options)


def plain(row, n_steps, n_average=0, make=build):
    """One training as it is usually written: the module before the noise of its last step, and the mean of iterates."""
    network = make(torch.Generator().manual_seed(row.seed))
    options = {"momentum": row.momentum, "weight_decay": row.weight_decay}
    optimizer = torch.optim.SGD(network.parameters(), lr=row.learning_rate, **options)
    x, y, seen = torch.tensor(X), torch.tensor(Y), []
    orders = iter(())
    rngs = [np.random.default_rng(np.random.SeedSequence(row.seed, spawn_key=(1, l))) for l in range(3)]
    epoch = 0
    for t in range(n_steps):
        batch = next(orders, None)
        if batch is None:
            order = training.epoch_order(N, row.order_seed, epoch)
            orders, epoch = iter(torch.tensor(order).split(row.batch_size)), epoch + 1
            batch = next(orders)
        optimizer.zero_grad()
        functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimizer.step()
        if t >= n_steps - n_average:
            seen.append([p.detach().clone() for p in network.parameters()])
        if row.noise != "none" and t < n_steps - 1:
            scale = row.noise_scale * row.learning_rate ** (1 / row.tail_index)
            for parameter, rng in list(zip(network.parameters(), rngs, strict=True))[:-1]:
                drawn = noise.draw(row.noise, row.tail_index, tuple(parameter.shape), rng=rng)
                parameter.data += scale * torch.tensor(drawn)
    return network, [torch.stack(layer).mean(0) for layer in zip(*seen, strict=True)]


def assert_same_weights(network, expected, atol=1e-12):
    for parameter, other in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), other.detach(), rtol=0, atol=atol)


# --- against a plain loop -------------------------------------------------------------------------------------


GRIDS = {
    "plain": training.grid(learning_rate=[0.05, 0.3], batch_size=[5, 23], seed=[0, 1]),
    "momentum": training.grid(learning_rate=0.05, batch_size=[4, 8], seed=[0, 1], momentum=[0, 0.9]),
    "decay": training.grid(learning_rate=0.1, batch_size=7, momentum=[0.0, 0.5], weight_decay=[0.0, 0.1]),
    "orders": training.grid(learning_rate=0.1, batch_size=6, seed=[0, 1], order_seed=[3, 4]),
    "noise": training.grid(
        learning_rate=[0.1, 0.2],
        batch_size=6,
        seed=[0, 1],
        noise=["none", "I", "II", "III"],
        noise_scale=0.02,
        tail_index=1.8,
    ),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_is_as_many_plain_loops(name):
    trained = train(GRIDS[name], stopping.steps(20, n_average=7), test=TEST)
    for i, row in enumerate(trained.table.itertuples()):
        network, mean = plain(row, 20, 7)
        assert_same_weights(trained.network(i), network.parameters())
        assert_same_weights(trained.network(i, averaged=True), mean)
        inputs = {"train": (X, Y), "test": TEST}
        for part, (x, y) in inputs.items():
            for prefix, net in (("", network), ("averaged_", trained.network(i, averaged=True))):
                logits = net(torch.tensor(x)).detach()
                loss = functional.cross_entropy(logits, torch.tensor(y)).item()
                assert np.isclose(getattr(row, f"{prefix}{part}_loss"), loss, rtol=1e-10)
                share = (logits.argmax(1).numpy() == y).mean()
                assert np.isclose(getattr(row, f"{prefix}{part}_accuracy"), share)
    assert set(trained.table["status"]) == {"out of steps"} and set(trained.table["iterations"]) == {20}


def test_other_networks_train_too():
    """Convolutions, and layers with biases."""

    def images(generator):
        return networks.cnn((1, 2, 3), (4, 5), CLASSES, generator=generator)

    def biased(generator):
        network = torch.nn.Sequential(torch.nn.Linear(DIM, 4), torch.nn.Tanh(), torch.nn.Linear(4, CLASSES)).double()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, generator=generator)
        return network

    for make in (images, biased):
        trained = train(training.grid(learning_rate=[0.1, 0.2], batch_size=5, seed=[0, 1]), make=make)
        for i, row in enumerate(trained.table.itertuples()):
            assert_same_weights(trained.network(i), plain(row, 20, make=make)[0].parameters())


def test_a_member_does_not_depend_on_the_others(monkeypatch):
    settings = training.grid(
        learning_rate=[0.1, 1e200],
        batch_size=[5, 8],
        seed=[0, 1],
        noise=["I", "none"],
        noise_scale=0.01,
        tail_index=1.5,
    )
    whole = train(settings)
    monkeypatch.setattr(training, "GROUP", {"cpu": 400})
    pieces = train(settings)
    for i in np.flatnonzero(whole.table["status"] != "diverged"):
        alone = train(settings.iloc[[i]])
        for other, j in ((alone, 0), (pieces, i)):
            assert_same_weights(other.network(j), whole.network(i).parameters())
    pd.testing.assert_frame_equal(whole.table, pieces.table)


def test_epochs_are_shuffled_without_replacement():
    orders = [training.epoch_order(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(np.array_equal(np.sort(order), np.arange(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert np.array_equal(orders[0], training.epoch_order(50, 0, 0))


# --- members that finish --------------------------------------------------------------------------------------


def test_members_leave_when_they_finish():
    """Each at its own evaluation; the weights are those of a plain loop of that many steps; the others train on."""
    settings = training.grid(learning_rate=[0.05, 0.1, 0.2, 0.4], batch_size=5, seed=[0, 1])
    rule = stopping.Rule(accuracy=0.7, wait=3, n_average=4, max_steps=400)
    trained = train(settings, rule, evaluate_every=6)
    table = trained.table
    assert len(set(table["iterations"])) > 3 and (table["status"] == "converged").sum() > 3
    for i, row in enumerate(table.itertuples()):
        history = trained.history[trained.history["member"] == i]
        assert history["step"].max() == row.iterations
        found = history["step"][(history["train_accuracy"] >= 0.7) & (history["step"] <= 400 - 7)]
        # The average goes on for as long as the criterion fails at the end of the wait.
        count = row.iterations - (found.min() + 3) if len(found) else 4
        assert count >= 4
        network, mean = plain(row, row.iterations, count)
        assert_same_weights(trained.network(i), network.parameters(), 1e-9)
        assert_same_weights(trained.network(i, averaged=True), mean, 1e-9)


def test_divergence_ends_one_member():
    settings = training.grid(learning_rate=[0.1, 1e200], batch_size=5)
    trained = train(settings, stopping.steps(20, 5), evaluate_every=7, test=TEST)
    table = trained.table
    assert table["status"].tolist() == ["out of steps", "diverged"]
    assert 0 < table["iterations"][1] < 7
    assert table["train_loss"][1] == table["test_loss"][1] == np.inf and np.isnan(table["train_accuracy"][1])
    assert np.isfinite(table.iloc[0].drop(["noise", "status"]).astype(float)).all()
    assert torch.isnan(trained.averaged["0.weight"][1]).all()
    with pytest.raises(ValueError, match="averaged"):
        trained.network(1, averaged=True)


# --- checkpoints ----------------------------------------------------------------------------------------------


LONG = {
    "settings": training.grid(
        learning_rate=[0.1, 0.4, 1e200],
        batch_size=[5, 8],
        momentum=[0.0, 0.5],
        noise=["none", "III"],
        noise_scale=0.01,
        tail_index=1.7,
    ),
    "rule": stopping.Rule(accuracy=0.8, n_average=10, max_steps=60),
    "evaluate_every": 4,
    "test": TEST,
}


def assert_same_bits(one, other):
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    for kind in ("weights", "averaged"):
        for name, weight in getattr(one, kind).items():
            assert torch.equal(weight.nan_to_num(7.0), getattr(other, kind)[name].nan_to_num(7.0))


@pytest.mark.parametrize("interrupted_at", [[1], [9, 30], [58, 75, 76, 122]])
def test_an_interrupted_training_goes_on_bit_by_bit(tmp_path, monkeypatch, interrupted_at):
    """Ctrl-C within the steps of these numbers, counted over both groups; steps done are not done again."""
    whole, calls = train(**LONG), []
    step = training_run.Run.step

    def pressed(self):
        calls.append(self.t)
        if len(calls) in interrupted_at:
            signal.raise_signal(signal.SIGINT)
        return step(self)

    monkeypatch.setattr(training_run.Run, "step", pressed)
    file = tmp_path / "folder" / "grid.pt"
    for _ in interrupted_at:
        with pytest.raises(KeyboardInterrupt):
            train(**LONG, checkpoint=file)
        assert [path.name for path in file.parent.iterdir()] == ["grid.pt"]
    assert_same_bits(train(**LONG, checkpoint=file), whole)
    total = len(calls)
    assert_same_bits(train(**LONG, checkpoint=file), whole)  # a finished one is read
    assert len(calls) == total == 122


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch):
    whole, step = train(**LONG), training_run.Run.step

    def killed(self):
        if self.t == 30:
            raise SystemExit
        return step(self)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(training_run.Run, "step", killed)
        train(**LONG, checkpoint=tmp_path / "grid.pt", checkpoint_seconds=0)
    assert_same_bits(train(**LONG, checkpoint=tmp_path / "grid.pt"), whole)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    file = tmp_path / "grid.pt"
    settings = training.grid(learning_rate=0.1, batch_size=5)
    train(settings, checkpoint=file)
    for other, options in (
        (settings.assign(learning_rate=0.2), {}),
        (settings, {"evaluate_every": 3}),
        (settings, {"rule": stopping.steps(21)}),
        (settings, {"test": TEST}),
        (settings, {"dtype": torch.float32}),
        (settings, {"make": lambda generator: networks.fcn(DIM, 8, 2, CLASSES, generator=generator)}),
    ):
        with pytest.raises(ValueError, match="other settings"):
            train(other, checkpoint=file, **options)
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        train(settings, checkpoint=file)
    with pytest.raises(ValueError, match="checkpoint_seconds"):
        train(settings, checkpoint=file, checkpoint_seconds=-1)


def test_an_interruption_waits_once():
    before = signal.getsignal(signal.SIGINT)
    with checkpoint.deferred_interrupt() as event:
        signal.raise_signal(signal.SIGINT)
        assert event.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_in_a_thread():
    results = []
    settings = training.grid(learning_rate=0.1, batch_size=5)
    thread = threading.Thread(target=lambda: results.append(train(settings)))
    thread.start()
    thread.join()
    assert_same_bits(results[0], train(settings))


# --- results and arguments ------------------------------------------------------------------------------------


def test_results_are_tidy(capsys):
    settings = training.grid(learning_rate=[0.1, 0.2], batch_size=[5, 8])
    assert settings["batch_size"].tolist() == [5, 8, 5, 8]
    trained = train(settings, evaluate_every=8, progress=True)
    assert "train" in capsys.readouterr().err
    table, history = trained.table, trained.history
    assert table["learning_rate"].tolist() == [0.1, 0.1, 0.2, 0.2] and table["seed"].tolist() == [0] * 4
    assert list(table.columns[:9]) == list(training.DEFAULTS)
    assert (
        history["step"].tolist() == [0, 8, 16, 20] * 4 and history["member"].tolist() == np.repeat(range(4), 4).tolist()
    )
    assert np.array_equal(history.groupby("member")["train_loss"].last(), table["train_loss"])
    assert table["test_loss"].isna().all() and table["averaged_train_loss"].isna().all() and trained.averaged == {}
    assert trained.weights["0.weight"].shape == (4, 9, DIM)


def test_float32_is_close_to_float64():
    settings = training.grid(learning_rate=0.1, batch_size=5)
    single, double = train(settings, dtype=torch.float32), train(settings)
    assert single.weights["0.weight"].dtype == torch.float32
    assert np.isclose(single.table["train_loss"][0], double.table["train_loss"][0], rtol=1e-5)


GOOD = {"learning_rate": [0.1], "batch_size": [5]}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: training.grid(rate=1), "rate"),
        (lambda: training.grid(learning_rate=[]), "learning_rate"),
        (lambda: train({"learning_rate": [0.1]}), "batch_size"),
        (lambda: train(GOOD | {"width": [3]}), "width"),
        (lambda: train(GOOD | {"learning_rate": [-0.1]}), "learning_rate"),
        (lambda: train(GOOD | {"batch_size": [24]}), "batch_size"),
        (lambda: train(GOOD | {"batch_size": [2.5]}), "batch_size"),
        (lambda: train(GOOD | {"batch_size": ["many"]}), "batch_size"),
        (lambda: train(GOOD | {"batch_size": [np.inf]}), "batch_size"),
        (lambda: train(GOOD | {"learning_rate": [None]}), "learning_rate"),
        (lambda: train(GOOD | {"seed": [-1]}), "seed"),
        (lambda: train(GOOD | {"momentum": [1.0]}), "momentum"),
        (lambda: train(GOOD | {"weight_decay": [np.nan]}), "weight_decay"),
        (lambda: train(GOOD | {"tail_index": [2.1]}), "tail_index"),
        (lambda: train(GOOD | {"noise": ["IV"], "noise_scale": [1.0]}), "kind"),
        (lambda: train(GOOD | {"noise": ["I"], "noise_scale": [1.0]}, noise_unit="row"), "unit"),
        (lambda: train(GOOD, 20), "rule"),
        (lambda: train(GOOD, evaluate_every=0), "evaluate_every"),
        (lambda: train(GOOD, dtype=torch.float16), "dtype"),
        (lambda: train(GOOD, test=(X[:, :2], Y)), "test"),
        (lambda: train(GOOD, test=X), "test"),
        (lambda: train(GOOD, make=lambda generator: networks.fcn(5, 4, 1, 3, generator=generator)), "train"),
        (lambda: train(GOOD, make=lambda generator: networks.fcn(DIM, 4, 1, 2, generator=generator)), "train"),
        (lambda: training.train_grid(build, (X, Y * 1.0), GOOD, STEPS), "train"),
        (lambda: training.train_grid(build, (X * np.inf, Y), GOOD, STEPS), "train"),
        (lambda: train(GOOD).network(1), "member"),
    ],
)
def test_bad_arguments_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
