# %% [markdown]
# # From spike to heavy tail
#
# One step of training adds one singular value to the spectrum of random weights. Ten steps later the spectrum can have a heavy tail, and the one value is hard to find.
# {cite:t}`kothapalli2024spikes` describe this for full-batch training, where no gradient is noisy. Part of it is in their theorem on the first step; the way from the spike to the tail they observe, and do not prove.
# This chapter follows the spectrum step by step. It asks three things. What can an update do to a spectrum? Where does the spike go? And is what remains a heavy tail?
#
# Task, student and notation are those of {doc}`chapter 16 <16_one_step>`: $n$ Gaussian inputs $x_i\in\mathbb R^d$, a teacher $\beta^*$, a student $f(x)=h^{-1/2}a^T\tanh(Wx/\sqrt d)$ whose read-out $a$ stays fixed, the loss $R=\frac1n\sum_i(f(x_i)-y_i)^2$ with gradient $G$, and full-batch steps from standard normal weights.

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
n_samples: int = 400  # training samples n; in [20, 100000]
large_dim: int = 1000  # inputs of the larger network; in [20, 4000]
n_seeds: int = 12  # draws that are followed step by step; in [2, 100]
n_rate_seeds: int = 8  # draws for each learning rate; in [2, 100]
n_long: int = 1000  # steps of the long runs; in [20, 1000000]
seed: int = 0  # of the first draw; in [0, 1000000]

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats

from lib import esd, single_index
from lib.book import claim, figures

figures.use()
law = esd.marchenko_pastur(dim / width)
edge = dim**0.5 + width**0.5
original = (dim, width, n_samples) == (200, 300, 400)  # sizes of known values


def study(optimizer, rates, seeds, probes, d=dim, n=n_samples, **options):
    """Students in single precision, as in the published code."""
    settings = single_index.grid(
        optimizer=optimizer, learning_rate=rates, seed=range(seed, seed + seeds)
    )
    return single_index.train(
        settings,
        dim=d,
        width=width * d // dim,
        n_samples=n,
        n_steps=probes[-1],
        probes=probes,
        n_test=1,
        losses=False,
        dtype=torch.float32,
        **options,
    )


def in_errors(ours, theirs, repeats):
    """Means of draws (first axis) less known means, in standard errors."""
    ours = np.asarray(ours)
    error = ours.std(axis=0, ddof=1) * np.sqrt(1 / len(ours) + 1 / repeats)
    return (ours.mean(axis=0) - theirs) / error


# %% [markdown]
# ## Ten steps
#
# The *empirical spectral density* (ESD) of a weight is the histogram of the eigenvalues $\lambda_i=s_i^2$ of $W^TW$, where $s_1\ge\dots\ge s_k$ are the singular values and $k=\min(h,d)$.
# We look at it on a logarithmic axis, as the paper does, for a network of the paper's size, $d=1000$, $h=1500$ and $n=8000$. One run is full-batch Adam with $\eta=1$, the paper's main setting. The other is gradient descent with $\eta=2d$, a little above its threshold of chapter 16.

# %%
steps = np.arange(11)
LARGE = {"Adam, η = 1": ("adam", 1.0), "GD, η = 2d": ("gd", 2.0 * large_dim)}
large = {
    name: study(*setting, 1, steps, large_dim, 8 * large_dim)
    for name, setting in LARGE.items()
}
fewer = study("adam", 1.0, 1, [0, 1, 10], large_dim, 2 * large_dim)

