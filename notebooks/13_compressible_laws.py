# %% [markdown]
# # Compressible laws
#
# When can most of a vector be dropped?
# {cite:t}`barsbey2021heavy` and {cite:t}`wan2023implicit` answer with the tail index: if the entries of a long vector are independent and their law has a heavy tail, a small share of them carries almost all of its norm.
# This chapter proves it for entries, with the rate and its constant. Columns and singular values follow from there.
# The rate decides what the theory is worth for a network. So we ask how many entries it takes, what happens when they depend on each other, and what a bound on the risk gains.

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
n_large: int = 1000000  # entries of the longest vectors; in [10000, 100000000]
n_vectors: int = 16  # vectors of that length, more of shorter ones; in [2, 1000]
n_side: int = 500  # rows and columns of a synthetic layer; in [50, 2000]
n_layers: int = 24  # synthetic layers for each tail index; in [2, 1000]
n_matrices: int = 100  # matrices behind each median error; in [4, 10000]
max_width: int = 256  # of these matrices; in [32, 2048]
n_units: int = 2000  # units that get noise, and five times as many; in [200, 100000]
n_inputs: int = 140  # inputs of a unit; in [2, 4000]
n_noises: int = 40  # draws of the noise; in [2, 1000]
dataset: str = "digits"  # data of the network; one of digits, mnist
n_train: int = 1400  # training samples; in [100, 50000]
depth: int = 2  # hidden layers; in [1, 8]
width: int = 256  # units of a hidden layer; in [16, 2048]
learning_rate: float = 0.1  # of the network; in [0.001, 1]
batch_size: int = 10  # of the network; in [1, 1000]
n_steps: int = 1000  # SGD steps of the network; in [1, 100000]
seed: int = 0  # of all draws; in [0, 1000000]

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import optimize, stats

from lib import datasets, networks, pruning, stable, stable_moments, stopping, training
from lib.book import claim, figures, record

figures.use()
rng = np.random.default_rng(seed)

# %% [markdown]
# ## What is left out
#
# Keep the $k$ largest of the $n$ entries of $x$, by absolute value, and set the others to zero.
# Of all vectors with at most $k$ nonzero entries the result $x^{(k)}$ is the nearest to $x$, in every norm $\lVert x\rVert_p=(\sum_i|x_i|^p)^{1/p}$.
#
# :::{prf:definition} Best $k$-term error
# :label: def-compressible-error
#
# With the entries in descending order, $|x|_{(1)}\ge|x|_{(2)}\ge\dots$, the relative error of the best $k$ terms is
#
# $$
# \bar\sigma_k(x)_p=\frac{\lVert x-x^{(k)}\rVert_p}{\lVert x\rVert_p}=\bigg(\frac{\sum_{i>k}|x|_{(i)}^p}{\sum_i|x_i|^p}\bigg)^{1/p} .
# $$ (eq-compressible-error)
# :::
#
# We write $\kappa=k/n$ for the share that is kept. The *pruning ratio* is $1-\kappa$, and $\epsilon$ is a relative error.
# Most of the time $p=2$.
# `pruning.best_k_term_error` sorts once and serves all $k$; `pruning.removable` reads the same sums backwards and tells how many entries may go at an error $\epsilon$.
#
# Vectors of three light-tailed laws and of four stable laws show what is at stake.
# Stable laws of index $\alpha$ are those of {doc}`chapter 11 <11_stable_laws>`. As in both papers, $\alpha$ is the tail index in Part III, and the learning rate is $\eta$.

# %% mystnb={"figure": {"caption": "Relative error of the best $k$ terms against the share kept, for one vector of each law. Left: three light tails (lines) on their limits (dashes). Right: four stable laws, a short vector (thin) and a long one (thick) of each. For $\\alpha=2$ the two agree. For $\\alpha<2$ the error falls with the length.", "name": "fig-compressible-error"}, "image": {"alt": "Two panels of falling curves. Left: three curves, uniform highest, then Gaussian, then Laplace, each on a dashed line. Right: pairs of curves that are lower the smaller alpha is, with the thick curve of each pair below the thin one except for alpha = 2."}}
kappas = np.linspace(0, 1, 101)
n_short, n_long = n_large // 1000, n_large
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.2), sharey=True)
light = {
    "uniform": stats.uniform(-1, 2),
    "gaussian": stats.norm,
    "laplace": stats.laplace,
}
for name, law in light.items():
    x = law.rvs(size=10000, random_state=rng)
    kept = (kappas * 10000).astype(int)
    left.plot(kappas, pruning.best_k_term_error(x, kept), label=name)
    left.plot(kappas, pruning.limit_error(name, kappas), "--", color=figures.INK, lw=1)
for alpha, color in zip([2, 1.75, 1.5, 1.0], figures.ramp(4), strict=True):
    for n, lw in [(n_short, 0.9), (n_long, 2.2)]:
        x = stable.sample(alpha, n, rng=rng)
        kept = (kappas * n).astype(int)
        label = rf"$\alpha={alpha:g}$" if n == n_long else None
        right.plot(
            kappas, pruning.best_k_term_error(x, kept), color=color, lw=lw, label=label
        )
left.set(xlabel=r"share kept $\kappa$", ylabel="relative error", title="light tails")
right.set(xlabel=r"share kept $\kappa$", title="stable laws")
left.legend()
_ = right.legend()

