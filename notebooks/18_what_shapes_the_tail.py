# %% [markdown]
# # What shapes the tail
#
# Full-batch training grows a spike and then a heavy tail in the spectrum of the hidden weights (chapters {doc}`16 <16_one_step>` and {doc}`17 <17_spike_to_heavy_tail>`).
# Which settings decide how heavy the tail gets? And is a heavy tail good for anything?
# {cite:t}`kothapalli2024spikes` vary the learning rate, the number of samples, the label noise, the ridge, and the decay of the learning rate, and connect heavier tails with better generalisation.
# This chapter repeats their comparisons over several seeds.
# The last answer depends on a scale factor in the evaluation. We derive why.

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
dim: int = 200  # inputs d; in [20, 2000]
width: int = 300  # hidden units h; in [20, 3000]
n_samples: int = 400  # training samples of the smaller problem; in [20, 100000]
n_large: int = 1600  # of the larger one; in [20, 100000]
n_test: int = 2000  # test samples; in [100, 100000]
n_steps: int = 10  # full-batch steps; in [5, 10000]
n_seeds: int = 8  # draws of the problem behind each mean; in [2, 100]
n_rate_seeds: int = 5  # the same, for the learning rates; in [2, 100]
# fmt: off
gd_rates: list[float] = [0.005, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 15.0]  # of GD, times d; in [1e-6, 1e6]
adam_rates: list[float] = [0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0]  # of Adam; in [1e-6, 1e6]
sample_sizes: list[int] = [100, 400, 800, 1600]  # training samples; in [10, 100000]
# fmt: on
scales: list[int] = [1, 2]  # d, h and n of the larger problem, times these; in [1, 10]
n_scale_seeds: int = 3  # draws at each scale; in [2, 100]
seed: int = 0  # of the first draw; in [0, 1000000]

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats

from lib import esd, single_index
from lib.book import claim, figures, record

figures.use()
SCALINGS = ["legacy", "intended"]
seeds = range(seed, seed + n_seeds)

# %% [markdown]
# ## Two losses of one network
#
# The setting is that of Part IV: Gaussian inputs $x\in\mathbb R^d$, a teacher $\beta^*$ of length one, targets $y=\log(1+e^{\langle\beta^*,x\rangle})+\rho\,\xi$ with $\xi\sim N(0,1)$, and the student
#
# $$
# f(x)=\frac1{\sqrt h}\,a^T\tanh\Big(\frac{Wx}{\sqrt d}\Big),\qquad W\in\mathbb R^{h\times d} .
# $$ (eq-shapes-student)
#
# Training moves $W$ by full-batch steps on $n$ samples, with $a$ fixed at random.
# The loss is measured afterwards. A fresh sample of size $n$, with features as the rows of $Z$, fits a new read-out by ridge regression,
#
# $$
# \hat a=\arg\min_a\frac1n\lVert y-Za\rVert^2+\frac\lambda h\lVert a\rVert^2 ,
# $$ (eq-shapes-ridge)
#
# with $\lambda=0.01$ unless we say so, and the test loss is its mean square error on a third sample.
#
# The features should be those of the network, $h^{-1/2}\tanh(Wx/\sqrt d)$.
# In the published code they are $h^{-1/2}\tanh(Wx/d)$. The forward pass divides the stored activations by $\sqrt d$ in place, and the evaluation divides once more.
# Training is not affected. All losses and kernel alignments are.
# We compute both and call them the *intended* and the *legacy* scaling: $\tanh(Wx/\tau)$ with $\tau=\sqrt d$ and $\tau=d$.
#
# Members of a comparison share teacher, samples and start, seed by seed. In the published code they do not always: a sweep over the number of samples or the noise draws a new student for each value.

# %%
base = {"optimizer": "adam", "learning_rate": 1.0, "seed": seeds, "gamma": 1.0}
base |= {"label_noise": 0.3, "weight_normalization": False}


def study(settings, n, scale=1, **options):
    """Train; the table has numbers of the spectrum in each row."""
    trained = single_index.train(
        settings,
        dim=dim * scale,
        width=width * scale,
        n_samples=n,
        n_steps=n_steps,
        n_test=n_test,
        dtype=torch.float32,
        **options,
    )
    table, values = trained.table, trained.singular_values**2
    repeats = len(table) // values[..., 0].size  # rows of one spectrum
    for name, found in {"hill": esd.hill(values), "s1": values[..., 0] ** 0.5}.items():
        table[name] = np.repeat(found.ravel(), repeats)
    return table, trained


def over_seeds(table, columns, by):
    """Means over the seeds, and standard errors."""
    groups = table.groupby(by, sort=False)[columns]
    return groups.mean(), groups.sem()


def cells(mean, error, digits=3):
    """Text: mean and standard error."""
    one = f"{{:.{digits}f}} ± {{:.{digits}f}}"
    text = [
        [one.format(m, e) for m, e in zip(*rows, strict=True)]
        for rows in zip(mean.to_numpy(), error.to_numpy(), strict=True)
    ]
    return pd.DataFrame(text, mean.index, mean.columns)


LOSSES = [f"test_loss_{scaling}" for scaling in SCALINGS]

# %% [markdown]
# First the main setting of the paper, Adam with $\eta=1$, at the larger number of samples.

