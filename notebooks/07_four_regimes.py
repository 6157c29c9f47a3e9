# %% [markdown]
# # Four regimes
#
# A network trained by SGD, and a formula for its loss: how far apart are they?
# The way from one to the other has four steps. Linearise the network, average over its batches, keep only the spectrum, keep only two exponents.
# {cite:t}`velikanov2023view` compare these descriptions on real data.
# This chapter asks what each step loses, and why.

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
dataset: str = "digits"  # data set; one of digits, mnist, bike_sharing, sgemm_product
n_samples: int = 1000  # samples of the long comparison; in [100, 10000]
n_steps: int = 10000  # its steps; in [200, 100000]
n_exact: int = 300  # samples where the exact average is computed; in [60, 2000]
n_runs: int = 200  # sampled runs beside the exact average; in [20, 10000]
widths: list[int] = [250, 1000, 4000]  # hidden units, increasing; in [10, 100000]
n_draws: int = 24  # networks per width, and per estimate of a spread; in [3, 1000]
n_scheduled: int = 2000  # steps with a schedule and with Adam; in [100, 10000]
seed: int = 0  # of samples, networks and batches; in [0, 1000000]

# %%
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.optimize import brentq

from lib import datasets, genfun, ntk, problem, regimes, sampling
from lib.book import claim, figures
from lib.book.claims import record
from lib.problem import SpectralProblem

figures.use()

# %% [markdown]
# (sec-regimes-ladder)=
# ## Five descriptions of one run
#
# Take the two-layer network of [chapter 6](06_kernels_and_spectra.ipynb),
#
# $$
# f(x)=\frac1{\sqrt h}\sum_{j=1}^ha_j\,\mathrm{relu}(z_j),\qquad z_j=\frac{w_j\cdot x}{\sqrt d}+b_j ,
# $$ (eq-regimes-network)
#
# with all parameters drawn from $\mathcal N(0,1)$ and all of them trained.
# Its loss can be described in five ways. Each keeps less than the one above it.
#
# | description | what is kept | what is dropped | cost of a step |
# |---|---|---|---|
# | network | the parameters | | $bdh$ |
# | linearised | the residual $\mathbf f$, and the kernel $K$ at the start | the change of the features | $Nb$ |
# | averaged | the second moments of $\mathbf f$ and $\mathbf v$ | the single run | $N^3$ |
# | spectral | $\lambda_k$, $c_k$ and $\tau_2$ | the eigenvectors | $N$ |
# | power law | $\nu$, $\varkappa$ and two scales, and $\tilde U(1)$ | all times but late ones | none |
#
# Why should each step be allowed?
#
# *Linearised.* Each of the $h$ units moves by $O(h^{-1/2})$ while the output moves by $O(1)$. So the gradient of the output, and the kernel $K$, stay nearly what they were {cite:p}`jacot2018neural`.
# On the same batches both runs can be compared step by step.
#
# *Averaged.* No approximation: the mean of the linearised loss over all batches closes on itself ([chapter 1](01_second_moments.ipynb)). A single run is not its mean, though.
#
# *Spectral.* The noise of a step needs the fourth moments of the features. The recursion replaces them by $\tau_1=1$ and one number $\tau_2$, which is 1 for delocalised eigenvectors and $-1$ for Gaussian ones ({ref}`sec-haar`).
#
# *Power law.* A theorem about late times and infinite spectra ([chapter 4](04_loss_asymptotics.ipynb)). Real spectra are finite and bent.

# %% [markdown]
# ### One unit for the learning rate
#
# The descriptions can only be compared at the same learning rate.
# We give the linear ones the kernel $sK$ with $s=N/\lambda_{\max}(K)$, so that its $\lambda_1$ is 1.
# The same $s$ multiplies the learning rate of the network.
# Then $\alpha$ means the same everywhere.


# %%
def at_start(inputs, targets, width, rng):
    """A network at initialisation, and the linear problem that belongs to it."""
    start = ntk.init_two_layer(inputs.shape[1], width, rng=rng)
    kernel = ntk.two_layer(inputs, start)
    residual = ntk.two_layer_output(inputs, start) - targets
    scale = regimes.kernel_scale(kernel)
    return SimpleNamespace(
        data=(inputs, targets, start), linear=(scale * kernel, residual), scale=scale
    )


def trained(p, rate, momentum, batches, **options):
    """Losses of the network, (runs, records)."""
    runs, steps, b = batches.shape
    options = {"learning_rate_scale": p.scale, "dtype": torch.float32} | options
    return regimes.network(
        *p.data, rate, momentum, b, steps, n_runs=runs, batches=batches, **options
    )


def linear(p, rate, momentum, batches, **options):
    """Losses of the linearised network on the same batches, (runs, steps + 1)."""
    runs, steps, b = batches.shape
    return regimes.linearized(
        *p.linear, rate, momentum, b, steps, n_runs=runs, batches=batches, **options
    )


# %%
rng = np.random.default_rng(seed)
data = datasets.load(dataset, n=n_samples, seed=seed)
long = at_start(data.inputs, data.targets, 1000, rng)
spectrum = SpectralProblem.from_kernel(*long.linear)
print(f"lambda_1 of the unscaled K/N: {1 / long.scale:.3f}, L(0): {spectrum.loss:.3f}")
record(lambda_1=1 / long.scale)

# %% [markdown]
# ## The long comparison
#
# A figure in the authors' repository shows the network, the linearised network, the spectral losses for $\tau_2=\pm1$ and a power law over $10^4$ steps on MNIST.
# With $b=10$ the loss for $\tau_2=-1$ has a hump and stays two to three times higher. With $b=100$ all curves coincide.
# The learning rate is not stored.
#
# Theory helps to find it. At late times the signal-dominated loss is proportional to $1/(1-\tilde U(1))$ ([chapter 4](04_loss_asymptotics.ipynb)). All other factors are common to both values of $\tau_2$, so
#
# $$
# \frac{L_{\tau_2=-1}(t)}{L_{\tau_2=1}(t)}\longrightarrow\frac{1-\tilde U_{\tau_2=1}(1)}{1-\tilde U_{\tau_2=-1}(1)} .
# $$ (eq-regimes-price)
#
# We choose the $\alpha$ at which this ratio is 2.5 for $b=10$. It lies just below the stability limit of $\tau_2=-1$.
# That fixes one number of the figure. The others are then predictions.

# %%
taus = np.array([1.0, -1.0])


def predicted_price(eigenvalues, rate, gamma):
    """Late loss for tau2 = -1 over late loss for tau2 = 1, without momentum."""
    u = genfun.U(1.0, eigenvalues, rate, 0.0, gamma, 1.0, taus)
    return (1 - u[0]) / (1 - u[1])


