# %% [markdown]
# # Stable laws
#
# What is a tail index, how do we draw numbers that have one, and what does an estimator of it measure?
# {cite:t}`barsbey2021heavy` and {cite:t}`wan2023implicit` explain with tail indices why trained networks can be pruned.
# Both speak of stable laws, the laws that sums of heavy-tailed numbers converge to.
# This chapter builds these laws, checks the first paper's estimator on them, and races it against seven others.
# Then it turns to data that are not stable, as the weights of a network may be, and finds that an index below 2 has a second meaning.

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
n_samples: int = 10000  # numbers in one data set; in [1000, 100000]
n_runs: int = 400  # data sets for each mean and spread; in [8, 10000]
n_large: int = 100000  # numbers in one large data set; in [2000, 1000000]
n_vectors: int = 2048  # vectors in one data set; in [256, 20000]
dim: int = 50  # coordinates of a vector; in [2, 1000]
n_draws: int = 400000  # vectors behind each mean cosine; in [1000, 10000000]
seed: int = 0  # of all draws; in [0, 1000000]

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import special
from scipy.stats import levy_stable

from lib import stable, tails
from lib.book import claim, figures

figures.use()
rng = np.random.default_rng(seed)

# %% [markdown]
# ## Sums that keep their shape
#
# Add $m$ independent normal numbers of mean zero. The sum is normal again, and $\sqrt m$ times as wide.
# Other laws keep their shape too, with another power of $m$.
# In Part III the letter $\alpha$ is this index; the learning rate is $\eta$, as in both papers.
#
# :::{prf:definition} Symmetric stable law
# :label: def-stable-law
#
# For $0<\alpha\le2$ and $\sigma>0$, the symmetric stable law of tail index $\alpha$ and scale $\sigma$ has the characteristic function
#
# $$
# \mathbb E\,e^{iuX}=e^{-|\sigma u|^\alpha} .
# $$ (eq-stable-cf)
# :::
#
# $\alpha=2$ is the normal law of variance $2\sigma^2$, and $\alpha=1$ is the Cauchy law.
# That a law exists for every other $\alpha$ will come out of the sampler.
# Stability needs one line: characteristic functions of independent numbers multiply, and $(e^{-|\sigma u|^\alpha})^m=e^{-|m^{1/\alpha}\sigma u|^\alpha}$. So
#
# $$
# X_1+\dots+X_m\ \overset d=\ m^{1/\alpha}X_1 .
# $$ (eq-stable-sum)
#
# For vectors in $\mathbb R^r$ there are many stable laws of one index. Three will be used as noise:
#
# | kind | construction | characteristic function at $u\in\mathbb R^r$ |
# |---|---|---|
# | I | one stable number, the same in all coordinates | $e^{-\lvert\sum_ju_j\rvert^\alpha}$ |
# | II | $r$ independent stable numbers | $e^{-\sum_j\lvert u_j\rvert^\alpha}$ |
# | III | rotation-invariant | $e^{-\lVert u\rVert^\alpha}$ |
#
# All three satisfy {eq}`eq-stable-sum`, for the same reason.
#
# ## Drawing them
#
# Rotation-invariant laws reduce to positive numbers.
#
# :::{prf:lemma} Scale mixtures
# :label: lem-stable-mixture
#
# Let $A>0$ have the Laplace transform $\mathbb E e^{-sA}=e^{-s^{\alpha/2}}$, and let $G\sim\mathcal N(0,I_r)$ be independent of $A$. Then $X=\sqrt{2A}\,G$ has the characteristic function $e^{-\lVert u\rVert^\alpha}$.
# :::
#
# :::{prf:proof}
# Given $A$, $\langle u,X\rangle$ is normal with variance $2A\lVert u\rVert^2$. So $\mathbb E e^{i\langle u,X\rangle}=\mathbb E e^{-A\lVert u\rVert^2}=e^{-(\lVert u\rVert^2)^{\alpha/2}}$.
# :::
#
# A stable vector is a normal vector of random size. A large $A$ makes all its coordinates large at once.
# It remains to draw $A$, and here {cite:t}`kanter1975stable` has a formula without loops or rejections.
#
# :::{prf:theorem} Positive stable numbers
# :label: thm-stable-kanter
#
# Let $0<a<1$, $\theta$ uniform on $(0,\pi)$ and $E$ exponential with mean 1, independent. Then
#
# $$
# A=\frac{\sin a\theta}{(\sin\theta)^{1/a}}\Big(\frac{\sin((1-a)\theta)}E\Big)^{\frac{1-a}a}
# $$ (eq-stable-kanter)
#
# has the Laplace transform $e^{-s^a}$.
# :::
#
# :::{prf:proof}
# Put $B(\theta)=(\sin a\theta)^{\frac a{1-a}}\,\sin((1-a)\theta)\,(\sin\theta)^{-\frac1{1-a}}$. Then $A=(B(\theta)/E)^{(1-a)/a}$, and $A\le x$ means $E\ge x^{-a/(1-a)}B(\theta)$. Hence
#
# $$
# P(A\le x)=\frac1\pi\int_0^\pi e^{-x^{-a/(1-a)}B(\theta)}\,d\theta .
# $$ (eq-stable-kanter-cdf)
#
# We show that the function with Laplace transform $\int_0^\infty e^{-zx}F(x)\,dx=e^{-z^a}/z$ is the same. Inversion gives
#
# $$
# F(x)=\frac1{2\pi i}\int_{c-i\infty}^{c+i\infty}e^{zx-z^a}\,\frac{dz}z .
# $$
#
# We bend the path to a curve $z=\rho e^{i\varphi}$, $-\pi<\varphi<\pi$, on which the exponent is real: $\rho x\sin\varphi=\rho^a\sin a\varphi$, that is $\rho^{1-a}=\frac{\sin a\varphi}{x\sin\varphi}$.
# This $\rho$ is positive, even in $\varphi$, and grows to infinity at $\varphi\to\pm\pi$. The curve goes around 0, as the line does.
# Far out between the two, $e^{zx-z^a}$ is small: near the line because $\mathrm{Re}\,z^a>0$ there, further left because $\mathrm{Re}\,zx$ is negative and of higher order. So the integral does not change.
# On the curve the exponent is
#
# $$
# \rho^a\Big(\frac{\sin a\varphi}{\sin\varphi}\cos\varphi-\cos a\varphi\Big)=-\rho^a\,\frac{\sin((1-a)\varphi)}{\sin\varphi}=-x^{-\frac a{1-a}}B(\varphi) .
# $$
#
# It is even in $\varphi$. In $\frac{dz}z=\frac{d\rho}\rho+i\,d\varphi$ the first part is odd and integrates to zero. The second part leaves {eq}`eq-stable-kanter-cdf`.
# The right side there is a distribution function, so this also proves that the law exists.
# :::
#
# With {prf:ref}`lem-stable-mixture` all laws of {prf:ref}`def-stable-law` exist, in any dimension.
# One number costs a uniform, an exponential and a normal draw. In one dimension the same contour saves the normal one.
#
# :::{prf:theorem} Symmetric stable numbers
# :label: thm-stable-cms
#
# Let $1<\alpha<2$, $U$ uniform on $(-\frac\pi2,\frac\pi2)$ and $E$ exponential with mean 1, independent. Then
#
# $$
# X=\frac{\sin\alpha U}{(\cos U)^{1/\alpha}}\Big(\frac{\cos((1-\alpha)U)}E\Big)^{\frac{1-\alpha}\alpha}
# $$ (eq-stable-cms)
#
# is stable with scale 1. For $x>0$, with $p=\frac\alpha{\alpha-1}$,
#
# $$
# P(X>x)=\frac1\pi\int_0^{\pi/2}e^{-g(\varphi)}\,d\varphi,\qquad g(\varphi)=x^p\Big(\frac{\cos\varphi}{\sin\alpha\varphi}\Big)^p\frac{\cos((\alpha-1)\varphi)}{\cos\varphi} .
# $$ (eq-stable-tail-integral)
# :::
#
# :::{prf:proof}
# $X$ has the sign of $U$. For $U=\varphi>0$ the event $X>x$ is $E>g(\varphi)$, so {eq}`eq-stable-cms` has the tail {eq}`eq-stable-tail-integral`. We show that the stable law has it too.
#
# Inversion of {eq}`eq-stable-cf` gives $P(X\le x)=\frac12+\frac1\pi\,\mathrm{Im}\int_0^\infty e^{iux-u^\alpha}\,\frac{du}u$, where we start at a small $u=\epsilon$, since the integrand's imaginary part has no pole.
# The exponent is real on the curve $u=\rho e^{i\varphi}$ with $\rho^{\alpha-1}=\frac{x\cos\varphi}{\sin\alpha\varphi}$, $0<\varphi<\frac\pi2$.
# It leads from 0, at $\varphi=\frac\pi2$, to infinity, at $\varphi=0$. On it the exponent is $-\rho^\alpha\big(\frac{\sin\varphi\,\sin\alpha\varphi}{\cos\varphi}+\cos\alpha\varphi\big)=-\rho^\alpha\frac{\cos((\alpha-1)\varphi)}{\cos\varphi}=-g(\varphi)$.
# Far out the curve runs next to the real axis, and between the two the integrand is small.
# To get onto the curve from the real axis we walk the arc from $\epsilon$ to $i\epsilon$. It adds $\int\frac{du}u=\frac{i\pi}2$.
# The imaginary part of $\frac{du}u$ on the curve is $d\varphi$. So
#
# $$
# P(X\le x)=\frac12+\frac1\pi\Big[\frac\pi2+\int_{\pi/2}^0e^{-g(\varphi)}\,d\varphi\Big]=1-\frac1\pi\int_0^{\pi/2}e^{-g(\varphi)}\,d\varphi .
# $$
# :::
#
# {cite:t}`chambers1976method` give {eq}`eq-stable-cms` for all $\alpha$, and for skewed laws. Integrals of this kind go back to Zolotarev {cite:p}`zolotarev1986one`.
#
# `stable.sample`, `stable.sample_positive` and `stable.noise` are these formulas.
# We compare mean cosines of their draws with the table of characteristic functions.
# The code published with the second paper leaves out the 2 in $\sqrt{2A}$, so its kind III is narrower by $\sqrt2$. We call that convention *published*.