# %%
probes = sorted({0, 1, 3, n_steps})
ridges = [0.1, 0.01, 1e-3, 1e-4]
gammas = [1.0, 0.8, 0.6, 0.4, 0.2]
noises = [0.1, 0.3, 0.5, 0.7]
settings = pd.concat([
    single_index.grid(**base | {"gamma": gammas}),
    single_index.grid(**base | {"label_noise": [r for r in noises if r != 0.3]}),
])  # fmt: skip
large, _ = study(settings, n_large, probes=probes, ridge=ridges)
main = large.query("gamma == 1 and label_noise == 0.3 and ridge == 0.01")


def change(table, column, by=()):
    """Change from the start to the last step, for each seed, and value of by."""
    by = list(by)
    first, last = (
        table[table["step"] == step].set_index([*by, "seed"])[column]
        for step in (0, n_steps)
    )
    return last - first


moved = change(main, LOSSES)
if dim == 200:
    legacy, intended = zip(moved.mean(), moved.sem(), strict=True)
    claim("kothapalli-C26a", legacy[0], uncertainty=legacy[1])
    claim("kothapalli-C26b", intended[0], uncertainty=intended[1])
short = {f"test_loss_{name}": name for name in SCALINGS} | {"kta_intended": "kta"}
cells(*over_seeds(main, [*short, "hill"], "step")).rename(columns=short)

# %% [markdown]
# The weights are the same, and the two test losses move in opposite directions.
# With the published evaluation, training pays. With the features that the network has, it hurts.
#
# ## Why they differ
#
# Two facts settle it. The first is about the student: $f(-x)=-f(x)$.
#
# :::{prf:proposition} What an odd student can learn
# :label: prop-shapes-odd
#
# For every odd function $f$ with finite square,
#
# $$
# \begin{aligned}
# \mathbb E(f-y)^2&=E_0+\mathbb E\big(f(x)-\tfrac12\langle\beta^*,x\rangle\big)^2,\\
# E_0&=\rho^2+\mathbb E\log^2\!\big(2\cosh\tfrac t2\big),\qquad t\sim N(0,1).
# \end{aligned}
# $$ (eq-shapes-floor)
# :::
#
# :::{prf:proof}
# $\log(1+e^t)=\frac t2+\log(2\cosh\frac t2)$: an odd and an even part. The product of an odd and an even function has mean zero, since $x$ and $-x$ have one law. The noise is independent of both.
# :::
#
# So the task is a linear one in disguise. The signal $\frac12\langle\beta^*,x\rangle$ has the square $\frac14$. All else in $y$ is noise to this student, and its square is three times as large.
#
# The second fact is about the features. Let $w_j$ be the rows of $W$, $\nu_j=\lVert w_j\rVert/\tau$, and $\phi_j(x)=\tanh(\langle w_j,x\rangle/\tau)$, so the rows of $Z$ are $h^{-1/2}\phi(x_i)$.
# $\mathrm{He}_m$ are the Hermite polynomials with $\mathbb E\,\mathrm{He}_m(t)^2=1$.
#
# :::{prf:proposition} Averages of the features
# :label: prop-shapes-moments
#
# Let $c_m(\nu)=\mathbb E\tanh(\nu t)\mathrm{He}_m(t)$ and $C_{jk}$ the cosine of $w_j$ and $w_k$. Then
#
# $$
# \begin{aligned}
# \Omega_{jk}&=\mathbb E\,\phi_j\phi_k=\sum_{m\ \mathrm{odd}}c_m(\nu_j)\,c_m(\nu_k)\,C_{jk}^m ,\\
# \Phi_j&=\mathbb E\,\phi_j\,y=\tfrac12\,c_1(\nu_j)\,\frac{\langle w_j,\beta^*\rangle}{\lVert w_j\rVert} .
# \end{aligned}
# $$ (eq-shapes-moments)
# :::
#
# :::{prf:proof}
# For jointly normal $t,t'$ of mean 0, variance 1 and correlation $r$, $\mathbb E\,\mathrm{He}_m(t)\mathrm{He}_l(t')=\delta_{ml}r^m$. Expand both features; tanh is odd, so even $m$ are absent. By parity only $\frac12\langle\beta^*,x\rangle$ counts in $\Phi$, and it is a multiple of $\mathrm{He}_1$.
# :::
#
# For Gaussian features with covariance $\Omega$ the test loss of ridge regression is known in the limit of large $n$, $h$ and $d$ in fixed proportions {cite:p}`hastie2022surprises`, and features of random weights behave as if they were Gaussian {cite:p}`mei2022generalization`. For trained weights it is an approximation. We state the result, and check it below.
# A finite sample makes the ridge stronger, $\bar\lambda$ in place of $\lambda$:
#
# $$
# \bar\lambda\Big(1-\frac{\mathrm{df}_1}n\Big)=\lambda,\qquad \mathrm{df}_i=\mathrm{Tr}\,\Omega^i(\Omega+\bar\lambda)^{-i} .
# $$ (eq-shapes-effective)
#
# The test loss then has three parts, $E_0+E_{\mathrm s}+E_{\mathrm v}$:
#
# $$
# \begin{aligned}
# E_{\mathrm s}&=\tfrac14-\Phi^T\big[(\Omega+\bar\lambda)^{-1}+\bar\lambda(\Omega+\bar\lambda)^{-2}\big]\Phi ,\\
# E_{\mathrm v}&=(E_0+E_{\mathrm s})\,\frac{\mathrm{df}_2/n}{1-\mathrm{df}_2/n} .
# \end{aligned}
# $$ (eq-shapes-parts)
#
# $E_0$ is out of reach. $E_{\mathrm s}$ is the *missed signal*: what shrinkage, and features that are not linear, take from $\frac14$. $E_{\mathrm v}$ is the *variance*, the price of fitting the noise in $n$ targets with $\mathrm{df}_2$ numbers.
# `single_index.expected_risk` computes them from the weights alone.
#
# Now the flip can be read off. An untrained row has length $\lVert w_j\rVert\approx\sqrt d$.
#
# - *Intended*, $\nu_j\approx1$. The eigenvalues of $\Omega$ that belong to linear functions are of order $\frac hd$. A ridge of 0.01 is nothing beside them: $E_{\mathrm s}$ is small, and these $d$ directions are fitted to the noise in full. The other $h-d$ have eigenvalues near $\mathbb E\tanh^2t-c_1(1)^2=0.027$ and are fitted to it in part. As $\lambda\to0$, $E_{\mathrm v}\approx E_0\frac{h/n}{1-h/n}$.
# - *Legacy*, $\nu_j\approx d^{-1/2}$, where tanh is linear and $\Omega\approx WW^T/d^2$ has eigenvalues of order $\frac h{d^2}$. At $d=200$ they are about as large as the ridge, which takes nearly half of the signal, and most of the variance with it.
#
# Training with a large $\eta$ makes $W$ larger. In the legacy scaling this is relief from shrinkage. In the intended scaling there is nothing to relieve. There $\tanh$ saturates, and saturated features are worse at a linear function.
#
# We take five weights apart: untrained, and after one step and all steps of Adam with $\eta=1$ and of gradient descent with $\eta=3d$. The table gives the expected loss with its two parts, the measured loss, and the quotient of the two.

