# %% [markdown]
# # Train and prune
#
# What do the weights of one network look like after training, and what is left of its accuracy after pruning?
# This notebook trains one network as {cite:t}`barsbey2021heavy` or {cite:t}`wan2023implicit` do, estimates the tail indices of its layers, and prunes it.
# It is made to be swept: a sweep gives one row per training, one table of tail indices and one of prunings.
# [How to run](../book/how-to-run.md) shows the commands, and has sweep files for all settings of the first paper.
# The synthetic layers of that paper are in {doc}`13_compressible_laws`, which can be swept too.

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
dataset: str = "digits"  # data set; one of digits, mnist, cifar10, ecg5000
n_train: int = 1400  # training samples; in [10, 50000]
n_test: int = 350  # test samples, from the same file; in [10, 10000]
architecture: str = "fcn"  # network; one of fcn, vgg11, vgg11_wide
depth: int = 2  # hidden layers of fcn; in [1, 10]
width: int = 256  # units of a hidden layer of fcn; in [1, 10000]
width_factor: float = 1.0  # times the channels of vgg11, vgg11_wide; in [0.01, 4]
learning_rate: float = 0.1  # of SGD; in [1e-6, 10]
batch_size: int = 10  # samples per batch; in [1, 50000]
seed: int = 0  # of the weights, the batches and the noise; in [0, 1000000]
rule: str = "converged"  # when training ends; one of converged, reached, steps
loss: float = 1.0e-3  # training loss that counts as converged; in [1e-12, 100]
accuracy: float = 1.0  # training accuracy to reach; in [0, 1]
n_average: int = 100  # last iterates averaged, except with reached; in [0, 100000]
max_steps: int = 20000  # SGD steps at most; in [1, 10000000]
evaluate_every: int = 200  # steps between evaluations; in [1, 100000]
noise: str = "none"  # noise after each step; one of none, I, II, III
noise_scale: float = 0.01  # scale of the noise; in [0, 10]
tail_index: float = 1.75  # of the noise; in [0.1, 2]
noise_unit: str = "kernel"  # draws of a convolution; one of kernel, filter
# fmt: off
methods: list[str] = ["magnitude", "singular_value", "node"]  # of pruning; one of magnitude, global_magnitude, singular_value, node, random
target: str = "ratio"  # what the targets are; one of ratio, error, energy
targets: list[float] = []  # empty: the ratios of the first paper, for each method its own; in [0, 1]
layers: list[int] = []  # positions of the pruned weights, from 0, or from -1 backwards; empty: all; in [-11, 10]
# fmt: on
pruned: str = "final"  # weights that are pruned; one of final, averaged
center: bool = True  # prune around medians, as the first paper does
unit: str = "input"  # node of a matrix; one of input, output
conv_unit: str = "kernel"  # node of a convolution; one of input, output, kernel
prune_train: bool = False  # pruned networks on the training set, too
dtype: str = "float32"  # numbers; one of float32, float64
checkpoints: str = ""  # folder of kept trainings, from the book's root; empty: none

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from lib import datasets, networks, pruning, pruning_curves, stopping, tails, training
from lib.book import figures, notebook, record
from lib.book.tables import record_table

figures.use()

# %% [markdown]
# ## The network
#
# FCN4 of the first paper is `fcn` with `depth` 4 and `width` 2048, FCN6 that with `depth` 6.
# `vgg11` has five max-pools for images of 32 × 32. Smaller images leave out the first ones until a pixel remains: one for MNIST, as in the paper, two for the digits.
# `vgg11_wide` is the network of the second paper.
#
# Two things differ from the papers. Test samples come from the training file: with `n_test` 10000, CIFAR-10 leaves 40 000 of 50 000 for training and MNIST 50 000 of 60 000.
# And inputs have one mean and one standard deviation, not one for each colour.

# %%
data = datasets.load(dataset, n_train + n_test, seed=0, dtype=dtype)
labels = data.labels - data.labels.min()
train = data.inputs[:n_train], labels[:n_train]
test = data.inputs[n_train:], labels[n_train:]
n_inputs, n_classes = data.inputs.shape[1], int(labels.max()) + 1
options = {"dtype": getattr(torch, dtype)}


