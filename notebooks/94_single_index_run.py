# %% [markdown]
# # One single-index run
#
# What does full-batch training do to one weight matrix?
# This notebook trains the student of {cite:t}`kothapalli2024spikes` on one draw of the task and records what their programs plot: losses, alignments, spectra and overlaps, as tables of numbers.
# It is made to be swept. [How to run](../book/how-to-run.md) has a sweep file for each of their configurations and figures.
#
# | key of the published configurations | here |
# |---|---|
# | `n`, `n_test`, `d`, `h` | `n_samples`, `n_test`, `dim`, `width` |
# | `label_noise_std` | `label_noise` |
# | `optimizer` (`sgd`, `adam`), `lr`, `momentum`, `weight_decay` | `optimizer` (`gd`, `adam`), `learning_rate`, `momentum`, `weight_decay` |
# | `lr_scheduler_cls`, `lr_scheduler_kwargs` | `gamma`, `step_size`; `gamma` 1 for no schedule |
# | `reg_lambda` | `ridges`; several cost little more than one |
# | `enable_weight_normalization` | `weight_normalization` |
# | `num_epochs`, `probe_freq_steps` | `n_steps`, `probe_every`; an epoch of the full batch is a step |
# | `plot_overlaps` | `n_overlaps` |
# | `repeat` | `seed` |
#
# Batches are full, as in all of the published configurations, and $L$ is 2.
# The read-out stays fixed while the hidden weights train (`fix_last_layer`), and the losses are those of a ridge read-out on a fresh sample. With `fix_last_layer` off the published program stops with an error, and no result of it is known, so this path is left out.

# %% tags=["remove-cell"]
# On Colab: fetch the book and what it imports. Anywhere else this cell does nothing.
import sys

if "google.colab" in sys.modules:
    import subprocess

    url = "https://github.com/sgd-dynamics/sgd-dynamics"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", url, "/content/sgd-dynamics"], check=True
    )
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "-e", "/content/sgd-dynamics"],
        check=True,
    )
    sys.path.insert(0, "/content/sgd-dynamics")

# %% tags=["parameters"]
n_samples: int = 400  # training samples, and samples of the read-out; in [2, 1000000]
n_test: int = 2000  # test samples; in [1, 1000000]
dim: int = 200  # inputs d; in [2, 10000]
width: int = 300  # hidden units h; in [2, 10000]
label_noise: float = 0.3  # of all targets; in [0, 100]
optimizer: str = "adam"  # full-batch steps; one of gd, adam
learning_rate: float = 1.0  # of the first step; in [0, 1e9]
momentum: float = 0.0  # of gd only; in [0, 0.9999]
weight_decay: float = 0.0  # added to the gradient; in [0, 1000]
gamma: float = 1.0  # factor of the learning rate; in [1e-6, 1]
step_size: int = 1  # steps between two such factors; in [1, 1000000]
ridges: list[float] = [0.01]  # of the read-out; in [1e-12, 1e6]
weight_normalization: bool = False  # to the norm at random, before each step
n_steps: int = 10  # full-batch steps; in [0, 1000000]
probe_every: int = 1  # steps between measurements, from step 0; in [1, 1000000]
feature_scaling: str = "both"  # of losses; one of both, intended, legacy
n_overlaps: int = 0  # singular vectors whose overlaps are recorded; in [0, 1000]
seed: int = 0  # of teacher, samples and student; in [0, 1000000]
dtype: str = "float64"  # numbers; one of float32, float64

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from lib import esd, single_index
from lib.book import figures, record
from lib.book.tables import record_table

figures.use()

# %% [markdown]
# ## Training
#
# Runs of one `seed` share teacher, samples and start, whatever the other parameters are: a smaller sample is the beginning of a larger one.

# %%
probes = sorted({*range(0, n_steps + 1, probe_every), n_steps})
settings = single_index.grid(
    optimizer=optimizer,
    learning_rate=learning_rate,
    momentum=momentum,
    weight_decay=weight_decay,
    gamma=gamma,
    step_size=step_size,
    weight_normalization=weight_normalization,
    label_noise=label_noise,
    seed=seed,
)
trained = single_index.train(
    settings,
    dim=dim,
    width=width,
    n_samples=n_samples,
    n_steps=n_steps,
    probes=probes,
    n_test=n_test,
    ridge=ridges,
    keep_weights=True,
    dtype=getattr(torch, dtype),
)
weights = trained.weights[0].double().cpu()
finite = np.isfinite(trained.singular_values[0]).all(axis=-1)
values = trained.singular_values[0] ** 2

# %% [markdown]
# ## Probes
#
# One row for each probe, ridge and scaling of the features: *intended*, those of the network, and *legacy*, those of the published evaluation ({doc}`18_what_shapes_the_tail`).
# `hill` starts at the median. `ks` is the exponent of the closest power law, with its lower end `ks_xmin` and its distance.
# `alignment` is that of the top right singular vector with the teacher.
# Where weights overflow, losses are infinite and all else is not a number.