# %%
kinds = {
    "untrained": ("adam", 1.0, 0),
    "Adam, 1 step": ("adam", 1.0, 1),
    f"Adam, {n_steps} steps": ("adam", 1.0, n_steps),
    "GD, 1 step": ("gd", 3.0 * dim, 1),
    f"GD, {n_steps} steps": ("gd", 3.0 * dim, n_steps),
}
many_ridges = [*np.geomspace(1e-5, 10, 19).round(9)]  # among them 0.01
settings = pd.concat([
    single_index.grid(**base),
    single_index.grid(**base | {"optimizer": "gd", "learning_rate": 3.0 * dim}),
])  # fmt: skip
options = {"probes": [0, 1, n_steps], "ridge": many_ridges, "keep_weights": True}
ridge_table, trained = study(settings, n_large, **options)


def expectations(row):
    """Expected parts of the loss of one member at one step, over the ridges."""
    weights = trained.weights[row.member, trained.probes.index(row.step)]
    teacher = trained.problem(row.member).teacher
    for scaling in SCALINGS:
        risk = single_index.expected_risk(
            weights, teacher, n_large, many_ridges, scaling=scaling
        )
        yield pd.DataFrame({
            "member": row.member, "step": row.step, "ridge": many_ridges,
            "scaling": scaling, **vars(risk),
        })  # fmt: skip


rows = ridge_table[["member", "step"]].drop_duplicates().itertuples()
expected = pd.concat([part for row in rows for part in expectations(row)])
expected = expected.merge(ridge_table, on=["member", "step", "ridge"])
expected["measured"] = np.where(
    expected["scaling"] == "legacy",
    expected["test_loss_legacy"],
    expected["test_loss_intended"],
)


def of_kind(table, kind):
    """Rows of one of the kinds above."""
    optimizer, rate, step = kinds[kind]
    same = (table["optimizer"] == optimizer) & (table["step"] == step)
    return table[same & np.isclose(table["learning_rate"], rate)]


# %%
columns = ["test_loss", "missed", "variance", "measured"]
parts = pd.concat({
    kind: of_kind(expected, kind).query("ridge == 0.01").groupby("scaling")[columns].mean()
    for kind in kinds
})  # fmt: skip
off = parts["measured"] / parts["test_loss"] - 1
claim("kothapalli-C26e", off.abs().max(), note=f"{n_seeds} seeds, {len(parts)} means")
parts["quotient"] = 1 + off
parts.rename(columns={"test_loss": "expected"}).round(3)

# %% mystnb={"figure": {"caption": "Test loss above the floor $E_0$ at $\\lambda=0.01$, by its parts {eq}`eq-shapes-parts`, for untrained and trained weights. Dots: measured, means over seeds with standard errors. In the legacy scaling training lowers the missed signal by more than it raises the variance. In the intended one Adam raises both.", "name": "fig-shapes-parts"}, "image": {"alt": "Two panels of stacked bars. Legacy: the untrained bar is the highest and mostly missed signal; trained bars have less of it. Intended: all bars are mostly variance, and that of ten Adam steps is the highest."}}
floor = single_index.gaussian_constants(0.3).floor
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.4), sharey=True)
for ax, scaling in zip(axes, SCALINGS, strict=True):
    part = parts.xs(scaling, level=1).loc[list(kinds)]
    at = np.arange(len(part))
    ax.bar(
        at,
        part["missed"],
        0.6,
        color=figures.COLORS["blue"],
        label=r"missed $E_{\mathrm{s}}$",
    )
    ax.bar(
        at, part["variance"], 0.6, part["missed"], color=figures.COLORS["ochre"], label=r"variance $E_{\mathrm{v}}$"
    )  # fmt: skip
    errors = [
        of_kind(expected, k).query("ridge == 0.01 and scaling == @scaling")["measured"].sem()
        for k in kinds
    ]  # fmt: skip
    ax.errorbar(at, part["measured"] - floor, errors, fmt="o", color=figures.INK)
    ax.set(title=scaling, xticks=at)
    ax.set_xticklabels(list(kinds), rotation=35, ha="right")