# %%
u = np.array([0.3, -0.4, 1.2])
rows = {}
for letter, kind, convention in [
    ("a", "I", "unit"), ("b", "II", "unit"), ("c", "III", "published"), ("d", "III", "unit"),
]:  # fmt: skip
    x = stable.noise(kind, 1.75, (n_draws, 3), convention=convention, rng=rng)
    cosines = np.cos(x @ u)
    exact = stable.noise_cf(kind, u, 1.75, convention=convention)
    error = cosines.std() / np.sqrt(n_draws)
    rows[kind, convention] = exact, cosines.mean(), error
    claim(f"wan-C1{letter}", cosines.mean(), note=f"{n_draws} draws")
columns = ["exact", "mean cosine", "its standard error"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(5)

# %% mystnb={"figure": {"caption": "A thousand vectors of each kind in the plane, $\\alpha=1.5$, with the axes cut at $\\pm12$. Kind I lives on a line. Kind II has its outliers along the axes: one coordinate is large at a time. Kind III has them in all directions.", "name": "fig-stable-kinds"}, "image": {"alt": "Three square scatter plots. Left: points on a diagonal line. Middle: a cloud with arms along the horizontal and vertical axis. Right: a round cloud with outliers everywhere."}}
fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.6), sharex=True, sharey=True)
for ax, kind in zip(axes, ["I", "II", "III"], strict=True):
    x = stable.noise(kind, 1.5, (1000, 2), rng=rng)
    ax.plot(x[:, 0], x[:, 1], ".", ms=2.5, rasterized=True)
    ax.set(xlim=(-12, 12), ylim=(-12, 12), aspect="equal", title=f"kind {kind}")
    ax.set(xlabel="first coordinate")
_ = axes[0].set(ylabel="second coordinate")

