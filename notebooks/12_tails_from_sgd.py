# %% [markdown]
# # Tails from SGD
#
# Where would heavy tails come from, if data and initial weights have none?
# {cite:t}`barsbey2021heavy` point to SGD itself. A batch that is small and a learning rate that is large multiply the weights by random factors, and noise that is multiplied again and again gets a power tail.
# So the tail index of the weights should fall as $\eta/b$ grows, and with it the share of weights that a layer needs.
#
# This chapter solves the mechanism where it can be solved, one weight and fresh data. Then it trains networks over a grid of $\eta$ and $b$ and estimates the index of each layer.
# The index falls as the paper says. What falls is not what the theory speaks of, and surrogates of the weight matrices show it.
# In Part III, $\alpha$ is the tail index and $\eta$ the learning rate.

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
n_chains: int = 200000  # chains of one weight for each setting; in [2000, 10000000]
n_chain_steps: int = 100  # their steps; in [20, 10000]
dataset: str = "digits"  # data of the networks; one of digits, mnist
n_train: int = 1400  # training samples; in [100, 50000]
n_test: int = 397  # test samples; in [50, 10000]
n_seeds: int = 3  # networks for each setting; in [2, 100]
depth: int = 2  # hidden layers; in [1, 8]
width: int = 256  # units of a hidden layer; in [16, 2048]
batch_size: int = 10  # an even number; half of it as well; in [2, 1000]
rates: list[float] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]  # rates; in [0.001, 1]
deep: int = 4  # hidden layers of the deeper networks; in [1, 8]
deep_width: int = 128  # units of their hidden layers; in [16, 2048]
deep_rates: list[float] = [0.05, 0.1, 0.2, 0.25, 0.3, 0.35]  # theirs; in [0.001, 1]
loss: float = 1e-3  # training loss at which a network has converged; in [1e-6, 1]
wait: int = 0  # steps from there to the average; in [0, 100000]
n_average: int = 1000  # iterates in the average; in [1, 100000]
max_steps: int = 20000  # steps at most; in [100, 1000000]
seed: int = 0  # of all draws; in [0, 1000000]

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import optimize, stats

from lib import datasets, multiplicative, networks, pruning, stable

from lib import stopping, surrogates, tails, training  # isort: skip
from lib.book import claim, figures, record

figures.use()
rng = np.random.default_rng(seed)