axes[0].set(ylabel="test loss above $E_0$")
_ = axes[0].legend()

# %% [markdown]
# ## The ridge
#
# If the flip is a matter of shrinkage, the ridge must move it. The paper varies $\lambda$ from 0.1 to $10^{-4}$.

# %% mystnb={"figure": {"caption": "Test loss against the ridge: measured (dots, means over seeds) and expected (lines). The dotted line marks $\\lambda=0.01$. The legacy curves have the shape of the intended ones, moved to the left by about two orders of magnitude. So at $\\lambda=0.01$ the legacy scaling has too much shrinkage for untrained weights, and the intended one too little for all.", "name": "fig-shapes-ridge"}, "image": {"alt": "Two panels of U-shaped curves over the ridge, for untrained weights and four kinds of trained ones. The minima of the legacy curves lie near 0.001 to 0.01, those of the intended ones near 0.1 to 1. Minima of GD after one step are lowest."}}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.6), sharey=True)
colors = [figures.INK, *figures.PALETTE[:4]]
for ax, scaling in zip(axes, SCALINGS, strict=True):
    for kind, color in zip(kinds, colors, strict=True):
        curve = of_kind(expected, kind).query("scaling == @scaling").groupby("ridge")
        mean = curve[["measured", "test_loss"]].mean()
        ax.semilogx(mean.index, mean["measured"], ".", color=color)
        ax.semilogx(mean.index, mean["test_loss"], color=color, lw=1.2, label=kind)
    ax.axvline(0.01, ls=":", color=figures.INK, lw=1)
    ax.set(title=scaling, xlabel=r"ridge $\lambda$")
axes[0].set(ylabel="test loss")
_ = axes[0].legend(fontsize=8.5)

# %%
best = {}
for kind in kinds:
    for scaling in SCALINGS:
        found = of_kind(expected, kind).query("scaling == @scaling")
        by_ridge = found.pivot_table(index="ridge", columns="seed", values="measured")
        best[kind, scaling] = by_ridge.loc[by_ridge.mean(axis=1).idxmin()]
best = pd.DataFrame(best)
gain = best[f"Adam, {n_steps} steps"] - best["untrained"]
claim("kothapalli-C20d", gain["legacy"].mean(), uncertainty=gain["legacy"].sem())
record(**{f"best_gain_{name}": gain[name].mean() for name in SCALINGS})
gains = best - best["untrained"].reindex(columns=best.columns, level=1)
pd.DataFrame({
    "least test loss": cells(best.mean().to_frame(), best.sem().to_frame())[0],
    "less that of untrained": cells(gains.mean().to_frame(), gains.sem().to_frame())[0],
})  # fmt: skip

# %% [markdown]
# The table gives each weight the ridge that is best for it on the test sample, one for all seeds.
# Now the two scalings tell one story. Ten steps of Adam with $\eta=1$ gain nothing in one and lose in the other. One step of gradient descent gains the most in both: a spike along the teacher, and no heavy tail.
#
# :::{admonition} Takeaway
# :class: tip
# A loss at a fixed ridge compares shrinkage along with features. What heavy-tailed weights gain in the published evaluation, they gain from a weaker ridge.
# :::
#
# At the four ridges of the paper:

# %%
by_lambda = large.query("gamma == 1 and label_noise == 0.3")
moved = change(by_lambda, LOSSES[0], ["ridge"]).groupby("ridge", sort=False)
rises = np.diff(moved.mean()[ridges])  # towards smaller ridges
claim("kothapalli-C20b", rises.min())
claim("kothapalli-C20c", moved.mean()[1e-4], uncertainty=moved.sem()[1e-4])


def deviation(table, by, column, known, runs=3, digits=3):
    """Differences from known means, in standard errors by the spread of ours."""
    groups = table.groupby(by)[column]
    mean, spread, count = groups.mean(), groups.std(), groups.size()
    off = {}
    for key, value in known.items():
        error = spread[key] * np.sqrt(1 / count[key] + 1 / runs) + 0.5 * 10**-digits
        off[key] = (mean[key] - value) / error
    return pd.Series(off)


known = {(0.1, 0): 1.005, (0.1, 10): 0.913, (0.01, 0): 0.919, (0.01, 10): 0.861}
known |= {(1e-3, 0): 0.865, (1e-3, 10): 0.870, (1e-4, 0): 0.873, (1e-4, 10): 0.894}
known_intended = {
    (0.1, 0): 0.890,
    (0.1, 10): 0.957,
    (1e-4, 0): 0.976,
    (1e-4, 10): 1.042,
}
earlier = n_steps == 10 and dim == 200
if earlier:
    off = [
        deviation(by_lambda, ["ridge", "step"], column, values)
        for column, values in zip(LOSSES, (known, known_intended), strict=True)
    ]
    claim("kothapalli-C20a", pd.concat(off).abs().max())