def build(generator):
    if architecture == "fcn":
        return networks.fcn(
            n_inputs, width, depth, n_classes, generator=generator, **options
        )
    wide = architecture == "vgg11_wide"
    channels = 3 if dataset == "cifar10" else 1
    side = round((n_inputs / channels) ** 0.5)
    convolutions = list(networks.VGG11_WIDE if wide else networks.VGG11)
    for _ in range(convolutions.count("M") - int(np.log2(side))):
        convolutions.remove("M")
    return networks.cnn(
        (channels, side, side),
        convolutions,
        n_classes,
        width_factor=width_factor,
        global_pool=wide,
        generator=generator,
        **options,
    )


n_parameters = networks.n_parameters(build(torch.Generator().manual_seed(seed)))
print(f"{n_parameters} parameters, {n_train} training and {n_test} test samples")

# %% [markdown]
# ## Training
#
# With the rule `converged` a network counts as converged when its training loss is below `loss` and its training accuracy is `accuracy`. It then trains for ten times `n_average` steps more, and the last `n_average` iterates are averaged.
# The first paper has a loss of $5\cdot10^{-5}$, an accuracy of 1 and 1000 iterates.
# With `reached` it stops at the accuracy, 0.95 in the second paper. With `steps` it trains for `max_steps`.
#
# With a folder for `checkpoints`, training goes on where it was interrupted. A trained network is read from there when only the part below changes.

# %%
rules = {
    "converged": lambda: stopping.converged(
        n_average, loss=loss, accuracy=accuracy, max_steps=max_steps
    ),
    "reached": lambda: stopping.reached(
        accuracy, max_steps=max_steps, hopeless=1.25 / n_classes
    ),
    "steps": lambda: stopping.steps(max_steps, n_average),
}
settings = training.grid(
    learning_rate=learning_rate,
    batch_size=batch_size,
    seed=seed,
    noise=noise,
    noise_scale=noise_scale if noise != "none" else 0.0,
    tail_index=tail_index if noise != "none" else 2.0,
)
checkpoint = None
if checkpoints:  # its name: all that decides the training, the code included
    told = [architecture, depth, width, width_factor, dataset, n_train, n_test]
    told += [rules[rule](), evaluate_every, noise_unit, settings.to_csv(), dtype]
    code = notebook.module_hashes("import lib.training, lib.networks", notebook.ROOT)
    key = notebook.key_of({"told": str(told), "code": code})
    checkpoint = notebook.ROOT / checkpoints / f"{key}.pt"

trained = training.train_grid(
    build,
    train,
    settings,
    rules[rule](),
    test=test,
    evaluate_every=evaluate_every,
    noise_unit=noise_unit,
    dtype=options["dtype"],
    checkpoint=checkpoint,
)
trained.table.T.rename(columns={0: "value"})

# %% [markdown]
# A network that diverged has a loss of infinity and no tables below.
# One without an average is taken as it is at the end: with `reached`, and with an `n_average` of 0.

# %%
result = trained.table.iloc[0]
usable = bool(np.isfinite(result["train_loss"]))
has_average = bool(np.isfinite(result["averaged_train_loss"]))
averaged = trained.averaged if has_average else trained.weights
weights = trained.weights if pruned == "final" else averaged
record(
    learning_rate_per_sample=learning_rate / batch_size,
    converged=result["status"] == "converged",
    iterations=result["iterations"],
    parameters=n_parameters,
)
numbers = result.filter(regex="_(loss|accuracy)$").astype(float)
for end in ("loss", "accuracy"):
    for start in ("", "averaged_"):
        gap = numbers[f"{start}train_{end}"] - numbers[f"{start}test_{end}"]
        numbers[f"{start}{end}_difference"] = abs(gap)
record(**numbers)

# %% [markdown]
# ## Tail indices
#
# All estimators of {doc}`11_stable_laws`, for the averaged weights of each layer.
# The last row is of the final weights: the share of the entries of a layer that can go at a relative error of 10 %, around the median ({doc}`13_compressible_laws`).
# The aggregates over the layers, median, mean and minimum, are recorded for the three kinds of samples.