# %% mystnb={"figure": {"caption": "Eigenvalues of $W^TW$ along training, each row one run of the larger network. Thin line: the law of Marchenko and Pastur, which random weights have. Dots: the largest eigenvalue. Adam's spike is caught up by a bulk that moves to the right and widens. With gradient descent the bulk hardly moves, and a spike leaves it after some steps.", "name": "fig-absorb-steps"}, "image": {"alt": "Two rows of five histograms on a logarithmic axis. Top: a bulk with one far dot at step 1; by step 10 the histogram has spread to the right and the dot touches it. Bottom: histograms that keep the shape of the line; the dot is at their right edge up to step 2, and beyond it at steps 5 and 10."}}
shown = [0, 1, 2, 5, 10]
fig, axes = plt.subplots(2, 5, figsize=(figures.WIDTH, 3.6), sharex=True, sharey=True)
for row, (name, trained) in zip(axes, large.items(), strict=True):
    values = trained.singular_values[0] ** 2
    x = np.linspace(0.5, 6.2, 400)
    scale = 10**x / (large_dim * width // dim)
    for ax, t in zip(row, shown, strict=True):
        logs = np.log10(values[t])
        bins = np.linspace(0.5, 6.2, 58)
        ax.hist(logs, bins, density=True, histtype="stepfilled")
        ax.plot(x, law.density(scale) * scale * np.log(10), color=figures.INK, lw=0.8)
        ax.plot(logs[0], 0.02, "o", ms=4, color=figures.COLORS["red"])
        ax.set(yscale="log", ylim=(1e-2, 4))
    row[0].set(ylabel=name)
for ax, t in zip(axes[0], shown, strict=True):
    ax.set(title=f"step {t}")
_ = axes[1, 2].set(xlabel=r"$\log_{10}\lambda$")

# %% [markdown]
# Numbers say it better. We follow four of them.
#
# - $s_1/s_2$: how far the spike stands out.
# - The *stable rank* $\lVert W\rVert_F^2/\lVert W\rVert_2^2=\sum_i\lambda_i/\lambda_1$.
# - The *alignment* $|\langle v_1,\beta^*\rangle|$ of the first right singular vector with the teacher.
# - The *Hill exponent* of the upper half of the spectrum. With ascending $\lambda_{(0)}\le\dots\le\lambda_{(k-1)}$, $i=\lfloor k/2\rfloor$ and $m=k-i$,
#
# $$
# \alpha_{\mathrm H}=1+\frac m{\sum_{j\ge i}\log(\lambda_{(j)}/\lambda_{(i)})} .
# $$ (eq-absorb-hill)
#
# It is the exponent of a density $\lambda^{-\alpha}$ above the median, as the paper defines it, so it is one more than a tail index of {doc}`chapter 11 <11_stable_laws>`. The smaller it is, the heavier the tail.


# %%
def tracked(trained):
    """s1/s2, stable rank, alignment and Hill exponent, each (members, probes)."""
    s = trained.singular_values
    alignment = trained.table["alignment"].to_numpy().reshape(s.shape[:2])
    values = s**2
    ratio = s[..., 0] / s[..., 1]
    return ratio, esd.stable_rank(values), alignment, esd.hill(values)


small = {
    "Adam, η = 1": study("adam", 1.0, n_seeds, steps),
    "GD, η = 2d": study("gd", 2.0 * dim, n_seeds, steps),
}

# %% mystnb={"figure": {"caption": "Four numbers along training. Thin lines: single draws of the small network ($n=2d$). Thick lines: the larger one ($n=8d$). Dashes: random weights. Adam's spike is absorbed within ten steps, and its alignment goes with it.", "name": "fig-absorb-numbers"}, "image": {"alt": "Four panels over ten steps. s1/s2 of Adam jumps and falls to one; its stable rank drops and recovers; its alignment falls from 0.5; its Hill exponent falls from 2.45 to 1.85. The alignment of gradient descent oscillates, and its Hill exponent ends between 2.4 and 2.2."}}
NAMES = ["$s_1/s_2$", "stable rank", "alignment", r"$\alpha_{\mathrm{H}}$"]
fig, axes = plt.subplots(2, 2, figsize=(figures.WIDTH, 4.6), sharex=True)
for (name, trained), color in zip(small.items(), figures.PALETTE, strict=False):
    both = zip(axes.flat, tracked(trained), tracked(large[name]), strict=True)
    for ax, draws, one in both:
        ax.plot(steps, draws[:6].T, color=color, lw=0.7, alpha=0.5)
        ax.plot(steps, one[0], color=color, lw=2.2, label=name)
for ax, name in zip(axes.flat, NAMES, strict=True):
    ax.set(title=name)
axes[0, 0].set(yscale="log")
axes[0, 1].set(yscale="log")
axes[1, 1].axhline(law.hill(), ls="--", color=figures.INK, lw=1)
axes[0, 0].legend()
for ax in axes[1]:
    ax.set(xlabel="step")

# %%
ratio, rank, alignment, hill = tracked(small["Adam, η = 1"])
found = np.stack([ratio, rank, alignment], axis=-1)[:, [1, 10]]
known = np.array([[5.16, 3.0, 0.416], [1.05, 28.7, 0.074]])
claim("kothapalli-C13b", ratio[:, 10].mean(), note=f"{n_seeds} draws")
if original:
    claim("kothapalli-C13a", np.abs(in_errors(found, known, 5)).max())
    claim("kothapalli-C12b", hill[:, 10].mean(), note=f"{n_seeds} draws")
top = tracked(large["Adam, η = 1"])[0][0]
less = tracked(fewer)[0][0]
odd, even = (tracked(large["GD, η = 2d"])[2][0, s::2] for s in (1, 2))
claim("kothapalli-C17a", odd.min() - even.max(), note=f"d = {large_dim}")
if large_dim == 1000:
    claim("kothapalli-C13c", top[1])
    claim("kothapalli-C13d", top[10])
    claim("kothapalli-C13e", less[2])
    claim("kothapalli-C17b", even.max())
mean, error = found.mean(axis=0), stats.sem(found, axis=0)
text = [
    [f"{m:.3f} ± {e:.3f} ({k:g})" for m, e, k in zip(*row, strict=True)]
    for row in zip(mean, error, known, strict=True)
]
table = pd.DataFrame(text, ["step 1", "step 10"], ["s1/s2", "stable rank", "alignment"])
table["s1/s2, large, n = 8d"] = top[[1, 10]].round(2)
table.assign(**{"s1/s2, large, n = 2d": less[[1, 2]].round(2)})

# %% [markdown]
# The table is for Adam, $\eta=1$: means and standard errors of the small network, and in brackets known values of an independent program, at the sizes of the profile `default`.
# The spike is the first thing to appear and the first to go. At step 10 the largest singular value has a close neighbour, and its vector knows the teacher far less than at step 1.
# The last columns are single runs of the larger network, with many samples and with few.
#
# ## The exponent of random weights
#
# Before we read 1.8 as heavy we should know what random weights give.
#
# :::{prf:theorem} Marchenko and Pastur
# :label: thm-absorb-mp
#
# Let $W\in\mathbb R^{h\times d}$ have independent entries of one law, with mean 0 and variance 1, and let $h,d\to\infty$ with $d/h\to c\in(0,1]$. The distribution of the eigenvalues of $W^TW/h$ tends to the law with the density
#
# $$
# \rho(x)=\frac{\sqrt{(x_+-x)(x-x_-)}}{2\pi cx},\qquad x_\pm=(1\pm\sqrt c)^2 .
# $$ (eq-absorb-mp)
# :::
#
# This is the classical theorem of {cite:t}`marchenko1967distribution`; chapter 16 meets its Stieltjes transform on the way to the spike. What we need follows by a substitution.
#
# :::{prf:proposition} Hill exponent of noise
# :label: prop-absorb-hill
#
# With $x=1+c+2\sqrt c\cos t$, $0<t<\pi$, the law becomes $\frac{2\sin^2t}{\pi x}\,dt$. Its distribution function is, without the last term if $c=1$,
#
# $$
# \begin{aligned}
# F(x)=\frac1{2\pi c}\Big[&(1+c)(\pi-t)+2\sqrt c\,\sin t\\
# &-2(1-c)\arctan\Big(\tfrac{1+\sqrt c}{1-\sqrt c}\cot\tfrac t2\Big)\Big],
# \end{aligned}
# $$ (eq-absorb-cdf)
#
# and the Hill exponent {eq}`eq-absorb-hill` tends to a constant that depends on $c$ alone: with the median $x_m$,
#
# $$
# \alpha_0(c)=1+\frac1{\mathbb E\big[\log\frac x{x_m}\,\big|\,x>x_m\big]} .
# $$ (eq-absorb-alpha0)
# :::
#
# :::{prf:proof}
# $(x_+-x)(x-x_-)=4c\sin^2t$ and $|dx|=2\sqrt c\sin t\,dt$ give the first statement.
# Eliminate the cosine: $\cos t=\frac{x-1-c}{2\sqrt c}$, so
#
# $$
# \frac{2\sin^2t}x=\frac1{2c}\Big[1+c-2\sqrt c\cos t-\frac{(1-c)^2}x\Big] .
# $$
#
# Integrate from $t$ to $\pi$. The last term is elementary: $\int\frac{dt}{1+c+2\sqrt c\cos t}=\frac2{1-c}\arctan\big(\frac{1-\sqrt c}{1+\sqrt c}\tan\frac t2\big)$.
# The limit {eq}`eq-absorb-alpha0` is the law of large numbers for spectra: the mean of $\log(\lambda/\lambda_{(i)})$ over the upper half does not feel a common factor, and the function is continuous, and bounded since the largest eigenvalue of random weights stays of order $h$.
# :::

# %%
start = np.sort(small["Adam, η = 1"].singular_values[:, 0] ** 2, axis=1)
finite = esd.hill([law.quantile((i + 0.5) / dim) for i in range(dim)])
initial = esd.hill(start)
if original:
    claim("kothapalli-C27a", abs(initial.mean() - finite) / stats.sem(initial))
if large_dim == 1000:
    claim("kothapalli-C27b", tracked(large["Adam, η = 1"])[3][0, 0])
aspects = [0.1, 0.25, 0.5, 2 / 3, 0.8, 1.0]
limits = [esd.marchenko_pastur(c).hill() for c in aspects]
pd.DataFrame([limits], ["α₀"], [f"c = {c:.3g}" for c in aspects]).round(3)

# %% [markdown]
# Random weights of the paper's shape, $c=\frac23$, have a Hill exponent of 2.45. A square random matrix has 2.12.
# So a Hill exponent between 2 and 3 says nothing about training. It must be held against $\alpha_0(c)$ of the same shape. `esd.marchenko_pastur(c).hill()` returns it.
#
# For matrices as small as ours one correction is visible: the sum in {eq}`eq-absorb-hill` has a zero in it, and $i/k$ is not exactly one half. We take it into account by applying {eq}`eq-absorb-hill` to the $\frac{i+1/2}k$-quantiles of the law.
#
# ## What an update can do
#
# Let $W$ become $W+M$. Three classical inequalities bound what happens to the singular values.
#
# :::{prf:proposition} Weyl, interlacing, Mirsky
# :label: prop-absorb-update
#
# 1. $|s_i(W+M)-s_i(W)|\le\lVert M\rVert_2$ for all $i$.
# 2. If $M$ has rank $r$, the distribution functions of the singular values of $W$ and $W+M$ differ by at most $\frac rk$.
# 3. $\sum_i\big(s_i(W+M)-s_i(W)\big)^2\le\lVert M\rVert_F^2$.
# :::
#
# :::{prf:proof}
# $s_i(W)$ is the minimum, over subspaces $E$ of codimension $i-1$, of the maximum of $\lVert Wx\rVert$ over unit vectors $x\in E$. On every $E$ the maxima for $W$ and $W+M$ differ by at most $\lVert M\rVert_2$. This is (1).
# For (2), intersect the best $E$ for $s_i(W)$ with the kernel of $M$, of codimension $r$: so $s_{i+r}(W+M)\le s_i(W)$. Hence at most $r$ more values of $W+M$ than of $W$ exceed a number, and by symmetry at most $r$ fewer.
# For (3), $\lVert M\rVert_F^2=\lVert W+M\rVert_F^2+\lVert W\rVert_F^2-2\langle W+M,W\rangle$, and $\langle A,B\rangle\le\sum_is_i(A)s_i(B)$ is von Neumann's trace inequality.
# :::
#
# Part (2) is why a spike is not a heavy tail. An update of rank one, however large, moves one of $k$ eigenvalues out of place, and {eq}`eq-absorb-hill` sees it as one logarithm among $m$. A sizeable change of the Hill exponent needs an update with many large singular values.
# Part (3) sets a clock for Adam.
#
# :::{prf:corollary} Adam's clock
# :label: cor-absorb-clock
#
# After $t$ steps of full-batch Adam with $\beta_1=0.9$, $\beta_2=0.999$
#
# $$
# \Big(\frac1k\sum_i\big(s_i(W_t)-s_i(W_0)\big)^2\Big)^{1/2}\le\eta\sqrt{\max(h,d)}\;\sum_{\tau\le t}C_\tau
# $$ (eq-absorb-clock)
#
# with $C_1=1$ and $C_\tau\le7.3$ from {eq}`eq-absorb-adam-bound`.
# :::
#
# :::{prf:proof}
# By the inequality of Cauchy and Schwarz, $\big(\sum_s\beta_1^{\tau-s}g_s\big)^2\le\sum_s\beta_2^{\tau-s}g_s^2\,\sum_s(\beta_1^2/\beta_2)^{\tau-s}$ for any gradients $g_1,\dots,g_\tau$ of one weight. So no weight moves by more than $\eta C_\tau$ in step $\tau$, with
#
# $$
# C_\tau=\frac{1-\beta_1}{1-\beta_1^\tau}\sqrt{\frac{1-\beta_2^\tau}{1-\beta_2}\cdot\frac{1-(\beta_1^2/\beta_2)^\tau}{1-\beta_1^2/\beta_2}} .
# $$ (eq-absorb-adam-bound)
#
# Hence $\lVert W_t-W_0\rVert_F\le\eta\sqrt{hd}\sum_\tau C_\tau$. Divide by $\sqrt k$.
# :::
#
# Random weights have singular values of the order of $\sqrt h$. By {eq}`eq-absorb-clock` they cannot change by a sizeable fraction before $\eta\sum_\tau C_\tau$ is of order 1.
# Ten steps are enough for $\eta=1$ and far too few for $\eta=0.01$. It takes at least a number of steps of order $1/\eta$. Whether the steps then add up or cancel is another matter. At the other end, one Adam step may be large enough for a spike and small for the bulk, since the spectral norm of the first update is most of its Frobenius norm.
#
# Now we train with many learning rates for ten steps.

# %%
RATES = {
    "gd": [0.005, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0],
    "adam": [0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
}
swept = {
    opt: study(opt, np.multiply(r, dim if opt == "gd" else 1), n_rate_seeds, [0, 10])
    for opt, r in RATES.items()
}
spectra = {
    (opt, rate): swept[opt].singular_values.reshape(len(r), n_rate_seeds, 2, -1)[i] ** 2
    for opt, r in RATES.items()
    for i, rate in enumerate(r)
}  # of a setting: draws, first and last step, eigenvalues
hills = {key: esd.hill(v) for key, v in spectra.items()}
moved = {
    key: np.mean([stats.ks_2samp(a, b, method="asymp").statistic for a, b in v])
    for key, v in spectra.items()
}
t = np.arange(1, 11)
ratio = 0.9**2 / 0.999
most = 0.1 / (1 - 0.9**t)
most *= np.sqrt((1 - 0.999**t) / 0.001 * (1 - ratio**t) / (1 - ratio))
shift = {
    rate: np.sqrt(np.mean((v[:, 1] ** 0.5 - v[:, 0] ** 0.5) ** 2, axis=-1)).max()
    for (opt, rate), v in spectra.items()
    if opt == "adam"
}
share = [s / (rate * max(width, dim) ** 0.5 * most.sum()) for rate, s in shift.items()]
claim("kothapalli-C11d", max(share), note=f"{n_rate_seeds} draws")

# %% mystnb={"figure": {"caption": "Hill exponent after ten steps against the learning rate: means and standard deviations. Dashes: random weights, $\\alpha_0$. Solid vertical lines: the threshold of the spike after one step. Dotted: for gradient descent, where the linearised student becomes unstable {eq}`eq-absorb-stable`; for Adam, where $\\eta\\sum_\\tau C_\\tau=1$.", "name": "fig-absorb-rates"}, "image": {"alt": "Two panels with dots on a dashed line at 2.46 for small learning rates that fall to 1.8 for large ones. On the left the fall begins between the dotted and the solid line, near one; on the right beyond both, which nearly coincide at 0.1."}}
theory = single_index.one_step_theory(width, dim, n_samples)
slope = single_index.gaussian_constants().slope
stable = 1 / (slope * (1 + (dim / n_samples) ** 0.5)) ** 2
lines = {
    "gd": (theory.gd_threshold / dim, stable),
    "adam": (theory.adam_threshold, 1 / most.sum()),
}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.3), sharey=True)
for ax, (opt, rates), color in zip(
    axes, RATES.items(), figures.PALETTE[1::-1], strict=True
):
    rates = rates[1:] if opt == "gd" else rates
    last = np.array([hills[opt, r][:, 1] for r in rates])
    ax.errorbar(
        rates, last.mean(1), last.std(1, ddof=1), fmt="o", ms=4, lw=1, color=color
    )
    ax.axhline(finite, ls="--", color=figures.INK, lw=1)
    for x, style in zip(lines[opt], ["-", ":"], strict=True):
        ax.axvline(x, ls=style, color=figures.INK, lw=1.2)
    ax.set(xscale="log", title={"gd": "gradient descent", "adam": "Adam"}[opt])