def rate_of_price(eigenvalues, gamma, price=2.5):
    """The learning rate at which `predicted_price` is what is asked."""
    limit = genfun.critical_learning_rate(eigenvalues, 0.0, gamma, 1.0, -1.0)
    return brentq(
        lambda a: predicted_price(eigenvalues, a, gamma) - price, 0.5, 0.9999 * limit
    )


batch_sizes = [10, min(100, n_samples // 2)]
gammas = regimes.sampling_noise(n_samples, np.array(batch_sizes))
alpha = rate_of_price(spectrum.eigenvalues, gammas[0])
spectral = regimes.spectral_diagonal(
    spectrum, alpha, 0.0, gammas[:, None], n_steps, tau2=taus
)  # (batch size, tau2, t)
record(learning_rate=alpha)

# %% [markdown]
# The power law takes $\nu$ and $\varkappa$ from a window of $k$, and $\tilde U(1)$ from the whole spectrum.
# A window of $k$ is a window of time, since mode $k$ leaves the loss at about $t=\frac1{2\alpha\lambda_k}$.


# %%
def fitted_law(spectrum, window, rate, gamma):
    """The late law from exponents and scales fitted in a window of k, its times, and the exponents."""
    fit, k = spectrum.fit_exponents(window), np.arange(window[0], window[1] + 1)
    tails = problem.tail_sums(spectrum.coefficients)[k - 1]
    law = genfun.asymptotics(
        spectrum.eigenvalues, spectrum.coefficients, rate, 0.0, gamma,
        nu=fit.nu, kappa=fit.kappa,
        eigenvalue_scale=np.exp(np.mean(np.log(spectrum.eigenvalues[k - 1] * k**fit.nu))),
        tail_scale=np.exp(np.mean(np.log(tails * k**fit.kappa))),
    )  # fmt: skip
    return law, 1 / (2 * rate * spectrum.eigenvalues[np.array(window) - 1]), fit


window = (max(5, n_samples // 300), n_samples // 10)
law, times, fit = fitted_law(spectrum, window, alpha, gammas)
print(f"{law.phase}; nu = {fit.nu:.3f}, kappa = {fit.kappa:.3f} for k in {window}")
print(f"which is t in ({times[0]:.0f}, {times[1]:.0f})")
record(zeta=fit.zeta)

# %% [markdown]
# The network and its linearisation see the same batches.
# The network records each of its first steps, and then one in fifty.

# %%
early = min(200, n_steps)
grid = np.append(np.arange(early), np.arange(early, n_steps + 1, 50))
networks, linears = [], []
for b in batch_sizes:
    batches = sampling.batches(n_samples, b, n_steps, rng=rng)
    start = trained(long, alpha, 0.0, batches[:, :early])
    rest = trained(long, alpha, 0.0, batches, every=50)
    networks.append(np.append(start[0, :early], rest[0, early // 50 :]))
    linears.append(linear(long, alpha, 0.0, batches)[0])

# %% mystnb={"figure": {"caption": "Five descriptions over the whole training, for two batch sizes. The network and its linearisation see the same batches. Shaded: the times that belong to the window of the fit. With $b=10$ the runs follow $\\tau_2=1$, and $\\tau_2=-1$ has a hump and stays higher. With the larger batch network, linearised run and both spectral losses lie on each other, until the network leaves at the end. The power law touches them in its window only.", "name": "fig-regimes-long"}, "image": {"alt": "Two log-log panels of loss against step. Left, b = 10: two noisy curves on top of each other around a smooth one; a second smooth curve rises first and stays above; a dashed straight line. Right: all curves on one line, with the network lower at the end and the dashed line touching from above."}}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.9), sharey=True)
t = np.unique(np.geomspace(1, n_steps, 200).astype(int))
shown = np.searchsorted(grid, np.unique(np.geomspace(1, n_steps, 120).astype(int)))
shown = np.unique(np.minimum(shown, len(grid) - 1))
colors = figures.COLORS
for i, ax in enumerate(axes):
    for values, name, style in [
        (linears[i][grid], "linearised", {"color": colors["blue"], "lw": 1}),
        (networks[i], "network", {"color": colors["red"], "lw": 1}),
    ]:
        ax.loglog(grid[shown], values[shown], label=name, **style)
    for j, color in enumerate(["green", "pink"]):
        label = rf"spectral, $\tau_2={taus[j]:.0f}$"
        ax.loglog(t, spectral[i, j, t], color=colors[color], label=label)
    late = t[t > times[0] / 2]
    ax.loglog(late, law.signal_constant[i] * late**-fit.zeta, "--", color=figures.INK, lw=1.2, label="power law")  # fmt: skip
    ax.axvspan(times[0], min(times[1], n_steps), color=figures.FAINT, alpha=0.2, lw=0)
    ax.set(xlabel="step $t$", title=f"$b={batch_sizes[i]}$")
axes[0].set_ylabel("loss $L(t)$")
_ = axes[0].legend(loc="lower left")

# %%
price = spectral[:, 1] / spectral[:, 0]
t_late = min(1000, n_steps // 2)
apart = [np.abs(np.log(networks[i] / linears[i][grid])) for i in range(2)]
table = pd.DataFrame(
    {
        "predicted": [predicted_price(spectrum.eigenvalues, alpha, g) for g in gammas],
        "simulated": price[:, t_late],
        "network / linearised, t < 100": [np.exp(a[1:100].mean()) for a in apart],
        f"t > {t_late}": [np.exp(a[grid > t_late].mean()) for a in apart],
    },
    index=pd.Index(batch_sizes, name="b"),
)
table.round(4)

# %% [markdown]
# The first two columns are the late ratio {eq}`eq-regimes-price`. For the larger batch it is so close to 1 that no eye separates the late curves.
# The last two columns are mean factors between network and linearised network, in two windows of time.
# For a while the network follows. Later it trains faster than its linearisation: it learns features, which none of the other descriptions can see.
#
# Now the published figure. It shows a hump of height about 1.2 near $t=15$, a loss two to three times higher, and a power law with slope $-0.25$.
# The ratio we put in. Everything else is measured: the hump, the slope of the loss for $\tau_2=1$ inside the window of time, and how far apart the curves are at $b=100$.
# Before the first run we read "coincide" as: to one per cent, at every step.

# %%
inside = np.unique(np.geomspace(times[0], min(times[1], n_steps), 100).astype(int))
slope = -np.polyfit(np.log(inside), np.log(spectral[0, 0, inside]), 1)[0]
hump, hump_time = spectral[0, 1].max(), spectral[0, 1].argmax()
print(f"hump of height {hump:.2f} at t = {hump_time}; slope in the window {slope:.3f}")
off = np.abs(np.log(spectral[0, 0, inside] / law.loss(inside[:, None])[:, 0]))
record(power_law_error=off.mean())
claim("velikanov-C33a", price[0, t_late], note=f"{dataset}, N = {n_samples}")
claim(
    "velikanov-C33b", np.abs(np.log(price[1])).max(), note=f"{dataset}, N = {n_samples}"
)
if dataset == "mnist":
    claim("velikanov-C33c", hump)
    claim("velikanov-C33d", hump_time)
    claim("velikanov-C33e", slope)

# %% [markdown]
# On MNIST the hump and the slope come back, within the spread between draws, with one number put in. The [ledger](../book/ledger.md) shows that run.
# The hump depends on the draw of images and network. Eight draws set its tolerance, after we had seen the hump of this seed. Eight others spread more, and one of them, whose loss at the start is large, only falls.
# On the digits there is a hump too.
#
# The panel for $b=100$ comes back in part. There the largest log-ratio of the two spectral losses on this page is {claim}`velikanov-C33b`: {verdict}`velikanov-C33b`.
# On the digits the curves coincide to one per cent with this seed. On MNIST they part by more than that, and there the ledger says "not reproduced".
#
# The gap opens in the first steps. After one of them the recursion gives
#
# $$
# L_{\tau_2=-1}(1)-L_{\tau_2=1}(1)=\gamma\sum_kx_k^2\,c_k(0) ,
# $$ (eq-regimes-first-gap)
#
# with $x_k=\alpha\lambda_k$. If the start has a sizeable share of the first mode, this is nearly $\gamma x_1^2c_1(0)$. So the verdict depends on the share of the first mode in the loss at the start, and that is an accident of the initial network.
# With this seed it is very small on the digits. The other seeds that we tried exceed one per cent there, and some of those on MNIST stay below it.
# Later the curves do coincide, on both data sets.
#
# Averaged over its window the power law is within ten per cent of the loss. At the ends of the window it can be off by more, and outside it does not hold.
# After the window the small eigenvalues are missing that an infinite spectrum would have, and every real curve bends down.
#
# :::{admonition} Takeaway
# :class: tip
# On image data the spectral loss with $\tau_2=1$ follows the runs. How far $\tau_2=-1$ is off at late times depends on how close $\alpha$ is to the stability limit: theory gives the factor.
# :::

# %% [markdown]
# (sec-regimes-losses)=
# ## What each step loses
#
# The long comparison leaves out the exact average, whose step costs $N^3$, and it has one run of each kind.
# So we take fewer samples and steps, and many runs.
# The learning rate is lower too, $\alpha=1.2$, as in the stored experiments of the repository.

# %%
small_data = datasets.load(dataset, n=n_exact, seed=seed)
small = at_start(small_data.inputs, small_data.targets, 1000, rng)
small_spectrum = SpectralProblem.from_kernel(*small.linear)
small_sizes = [10, min(100, n_exact // 3)]
rate, t_exact, few = 1.2, 300, max(2, n_runs // 20)
curves = {}
for b in small_sizes:
    gamma = regimes.sampling_noise(n_exact, b)
    batches = sampling.batches(n_exact, b, t_exact, n_runs=n_runs, rng=rng)
    sd = regimes.spectral_diagonal(small_spectrum, rate, 0.0, gamma, t_exact, tau2=taus)
    law, t_window, _ = fitted_law(small_spectrum, (5, n_exact // 10), rate, gamma)
    curves[b] = SimpleNamespace(
        exact=regimes.averaged(*small.linear, rate, 0.0, b, t_exact),
        linear=linear(small, rate, 0.0, batches),
        network=trained(small, rate, 0.0, batches[:few]),
        sd=sd,
        law=law.loss(np.arange(t_exact + 1)),
        window=slice(*np.minimum(t_window, t_exact).astype(int)),
    )

# %% mystnb={"figure": {"caption": "Every description divided by the exact average over batches, for two batch sizes. Thin lines: one sampled run of the network and of its linearisation, on the same batches. Band: mean of the linearised runs, two standard errors. Single runs are far from their mean at small batches, the spectral loss with $\\tau_2=1$ is on it.", "name": "fig-regimes-losses"}, "image": {"alt": "Two panels of ratios to the exact average against a logarithmic time axis. Left, b = 10: two ragged lines that move together by factors of up to two, a narrow band around 1, a flat line at 1, one a few per cent above, and a dashed line that comes down towards 1 and leaves it again. Right: the same, with all lines but the dashed one close to 1."}}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.7), sharey=True)
t = np.arange(1, t_exact + 1)
for ax, (b, c) in zip(axes, curves.items(), strict=True):
    mean, error = c.linear.mean(axis=0), c.linear.std(axis=0, ddof=1) / np.sqrt(n_runs)
    ax.plot(t, (c.network[0] / c.exact)[1:], color=colors["red"], lw=1, label="network, one run")  # fmt: skip
    ax.plot(t, (c.linear[0] / c.exact)[1:], color=colors["blue"], lw=0.6, label="linearised, one run")  # fmt: skip
    low, high = ((mean + z * error) / c.exact for z in (-2, 2))
    ax.fill_between(t, low[1:], high[1:], color=colors["blue"], alpha=0.25, lw=0, label="linearised, mean")  # fmt: skip
    for j, color in enumerate(["green", "pink"]):
        label = rf"spectral, $\tau_2={taus[j]:.0f}$"
        ax.plot(t, (c.sd[j] / c.exact)[1:], color=colors[color], label=label)
    ax.plot(t[4:], (c.law / c.exact)[5:], "--", color=figures.INK, lw=1.2, label="power law")  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="step $t$", title=f"$b={b}$", ylim=(0.5, 2.5))  # fmt: skip
    ax.set_yticks([0.5, 0.7, 1, 1.5, 2], labels=["0.5", "0.7", "1", "1.5", "2"])
    ax.minorticks_off()
axes[0].set_ylabel("loss / exact average")
_ = axes[0].legend(loc="upper left", ncols=2, fontsize=8)


# %%
def apart(one, other):
    """Mean over runs and steps of |ln(one / other)|."""
    return np.abs(np.log(one / other))[..., 1:].mean()


rows = {
    b: {
        "network, from its linearisation": apart(c.network, c.linear[:few]),
        "one linearised run, from the average": apart(c.linear, c.exact),
        "mean of the runs, from the average": apart(c.linear.mean(axis=0), c.exact),
        "spectral, tau2 = 1, from the average": apart(c.sd[0], c.exact),
        "spectral, tau2 = -1, from the average": apart(c.sd[1], c.exact),
        "power law in its window, from tau2 = 1": apart(
            c.law[c.window], c.sd[0, c.window]
        ),
    }
    for b, c in curves.items()
}
names = ("network", "one_run", "", "tau_plus", "tau_minus", "power_law")
for b, row in zip(("small_b", "large_b"), rows.values(), strict=True):
    pairs = zip(names, row.values(), strict=True)
    record(**{f"{name}_{b}": value for name, value in pairs if name})
pd.DataFrame(rows).rename_axis(columns="b").round(4)

# %% [markdown]
# The table answers the question of this chapter, as mean absolute log-ratios: 0.01 is one per cent.
#
# *The average.* With small batches the largest loss is that of averaging: one run differs from the mean by more than ten per cent, and no theory of the mean can do anything about that ([chapter 8](08_many_runs.ipynb)).
# With $b=100$ a tenth of it is left. The mean of the runs meets the exact average, within its sampling error.
#
# *The spectrum.* With $\tau_2=1$ this step loses less than one per cent at small batches, and next to nothing at large ones. It makes a step of cost $N^3$ into one of cost $N$, and loses least.
# At $b=10$ the wrong $\tau_2$ costs some per cent here, and a factor of 2.5 above, near the stability limit.
#
# *Linearisation.* Some per cent in these steps, whatever the batch size. Its size is a matter of width, and of time.
#
# *The power law.* Several per cent, and only inside its window.

# %%
claim("velikanov-C34a", rows[small_sizes[0]]["spectral, tau2 = 1, from the average"])

# %% [markdown]
# (sec-regimes-width)=
# ## How the network approaches its linearisation
#
# For the same batches, $\alpha=0.5$, $b=20$ and 100 steps we measure the log-ratio of the two losses at several widths.
# Every draw has its own 200 samples, network and batches.

# %%
pool = datasets.load(dataset, n=None if dataset == "digits" else 10000, seed=seed)
log_ratios = np.empty((len(widths), n_draws, 100))
effective = np.empty(n_draws)  # used in the section on the unit of the learning rate
factors = np.linspace(0.7, 1.7, 101)
for draw in range(n_draws):
    own = np.random.default_rng([seed, draw])
    chosen = own.choice(len(pool.targets), 200, replace=False)
    batches = sampling.batches(200, 20, 100, rng=own)
    for i, width in enumerate(widths):
        p = at_start(pool.inputs[chosen], pool.targets[chosen], width, own)
        ratio = trained(p, 0.5, 0.0, batches) / linear(p, 0.5, 0.0, batches)
        log_ratios[i, draw] = np.log(ratio[0, 1:])
    plain = trained(p, 0.5, 0.0, batches, learning_rate_scale=1.0)[0]
    tried = linear(p, 0.5 * factors, 0.0, batches)[:, 0]
    effective[draw] = (
        factors[np.abs(np.log(tried / plain)).mean(axis=1).argmin()] * p.scale
    )

# %%
size, signed = np.abs(log_ratios).mean(axis=2), log_ratios.mean(axis=2)
log_widths, center = np.log(widths), np.log(size).mean(axis=1)
spread = np.log(size).std(axis=1, ddof=1)
mean_slope = np.polyfit(log_widths, np.log(np.abs(signed.mean(axis=1))), 1)[0]
scatter_slope = np.polyfit(log_widths, np.log(signed.std(axis=1, ddof=1)), 1)[0]
table = pd.DataFrame(
    {
        "mean |ln|": size.mean(axis=1),
        "mean ln": signed.mean(axis=1),
        "its error": signed.std(axis=1, ddof=1) / np.sqrt(n_draws),
        "scatter of draws": signed.std(axis=1, ddof=1),
    },
    index=pd.Index(widths, name="width"),
)
record(**{f"log_ratio_h{h}": v for h, v in zip(widths, size.mean(axis=1), strict=True)})
table.round(5)

# %% [markdown]
# The network approaches its linearisation, and two things stand out.
# The mean is not zero: the network learns *more slowly* than its linearisation, and this part falls slowest with the width.
# The scatter between draws falls faster.
# For smooth activations a bound of order $h^{-1/2}$ is proved {cite:p}`lee2019wide`. What makes the actual size here?
#
# One step on one sample contains the answer.
#
# :::{prf:proposition} One step of a wide network
# :label: prop-regimes-one-step
#
# Take one SGD step on one sample $x$ with learning rate $\eta$, from residual $r$. Let $q=\frac{|x|^2}d+1$.
# The new output is that of the linearised network plus $D_1+D_2$, where $D_1=(\eta r)^2q\,f(x)/h$, and for large $h$
#
# $$
# \mathbb E\,D_2\simeq\mathrm{sign}(r)\,\frac{(\eta r)^2q^{3/2}}{2\pi\sqrt h},\qquad
# \mathrm{Var}\,D_2\simeq\frac{4}{3\pi}\,\frac{(\eta|r|)^3q^{5/2}}{h^{3/2}} .
# $$ (eq-regimes-one-step)
#
# The average is over the initialisation, at a given $r$.
# :::
#
# :::{prf:proof}
# The step changes $a_j$ by $\delta a_j=-\eta rh^{-1/2}\,\mathrm{relu}(z_j)$ and the pre-activation at $x$ by $\delta z_j=-\eta rqh^{-1/2}a_j\mathbf 1[z_j>0]$.
# The linear prediction keeps the terms of first order.
# Where no unit changes sign, the rest is $h^{-1/2}\sum_j\delta a_j\delta z_j$. This is $(\eta r)^2qh^{-3/2}\sum_ja_j\,\mathrm{relu}(z_j)=D_1$.
#
# $D_2$ comes from units that the step switches off: $0<z_j<|\delta z_j|$ and $\delta z_j<0$, that is $ra_j>0$.
# The linear prediction lets such a unit go on to $z_j+\delta z_j<0$, but it stops at 0. The difference is $|\delta z_j|-z_j$, with weight $h^{-1/2}a_j$ up to higher orders.
# At $z=0$ the density of $z_j\sim\mathcal N(0,q)$ is $(2\pi q)^{-1/2}$, so with $\Delta=|\delta z_j|$ small
# $\mathbb E(\Delta-z_j)_+\mathbf 1[z_j>0]\simeq\frac{\Delta^2}{2\sqrt{2\pi q}}$ and $\mathbb E(\Delta-z_j)_+^2\mathbf 1[z_j>0]\simeq\frac{\Delta^3}{3\sqrt{2\pi q}}$.
# Half of the $a_j$ have the sign of $r$. With $\mathbb E|a|^3=2\sqrt{2/\pi}$ and $\mathbb E|a|^5=8\sqrt{2/\pi}$ the sum over $h$ independent units gives
#
# $$
# \begin{aligned}
# \mathbb E\,D_2&\simeq\mathrm{sign}(r)\,\sqrt h\cdot\frac12\cdot\frac{(\eta rq)^2}h\cdot\frac{2\sqrt{2/\pi}}{2\sqrt{2\pi q}},\\
# \mathrm{Var}\,D_2&\simeq\frac12\cdot\frac{(\eta|r|q)^3}{h^{3/2}}\cdot\frac{8\sqrt{2/\pi}}{3\sqrt{2\pi q}} ,
# \end{aligned}
# $$
#
# which is {eq}`eq-regimes-one-step`.
# :::
#
# So there are three orders. The smooth part is of order $h^{-1}$. The units that switch off scatter with $h^{-3/4}$: there are about $\sqrt h$ of them, each worth $h^{-1}$.
# But they do not cancel. A step switches off units that push the output the wrong way, and never switches on any that push it the right way, since a unit that is off gets no gradient.
# The mean of order $h^{-1/2}$ has the sign of $r$: the residual shrinks less than the linear step says.
#
# In a batch the other samples move a unit whether or not it is on at $x$, and in both directions, so their part cancels. The share of the sample itself, $\frac1b$ of a step, remains.
# We check the proposition over many networks, and compare with the training runs.
# At initialisation $z_j\sim\mathcal N(0,q)$, and the step sees the hidden weights through $z_j$ alone. So one step costs $2h$ normal numbers.


# %%
def one_step(q, y, width, eta, rng):
    """D1 and D2 of one step on one sample, D2 along the residual, and its mean and variance in theory."""
    z, a = np.sqrt(q) * rng.standard_normal(width), rng.standard_normal(width)
    on, relu, root = z > 0, np.maximum(z, 0), np.sqrt(width)
    f = a @ relu / root
    step = eta * (f - y)
    output = (
        (a - step * relu / root) @ np.maximum(z - step * q * a * on / root, 0) / root
    )
    linear_part = f - step * (relu @ relu + q * (a**2 @ on)) / width
    smooth = step**2 * q * f / width
    switched = (output - linear_part - smooth) * np.sign(step)
    mean = step**2 * q**1.5 / (2 * np.pi * root)
    return smooth, switched, mean, 4 / (3 * np.pi) * abs(step) ** 3 * q**2.5 / root**3


one_widths = np.array([250, 1000, 4000, 16000])
own = np.random.default_rng([seed, n_draws])
drawn = own.integers(len(pool.targets), size=200 * n_draws)
norms = (pool.inputs[drawn] ** 2).mean(axis=1) + 1
single = [
    [
        one_step(q, y, h, 0.5, own)
        for q, y in zip(norms, pool.targets[drawn], strict=True)
    ]
    for h in one_widths
]
smooth, switched, mean, variance = np.moveaxis(single, 2, 0)
ratio_of_means = (switched * mean / variance).sum(axis=1) / (mean**2 / variance).sum(
    axis=1
)
ratio_of_variances = ((switched - mean) ** 2).sum(axis=1) / variance.sum(axis=1)
pd.DataFrame(
    {
        "mean of D2": switched.mean(axis=1),
        "over theory": ratio_of_means,
        "its error": 1 / np.sqrt((mean**2 / variance).sum(axis=1)),
        "variance over theory": ratio_of_variances,
        "rms of D1": np.sqrt((smooth**2).mean(axis=1)),
    },
    index=pd.Index(one_widths, name="width"),
).round(5)

# %% mystnb={"figure": {"caption": "Left: one step on one sample. Mean and scatter of the part $D_2$ of units that switch off, and the smooth part $D_1$, over networks; lines: theory, for $D_1$ the slope $-1$. Right: log-ratio of network loss to linearised loss over 100 steps of training, one dot per draw, its mean and its scatter over draws, with slopes $-\\frac12$ and $-\\frac34$.", "name": "fig-regimes-width"}, "image": {"alt": "Two log-log panels against width. Left: three falling sets of markers on lines of slope one half, three quarters and one. Right: a cloud of dots that falls with width, and markers of mean and scatter along two lines."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.6))
h = one_widths
for values, theory, name, color in [
    (switched.mean(axis=1), mean.mean(axis=1), "mean of $D_2$", "blue"),
    ((switched - mean).std(axis=1), np.sqrt(variance.mean(axis=1)), "scatter of $D_2$", "red"),
    (np.sqrt((smooth**2).mean(axis=1)), np.sqrt((smooth[0] ** 2).mean()) * h[0] / h, "rms of $D_1$", "green"),
]:  # fmt: skip
    left.loglog(h, values, "o", color=colors[color], label=name)
    left.loglog(h, theory, color=colors[color], lw=1.2)
left.set(xlabel="width $h$", title="one step")
left.legend(loc="lower left")
w = np.array(widths)
jitter = np.exp(np.linspace(-0.12, 0.12, n_draws))
for i, width in enumerate(widths):
    right.loglog(width * jitter, size[i], ".", color=figures.FAINT, ms=4)
for values, power, name, color in [
    (np.abs(signed.mean(axis=1)), -1 / 2, "mean", "blue"),
    (signed.std(axis=1, ddof=1), -3 / 4, "scatter", "red"),
]:
    right.loglog(w, values, "o", color=colors[color], label=name)
    right.loglog(w, values[-1] * (w / w[-1]) ** power, color=colors[color], lw=1.2)
right.set(xlabel="width $h$", title="log-ratio after training, absolute")
right.set_xticks(widths, labels=[str(width) for width in widths])
right.minorticks_off()
_ = right.legend(loc="lower left")

# %% [markdown]
# One step agrees with the proposition, in the mean and in the variance.
# After 100 steps the scatter between draws falls close to $h^{-3/4}$. The mean falls faster than $h^{-1/2}$ at these widths, since parts of order $h^{-3/4}$ and $h^{-1}$ add to it, and it flattens towards the widest ones.
# The slope of a fit over a finite range lies between $-1$ and $-\frac12$.

# %%
claim("velikanov-C25d", mean_slope)
claim("velikanov-C25e", scatter_slope)
claim("velikanov-C25f", ratio_of_means[-1])
claim("velikanov-C25g", ratio_of_variances[-1])
if dataset == "mnist":
    published = {250: 0.0139, 1000: 0.0098, 4000: 0.0020}
    for letter, (width, value) in zip("abc", published.items(), strict=True):
        i = widths.index(width)
        claim(f"velikanov-C25{letter}", (np.log(value) - center[i]) / spread[i])

# %% [markdown]
# :::{admonition} Takeaway
# :class: tip
# At width 1000 and $\alpha=0.5$ linearisation costs less than one per cent over the first hundred steps.
# ReLU units that switch off make the leading error, of order $h^{-1/2}$, and on average they slow the network down. Later, changed features speed it up.
# :::

# %% [markdown]
# ## The unit of the learning rate
#
# The scripts for four regimes in the repository train the network with the plain learning rate, and all other regimes with the scaled kernel.
# A network at the plain rate $\alpha$ takes steps of $\alpha\lambda_1$ in units of $1/\lambda_1$, with the $\lambda_1$ of its own $K/N$.
# So the two curves do not belong to the same setting.
#
# In the last runs we also trained the widest networks at the plain rate. We ask which rate of the linearised network fits each of them best.

# %%
error = effective.std(ddof=1) / np.sqrt(n_draws)
claim("velikanov-C35a", effective.mean(), note=f"standard error over draws {error:.4f}")
table = []
steps = min(200, n_steps)
batches = sampling.batches(n_samples, 10, steps, rng=np.random.default_rng(seed))
at_rates = [1.2, alpha]
for a in at_rates:
    plain, scaled = (trained(long, a, 0.0, batches, learning_rate_scale=s)[0] for s in (1.0, long.scale))  # fmt: skip
    tried = linear(long, np.array([a, a / long.scale]), 0.0, batches)[:, 0]
    table.append((scaled, plain, *tried))

# %% mystnb={"figure": {"caption": "The network with scaled and with plain learning rate, and the linearised network at $\\alpha$ and at $\\alpha\\lambda_1$, on the same batches with $b=10$. Each network follows the linear run of its own rate. On the digits $\\lambda_1$ is so large that at the highest rate the plain one is beyond the stability limit: the linear loss explodes, the network's jumps and comes back.", "name": "fig-regimes-unit"}, "image": {"alt": "Two panels of loss against step with two pairs of jagged curves each, the lower pair and the higher pair on each other; in the second panel one dashed curve rises far above the others; on the digits it leaves the frame at the top."}}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.4))
for ax, a, (scaled, plain, own, times_lambda) in zip(
    axes, at_rates, table, strict=True
):
    ax.semilogy(scaled, color=colors["blue"], label=r"network, $s\alpha$")
    ax.semilogy(own, ":", color=figures.INK, lw=1.3, label=r"linear, $\alpha$")
    ax.semilogy(plain, color=colors["red"], label=r"network, plain $\alpha$")
    ax.semilogy(times_lambda, "--", color=figures.INK, lw=1, label=r"linear, $\alpha\lambda_1$")  # fmt: skip
    ax.set(xlabel="step $t$", title=rf"$\alpha={a:.2g}$", xlim=(0, 60))
low = min(np.min(losses) for losses in table[0])
axes[0].set_ylim(0.9 * low, 3)
axes[1].set_ylim(0.9 * low, 20)
axes[0].set_ylabel("loss $L(t)$")
_ = axes[0].legend(loc="upper right", fontsize=8)

# %% [markdown]
# The best factor is $\lambda_1$, up to the per cent that the finite width costs.
# Near the stability limit the difference is no detail.
# Beyond the limit the linearised loss explodes, as on the digits, and the network survives. This is known as the catapult: the kernel shrinks in the jump until the rate is stable again {cite:p}`lewkowycz2020large`. No linear description has this.

# %% [markdown]
# (sec-regimes-schedules)=
# ## Schedules and momentum
#
# Nothing in the ladder needs constant settings. The repository offers the Jacobi schedules, with $n=t+1$ and two parameters, here both 1:
#
# $$
# \begin{aligned}
# \alpha_t&=\alpha\,\frac{(2n+3)(2n+4)}{2(n+2)(n+3)},\\
# \beta_t&=\frac{n(n+1)(2n+4)}{(n+2)(n+3)(2n+2)} .
# \end{aligned}
# $$ (eq-regimes-jacobi)
#
# Then $\alpha_t\to2\alpha$ and $\beta_t\simeq1-\frac3n$. For full batches this accelerates gradient descent.
# The effective rate $\frac{\alpha_t}{1-\beta_t}\simeq\frac23\alpha t$ grows without bound, though, and with batches stability demands $\frac{\alpha}{1-\beta}<\frac2{\gamma\lambda_{\mathrm{crit}}}$ ({ref}`sec-critical-rate`).
# If the loss follows the settings of the moment, noise takes over at about
#
# $$
# t_\times=\frac3{\alpha\gamma\lambda_{\mathrm{crit}}} .
# $$ (eq-regimes-takeover)
#
# One convention for all: the learning rate stands inside the velocity.
# In the repository the sampled regimes keep it outside, $\mathbf p\leftarrow\mathbf g+\beta_t\mathbf p$, $\mathbf f\leftarrow\mathbf f-\alpha_t\mathbf p$.
# With $\mathbf v=-\alpha_t\mathbf p$ this is $\mathbf v\leftarrow\beta_t\frac{\alpha_t}{\alpha_{t-1}}\mathbf v-\alpha_t\mathbf g$: the same algorithm with the momentum $\beta_t\alpha_t/\alpha_{t-1}$.
# For constant rates nothing changes. Under a schedule the curves differ, and we can say by how much.

# %%
base = 0.3
rates, momenta = regimes.jacobi_schedule(base, 1.0, 1.0)


def momenta_outside(t):
    """The momentum that the learning rate outside the velocity amounts to."""
    return momenta(t) * rates(t) / rates(max(t - 1, 0))


three = [small_sizes[0], small_sizes[1], n_exact]
jacobi = {}
for b in three:
    gamma = regimes.sampling_noise(n_exact, b)
    batches = sampling.batches(
        n_exact, b, n_scheduled, n_runs=max(2, n_runs // 5), rng=rng
    )
    spectral_losses = (
        regimes.spectral_diagonal(small_spectrum, rates, m, gamma, n_scheduled)
        for m in (momenta, momenta_outside)
    )
    jacobi[b] = (
        gamma,
        *spectral_losses,
        linear(small, rates, momenta, batches if b < n_exact else batches[:1]),
        trained(small, rates, momenta, batches[:1], every=5)[0],
    )

# %%
fixed, steady = 0.9, rate * (1 - 0.9)
batches = sampling.batches(n_exact, 10, t_exact, n_runs=n_runs, rng=rng)
gamma = regimes.sampling_noise(n_exact, 10)
heavy_sd = regimes.spectral_diagonal(small_spectrum, steady, fixed, gamma, t_exact, tau2=taus)  # fmt: skip
heavy_exact = regimes.averaged(*small.linear, steady, fixed, 10, t_exact)
heavy_linear = linear(small, steady, fixed, batches)
heavy_network = trained(small, steady, fixed, batches[: few // 2])

# %% mystnb={"figure": {"caption": "Left: the Jacobi schedule at three batch sizes. Spectral loss with $\\tau_2=1$ (smooth), mean of the linearised runs (dots), one run of the network (thin). Vertical marks: the predicted time at which noise takes over. Right: constant momentum $\\beta=0.9$ with $b=10$. One run of the network and of its linearisation lie nearly on each other; the mean of the linearised runs (dots) is the exact average and the spectral loss.", "name": "fig-regimes-schedules"}, "image": {"alt": "Left: log-log panel with three falling curves; those for small batches turn upwards at a marked time, the smallest batch first. Right: a smooth falling curve, with dots of the mean on it and two wavy lines around it."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.9))
lambda_crit = genfun.critical_regularization(small_spectrum.eigenvalues)
t = np.unique(np.geomspace(1, n_scheduled, 150).astype(int))
dots = np.unique(np.geomspace(1, n_scheduled, 14).astype(int))
for b, color in zip(three, figures.ramp(3), strict=True):
    gamma_b, inside_v, _, lin, net = jacobi[b]
    left.loglog(t, inside_v[t], color=color, label=f"$b={b}$")
    left.loglog(dots, lin.mean(axis=0)[dots], "o", color=color, ms=4)
    left.loglog(5 * np.arange(1, len(net)), net[1:], color=color, lw=0.6)
    if gamma_b > 0:
        left.axvline(3 / (base * gamma_b * lambda_crit), ymax=0.06, color=color, lw=2)
left.set(
    xlabel="step $t$", ylabel="loss $L(t)$", title="Jacobi schedule", ylim=(1e-5, 10)
)
left.set_xlim(1, n_scheduled)
left.legend(loc="lower left")
t, dots = np.arange(1, t_exact + 1), np.unique(np.geomspace(1, t_exact, 14).astype(int))
right.loglog(t, heavy_linear[0, 1:], color=colors["blue"], lw=0.9, label="linearised, one run")  # fmt: skip
right.loglog(
    t, heavy_network[0, 1:], color=colors["red"], lw=0.9, label="network, one run"
)
right.loglog(t, heavy_exact[1:], color=figures.INK, label="exact average")
right.loglog(
    t, heavy_sd[0, 1:], "--", color=colors["green"], label=r"spectral, $\tau_2=1$"
)
right.loglog(dots, heavy_linear.mean(axis=0)[dots], "o", color=colors["blue"], ms=4)
right.set(xlabel="step $t$", title=r"momentum $\beta=0.9$")
_ = right.legend(loc="lower left")

# %%
rows = {}
for b, (gamma_b, inside_v, outside_v, lin, net) in jacobi.items():
    takeover = 3 / (base * gamma_b * lambda_crit) if gamma_b else np.inf
    until = slice(1, int(min(takeover, n_scheduled)) + 1)
    first = slice(1, until.stop // 5)
    rows[b] = {
        "predicted takeover": takeover,
        "smallest loss at": inside_v.argmin(),
        "runs' mean / spectral": np.exp(
            apart(lin.mean(axis=0)[until], inside_v[until])
        ),
        "network / linearised": np.exp(apart(net[first], lin[0, ::5][first])),
        "rate outside / inside": np.exp(apart(outside_v[until], inside_v[until])),
    }
ratio = rows[three[0]]["smallest loss at"] / rows[three[0]]["predicted takeover"]
claim("velikanov-C36a", ratio, note=f"{dataset}, b = {three[0]}")
record(
    takeover_large_b=rows[three[1]]["smallest loss at"]
    / rows[three[1]]["predicted takeover"]
)
record(
    momentum_network=apart(heavy_network, heavy_linear[: few // 2]),
    momentum_tau_plus=apart(heavy_sd[0], heavy_exact),
)
pd.DataFrame(rows).rename_axis(columns="b").round(3)

# %% [markdown]
# The factors of the last three rows are means up to the predicted takeover, or to the end; that of the network over every fifth step.
#
# Under a schedule, too, the mean of the runs meets the spectral recursion within its sampling error, which is large near the takeover.
# The schedule helps until noise takes over, at about the predicted time. After that the linear loss grows without bound: acceleration and small batches exclude each other, and one line of theory says when.
# The network with $b=10$ turns away from its linearisation there, and its loss stays bounded.
# The network leaves its linearisation earlier than at constant settings, since it travels further in fewer steps.
# The two conventions differ by less than a per cent on average with these parameters. In the first steps, where the rate grows fastest, they differ by some per cent, in both directions.
#
# Constant momentum at the same effective rate, $\frac\alpha{1-\beta}=1.2$, changes nothing in the ladder.

# %% [markdown]
# ## Adam, outside the theory
#
# The repository also has Adam in output space: running means $m$ of $\mathbf g$ and $s$ of its squares, output by output, and steps $-\alpha m/(\sqrt s+\epsilon)$ after the usual corrections {cite:p}`kingma2015adam`.
# It is not Adam on the weights, since entries of outputs are not entries of weights. And it has no theory of the batch noise: a step is no linear function of the residual, so second moments do not close.
# One thing can be said.
#
# :::{prf:proposition} Adam does not see the scale
# :label: prop-regimes-adam
#
# Let $\epsilon=0$. If $\mathbf f(t)$ is a run of Adam in output space with learning rate $\alpha$, then $\sigma\mathbf f(t)$ is a run with learning rate $\sigma\alpha$ on the same batches, for every $\sigma>0$. The scale of $K$ does not matter.
# :::
#
# :::{prf:proof}
# By induction over $t$. If residuals so far are multiplied by $\sigma$, so are the gradients $\mathbf g$ and $m$, and $s$ by $\sigma^2$. The quotient $m/\sqrt s$ stays, and the step $\alpha m/\sqrt s$ becomes $\sigma$ times itself. A factor of $K$ cancels in the quotient.
# :::
#
# SGD has the opposite symmetry: $\sigma\mathbf f$ is a run with the *same* rate.
# Near interpolation the steps of SGD vanish with the residual, and so does its noise. The size of Adam's steps does not know how small the residual is.
# So Adam cannot rest. Whatever it does at late times, when the start is forgotten, happens at losses proportional to $\alpha^2$.

# %%
adam_rates, n_adam = np.array([0.1, 0.3, 1.0]), 3 * n_scheduled
adam = {}
for b, runs in ((small_sizes[0], 5), (n_exact, 1)):
    batches = sampling.batches(n_exact, b, n_adam, n_runs=runs, rng=rng)
    adam[b] = linear(small, adam_rates, 0.0, batches, optimizer="adam").mean(axis=1)
    gamma = regimes.sampling_noise(n_exact, b)
    adam[b, "sgd"] = regimes.spectral_diagonal(small_spectrum, rate, 0.0, gamma, n_adam)

# %% mystnb={"figure": {"caption": "Adam in output space at three learning rates, and SGD with $\\alpha=1.2$ (black, spectral loss), for small batches (mean of five runs) and for the full batch. With full batches Adam is far faster, until it reaches losses at which its steps are too long: from there on it bursts, to heights proportional to $\\alpha^2$.", "name": "fig-regimes-adam"}, "image": {"alt": "Two panels with a logarithmic loss axis. Left, small batches: three falling curves around the black one, the lowest becomes rough. Right, full batch: three curves that plunge far below the black one, with tall regular spikes at late times."}}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.6))
starts = np.arange(
    0, n_adam, 10
)  # the largest loss in ten steps, so that no burst is lost
for ax, b in zip(axes, (small_sizes[0], n_exact), strict=True):
    for curve, a, color in zip(adam[b], adam_rates, figures.ramp(3), strict=True):
        highest = np.maximum.reduceat(curve[:-1], starts)
        ax.semilogy(starts, highest, color=color, lw=1, label=rf"Adam, $\alpha={a:g}$")
    ax.semilogy(starts, adam[b, "sgd"][starts], color=figures.INK, label="SGD")
    ax.set(xlabel="step $t$", title=f"$b={b}$" if b < n_exact else "full batch")
axes[0].set_ylabel("loss $L(t)$")
axes[0].legend(loc="upper right")
_ = axes[1].set_ylim(bottom=1e-14)

# %%
last = slice(-n_adam // 3, None)
bursts = adam[n_exact][:, last].max(axis=1) / adam_rates**2
table = {
    "full batch, largest": bursts,
    "full batch, median": np.median(adam[n_exact][:, last], axis=1) / adam_rates**2,
    "small batch, median": np.median(adam[small_sizes[0]][:, last], axis=1)
    / adam_rates**2,
}
record(burst_over_rate_squared=bursts[-1])
pd.DataFrame(table, index=pd.Index(adam_rates, name="rate")).map("{:.2g}".format)

# %% [markdown]
# The table shows losses of the last third of the run, over $\alpha^2$.
# With full batches the bursts of all rates have about the same height in this unit. The lowest rate is the last to forget its start. Between bursts the loss is smaller by many orders of magnitude.
# With small batches a run needs far longer to forget its start, and the low rates have not.
# There the best Adam rate is ahead of SGD by a factor, and no longer by orders of magnitude. Which rate is best depends on when one stops.

# %% [markdown]
# ## What did not reproduce
#
# Most of the published comparison on MNIST did, up to its learning rate, which is not stored and which we inferred. So did the approach of the network to its linearisation.
# Three expectations failed.
#
# At $b=100$ the spectral losses for $\tau_2=\pm1$ do not coincide to one per cent on MNIST. They part in the first steps, by {eq}`eq-regimes-first-gap`, and come together later.
#
# The error of linearisation is not a pure power of the width. A fit over the widths at hand gives no clean $-\frac12$, because three orders are mixed. {prf:ref}`prop-regimes-one-step` separates them.
#
# The slope $-0.25$ holds in the window of the fit. Over the last factor of ten in time the loss falls much faster, on all data and in all regimes, and the network faster still. A power law over $10^4$ steps it is not.
#
# In the published scripts the network has another learning rate than the curves it is compared with. At the rates of the figures this shifts the network's curve visibly, and near the stability limit it decides whether the linear loss converges.

# %% [markdown]
# ## Exercises
#
# :::{exercise}
# :label: ex-regimes-jacobi
#
# Show that $\beta_t\simeq1-\frac{2a+1}n$ for the Jacobi schedule with general parameters $a$, $b$ (not to be confused with the effective rate and the batch size). What happens to $t_\times$?
# :::
#
# :::{solution} ex-regimes-jacobi
# :class: dropdown
#
# The general momentum is $\frac{n(n+b)(2n+s+2)}{(n+a+1)(n+s+1)(2n+s)}$ with $s=a+b$.
# Take logarithms and keep the order $\frac1n$: $b+\frac{s+2}2-(a+1)-(s+1)-\frac s2=b-a-s-1=-2a-1$.
# So $\beta_t\simeq1-\frac{2a+1}n$, and with $\alpha_t\to2\alpha$ the effective rate is close to $\frac{2\alpha t}{2a+1}$.
# It reaches $\frac2{\gamma\lambda_{\mathrm{crit}}}$ at $t_\times=\frac{2a+1}{\alpha\gamma\lambda_{\mathrm{crit}}}$.
# A larger $a$ postpones the takeover and slows the acceleration down by the same factor.
# :::
#
# :::{exercise}
# :label: ex-regimes-smooth
#
# Replace relu by a smooth function. Which of the three orders remain after one step on one sample?
# :::
#
# :::{solution} ex-regimes-smooth
# :class: dropdown
#
# No unit has a corner to stop at, so $D_2$ is replaced by the second-order term $h^{-1/2}\sum_ja_j\frac12\phi''(z_j)\delta z_j^2$.
# Here $\delta z_j=-\eta rqh^{-1/2}a_j\phi'(z_j)$, so the sum is $\frac12(\eta rq)^2h^{-3/2}\sum_ja_j^3\phi''(z_j)\phi'(z_j)^2$.
# The $a_j$ are independent and symmetric, so the sum is of order $\sqrt h$: the term is of order $h^{-1}$, like $D_1$.
# A smooth network is closer to its linearisation, by the factor $\sqrt h$.
# The corner of relu is what makes wide networks slow to become linear.
# :::
#
# :::{exercise}
# :label: ex-regimes-adam
#
# Give Adam small batches and the schedule $\alpha_t=1/\sqrt{t+1}$. If the loss follows the rate of the moment, how does it fall? Try it with `regimes.linearized`.
# :::
#
# :::{solution} ex-regimes-adam
# :class: dropdown
#
# A loss at rest is proportional to $\alpha^2$, so one that follows falls like $\alpha_t^2\propto1/t$. If $tL(t)$ still changes, it does not follow: the slow modes remember the start.
#
# ```python
# def falling(t):
#     return 1.0 / np.sqrt(t + 1)
#
# losses = regimes.linearized(
#     *small.linear, falling, 0.0, 10, 5000, optimizer="adam", rng=np.random.default_rng(0)
# )[0]
# t = np.array([1000, 2000, 5000])
# print(losses[t] * t)
# ```
# :::

# %% [markdown]
# ## Further reading
#
# {cite:t}`velikanov2023view` compare the regimes. {cite:t}`jacot2018neural` find the kernel, and {cite:t}`lee2019wide` prove that wide networks train like their linearisation.
# {cite:t}`chizat2019lazy` show that this is a matter of scale: far from it, features are learned. {cite:t}`dyer2020asymptotics` compute in powers of $1/h$ for smooth networks.
# {cite:t}`lewkowycz2020large` describe what networks do beyond the stability limit of their linearisation.
# [Chapter 8](08_many_runs.ipynb) looks at many single runs, [chapter 10](10_maps_of_the_loss.ipynb) at all learning rates and momenta at once.