# %%
def ratio_at_error(weight):
    values = weight[0].flatten().double().numpy()
    return pruning.removable(values - np.median(values), 0.1) / values.size


indices = pd.DataFrame(columns=["layer"])
if usable:
    estimates = tails.layer_indices({name: w[0] for name, w in averaged.items()})
    indices = estimates.iloc[: len(averaged)].reset_index()
    indices.insert(0, "position", range(len(indices)))
    indices["pruning_ratio"] = [ratio_at_error(w) for w in trained.weights.values()]
    kinds = ["multivariate", "norms", "independent"]
    aggregates = estimates.loc[["median", "mean", "min"], kinds].stack()
    record(**{f"{how}_{kind}": value for (how, kind), value in aggregates.items()})
record_table("tail_indices", indices)
indices.set_index("layer").T.round(3)

# %% [markdown]
# ## Prunings
#
# Each method prunes the network at each target: `pruning_curves.accuracy`. What remains is counted as in {doc}`13_compressible_laws`: medians and both factors of a low rank count, and so do the layers that are left alone.
# `pruning_ratio` is the share of the pruned layers that is gone, `change` their mean relative error.
# Nothing is trained again.

# %%
fine = np.round(np.arange(0.5, 1.001, 0.025), 3)
ratios = {
    "magnitude": np.r_[0.0, 0.1, 0.2, 0.3, 0.4, fine],
    "singular_value": np.r_[0.0, 0.25, 0.5, 0.6:0.901:0.05, 0.91:1.001:0.01].round(2),
    "node": np.round(np.arange(0, 1.001, 0.05), 2),
}
plural = {"ratio": "ratios", "error": "errors", "energy": "energies"}[target]
device = "cuda" if torch.cuda.is_available() else "cpu"
on_device = {name: w.to(device) for name, w in weights.items()}
sizes = [w[0].numel() for w in weights.values()]
prunable = sum(sizes[l] for l in layers) if layers else n_parameters
module = build(torch.Generator().manual_seed(seed))
sets = {"test": test, "train": train} if prune_train else {"test": test}


def prunings(method):
    """One row per target."""
    chosen = {"layers": layers or None, "center": center}
    chosen[plural] = targets or ratios.get(method, ratios["magnitude"])
    if method == "node":
        chosen |= {"by": unit, "conv_by": conv_unit}
    curves = {}
    for name, (x, y) in sets.items():
        own = {"rng": np.random.default_rng(seed)} if method == "random" else {}
        curves[name] = pruning_curves.accuracy(
            module, on_device, method, x, y, **chosen, **own
        )
    curve = curves["test"]
    rows = {"method": method, "target": target, "value": curve[target]}
    rows |= {"remaining": curve["remaining"], "change": curve["change"]}
    rows["pruning_ratio"] = (1 - curve["remaining"]) * n_parameters / prunable
    for name, what in itertools.product(sets, ["loss", "accuracy"]):
        rows[f"{name}_{what}"] = curves[name][what]
    return pd.DataFrame(rows)


table = pd.DataFrame(columns=["method"])
if usable:
    table = pd.concat([prunings(method) for method in methods], ignore_index=True)
record_table("prunings", table)
table.drop(columns="target", errors="ignore").round(3)

# %% [markdown]
# {numref}`fig-train-and-prune` shows both.

# %% mystnb={"figure": {"caption": "Left: tail index of each layer of the averaged network by three estimators; 2 is the cap. Right: test accuracy of the pruned network against the share of its numbers that is gone.", "name": "fig-train-and-prune"}, "image": {"alt": "Left: three lines of dots over the layers. Right: one curve per pruning method, level at first and falling where little remains."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.2))
if usable:
    for name in ("multivariate", "independent", "independent_ecf"):
        left.plot(indices["position"], indices[name], "o-", label=name)
    for method, group in table.groupby("method", sort=False):
        right.plot(1 - group["remaining"], group["test_accuracy"], ".-", label=method)
    left.set_xticks(indices["position"])
    left.legend()
    right.legend()
left.set(xlabel="layer", ylabel="tail index")
right.set(xlabel="share of the numbers that is gone", ylabel="test accuracy")
plt.show()