# %% [markdown]
# ## One weight
#
# Let the target be linear in one input, $y=w_*G+\varepsilon$, with standard normal $G$ and independent noise $\varepsilon$ of variance 1. Every step of SGD on the squared loss sees a fresh batch. The error $x=w-w_*$ of the weight becomes
#
# $$
# x\leftarrow(1-\eta Q)\,x+\eta B,\qquad Q=\frac1b\sum_{i\le b}G_i^2,\qquad B=\frac1b\sum_{i\le b}G_i\varepsilon_i .
# $$ (eq-sgd-recursion)
#
# The noise $B$ adds, and $1-\eta Q$ multiplies. Part I described the second moments of this.
# Now we ask for the whole law, after many steps. Its fate is decided by the moments of the factor,
#
# $$
# h(\alpha)=\mathbb E\,|1-\eta Q|^\alpha .
# $$ (eq-sgd-moment)
#
# :::{prf:lemma} The moments of the factor
# :label: lem-sgd-moment
#
# 1. $\log h$ is strictly convex, $h(0)=1$, and $h(\alpha)\to\infty$ for $\alpha\to\infty$. If $h'(0)=\mathbb E\log|1-\eta Q|<0$, there is exactly one $\alpha>0$ with $h(\alpha)=1$. If $h'(0)\ge0$, there is none.
# 2. For each $\alpha\ge1$ and $b$ there is exactly one rate $\eta_\alpha>0$ at which $h(\alpha)=1$. It is decreasing in $\alpha$ and increasing in $b$.
# :::
#
# :::{prf:proof}
# *First part.* $h$ is a moment generating function of $\log|1-\eta Q|$, which is not constant, so $\log h$ is strictly convex. $Q$ has no bound, so $|1-\eta Q|>2$ has positive probability and $h\to\infty$. A strictly convex function that starts from 0 with negative slope and grows to infinity has one more zero; with slope at least 0 it has none.
#
# *Second part.* At fixed $\alpha\ge1$ and $Q$, $|1-\eta Q|^\alpha$ is convex in $\eta$. So $h$ is convex in $\eta$, strictly, equals 1 at $\eta=0$ with slope $-\alpha\,\mathbb EQ<0$, and grows to infinity: it is 1 at one $\eta_\alpha$, below 1 before and above 1 after.
# The norm $(\mathbb E|1-\eta Q|^\alpha)^{1/\alpha}$ increases strictly with $\alpha$. At $\eta_\alpha$ it is above 1 for any larger index, so $\eta_\alpha$ decreases.
# For the batch, $Q$ of $b+1$ samples is the mean of the $b+1$ averages that leave out one sample each. By Jensen's inequality for the convex function $|1-\eta q|^\alpha$ of $q$, a larger batch has a smaller $h$, and a larger $\eta_\alpha$.
# :::
#
# :::{prf:theorem} A power tail
# :label: thm-sgd-tail
#
# Let $\mathbb E\log|1-\eta Q|<0$, and let $\alpha$ be the root of $h(\alpha)=1$. Then {eq}`eq-sgd-recursion` has a unique stationary law, which it tends to from any start. The law is symmetric, and for a constant $C>0$
#
# $$
# P(|x|>y)\simeq C\,y^{-\alpha}\qquad(y\to\infty) .
# $$ (eq-sgd-tail)
#
# For $\alpha\ge1$ the index falls with $\eta$ and rises with $b$.
# :::
#
# :::{prf:proof}
# *Stationary law.* Unrolled, $x$ after $t$ steps is a sum of terms $\eta B_s\prod_{r>s}(1-\eta Q_r)$ and the start times a product. By the law of large numbers products of $n$ factors are about $e^{nh'(0)}$, and $\log^+|B|$ has a finite mean. So the start is forgotten and the sum over the past converges almost surely {cite:p}`vervaat1979stochastic`. Given the $G_i$, $B$ is normal with mean zero, so the law is symmetric.
#
# *Tail.* This is the theorem of {cite:t}`kesten1973random` in one dimension, in the form of {cite:t}`goldie1991implicit`. Its conditions hold: $h(\alpha)=1$; $\mathbb E|1-\eta Q|^\alpha\log^+|1-\eta Q|$ and $\mathbb E|B|^\alpha$ are finite, since $G$ and $\varepsilon$ have all moments; $\log|1-\eta Q|$ has a density, so it does not live on a lattice; and no number $x$ satisfies $x=(1-\eta Q)x+\eta B$ almost surely.
#
# *Monotone.* $\alpha\mapsto\eta_\alpha$ of {prf:ref}`lem-sgd-moment` is continuous and decreasing. Its inverse is the index as a function of $\eta$, on $\eta\le\eta_1$. A larger batch raises $\eta_\alpha$ at each $\alpha$, so it raises the index at each $\eta$.
# :::
#
# Kesten's theorem is not proved here; {cite:t}`buraczewski2016stochastic` give a full account.
# The idea is short. If the tail is $Cy^{-\alpha}$ before a step, it is $C\,\mathbb E|1-\eta Q|^\alpha\,y^{-\alpha}$ after it, because a large $x$ dwarfs the noise. To stay the same it needs $h(\alpha)=1$.
#
# The second moment is one case: $\mathbb EQ^2=1+\frac2b$, so
#
# $$
# h(2)=(1-\eta)^2+\frac{2\eta^2}b,\qquad\eta_2=\frac{2b}{b+2} .
# $$ (eq-sgd-second)
#
# This is the critical learning rate of Part I for a single Gaussian feature ({doc}`chapter 3 <03_stability_and_phases>`, with $\gamma=\frac1b$ and $\tau_2=-1$).
# There the loss diverges. Here we see what happens to single runs: nothing dramatic. At $\eta_2$ the tail index is 2, and above it the variance of $x$ is infinite, while the law exists until $\mathbb E\log|1-\eta Q|=0$, at a rate that we call $\eta_0$.
#
# ### Small rates
#
# At a small rate the factor exceeds 1 only if $Q>\frac2\eta$, which is rare. How rare decides the index.
#
# :::{prf:proposition} Only the ratio counts
# :label: prop-sgd-ratio
#
# For fixed $b$ and $\eta\to0$
#
# $$
# \alpha\simeq c_*\,\frac b\eta,\qquad c_*\,(\log2c_*-1)=\frac12,\qquad c_*=1.7956\ldots
# $$ (eq-sgd-ratio)
# :::
#
# :::{prf:proof}
# Put $\alpha=cb/\eta$ and $u=\eta Q$, whose density is a constant times $\eta^{-b/2}u^{b/2-1}e^{-bu/2\eta}$.
# For $u\le1$, $|1-u|^{\alpha}\le e^{-\alpha u}=e^{-cbQ}$, and this part of $h$ is at most $\mathbb Ee^{-cbQ}=(1+2c)^{-b/2}<1$. For $1<u\le2$ it is at most $P(Q>\frac1\eta)\to0$.
# For $u>2$ the integrand is $\exp\frac b\eta\big(c\log(u-1)-\frac u2\big)$ up to powers. The exponent is largest at $u=1+2c$, for $c>\frac12$, where the bracket is $c\log2c-c-\frac12$. By Laplace's method this part tends to 0 if the bracket is negative and to infinity if it is positive.
# The bracket increases in $c>\frac12$ and vanishes at $c_*$ only. So the root of $h=1$ lies between $(c_*-\delta)\frac b\eta$ and $(c_*+\delta)\frac b\eta$ for any $\delta>0$ and all small $\eta$.
# :::
#
# So at small rates the index depends on the ratio $\eta/b$ alone. This is the variable against which the paper plots everything.
# At large rates it does not: $\eta_2$ stays below 2 for every batch.
#
# `multiplicative.tail_index` solves $h(\alpha)=1$ by quadrature. We compare it with Hill's estimate ({doc}`chapter 11 <11_stable_laws>`) on simulated chains.

# %%
known = {"a": (0.5, 1), "b": (0.8, 1), "c": (1.0, 1)}
known |= {"d": (1.2, 1), "e": (0.8, 2), "f": (0.8, 4)}
top, rows = n_chains // 1000, {}
for letter, (eta, b) in known.items():
    index = multiplicative.tail_index(eta, b)
    claim(f"barsbey-C16{letter}", index)
    x = multiplicative.simulate(eta, b, n_chains, n_chain_steps, rng=rng)
    hill = tails.hill(x, top)
    rows[f"η = {eta}, b = {b}"] = index, hill, (index / hill - 1) * top**0.5
columns = ["root", f"Hill, {top} of {n_chains}", "standard errors apart"]
chains = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
claim("barsbey-C16g", chains[columns[2]].abs().max(), note=f"{len(known)} settings")
claim("barsbey-C16h", multiplicative.tail_index(1e-3, 1) * 1e-3, note="η = 0.001")
chains.round(3)

# %%
batches, line = [1, 2, 4, 16], np.geomspace(0.02, 2.6, 60)
limit = optimize.brentq(lambda c: c * (np.log(2 * c) - 1) - 0.5, 1, 3)
orders = {"η at index 1": 1, "η at index 2": 2, "η of the end": 0}
pd.DataFrame(
    {
        f"b = {b}": [
            multiplicative.critical_learning_rate(o, b) for o in orders.values()
        ]
        for b in batches
    },
    index=list(orders),
).round(4)

