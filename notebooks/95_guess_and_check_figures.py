# %% [markdown]
# # Random and trained networks: one configuration, and every figure
#
# This notebook makes the networks of one point of a figure: by Guess & Check or by SGD, of one architecture, on one training set.
# It records a tidy table of them, and one of how many were accepted. A sweep runs it over a figure, `sgd-book collect --table` joins the points, and the same notebook draws the figure from that file:
#
# ```
# sgd-book sweep --spec book/sweeps/peleg-fig-02-width.yml -o runs
# sgd-book collect runs --table networks -o networks.csv
# sgd-book run 95 -p table networks.csv -p kind histogram
# ```
#
# With curves the second table, `acceptance`, holds the prices. `panel` names what differs, such as `width`, `depth`, `prior` or `data_seed`.
# The published code does not fix the seeds of training; here `seed` does. Test images come from the training files, at most 1000 of each class.
#
# The chapters behind it are {doc}`19_guess_and_check` and {doc}`20_width_depth_optimizer`.

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
dataset: str = "digits"  # two classes of it; one of digits, mnist, cifar10
data_seed: int = 202  # which two, 202 is 7 against 0; in [0, 1000000]
permutation_seed: int = 200  # which images; in [0, 1000000]
architecture: str = "lenet"  # network; one of lenet, mlp, resnet
width: str = "2/6"  # a number, a fraction, or 1/6* for lenet
depth: str = "full"  # or 1c-1f, 2c-1f, 2c-2f for lenet, 1 to 4 mlp, 1 to 3 resnet
n_samples: list[int] = [4, 8]  # training samples, even; in [2, 400]
# fmt: off
prior: str = "uniform"  # of the weights, or start of SGD; one of uniform, uniform02, kaiming, kaiming_gaussian
# fmt: on
method: str = "guess"  # how they are found; one of guess, sgd
n_networks: int = 40  # networks for each n; in [2, 10000]
max_draws: int = 1000000  # random networks at most; in [10, 100000000000]
n_epochs: int = 60  # epochs of SGD; in [1, 1000]
learning_rate: float = 0.01  # of SGD; in [1e-6, 1]
n_images: int = 100  # test images for Lipschitz constants; in [10, 2000]
seed: int = 200  # of the draws; in [0, 1000000]
table: str = ""  # collected, .csv or .parquet, to draw; from the book's root
kind: str = "curve"  # what to draw; one of curve, histogram, gradients
loss: str = "lipschitz"  # horizontal axis of a histogram; one of lipschitz, weight_norm
panel: str = "width"  # column that tells panels or lines apart

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.colors import LogNorm

from lib import epochs, guess, margins, pairs, small_networks
from lib.book import figures, notebook, record
from lib.book.tables import record_table
from lib.decisions import decisions

figures.use()

# %% [markdown]
# ## The networks
#
# `n_samples` of Guess & Check share one search: it goes on until `n_networks` are found for the largest $n$, or `max_draws` have been drawn. Fewer are then in the table.
# SGD trains all networks of one $n$ together and keeps those that fit. It shares the order of the batches among them.
# Trained networks have biases, random ones do not. Networks with batch norm see the statistics of the training set.

# %%
pair = pairs.load(dataset, data_seed, permutation_seed=permutation_seed)
test = torch.from_numpy(pair.test_inputs), torch.from_numpy(pair.test_labels)
batch_norm = architecture == "resnet"
makers = {"lenet": "depth", "mlp": "depth", "resnet": "blocks"}
chosen = {}
if depth != "full":
    chosen[makers[architecture]] = depth if architecture == "lenet" else int(depth)
if method == "sgd" and not batch_norm:
    chosen["bias"] = True


def build(generator=None):
    make = getattr(small_networks, architecture)
    return make(
        width, image_shape=pair.image_shape, prior=prior, generator=generator,
        dtype=torch.float32, **chosen,
    )  # fmt: skip


net = build()
n_parameters = sum(p.numel() for p in net.parameters())