ends = by_lambda[by_lambda["step"].isin([0, n_steps])]
cells(*over_seeds(ends, LOSSES, ["ridge", "step"])).rename(columns=short).unstack()

# %% [markdown]
# ## Learning rates
#
# Now the sweep behind the paper's picture of generalisation: gradient descent and Adam over nine learning rates each, and the network after 10 steps.

# %%
rate_base = base | {"seed": range(seed, seed + n_rate_seeds)}
settings = pd.concat([
    single_index.grid(**rate_base | {"optimizer": "gd", "learning_rate": [r * dim for r in gd_rates]}),
    single_index.grid(**rate_base | {"learning_rate": adam_rates}),
])  # fmt: skip
rates = {n: study(settings, n, probes=[0, n_steps])[0] for n in (n_samples, n_large)}
after = {n: table[table["step"] == n_steps] for n, table in rates.items()}

# %% mystnb={"figure": {"caption": "After 10 steps, against the learning rate (of GD in units of $d$). From above: test loss in the legacy and in the intended scaling, over that of untrained weights (values above 1.6 are cut off); alignment of the top singular vector with the teacher (lines) and kernel-target alignment in the intended scaling (dashes); Hill exponent. Two numbers of samples, means with standard errors.", "name": "fig-shapes-rates"}, "image": {"alt": "Eight panels, GD left and Adam right. Legacy losses dip below 1 at intermediate rates, most for many samples, and rise at large rates; intended losses stay at 1 and then rise. The alignment rises with GD, and rises and falls with Adam; kernel alignments stay below 0.1. Hill exponents fall from 2.45 to 1.7."}}
fig, axes = plt.subplots(4, 2, figsize=(figures.WIDTH, 8.4), sharex="col", sharey="row")
rows = [[(LOSSES[0], "-")], [(LOSSES[1], "-")]]
rows += [[("alignment", "-"), ("kta_intended", "--")], [("hill", "-")]]
for j, (optimizer, unit) in enumerate({"gd": dim, "adam": 1.0}.items()):
    for ax, quantities in zip(axes[:, j], rows, strict=True):
        for color, (n, table) in zip(figures.PALETTE, after.items(), strict=False):
            part = table[table["optimizer"] == optimizer]
            for name, style in quantities:
                start = 1.0
                if name in LOSSES:
                    start = rates[n].query("step == 0")[name].mean()
                mean, error = over_seeds(part, name, "learning_rate")
                label = f"n = {n}" if style == "-" else None
                ax.errorbar(
                    mean.index / unit,
                    mean / start,
                    error / start,
                    ls=style,
                    color=color,
                    label=label,
                )
        ax.set(xscale="log")
names = ["legacy loss", "intended loss", "alignment", "Hill exponent"]
for ax, name in zip(axes[:, 0], names, strict=True):
    ax.set(ylabel=name)
for ax in axes[:2].ravel():
    ax.axhline(1, color=figures.INK, lw=0.8)
    ax.set(ylim=(0.9, 1.6))
axes[0, 0].legend()
axes[0, 0].set(title="GD")
axes[0, 1].set(title="FB-Adam")
axes[3, 0].set(xlabel=r"$\eta/d$")
_ = axes[3, 1].set(xlabel=r"$\eta$")

# %% [markdown]
# Small learning rates change nothing, and large ones make a heavy tail.
# With Adam the alignment with the teacher rises and falls along the axis: it oscillates from step to step (chapter {doc}`17 <17_spike_to_heavy_tail>`), and each run is cut off after ten. With gradient descent it rises once the bulk moves.
# Kernel-target alignment needs more than an aligned vector, it needs a large singular value with it. It never comes near its ceiling for odd features, $\frac14/\mathbb Ey^2$.
#
# Does the tail tell the test loss? {numref}`fig-shapes-tail` plots one against the other.

# %% mystnb={"figure": {"caption": "Test loss against the Hill exponent after 10 steps, one dot for each of 18 learning rates, means over seeds. Squares: untrained weights. Left: legacy scaling, right: intended. Rows: two numbers of samples. In the intended scaling a heavier tail (to the left) goes with a higher loss. In the legacy one the best dots lie in the middle when samples are many.", "name": "fig-shapes-tail"}, "image": {"alt": "Four panels of dots. Legacy, few samples: lowest near the untrained square, highest at the left. Legacy, many samples: a shallow minimum between 1.85 and 2.3. Intended: dots fall from upper left to lower right in both."}}
fig, axes = plt.subplots(2, 2, figsize=(figures.WIDTH, 5.2), sharex=True)
for line, (n, table) in zip(axes, after.items(), strict=True):
    for ax, column in zip(line, LOSSES, strict=True):
        for (optimizer, marker), color in zip(
            {"gd": "o", "adam": "^"}.items(), figures.PALETTE, strict=False
        ):
            part = table[table["optimizer"] == optimizer]
            mean = part.groupby("learning_rate")[["hill", column]].mean()
            label = "GD" if optimizer == "gd" else "FB-Adam"
            ax.plot(mean["hill"], mean[column], marker, color=color, label=label)
        start = rates[n].query("step == 0")
        ax.plot(start["hill"].mean(), start[column].mean(), "s", color=figures.INK)
        ax.set(title=f"{column.removeprefix('test_loss_')}, n = {n}")