ticks = [0.5, 1, 2, 5]
axes[0].set_xticks(ticks, [f"{x:g}" for x in ticks])
axes[0].set_xticks([], minor=True)
axes[0].set(xlabel=r"$\eta/d$", ylabel=r"$\alpha_{\mathrm{H}}$ after ten steps")
_ = axes[1].set(xlabel=r"$\eta$")

# %%
known = {
    ("gd", 1.5): 2.353, ("gd", 2.0): 2.192, ("gd", 3.0): 1.956, ("gd", 5.0): 1.781,
    ("adam", 0.1): 2.426, ("adam", 0.3): 2.239, ("adam", 1.0): 1.850, ("adam", 3.0): 1.779,
}  # fmt: skip
apart = {key: in_errors(hills[key][:, 1], value, 5) for key, value in known.items()}
if original:
    claim("kothapalli-C11a", moved["gd", 0.5])
    claim("kothapalli-C11b", moved["adam", 0.01])
    claim("kothapalli-C11c", moved["adam", 1.0])
    claim("kothapalli-C12a", np.abs(list(apart.values())).max(), note="8 settings")
    claim("kothapalli-C12c", hills["gd", 3.0][:, 1].mean())
rows = {}
for (opt, rate), values in spectra.items():
    phases = [esd.phase(v, (width, dim)) for v in values[:, 1]]
    names = pd.Series([p.name for p in phases]).value_counts()
    h = hills[opt, rate][:, 1]
    rows[f"{opt}, {rate:g}" + (" d" if opt == "gd" else "")] = {
        "Hill": f"{h.mean():.3f} ± {stats.sem(h):.3f}",
        "known": known.get((opt, rate), ""),
        "KS to start": round(moved[opt, rate], 3),
        "outliers": round(np.mean([p.outliers for p in phases]), 1),
        "phase": ", ".join(f"{name} {n}" for name, n in names.items()),
    }