# %% [markdown]
# ## A dichotomy
#
# Draw more and more independent entries from one law, and always keep the same share.
# {cite:t}`gribonval2012compressible` found that one moment decides whether the error tends to zero. A law for which it does, whatever share is kept, is *compressible* in $\ell_p$.
#
# :::{prf:theorem} Compressible or not
# :label: thm-compressible-dichotomy
#
# Let $X_1,X_2,\dots$ be independent with the law of $X$. For $0<\kappa<1$ let $t_\kappa$ be the only number with $P(|X|>t_\kappa)=\kappa$, and let $P(|X|=t_\kappa)=0$. Then, almost surely as $n\to\infty$,
#
# $$
# \bar\sigma_{\lceil\kappa n\rceil}(X_1,\dots,X_n)_p^p\ \to\ G_p(\kappa)=\frac{\mathbb E\big[|X|^p;\,|X|\le t_\kappa\big]}{\mathbb E|X|^p}
# $$ (eq-compressible-limit)
#
# if $\mathbb E|X|^p<\infty$, and the error tends to 0 if $\mathbb E|X|^p=\infty$.
# :::
#
# :::{prf:proof}
# Let $k=\lceil\kappa n\rceil$ and $0<\theta<t_\kappa$.
# By the law of large numbers the share of sizes $|X_i|$ above $t_\kappa+\theta$ tends to a number below $\kappa$, since $t_\kappa$ is the only one of its kind, and the share above $t_\kappa-\theta$ to a number above $\kappa$.
# So from some $n$ on the $k$-th largest size lies between $t_\kappa-\theta$ and $t_\kappa+\theta$, and
#
# $$
# \frac1n\sum_{i\le n}|X_i|^p\,1_{|X_i|\le t_\kappa-\theta}\ \le\ \frac1n\sum_{i>k}|X|_{(i)}^p\ \le\ \frac1n\sum_{i\le n}|X_i|^p\,1_{|X_i|\le t_\kappa+\theta} .
# $$
#
# Both ends are means of bounded numbers. They tend to $\mathbb E[|X|^p;|X|\le t_\kappa\mp\theta]$, and these to $\mathbb E[|X|^p;|X|\le t_\kappa]$ for $\theta\to0$, since $|X|=t_\kappa$ has probability 0.
# So the numerator of $\bar\sigma^p$, divided by $n$, has a finite limit in any case.
# The denominator divided by $n$ tends to $\mathbb E|X|^p$, finite or not: for an infinite mean apply the law of large numbers to $\min(|X|^p,M)$ and let $M\to\infty$.
# :::
#
# A stable law of index $\alpha<2$ has $\mathbb E|X|^p=\infty$ exactly for $p\ge\alpha$.
# Long stable vectors can be pruned in $\ell_2$, whatever the index below 2. In $\ell_p$ with $p<\alpha$ they cannot.
#
# :::{admonition} Takeaway
# :class: tip
# A law is compressible in $\ell_p$ when $\mathbb E|X|^p=\infty$, and only then. In $\ell_2$: when the variance is infinite.
# :::
#
# ### Three constants
#
# Light tails have a positive limit, and it is useful, because weights start from light tails. Let $p=2$.
#
# *Uniform on $(-1,1)$.* $t_\kappa=1-\kappa$ and $\mathbb E[X^2;|X|\le t]=\frac13t^3$, so $G_2=(1-\kappa)^3$. The pruning ratio at the error $\epsilon$ is $\epsilon^{2/3}$.
#
# *Gaussian.* Let $Z$ be standard normal. $x^2$ times the density of $|Z|$ is the density of the square root of a $\chi^2_3$ number, and $Z^2$ is a $\chi^2_1$ number. So $G_2=P(\chi^2_3\le t_\kappa^2)$, and the pruning ratio is $P(\chi^2_1\le q)$ with $P(\chi^2_3\le q)=\epsilon^2$.
#
# *Laplace.* $|X|$ is exponential, $t_\kappa=-\log\kappa$, and $G_2=\frac12\int_0^{t_\kappa}x^2e^{-x}dx$, an incomplete gamma function.

# %%
rows = {}
for name, law in light.items():
    x = law.rvs(size=n_large, random_state=rng)
    simulated = pruning.removable(x, 0.1) / n_large
    rows[name] = pruning.pruning_ratio(name, 0.1), simulated