for ax in axes[1]:
    ax.set(xlabel="Hill exponent")
for ax in axes[:, 0]:
    ax.set(ylabel="test loss")
_ = axes[0, 0].legend()

# %%
rng = np.random.default_rng(seed)
keys = ["optimizer", "learning_rate"]


def correlation(wide, column, chosen):
    """Rank correlation of the means over chosen seeds; a seed may come twice."""
    means = [wide[name][list(chosen)].mean(axis=1) for name in ("hill", column)]
    return stats.spearmanr(*means)[0]


rows = {}
cases = [(n, column) for n in after for column in LOSSES]
for letter, (n, column) in zip("abcd", cases, strict=True):
    drawn = rate_base["seed"]
    wide = after[n].pivot_table(index=keys, columns="seed", values=["hill", column])
    value = correlation(wide, column, drawn)
    again = rng.choice(drawn, (100, len(drawn)))
    error = np.std([correlation(wide, column, chosen) for chosen in again])
    claim(f"kothapalli-C23{letter}", value, uncertainty=error, note=f"n = {n}")
    mean = after[n].groupby(keys)[["hill", column]].mean()
    least = mean[column].idxmin()
    rows[n, column.removeprefix("test_loss_")] = {
        "rank correlation": f"{value:.2f} ± {error:.2f}",
        "best": least[0],
        "at η": least[1],
        "its Hill exponent": mean.loc[least, "hill"],
        "its test loss": mean.loc[least, column],
        "of untrained": rates[n].query("step == 0")[column].mean(),
    }
if earlier:
    best_hill = [
        row["its Hill exponent"] for (n, _), row in rows.items() if n == n_large
    ]
    claim("kothapalli-C23e", best_hill[0])
    claim("kothapalli-C23f", best_hill[1])
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown]
# A positive correlation would mean that heavier tails go with lower losses. We find none that is clear.
# In the intended scaling, and with few samples in the legacy one, the order is mostly reversed. In the legacy scaling with many samples there is no order, and the best learning rate lies in the middle.
# The tail records how far the weights have moved. In the intended scaling the loss mostly does so too.
#
# ## Samples, noise, decay, normalisation
#
# The other comparisons of the paper keep Adam at $\eta=1$ and vary one thing.

# %%
by_n = {n_large: large.query("gamma == 1 and label_noise == 0.3 and ridge == 0.01")}
for n in sample_sizes:
    if n not in by_n:
        by_n[n] = study(single_index.grid(**base), n, probes=probes)[0]
by_n = pd.concat({n: by_n[n] for n in sorted(sample_sizes)}, names=["n"])
by_n = by_n.reset_index("n")
by_noise = large.query("gamma == 1 and ridge == 0.01")
by_gamma = large.query("label_noise == 0.3 and ridge == 0.01")

# %% mystnb={"figure": {"caption": "Test loss over the steps of Adam with $\\eta=1$, for four numbers of samples, levels of label noise, ridges, and decays of the learning rate. Upper row: legacy scaling, lower row: intended. Means over seeds that the curves of a panel share.", "name": "fig-shapes-steps"}, "image": {"alt": "Eight panels of curves from step 0 to 10. In the upper row many curves fall; in the lower row nearly all rise."}}
panels = {"samples $n$": (by_n, "n"), r"noise $\rho$": (by_noise, "label_noise")}
panels |= {
    r"ridge $\lambda$": (by_lambda, "ridge"),
    r"decay $\gamma$": (by_gamma, "gamma"),
}
fig, axes = plt.subplots(2, 4, figsize=(figures.WIDTH, 5.2), sharex=True)
for (title, (table, name)), column in zip(panels.items(), axes.T, strict=True):
    for ax, loss in zip(column, LOSSES, strict=True):
        curves = table.groupby([name, "step"])[loss].mean().unstack("step")
        for (value, curve), color in zip(
            curves.iterrows(), figures.ramp(len(curves)), strict=True
        ):
            ax.plot(curve.index, curve, "o-", ms=3, color=color, label=f"{value:g}")
    column[0].set(title=title)
    column[1].legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.32), ncol=2, fontsize=8
    )
    column[1].set(xlabel="step")
axes[0, 0].set(ylabel="legacy")
_ = axes[1, 0].set(ylabel="intended")

# %% [markdown]
# *Samples.* In the legacy scaling training hurts with few samples and pays with many. In the intended scaling it hurts from $n=400$ on.
# At $n=100$, fewer than inputs and units, the intended loss falls, and stays far above $\mathbb Ey^2=1.01$, the loss without any read-out.

# %%
moved = change(by_n, LOSSES, ["n"]).groupby("n")
claim("kothapalli-C18b", np.diff(moved.mean()[LOSSES[0]]).max())
last = moved.mean()[LOSSES[1]].iloc[-1]
claim("kothapalli-C18c", last, uncertainty=moved.sem()[LOSSES[1]].iloc[-1])
if earlier:
    at = [(n, step) for n in (100, 400, 800, 1600) for step in (0, 10)]
    known = [[1.096, 1.588, 0.963, 1.096, 0.916, 0.921, 0.919, 0.861]]
    known += [[1.737, 1.609, 1.557, 2.274, 1.094, 1.325, 0.933, 1.025]]
    off = [
        deviation(by_n, ["n", "step"], column, dict(zip(at, values, strict=True)))
        for column, values in zip(LOSSES, known, strict=True)
    ]
    claim("kothapalli-C18a", pd.concat(off).abs().max())