pd.DataFrame.from_dict(rows, orient="index").rename_axis("optimiser, η")

# %% [markdown]
# Below some learning rate nothing happens to the bulk: the Kolmogorov-Smirnov distance between the spectra of step 0 and step 10 stays at a few eigenvalues of $k$.
# Above it the Hill exponent falls without any noise in the gradients. This is the paper's main observation, and it holds for both optimisers.
#
# The last columns sort the spectra into the phases of {cite:t}`martin2021implicit`: random-like, bleeding-out, bulk and spike, bulk-decay, heavy-tailed, rank-collapse. They describe phases in words. Our rule `esd.phase` puts thresholds on three numbers: the number of outliers beyond the edge of noise, the distance of the spectrum to {prf:ref}`thm-absorb-mp`, and $\alpha_{\mathrm H}-\alpha_0$. Other thresholds would move the borders.
#
# :::{admonition} Takeaway
# :class: tip
# A spike is an update of rank one, and a heavy tail is not. It takes updates with many large singular values, and with Adam a number of steps of order $1/\eta$ at least. Compare Hill exponents only with random weights of the same shape.
# :::
#
# ## Gradient descent at its limit of stability
#
# For gradient descent the spectrum starts to move a little above $\eta=d$. Where does this number come from?
#
# :::{prf:proposition} The linearised student
# :label: prop-absorb-linear
#
# Replace $\tanh$ by its mean slope, $\tanh(t)\to\mu_1t$, and let $\hat\Sigma=\frac1nX^TX$ and $u=a/\lVert a\rVert$. Then gradient descent changes $W$ only in its row $z=W^Tu$, which moves as
#
# $$
# z_{t+1}=z_t+\frac{2\eta\mu_1\lVert a\rVert}{\sqrt{hd}}\Big(\frac1nX^Ty-\frac{\mu_1\lVert a\rVert}{\sqrt{hd}}\,\hat\Sigma z_t\Big).
# $$ (eq-absorb-linear)
#
# Along an eigenvector of $\hat\Sigma$ with eigenvalue $\nu$ the distance to the fixed point is multiplied by $1-\frac{2\eta\mu_1^2}d\nu$ at each step, for $\lVert a\rVert^2=h$. In the limit the student is stable for
#
# $$
# \eta<\eta_s=\frac d{\mu_1^2\,(1+\sqrt{d/n})^2} .
# $$ (eq-absorb-stable)
# :::
#
# :::{prf:proof}
# The linearised student is $f(x)=\frac{\mu_1}{\sqrt{hd}}a^TWx=\frac{\mu_1\lVert a\rVert}{\sqrt{hd}}\langle z,x\rangle$. Its gradient is $-\frac{2\mu_1}{\sqrt{hd}}\,a\,v^T$ with $v=\frac1nX^T(y-f)$, a matrix with all of its columns along $a$. Multiply the step by $u^T$.
# The largest eigenvalue of $\hat\Sigma$ tends to $(1+\sqrt{d/n})^2$, the edge of {prf:ref}`thm-absorb-mp`.
# :::
#
# A linear student never gets a heavy tail: all of its updates share one left vector, so {prf:ref}`prop-absorb-update` (2) allows one outlier.
# Two learning rates are now in play. $\eta_s$ is where the linear student begins to oscillate without bound, and $\eta_c$ of chapter 16 is where one step makes a spike.