# %% mystnb={"figure": {"caption": "Tail index of one weight. Left: against the learning rate, by {prf:ref}`thm-sgd-tail` (lines) and by Hill's estimate on simulated chains (dots, with one standard error). Below the grey line the variance is infinite. Right: the same lines against $\\eta/b$, and the limit {eq}`eq-sgd-ratio` of small rates (dashes).", "name": "fig-sgd-index"}, "image": {"alt": "Left: four falling curves on a logarithmic axis, higher for larger batches, with six dots on or near them; all leave the figure at its bottom, near a learning rate of 2. Right: the four curves follow one dashed straight line at small ratios and leave it downwards one after the other, large batches first."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.5), sharey=True)
for b, color in zip(batches, figures.ramp(4), strict=True):
    values = np.array([multiplicative.tail_index(eta, b) for eta in line])
    values[values == 0] = np.nan
    left.loglog(line, values, color=color, label=f"$b={b}$")
    right.loglog(line / b, values, color=color)
for (eta, b), hill in zip(known.values(), chains[columns[1]], strict=True):
    color = figures.ramp(4)[batches.index(b)]
    left.errorbar(eta, hill, hill / top**0.5, fmt="o", color=color)
ratio = np.geomspace(1e-3, 3, 30)
right.loglog(ratio, limit / ratio, "--", color=figures.INK, lw=1)
left.axhline(2, color=figures.FAINT, lw=1)
left.set(xlabel=r"$\eta$", ylabel=r"tail index $\alpha$", ylim=(0.3, 2000))
right.set(xlabel=r"$\eta/b$")
_ = left.legend()

# %% [markdown]
# The mechanism needs three things.
# Factors above 1 must occur; with bounded inputs and a small rate they never do, and all moments are finite ({ref}`ex-sgd-bounded`).
# The noise $B$ must not die out: without it, $x=0$ is the stationary law. A network that fits its training data has almost no gradient noise left.
# And there must be enough steps to reach the stationary law.
#
# :::{admonition} Takeaway
# :class: tip
# One weight under multiplicative noise has a power tail. Its index solves $\mathbb E|1-\eta Q|^\alpha=1$, falls with $\eta$, rises with $b$, and is 2 where second moments end. At small rates it is a function of $\eta/b$.
# :::
#
# For many weights the factor is a random matrix, and a root exists for it as well {cite:p}`kesten1973random`. {cite:t}`gurbuzbalaban2021heavy` and {cite:t}`hodgkinson2021multiplicative` work this out for SGD; the first find the same directions in $\eta$ and $b$.
# For networks there is no such theorem. There we measure.
#
# ## A grid of networks
#
# The paper trains ReLU networks without biases by plain SGD: no momentum, no decay, a constant rate. Training ends when the loss on the training set is tiny, and the last iterates are averaged. The tail index is estimated on the average, layer by layer, by the block estimator of {doc}`chapter 11 <11_stable_laws>`, which takes hidden units for samples: the rows of a weight matrix, and for the last layer its columns.
#
# We do this on handwritten digits, in three families: one batch size, half of it at half of each rate, and deeper, narrower networks. Members of one seed share initial weights, so a seed is one paired experiment. Depth counts hidden layers.

# %%
data = datasets.load(dataset, n_train + n_test, seed, dtype=np.float32)
order = rng.permutation(n_train + n_test)
inputs, labels = data.inputs[order], data.labels[order]
train, test = (inputs[:n_train], labels[:n_train]), (inputs[n_train:], labels[n_train:])
rule = stopping.Rule(
    loss, wait=wait, n_average=n_average, max_steps=max_steps, patience=5000, hopeless=0.15
)  # fmt: skip


def family(depth, width, batch_size, rates):
    """Networks of one shape and batch size, trained."""

    def build(generator):
        sizes = inputs.shape[1], width, depth, 10
        return networks.fcn(*sizes, generator=generator, dtype=torch.float32)

    settings = training.grid(
        seed=range(seed, seed + n_seeds), learning_rate=rates, batch_size=batch_size
    )
    return training.train_grid(
        build, train, settings, rule, test=test, dtype=torch.float32
    )


half = batch_size // 2
names = {
    "main": f"b = {batch_size}",
    "half": f"b = {half}",
    "deep": f"{deep} layers",
}
trained = {
    "main": family(depth, width, batch_size, rates),
    "half": family(depth, width, half, [eta / 2 for eta in rates]),
    "deep": family(deep, deep_width, batch_size, deep_rates),
}


# %%
def ratio_at(weight, error=0.1):
    """Share of the entries, less their median, that a relative error removes."""
    weight = np.asarray(weight, np.float64).ravel()
    return pruning.removable(weight - np.median(weight), error) / weight.size


def measured(weights, final):
    """Multivariate indices of the layers of averaged weights, pruning ratios of final."""
    samples = tails.layer_samples(weights).values()
    order = np.random.default_rng(seed)
    indices = [
        float(tails.block(x, center="median", permutations=5, rng=order))
        for x in samples
    ]
    ratios = [ratio_at(weight) for weight in final]
    return pd.DataFrame({"multivariate": indices, "ratio": ratios})


def by_layer(result):
    """A row for each layer of each network that converged."""
    parts = []
    for i in np.flatnonzero(result.table["status"] == "converged"):
        averaged, final = (
            [weight[i] for weight in kind.values()]
            for kind in (result.averaged, result.weights)
        )
        parts.append(measured(averaged, final).assign(member=i))
    layers = pd.concat(parts).rename_axis("layer").reset_index()
    settings = result.table[["learning_rate", "batch_size", "seed", "test_accuracy"]]
    return layers.join(settings, on="member")


layers = {name: by_layer(result) for name, result in trained.items()}
nets = {  # the paper's aggregate: the median index over the layers
    name: table.groupby(["seed", "learning_rate", "batch_size"])
    .agg(index=("multivariate", "median"), ratio=("ratio", "mean"),
         accuracy=("test_accuracy", "first"), last=("multivariate", "last"))
    .reset_index()
    for name, table in layers.items()
}  # fmt: skip
counts = {
    names[name]: result.table.groupby("learning_rate")["status"].agg(
        lambda column: f"{(column == 'converged').sum()} of {len(column)}"
    )
    for name, result in trained.items()
}
pd.DataFrame(counts).T.fillna("").rename_axis("networks that converge", axis=1)