cells(moved.mean(), moved.sem()).rename(columns=short).add_prefix("change of ")

# %% [markdown]
# *Label noise* raises the loss, by its own square and by the variance that it feeds.
# The tail does not see it: noise is a minor part of the residuals at the start, $\rho^2$ of $\mathbb E(f-y)^2=\rho^2+1.32$.

# %%
ends = by_noise[by_noise["step"] == n_steps].copy()
for column in LOSSES:
    floors = ends["label_noise"].map(lambda r: single_index.gaussian_constants(r).floor)
    ends[f"{column} - E₀"] = ends[column] - floors
means = ends.groupby("label_noise")[[LOSSES[0], "hill"]].mean()
claim("kothapalli-C19a", np.diff(means[LOSSES[0]]).min())
claim("kothapalli-C19c", np.ptp(means["hill"]))
if earlier:
    known = dict(zip(noises, [0.769, 0.861, 1.044, 1.308], strict=True))
    off = deviation(ends, "label_noise", LOSSES[0], known)
    claim("kothapalli-C19b", off.abs().max())
columns = [name for loss in LOSSES for name in (loss, f"{loss} - E₀")]
text = cells(*over_seeds(ends, [*columns, "hill"], "label_noise")).loc[noises]
text.rename(columns=lambda name: name.removeprefix("test_loss_"))

# %% [markdown]
# *Decay.* With the learning rate $\eta\gamma^{k-1}$ at step $k$, training stops early, and what it had built by then stays: a lighter tail for every $\gamma<1$, and the alignment for $\gamma\le0.6$.

# %%
ends = by_gamma[by_gamma["step"] == n_steps]
means, errors = over_seeds(ends, ["hill", "s1", "alignment", *LOSSES], "gamma")
claim("kothapalli-C21a", np.diff(means["hill"][gammas]).min())
paired = ends.pivot(index="seed", columns="gamma", values="alignment")
difference = paired[0.4] - paired[1.0]
claim("kothapalli-C21c", difference.mean(), uncertainty=difference.sem())
paired = ends.pivot(index="seed", columns="gamma", values=LOSSES[1])
difference = paired[0.4] - paired[1.0]
claim("kothapalli-C21d", difference.mean(), uncertainty=difference.sem())
start = main[main["step"] == 0].set_index("seed")[LOSSES[1]]
difference = paired[means[LOSSES[1]].idxmin()] - start
claim("kothapalli-C21e", difference.mean(), uncertainty=difference.sem())
if earlier:
    tails = dict(zip(gammas, [1.961, 2.063, 2.172, 2.242, 2.283], strict=True))
    known = dict(zip(gammas, [0.861, 0.883, 0.873, 0.873, 0.879], strict=True))
    off = [deviation(ends, "gamma", "hill", tails)]
    off += [deviation(ends, "gamma", LOSSES[0], known)]
    claim("kothapalli-C21b", pd.concat(off).abs().max())
cells(means, errors).rename(columns=short)

# %% [markdown]
# *Weight normalisation* scales $W$ to the Frobenius norm of random weights, $\sqrt{hd}$, before each step. The tail gets heavier still.
# The Hill exponent does not see a scale, but the next step does: $\eta=1$ is a larger step for smaller weights.

# %%
settings = pd.concat([
    single_index.grid(**base | {"weight_normalization": [False, True]}),
    single_index.grid(**base | {
        "weight_normalization": [False, True], "optimizer": "gd", "learning_rate": 2.0 * dim
    }),
])  # fmt: skip
small, _ = study(settings, n_samples, probes=[n_steps])
by = ["optimizer", "weight_normalization"]
means, errors = over_seeds(small, ["hill", "s1", *LOSSES], by)
normal = ("adam", True)
claim("kothapalli-C22b", means["hill"][normal], uncertainty=errors["hill"][normal])
if earlier:
    pairs = [("adam", False), normal]
    known = {"hill": [1.850, 1.660], "s1": [171.4, 61.8]}
    known |= {LOSSES[0]: [1.096, 0.973], LOSSES[1]: [2.274, 1.634]}
    off = [
        deviation(small, by, name, dict(zip(pairs, values, strict=True)), digits=3 - 2 * (name == "s1"))
        for name, values in known.items()
    ]  # fmt: skip
    gd = {("gd", False): 2.192, ("gd", True): 2.002}
    off += [deviation(small, by, "hill", gd)]
    claim("kothapalli-C22a", pd.concat(off).abs().max())
cells(means, errors).rename(columns=short)

# %% [markdown]
# ## Size
#
# Theory lets us expect a legacy gain that grows with $d$ at a fixed ridge: untrained legacy features have eigenvalues of order $\frac h{d^2}$, and the ridge stays.
# We keep the proportions of $d$, $h$ and $n$ and change the scale.