# %%
shape = {"hill": np.nan, "ks": np.nan, "ks_xmin": np.nan, "ks_distance": np.nan}
shape |= {"largest_eigenvalue": np.nan, "second_eigenvalue": np.nan, "trace": np.nan}
spectral = []
for step, spectrum, usable in zip(probes, values, finite, strict=True):
    row = {"step": step} | shape | {"stable_rank": np.nan}
    if usable:
        law = esd.fit_power_law(spectrum[spectrum > 0])
        row |= {
            "hill": float(esd.hill(spectrum)),
            "ks": law.alpha,
            "ks_xmin": law.xmin,
            "ks_distance": law.distance,
            "largest_eigenvalue": spectrum[0],
            "second_eigenvalue": spectrum[1],
            "trace": spectrum.sum(),
            "stable_rank": float(esd.stable_rank(spectrum)),
        }
    spectral.append(row)

names = ("probe_loss", "test_loss", "kta")
scalings = ["intended", "legacy"] if feature_scaling == "both" else [feature_scaling]
kept = ["step", "ridge", "train_loss", "alignment"]
table = pd.concat(
    [
        trained.table[[*kept, *(f"{name}_{scaling}" for name in names)]]
        .rename(columns={f"{name}_{scaling}": name for name in names})
        .assign(scaling=scaling)
        for scaling in scalings
    ]
).merge(pd.DataFrame(spectral), on="step")
record_table("probes", table)
table.round(4)

# %% [markdown]
# The numbers of the last probe are recorded as scalars too, at the first ridge.

# %%
last = table[(table["step"] == n_steps) & (table["ridge"] == ridges[0])]
for _, row in last.iterrows():
    record(**{f"{name}_{row['scaling']}": row[name] for name in names})
row = last.iloc[0]
record(
    **{name: row[name] for name in ("train_loss", "alignment", *list(spectral[0])[1:])}
)

# %% [markdown]
# ## Spectra
#
# The eigenvalues of $W^TW$ at each probe, without a factor of size, and the overlap of each right singular vector with the teacher.

# %%
teacher = trained.problem(0).teacher.double()
rows = []
for step, w, usable in zip(probes, weights, finite, strict=True):
    if usable:
        _, s, right = torch.linalg.svd(w, full_matrices=False)
        rows.append(
            pd.DataFrame({
                "step": step,
                "index": np.arange(1, len(s) + 1),
                "eigenvalue": s.numpy() ** 2,
                "teacher_overlap": (right @ teacher).abs().numpy(),
            })
        )  # fmt: skip
record_table("spectra", pd.concat(rows) if rows else pd.DataFrame(columns=["step"]))

# %% [markdown]
# ## Overlaps
#
# Between two probes the weights move by $M$. The squared overlaps of the leading singular vectors of $M$ with those of $W$, before and after, are recorded when `n_overlaps` is not 0, and the singular values of $M$ with them.
# `index` counts vectors of $W$, `move_index` those of $M$.

# %%
overlaps, moves = [], []
for k in range(len(probes) - 1 if n_overlaps else 0):
    if not finite[k + 1] or torch.equal(weights[k], weights[k + 1]):
        continue
    move = weights[k + 1] - weights[k]
    strengths = np.sqrt(esd.eigenvalues(move))
    at = {"step": probes[k], "next_step": probes[k + 1]}
    index = np.arange(1, len(strengths) + 1)
    moves.append(pd.DataFrame(at | {"index": index, "singular_value": strengths}))
    for name, w in (("before", weights[k]), ("after", weights[k + 1])):
        for side, found in zip(("left", "right"), esd.overlaps(w, move), strict=True):
            block = found[:n_overlaps, :n_overlaps]
            i, j = np.indices(block.shape) + 1
            overlaps.append(
                pd.DataFrame(
                    at
                    | {"weights": name, "side": side, "index": i.ravel()}
                    | {"move_index": j.ravel(), "overlap": block.ravel()}
                )
            )
empty = pd.DataFrame(columns=["step"])
record_table("overlaps", pd.concat(overlaps) if overlaps else empty)
record_table("moves", pd.concat(moves) if moves else empty)

# %% [markdown]
# {numref}`fig-single-index-run` shows the run.

# %% mystnb={"figure": {"caption": "Left: test loss in the scalings that were asked for, at the first ridge, against the step. Right: histogram of $\\log_{10}$ of the eigenvalues of $W^TW$ at the first and the last probe.", "name": "fig-single-index-run"}, "image": {"alt": "Left: one curve of the test loss per scaling. Right: two histograms; the one of the trained weights is wider and reaches further right."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.2))
for scaling, part in table[table["ridge"] == ridges[0]].groupby("scaling", sort=False):
    left.plot(part["step"], part["test_loss"], "o-", ms=3, label=scaling)
left.set(xlabel="step", ylabel="test loss")
left.legend()
for k in sorted({0, int(np.flatnonzero(finite)[-1])} if finite.any() else set()):
    positive = values[k][values[k] > 0]
    label = f"step {probes[k]}"
    right.hist(np.log10(positive), 60, density=True, alpha=0.6, label=label)
right.set(xlabel=r"$\log_{10}\lambda$", yscale="log", ylabel="density")
right.legend()
plt.show()