# %% [markdown]
# ## The tail
#
# The tail integral tells how fast large values die out.
#
# :::{prf:proposition} A power law
# :label: prop-stable-tail
#
# For $1<\alpha<2$ and $x\to\infty$
#
# $$
# P(|X|>x)\simeq c_\alpha\Big(\frac x\sigma\Big)^{-\alpha},\qquad c_\alpha=\frac2\pi\,\Gamma(\alpha)\sin\frac{\pi\alpha}2 .
# $$ (eq-stable-tail)
#
# So $\mathbb E|X|^q$ is finite for $q<\alpha$ and infinite for $q\ge\alpha$.
# :::
#
# :::{prf:proof}
# Let $\sigma=1$. For large $x$ the function $g$ in {eq}`eq-stable-tail-integral` is large except near $\varphi=\frac\pi2$, where the cosine vanishes.
# With $\varphi=\frac\pi2-\omega$ and small $\omega$, $\cos\varphi\simeq\omega$ and $\sin\alpha\varphi$, $\cos((\alpha-1)\varphi)$ both tend to $s=\sin\frac{\pi\alpha}2$.
# So $g\simeq x^p\omega^{p-1}s^{1-p}=(x^\alpha\omega/s)^{\frac1{\alpha-1}}$, and with $y=x^\alpha\omega/s$
#
# $$
# P(X>x)\simeq\frac{s}{\pi x^\alpha}\int_0^\infty e^{-y^{1/(\alpha-1)}}\,dy=\frac{s}{\pi x^\alpha}\,\Gamma(\alpha) .
# $$
#
# The limit under the integral is allowed: $\cos\varphi\ge\frac{2\omega}\pi$, $\sin\alpha\varphi\le1$ and $\cos((\alpha-1)\varphi)\ge s$ bound $g$ from below by a multiple of $y^{1/(\alpha-1)}$.
# Both signs together give $c_\alpha x^{-\alpha}$.
# :::
#
# This is the *tail index* in its first meaning: the power with which the tail falls.
# As $\alpha\to2$ the power tends to 2 and the constant $c_\alpha$ to 0. The tail of a stable law of index 1.95 is heavy, and rare.
#
# The integral also gives the distribution function to full accuracy, far out included, which `stable.sf` uses.
# Care is needed with the common tool: `levy_stable` of SciPy returns wrong tails beyond some $x$.

# %% mystnb={"figure": {"caption": "Left: densities of stable laws of scale 1. Near the centre they differ little. Right: upper tails (lines), the power laws {eq}`eq-stable-tail` (dashed), and the values of SciPy where they are not zero (dots). Where the dots end, SciPy returns exactly 0.", "name": "fig-stable-tails"}, "image": {"alt": "Left: five similar bell curves. Right: log-log plot of five tails; four become straight and meet dashed lines, the normal one drops; dots lie on the lines up to some hundred."}}
alphas, x = np.array([1.0, 1.2, 1.5, 1.8, 2.0]), np.geomspace(0.3, 1e5, 60)
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.3))
for alpha, color in zip(alphas, figures.ramp(5)[::-1], strict=True):
    line = np.linspace(-5, 5, 201)
    left.plot(line, stable.pdf(line, alpha), color=color, label=rf"$\alpha={alpha:g}$")
    right.loglog(x, stable.sf(x, alpha), color=color)
    if 1 < alpha < 2:
        right.loglog(
            x, stable.tail_constant(alpha) / 2 * x**-alpha, "--", color=color, lw=1
        )
        scipys = levy_stable.sf(x[::4], alpha, 0)
        right.loglog(
            x[::4][scipys > 0], scipys[scipys > 0], ".", color=figures.INK, ms=5
        )
left.set(xlabel="$x$", title="density")
right.set(xlabel="$x$", title="$P(X>x)$", ylim=(1e-9, 1))
_ = left.legend(fontsize=9, handlelength=1.2)

# %% [markdown]
# Powers of $|X|$ below $\alpha$ have finite means, and so has the logarithm. All moments of the logarithm exist.
#
# :::{prf:proposition} Log-moments
# :label: prop-stable-log-moments
#
# Let $X\in\mathbb R^r$ have the characteristic function $e^{-\lVert\sigma u\rVert^\alpha}$, and let $\gamma_{\mathrm E}=0.5772\ldots$ be Euler's constant, $\psi=\Gamma'/\Gamma$. Then
#
# $$
# \begin{aligned}
# \mathbb E\log\lVert X\rVert&=\log2\sigma+\gamma_{\mathrm E}\big(\tfrac1\alpha-\tfrac12\big)+\tfrac12\psi\big(\tfrac r2\big),\\
# v:=\mathrm{Var}\log\lVert X\rVert&=\tfrac{\pi^2}6\big(\tfrac1{\alpha^2}-\tfrac14\big)+\tfrac14\psi'\big(\tfrac r2\big) .
# \end{aligned}
# $$ (eq-stable-log-moments)
#
# For $r=1$ these are $\log\sigma+\gamma_{\mathrm E}(\frac1\alpha-1)$ and $\pi^2\big(\frac1{6\alpha^2}+\frac1{12}\big)$.
# :::
#
# :::{prf:proof}
# By {prf:ref}`lem-stable-mixture` $\log\lVert X\rVert=\log\sigma+\frac12\log2+\frac12\log A+\frac12\log\chi^2_r$, with independent parts.
# For $s>0$ and $a=\frac\alpha2$, $\mathbb EA^{-s}=\frac1{\Gamma(s)}\int_0^\infty t^{s-1}\,\mathbb Ee^{-tA}\,dt=\frac1{\Gamma(s)}\int_0^\infty t^{s-1}e^{-t^a}dt=\frac{\Gamma(1+s/a)}{\Gamma(1+s)}$.
# This is $\mathbb Ee^{-s\log A}$, analytic around $s=0$. The first two derivatives of its logarithm there, with $\psi(1)=-\gamma_{\mathrm E}$ and $\psi'(1)=\frac{\pi^2}6$, are minus the mean and the variance: $\mathbb E\log A=\gamma_{\mathrm E}(\frac1a-1)$ and $\mathrm{Var}\log A=\frac{\pi^2}6(\frac1{a^2}-1)$.
# In the same way $\mathbb E(\chi^2_r)^s=2^s\,\Gamma(\frac r2+s)/\Gamma(\frac r2)$ gives $\mathbb E\log\chi^2_r=\log2+\psi(\frac r2)$ and the variance $\psi'(\frac r2)$.
# Add up; for $r=1$ use $\psi(\frac12)=-\gamma_{\mathrm E}-2\log2$ and $\psi'(\frac12)=\frac{\pi^2}2$.
# :::
#
# ## An estimator from sums
#
# Stability suggests an estimator. Sums of $m$ numbers are $m^{1/\alpha}$ times as wide as one number.
# So compare the mean logarithm of sums with that of single numbers.
# Let there be $K=mK_2$ numbers (or vectors), and $Y_i$ the sum of the $i$-th block of $m$ of them. {cite:t}`mohammadi2015estimating` propose
#
# $$
# \frac1{\hat\alpha(m)}=\frac1{\log m}\Big(\frac1{K_2}\sum_{i=1}^{K_2}\log\lVert Y_i\rVert-\frac1K\sum_{i=1}^K\log\lVert X_i\rVert\Big) .
# $$ (eq-stable-block)
#
# :::{prf:proposition} Bias and spread of the block estimator
# :label: prop-stable-block
#
# Let the $X_i$ be independent, with {eq}`eq-stable-sum` and $v=\mathrm{Var}\log\lVert X_1\rVert<\infty$. Then $1/\hat\alpha(m)$ has mean exactly $\frac1\alpha$, for every block size $m$ and every number of blocks.
# Apart from the correlation between sums and single numbers, its variance is $v\,\big(\frac1{K_2}+\frac1K\big)/\log^2m$.
# :::
#
# :::{prf:proof}
# $\log\lVert Y_i\rVert$ has the law of $\frac1\alpha\log m+\log\lVert X_1\rVert$. Its mean exceeds that of $\log\lVert X_1\rVert$ by $\frac1\alpha\log m$, and both have the variance $v$. The $K_2$ sums are independent, and so are the $K$ numbers.
# :::
#
# Nothing here needs a finite variance, a scale, or a choice of where the tail begins.
# The standard error of $\hat\alpha$ itself is about $\alpha^2$ times that of $1/\hat\alpha$.
# Small blocks have many sums but little to compare, large blocks the reverse: the error is least where $\log^2m/(m+1)$ is largest.