# %% [markdown]
# The table counts, at each learning rate, the networks that converge. The others diverge, their units die, or they run out of steps.
# On the digits every family has its threshold. The grid of the paper also ends near it.
#
# Over how far do the last iterates roam? If the averaged network is to sample a stationary law, they should move. We record the largest distance of the averaged weights from the final ones, relative to these.

# %%
moved = []
for result in trained.values():
    for average, final in zip(
        *(k.values() for k in (result.averaged, result.weights)), strict=True
    ):
        axes = tuple(range(1, final.ndim))
        moved.append(((average - final).norm(dim=axes) / final.norm(dim=axes)).numpy())
record(largest_distance_of_average=max(np.nanmax(m) for m in moved))

# %% [markdown]
# They hardly move. Networks that fit their data have almost no gradient noise left, so most of what we see in the weights was made earlier in training.
#
# Before any training each matrix is uniform, which has finite variance: its index should be 2, the cap, and its pruning ratio $0.1^{2/3}=0.2154$ ({doc}`chapter 13 <13_compressible_laws>`).

# %%
start = trained["main"].build(torch.Generator().manual_seed(seed))
before = [weight.detach().numpy() for weight in start.parameters()]
initial = measured(before, before)
initial.rename_axis("untrained").rename(index=lambda l: f"layer {l + 1}").round(3)

# %% [markdown]
# ## The index against the ratio

# %% mystnb={"figure": {"caption": "Multivariate tail index of the averaged weights against $\\eta/b$, one panel for each layer: networks with the batch $b$ (filled) and with half of it (open), and their means over seeds (lines). Dashes: the index before training.", "name": "fig-sgd-networks"}, "image": {"alt": "One panel a layer. In the hidden layers dots lie at 2 for small ratios and bend down at the largest ones, filled and open dots together except at the right end. In the last layer they lie between 1.6 and 1.8 and fall slowly."}}
fig, axes = plt.subplots(1, depth + 1, figsize=(figures.WIDTH, 3.2), sharey=True)
styles = {"main": ("o", figures.PALETTE[0]), "half": ("o", figures.PALETTE[1])}
for name, (marker, color) in styles.items():
    for layer, part in layers[name].groupby("layer"):
        ratio = part["learning_rate"] / part["batch_size"]
        face = color if name == "main" else "none"
        axes[layer].plot(
            ratio, part["multivariate"], marker, ms=4.5, color=color, mfc=face
        )
        mean = part["multivariate"].groupby(ratio.round(9)).mean()
        axes[layer].plot(mean.index, mean, color=color, lw=1, label=names[name])
for layer, ax in enumerate(axes):
    ax.axhline(initial["multivariate"][layer], ls="--", color=figures.INK, lw=1)
    title = f"layer {layer + 1}" if layer < depth else "last layer"
    ax.set(xlabel=r"$\eta/b$", title=title)
axes[0].set(ylabel=r"tail index $\hat\alpha$")
_ = axes[0].legend()


# %%
def correlation(table, x, y):
    """Mean over seeds of the rank correlation, and its standard error."""
    found = [
        0.0 if part[x].nunique() * part[y].nunique() < 4 else stats.spearmanr(part[x], part[y])[0]
        for _, part in table.groupby("seed")
    ]  # fmt: skip
    return np.mean(found), np.std(found, ddof=1) / len(found) ** 0.5


rows = {}
for letter, (name, table) in zip("abc", nets.items(), strict=True):
    of = {key: correlation(table, "learning_rate", key) for key in ("index", "last", "ratio")}  # fmt: skip
    claim(f"barsbey-C10{letter}", of["index"][0], uncertainty=of["index"][1])
    rows[names[name]] = {key: f"{m:.2f} ± {e:.2f}" for key, (m, e) in of.items()}
titles = {
    "index": "median index",
    "last": "index of the last layer",
    "ratio": "mean pruning ratio",
}
pd.DataFrame(rows).T.rename(columns=titles).rename_axis("rank correlation with η")

# %% [markdown]
# The median index falls with the learning rate in all three families. This is the paper's main observation.
# How firmly, the claims say: the deeper networks scatter most from seed to seed, and the verdict on them, {claim}`barsbey-C10c`, needs more seeds.
# The layers differ. Hidden layers sit at the cap until the rate is a good part of the threshold. The last layer is low at the smallest rate already, so most of its distance from 2 is not the doing of a large rate. {numref}`fig-sgd-networks` shows both.
#
# Is the ratio the right variable? Networks of the two batch sizes come in pairs with one ratio.

# %%
keys = ["seed", "layer", "ratio_of_rates"]
joined = [
    layers[name]
    .assign(ratio_of_rates=(layers[name]["learning_rate"] / layers[name]["batch_size"]).round(9))
    .set_index(keys)["multivariate"]
    for name in ("main", "half")
]  # fmt: skip
gaps = (joined[0] - joined[1]).dropna().rename("gap").reset_index()
gap = gaps.groupby(["ratio_of_rates", "layer"])["gap"].mean().unstack()
known_pairs = [eta for eta in (0.01, 0.02, 0.03) if eta in gap.index]
if dataset == "digits":
    claim(
        "barsbey-C12a", gap.loc[known_pairs].abs().max().max(), note=f"{n_seeds} seeds"
    )
claim("barsbey-C12b", gap.abs().max().max(), note=f"{len(gap)} ratios, {n_seeds} seeds")
gap.rename_axis("η/b").rename(columns=lambda l: f"layer {l + 1}").round(3)

# %% [markdown]
# The table holds the mean difference of the two indices, the larger batch less the smaller.
# At small ratios it is small, and smallest in the hidden layers. Close to the threshold it is a good part of the effect itself.
# There the rate matters by itself, as in the one-dimensional model: $\eta/b$ is the variable of small rates.
#
# ## How much can be pruned
#
# The paper's second observation: the lower the index, the more entries may go at a relative error of 10 %.