# %%
rows = {}
for per_input in [0.5, 2, 4, 8, 32, 1000]:
    limit = 1 / (slope * (1 + per_input**-0.5)) ** 2
    threshold = single_index.one_step_theory(
        1500, 1000, int(1000 * per_input)
    ).gd_threshold
    rows[f"n = {per_input:g} d"] = limit, threshold / 1000
columns = ["limit of stability η_s / d", "threshold of the spike η_c / d"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(3)

# %% [markdown]
# In the paper's range of $n/d$ the threshold of the spike lies beyond the limit of stability. Every gradient descent that shows a spike after one step is unstable in the linear approximation.
# What happens next is not linear. The row $z$ grows until the units saturate. Saturation lowers the slopes and with them the effective learning rate, which stops the growth. But saturated units have slopes of their own, from sample to sample, and the gradient is no longer an outer product. We think that the many directions come from there. In the sweep the spectrum starts to move between $\eta_s$ and $\eta_c$: at $\eta=1.25\,d$, where one step makes no spike, ten steps have made several outliers.
#
# The table also explains the oscillation in {numref}`fig-absorb-numbers`. For $n=8d$ and $\eta=2d$ the factor $1-\frac{2\eta\mu_1^2}d\nu$ is negative for most $\nu$ and below $-1$ for the largest. The row overshoots, and comes back, with period 2. Its alignment with the teacher is high after odd steps and near zero after even ones.
#
# ## Which vectors
#
# The spectrum tells how large an update is in which rank. The overlaps tell where it goes.
# Let $M_t=W_{t+1}-W_t$, and let $U_W$, $V_W$, $U_M$, $V_M$ hold the singular vectors of $W$ and $M_t$, the largest values first. The squared overlaps $O_L=(U_W^TU_M)^{\odot2}$ and $O_R=(V_W^TV_M)^{\odot2}$ compare $M_t$ with the weights before ($W=W_t$) or after ($W=W_{t+1}$) the step.
#
# :::{prf:proposition} Overlaps of the first step
# :label: prop-absorb-overlap
#
# For gradient descent with $q=2\mu_1\eta/d$ and $\theta^2=d(q^2V-2q\mu_1)$ as in chapter 16, and $\theta^4>hd$, the first entries of the overlaps of $(W_1,M_0)$ tend to
#
# $$
# \begin{aligned}
# O_L&\to\frac{\theta^4-hd}{\theta^2(\theta^2+h)},\\
# O_R&\to\frac{(qV-\mu_1)^2}{V(1-2q\mu_1+q^2V)}\Big(1-\frac{hd}{\theta^4}\Big).
# \end{aligned}
# $$ (eq-absorb-overlap)
# :::
#
# :::{prf:proof}
# Up to parts that are small in the spectral norm, $M_0=\frac{2\mu_1\eta}{\sqrt{hd}}av^T$, with the left vector $u$ and the right vector $v/\lVert v\rVert$. Chapter 16 finds $\cos^2(v_1,z)=1-\frac{hd}{\theta^4}$ for the longest row $z\simeq\sqrt d(\hat g+qv)$, and the rest of $v_1$ points anywhere.
# From $\langle\hat g,v\rangle\simeq-\mu_1$ and $\lVert v\rVert^2\simeq V$, the squared cosine of $z$ and $v$ is the first factor of $O_R$.
# On the left, $u_1=W_1v_1/s_1$, so $\langle u_1,u\rangle=\langle v_1,z\rangle/s_1$. With $\lVert z\rVert^2=\theta^2+d$ and $s_1^2=(\theta^2+h)(\theta^2+d)/\theta^2$,
#
# $$
# \langle u_1,u\rangle^2=\frac{(\theta^2+d)\,\theta^2}{(\theta^2+h)(\theta^2+d)}\Big(1-\frac{hd}{\theta^4}\Big) .
# $$
# :::


# %%
def overlaps(trained):
    """Left and right, with the step: of the weights before it, and after it."""
    w = trained.weights
    step = w[:, 1:] - w[:, :-1]
    return esd.overlaps(w[:, :-1], step), esd.overlaps(w[:, 1:], step)


kept = {"keep_weights": True, "spectra": False}
traced = {
    "adam": study("adam", 1.0, n_rate_seeds, np.arange(6), **kept),
    "gd": study("gd", 2.0 * dim, n_rate_seeds, np.arange(6), **kept),
}
paired = {opt: overlaps(trained) for opt, trained in traced.items()}
first = {
    opt: np.array([[side[:, :, 0, 0] for side in pair] for pair in pairs])
    for opt, pairs in paired.items()
}  # before or after, left or right, draws, steps
q = 2 * slope * 2.0
square = dim * (q**2 * theory.V - 2 * q * slope)
beyond = 1 - width * dim / square**2
left = beyond * square / (square + width)
right = (
    beyond
    * (q * theory.V - slope) ** 2
    / theory.V
    / (1 - 2 * q * slope + q**2 * theory.V)
)
for letter, side, expected in zip("cd", (0, 1), (left, right), strict=True):
    if original:
        claim(
            f"kothapalli-C16{letter}",
            first["gd"][1, side, :, 0].mean(),
            note=f"law {expected:.3f}",
        )
claim("kothapalli-C16a", first["adam"][0, :, :, 0].mean(axis=1).max())
claim("kothapalli-C16b", first["adam"][1, :, :, 0].mean(axis=1).min())
claim("kothapalli-C16e", first["adam"][0, 0, :, 4].mean())
claim("kothapalli-C16f", first["adam"][0, 1, :, 4].mean())
tens = np.diagonal(paired["adam"][1][1], axis1=-2, axis2=-1)[..., :10].mean(axis=-1)
claim("kothapalli-C16g", (tens[:, 4] - tens[:, 0]).mean())
index = pd.MultiIndex.from_product(
    [["Adam, η = 1", "GD, η = 2d"], ["before", "after"], ["left", "right"]]
)
cells = [
    first[o][w, s].mean(axis=0) for o in ("adam", "gd") for w in (0, 1) for s in (0, 1)
]
pd.DataFrame(cells, index, [f"t = {t}" for t in range(5)]).round(3)

# %% mystnb={"figure": {"caption": "Cosines, without sign, of the first twenty singular vectors of the weights after a step (rows) and of the step (columns), for one run of Adam, $\\eta=1$; their squares are the overlaps. At first one pair of vectors is shared. Later the left one survives, and on the right the overlap spreads over several pairs near the diagonal.", "name": "fig-absorb-overlaps"}, "image": {"alt": "Two rows of three square maps. The first map of each row has one bright corner cell; in later maps the corner of the top row stays bright, that of the bottom row does not, and a blurred diagonal appears in both."}}
fig, axes = plt.subplots(2, 3, figsize=(figures.WIDTH, 4.6), sharex=True, sharey=True)
for row, side, name in zip(axes, paired["adam"][1], ["left", "right"], strict=True):
    for ax, t in zip(row, [0, 1, 4], strict=True):
        image = ax.imshow(
            side[0, t, :20, :20] ** 0.5, cmap=figures.SEQUENTIAL, vmin=0, vmax=1
        )
        ax.set(title=f"{name}, t = {t}")
        ax.grid(False)
    row[0].set(ylabel=r"vector of $W_{t+1}$")
axes[1, 1].set(xlabel="vector of $M_t$")
_ = fig.colorbar(image, ax=axes, shrink=0.7, label="|cosine|")

# %% [markdown]
# Untrained weights and their first update have nothing in common. The step then imprints its own vectors on the weights.
# After that Adam keeps the left vector. It is close to $\mathrm{sign}(a)$, and the read-out $a$ does not change. The right vector, the one that knows the teacher, does not survive.
# Meanwhile the lower vectors begin to agree with those of the update: the mean of the first ten diagonal entries on the right grows. The tail is built along directions that weights and updates share.
#
# ## Long runs
#
# The paper reports that small learning rates reach a heavy tail too, after many more steps, and that very small ones do not within its budget.

# %%
marks = np.unique(
    np.r_[0, 1, 2, 5, 10, 20, 50, 100, n_long, np.geomspace(100, n_long, 9)]
).astype(int)
marks = marks[marks <= n_long]
gd_marks = marks[marks <= 2000]
LONG = {
    "Adam, η = 1": study("adam", 1.0, 1, marks),
    "Adam, η = 0.1": study("adam", 0.1, 1, marks),
    "Adam, η = 0.01": study("adam", 0.01, 1, marks),
    "GD, η = 2d": study("gd", 2.0 * dim, 1, gd_marks),
    "GD, η = d": study("gd", 1.0 * dim, 1, gd_marks),
}

# %% mystnb={"figure": {"caption": "Hill exponent (left), training loss (middle) and alignment (right) of long runs of the small network. Dashes: random weights. Once the training loss is gone, gradient descent stands still. Adam with $\\eta=0.1$ starts again later.", "name": "fig-absorb-long"}, "image": {"alt": "Three panels with a logarithmic step axis. Left: Adam with eta = 1 falls to 1.8 and stays, gradient descent with 2d falls to 2.2 and stays, Adam with 0.1 sinks slowly, the others are nearly level. Middle: losses fall by many orders; that of Adam with 0.1 jumps up again. Right: alignments rise early; those of Adam with 0.1 and 0.01 stay, the others fall again."}}
fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 3.2))
for (name, trained), color in zip(LONG.items(), figures.PALETTE, strict=False):
    at = np.array(trained.probes) + 0.5  # so that step 0 has a place
    _, _, aligned, hill = tracked(trained)
    axes[0].plot(at, hill[0], ".-", color=color, lw=1.2)
    axes[1].plot(at, trained.table["train_loss"], ".-", color=color, lw=1.2, label=name)
    axes[2].plot(at, aligned[0], ".-", color=color, lw=1.2)
