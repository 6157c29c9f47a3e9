"""The single-index study: problem, gradient, steps, read-out and training, each against something independent."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from lib import single_index

TINY = {"dim": 7, "width": 5, "n_samples": 11}


def draw(seed=0, **options):
    return single_index.make(**(TINY | {"n_test": 13} | options), rng=np.random.default_rng(seed), device="cpu")


def naive_output(weights, readout, inputs):
    h, d = weights.shape
    return torch.tanh(inputs @ weights.T / d**0.5) @ readout / h**0.5


# --- the problem ----------------------------------------------------------------------------------------------


def test_problem_is_its_recipe():
    """Labels are softplus along the teacher plus noise of its scale; all else is standard normal."""
    p = draw(dim=20, width=300, n_samples=4000, n_test=4000)
    assert p.teacher.norm().item() == pytest.approx(1, abs=1e-14)
    for x, y in (
        (p.inputs, p.targets),
        (p.probe_inputs, p.probe_targets),
        (p.test_inputs, p.test_targets),
    ):
        xi = (y - torch.nn.functional.softplus(x @ p.teacher)) / 0.3
        assert stats.kstest(xi.numpy(), "norm").pvalue > 1e-3
        assert stats.kstest(x[:, :5].ravel().numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(p.weights.ravel().numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(p.readout.numpy(), "norm").pvalue > 1e-3
    assert not torch.equal(p.inputs, p.probe_inputs) and not torch.equal(p.inputs, p.test_inputs)


def test_problems_of_one_seed_share_what_they_can():
    small, large, noisy = draw(), draw(n_samples=40), draw(label_noise=0.9)
    for other in (large, noisy):
        for name in ("teacher", "weights", "readout", "test_inputs"):
            assert torch.equal(getattr(small, name), getattr(other, name))
        assert torch.equal(small.inputs, other.inputs[:11])
        assert torch.equal(small.probe_inputs, other.probe_inputs[:11])
    assert torch.equal(small.targets, large.targets[:11])
    clean = draw(label_noise=0.0).targets
    torch.testing.assert_close(noisy.targets - clean, 3 * (small.targets - clean))
    assert not torch.equal(small.teacher, draw(1).teacher)
    assert draw(dtype=torch.float32).inputs.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("slope", lambda z: 1 - np.tanh(z) ** 2),
        ("student_square", lambda z: np.tanh(z) ** 2),
        ("teacher_mean", lambda z: np.logaddexp(0, z)),
        ("teacher_slope", lambda z: z * np.logaddexp(0, z)),
        ("teacher_square", lambda z: np.logaddexp(0, z) ** 2),
        ("even_square", lambda z: (np.logaddexp(0, z) + np.logaddexp(0, -z)) ** 2 / 4),
        ("slope_variance", lambda z: (1 - np.tanh(z) ** 2 - single_index.gaussian_constants().slope) ** 2),
    ],
)
def test_constants_by_quadrature(name, function):
    value, _ = integrate.quad(lambda z: function(z) * stats.norm.pdf(z), -12, 12, epsabs=1e-13, limit=200)
    assert getattr(single_index.gaussian_constants(), name) == pytest.approx(value, abs=1e-12)


def test_constants_known():
    """Values of an independent program, and identities."""
    c = single_index.gaussian_constants()
    assert c.slope == pytest.approx(0.605705509602, abs=1e-12)
    assert c.slope_variance == pytest.approx(0.097523738086, abs=1e-12)
    assert c.teacher_slope == pytest.approx(0.5, abs=1e-14)
    assert c.teacher_square == pytest.approx(0.25 + c.even_square, abs=1e-14)
    assert c.residual_square == pytest.approx(1.405540399, abs=1e-9)
    assert c.floor == pytest.approx(0.761246, abs=1e-6) and c.kta_linear == pytest.approx(0.247220, abs=1e-6)
    assert single_index.gaussian_constants(0.0).target_square == pytest.approx(c.target_square - 0.09, abs=1e-14)


# --- gradient and features ------------------------------------------------------------------------------------


def test_gradient_is_that_of_autograd():
    p = draw()
    weights = p.weights.clone().requires_grad_()
    loss = (naive_output(weights, p.readout, p.inputs) - p.targets).square().mean()
    loss.backward()
    found, value = single_index.gradient(p.weights, p.readout, p.inputs, p.targets)
    assert (found - weights.grad).abs().max() < 1e-12 * weights.grad.abs().max()
    assert value.item() == pytest.approx(loss.item(), rel=1e-13)
    outputs = single_index.output(p.weights, p.readout, p.inputs)
    torch.testing.assert_close(outputs, naive_output(p.weights, p.readout, p.inputs))


def test_gradient_in_blocks_and_batches(monkeypatch):
    """Blocks of samples add up; members of one problem, and several problems, are those taken one by one."""
    many = [draw(seed, n_samples=150) for seed in range(2)]
    stack = {name: torch.stack([getattr(p, name) for p in many]) for name in vars(many[0])}
    weights = stack["weights"].unsqueeze(1) * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).reshape(1, 3, 1, 1)
    whole = single_index.gradient(weights, stack["readout"], stack["inputs"], stack["targets"])
    monkeypatch.setattr("lib.single_index.network.BLOCK", {"cpu": 1})
    blocks = single_index.gradient(weights, stack["readout"], stack["inputs"], stack["targets"])
    outputs = single_index.output(weights, stack["readout"], stack["inputs"])
    z = single_index.features(weights, stack["inputs"], "legacy")
    assert whole[0].shape == (2, 3, 5, 7) and whole[1].shape == (2, 3) and z.shape == (2, 3, 150, 5)
    for s, p in enumerate(many):
        for k in range(3):
            one = single_index.gradient((k + 1) * p.weights, p.readout, p.inputs, p.targets)
            for found in (whole, blocks):
                torch.testing.assert_close(found[0][s, k], one[0], rtol=1e-11, atol=1e-14)
                torch.testing.assert_close(found[1][s, k], one[1])
            torch.testing.assert_close(outputs[s, k], naive_output((k + 1) * p.weights, p.readout, p.inputs))
            torch.testing.assert_close(z[s, k], single_index.features((k + 1) * p.weights, p.inputs, "legacy"))


def test_features_in_both_scalings():
    p = draw()
    z = single_index.features(p.weights, p.inputs)
    torch.testing.assert_close(z, torch.tanh(p.inputs @ p.weights.T / 7**0.5) / 5**0.5)
    torch.testing.assert_close(z @ p.readout, naive_output(p.weights, p.readout, p.inputs))
    legacy = single_index.features(p.weights, p.inputs, "legacy")
    torch.testing.assert_close(legacy, torch.tanh(p.inputs @ p.weights.T / 7) / 5**0.5)


# --- steps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("gamma", [1.0, 0.6])
@pytest.mark.parametrize("step_size", [1, 3])
@pytest.mark.parametrize("name", ["gd", "adam"])
def test_steps_are_those_of_torch(name, weight_decay, gamma, step_size):
    p = draw()
    parameter = torch.nn.Parameter(p.weights.clone())
    make = {"gd": torch.optim.SGD, "adam": torch.optim.Adam}[name]
    optimizer = make([parameter], lr=0.5, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size, gamma)
    weights, moments = p.weights.clone(), None
    for step in range(1, 9):
        optimizer.zero_grad()
        (naive_output(parameter, p.readout, p.inputs) - p.targets).square().mean().backward()
        optimizer.step()
        schedule.step()
        slope, _ = single_index.gradient(weights, p.readout, p.inputs, p.targets)
        rate = single_index.step_lr(0.5, step, gamma, step_size)
        if name == "gd":
            weights = single_index.gd_step(weights, slope, rate, weight_decay=weight_decay)
        else:
            weights, moments = single_index.adam_step(
                weights, slope, rate, moments=moments, step=step, weight_decay=weight_decay
            )
        torch.testing.assert_close(weights, parameter.detach(), rtol=1e-10, atol=1e-12)


def test_first_adam_step_is_a_sign():
    p = draw()
    slope, _ = single_index.gradient(p.weights, p.readout, p.inputs, p.targets)
    weights, _ = single_index.adam_step(p.weights, slope, 2.0)
    torch.testing.assert_close(weights, p.weights - 2 * slope / (slope.abs() + 1e-8), rtol=1e-12, atol=1e-12)


def test_normalize():
    weights = 3 + draw().weights.expand(2, 5, 7) * torch.tensor([1.0, 5.0]).reshape(2, 1, 1)
    found = single_index.normalize(weights)
    for before, after in zip(weights, found, strict=True):
        assert after.norm().item() == pytest.approx(35**0.5)
        torch.testing.assert_close(after / after.norm(), before / before.norm())


# --- read-out -------------------------------------------------------------------------------------------------


def test_ridge_minimises_its_objective():
    """Against least squares on the samples with the penalty as further rows."""
    p = draw()
    z, y = single_index.features(p.weights, p.probe_inputs), p.probe_targets
    for values in (0.01, [0.01], [1e-3, 0.1, 2.0]):
        found = single_index.ridge(z, y, values)
        assert found.shape == ((5,) if values == 0.01 else (len(values), 5))
        for lam, a in zip(np.atleast_1d(values), found.reshape(-1, 5), strict=True):
            rows = torch.cat([z, (lam * 11 / 5) ** 0.5 * torch.eye(5, dtype=z.dtype)])
            expected = torch.linalg.lstsq(rows, torch.cat([y, torch.zeros(5, dtype=y.dtype)])).solution
            torch.testing.assert_close(a, expected, rtol=1e-10, atol=1e-12)


def test_ridge_of_few_samples_and_in_batches():
    p = draw(n_samples=3)
    z, y = single_index.features(p.weights, p.probe_inputs), p.probe_targets
    several = single_index.ridge(torch.stack([z, 2 * z]), torch.stack([y, y]), [0.01, 1.0])
    for i in range(2):
        for j, lam in enumerate((0.01, 1.0)):
            torch.testing.assert_close(several[i, j], single_index.ridge((i + 1) * z, y, lam), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scaling", ["intended", "legacy"])
def test_evaluate_is_its_formulas(scaling):
    p = draw()
    found = single_index.evaluate(p.weights, p, [0.01, 0.5], scaling)
    z = single_index.features(p.weights, p.probe_inputs, scaling)
    t = single_index.features(p.weights, p.test_inputs, scaling)
    for i, lam in enumerate((0.01, 0.5)):
        a = single_index.ridge(z, p.probe_targets, lam)
        assert found["probe_loss"][i].item() == pytest.approx((z @ a - p.probe_targets).square().mean().item())
        assert found["test_loss"][i].item() == pytest.approx((t @ a - p.test_targets).square().mean().item())
    kernel, labels = z @ z.T, torch.outer(p.probe_targets, p.probe_targets)
    expected = (kernel * labels).sum() / kernel.norm() / labels.norm()
    assert found["kta"].item() == pytest.approx(expected.item(), rel=1e-12)


def test_no_odd_student_beats_the_floor():
    """The best linear function of the input, in a large sample, and the alignment of one linear feature."""
    p = draw(dim=3, n_samples=200_000, n_test=200_000)
    c = single_index.gaussian_constants()
    error = (p.test_targets - 0.5 * p.test_inputs @ p.teacher).square()
    assert error.mean().item() == pytest.approx(c.floor, abs=5 * error.std().item() / 200_000**0.5)
    for feature, expected in ((p.inputs @ p.teacher, c.kta_linear), ((p.inputs @ p.teacher).sign(), c.kta_sign)):
        kta = (feature @ p.targets) ** 2 / feature.square().sum() / p.targets.square().sum()
        assert kta.item() == pytest.approx(expected, abs=0.005)


# --- training of many -----------------------------------------------------------------------------------------


def mixed_settings():
    return single_index.grid(
        optimizer=["gd", "adam"], learning_rate=[0.5, 2.0], seed=[3, 1], gamma=[1.0, 0.5], label_noise=[0.3, 0.0],
        weight_normalization=[False, True], weight_decay=[0.0, 0.01],
    ).iloc[::3]  # fmt: skip


def test_batched_training_is_training_one_by_one(monkeypatch):
    """Every member, whatever it shares a batch with, is the plain loop on its own problem."""
    settings = mixed_settings()
    options = TINY | {"n_test": 13, "n_steps": 4, "probes": [0, 1, 4], "keep_weights": True, "device": "cpu"}
    together = single_index.train(settings, **options, ridge=[0.01, 0.1])
    assert together.weights.shape == (len(settings), 3, 5, 7) and together.singular_values.shape == (
        len(settings),
        3,
        5,
    )
    for member, row in enumerate(settings.itertuples()):
        p = draw(row.seed, label_noise=row.label_noise)
        weights, moments, kept = p.weights, None, [p.weights]
        for step in range(4):
            weights = single_index.normalize(weights) if row.weight_normalization else weights
            slope, _ = single_index.gradient(weights, p.readout, p.inputs, p.targets)
            rate = single_index.step_lr(row.learning_rate, step + 1, row.gamma)
            if row.optimizer == "gd":
                weights = single_index.gd_step(weights, slope, rate, weight_decay=row.weight_decay)
            else:
                weights, moments = single_index.adam_step(
                    weights, slope, rate, moments=moments, step=step + 1, weight_decay=row.weight_decay
                )
            kept += [weights] if step in (0, 3) else []
        torch.testing.assert_close(together.weights[member], torch.stack(kept), rtol=1e-8, atol=1e-10)
        rows = together.table[(together.table.member == member) & (together.table.step == 4)]
        assert rows.ridge.tolist() == [0.01, 0.1] and rows.seed.tolist() == [row.seed] * 2
        for scaling in single_index.SCALINGS:
            expected = single_index.evaluate(weights, p, [0.01, 0.1], scaling)
            np.testing.assert_allclose(rows[f"test_loss_{scaling}"], expected["test_loss"], rtol=1e-7)
            np.testing.assert_allclose(rows[f"probe_loss_{scaling}"], expected["probe_loss"], rtol=1e-7)
            np.testing.assert_allclose(rows[f"kta_{scaling}"], [expected["kta"]] * 2, rtol=1e-7)
        _, loss = single_index.gradient(weights, p.readout, p.inputs, p.targets)
        assert rows.train_loss.iloc[0] == pytest.approx(loss.item(), rel=1e-7)
        _, s, right = np.linalg.svd(weights.numpy(), full_matrices=False)
        np.testing.assert_allclose(together.singular_values[member, 2], s, rtol=1e-7)
        assert rows.alignment.iloc[0] == pytest.approx(abs(right[0] @ p.teacher.numpy()), abs=1e-7)
    monkeypatch.setattr("lib.single_index.run.GROUP", 1)
    apart = single_index.train(settings, **options, ridge=[0.01, 0.1])
    np.testing.assert_allclose(apart.table.select_dtypes("number"), together.table.select_dtypes("number"), rtol=1e-7)
    torch.testing.assert_close(together.problem(0).targets, draw(3).targets)


def test_float32_follows_float64():
    settings = {"optimizer": ["gd", "adam"], "learning_rate": [20.0, 0.3]}
    options = {"dim": 40, "width": 60, "n_samples": 80, "n_test": 50, "n_steps": 3, "device": "cpu"}
    double = single_index.train(settings, **options)
    single = single_index.train(settings, **options, dtype=torch.float32)
    np.testing.assert_allclose(single.singular_values, double.singular_values, rtol=1e-3)
    np.testing.assert_allclose(single.table.test_loss_intended, double.table.test_loss_intended, rtol=1e-3)


def test_what_is_not_measured_is_not_there():
    bare = single_index.train(
        {"optimizer": ["gd"], "learning_rate": [1.0]}, **TINY, n_test=5, n_steps=2, losses=False, spectra=False
    )
    assert bare.singular_values is None and bare.weights is None and bare.probes == (0, 2)
    assert {"alignment", "test_loss_legacy"}.isdisjoint(bare.table) and len(bare.table) == 2
    still = single_index.train({"optimizer": ["gd"], "learning_rate": [1.0]}, **TINY, n_test=5, n_steps=0)
    assert still.probes == (0,)


def test_overflow_is_a_value():
    """Weight decay beyond its limit of stability ends one member, and the others go on."""
    settings = {"optimizer": ["gd", "gd"], "learning_rate": [1e200, 1.0], "weight_decay": [1.0, 0.0]}
    found = single_index.train(settings, **TINY, n_test=5, n_steps=3)
    last = found.table[found.table.step == 3].set_index("member")
    for name in ("train_loss", "test_loss_intended", "probe_loss_legacy"):
        assert last.loc[0, name] == np.inf and np.isfinite(last.loc[1, name])
    assert np.isnan(last.loc[0, ["alignment", "kta_intended", "kta_legacy"]].to_numpy(dtype=float)).all()
    assert np.isinf(found.singular_values[0, 1]).all() and np.isfinite(found.singular_values[1]).all()


def test_progress(capsys):
    single_index.train({"optimizer": ["gd"], "learning_rate": [1.0]}, **TINY, n_test=5, n_steps=2, progress=True)
    assert "2/2" in capsys.readouterr().err


# --- wrong arguments ------------------------------------------------------------------------------------------

GOOD = {"optimizer": "gd", "learning_rate": 1.0}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"optimizer": "sgd"}, "optimizer"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": np.inf}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"seed": 0.5}, "seed"),
        ({"gamma": 0.0}, "gamma"),
        ({"gamma": 1.5}, "gamma"),
        ({"step_size": 0}, "step_size"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"weight_normalization": 1}, "weight_normalization"),
        ({"label_noise": -0.1}, "label_noise"),
        ({"nesterov": True}, "settings"),
    ],
)
def test_wrong_settings(change, word):
    settings = {name: [value] for name, value in (GOOD | change).items()}
    with pytest.raises(ValueError, match=f"^{word} .*allowed"):
        single_index.train(settings, **TINY, n_steps=1)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"dim": 0}, "dim"),
        ({"width": 2.5}, "width"),
        ({"n_samples": True}, "n_samples"),
        ({"n_test": -1}, "n_test"),
        ({"n_steps": -1}, "n_steps"),
        ({"probes": [2, 1]}, "probes"),
        ({"probes": [0, 2]}, "probes"),
        ({"probes": []}, "probes"),
        ({"ridge": 0.0}, "ridge"),
        ({"ridge": []}, "ridge"),
        ({"dtype": torch.float16}, "dtype"),
    ],
)
def test_wrong_options_of_train(change, word):
    with pytest.raises(ValueError, match=f"^{word} .*allowed"):
        single_index.train({k: [v] for k, v in GOOD.items()}, **(TINY | {"n_steps": 1} | change))


def test_other_wrong_arguments():
    p = draw()
    wrong = [
        (lambda: draw(dim=0), "dim"),
        (lambda: draw(label_noise=-1.0), "label_noise"),
        (lambda: single_index.make(**TINY, rng=0), "rng"),
        (lambda: single_index.gaussian_constants(-1.0), "label_noise"),
        (lambda: single_index.features(p.weights, p.inputs, "twice"), "scaling"),
        (lambda: single_index.evaluate(p.weights, p, scaling="twice"), "scaling"),
        (lambda: single_index.output(p.weights, p.readout, p.inputs[:, :3]), "inputs"),
        (lambda: single_index.output(p.weights, p.readout[:3], p.inputs), "readout"),
        (lambda: single_index.output(p.weights, p.readout, p.inputs.expand(2, 11, 7)), "inputs"),
        (lambda: single_index.gradient(p.weights, p.readout, p.inputs, p.targets[:3]), "targets"),
        (lambda: single_index.ridge(p.inputs, p.targets, -1.0), "ridge"),
        (lambda: single_index.adam_step(p.weights, p.weights, 0.1, step=0), "step"),
        (lambda: single_index.adam_step(p.weights, p.weights, 0.1, step=2), "moments"),
        (lambda: single_index.grid(nesterov=True), "settings"),
        (lambda: single_index.grid(optimizer=[]), "optimizer"),
        (lambda: single_index.train({"optimizer": ["gd"]}, **TINY, n_steps=1), "settings"),
        (lambda: single_index.train({k: [v] for k, v in GOOD.items()}, **TINY, n_steps=0).problem(1), "member"),
    ]
    for call, word in wrong:
        with pytest.raises(ValueError, match=f"^{word} .*allowed"):
            call()