# %% mystnb={"figure": {"caption": "Share of the entries of each layer that a relative error of 10 % removes. Left: against $\\eta/b$, both batch sizes. Right: against the tail index of the layer, all three families. Dashes: uniform weights, where every layer starts. Dots: Gaussian weights.", "name": "fig-sgd-ratio"}, "image": {"alt": "Left: a set of dots for each layer. Those of hidden layers start near the dashed line and rise steeply at the largest ratios; those of the last layer start higher and rise all the way. Right: a cloud that rises from index 2 and the dashed line to the left; last layers lie below hidden ones of the same index."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.5), sharey=True)
pair = pd.concat([layers["main"], layers["half"]])
for layer, part in pair.groupby("layer"):
    label = f"layer {layer + 1}" if layer < depth else "last layer"
    color = figures.PALETTE[layer % len(figures.PALETTE)]
    left.plot(part["learning_rate"] / part["batch_size"], part["ratio"], "o", ms=4, color=color, label=label)  # fmt: skip
for name, marker in zip(layers, "osD", strict=True):
    part = layers[name]
    last = part["layer"] == part["layer"].max()
    for mask, color in ((~last, figures.PALETTE[0]), (last, figures.PALETTE[1])):
        right.plot(part["multivariate"][mask], part["ratio"][mask], marker, ms=4, color=color)  # fmt: skip
for ax in (left, right):
    ax.axhline(pruning.pruning_ratio("uniform", 0.1), ls="--", color=figures.INK, lw=1)
    ax.axhline(pruning.pruning_ratio("gaussian", 0.1), ls=":", color=figures.INK, lw=1)
left.set(xlabel=r"$\eta/b$", ylabel="pruning ratio at 10 % error")
right.set(xlabel=r"tail index $\hat\alpha$ (last layers: second colour)")
_ = left.legend()

# %%
worst = min(correlation(table, "learning_rate", "ratio")[0] for table in nets.values())
claim("barsbey-C11c", worst, note="smallest of three families")
first = nets["main"].groupby("learning_rate").mean(numeric_only=True)
if dataset == "digits":
    claim("barsbey-C11a", first["ratio"].iloc[0], note=f"η = {first.index[0]}")
    claim("barsbey-C11b", first["ratio"].iloc[-1], note=f"η = {first.index[-1]}")
    ends = layers["main"].groupby(["learning_rate", "layer"])["multivariate"].mean()
    claim("barsbey-C10d", ends[first.index[-1]][0], note=f"η = {first.index[-1]}")
    claim("barsbey-C10e", ends[first.index[0]].iloc[-1], note=f"η = {first.index[0]}")
    lost = [
        (result.table["status"] != "converged")[result.table["learning_rate"] == eta].mean()
        for result, eta in ((trained["half"], 0.3), (trained["deep"], 0.35))
    ]  # fmt: skip
    claim("barsbey-C15a", lost[0], note=f"{n_seeds} seeds")
    claim("barsbey-C15b", lost[1], note=f"{n_seeds} seeds")
extreme = [
    part.loc[part["index"].idxmin(), "learning_rate"] == part["learning_rate"].max()
    for table in nets.values()
    for _, part in table.groupby("seed")
]
claim("barsbey-C15c", np.mean(extreme), note=f"{len(extreme)} families and seeds")

# %% [markdown]
# Both observations hold. In hidden layers both are effects of the largest rates that converge. The last layer changes over the whole range.
#
# The published figure of the paper gives ranges for each layer, over all its rates.

# %%
published = pd.DataFrame(  # read off the figure, to about 0.02
    {"ratio": [(0.25, 0.33), (0.21, 0.32), (0.28, 0.40)],
     "index": [(1.73, 2.0), (1.76, 2.0), (1.49, 1.84)]},
    index=["first layer", "middle layers", "last layer"],
)  # fmt: skip
table = layers["main"]
place = np.where(table["layer"] == 0, "first layer", np.where(table["layer"] == depth, "last layer", "middle layers"))  # fmt: skip
ours = {
    name: {
        kind: f"{part[key].min():.2f} to {part[key].max():.2f}"
        for kind, key in (("ratio", "ratio"), ("index", "multivariate"))
    }
    for name, part in table.groupby(place)
}
if dataset == "mnist":
    kinds = {"index": "multivariate", "ratio": "ratio"}
    for letter, (kind, key) in zip("ab", kinds.items(), strict=True):
        low, high = np.array([published[kind][p] for p in place]).T
        inside = (table[key] >= low - 0.02) & (table[key] <= high + 0.02)
        claim(f"barsbey-C20{letter}", inside.mean(), note=f"{len(inside)} layers")
spans = {k: [f"{a:.2f} to {b:.2f}" for a, b in published[k]] for k in published}
pd.DataFrame(spans, index=published.index).add_suffix(", FCN4 on MNIST").join(
    pd.DataFrame(ours).T.add_suffix(", here")
)

# %% [markdown]
# The published ratios of the middle layers begin at 0.2154, to the accuracy of the reading: those layers are still uniform, as far as this number can see. The indices of hidden layers end at the cap.
#
# ## What the index sees
#
# An index below 2 has several possible reasons ({doc}`chapter 11 <11_stable_laws>`): entries with heavy tails, units of different sizes, or data that are not centred. For each weight matrix we make surrogates that keep one property:
#
# | surrogate | keeps | randomises |
# |---|---|---|
# | shuffled | all entries | their places |
# | sizes only | the norm of each unit | its direction, uniform |
# | directions only | the direction of each unit | nothing; all norms become 1 |
# | directions, signs flipped | the same up to sign | the sign of each unit |
#
# If the entries of a layer were independent draws from one law, as the theory assumes for wide layers, a shuffled matrix would have the law of the matrix itself. If these draws were stable, with index $\alpha$, then sizes would have tails of the same index, and the weights, their shuffled copies and the sizes alone would all give $\alpha$. Directions are bounded and give 2, in any case. So it is the shuffled copies that decide between heavy entries and units of different sizes; {prf:ref}`prop-stable-mixture-bias` says what sizes alone do.