axes[0].axhline(finite, ls="--", color=figures.INK, lw=1)
axes[1].set(yscale="log")
for ax, title in zip(
    axes, [r"$\alpha_{\mathrm{H}}$", "training loss", "alignment"], strict=True
):
    ax.set(xscale="log", title=title, xlabel="step")
_ = axes[1].legend(fontsize=8, loc="lower left")


# %%
def at(name, step):
    """Hill exponent of a long run at a step."""
    trained = LONG[name]
    return tracked(trained)[3][0, trained.probes.index(step)]


if original and n_long >= 1000:
    claim("kothapalli-C14a", at("Adam, η = 0.1", 100))
    claim("kothapalli-C14b", at("Adam, η = 0.1", 1000))
    claim("kothapalli-C14d", at("Adam, η = 0.01", n_long), note=f"{n_long} steps")
    last = abs(at("Adam, η = 1", n_long) - at("Adam, η = 1", 50))
    claim("kothapalli-C14e", last, note=f"{n_long} steps")
    end = LONG["GD, η = d"].probes[-1]
    still = abs(at("GD, η = 2d", end) - at("GD, η = 2d", 10))
    claim("kothapalli-C15a", still, note=f"{end} steps")
    claim("kothapalli-C15b", LONG["GD, η = d"].singular_values[0, -1, 0] / edge)