# %%
indices = np.array([1.2, 1.5, 1.75, 1.9, 2.0])
data = {a: stable.sample(a, (n_runs, n_samples, 1), rng=rng) for a in indices}
rows = []
for alpha, x in data.items():
    reciprocal = 1 / tails.block(x, 100)
    error = tails.block_standard_error(alpha, n_samples, 100)
    bias = (reciprocal.mean() - 1 / alpha) / (reciprocal.std(ddof=1) / np.sqrt(n_runs))
    rows.append([1 / alpha, reciprocal.mean(), bias, reciprocal.std(ddof=1), error])
columns = ["1/alpha", "mean", "bias in standard errors", "spread", "spread by formula"]
table = pd.DataFrame(rows, index=pd.Index(indices, name="alpha"), columns=columns)
claim(
    "barsbey-C1a",
    table["bias in standard errors"].abs().max(),
    note=f"{n_runs} data sets",
)
ratio = table["spread"] / table["spread by formula"]
claim("barsbey-C1b", (ratio - 1).abs().max(), note=f"{n_runs} data sets")
table.round(4)

# %% mystnb={"figure": {"caption": "The block estimator on stable data, against the block size $m$. Left: mean of $1/\\hat\\alpha(m)$ less $1/\\alpha$, with two standard errors. Right: spread of $1/\\hat\\alpha(m)$ (dots), and the formula without correlations (lines). The best blocks are small.", "name": "fig-stable-block"}, "image": {"alt": "Left: points scattered around zero with error bars that grow with block size. Right: U-shaped curves with a minimum near ten; the dots lie below them at small blocks and on them at large ones."}}
sizes = np.array(
    [m for m in (2, 3, 5, 10, 20, 50, 100, 200, 500) if m <= n_samples // 4]
)
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.2))
for j, (alpha, color) in enumerate(zip([1.2, 1.5, 2.0], figures.ramp(3), strict=True)):
    reciprocal = np.array([1 / tails.block(data[alpha], int(m)) for m in sizes])
    spread = reciprocal.std(axis=1, ddof=1)
    off = reciprocal.mean(axis=1) - 1 / alpha
    label = rf"$\alpha={alpha:g}$"
    shifted = sizes * 1.12 ** (j - 1)
    left.errorbar(
        shifted,
        off,
        2 * spread / np.sqrt(n_runs),
        fmt="o",
        ms=4,
        color=color,
        label=label,
    )
    right.semilogx(sizes, spread, "o", ms=4, color=color)
    formula = [tails.block_standard_error(alpha, n_samples, int(m)) for m in sizes]
    right.semilogx(sizes, formula, color=color, lw=1.2)
left.axhline(0, color=figures.FAINT, lw=1)
left.set(
    xscale="log", xlabel="block size $m$", title=r"mean of $1/\hat\alpha-1/\alpha$"
)
right.set(xlabel="block size $m$", title=r"spread of $1/\hat\alpha$")
_ = left.legend(loc="lower left", fontsize=9)

# %% [markdown]
# The mean is right for every block size, as the proposition says. The formula for the spread is good for blocks of 50 and more. For small ones it is too large, because a sum and its few terms vary together. The exercises make it exact for normal data.
#
# The paper does not choose one $m$. Its code takes the median of $\hat\alpha(m)$ over the sizes 2, 5, 10, 20, 50, 100, 500, 1000 and one near $\sqrt K$, each lowered to a divisor of $K$, and caps it at 2.
# This is `tails.block` without a size.

# %%
capped = {a: tails.block(x) for a, x in data.items()}
rows = {a: [v.mean(), v.std(ddof=1), np.mean(v == 2)] for a, v in capped.items()}
columns = ["mean", "spread", "share at the cap"]
table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
for letter, alpha in zip("abcde", indices, strict=True):
    claim(f"barsbey-C2{letter}", table["mean"][alpha], note=f"{n_runs} data sets")
claim("barsbey-C2f", table["share at the cap"][2.0], note=f"{n_runs} data sets")
table.rename_axis(index="alpha").round(4)

# %% [markdown]
# The cap costs something at $\alpha=2$. The uncapped estimate scatters around 2, the cap moves the upper half of it down, and the mean falls below 2.
# A value of 1.97 from 10,000 weights is no sign of a heavy tail.
#
# ## Vectors
#
# {eq}`eq-stable-block` works for vectors as it stands, with any dependence between the coordinates: only sums of whole vectors enter.
# The paper's code takes the incoming weights of a hidden unit as one vector, and in the output layer the outgoing ones.
# By {eq}`eq-stable-log-moments` the variance $v$ falls with the dimension $r$, since $\psi'(\frac r2)\approx\frac2r$.
# At $\alpha=2$ it even tends to 0: norms of high-dimensional normal vectors hardly vary. So a few thousand vectors give sharp estimates near 2.