def samples(n):
    return torch.from_numpy(pair.inputs[:n]), torch.from_numpy(pair.labels[:n])


def random_networks():
    """Weights for each n, and the table of the search."""
    if batch_norm:  # one search for each n
        runs = [
            guess.search(
                net, pair.inputs[:n], pair.labels[:n], n_networks,
                seed=seed, prior=prior, max_draws=max_draws,
            )
            for n in n_samples
        ]  # fmt: skip
    else:
        n = max(n_samples)
        runs = [
            guess.search(
                net, pair.inputs[:n], pair.labels[:n], n_networks,
                seed=seed, prior=prior, max_draws=max_draws, n_samples=n_samples,
            )
        ]  # fmt: skip
    weights = {n: own for run in runs for n, own in run.weights.items()}
    return weights, pd.concat([run.table for run in runs], ignore_index=True)


def trained_networks():
    """The same for SGD, the share that fits instead of a probability."""
    weights, rows, slopes = {}, [], []
    for n in n_samples:
        x, y = samples(n)
        seeds = range(seed * 100000, seed * 100000 + n_networks)
        for last in epochs.run(
            build, (x.numpy(), y.numpy()), seeds, n_epochs, learning_rate=learning_rate,
            batch_size=max(1, min(n // 2, 2)), order_seed=seed, dtype=torch.float32,
        ):  # fmt: skip
            if last.number:
                norm = last.gradient_norms.mean()
                slopes.append({"n": n, "epoch": last.number, "gradient_norm": norm})
        own = {name: w.cpu() for name, w in last.weights.items()}
        fits = ((decisions(net, own, x) > 0) == y.bool()).all(1)
        weights[n] = {name: w[fits] for name, w in own.items()}
        share = fits.double().mean().item()
        rows.append({
            "n": n, "tested": n_networks, "accepted": int(fits.sum()),
            "probability": share, "bits": -np.log2(share) if share else np.inf,
        })  # fmt: skip
    record_table("gradients", pd.DataFrame(slopes))
    return weights, pd.DataFrame(rows)


def describe(n, weights):
    """A row for each network."""
    x, y = samples(n)
    context = x if batch_norm else None
    d = decisions(net, weights, test[0], context=context)
    right = ((d > 0) == test[1].bool()).double()
    images = test[0][:: max(1, len(test[0]) // n_images)]
    constants = margins.lipschitz(net, weights, images, context=context)
    option = {"context": context}
    return pd.DataFrame({
        "n": n,
        "accuracy": right.mean(1),
        "accuracy_0": right[:, test[1] == 0].mean(1),
        "accuracy_1": right[:, test[1] == 1].mean(1),
        "lipschitz": margins.lipschitz_loss(net, weights, x, y, constants, **option),
        "weight_norm": margins.weight_norm_loss(net, weights, x, y, **option),
    })  # fmt: skip


if not table:
    find = {"guess": random_networks, "sgd": trained_networks}[method]
    weights, acceptance = find()
    columns = ["n", "tested", "accepted", "probability", "bits"]
    acceptance = acceptance[columns]
    parts = [
        describe(n, own) for n, own in weights.items() if len(next(iter(own.values())))
    ]
    names = ["n", "accuracy", "accuracy_0", "accuracy_1", "lipschitz", "weight_norm"]
    networks = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)  # fmt: skip
    record(
        parameters=n_parameters,
        accuracy=networks.accuracy.mean(),
        largest_bits=acceptance.bits.iloc[-1],
    )
    record_table("networks", networks)
    record_table("acceptance", acceptance)
    means = networks.groupby("n").mean().astype(float).round(3)
    shown = acceptance.set_index("n").join(means)
else:
    path = notebook.ROOT / table
    runs = {".csv": pd.read_csv, ".parquet": pd.read_parquet}[path.suffix](path)
    column = next((c for c in ("bits", "gradient_norm") if c in runs), "accuracy")
    needed = {panel, "method", "n", column}
    if missing := needed - set(runs):
        raise ValueError(f"{table} has no column {', '.join(missing)}; it has: {', '.join(runs)}")  # fmt: skip
    networks = acceptance = runs
    shown = runs.groupby([panel, "method", "n"]).size().rename("rows").to_frame()
shown.round(3)

# %% [markdown]
# {numref}`fig-guess-figures` draws either the configuration above or a collected table.
# A `curve` is against $n$: test accuracy, or the price if the table has one. Its error bars are the standard deviation over training sets of the mean of each.
# A `histogram` has the loss on the horizontal axis and the test accuracy on the vertical one, and the mean accuracy of each loss bin as dots.
# With a collected table `gradients`, the kind of that name draws the mean norm of the gradient by epoch.

# %% mystnb={"figure": {"caption": "The configuration of this page, or a collected table. Curves: test accuracy or price against the number of samples. Histograms: share of networks by loss and accuracy, mean accuracy of each of 40 bins (dots), and of all (dotted).", "name": "fig-guess-figures"}, "image": {"alt": "A curve of accuracy against the number of samples with few points; with a table, panels or lines for each configuration."}}
if kind == "histogram":
    rows = networks.copy()
    if not table:
        rows = rows.assign(method=method, **{panel: globals()[panel]})
    groups = list(rows.groupby([panel, "method"]))
    across = min(4, len(groups))
    fig, axes = plt.subplots(
        -(-len(groups) // across), across, squeeze=False, sharex=True, sharey=True,
        figsize=(figures.WIDTH, 2.4 * -(-len(groups) // across)), layout="constrained",
    )  # fmt: skip
    for ax, ((name, how), part) in zip(axes.flat, groups, strict=False):
        ax.hist2d(
            part[loss], part.accuracy, bins=60, range=[(0, 0.7), (0.4, 1)],
            weights=np.full(len(part), 1 / len(part)), cmap=figures.SEQUENTIAL,
            norm=LogNorm(1e-4, 1e-1), rasterized=True,
        )  # fmt: skip
        edges = np.linspace(0, 0.7, 41)
        bins = part.groupby(np.digitize(part[loss], edges)).accuracy.mean()
        inside = bins[bins.index.isin(range(1, 41))]
        ax.plot(edges[inside.index], inside, ".", color=figures.INK)
        ax.axhline(part.accuracy.mean(), ls=":", color=figures.INK)
        ax.set(title=f"{name}, {how}", xlabel=loss)
elif kind == "gradients":  # of a collected table
    fig, ax = plt.subplots(figsize=(0.7 * figures.WIDTH, 3.4))
    for name, part in networks.groupby(panel):
        ax.semilogy(part.groupby("epoch").gradient_norm.mean(), label=name)
    ax.set(xlabel="epoch", ylabel="norm of the gradient")
    ax.legend()
else:
    price = bool(table) and "bits" in acceptance
    rows = acceptance[acceptance.method == "guess"] if price else networks
    column = "bits" if price else "accuracy"
    if not table:
        rows = rows.assign(
            method=method,
            permutation_seed=permutation_seed,
            **{panel: globals()[panel]},
        )
    fig, ax = plt.subplots(figsize=(0.7 * figures.WIDTH, 3.4))
    groups = list(rows.groupby([panel, "method"]))
    for (name, how), part in groups:
        each = part.groupby(["n", "permutation_seed"])[column].mean().unstack()
        style = "o-" if how == "sgd" else "o--"
        ax.errorbar(
            each.index, each.mean(axis=1), each.std(axis=1, ddof=0), fmt=style, ms=4,
            capsize=2, label=f"{name}, {how}",
        )  # fmt: skip
    if price:
        ax.plot(each.index, each.index, color=figures.INK, lw=1)
    ax.set(xlabel="$n$", ylabel=r"$-\log_2p_n$" if price else "test accuracy")
    ax.legend()
plt.show()