if original and n_long >= 10000:
    claim("kothapalli-C14c", at("Adam, η = 0.1", 10000))
chosen = [m for m in (0, 10, 50, 100, 1000, 10000) if m <= n_long]
rows = {
    name: {f"step {m}": at(name, m) for m in chosen if m in trained.probes}
    for name, trained in LONG.items()
}
pd.DataFrame.from_dict(rows, orient="index").map(lambda v: f"{v:.3f}" if v == v else "")

# %% [markdown]
# Adam with $\eta=1$ has its tail after fifty steps and keeps it for thousands of steps. Gradient descent stops when the training loss is gone, with whatever spectrum it has then.
# Adam does not stop for good: its running mean of squares decays once gradients are small, so its steps do not become small, and the training loss jumps up again. With $\eta=0.1$ such bursts lower the exponent. An independent program finds the exponent 2.16 after 10,000 steps, and the alignment with the teacher lost by then. The profiles with longer runs measure it too. The clock {eq}`eq-absorb-clock` allowed a tail after some ten steps. What there is of a tail comes a thousand times later, so nearly all of these steps cancel.
#
# ## Two exponents, one spectrum
#
# The second exponent of the paper is the one of {cite:t}`clauset2009power`. For each $\lambda_{\min}$ among the data the exponent of the values above it is fitted by maximum likelihood, and the $\lambda_{\min}$ with the least Kolmogorov-Smirnov distance is kept. `esd.fit_power_law` does this exactly, and skips those starts that a bound rules out.

# %%
rows = {}
for name, trained in small.items():
    for t in (0, 1, 10):
        if t == 0 and name != "Adam, η = 1":
            continue
        values = trained.singular_values[:, t] ** 2
        fits = [esd.fit_power_law(v) for v in values]
        label = "random weights" if t == 0 else f"{name}, step {t}"
        rows[label] = np.array(
            [
                [esd.hill(v), f.alpha, f.n_tail / dim]
                for v, f in zip(values, fits, strict=True)
            ]
        )
start, end = rows["random weights"], rows["Adam, η = 1, step 10"]
spread = start.std(axis=0, ddof=1) / start.mean(axis=0)
claim("kothapalli-C24a", spread[1] / spread[0], note=f"{n_seeds} draws")
fall = start[:, 1] - end[:, 1]
claim("kothapalli-C24b", fall.mean() / stats.sem(fall), note=f"{n_seeds} draws")
if original:
    claim("kothapalli-C24c", abs(in_errors(start[:, 1], 8.7, 12)))
pd.DataFrame({
    "Hill": {k: f"{v[:, 0].mean():.3f} ± {v[:, 0].std(ddof=1):.3f}" for k, v in rows.items()},
    "KS exponent": {k: f"{v[:, 1].mean():.2f} ± {v[:, 1].std(ddof=1):.2f}" for k, v in rows.items()},
    "range": {k: f"{v[:, 1].min():.1f} to {v[:, 1].max():.1f}" for k, v in rows.items()},
    "share of the eigenvalues": {k: f"{v[:, 2].mean():.2f}" for k, v in rows.items()},
})  # fmt: skip