# %%
sizes = {}
for scale in scales:
    own = base | {"seed": range(seed, seed + n_scale_seeds)}
    sizes[dim * scale], _ = study(
        single_index.grid(**own), n_large * scale, scale, probes=[0, 1, n_steps]
    )
for d, table in sizes.items():
    moved = change(table, LOSSES)
    legacy, intended = zip(moved.mean(), moved.sem(), strict=True)
    if d == 1000:
        claim("kothapalli-C26c", legacy[0], uncertainty=legacy[1])
        claim("kothapalli-C26d", intended[0], uncertainty=intended[1])
    record(**{f"change_legacy_{d}": legacy[0], f"change_intended_{d}": intended[0]})
by_size = pd.concat(sizes, names=["d"]).reset_index("d")
columns = ["hill", "alignment", *short]
cells(*over_seeds(by_size, columns, ["d", "step"])).rename(columns=short)

# %% [markdown]
# The legacy gain grows with the size, as it should. At the size of the paper, $d=1000$, the legacy loss changes by {claim}`kothapalli-C26c` and the intended one by {claim}`kothapalli-C26d`.
#
# ## What did not reproduce
#
# The comparisons reproduce as computations: losses, exponents and alignments agree with those of an independent program.
# The reading does not. "Heavier tails generalise better" holds in no case of {numref}`fig-shapes-tail`, and in the scaling of the network the opposite does.
# "Training lowers the test loss", for ten steps of Adam with $\eta=1$, holds in the published scaling with many samples and a ridge of 0.01 or more. It fails in the scaling of the network, and in both when each weight gets its best ridge. Gradient descent does gain there, with a lighter tail.
# Decay is better than no decay in the scaling of the network, because it does less.
#
# None of this touches how spike and tail arise. Training itself uses the right scaling.
# Whether the curves of the paper were made by the code as published we cannot know. The factor is in every version of it that we read.
#
# Two limits. The student is odd, and half of the teacher is even: a student with biases has more to gain from features. And the losses are those of a ridge read-out on fresh samples, not of the trained network.
#
# ## Exercises
#
# :::{exercise}
# :label: ex-shapes-equal
#
# Show that the legacy test loss of $W$ is the intended test loss of $W/\sqrt d$. When tanh is close to linear on both, which ridge in the intended scaling gives the legacy loss at $\lambda$?
# :::
#
# :::{solution} ex-shapes-equal
# :class: dropdown
#
# $\tanh(Wx/d)=\tanh((W/\sqrt d)x/\sqrt d)$: the features agree, and with them all that follows.
# Linear features of $W$ are $\sqrt d$ times those of $W/\sqrt d$. In {eq}`eq-shapes-ridge` let $a'=a/\sqrt d$: the fit is the same, and the penalty becomes $\frac{\lambda d}h\lVert a'\rVert^2$. So the ridge is $\lambda d$, or $\lambda d\mu_1^2$ for untrained weights, whose linear part has the slope $\mu_1=\mathbb E\tanh'(t)=0.606$. At $d=200$ and $\lambda=0.01$ it is 0.73: beyond the best ridge of {numref}`fig-shapes-ridge`, but closer to it than 0.01.
# :::
#
# :::{exercise}
# :label: ex-shapes-ols
#
# Let $h<n$, and let $\lambda$ be small. What does {eq}`eq-shapes-parts` give for untrained weights in both scalings? Compare with the table at $\lambda=10^{-4}$.
# :::
#
# :::{solution} ex-shapes-ols
# :class: dropdown
#
# $\mathrm{df}_2$ counts the eigenvalues of $\Omega$ well above the ridge. Intended: all $h$ of them, and the loss is $\frac{E_0+E_{\mathrm s}}{1-h/n}$. Legacy: the $d$ of the linear functions, as long as the ridge is above those of the cubic ones, and $E_{\mathrm s}\approx0$, so it is $\frac{E_0}{1-d/n}$. (At $\lambda=0$ it would be all $h$ again.)
# With $E_0=0.761$, $n=1600$: 0.937 plus what $E_{\mathrm s}$ adds, and 0.870. The legacy one is the plain linear regression on $x$.
#
# ```python
# p = single_index.make(200, 300, 1600, rng=np.random.default_rng(0))
# for scaling in SCALINGS:
#     print(single_index.expected_risk(p.weights, p.teacher, 1600, 1e-5, scaling=scaling))
# ```
# :::
#
# :::{exercise}
# :label: ex-shapes-paired
#
# A sweep over $\gamma$ that draws a new student and new samples for each value needs more runs for the same standard error of a difference. How many times more, for the difference of $\gamma=0.4$ and 1 in the legacy loss?
# :::
#
# :::{solution} ex-shapes-paired
# :class: dropdown
#
# The variance of an independent difference is the sum of both variances; that of a paired one is less by twice their covariance. The number of runs grows by the quotient.
#
# ```python
# paired = by_gamma[by_gamma["step"] == n_steps].pivot(index="seed", columns="gamma", values=LOSSES[0])
# print((paired[0.4].var() + paired[1.0].var()) / (paired[0.4] - paired[1.0]).var())
# ```
# :::
#
# ## Further reading
#
# {cite:t}`hastie2022surprises` derive the risk of ridge regression for general covariances, {cite:t}`mei2022generalization` for random features.
# {cite:t}`kothapalli2024spikes` is the paper of this part.