# %%
rows = {}
for alpha in [1.5, 1.75, 1.9, 2.0]:
    for kind, name in [("III", "rotation-invariant"), ("II", "independent")]:
        shape = (max(n_runs // 8, 8), n_vectors, dim)
        found = tails.block(stable.noise(kind, alpha, shape, rng=rng))
        rows[name, alpha] = found.mean(), found.std(ddof=1)
table = pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "spread"])
table.index = pd.MultiIndex.from_tuples(table.index, names=["coordinates", "alpha"])
table = table.sort_index(ascending=[False, True])
keys = [(kind, a) for kind in ("rotation-invariant", "independent") for a in (1.5, 2)]
for letter, key in zip("abcd", keys, strict=True):
    claim(f"barsbey-C3{letter}", table["mean"][key], note=f"{len(found)} data sets")
table.round(4)

# %% [markdown]
# :::{admonition} Takeaway
# :class: tip
# On stable data the block estimator is unbiased for $1/\alpha$ at every block size, for numbers and for vectors. A single estimate from 10,000 numbers has an error of a few hundredths, and the cap at 2 biases the light end downwards.
# :::
# %% [markdown]
# ## A race
#
# On stable data there are other ways, and some use the data better.
# Write $|X|_{(1)}\ge|X|_{(2)}\ge\dots$ for the sizes in descending order.
#
# *Order statistics* read the tail itself. With $\gamma_k=\frac1k\sum_{i\le k}\log\frac{|X|_{(i)}}{|X|_{(k+1)}}$ and $M_k=\frac1k\sum_{i\le k}\log^2\frac{|X|_{(i)}}{|X|_{(k+1)}}$:
#
# - {cite:t}`hill1975simple`: $1/\gamma_k$. For an exact power law the logarithms of the excesses are exponential with mean $\frac1\alpha$, and their mean is $\gamma_k$; the relative error is $1/\sqrt k$.
# - A ratio of moments, $2\gamma_k/M_k$ {cite:p}`danielsson1996method`: for exponential variables the second moment is twice the square of the first.
# - {cite:t}`dekkers1989moment`: $1/\big(\gamma_k+1-\frac12(1-\gamma_k^2/M_k)^{-1}\big)$, which also holds for tails that end.
# - {cite:t}`pickands1975statistical`: $\log2\big/\log\frac{|X|_{(k/4)}-|X|_{(k/2)}}{|X|_{(k/2)}-|X|_{(k)}}$, since quantiles of a power law grow by $2^{1/\alpha}$ when the share above them halves.
# - {cite:t}`davydov1999estimation`: in each block of $m$ numbers, the second largest size over the largest. Its mean $Z$ tends to $\frac\alpha{1+\alpha}$, so $\hat\alpha=\frac Z{1-Z}$.
#
# *Fits* assume that the law is stable and use all of it:
#
# - {cite:t}`mcculloch1986simple`: the ratio of the ranges between the 5 and 95, and the 25 and 75 per cent quantiles. It is a function of $\alpha$ alone.
# - Fits of the empirical characteristic function to {eq}`eq-stable-cf`, after {cite:t}`koutrouvelis1980regression`; ours weighs 12 points with their exact covariance (`tails.ecf`).
#
# We take $k$ as 1 % of the data for Hill, 5 % for the other order statistics, and the paper's median over block sizes for the two with blocks.
# The paper's code also repeats the block estimate for five random orders of the data and takes the median, which we race too.
# The yardstick is the Cramér-Rao bound. No unbiased estimator of $\alpha$ has a smaller error than $\sqrt{(I^{-1})_{\alpha\alpha}/K}$, where $I$ is the Fisher information of one number in $\alpha$ and the scale.
# We compute it from `stable.pdf`.


# %%
def least_error(alpha, h=1e-4):
    """The Cramér-Rao bound on the standard error of alpha, times the root of n."""
    t = np.linspace(0, 25, 800)
    x = np.sinh(t)

    def log_density(a, s):
        return np.log(stable.pdf(x, a, np.exp(s)))

    in_alpha = log_density(alpha + h, 0) - log_density(alpha - h, 0)
    in_scale = log_density(alpha, h) - log_density(alpha, -h)
    scores = np.array([in_alpha, in_scale]) / (2 * h)
    weight = 2 * stable.pdf(x, alpha) * np.cosh(t)
    information = np.trapezoid(scores[:, None] * scores * weight, t)
    return np.sqrt(np.linalg.inv(information)[0, 0])