x = rng.standard_normal(n_large)
claim("barsbey-C5", pruning.best_k_term_error(x, n_large // 10), note=f"n = {n_large}")
for letter, name in zip("abc", light, strict=True):
    claim(f"barsbey-C7{letter}", rows[name][0])
columns = ["pruning ratio at error 0.1", f"of {n_large} numbers"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(4)

# %% [markdown]
# These values are landmarks.
# A linear layer starts uniform in most programs, and a convolution of the first paper starts Gaussian.
# A layer whose pruning ratio at 10 % error is 0.215 or 0.265 is at its initialisation, as far as this diagnostic can see.
#
# ## How long must the vector be?
#
# The theorem says that the error vanishes. It does not say when.
#
# :::{prf:theorem} Rate
# :label: thm-compressible-rate
#
# Let $P(|X|>x)\simeq c\,x^{-\alpha}$ with $0<\alpha<p$, let $t_\kappa$ be as in {prf:ref}`thm-compressible-dichotomy`, and $m_\kappa=\mathbb E[|X|^p;|X|\le t_\kappa]$. Then, in distribution,
#
# $$
# n^{\frac1\alpha-\frac1p}\,\bar\sigma_{\lceil\kappa n\rceil}(X_1,\dots,X_n)_p\ \to\ \Big(\frac{m_\kappa}S\Big)^{1/p} ,
# $$ (eq-compressible-rate)
#
# where $S>0$ is positive stable of index $a=\alpha/p$, with $\mathbb Ee^{-sS}=\exp(-c\,\Gamma(1-a)\,s^a)$.
# :::
#
# :::{prf:proof}
# Let $Y=|X|^p$, so $P(Y>y)\simeq cy^{-a}$ and $a<1$. We first show that $n^{-1/a}(Y_1+\dots+Y_n)\to S$ in distribution.
# For $s>0$ integration by parts and $y=n^{1/a}u$ give
#
# $$
# \mathbb E\,e^{-sn^{-1/a}Y}=1-\frac1n\int_0^\infty s\,e^{-su}\;nP\big(Y>n^{1/a}u\big)\,du .
# $$
#
# At fixed $u$ the factor $nP(Y>n^{1/a}u)$ tends to $cu^{-a}$. It is at most a constant times $u^{-a}$, because $y^aP(Y>y)$ is bounded. Since $a<1$, dominated convergence applies, and the integral tends to $cs\int_0^\infty e^{-su}u^{-a}du=c\,\Gamma(1-a)\,s^a$.
# The $n$-th power of the left side tends to $\exp(-c\,\Gamma(1-a)s^a)$, the Laplace transform of $S$. It tends to 0 for $s\to\infty$, so $S>0$.
#
# The numerator of $\bar\sigma^p$ over $n$ tends to $m_\kappa$, by the proof of {prf:ref}`thm-compressible-dichotomy`.
# So $n^{1/a-1}\bar\sigma^p$ is a quotient whose upper part tends to the constant $m_\kappa$ and whose lower part tends to $S$ in distribution. Take the $p$-th root.
# :::
#
# For stable entries everything in {eq}`eq-compressible-rate` can be computed: $c$ is the tail constant, $m_\kappa$ an integral, and the median of $S$ follows from Kanter's formula in {doc}`chapter 11 <11_stable_laws>`. `pruning.median_error` returns the median of the right side times $n^{1/p-1/\alpha}$.
# We compare it with simulated vectors.

# %%
alphas = [1.0, 1.25, 1.5, 1.75, 2.0]
sizes = np.unique(np.geomspace(1000, n_large, 4).astype(int))
repeats = np.clip(n_vectors * (n_large // sizes), n_vectors, 25 * n_vectors)
errors = {
    (alpha, n): np.concatenate([
        pruning.best_k_term_error(stable.sample(alpha, (1, n), rng=rng), n // 10)
        for _ in range(times)
    ])
    for alpha in alphas
    for n, times in zip(sizes, repeats, strict=True)
}  # fmt: skip

# %% mystnb={"figure": {"caption": "Error at $\\kappa=0.1$ against the length of the vector. Dots: medians of simulated stable vectors, with bars from the lower to the upper quartile. Lines: {eq}`eq-compressible-rate` for the median, nothing fitted; for $\\alpha=2$ the limit {eq}`eq-compressible-limit`.", "name": "fig-compressible-rate"}, "image": {"alt": "Log-log plot with five sets of dots on five lines. The line of alpha = 2 is level at 0.75; the smaller alpha, the steeper the line."}}
fig, ax = plt.subplots(figsize=(figures.WIDTH, 3.7))
for alpha, color in zip(alphas, figures.ramp(5)[::-1], strict=True):
    low, mid, high = np.array(
        [np.quantile(errors[alpha, n], [0.25, 0.5, 0.75]) for n in sizes]
    ).T
    ax.errorbar(sizes, mid, [mid - low, high - mid], fmt="o", color=color, lw=1)
    law = np.full(len(sizes), pruning.limit_error("gaussian", 0.1))
    law = pruning.median_error(sizes, 0.1, alpha) if alpha < 2 else law
    ax.plot(sizes, law, color=color, lw=1.2)
    ax.text(sizes[-1] * 1.25, law[-1], rf"$\alpha={alpha:g}$", color=color, va="center")
_ = ax.set(xscale="log", yscale="log", xlabel="entries $n$", ylabel="relative error")

# %%
for letter, alpha in zip("abcde", alphas, strict=True):
    medians = [np.median(errors[alpha, n]) for n in sizes]
    slope = np.polyfit(np.log(sizes), np.log(medians), 1)[0]
    claim(f"barsbey-C4{letter}", slope, note=f"n = {sizes[0]} to {sizes[-1]}")


def spread(values):
    """Standard deviation of a normal law with the same quartiles."""
    return np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.349


off, error = [], []
for alpha in alphas[:4]:
    logs = [np.log(errors[alpha, n]) for n in sizes]
    off += [
        [np.median(v) for v in logs] - np.log(pruning.median_error(sizes, 0.1, alpha))
    ]
    one = np.median([spread(v) for v in logs])  # in the limit the same at all lengths
    error += [[1.25 * one / np.sqrt(len(v)) for v in logs]]
off, error = np.array(off), np.array(error)
claim("barsbey-C4f", np.abs(off / error).max(), note=f"{off.size} medians")
cells = [
    [f"{o:.3f} ± {e:.3f}" for o, e in zip(*rows, strict=True)]
    for rows in zip(off, error, strict=True)
]
pd.DataFrame(cells, alphas[:4], [f"n = {n}" for n in sizes]).rename_axis("α")

# %% [markdown]
# The table holds the logarithm of each median over its prediction, with a standard error.
# The prediction holds with its constant, within the scatter of the draws.
#
# Now read it for the tail indices that are found in networks, mostly above 1.7.
# The error is multiplied by $2^{1/2-1/\alpha}$ when the number of entries doubles.

# %%
index = [1.0, 1.25, 1.5, 1.75, 1.9, 1.95]
rates = pd.DataFrame({"exponent": pruning.rate(index)}, index=index)
rates["entries × to halve the error"] = 2.0 ** (-1 / rates.exponent)
lengths = np.array([10**4, 10**6, 10**8])
columns = [f"error at n = {n:.0e}" for n in lengths]
rates[columns] = [pruning.median_error(lengths, 0.1, alpha) for alpha in index]
rates.rename_axis("α").map("{:.3g}".format)

# %% [markdown]
# At $\alpha=1.75$, half the error takes $2^{14}$ times as many entries. At $\alpha=1.9$ it takes $2^{38}$ times as many.
# Gaussian entries have the error 0.749 at all these lengths. At $\alpha=1.95$ the error goes from 0.70 to 0.62 while the vector grows from ten thousand entries to a hundred million.
# At these indices the constant decides, not the length. The constant depends on the whole law: $m_\kappa$ on its centre, $S$ on its tail. Two laws of one tail index can differ much.
#
# :::{admonition} Takeaway
# :class: tip
# The error falls like $n^{1/2-1/\alpha}$. For $\alpha$ near 2 length hardly helps: at as many entries as a layer has, the error is far from its limit, zero.
# :::
#
# ## What must be independent
#
# The weights of a layer are a matrix. Three laws have the same marginal law of a single entry:
#
# - *entrywise*: all $hm$ entries independent;
# - *columnwise*: $m$ independent columns $R_jG_j$, each a Gaussian vector $G_j\in\mathbb R^h$ times a random size $R_j$;
# - *layerwise*: one vector $RG$ with $G\in\mathbb R^{hm}$ and a single size $R$.
#
# The $R_j$ are independent of each other and of the $G_j$, and $R$ of $G$. Entries of $G$ and $G_j$ are independent and standard normal.
# With $R^2=2A$ and $A$ positive stable of index $\alpha/2$, and each $R_j$ like $R$, entries are stable of index $\alpha$ in all three cases.
#
# :::{prf:proposition} Which number counts
# :label: prop-compressible-dependence
#
# Let $0<\alpha<2$ and $p=2$, and let $g_\alpha=\mathbb E|Z|^\alpha$ for a standard normal $Z$.
#
# 1. A layerwise vector has the error of the Gaussian vector $G$, whatever $R$ is. The error does not vanish for $hm\to\infty$.
# 2. For columnwise vectors of height $h$ the error at $\kappa$ is close in distribution to $m^{\frac12-\frac1\alpha}\,g_\alpha^{1/\alpha}\,(m_\kappa/S)^{1/2}$, for $m\to\infty$ and then $h\to\infty$, with $m_\kappa$ and $S$ of {prf:ref}`thm-compressible-rate`.
#
# So columns count, not entries: $n$ becomes $m$.
# :::
#
# :::{prf:proof}
# *First part.* $R$ cancels in {eq}`eq-compressible-error`.
#
# *Second part.* Let $h$ be fixed. The share of entries above $t$ is a mean over $m$ independent columns, and so is the sum of squares below $t$, divided by $hm$. Both obey the law of large numbers, and as before the numerator over $hm$ tends to $m_\kappa$.
# The denominator over $h$ is $\sum_jT_j$ with $T_j=R_j^2\chi_j/h$ and independent $\chi_j\sim\chi^2_h$.
# Let $P(R^2>y)\simeq c'y^{-a}$, $a=\frac\alpha2$. Given a factor $V>0$ independent of $R$, $y^aP(R^2V>y)=\mathbb E[y^aP(R^2>y/V)]\to c'\,\mathbb EV^a$ by dominated convergence.
# For $V=Z^2$ this is the tail of one squared entry, so $c=c'g_\alpha$. For $V=\chi_j/h$ it is the tail of $T_j$, with $\mathbb EV^a\to1$ for $h\to\infty$.
# By the first part of the proof of {prf:ref}`thm-compressible-rate`, $m^{-1/a}\sum_jT_j$ tends to a stable number with $c'\,\mathbb EV^a$ in place of $c$, that is to $S\,(\mathbb EV^a/g_\alpha)^{1/a}$.
# Insert both parts, with $g_\alpha^{1/(2a)}=g_\alpha^{1/\alpha}$.
# :::
#
# {cite:t}`barsbey2021heavy` publish a synthetic study of this: layers of $500\times500$ entries, of all three kinds, and their pruning ratio at 10 % error. We repeat it at six indices, with the predictions of {prf:ref}`thm-compressible-rate` and {prf:ref}`prop-compressible-dependence`: the pruning ratio at which the predicted median error is 0.1.

# %%
layer_alphas = [1.75, 1.8, 1.85, 1.9, 1.95, 1.99]
n_entries = n_side**2


def layers(alpha, columns, rows):
    """Pruning ratios at error 0.1 of layers with independent columns of a given height."""
    for _ in range(n_layers):
        x = stable.sample_isotropic(alpha, columns, rows, rng=rng)
        yield pruning.removable(x.ravel(), 0.1) / x.size


ratios = {
    name: np.array([list(layers(alpha, *shape)) for alpha in layer_alphas])
    for name, shape in {
        "entrywise": (n_entries, 1),
        "columnwise": (n_side, n_side),
        "layerwise": (1, n_entries),
    }.items()
}


def predicted(alpha, n, factor=1.0):
    """The pruning ratio at which the law of the rate has the median error 0.1."""
    median = factor * pruning.median_error(n, 0.1, alpha)
    lost = stable_moments.truncated(alpha, 2, stable_moments.threshold(alpha, 0.1))
    allowed = lost * (0.1 / median) ** 2  # the squared error is in proportion to m
    log_t = optimize.brentq(
        lambda s: stable_moments.truncated(alpha, 2, np.exp(s)) - allowed,
        -9,
        9,
        xtol=1e-6,
    )
    return 1 - stable_moments.survival(alpha, np.exp(log_t))


# %% mystnb={"figure": {"caption": "Pruning ratio at 10 % error of synthetic layers against their tail index: single layers (dots), medians (circles), and predictions without fit (lines). Dots above 0.62 are cut off. For one vector of random size the ratio is that of Gaussian numbers, 0.265, whatever $\\alpha$ is.", "name": "fig-compressible-layers"}, "image": {"alt": "Three panels that share axes. Left: circles that fall from about 0.43 to 0.27 as alpha grows, along a line, with single dots far above. Middle: the same from 0.34. Right: all at 0.265."}}
columnwise = stable.moment(layer_alphas, 2.0) ** (1 / np.array(layer_alphas)) / 2**0.5
lines = {
    "entrywise": [predicted(alpha, n_entries) for alpha in layer_alphas],
    "columnwise": [
        predicted(alpha, n_side, factor)  # factor: g ** (1 / alpha)
        for alpha, factor in zip(layer_alphas, columnwise, strict=True)
    ],
    "layerwise": [pruning.pruning_ratio("gaussian", 0.1)] * 6,
}
fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 3.1), sharey=True)
for ax, (name, found), color in zip(
    axes, ratios.items(), figures.PALETTE, strict=False
):
    ax.plot(np.repeat(layer_alphas, n_layers), found.ravel(), ".", color=color, ms=3)
    ax.plot(layer_alphas, np.median(found, 1), "o", mfc="none", color=color, ms=8)
    ax.plot(layer_alphas, lines[name], color=figures.INK, lw=1.2)
    ax.set(xlabel=r"tail index $\alpha$", title=name, ylim=(0.24, 0.62))
_ = axes[0].set(ylabel="pruning ratio")

# %%
medians = {name: np.median(found, axis=1) for name, found in ratios.items()}
earlier = {  # medians of another program, 8 layers each
    "entrywise": [0.419, 0.379, 0.369, 0.326, 0.288, 0.269],
    "columnwise": [0.331, 0.315, 0.302, 0.287, 0.272, 0.266],
}
table = pd.DataFrame(index=pd.Index(layer_alphas, name="α"))
for letter, (name, theirs) in zip("ab", earlier.items(), strict=True):
    one = 1.25 * np.array([spread(found) for found in ratios[name]])
    error = one * np.sqrt(1 / 8 + 1 / n_layers) + 0.0005  # and rounding
    claim(f"barsbey-C6{letter}", np.abs((medians[name] - theirs) / error).max())
    table[[name, f"{name}, earlier"]] = np.column_stack([medians[name], theirs])
    table[f"{name}, predicted"] = lines[name]
level = pruning.pruning_ratio("gaussian", 0.1)
claim("barsbey-C6c", np.abs(medians["layerwise"] - level).max())
claim("barsbey-C6d", stats.spearmanr(layer_alphas, medians["entrywise"])[0])
table.T.round(3)

# %% [markdown]
# The order of the three is that of the independent parts: $hm$, $m$, and one.
# The predictions carry over to the pruning ratio, even at indices close to 2.
#
# For trained networks this means that the tail index of a layer and its pruning ratio are two different things.
# An index says how single weights are spread. The ratio also needs many independent ones.
#
# ## Columns and singular values
#
# Pruning single weights saves little time on most machines. Two coarser ways save more. Let $W$ have $h$ rows and $m$ columns.
#
# - *Node pruning* keeps the $k$ columns of largest Euclidean norm.
# - *Singular value pruning* keeps the $k$ largest singular values.
#
# Both errors are best $k$-term errors, of the column norms and of the singular values. {prf:ref}`def-compressible-error` serves all three methods.
#
# :::{prf:proposition} Order of the methods
# :label: prop-compressible-order
#
# For every matrix, and errors in the Frobenius norm relative to $\lVert W\rVert_F$: with $k$ columns, $kh$ entries, and $k$ singular values kept,
#
# $$
# \begin{aligned}
# \mathrm{err}_{\mathrm{mag}}(kh)&\le\mathrm{err}_{\mathrm{node}}(k),\\
# \mathrm{err}_{\mathrm{SVD}}(k)&\le\mathrm{err}_{\mathrm{node}}(k),\qquad\mathrm{err}_{\mathrm{SVD}}(k)\le\mathrm{err}_{\mathrm{mag}}(k) .
# \end{aligned}
# $$
# :::
#
# :::{prf:proof}
# Keeping $k$ columns keeps a choice of $kh$ entries, and the best $kh$ terms are the best choice. This is the first inequality.
# What is kept, $k$ columns or $k$ single entries, is a matrix of rank at most $k$. No such matrix is nearer to $W$ than the one of the $k$ largest singular values {cite:p}`eckart1936approximation`. These are the other two.
# :::
#
# The methods do not store equally much: $kh$ numbers for nodes, $k(h+m)$ for singular values. Rank $k$ saves something only below $\frac{hm}{h+m}$.
#
# :::{prf:corollary} Wide layers
# :label: cor-compressible-wide
#
# Let the columns $W_{\cdot j}$ be independent with one law, and let $P(\lVert W_{\cdot j}\rVert>x)\simeq c\,x^{-\alpha}$ with $0<\alpha<2$. For the law of their norms let $t_\kappa$ be as in {prf:ref}`thm-compressible-dichotomy`. Keep the share $\kappa$ of nodes, or of $m$ singular values. For $m\to\infty$ both errors tend to 0, and neither is of larger order than $m^{\frac12-\frac1\alpha}$.
# :::
#
# :::{prf:proof}
# The norms are independent numbers. {prf:ref}`thm-compressible-dichotomy` and {prf:ref}`thm-compressible-rate` apply to them, whatever the dependence inside a column is. Singular values follow by {prf:ref}`prop-compressible-order`.
# :::
#
# No random matrix theory was needed.
# For independent entries it would say more: the largest singular values of such matrices are close to the largest entries {cite:p}`soshnikov2004poisson,auffinger2009poisson`.
# Light tails are another matter. Long columns of independent light-tailed entries have norms that are all alike, and node pruning leaves the error $\sqrt{1-\kappa}$, the worst possible.

# %%
kept = 1 / 8


def three_errors(W):
    """Errors of magnitude, node and singular value pruning; W (..., h, m)."""
    h, m = W.shape[-2:]
    k = int(kept * m)
    entries = pruning.best_k_term_error(W.reshape(*W.shape[:-2], -1), k * h)
    nodes = pruning.best_k_term_error(np.linalg.norm(W, axis=-2), k)
    values = pruning.best_k_term_error(np.linalg.svd(W, compute_uv=False), k)
    return np.stack([entries, nodes, values])


def draw(kind, alpha, n, times):
    """Square matrices with independent entries, or independent columns."""
    if kind == "entries":
        return stable.sample(alpha, (times, n, n), rng=rng)
    columns = stable.sample_isotropic(alpha, times * n, n, rng=rng)
    return columns.reshape(times, n, n).swapaxes(1, 2)


widths = max_width // np.array([8, 4, 2, 1])
cases = [("entries", 1.0), ("entries", 1.5), ("columns", 1.0), ("columns", 1.5)]
found = {
    case: np.array([
        np.concatenate([three_errors(draw(*case, n, 1)) for _ in range(n_matrices)], 1)
        for n in widths
    ])
    for case in cases
}  # fmt: skip

# %% mystnb={"figure": {"caption": "Median errors of the three methods on square matrices, one eighth kept, against the width. Tail index 1 (thick) and 1.5 (thin). Dashes: slope $\\frac12-\\frac1\\alpha$. For independent entries magnitude pruning gains twice the exponent, because it has the square of the width to choose from.", "name": "fig-compressible-methods"}, "image": {"alt": "Two log-log panels, with falling lines for three methods and two indices, and dashed reference lines. In the left panel the magnitude lines are the steepest."}}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.4), sharey=True)
methods = ["magnitude", "node", "singular value"]
for (kind, alpha), errors_of in found.items():
    ax = axes[int(kind == "columns")]
    for i, method in enumerate(methods):
        style = dict(color=figures.PALETTE[i], lw=2.2 if alpha == 1 else 1)
        label = method if alpha == 1 else None
        ax.loglog(widths, np.median(errors_of[:, i], 1), "o-", label=label, **style)
    reference = (
        np.median(errors_of[0, 1]) * 1.3 * (widths / widths[0]) ** (0.5 - 1 / alpha)
    )
    ax.loglog(widths, reference, "--", color=figures.INK, lw=1)
    ax.set(xlabel="width", title=f"independent {kind}", xticks=widths)
    ax.set_xticklabels(widths)
    ax.minorticks_off()
axes[0].set(ylabel="relative error")
_ = axes[0].legend(loc="lower left")

# %%
measured = [("entries", 1.0, 2), ("entries", 1.5, 2), ("columns", 1.0, 1)]
measured += [("columns", 1.5, 1), ("columns", 1.0, 2), ("columns", 1.5, 2)]
for letter, (kind, alpha, method) in zip("abcdef", measured, strict=True):
    medians_of = np.median(found[kind, alpha][:, method], axis=1)
    slope = np.polyfit(np.log(widths), np.log(medians_of), 1)[0]
    claim(f"barsbey-C9{letter}", slope, note=f"{n_matrices} matrices a width")
violations = 0
all_found = [e[i] for e in found.values() for i in range(len(widths))]
for alpha in (1.0, 1.5, 1.9, 2.0):
    all_found += [three_errors(draw("entries", alpha, n, 2)) for n in widths[1:] * 2]
for mag, nodes, values in all_found:
    violations += (mag > nodes * (1 + 1e-12)).sum() + (
        values > nodes * (1 + 1e-12)
    ).sum()
claim("barsbey-C8", violations, note=f"{sum(e.shape[1] for e in all_found)} matrices")

# %% [markdown]
# In {cite:t}`wan2023implicit` the columns are the weights that enter one hidden unit.
# Node pruning sees their norms only, so we can go to many more units. For rotation-invariant columns $\lVert W_{\cdot j}\rVert^2=2A_j\chi_j$, where $\chi_j$ is a $\chi^2$ number with as many degrees of freedom as inputs.

# %%
unit_counts = np.geomspace(100, n_large // 20, 4).astype(int)
for letter, alpha in zip("abc", [1.2, 1.5, 1.75], strict=True):
    medians_of = []
    for n in unit_counts:
        size = (12 * n_vectors, n)
        squares = stable.sample_positive(alpha / 2, size, rng=rng)
        squares = squares * rng.chisquare(n_inputs, size)
        errors_of = pruning.best_k_term_error(np.sqrt(squares), n // 10)
        medians_of.append(np.median(errors_of))
    slope = np.polyfit(np.log(unit_counts), np.log(medians_of), 1)[0]
    claim(f"wan-C4{letter}", slope, note=f"n = {unit_counts[0]} to {unit_counts[-1]}")

# %% [markdown]
# ## Units made of noise
#
# {cite:t}`wan2023implicit` add stable noise to the weights of hidden units while they train, and measure the share of units that may go with a tenth of the *squared* norm, $\rho=0.1$, so $\epsilon=\sqrt{0.1}=0.316$.
# What does this number say if the weights are noise and nothing else?
# Each unit has $r$ inputs, and its vector $\xi$ is of one of three kinds ({doc}`chapter 11 <11_stable_laws>`): one number $\zeta$ copied to all inputs (I), independent numbers (II), or rotation-invariant (III).
#
# Begin with light tails, $\alpha=2$.
# The squared norm of kind I is $r$ times the square of one normal number. So the ratio is the pruning ratio of Gaussian numbers at $\epsilon=\sqrt{0.1}$, 0.555.
# Kinds II and III have squared norms close to a normal law of relative deviation $s=\sqrt{2/r}$.
# Divided by their mean they are $1+sZ$ with a standard normal $Z$ of density $\varphi$ and distribution function $\Phi$. If the share $u$ with the smallest norms goes, $Z\le z=\Phi^{-1}(u)$, it takes $\mathbb E[1+sZ;Z\le z]=u-s\,\varphi(z)$ of the sum along.
# So $u-s\,\varphi(\Phi^{-1}(u))=\rho$, and $u$ is little above $\rho$.
# The same formula with $s=\sqrt{0.8/r}$ holds for weights that start uniform.
#
# :::{prf:proposition} Kinds II and III are alike
# :label: prop-compressible-kinds
#
# Let $0<\alpha<2$. The squared norms of noise of kinds II and III with $r$ inputs have, up to a constant factor, the same limit in distribution for $r\to\infty$: the positive stable law of index $\alpha/2$. Of kind I they are $r$ times the square of one stable number, for every $r$.
# :::
#
# :::{prf:proof}
# Kind II: $\lVert\xi\rVert^2$ is a sum of $r$ independent squares with tail index $\frac\alpha2<1$. By the proof of {prf:ref}`thm-compressible-rate`, $r^{-2/\alpha}\lVert\xi\rVert^2$ tends to a positive stable number.
# Kind III: $\lVert\xi\rVert^2/r$ is $2A$ times a $\chi^2_r$ number over $r$, which tends to 1. Kind I: $\lVert\xi\rVert^2=r\,\zeta^2$.
# :::
#
# The pruning ratio does not see constant factors. So kinds II and III share it when a unit has many inputs. Kind I has its own, which starts from 0.555.

# %%
noise_alphas = [1.75, 1.8, 1.9, 2.0]


def noise_ratios(kind, alpha, n):
    for _ in range(n_noises):
        norms = np.linalg.norm(
            stable.noise(kind, alpha, (n, n_inputs), rng=rng), axis=1
        )
        yield pruning.removable(norms, energy=0.1) / n


noise = {
    (kind, alpha, n_units): np.array(list(noise_ratios(kind, alpha, n_units)))
    for kind in ("I", "II", "III")
    for alpha in noise_alphas
}
for alpha in noise_alphas[:3]:
    x = stable.sample(alpha, (n_noises, 5 * n_units), rng=rng)
    noise["I", alpha, 5 * n_units] = pruning.removable(x, energy=0.1) / (5 * n_units)

# %% mystnb={"figure": {"caption": "Share of units that a tenth of the squared norm removes when weights are noise of three kinds: quartiles and median (bars), single draws (dots). Dashes: the values for light tails, 0.555 for kind I and 0.123 for II and III. Kind I is far above the others before any tail is heavy.", "name": "fig-compressible-noise"}, "image": {"alt": "Three groups of dots over four tail indices. Kind I lies at 0.55 to 0.75, kinds II and III at 0.12 for alpha = 2 rising to 0.4 at 1.75 with a wide spread."}}
fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 3.1), sharey=True)
anchor = pruning.initial_node_ratio(0.1, n_inputs, "gaussian")
lights = [pruning.pruning_ratio("gaussian", np.sqrt(0.1)), anchor, anchor]
for ax, kind, base in zip(axes, ["I", "II", "III"], lights, strict=True):
    for i, alpha in enumerate(noise_alphas):
        r = noise[kind, alpha, n_units]
        ax.plot(
            i + rng.uniform(-0.2, 0.2, len(r)), r, ".", ms=3, color=figures.PALETTE[0]
        )
        ax.hlines(
            np.quantile(r, [0.25, 0.5, 0.75]), i - 0.3, i + 0.3, colors=figures.INK
        )
    ax.axhline(base, ls="--", color=figures.COLORS["red"], lw=1.2)
    ax.set(xticks=range(4), title=f"kind {kind}", xlabel=r"$\alpha$")
    ax.set_xticklabels(noise_alphas)
_ = axes[0].set(ylabel="pruning ratio", ylim=(0, 1))

# %%
earlier = {  # medians of another program, about 5 draws each
    ("I", n_units): [0.721, 0.681, 0.593],
    ("I", 5 * n_units): [0.751, 0.699, 0.631],
    ("II", n_units): [0.45, 0.31, 0.17],
    ("III", n_units): [0.38, 0.28, 0.18],
}
rows = {}
for letter, ((kind, n), theirs) in zip("abcd", earlier.items(), strict=True):
    draws = np.array([noise[kind, alpha, n] for alpha in noise_alphas[:3]])
    ours = np.median(draws, axis=1)
    one = 1.25 * np.array([spread(row) for row in draws])
    error = one * np.sqrt(1 / 5 + 1 / n_noises)
    claim(f"wan-C9{letter}", np.abs((ours - theirs) / error).max(), note=f"{n} units")
    rows[f"{kind}, {n} units"] = [
        f"{o:.3f} ({t:g})" for o, t in zip(ours, theirs, strict=True)
    ]
claim("wan-C9e", np.median(noise["I", 2.0, n_units]), note=f"{n_units} units")
columns = [f"α = {alpha}" for alpha in noise_alphas[:3]]
pd.DataFrame.from_dict(rows, orient="index", columns=columns)

# %% [markdown]
# The table holds medians, with earlier ones in brackets.
# There are two lessons for anyone who reads pruning ratios.
# A ratio of 0.5 under noise of kind I shows nothing about tails: one random number for each unit spreads the norms enough.
# And heavy-tailed ratios scatter. The quartiles of single draws lie far apart, so one seed is no measurement.
#
# ## Through the layers
#
# Small changes of the weights are no aim in themselves. The function should stay.
# Let $f_W(x)=W_D\,\phi(W_{D-1}\cdots\phi(W_1x))$ be a network of $D$ layers without biases. The activation $\phi$ acts on each coordinate, with $|\phi(s)-\phi(t)|\le|s-t|$ and $\phi(0)=0$.
#
# :::{prf:proposition} Change of the output
# :label: prop-compressible-perturbation
#
# Let $\hat W_l=W_l+\Delta_l$, and let $\lVert\cdot\rVert_2$ be the spectral norm. Then
#
# $$
# \lVert f_{\hat W}(x)-f_W(x)\rVert\le\lVert x\rVert\Big[\prod_l\big(\lVert W_l\rVert_2+\lVert\Delta_l\rVert_2\big)-\prod_l\lVert W_l\rVert_2\Big] .
# $$ (eq-compressible-perturbation)
# :::
#
# :::{prf:proof}
# Let $P_l=\prod_{i\le l}(\lVert W_i\rVert_2+\lVert\Delta_i\rVert_2)$ and $Q_l=\prod_{i\le l}\lVert W_i\rVert_2$.
# The activations after layer $l$ of the changed network have norm at most $P_l\lVert x\rVert$, since $\lVert\phi(u)\rVert\le\lVert u\rVert$.
# Let $e_l$ be the norm of the difference of the two networks after layer $l$. Then
#
# $$
# e_l\le\lVert W_l\rVert_2\,e_{l-1}+\lVert\Delta_l\rVert_2\,P_{l-1}\lVert x\rVert .
# $$
#
# With $e_{l-1}\le(P_{l-1}-Q_{l-1})\lVert x\rVert$ the right side is $(P_l-Q_l)\lVert x\rVert$. Induction from $e_0=0$.
# :::
#
# We train a small network and prune each of its layers by magnitude, before and after training.

# %%
data = datasets.load(dataset, n_train + n_train // 4, seed)
train = data.inputs[:n_train], data.labels[:n_train]
x_test, y_test = data.inputs[n_train:], data.labels[n_train:]


def build(generator):
    return networks.fcn(data.inputs.shape[1], width, depth, 10, generator=generator)


trained = training.train_grid(
    build, train, training.grid(learning_rate=learning_rate, batch_size=batch_size, seed=seed),
    stopping.steps(n_steps), evaluate_every=n_steps,
)  # fmt: skip
start = build(torch.Generator().manual_seed(seed))
before = [w.detach().numpy() for w in start.parameters()]
after = [w[0].numpy() for w in trained.weights.values()]


def output(weights, x):
    for w in weights[:-1]:
        x = np.maximum(x @ w.T, 0)
    return x @ weights[-1].T


# %%
shares = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
norms = np.linalg.norm(x_test, axis=1)
change, bound = {}, {}
for name, weights in {"untrained": before, "trained": after}.items():
    outputs = output(weights, x_test)
    pruned = [[pruning.magnitude(w, q).weight for w in weights] for q in shares]
    moved = [np.linalg.norm(output(p, x_test) - outputs, axis=1) for p in pruned]
    bounds = [pruning.perturbation_bound(weights, p, norms) for p in pruned]
    change[name], bound[name] = np.array(moved), np.array(bounds)
ratio = {name: (change[name] / bound[name]).max(axis=1) for name in change}
claim("barsbey-C17a", max(r.max() for r in ratio.values()), note=dataset)
claim("barsbey-C17b", ratio["untrained"][shares == 0.5][0], note=dataset)
half = shares == 0.5
record(**{f"{name}_ratio_at_half": r[half][0] for name, r in ratio.items()})

# %% [markdown]
# ## What compressibility promises
#
# Both papers connect compressibility with the risk on unseen data. Their statements are not repeated here. The argument below is our own, and standard: few sparse networks exist, so the training loss of all of them is close to the risk at once.
#
# :::{prf:proposition} Sparse weights
# :label: prop-compressible-risk
#
# Let the loss take values in $[0,1]$ and be $\Lambda$-Lipschitz in $w\in\mathbb R^d$ for $\lVert w\rVert\le R$. Let $\mathcal R(w)$ be the risk and $\hat{\mathcal R}(w)$ the mean loss on $N$ independent samples. Fix $1\le k\le d$, the width $\omega>0$ of a net, and $0<\delta<1$. With probability at least $1-\delta$, for all $w$ with $\lVert w\rVert\le R$ at once and $\epsilon=\bar\sigma_k(w)_2$,
#
# $$
# \begin{aligned}
# |\mathcal R(w)-\hat{\mathcal R}(w)|\le{}&\sqrt{\frac{k\log\frac{\mathrm ed}k+k\log(1+\frac{2R}\omega)+\log\frac2\delta}{2N}}\\
# &+2\Lambda\omega+2\Lambda\epsilon R .
# \end{aligned}
# $$ (eq-compressible-risk)
# :::
#
# :::{prf:proof}
# There are $\binom dk\le(\mathrm ed/k)^k$ supports of size $k$. On each, the ball of radius $R$ in $\mathbb R^k$ has a net of width $\omega$ with at most $(1+2R/\omega)^k$ points.
# For one point, $|\mathcal R-\hat{\mathcal R}|>u$ has probability at most $2e^{-2Nu^2}$ {cite:p}`hoeffding1963probability`. With $u$ the square root in {eq}`eq-compressible-risk`, the sum over all points of all nets is at most $\delta$.
# A sparse $w$ lies within $\omega$ of a net point; moving there changes $\mathcal R$ and $\hat{\mathcal R}$ by at most $\Lambda\omega$ each.
# A dense $w$ lies within $\epsilon\lVert w\rVert\le\epsilon R$ of $w^{(k)}$, whose norm is no larger; this adds $2\Lambda\epsilon R$.
# :::
#
# Heavy tails make $\epsilon$ small at a small $k$. How small must it be?
# We take $d=10^5$ weights with stable entries, scaled to norm $R$, an optimistic $\Lambda R=1$, $N=60\,000$ samples, $\delta=0.05$, and the best $\omega$ for each $k$.

# %%
n_weights = 100000
terms = np.unique(np.geomspace(10, n_weights, 40).astype(int))
tail_indices = [1.0, 1.25, 1.5, 2.0]
risk = {}
for alpha in tail_indices:
    x = stable.sample(alpha, (n_vectors, n_weights), rng=rng)
    lost = np.median(pruning.best_k_term_error(x, terms), axis=0)
    risk[alpha] = [
        pruning.generalization_bound(
            60000, n_weights, k, lipschitz=1, radius=1, error=e
        )
        for k, e in zip(terms, lost, strict=True)
    ]
record(**{f"least_bound_{a:g}".replace(".", "_"): min(r) for a, r in risk.items()})

# %% mystnb={"figure": {"caption": "Left: largest change of the output over the test inputs, divided by the bound {eq}`eq-compressible-perturbation`, for networks pruned by magnitude. Right: the bound {eq}`eq-compressible-risk` against the number of terms, for weights of four tail indices. Above 1 it says nothing.", "name": "fig-compressible-bounds"}, "image": {"alt": "Left: two curves between 0.005 and 0.1 on a logarithmic axis. Right: the curves of index 1, 1.25 and 1.5 have a minimum below 1 and rise to 2; that of index 2 stays at 2 and above."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.3))
for name, values in ratio.items():
    left.semilogy(shares, values, "o-", label=name)
left.set(xlabel="pruning ratio of each layer", title="change / bound", ylim=(1e-3, 1))
left.legend()
for alpha, color in zip(tail_indices, figures.ramp(4)[::-1], strict=True):
    right.semilogx(terms, risk[alpha], color=color, label=rf"$\alpha={alpha:g}$")
right.axhline(1, ls="--", color=figures.INK, lw=1)
right.set(xlabel="terms $k$", title="bound on the gap", ylim=(0, 3))
_ = right.legend()

# %% [markdown]
# Both bounds are true and loose.
# The first assumes the worst direction in every layer, so it gets looser with depth: run the cells with `depth` 4. The changes made by pruning are spread over all directions and partly cancel.
# For heavy tails the second has a minimum in $k$: few terms lose norm, many terms cost samples. With this $\Lambda R$ it says something for tails far heavier than those of networks, and nothing for light ones.
# The order is the one that the papers claim, heavier tails and smaller bounds. The size is not that of an explanation.
#
# :::{admonition} Takeaway
# :class: tip
# Heavy tails and independence make a layer compressible, and the order of all bounds follows the tail index. At the indices of networks, length adds little and the bounds do not decide.
# :::
#
# ## What did not reproduce
#
# The claims of this chapter are about draws from known laws, or hold for every matrix and network. The table of claims judges each; the tolerances of medians are the scatter of the draws, and they are wide where the law is heavy.
# Three readings need care.
# A short trial had found the slope $-0.425$ at $\alpha=1$, against $-\frac12$. In the limit this error is distributed like a constant times $|Z|$ with a standard normal $Z$. Its quartiles are a factor 3.6 apart, and a median of few vectors is not settled. With more vectors we find {claim}`barsbey-C4a`.
# The theorem lets the error vanish. For $\alpha\ge1.75$ it is far from zero at the sizes of networks. There the order of the errors is all that the theorem can explain.
# And the pruning ratio of noise of kind I is large for light tails too.
#
# Whether trained weights obey any of these laws is the question of {doc}`chapter 12 <12_tails_from_sgd>`, and what pruning does to them that of {doc}`chapter 14 <14_pruning>`.
#
# ## Exercises
#
# :::{exercise}
# :label: ex-compressible-boundary
#
# Let $P(|X|>x)\simeq c\,x^{-p}$, the boundary $\alpha=p$. The moment $\mathbb E|X|^p$ is infinite, so the error vanishes. How fast? How many times longer must the vector be for half the error at $p=2$? Check with Student's law with two degrees of freedom.
# :::
#
# :::{solution} ex-compressible-boundary
# :class: dropdown
#
# $Y=|X|^p$ has $P(Y>y)\simeq c/y$. Cut at $b=n\log n$: the probability that any of $n$ numbers exceeds it is about $\frac c{\log n}\to0$.
# The mean of $Y1_{Y\le b}$ is $\int_0^bP(Y>y)\,dy-bP(Y>b)\simeq c\log n$, and its variance at most $2\int_0^byP(Y>y)\,dy\simeq2cb$.
# So the sum of $n$ has mean $cn\log n$ and standard deviation at most of order $n\sqrt{\log n}$: $\sum_iY_i/(n\log n)\to c$ in probability, and
#
# $$
# \bar\sigma_{\kappa n}^p\simeq\frac{m_\kappa}{c\log n} .
# $$
#
# At $p=2$ half the error takes four times the logarithm: $n$ becomes $n^4$. Student's law with two degrees of freedom has $P(|X|>x)\simeq x^{-2}$, so $c=1$:
#
# ```python
# for n in (10**4, 10**6):
#     x = rng.standard_t(2, (20, n))
#     t = stats.t.isf(0.05, 2)
#     m = np.mean(np.where(np.abs(x) <= t, x**2, 0))
#     print(n, np.median(pruning.best_k_term_error(x, n // 10)), (m / np.log(n)) ** 0.5)
# ```
#
# The prediction is right to about ten per cent. Corrections are of relative order $\frac1{\log n}$ and scatter is large, so more digits cannot be had.
# :::
#
# :::{exercise}
# :label: ex-compressible-shares
#
# {prf:ref}`thm-compressible-rate` fixes $\kappa$ and lets $n$ grow. Fix $n$ and let $\kappa$ be small instead: show that, for $\alpha<p$, $m_\kappa\simeq\frac{\alpha}{p-\alpha}\,c^{p/\alpha}\,\kappa^{1-p/\alpha}$, and that the limit law then depends on $n$ and $\kappa$ through the number $k=\kappa n$ of kept terms alone.
# :::
#
# :::{solution} ex-compressible-shares
# :class: dropdown
#
# $m_\kappa=\int_0^{t}px^{p-1}P(|X|>x)\,dx-t^p\kappa$ at $t=t_\kappa$. For small $\kappa$, $t\simeq(c/\kappa)^{1/\alpha}$, and the integral is close to $\frac{pc}{p-\alpha}t^{p-\alpha}=\frac p{p-\alpha}\kappa t^p$. So $m_\kappa\simeq\frac\alpha{p-\alpha}\kappa t^p=\frac\alpha{p-\alpha}c^{p/\alpha}\kappa^{1-p/\alpha}$.
# Then $\bar\sigma^p\simeq n^{1-p/\alpha}m_\kappa/S=\frac\alpha{p-\alpha}\,\frac{c^{p/\alpha}}S\,k^{1-p/\alpha}$.
# A hundred terms leave an error of the same law in every long vector. With {prf:ref}`prop-compressible-order` the singular values of a square matrix inherit this from its entries: $k=\kappa m$ terms lead again to $\mathrm{err}_{\mathrm{SVD}}(\kappa m)=O(m^{1/2-1/\alpha})$.
# :::
#
# :::{exercise}
# :label: ex-compressible-median
#
# Prune a vector after its median is subtracted, as the code of the first paper does, and put the median back. Of a uniform vector on $(0,1)$, which share can go at 10 % error of the centred vector? And what is the true relative error?
# :::
#
# :::{solution} ex-compressible-median
# :class: dropdown
#
# Centred, the vector is uniform on $(-\frac12,\frac12)$, so the share is $0.1^{2/3}=0.2154$. The change has the norm $0.1\sqrt{n/12}$, the vector has $\sqrt{n/3}$: the true error is 0.05.
#
# ```python
# result = pruning.magnitude(rng.random(10**5), error=0.1, center=True)
# print(result.removed / 10**5, result.error)
# ```
# :::
#
# ## Further reading
#
# {cite:t}`gribonval2012compressible` prove the dichotomy and ask what it means for compressed sensing. {cite:t}`feller1971introduction` is the place for stable limits of sums.
# {cite:t}`barsbey2021heavy` use the theorem for the weights of networks trained by SGD. {cite:t}`wan2023implicit` make the weights of hidden units independent by many units, and heavy-tailed by noise.
# {cite:t}`arora2018stronger` derive bounds on the risk from compression itself.