# %%
makers = {
    "weights": lambda w: w,
    "shuffled": lambda w: surrogates.shuffled(w, rng=rng),
    "sizes only": lambda w: surrogates.sizes_only(w, rng=rng),
    "directions only": surrogates.directions_only,
    "directions, signs flipped": lambda w: surrogates.directions_only(
        surrogates.signs_flipped(w, rng=rng)
    ),
}
found = []
main = trained["main"]
for i in np.flatnonzero(main.table["status"] == "converged"):
    samples = tails.layer_samples([weight[i] for weight in main.averaged.values()])
    for layer, weight in enumerate(samples.values()):
        weight = weight - np.median(weight, axis=0)
        for name, make in makers.items():
            index = tails.block(make(weight), permutations=5, rng=rng)
            found.append((main.table["learning_rate"][i], layer, name, float(index)))
surrogate = pd.DataFrame(found, columns=["η", "layer", "surrogate", "index"])
by_kind = surrogate.groupby(["layer", "surrogate", "η"])["index"].mean()

# %% mystnb={"figure": {"caption": "Tail index of trained layers and of their surrogates against the learning rate, means over seeds. In hidden layers the index comes back from the sizes of the units alone, and goes away when all units get the same size or the entries are shuffled. In the last layer the units also share a direction, which the random signs remove.", "name": "fig-sgd-surrogates"}, "image": {"alt": "One panel a layer with five lines. In the hidden layers the lines of the weights and of sizes only fall together, and the other three stay near 2. In the last layer weights are lowest, shuffled entries, sizes only and directions only lie between them and 2, and directions with flipped signs at 2."}}
fig, axes = plt.subplots(1, depth + 1, figsize=(figures.WIDTH, 3.5), sharey=True)
marks = ["o-", "s--", "D-", "^--", "v:"]
for layer, ax in enumerate(axes):
    for name, mark, color in zip(makers, marks, figures.PALETTE, strict=False):
        values = by_kind[layer][name]
        ax.plot(values.index, values, mark, ms=4, lw=1.2, color=color, label=name)
    title = f"layer {layer + 1}" if layer < depth else "last layer"
    ax.set(xlabel=r"$\eta$", title=title)
axes[0].set(ylabel=r"tail index $\hat\alpha$")
_ = axes[0].legend(fontsize=8, loc="lower left")

# %% [markdown]
# In the hidden layers the answer is clear.
# Shuffled entries give 2 or little less, so single entries are not stable numbers with the index of the layer: those would keep it in any order. Directions give 2. The sizes give the index back.
# What a large learning rate changes is how much the units of a layer differ in size.
#
# In the last layer several causes meet. Its shuffled entries are below 2 too, and so are sizes alone and directions alone. Random signs bring the directions back to 2: hidden units share a direction in their outgoing weights, and sums of such vectors drift.
#
# The shuffled matrices also test independence, without any law in mind. Of independent entries a matrix and its shuffled copies are alike, so its index is the lowest of twenty with probability $\frac1{20}$. We use one block size, without the cap, so that ties do not occur.

# %%
n_copies = 19


def lowest(weight):
    """Whether the index of a layer is below that of all its shuffled copies."""
    size = max(2, int(len(weight) ** 0.5))
    own = tails.block(weight, size, center="median")
    copies = (surrogates.shuffled(weight, rng=rng) for _ in range(n_copies))
    return all(own < tails.block(copy, size, center="median") for copy in copies)


fresh = [
    [lowest(w) for w in tails.layer_samples(network.state_dict()).values()]
    for network in (
        main.build(torch.Generator().manual_seed(seed + 1000 + i)) for i in range(10)
    )
]
tested = [
    (
        main.table["learning_rate"][i],
        layer,
        lowest(weight),
    )
    for i in np.flatnonzero(main.table["status"] == "converged")
    for layer, weight in enumerate(
        tails.layer_samples([w[i] for w in main.averaged.values()]).values()
    )
]
tested = pd.DataFrame(tested, columns=["η", "layer", "lowest"])
claim("barsbey-C18a", tested["lowest"].mean(), note=f"{len(tested)} layers")
record(untrained_share_lowest=np.mean(fresh))
tested.groupby(["layer", "η"])["lowest"].mean().unstack().rename(
    index=lambda l: f"layer {l + 1}"
).round(2)

# %% [markdown]
# The table holds the share of seeds whose layer has the lowest index of the twenty.
# For fresh networks the recorded share is that of chance. For trained ones it is not, and at the largest rates no layer passes.
# So the weights of a trained layer are not independent draws of one law, at these widths.
#
# Sizes could have a heavy tail. Then the layer would have one too, in the multivariate sense, and the theory of columns in {doc}`chapter 13 <13_compressible_laws>` would apply. We look at the sizes of the units of the first layer, at the largest rate that most seeds survive.

# %%
survivors = nets["main"].groupby("learning_rate")["seed"].count()
largest = survivors.index[survivors >= max(2, n_seeds / 2)].max()


def sizes_of(eta):
    """Norms of the centred units of the first layer over their median, all seeds."""
    chosen = (main.table["status"] == "converged") & (
        main.table["learning_rate"] == eta
    )
    first = next(iter(main.averaged.values()))
    weights = first[np.flatnonzero(chosen)].double().numpy()
    weights = weights - np.median(weights, axis=1, keepdims=True)
    norms = np.linalg.norm(weights, axis=2)
    return (norms / np.median(norms, axis=1, keepdims=True)).ravel()