estimators = {
    "block": lambda x: tails.block(x[..., None]),
    "block, 5 orders": lambda x: tails.block(x[..., None], permutations=5, rng=rng),
    "Hill": lambda x: tails.hill(x, x.shape[-1] // 100),
    "de Haan": lambda x: tails.de_haan(x, x.shape[-1] // 20),
    "Dekkers": lambda x: tails.dekkers(x, x.shape[-1] // 20),
    "Pickands": lambda x: tails.pickands(x, x.shape[-1] // 20),
    "Davydov": tails.davydov_paulauskas,
    "McCulloch": tails.mcculloch,
    "characteristic": tails.ecf,
}

# %%
raced = [1.2, 1.5, 1.8, 2.0]
found, errors = {}, {}
for n, runs in [(n_samples, n_runs // 2), (n_large, n_runs // 8)]:
    for alpha in raced:
        x = stable.sample(alpha, (max(runs, 4), n), rng=rng)
        for name, estimate in estimators.items():
            found[n, alpha, name] = estimate(x)
for (n, alpha, name), values in found.items():
    errors[name, n, alpha] = np.sqrt(np.mean((values - alpha) ** 2))
for n in (n_samples, n_large):
    for alpha in raced[:3]:
        errors["Cramér-Rao bound", n, alpha] = least_error(alpha) / np.sqrt(n)
table = pd.Series(errors).unstack([1, 2]).reindex([*estimators, "Cramér-Rao bound"])
table.columns.names = ["numbers", "alpha"]
table.map(lambda e: "" if np.isnan(e) else f"{e:.4f}" if e < 10 else f"{e:.0f}")

# %% [markdown]
# The table shows root mean square errors.
# The characteristic function is close to the bound, McCulloch's quantiles not far from it, and the block estimator needs several times as many numbers for the same error. Other orders give other blocks, so their median is better than one.
# Order statistics use a hundredth or a twentieth of the numbers, and pay for it.
# Their error near $\alpha=2$ has another cause: the power law {eq}`eq-stable-tail` begins so far out that 1 % of the data is not yet there.
# More data do not help as long as the share is the same; a smaller share does.
# At $\alpha=2$ the cap flatters whoever reaches it: Davydov's ratio stays above it.

# %%
keys = {"block": "block", "block, 5 orders": "orders", "McCulloch": "mcculloch"}
keys |= {"Hill": "hill", "Dekkers": "dekkers", "characteristic": "ecf"}
for name, key in keys.items():
    claim(f"tails-{key}", errors[name, n_samples, 1.5])
claim("tails-block-normal", errors["block", n_samples, 2.0])
ratio = max(
    errors["characteristic", n_samples, a] / errors["Cramér-Rao bound", n_samples, a]
    for a in raced[:3]
)
claim("tails-bound", ratio, note="largest of three indices")

# %% mystnb={"figure": {"caption": "Estimates on stable data: medians, and the range from the 10 to the 90 per cent quantile. Light: the smaller data sets, dark: the larger. Vertical lines: the true index. More data narrow the ranges, but at $\\alpha=1.8$ do not move those of Hill and de Haan to the truth: the share of the data that they use is the same. Davydov's stands at the cap there. Ranges that leave the frame are cut; at $\\alpha=2$ four estimators are outside.", "name": "fig-stable-race"}, "image": {"alt": "Four panels of horizontal ranges for nine estimators. The characteristic function has the shortest ranges around the true index; order statistics have long ones, lie to the right at 1.8, and are mostly out of the frame at 2."}}
fig, axes = plt.subplots(1, 4, figsize=(figures.WIDTH, 3.6), sharey=True)
for ax, alpha in zip(axes, raced, strict=True):
    for n, color, shift in zip(
        (n_samples, n_large), figures.ramp(2), (0.15, -0.15), strict=True
    ):
        for row, name in enumerate(list(estimators)[::-1]):
            low, middle, high = np.quantile(
                np.minimum(found[n, alpha, name], 99), [0.1, 0.5, 0.9]
            )
            ax.plot([low, high], [row + shift] * 2, color=color, lw=2.2)
            ax.plot(middle, row + shift, "o", ms=4, color=color)
    ax.axvline(alpha, color=figures.FAINT, lw=1, zorder=0)
    ax.set(xlim=(alpha - 0.55, alpha + 0.85), title=rf"$\alpha={alpha:g}$")
axes[0].set_yticks(range(len(estimators)), list(estimators)[::-1])
_ = fig.supxlabel("estimate", fontsize=11)

# %% [markdown]
# ## What the estimate means on other data
#
# All this holds for stable data. Weights of a network need not be stable, and {eq}`eq-stable-block` still returns a number.
# What does it then measure? Many symmetric laws are normal laws of random size: the Laplace law, Student's $t$, the stable laws themselves, and the rows of a matrix whose norms differ. For all of them there is an exact answer.
#
# :::{prf:proposition} Block estimates of mixtures
# :label: prop-stable-mixture-bias
#
# Let $X_i=\sqrt{V_i}\,G_i\in\mathbb R^r$ with independent $V_i>0$ of one law, $\mathbb E|\log V|<\infty$, and independent $G_i\sim\mathcal N(0,I_r)$. Let $\bar V_m=\frac1m\sum_{i\le m}V_i$. Then, for every $r$ and $m$,
#
# $$
# \mathbb E\,\frac1{\hat\alpha(m)}=\frac12+\frac{\mathbb E\log\bar V_m-\mathbb E\log V}{2\log m}\ \ge\ \frac12 .
# $$ (eq-stable-mixture)
#
# Equality holds only for constant $V$. If $\mathbb EV<\infty$, the numerator increases to $2D=\log\mathbb EV-\mathbb E\log V$.
# :::
#
# :::{prf:proof}
# Given the $V_i$, the sum of a block is normal, and equal in law to $\sqrt{m\bar V_m}\,G$.
# So $\mathbb E\log\lVert Y\rVert-\mathbb E\log\lVert X\rVert=\frac12\log m+\frac12\mathbb E\log\bar V_m-\frac12\mathbb E\log V$: the term $\mathbb E\log\lVert G\rVert$ cancels.
# The logarithm is concave, so $\log\bar V_m\ge\frac1m\sum\log V_i$, strictly unless all are equal.
# For the same reason $\mathbb E\log\bar V_m$ grows with $m$: $\bar V_m$ is the mean of the averages that leave out one term.
# The bound is Jensen's, and $\bar V_m\to\mathbb EV$ almost surely gives the limit by Fatou's lemma, applied to $\log\bar V_m-\frac1m\sum_{i\le m}\log V_i\ge0$.
# :::
#
# So *every* normal law of random size looks heavy-tailed to this estimator, at every block size. No tail is needed.
# It measures the spread of $V$, and only logarithmically large blocks tell a spread from a tail:
#
# $$
# \hat\alpha(m)\approx\frac2{1+2D/\log m}\qquad(\mathbb EV<\infty).
# $$ (eq-stable-log-law)
#
# For the Laplace law $V$ is exponential, so $2D=\gamma_{\mathrm E}$. For Student's $t$ with $\nu>2$ degrees of freedom $2D=\psi(\frac\nu2)+\log\frac2{\nu-2}$.
# For $V=e^{2sZ}$ with normal $Z$, log-normal sizes, $2D=2s^2$. And for positive stable $V$ of index $\frac\alpha2$ the numerator of {eq}`eq-stable-mixture` is $\big(\frac2\alpha-1\big)\log m$ without end, which gives $\frac1\alpha$ back.

# %%
laws = {  # the index of the tail, and a sampler
    "stable 1.5": (1.5, lambda size: stable.sample(1.5, size, rng=rng)),
    "stable 1.8": (1.8, lambda size: stable.sample(1.8, size, rng=rng)),
    "normal": (np.inf, rng.standard_normal),
    "Student 1.5": (1.5, lambda size: rng.standard_t(1.5, size)),
    "Pareto 1.5": (
        1.5,
        lambda size: rng.choice([-1, 1], size) * rng.random(size) ** (-1 / 1.5),
    ),
    "Student 3": (3.0, lambda size: rng.standard_t(3, size)),
    "Student 5": (5.0, lambda size: rng.standard_t(5, size)),
    "Laplace": (np.inf, lambda size: rng.laplace(size=size)),
    "log-normal 0.8": (
        np.inf,
        lambda size: rng.standard_normal(size) * rng.lognormal(0, 0.8, size),
    ),
    "uniform": (np.inf, lambda size: rng.uniform(-1, 1, size)),
}
spreads = {  # 2 D of those that are normal of random size, with finite variance
    "Student 5": special.digamma(5 / 2) - np.log(5 / 2 - 1),
    "Laplace": np.euler_gamma,
    "Student 3": special.digamma(3 / 2) - np.log(3 / 2 - 1),
    "log-normal 0.8": 2 * 0.8**2,
}
many = {name: laws[name][1]((n_runs, n_samples)) for name in ["stable 1.5", *spreads]}
skewed = {
    r"stable, $\alpha=1.5$": many["stable 1.5"],
    "exponential less median": rng.exponential(size=(n_runs, n_samples)) - np.log(2),
    "stable, shifted by 1": many["stable 1.5"] + 1,
}


def mean_index(x, m):
    return 1 / np.mean(1 / tails.block(x[..., None], int(m)))


# %% mystnb={"figure": {"caption": "Block estimates against the block size $m$, means of $1/\\hat\\alpha(m)$ inverted. Left: laws with finite variance (dots), and {eq}`eq-stable-log-law` (lines), which has no free parameter. None of the tails has the index that is shown. Right: what a mean does. Stable numbers of index 1.5 keep their index; shifted by one scale unit they fall towards 1, and so do exponential numbers less their median.", "name": "fig-stable-growth"}, "image": {"alt": "Left: four rows of dots that rise slowly with block size along curves towards 2. Right: one flat row of dots at 1.5, and two that fall towards 1."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.4))
line = np.geomspace(2, sizes[-1], 60)
for (name, spread), color in zip(spreads.items(), figures.PALETTE, strict=False):
    found_at = [mean_index(many[name], m) for m in sizes]
    left.semilogx(sizes, found_at, "o", ms=4, color=color, label=name)
    left.semilogx(line, 2 / (1 + spread / np.log(line)), color=color, lw=1.2)
for (name, x), color in zip(skewed.items(), figures.PALETTE, strict=False):
    right.semilogx(
        sizes,
        [mean_index(x, m) for m in sizes],
        "o-",
        ms=4,
        lw=1,
        color=color,
        label=name,
    )
left.set(xlabel="block size $m$", ylabel=r"$\hat\alpha(m)$", ylim=(0.9, 2.05))
right.set(xlabel="block size $m$", ylim=(0.9, 2.05))
left.legend(fontsize=9, loc="lower right")
_ = right.legend(fontsize=9, loc="upper right")

# %% [markdown]
# The lines are asymptotic in $m$, and the heavier the tail of $V$ the later they hold; small blocks stay above them, as the proposition says.
# The approach to 2 is so slow that no data set reaches it. For the Laplace law, blocks of a million numbers give
#
# $$
# \hat\alpha\approx\frac2{1+\gamma_{\mathrm E}/\log10^6}\approx1.92 .
# $$
#
# The right panel shows a cruder failure. If the mean $\mu$ of the data is not zero, sums grow like $m\mu$, and $\hat\alpha(m)$ tends to 1 from wherever it was.
# Data must be centred. The paper subtracts the median, which is safe for heavy tails. For skewed data the median is not the mean, and what is left of the mean drags the estimate down.

# %%
for name, key in [("Laplace", "laplace"), ("Student 3", "t3"), ("Student 5", "t5")]:
    claim(f"tails-{key}", tails.block(many[name][..., None]).mean())
exponential = rng.exponential(size=(n_runs, n_samples, 1))
for center in ("median", "mean"):
    claim(f"tails-exponential-{center}", tails.block(exponential, center=center).mean())
shifted = skewed["stable, shifted by 1"][..., None]
claim("tails-shift", tails.block(shifted).mean())
claim("tails-shift-centered", tails.block(shifted, center="median").mean())
rows = rng.standard_normal((max(n_runs // 8, 8), n_vectors, dim))
rows *= rng.lognormal(0, 0.8, (*rows.shape[:2], 1))
claim("tails-rows", tails.block(rows).mean(), note="log-normal sizes, s = 0.8")

# %% [markdown]
# The last value matters most for networks. A layer whose hidden units have normal weights of different sizes looks to the multivariate estimator like one of stable weights: rows of log-normal sizes with $s=0.8$ give {claim}`tails-rows`, and all moments of their entries exist.
#
# ## What to show beside it
#
# Two numbers tell the cases apart: an estimate from the tail itself, and the distance of the data from the best stable law.
# `tails.stable_fit` returns the second, the largest difference $\Delta$ of the distribution functions. If the law is stable, $\sqrt K\Delta$ is about 0.6 and rarely above 1.

# %%
small, rows = 1000, {}
for name, (index, draw) in laws.items():
    x = draw((max(n_runs // 20, 5), n_samples))
    found_here = {
        key: np.median(estimators[key](x))
        for key in ("block", "characteristic", "Hill")
    }
    distances = {
        n: np.median([np.sqrt(n) * tails.stable_fit(row[:n]).distance for row in x[:5]])
        for n in (n_samples, small)
    }
    rows[name] = {"tail": index, **found_here}
    rows[name] |= {f"distance, {n}": distance for n, distance in distances.items()}
beside = pd.DataFrame.from_dict(rows, orient="index")
beside.rename_axis(index="law").round(2)

# %%
t15 = beside.loc["Student 1.5"]
claim("tails-t15-block", t15["block"])
claim("tails-t15-hill", t15["Hill"])
claim("tails-t15-ecf", t15["characteristic"])
claim("tails-hill-t3", beside.loc["Student 3", "Hill"])
claim("tails-hill-laplace", beside.loc["Laplace", "Hill"])
distances = beside[f"distance, {n_samples}"]
claim("tails-distance-stable", distances[["stable 1.5", "stable 1.8", "normal"]].max())
claim("tails-distance-laplace", distances["Laplace"])

# %% mystnb={"figure": {"caption": "Ten laws. Left: medians of three estimators; estimates beyond the frame are not shown. Grey crosses: the index of the tail; laws without a cross have tails lighter than any power. Right: $\\sqrt K$ times the distance from the best stable law, for two sizes of data; the grey band is what stable data give. The block estimator alone does not tell stable laws from others.", "name": "fig-stable-laws"}, "image": {"alt": "Left: a dot chart of ten laws; block estimates lie between about 1.3 and 2 for all, Hill estimates follow the crosses roughly. Right: distances inside the band for the stable laws and Student 1.5, and beyond it for most others with the larger data."}}
fig, (left, right) = plt.subplots(
    1, 2, figsize=(figures.WIDTH, 3.9), sharey=True, width_ratios=[3, 2]
)
places = np.arange(len(beside))[::-1]
left.plot(
    beside["tail"].clip(upper=7),
    places,
    "x",
    color=figures.FAINT,
    ms=9,
    mew=2.5,
    label="tail",
)
for key, marker in zip(["block", "characteristic", "Hill"], "osD", strict=True):
    left.plot(beside[key], places + 0.2 * (1 - "osD".index(marker)), marker, label=key)
left.axvline(2, color=figures.FAINT, lw=1)
left.set(xlim=(1, 6.4), xlabel="index")
left.set_yticks(places, beside.index)
for n, marker in [(n_samples, "o"), (small, "s")]:
    right.semilogx(beside[f"distance, {n}"], places, marker, label=f"$K={n}$")
right.axvspan(0.35, 1, color=figures.FAINT, alpha=0.3, lw=0)
right.set(xlabel=r"$\sqrt{K}\,\Delta$")
left.legend(fontsize=9, loc="center right")
_ = right.legend(fontsize=9, loc="upper right")

# %% [markdown]
# With 10,000 numbers the distance is far out for the Laplace and the Pareto law, and near the edge for Student's $t_3$. With 1000 it rejects few, and a layer has only as many vectors as it has units.
# Hill's estimate separates $t_3$ and the Laplace law from tails of index below 2, and says little about stable laws near 2.
# Two laws show that no single number is enough.
# Student's $t$ with 1.5 degrees of freedom has a heavy tail, but not that of the stable law that fits its body best: the fit has a lower index, and the distance does not notice. Hill does.
# The Pareto law has a tail of index exactly 1.5, but sums of some dozen of its numbers are not yet stable, and the block estimate is too high. Here Hill and the distance both tell.
#
# :::{admonition} Takeaway
# :class: tip
# $\hat\alpha$ clearly below 2 does not imply a heavy tail. It says that the data are not independent draws of one centred normal law: they may be stable, have a heavy tail, be a mixture of normal laws of different sizes, or just not be centred. Nor does 2 imply a normal law: uniform numbers give it too.
# An estimate belongs beside Hill's, beside the distance from a stable law, and beside the value at initialisation.
# :::
#
# ## What did not reproduce
#
# The estimator does on stable data what theory says, and the checks of this chapter came out within their tolerances.
# What they cannot check is what the paper rests on: that the averaged weights of a network are stable. The block estimator assumes it and cannot show it.
# What the estimator finds in trained networks, and what it is there that it sees, is the subject of {doc}`chapter 12 <12_tails_from_sgd>`.
#
# ## Exercises
#
# :::{exercise}
# :label: ex-stable-variance
#
# Let the data be normal. For normal $Z,Z'$ with correlation $\rho$, $\mathrm{Cov}(\log|Z|,\log|Z'|)=\frac12\arcsin^2\rho$. Find the exact variance of $1/\hat\alpha(m)$, and compare it with {prf:ref}`prop-stable-block` for $m=2$ and $m=100$.
# :::
#
# :::{solution} ex-stable-variance
# :class: dropdown
#
# A number and the sum of its block have the correlation $1/\sqrt m$. Other pairs are independent.
# The covariance of the two means in {eq}`eq-stable-block` is $\frac1{K_2K}$ times the number of pairs, $K$, times $\frac12\arcsin^2\frac1{\sqrt m}$. With $v=\frac{\pi^2}8$
#
# $$
# \mathrm{Var}\,\frac1{\hat\alpha(m)}=\frac{v\,(1+\frac1m)-\arcsin^2\frac1{\sqrt m}}{K_2\log^2m} .
# $$
#
# At $m=2$, $\arcsin^2=\frac{\pi^2}{16}=\frac v2$: the variance is $\frac23$ of the formula's, the spread 0.816 of it. At $m=100$ the variance is 0.8 % smaller.
#
# ```python
# x = rng.standard_normal((2000, 10000, 1))
# for m in (2, 100):
#     ratio = (1 / tails.block(x, m)).std() / tails.block_standard_error(2.0, 10000, m)
#     exact = 1 - 8 / np.pi**2 * np.arcsin(m**-0.5) ** 2 / (1 + 1 / m)
#     print(m, ratio, exact**0.5)
# ```
# :::
#
# :::{exercise}
# :label: ex-stable-half
#
# Show that $A=1/(2Z^2)$ with standard normal $Z$ is positive stable of index $\frac12$, and that {prf:ref}`lem-stable-mixture` then says: the quotient of two normal numbers is a Cauchy number.
# :::
#
# :::{solution} ex-stable-half
# :class: dropdown
#
# For $a=\frac12$ {eq}`eq-stable-kanter` is $A=\frac{\sin^2(\theta/2)}{\sin^2\theta\,E}=\frac1{4\cos^2(\theta/2)\,E}$.
# With $\theta'=\theta/2$ uniform on $(0,\frac\pi2)$, $\sqrt{2E}\cos\theta'$ is the absolute value of a normal number $Z$: this is the Box-Muller formula. So $A=\frac1{2Z^2}$.
# Then $\sqrt{2A}\,G=G/|Z|$, with the characteristic function $e^{-|u|}$.
# :::
#
# :::{exercise}
# :label: ex-stable-test
#
# A layer has 500 hidden units. Which Student laws can `tails.stable_fit` tell from a stable law with 500 numbers? With 500 vectors of 50 coordinates, is it better to test the entries or the norms?
# :::
#
# :::{solution} ex-stable-test
# :class: dropdown
#
# ```python
# for nu in (2, 3, 5, 10):
#     found = [tails.stable_fit(rng.standard_t(nu, 500)).distance * 500**0.5 for _ in range(200)]
#     print(nu, np.quantile(found, [0.1, 0.5, 0.9]))
# ```
#
# Most values lie below 1, for every $\nu$: five hundred numbers show no difference. With independent entries, test all 25,000 of them.
# If the rows have a common size, entries of one row are dependent and count as far fewer. Then look at the norms: for stable rows $\lVert X\rVert^2/r\approx2A$, a positive stable number, and a histogram of $\log\lVert X\rVert$ shows the law of the sizes directly.
# :::
#
# ## Further reading
#
# {cite:t}`samorodnitsky1994stable` is the textbook on stable laws and processes, and {cite:t}`zolotarev1986one` the one on their densities.
# {cite:t}`nolan2020univariate` treats estimation and computation.
# {cite:t}`barsbey2021heavy` estimate tail indices of trained networks with {eq}`eq-stable-block`; {cite:t}`wan2023implicit` add stable noise of the three kinds while they train.
# [Chapter 13](13_compressible_laws.ipynb) shows what a tail index below 2 does to pruning.