# %% [markdown]
# The table gives means and standard deviations over draws of the problem. The last column is the share of the eigenvalues that the fitted power law covers.
#
# The Hill exponent hardly varies between draws. The other one varies by a factor of several, for random weights, which have no power law at all: above a start near the edge few values are left, and over so short a range any density passes for a power law. The distance there is the noise of few values, and which start wins is chance.
# On the average it falls with training. A single value of it says little, and it does not say whether a power law holds. Use the Hill exponent to compare spectra of one shape, and call neither an exponent of a power law before the distance is tested.
#
# ## What did not reproduce
#
# The paper's observations on spectra hold here, over many draws.
# Six points need care.
#
# - *The spike is absorbed*: in the small network, and with $n=8d$, yes. At $d=1000$ with $n=2d$ an independent program finds $s_1/s_2=1.72$ after ten steps, where it still stands out. Ours gives {claim}`kothapalli-C13e`.
# - *Gradient descent with $\eta=d$ stays at the edge of noise*: nearly. In our long run $s_1$ ends a little above the bound that we had set, see {claim}`kothapalli-C15b`. With $n=2d$ this $\eta$ lies above $\eta_s$, so the linearised student is not stable there.
# - *Heavy tails emerge at small learning rates after many steps*: slowly, and after the training loss is gone. What drives them then is the normalisation of Adam, and the alignment is lost on the way.
# - *The tail of Adam with $\eta=1$ is frozen* once the training loss is gone: for some 7000 steps. In our runs of 10,000, in single and in double precision, a late burst moves this spectrum too, and its tail gets lighter.
# - *The exponent of {cite:t}`clauset2009power`* scatters so much that one run shows nothing.
# - *Heavy-tailed* is a name. In {numref}`fig-absorb-steps` the whole bulk moves and widens, and it ends at an edge. Our rule needs a threshold to use it, and the fitted power laws cover a part of the spectrum only.
#
# No loss was measured in this chapter. Whether a heavy tail is good or bad for the test error depends on how the error is evaluated: {doc}`chapter 18 <18_what_shapes_the_tail>`.
#
# ## Exercises
#
# :::{exercise}
# :label: ex-absorb-stable-rank
#
# What is the stable rank of random weights? Which part of it is left after an update with an outlier $s_1=10(\sqrt h+\sqrt d)$ that leaves the rest alone?
# :::
#
# :::{solution} ex-absorb-stable-rank
# :class: dropdown
#
# $\lVert W\rVert_F^2\simeq hd$ and $\lVert W\rVert_2\simeq\sqrt h+\sqrt d$, so it is $\frac{hd}{(\sqrt h+\sqrt d)^2}$: 60.6 for $h=300$, $d=200$. With the outlier $\lVert W\rVert_F^2$ is $hd+100(\sqrt h+\sqrt d)^2$, and the stable rank is $1+\frac1{100}\cdot60.6=1.6$. One singular value ruins the stable rank. The Hill exponent falls by less than 0.1: of its $m=100$ logarithms one grows by about $\log100$.
#
# ```python
# s = np.linalg.svd(np.random.default_rng(0).standard_normal((300, 200)), compute_uv=False)
# print(esd.stable_rank(s**2), esd.hill(s**2))
# s[0] = 10 * (300**0.5 + 200**0.5)
# print(esd.stable_rank(s**2), esd.hill(s**2))
# ```
# :::
#
# :::{exercise}
# :label: ex-absorb-thin
#
# Show that $\alpha_0(c)\simeq1+\frac{3\pi}{8\sqrt c}$ for $c\to0$. So thin random matrices have light tails by this measure, without any training.
# :::
#
# :::{solution} ex-absorb-thin
# :class: dropdown
#
# For small $c$, $x=1+2\sqrt c\cos t+O(c)$ with the density $\frac2\pi\sin^2t$. The median is at $t=\frac\pi2$ to leading order, and $\log\frac x{x_m}\simeq2\sqrt c\cos t$. Given $t<\frac\pi2$ its mean is $2\sqrt c\cdot2\int_0^{\pi/2}\frac2\pi\sin^2t\cos t\,dt=\frac{8\sqrt c}{3\pi}$. At $c=0.1$ this gives 4.73.
#
# ```python
# print(esd.marchenko_pastur(0.1).hill(), 1 + 3 * np.pi / (8 * 0.1**0.5))
# ```
# :::
#
# :::{exercise}
# :label: ex-absorb-rank
#
# {prf:ref}`prop-absorb-update` (2) bounds the change of a distribution function by $\frac rk$. Give a $W$ and an $M$ of rank 1 with equality. And what share of the eigenvalues, the largest ones, must an update multiply by $e^2$ for the Hill exponent to fall from $\alpha_0$ by 0.3, if it leaves the rest alone?
# :::
#
# :::{solution} ex-absorb-rank
# :class: dropdown
#
# $W=I$ and $M=e_1e_1^T$: one of $k$ singular values moves from 1 to 2.
#
# The mean of the logarithms in {eq}`eq-absorb-hill` is $\frac1{\alpha_{\mathrm H}-1}$. It must grow from $\frac1{\alpha_0-1}$ to $\frac1{\alpha_0-1.3}$. If a share $p$ of all eigenvalues, the largest ones, is multiplied by $e^2$, the mean over the upper half grows by $2\cdot2p$. At $\alpha_0=2.449$ this is $0.870-0.690=0.180$, so $p=0.045$. One spike has a share of $\frac1k$.
# :::
#
# ## Further reading
#
# {cite:t}`martin2021implicit` introduced the phases of spectra and their exponents, for networks trained with noise. {cite:t}`clauset2009power` is the standard reference for fitting power laws, and `powerlaw` {cite:p}`alstott2014powerlaw` its common implementation.
# {cite:t}`ba2022high` analyse the spike of one step of gradient descent, {cite:t}`wang2023spectral` the bulk at small and large learning rates.