eta_small = min(rates)
sizes = {eta: sizes_of(eta) for eta in (eta_small, largest)}
index = by_kind[0]["weights"][largest]
like = stable.sample_isotropic(min(index, 1.99), len(sizes[largest]), inputs.shape[1], rng=rng)  # fmt: skip
like = np.linalg.norm(like, axis=1)
sizes["stable rows"] = like / np.median(like)
k = len(like) // 20
hills = {name: tails.hill(values, k) for name, values in sizes.items()}
top_share = {
    name: np.sort(v**2)[::-1][: len(v) // 100].sum() / (v**2).sum()
    for name, v in sizes.items()
}
record(index_of_layer=index, hill_of_sizes=hills[largest], largest_rate=largest)
claim("barsbey-C18b", hills[largest], uncertainty=hills[largest] / k**0.5)
hidden = surrogate[surrogate["layer"] < depth].pivot_table(
    index=["η", "layer"], columns="surrogate", values="index"
)
claim("barsbey-C18c", (hidden["sizes only"] - hidden["weights"]).abs().max())
pd.DataFrame(
    {"Hill's estimate": hills, "share of the squared norm in 1 % of the units": top_share}
).rename_axis("sizes").rename(index=lambda n: n if isinstance(n, str) else f"η = {n}").round(3)  # fmt: skip

# %% mystnb={"figure": {"caption": "Share of the units of the first layer whose size exceeds a multiple of the median, at the smallest and at a large learning rate, and for rotation-invariant stable rows with the index that the estimator gives at the large rate. A power law is a straight line.", "name": "fig-sgd-sizes"}, "image": {"alt": "Log-log plot of three falling curves. That of the small rate drops at once. That of the large rate is wide and then drops steeply. That of stable rows goes on as a straight line far to the right."}}
fig, ax = plt.subplots(figsize=(figures.WIDTH, 3.5))
for (name, values), color in zip(sizes.items(), figures.PALETTE, strict=False):
    ranked = np.sort(values)[::-1]
    label = name if isinstance(name, str) else rf"$\eta={name:g}$"
    share = np.arange(1, len(ranked) + 1) / len(ranked)
    ax.loglog(ranked, share, drawstyle="steps-post", color=color, label=label)
ax.set(xlabel="size over the median", ylabel="share of units above")
_ = ax.legend()

# %% [markdown]
# The sizes spread, and they have no tail of the index that the layer is given. Stable rows of that index carry about half of the squared norm or more in one hundredth of the units; the trained layer carries a small part of it there.
# Each layer also has an entrywise index: the block estimator on all entries, in place of units. We show it for one network at this rate, with Hill's estimate on one per cent of the entries, and with the distance of the entries from the best stable law, which is about 0.6 for stable numbers and rarely above 1.


# %%
def entries_of(weight, most=10000):
    """A sample of the entries of a weight, less their median."""
    entries = weight.double().numpy().ravel()
    entries = rng.choice(entries, min(most, entries.size), replace=False)
    return entries - np.median(entries)


one = main.table.query("status == 'converged' and learning_rate == @largest").index[0]
weights = [weight[one] for weight in main.averaged.values()]
beside = measured(weights, weights).drop(columns="ratio")
samples = [entries_of(weight) for weight in weights]
beside["entrywise"] = [float(tails.block(x, permutations=5, rng=rng)) for x in samples]
beside["Hill of entries"] = [tails.hill(x, x.size // 100) for x in samples]
beside["distance"] = [tails.stable_fit(x).distance * x.size**0.5 for x in samples]
beside.rename(index=lambda l: f"layer {l + 1}").round(2)

# %% [markdown]
# The entries of a layer, a mixture of those of large and of small units, have an entrywise index below 2 as well. Hill's estimate and the distance say that they are no stable numbers.
#
# :::{admonition} Takeaway
# :class: tip
# A large $\eta/b$ makes the units of a hidden layer differ in size. The block estimator reports that as a tail index below 2. Neither the entries nor the sizes have such a tail, and the entries of a layer depend on each other through the size of their unit.
# :::
#
# ## Does it help?
#
# The paper links heavier tails with smaller test errors. Here every network of one seed has the same data and the same start, so the comparison is paired.

# %%
for letter, table in zip("abc", nets.values(), strict=True):
    heavier = table.assign(heaviness=-table["index"])
    mean, error = correlation(heavier, "heaviness", "accuracy")
    claim(f"barsbey-C14{letter}", mean, uncertainty=error, note=f"{n_seeds} seeds")

# %% mystnb={"figure": {"caption": "Test accuracy of the final networks against $\\eta/b$: means over seeds, with one standard error of the mean.", "name": "fig-sgd-accuracy"}, "image": {"alt": "Three lines with error bars. Those of the two batch sizes rise together by about one per cent to the middle of the range and fall back. That of the deeper networks ends earlier and has no trend."}}
fig, ax = plt.subplots(figsize=(figures.WIDTH, 3.2))
for (name, table), color in zip(nets.items(), figures.PALETTE, strict=False):
    ratio = (table["learning_rate"] / table["batch_size"]).round(9)
    mean = table["accuracy"].groupby(ratio).agg(["mean", "sem"]).fillna(0)
    label = names[name]
    ax.errorbar(mean.index, mean["mean"], mean["sem"], fmt="o-", lw=1, color=color, label=label)  # fmt: skip
ax.set(xlabel=r"$\eta/b$", ylabel="test accuracy")
_ = ax.legend()

# %% [markdown]
# The claims of this section have a standard error over seeds, and their verdicts use it. The differences are about one test sample in a hundred, so only a consistent trend could show. Both batch sizes are best at a middle rate, but they share initial weights and test samples, so this is not two observations.
#
# ## What did not reproduce
#
# *Independence.* The assumption of independent weights fails in every layer at the largest rates, for a reason that the figure of surrogates shows. In wider and deeper networks on MNIST, under the profile `mnist`, the first, second and last layers fail in the same way. The third and fourth, whose index stays at the cap, pass.
# We test widths of a few hundred units; the paper speaks of a limit of infinite width.
#
# *Tails.* The index falls with $\eta/b$, as published, and the pruning ratio rises. But neither the entries nor the sizes have a power tail of that index. Chapter 13 needs such tails for vanishing errors in wide layers. A spread of sizes lets more be pruned at a given width; it does not make the error vanish with the width.
#
# *The ratio.* $\eta/b$ orders networks well at small rates. Next to the threshold, where the effect is, it does not: {claim}`barsbey-C12b`.
#
# *Stationarity.* The mechanism of one weight needs noise that persists. Networks that interpolate have almost none, and their last iterates hardly move.
#
# *Accuracy.* On the digits we find no gain in accuracy from a lower index that stands out from the scatter of seeds. On MNIST two families of three go the paper's way, with two seeds each, which give no standard error worth the name; we do not judge them. Our networks and data are small, and the paper's claim is about large ones.
#
# ## Exercises
#
# :::{exercise}
# :label: ex-sgd-bounded
#
# Let the input of the one weight be bounded, $|G|\le g$, with $\mathbb EG^2=1$. Show that for $\eta<\frac2{g^2}$ all moments of the stationary law are finite. What is the law for $G=\pm1$? And for $G$ uniform on $(-\sqrt3,\sqrt3)$ and $b=1$: between which rates is the variance finite, but the tail a power?
# :::
#
# :::{solution} ex-sgd-bounded
# :class: dropdown
#
# $0\le\eta Q\le\eta g^2<2$, so $|1-\eta Q|\le1$, and it is 1 only where $Q=0$, which is not almost surely so. Hence $h(\alpha)<1$ for all $\alpha>0$, and by Minkowski's inequality the norms $\lVert x\rVert_\alpha$ stay below $\eta\lVert B\rVert_\alpha/(1-h(\alpha)^{1/\alpha})$ (for $\alpha\ge1$).
# For $G=\pm1$, $Q=1$: an autoregression of order one. With normal $\varepsilon$ its law is normal, with variance $\frac{\eta}{b(2-\eta)}$, for every $\eta<2$. At $\eta=2=\frac2{g^2}$ it is a walk without a stationary law.
# For the uniform law $g^2=3$ and $\mathbb EG^4=\frac95$: $h(2)=1-2\eta+\frac95\eta^2$ is 1 at $\eta_2=\frac{10}9$. So between $\frac23$ and $\frac{10}9$.
# :::
#
# :::{exercise}
# :label: ex-sgd-fourth
#
# At which rate does the kurtosis of $x$ become infinite, for $b=1$?
# :::
#
# :::{solution} ex-sgd-fourth
# :class: dropdown
#
# The moments of $Q=G^2$ are 1, 3, 15, 105. So $h(4)=1-4\eta+18\eta^2-60\eta^3+105\eta^4$, and $h(4)=1$ at the root of $105\eta^3-60\eta^2+18\eta-4=0$.
#
# ```python
# print(np.roots([105, -60, 18, -4]), multiplicative.critical_learning_rate(4, 1))
# ```
#
# At $\eta_4=0.383$, far below $\eta_2=\frac23$: second moments have a long way to go, and an average of squared errors over runs already has no variance. That is why losses of many runs scatter so much before they diverge.
# :::
#
# :::{exercise}
# :label: ex-sgd-window
#
# Let $b$ be large. Show that $\eta_\alpha\approx2-\frac{4(\alpha-1)}b$, and that the window of rates with infinite variance and a stationary law has the width $\frac8b$.
# :::
#
# :::{solution} ex-sgd-window
# :class: dropdown
#
# Let $\eta=2+\delta$ and $Q=1+q$, with $\mathbb Eq^2=\frac2b$. Then $-(1-\eta Q)\approx1+\delta+2q$, and to second order in $q$ and first in $\delta$
#
# $$
# \mathbb E|1-\eta Q|^\alpha\approx1+\alpha\delta+\frac{\alpha(\alpha-1)}2\cdot\frac8b .
# $$
#
# It is 1 at $\delta=-\frac{4(\alpha-1)}b$. For $\alpha=2$ this agrees with $\frac{2b}{b+2}$. The logarithm, $\delta-\frac12\cdot\frac8b=0$, gives the same formula at $\alpha=0$. The window runs from $2-\frac4b$ to $2+\frac4b$.
#
# ```python
# for b in (10, 100, 1000):
#     print(b, [(multiplicative.critical_learning_rate(a, b) - 2) * b for a in (0, 1, 2, 4)])
# ```
# :::
#
# :::{exercise}
# :label: ex-sgd-when
#
# When do the sizes of the units spread? Average nothing, stop networks of a small and of a large rate after 50, 100, 200, ... steps with `stopping.steps`, and look at the index of the first layer and at the training loss.
# :::
#
# :::{solution} ex-sgd-when
# :class: dropdown
#
# ```python
# settings = training.grid(learning_rate=[0.05, 0.4], batch_size=batch_size, seed=range(4))
# for steps in (50, 100, 200, 400, 800, 1600):
#     result = training.train_grid(main.build, train, settings, stopping.steps(steps), dtype=torch.float32)
#     first = next(iter(result.weights.values()))
#     index = [float(tails.block(w, center="median")) for w in first]
#     print(steps, np.round(index, 2), result.table["train_loss"].round(3).tolist())
# ```
#
# The first four numbers of each line belong to the small rate: the index stays near 2. At the large rate it leaves 2 within the first hundred steps in some networks, in the others later, and goes on falling as long as the loss is not small. The sizes spread while there is gradient noise, not in the steps that are averaged.
# :::
#
# ## Further reading
#
# {cite:t}`kesten1973random` proved power tails for random matrices, {cite:t}`goldie1991implicit` simplified the case of numbers, and {cite:t}`buraczewski2016stochastic` is the book on the subject.
# {cite:t}`gurbuzbalaban2021heavy` and {cite:t}`hodgkinson2021multiplicative` brought the mechanism to SGD. {cite:t}`barsbey2021heavy` build on it.
# [Chapter 13](13_compressible_laws.ipynb) shows what heavy tails would do for pruning.
