# %% [markdown]
# # Guess & Check
#
# Networks with many more weights than samples fit any labels, and the ones that SGD finds predict new samples well.
# Is that the work of SGD, or of the architecture?
# {cite:t}`chiang2023loss` and {cite:t}`peleg2024bias` propose a control without SGD: draw random networks, and keep those that happen to have no training error.
# What these can do is credited to the architecture and its prior. What a trained network can do beyond them is credited to SGD.
# This chapter builds the control. How rare is a random network that fits, why are ties a trap, which margins may be compared, and how are such networks found in a reasonable time?
# Trained networks join in the next chapter.

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
dataset: str = "digits"  # two classes of it; one of digits, mnist
data_seed: int = 202  # which two, 202 is 7 against 0; in [0, 1000000]
n_samples: int = 16  # training samples, even; in [4, 40]
n_splits: int = 4  # training sets for all widths; in [2, 40]
n_sets: int = 24  # training sets for width 1/6, at least as many; in [2, 200]
n_nets: int = 120  # accepted networks of each training set and width; in [5, 10000]
n_guesses: int = 20000  # random networks where nothing has to fit; in [500, 10000000]
pair_width: int = 48  # units of hidden layers for a pair of inputs; in [8, 1000]
n_starts: int = 20  # starts of each optimiser without gradients; in [2, 1000]
seed: int = 0  # of all draws; in [0, 1000000]

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn

from lib import gradient_free, guess, margins, networks, pairs, priors
from lib.book import claim, figures, record
from lib.decisions import decisions

figures.use()
torch.set_num_threads(1)
cpu = {"device": "cpu"}

# %% [markdown]
# ## The control
#
# There are two classes with labels $y_i\in\{0,1\}$, and $s_i=2y_i-1$ is the sign of a label.
# A network with weights $\theta$ has two logits $f_0,f_1$. All depends on the *decision function* $d_\theta(x)=f_1(x)-f_0(x)$: the prediction is 1 where $d>0$ and 0 where $d\le0$.
#
# :::{prf:definition} Guess & Check
# :label: def-guess-check
#
# Let $P_W$, the *prior*, draw all weights independently, each layer from a law that is symmetric about 0, and set all biases to 0.
# Guess & Check draws $\theta\sim P_W$ and accepts it if all of the first $n$ training samples are predicted right. The probability of this is $p_n$, and $-\log_2p_n$ its price in bits.
# :::
#
# Accepted networks are independent draws from the prior given that the training error is 0. No optimiser has touched them.
# A classifier that tosses a coin for each sample has a price of $n$ bits. So $-\log_2p_n=n$ is the line to compare with.
#
# The networks are LeNets. At width 1 they have 6 and 16 channels and hidden layers of 120 and 84 units, and a width of 2/6 means a third of each.
# The narrowest, 1/6\*, has 1 and 2 channels, then 5 and 3 units. Training sets are balanced and nested: the first $n$ samples are in every larger set.

# %%
data = [pairs.load(dataset, data_seed, permutation_seed=200 + i) for i in range(n_sets)]
shape = data[0].image_shape
widths = ["1/6*", "1/6", "2/6", "4/6"]
nets = {w: networks.lenet(w, image_shape=shape) for w in widths}
sizes = sorted({2, *range(4, n_samples + 1, 2)})


def tests(split):
    """Test images and labels of a split."""
    return torch.from_numpy(split.test_inputs), torch.from_numpy(split.test_labels)


def accuracies(net, weights, split):
    """Test accuracy on the images of class 0 and of class 1, (networks, 2)."""
    x, y = tests(split)
    right = (decisions(net, weights, x) > 0) == y.bool()
    return torch.stack([right[:, y == k].double().mean(1) for k in (0, 1)], 1).numpy()


found = {
    (w, i): guess.search(
        nets[w], split.inputs, split.labels, n_nets, seed=seed, n_samples=sizes, **cpu
    )
    for w in widths
    for i, split in enumerate(data[:n_splits])
}
bits = {key: f.table.set_index("n")["bits"] for key, f in found.items()}
right = {
    (w, i): accuracies(nets[w], found[w, i].weights[n_samples], data[i]).mean(1)
    for w, i in found
}
classes = data[0].classes
rows = {
    w: {
        "weights": sum(p.numel() for p in nets[w].parameters()),
        "draws": sum(int(found[w, i].table["draws"].iloc[0]) for i in range(n_splits)),
        "accepted": n_splits * n_nets,
        "test accuracy": np.mean([right[w, i].mean() for i in range(n_splits)]),
    }
    for w in widths
}
print(f"{classes[0]} against {classes[1]}, n = {n_samples}")
pd.DataFrame.from_dict(rows, orient="index").rename_axis("width").round(3)

# %% [markdown]
# Random networks that fit a handful of images predict new ones far better than chance, without any training. This is the observation of {cite:t}`chiang2023loss`.
# `guess.search` returns their weights and the table of prices. All numbers of samples come from one pass.
#
# ## The price of a sample
#
# :::{prf:proposition} Chain rule
# :label: prop-guess-chain
#
# Let $a_n$ be the share of networks, among those that Guess & Check accepts on the first $n$ samples, that are right on sample $n+1$. Then $p_{n+1}=a_np_n$ and
#
# $$
# -\log_2p_n=\sum_{m<n}-\log_2a_m .
# $$ (eq-guess-chain)
# :::
#
# :::{prf:proof}
# $a_n$ is the conditional probability of being right on $n+1$ samples, given $n$.
# :::
#
# So price and accuracy are two readings of one curve. A sample costs a whole bit while accepted networks guess, and next to nothing once they know the classes.
# The sum over samples of one training set can be predicted from other images: replace $a_na_{n+1}$ by the chance that an accepted network is right on a random test image of either class, independently chosen.
# Training samples are random too, and $-\log$ is convex. By Jensen's inequality the mean price of an additional pair is at least that of the mean chance.
# The estimate has a weak spot. The chance of the first pair comes from a few hundred draws of the prior, the same for all training sets. Their error is nearly 0.2 bits, it lifts or lowers the whole dashed curve, and the scatter of training sets does not show it.
#
# The first pair costs more than two bits. Two images of different classes are similar, and a random network gives similar images the same label most of the time.

# %%
narrow = nets["1/6"]
rng = np.random.default_rng(seed)
unfit = priors.draw(narrow, max(200, n_nets), rng=rng)  # the prior alone, n = 0
measured, predicted = [], []
for split in data:
    some = guess.search(
        narrow, split.inputs, split.labels, max(5, n_nets // 2),
        seed=seed + 1, n_samples=sizes, **cpu,
    )  # fmt: skip
    stages = [unfit, *(some.weights[n] for n in sizes[:-1])]
    chances = [accuracies(narrow, weights, split).prod(1).mean() for weights in stages]
    predicted.append(-np.log2(chances).cumsum())
    measured.append(some.table.bits.to_numpy())
measured, predicted = np.array(measured), np.array(predicted)

# %% mystnb={"figure": {"caption": "Price of fitting $n$ samples, mean over training sets with their standard deviation. Left: four widths, and the line of a coin. Right: width 1/6, with the price that {eq}`eq-guess-chain` predicts from accuracies on test images (dashed).", "name": "fig-guess-bits"}, "image": {"alt": "Left: four nearly equal curves that start above the line y equals n and fall far below it. Right: a curve with error bars and a dashed curve close to it."}}
fig, (left, right_ax) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.3), sharey=True)
for w, color in zip(widths, figures.ramp(4), strict=True):
    each = np.array([bits[w, i].to_numpy() for i in range(n_splits)])
    left.errorbar(sizes, each.mean(0), each.std(0), label=w, color=color, capsize=2)
left.plot(sizes, sizes, color=figures.INK, lw=1, label="coin")
left.set(
    xticks=sizes[::2],
    xlabel="samples $n$",
    ylabel=r"$-\log_2p_n$",
    title="widths",
)
left.legend()
right_ax.errorbar(sizes, measured.mean(0), measured.std(0), capsize=2, label="counted")
right_ax.plot(sizes, predicted.mean(0), "--", label="from test accuracy")
right_ax.plot(sizes, sizes, color=figures.INK, lw=1)
right_ax.set(xticks=sizes[::2], xlabel="samples $n$", title="width 1/6")
_ = right_ax.legend()

# %%
note, many = (f"{dataset}, {k} training sets" for k in (n_splits, n_sets))


def mean_and_error(values):
    """The mean over training sets, and its standard error."""
    values = np.asarray(values)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


first, error = mean_and_error(measured[:, 0] - 2)
claim("peleg-C5a", first, uncertainty=error, note=many)
last, error = mean_and_error(measured[:, -1] - sizes[-1])
claim("peleg-C5b", last, uncertainty=error, note=f"{many}, n = {sizes[-1]}")
gap, error = mean_and_error(predicted[:, -1] - measured[:, -1])
claim("peleg-C5c", gap, uncertainty=error, note=f"{many}, n = {sizes[-1]}")

# %% [markdown]
# The curve starts above the coin and ends far below it.
# Neither end is specific to networks. In the next section linear classifiers show both: a similar pair that is dear, and classes that a shared direction makes cheap.
#
# ## Probabilities in closed form
#
# ### A linear classifier
#
# Let $d(x)=\langle v,x\rangle$ with Gaussian $v$. What matters are the vectors $s_ix_i$: $v$ fits when it has a positive product with each.
#
# *Orthogonal samples.* The products are independent, and $p_n=2^{-n}$. Here the coin is exact.
#
# *Two or three samples.* With $\vartheta_{ij}$ the angle between $s_ix_i$ and $s_jx_j$,
#
# $$
# p_2=\frac12-\frac{\vartheta_{12}}{2\pi},\qquad p_3=\frac12-\frac{\vartheta_{12}+\vartheta_{13}+\vartheta_{23}}{4\pi} .
# $$ (eq-guess-angles)
#
# The first is the share of a wedge. The second follows from the first by inclusion and exclusion, since all three products are negative as often as they are all positive.
# For images of different classes at a small angle $\vartheta$, the signs are opposite, $\vartheta_{12}=\pi-\vartheta$, and $p_2=\vartheta/2\pi$. Similar images are expensive.
#
# *A shared direction.* Let all $s_ix_i$ have the same cosine $\varrho\in[0,1)$ with each other.
#
# :::{prf:proposition} Equal cosines
# :label: prop-guess-cosines
#
# With $t$ standard normal, and $\Phi$ the normal distribution function,
#
# $$
# p_n=\mathbb E\,\Phi\Big(t\sqrt{\tfrac{\varrho}{1-\varrho}}\Big)^n .
# $$ (eq-guess-cosines)
#
# At $\varrho=\frac12$ it is $\frac1{n+1}$.
# :::
#
# :::{prf:proof}
# The products, divided by their standard deviation, are $\sqrt\varrho\,t+\sqrt{1-\varrho}\,e_i$ with one $t$ for all and independent normal $e_i$. Given $t$ they are independent and positive with probability $\Phi(t\sqrt{\varrho/(1-\varrho)})$.
# At $\varrho=\frac12$ all are positive when $-t$ is the smallest of the $n+1$ numbers $-t,e_1,\dots,e_n$. By symmetry the probability is $\frac1{n+1}$.
# :::
#
# If a direction separates the classes, $\varrho>0$, the price grows like a logarithm of $n$: from $\varrho=0$ to $\frac12$ the price of 16 samples falls from 16 bits to 4.1.

# %%
linear = nn.Sequential(
    networks.Images((1, 1, n_samples + 1)),
    nn.Flatten(),
    nn.Linear(n_samples + 1, 2, bias=False),
)
labels = np.tile([0, 1], n_samples // 2)
cosines = [0, 0.25, 0.5, 0.75]
counted = {}
for rho in cosines:
    own = np.sqrt(1 - rho) * np.eye(n_samples, n_samples + 1, 1)
    own[:, 0] = np.sqrt(rho)
    signed = (2 * labels - 1)[:, None] * own
    table = guess.acceptance(
        linear, signed, labels, n_guesses, seed=seed, prior="kaiming_gaussian",
        n_samples=[2, 4, 8, n_samples] if n_samples > 8 else [2, n_samples], **cpu,
    )  # fmt: skip
    counted[rho] = table.set_index("n")
exact = {
    rho: [guess.closed_form.equal_cosines(rho, n) for n in counted[rho].index]
    for rho in cosines
}
off = [
    np.abs(counted[r].probability - exact[r]) / counted[r].standard_error
    for r in cosines
]
record(linear_largest_deviation=max(np.nanmax(o.replace(np.inf, np.nan)) for o in off))
pd.DataFrame({
    f"cosine {r:g}": [
        f"{c:.2f} ({-np.log2(p):.2f})" for c, p in zip(counted[r].bits, exact[r], strict=True)
    ]
    for r in cosines
}, index=counted[0].index)  # fmt: skip

# %% [markdown]
# Bits as counted, with {eq}`eq-guess-cosines` in brackets. Where nothing was found among the draws, the count is infinite.
# `linear_largest_deviation` is the largest difference of the finite counts, in standard errors.
# At $n=2$ a cosine above 0 is already cheaper than the coin. A similar pair of images of different classes has a negative one.
#
# ### A pair of inputs and infinite width
#
# How does depth enter? In the limit of infinite width a network with random weights is a Gaussian process, and the cosine of two inputs after each ReLU layer follows from that before {cite:p}`cho2009kernel`:
#
# $$
# r_{l+1}=\frac1\pi\Big(\sqrt{1-r_l^2}+r_l\,(\pi-\arccos r_l)\Big) .
# $$ (eq-guess-layer)
#
# :::{prf:proposition} Depth makes a pair expensive
# :label: prop-guess-depth
#
# Let two inputs have the cosine $r_0<1$. A random ReLU network with $l$ hidden layers of infinite width and no biases puts them in the classes 1 and 0, in this order, with probability $\arccos(r_l)/2\pi$. This falls with $l$.
# :::
#
# :::{prf:proof}
# $d$ at the two inputs is a normal pair with correlation $r_l$, and the probability is that of a wedge, as in {eq}`eq-guess-angles`.
# With $r=\cos\vartheta$, {eq}`eq-guess-layer` reads $\pi(r_{l+1}-r_l)=\sin\vartheta-\vartheta\cos\vartheta$. It is 0 at $\vartheta=0$ and has the derivative $\vartheta\sin\vartheta>0$ on $(0,\pi)$. So $r_{l+1}>r_l$.
# :::
#
# This is our own argument. It concerns one pair, and networks of infinite width.
# We draw networks of finite width for inputs at the cosine 0.8.


# %%
def fully_connected(dim, width, depth):
    """A ReLU network with so many hidden layers and two logits, no biases."""
    layers = [networks.Images((1, 1, dim)), nn.Flatten()]
    for _ in range(depth):
        layers += [nn.Linear(dim, width, bias=False), nn.ReLU()]
        dim = width
    return nn.Sequential(*layers, nn.Linear(dim, 2, bias=False))


pair = np.array([[1, 0], [0.8, 0.6]])
depths = np.arange(5)
formula = np.array([guess.closed_form.separates(0.8, int(k)) for k in depths])
tables = [
    guess.acceptance(
        fully_connected(2, pair_width, k), pair, [1, 0], n_guesses,
        seed=seed, prior="kaiming_gaussian", **cpu,
    )
    for k in depths
]  # fmt: skip
simulated = np.array([t.probability[0] for t in tables])
errors = np.array([t.standard_error[0] for t in tables])
known = np.array([0.1024, 0.0950, 0.0886, 0.0831, 0.0783])
claim("peleg-C17a", np.abs(formula - known).max())
claim(
    "peleg-C17b",
    np.abs(simulated - formula).max(),
    note=f"width {pair_width}, standard error {errors.max():.4f}",
)
claim(
    "peleg-C17c",
    simulated[0] - simulated[-1],
    uncertainty=float(np.hypot(errors[0], errors[-1])),
)
pd.DataFrame(
    {"infinite width": formula, f"width {pair_width}": simulated, "error": errors},
    depths,
).rename_axis("hidden layers").round(4)

# %% [markdown]
# :::{admonition} Takeaway
# :class: tip
# The price of fitting measures how much the prior already agrees with the labels. It is paid on the first samples, and a similar pair of images in different classes is what costs most.
# :::
#
# ## Ties
#
# A network without biases can have $d(x)=0$ exactly, and then the rule says class 0. How often does this happen?
#
# :::{prf:proposition} Dead layers
# :label: prop-guess-dead
#
# Let a fully connected ReLU network have hidden layers of $m_1,\dots,m_{D-1}$ units, no biases, and weights drawn independently from symmetric laws with densities. For every $x\ne0$
#
# $$
# P_W\big(d(x)=0\big)=1-\prod_{l<D}\big(1-2^{-m_l}\big) .
# $$ (eq-guess-dead)
# :::
#
# :::{prf:proof}
# Let the input $h$ of a layer not vanish. Each unit receives $\langle w,h\rangle$, which has a density and a symmetric law, so it is off with probability $\frac12$. Units are independent, and all $m_l$ are off with probability $2^{-m_l}$.
# Then all later layers give 0. If no layer is off, $d=\langle w,h\rangle\ne0$ almost surely.
# :::
#
# Width enters mostly through the narrowest layer, and exponentially. Three units, as in the LeNet 1/6\*, are off for an eighth of all networks. The same network has a layer of five units, and convolutions with one and two channels that can be off as well.
#
# For Guess & Check this is a gift to class 0: a network that is dead on images of class 0 and alive on those of class 1 is right. The strict rule asks for $s_id(x_i)>0$. Let $\tau$ be the share of accepted networks with a tie. The strict rule accepts the others, so it costs exactly $-\log_2(1-\tau)$ bits more.

# %%
tied = {
    (w, i): found[w, i].table.set_index("n").tie_rate[n_samples]
    for w in widths
    for i in range(n_splits)
}
strict = [
    guess.search(
        nets["1/6*"], s.inputs[:n_samples], s.labels[:n_samples], n_nets,
        seed=seed, ties="strict", **cpu,
    )
    for s in data[:n_splits]
]  # fmt: skip
extra = [
    f.table.bits[0] - bits["1/6*", i][n_samples] for i, f in enumerate(strict)
]  # the two searches share draws
change = [
    accuracies(nets["1/6*"], f.weights[n_samples], s).mean() - right["1/6*", i].mean()
    for i, (f, s) in enumerate(zip(strict, data[:n_splits], strict=True))
]
image = torch.from_numpy(data[0].inputs[:1])
mlp = networks.mlp("1/6", image_shape=shape)
zero = decisions(mlp, priors.draw(mlp, n_guesses, rng=rng), image)[:, 0] == 0
claim(
    "peleg-C4d",
    zero.double().mean().item(),
    note=f"{n_guesses} networks",
)
rate, error = mean_and_error([tied["1/6*", i] for i in range(n_splits)])
claim("peleg-C4e", rate, uncertainty=error, note=note)
value, error = mean_and_error(extra)
claim("peleg-C4f", value, uncertainty=error, note=note)
value, error = mean_and_error(change)
claim("peleg-C4g", abs(value), uncertainty=error, note=note)
pd.DataFrame({
    w: {
        "ties among accepted": np.mean([tied[w, i] for i in range(n_splits)]),
        "random networks with d = 0 on one image": (
            decisions(nets[w], priors.draw(nets[w], 2000, rng=rng), image) == 0
        ).double().mean().item(),
    }
    for w in widths
}).round(4)  # fmt: skip

# %% [markdown]
# About half of the accepted networks of the narrowest kind owe a sample to a dead layer. They are as good on new images as the others, so the comparison of accuracies is safe, and the comparison of prices is off by about a bit. From width 2/6 on there are no ties.
# The default of `guess.search` is the rule of the paper; `ties="strict"` is the other one.
#
# With this in mind we compare prices across widths on the same training sets, and at width 1/6 with an independent program on two others.
# Training sets differ a lot: a few unusual images make all networks expensive. So the second comparison needs many sets.

# %%
each = np.array([[bits[w, i][n_samples] for i in range(n_splits)] for w in widths])
price = each.mean(1)
claim("peleg-C4a", price[1:].max() - price[1:].min(), note=f"{note}, from 1/6 to 4/6")
claim("peleg-C4b", price.max() - price.min(), note=f"{note}, 1/6* as well")
fall, error = mean_and_error(each[1] - each[3])
record(price_fall=fall, price_fall_error=error)
earlier = {  # of another program: two training sets
    "digits": [8.15, 8.17, 7.81, 7.56],
    "mnist": [11.19, 10.92, 10.89, 10.70],
}[dataset]
between = measured[:, -1].std(ddof=1)
off = abs(measured[:, -1].mean() - earlier[1]) / (between * np.sqrt(1 / n_sets + 1 / 2))
claim("peleg-C4c", off, note=f"{many}, standard deviation {between:.2f}")
table = pd.DataFrame({"bits": price, "independent program": earlier}, widths)
table.loc[f"1/6, {n_sets} sets"] = measured[:, -1].mean(), np.nan
table.rename_axis("width").round(2)

# %% [markdown]
# A network of 4/6 has some seventy times the weights of 1/6\*, and fits at nearly the same price. The number of weights is not what makes a fit likely.
#
# ## The scale of the prior
#
# {cite:t}`chiang2023loss` draw weights from $U[-1,1]$. Programs that train networks draw them with variances of order $1/\text{fan-in}$. Which prior is right? Without biases the question has hardly any content. (The code of {cite:t}`chiang2023loss` draws biases too, and with these the scale matters.)
#
# :::{prf:proposition} Homogeneity
# :label: prop-guess-homogeneous
#
# Without biases, with ReLU and max-pools, and for $c_l>0$ and $c>0$,
#
# $$
# d_{(c_1W_1,\dots,c_DW_D)}(x)=\Big(\prod_lc_l\Big)\,d_\theta(x),\qquad d_\theta(cx)=c\,d_\theta(x) .
# $$ (eq-guess-homogeneous)
#
# Where $d$ is differentiable, $\langle\nabla d(x),x\rangle=d(x)$.
# :::
#
# :::{prf:proof}
# Linear layers, ReLU and maxima commute with multiplication by $c>0$, one after the other. Differentiate $d(cx)=c\,d(x)$ in $c$ at 1.
# :::
#
# So $U[-1,1]$, $U[-0.2,0.2]$ and the Kaiming law $U[-\sqrt{6/\text{fan-in}},\sqrt{6/\text{fan-in}}]$ give one and the same distribution over classifiers. Only the shape of the law could matter, as between uniform and Gaussian weights.
# For SGD the scale does matter, because step sizes do not scale with it. That belongs to the next chapter.

# %%
split, net = data[0], nets["2/6"]
x_test, _ = tests(split)
x_train = torch.from_numpy(split.inputs[:n_samples])
y_train = torch.from_numpy(split.labels[:n_samples])
base = found["2/6", 0].weights[n_samples]
powers = {name: w * 2.0 ** (3 - 2 * k) for k, (name, w) in enumerate(base.items())}
kaiming = {
    name: w * (6 / w[0, 0].numel()) ** 0.5 for name, w in base.items()
}  # the bound of the Kaiming law


def normalised(weights, dtype=torch.float32):
    """Both losses of networks of width 2/6 on the training samples."""
    own = {name: w.to(dtype) for name, w in weights.items()}
    x, test = x_train.to(dtype), x_test[::2].to(dtype)
    constants = margins.lipschitz(net, own, test)
    return (
        margins.lipschitz_loss(net, own, x, y_train, constants),
        margins.weight_norm_loss(net, own, x, y_train),
    )


d, losses, double = (
    decisions(net, base, x_test),
    normalised(base),
    normalised(base, torch.float64),
)
rows = {}
for name, scaled in {"powers of two": powers, "Kaiming": kaiming}.items():
    other, again = normalised(scaled), normalised(scaled, torch.float64)
    rows[name] = {
        "predictions changed": ((decisions(net, scaled, x_test) > 0) != (d > 0)).sum(),
        "change of weight-norm loss": (other[1] - losses[1]).abs().max(),
        "change of Lipschitz loss": (other[0] - losses[0]).abs().max(),
        "the same in double precision": (again[0] - double[0]).abs().max(),
    }
rows = {name: {k: float(v) for k, v in row.items()} for name, row in rows.items()}
exactly, nearly = rows.values()
claim("peleg-C9a", sum(exactly.values()), note=f"{len(d)} networks")
claim("peleg-C9b", nearly["predictions changed"], note=f"{d.numel()} predictions")
claim("peleg-C9c", nearly["change of weight-norm loss"])
claim("peleg-C9d", nearly["change of Lipschitz loss"])
claim("peleg-C9g", nearly["the same in double precision"])
pd.DataFrame(rows).map("{:.2g}".format)

# %% [markdown]
# Powers of two change nothing, to the last bit. Other factors round. The Lipschitz loss, defined below, is the one that notices: a gradient jumps where two values of a max-pool agree up to rounding, and large parts of these images are constant.
# In double precision the change is as small as the rounding of the scaled weights.
#
# Now the shape of the law.

# %%
gauss = [
    guess.search(
        net, s.inputs[:n_samples], s.labels[:n_samples], n_nets,
        seed=seed, prior="kaiming_gaussian", **cpu,
    )
    for s in data[:n_splits]
]  # fmt: skip
dearer = [f.table.bits[0] - bits["2/6", i][n_samples] for i, f in enumerate(gauss)]
better = [
    accuracies(net, f.weights[n_samples], s).mean() - right["2/6", i].mean()
    for i, (f, s) in enumerate(zip(gauss, data[:n_splits], strict=True))
]
for key, values in {"e": dearer, "f": better}.items():
    value, error = mean_and_error(values)
    claim(f"peleg-C9{key}", value, uncertainty=error, note=f"{note}, width 2/6")

# %% [markdown]
# ## Margins and losses that can be compared
#
# The cross-entropy of an interpolating network says nothing: by {eq}`eq-guess-homogeneous`, larger weights push it to 0 and change no prediction. Divide the margins by something that grows in the same way.
#
# *By the Lipschitz constant.* If $|d(x)-d(x')|\le\Lambda\lVert x-x'\rVert$, then $x$ is at least $|d(x)|/\Lambda$ from the nearest point with $d=0$. For a linear classifier it is exactly that far. The true constant is out of reach, so one takes the largest gradient on a set of images,
#
# $$
# \hat\Lambda(\theta)=\max_x\lVert\nabla_xd_\theta(x)\rVert_2,\qquad
# \ell_L=\frac1n\sum_i\log\big(1+e^{-s_id(x_i)/\hat\Lambda}\big) .
# $$ (eq-guess-lipschitz)
#
# *By norms of weights* {cite:p}`chiang2023loss`. With the Frobenius norm of each of the $D$ layers,
#
# $$
# N(\theta)=\prod_{l=1}^D\frac{\lVert W_l\rVert_F}3,\qquad
# \ell_W=\frac1n\sum_i\log\big(1+e^{-s_id(x_i)/N}\big) .
# $$ (eq-guess-weights)
#
# The 3 is a display scale. Both losses are $\log2=0.693$ for zero margins, and no scaling of layers changes them.
# By Euler's identity $|d(x)|\le\lVert\nabla d(x)\rVert\,\lVert x\rVert$: measured by its own gradient, no margin exceeds $\lVert x\rVert$, whatever the width. For $N$ there is no such bound, and width has an effect of its own.
#
# :::{prf:proposition} Width shrinks weight-normalised margins
# :label: prop-guess-width
#
# Let a fully connected ReLU network have $m_0$ inputs, hidden layers of $m_1,\dots,m_{D-1}$ units and two logits, with independent weights of mean 0, symmetric, of variance $\sigma_l^2$ in layer $l$. Then
#
# $$
# \frac{\mathbb E\,d(x)^2}{\prod_l\mathbb E\lVert W_l\rVert_F^2/9}=\frac{9^D}{\prod_{l<D}2m_l}\,\frac{\lVert x\rVert^2}{m_0} .
# $$ (eq-guess-width)
# :::
#
# :::{prf:proof}
# Let $h_l$ be the output of hidden layer $l$. A unit receives a symmetric number of variance $\sigma_l^2\lVert h_{l-1}\rVert^2$, and ReLU keeps half of the second moment: $\mathbb E\lVert h_l\rVert^2=\frac12m_l\sigma_l^2\,\mathbb E\lVert h_{l-1}\rVert^2$. The decision function is the difference of two logits, so $\mathbb Ed^2=2\sigma_D^2\,\mathbb E\lVert h_{D-1}\rVert^2$.
# And $\mathbb E\lVert W_l\rVert_F^2=m_lm_{l-1}\sigma_l^2$ with $m_D=2$. Divide.
# :::
#
# If all hidden layers get $k$ times as wide, the typical margin shrinks by $k^{(D-1)/2}$. For convolutions the count is the same with channels for units; what pools and patches change does not depend much on width. LeNet has four hidden layers: from 1/6 to 4/6 its margins should shrink about 16 times, though the classifiers are equally good. So $\ell_W$ must climb to $\log 2$ by itself.

# %%
small = networks.mlp("2/6", depth=2, image_shape=shape)
weights = priors.draw(small, n_guesses, rng=rng)
squares = decisions(small, weights, image)[:, 0].double() ** 2
norm = nn.functional.max_pool2d(image.view(1, *shape), 2).square().sum().item()
layers = [w for w in weights.values() if w.ndim > 2]
squared_norms = [
    w.flatten(1).square().sum(1).double().mean().item() / 9 for w in layers
]
hidden = [w.shape[1] for w in layers[:-1]]
expected = 9 ** len(layers) / np.prod(2 * np.array(hidden)) * norm / layers[0].shape[2]
values = (squares / np.prod(squared_norms) / expected).numpy()
claim(
    "peleg-C13c", values.mean(), uncertainty=values.std() / np.sqrt(len(values)),
    note=f"hidden layers {hidden}, {n_guesses} networks",
)  # fmt: skip

# %%
rows = []
for w, i in found:
    split, own = data[i], found[w, i].weights[n_samples]
    x, y = (torch.from_numpy(v[:n_samples]) for v in (split.inputs, split.labels))
    constants = margins.lipschitz(nets[w], own, tests(split)[0])
    rows.append(pd.DataFrame({
        "width": w, "split": i, "accuracy": right[w, i],
        "lipschitz": margins.lipschitz_loss(nets[w], own, x, y, constants).numpy(),
        "weight_norm": margins.weight_norm_loss(nets[w], own, x, y).numpy(),
    }))  # fmt: skip
nets_found = pd.concat(rows, ignore_index=True)

# %% mystnb={"figure": {"caption": "Accepted networks by loss and test accuracy: Lipschitz-normalised loss above, weight-normalised loss below. Lines: mean accuracy in each of eight bins of equal size. Dots at the right edge in the lower row are networks whose margins width has shrunk. The dashed line is $\\log2$.", "name": "fig-guess-losses"}, "image": {"alt": "Two rows of four clouds. In the upper row most dots of all clouds lie between 0.35 and 0.69, and the lines slope down. In the lower row the clouds of the two narrowest widths begin at the left edge and are broad; with width the cloud moves right, and at 4/6 it is a narrow strip beside the dashed line."}}
fig, axes = plt.subplots(
    2, 4, figsize=(figures.WIDTH, 4.4), sharex=True, sharey=True, layout="constrained"
)
for row, loss, name in zip(
    axes, ["lipschitz", "weight_norm"], [r"$\ell_L$", r"$\ell_W$"], strict=True
):
    for ax, w in zip(row, widths, strict=True):
        part = nets_found[nets_found.width == w].sort_values(loss)
        ax.plot(part[loss], part.accuracy, ".", ms=2, color=figures.FAINT)
        bins = np.array_split(part[[loss, "accuracy"]].to_numpy(), 8)
        ax.plot(*np.transpose([b.mean(0) for b in bins]), color=figures.PALETTE[0])
        ax.axvline(np.log(2), ls="--", color=figures.INK, lw=0.8)
        ax.set(title=f"width {w}" if loss == "lipschitz" else None, xlabel=name)
    row[0].set_ylabel("test accuracy")
_ = axes[0, 0].set(xlim=(0, 0.72), ylim=(0.4, 1.01))

# %%
means = nets_found.groupby(["width", "split"])[["lipschitz", "weight_norm"]].mean()
climb = means.loc["4/6"] - means.loc["1/6"]
value, error = mean_and_error(climb.weight_norm)
claim("peleg-C13a", value, uncertainty=error, note=note)
value, error = mean_and_error(climb.lipschitz)
claim("peleg-C13b", abs(value), uncertainty=error, note=note)
correlation = pd.DataFrame({
    loss: nets_found.groupby(["width", "split"])[[loss, "accuracy"]]
    .apply(lambda part, loss=loss: part[loss].corr(part.accuracy))
    .groupby("width").mean()
    for loss in ("lipschitz", "weight_norm")
})  # fmt: skip
worst = correlation.lipschitz.max()
error = (1 - worst**2) / np.sqrt(n_splits * n_nets)
claim("peleg-C14a", worst, uncertainty=error, note=f"{note}, the weakest of the widths")
steps = []
for _, part in nets_found[nets_found.width == "2/6"].groupby("split"):
    thirds = np.array_split(part.sort_values("lipschitz").accuracy.to_numpy(), 3)
    steps.append(thirds[0].mean() - thirds[2].mean())
value, error = mean_and_error(steps)
claim("peleg-C14b", value, uncertainty=error, note=f"{note}, width 2/6")
summary = nets_found.groupby("width")[["lipschitz", "weight_norm", "accuracy"]].mean()
summary = summary.join(correlation.add_suffix(" and accuracy, correlation"))
names = {"lipschitz": "Lipschitz loss", "weight_norm": "weight-norm loss"}
for short, name in names.items():
    summary.columns = [c.replace(short, name) for c in summary.columns]
summary.loc[widths].T.round(3)

# %% [markdown]
# Within one width both losses order the networks: smaller loss, higher accuracy. Across widths only the Lipschitz loss can be read. A bin of $\ell_W$ that holds most random networks of one width holds few of another.
# {cite:t}`chiang2023loss` compare random and trained networks within such bins. That may be fair within one architecture. Across widths it is not, and {cite:t}`peleg2024bias` use the Lipschitz constant.
#
# :::{admonition} Takeaway
# :class: tip
# A normalisation must remove the scale and nothing else. The norm of the weights knows the number of weights. The gradient in the input hardly does.
# :::
#
# ## How the search works
#
# Almost all draws fail, and most of them on the first pair. So `guess.search` shows them the samples in stages, after 2, 4, 8, … samples, with the classes alternating, and goes on with those that are right so far. The accepted set is the same.
# It also tests both signs of the last layer: $-d$ is as likely as $d$, and at most one of the two is right on a sample of class 1. Every draw then stands for two guesses.
#
# With batch norm a prediction depends on the other samples, so nothing may be left out, and the search looks at all samples at once.

# %%
split = data[0]
options = {"seed": seed, "max_draws": min(n_guesses, 4000)} | cpu
inputs, labels = split.inputs[:n_samples], split.labels[:n_samples]
searches = [
    guess.search(nets["1/6"], inputs, labels, 10**6, sequential=s, **options)
    for s in (True, False)
]
same = np.array_equal(*(f.numbers[n_samples] for f in searches))
stages = [n for n in (2, 4, 8, 16, 32) if n < n_samples] + [n_samples]
left_over = guess.acceptance(
    nets["1/6"], inputs, labels, options["max_draws"],
    n_samples=stages, **{k: v for k, v in options.items() if k != "max_draws"},
)  # fmt: skip
share = left_over.accepted / left_over.draws
evaluated = np.diff([0, *stages]) @ np.array([1, *share[:-1]])
record(same_accepted=float(same), evaluated_per_draw=evaluated)
pd.DataFrame({"draws that are left": share.to_numpy()}, stages).T.round(4)

# %% [markdown]
# `same_accepted` is 1 when both searches accept the same networks, and a draw is looked at on `evaluated_per_draw` samples on the average. Most of the work is the first pair. `benchmarks/guess.py` measures what this gains against plain evaluation of everything.
#
# ## Two optimisers without gradients
#
# Guess & Check cannot go far beyond two classes and a few dozen samples. {cite:t}`chiang2023loss` therefore add optimisers that see no gradient. Both lower $\ell_W$ until the training error is 0.
#
# *Pattern search* moves one weight by $\pm r$. It goes through all these moves in random order, some dozens in a round, and keeps the best of a round if it lowers the loss. When all were tried it halves $r$.
# *Greedy random search* moves all weights at once by Gaussian noise of size $r$ and keeps the best of many copies. When nothing has helped for many rounds it halves $r$.
# Here both move biases too, which start at 0.

# %%
methods = {
    "pattern search": gradient_free.pattern_search,
    "greedy random": gradient_free.greedy_random,
}
moving = networks.lenet("1/6", bias=True, image_shape=shape)
runs, rows = {}, {}
for name, method in methods.items():
    for k in range(n_starts):
        i, draws = k % n_splits, np.random.default_rng([seed, k])
        x, y = (
            torch.from_numpy(v[:n_samples]) for v in (data[i].inputs, data[i].labels)
        )
        start = priors.draw(moving, 1, rng=draws)
        runs[name, k] = method(
            moving, start, x, y, radius=0.5, n_copies=32, max_rounds=500, rng=draws
        )
    own = [runs[name, k] for k in range(n_starts)]
    accuracy = [
        accuracies(moving, r.weights, data[k % n_splits]).mean()
        for k, r in enumerate(own)
        if r.fits
    ]
    rows[name] = {
        "fit": np.mean([r.fits for r in own]),
        "rounds, median": np.median([len(r.radii) for r in own]),
        "loss at the end": np.mean([r.losses[-1] for r in own]),
        "test accuracy": np.mean(accuracy) if accuracy else np.nan,
        "± s.e.": np.std(accuracy) / np.sqrt(max(1, len(accuracy) - 1)),
    }
random_nets = nets_found[nets_found.width == "1/6"]
rows["Guess & Check"] = {
    "fit": 1,
    "loss at the end": random_nets.weight_norm.mean(),
    "test accuracy": random_nets.accuracy.mean(),
    "± s.e.": random_nets.groupby("split").accuracy.mean().sem(),
}
record(
    pattern_accuracy=rows["pattern search"]["test accuracy"],
    greedy_accuracy=rows["greedy random"]["test accuracy"],
)
pd.DataFrame(rows).T.round(3)

# %% mystnb={"figure": {"caption": "Weight-normalised loss of two optimisers without gradients, one line for each start. They stop at the first network without training error.", "name": "fig-guess-descent"}, "image": {"alt": "Two panels of falling curves. Most start near 0.7, some several times higher, and all end well below. They end within some tens of rounds, on the right mostly sooner."}}
fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9), sharey=True)
for ax, name in zip(axes, methods, strict=True):
    for k in range(n_starts):
        losses = runs[name, k].losses
        ax.plot(losses, color=figures.PALETTE[0], lw=0.8, alpha=0.7)
        ax.plot(len(losses) - 1, losses[-1], ".", color=figures.INK)
    ax.set(title=name, xlabel="rounds")
_ = axes[0].set(ylabel=r"$\ell_W$")

# %% [markdown]
# Both reach interpolation in a few or some tens of rounds, and their networks are about as good on new images as random ones that fit.
# The greedy search picks the best of many copies and ends at a smaller loss. By the last section but one, such networks should be a little better. On digits and on MNIST they are, and those of pattern search are a little worse, each by about two standard errors: too little to tell.
# Both stop at the first network that fits. An optimiser that goes on has more room: that is the question of the next chapter.
#
# ## What did not reproduce
#
# The table of claims judges each. Three readings need care.
# The price is not constant in width: it falls slightly from 1/6 to 4/6, here and in an independent program. By the strict rule 1/6\* would be dearer by another bit.
# The Lipschitz loss does not change with the scale of the prior. In single precision it does. The largest change depends on a few coincidences in a few images, and our tolerance was too small for enlarged digits: {claim}`peleg-C9d`. In double precision it is {claim}`peleg-C9g`, and on MNIST it is as small in single precision.
# Prices of training sets have a long tail upwards. Our first comparison of prices took four sets, and their own scatter as the error: it ended at 3.6 standard errors. With many sets of digits the scatter was twice that, and {claim}`peleg-C4c` uses it.
# The empirical constant $\hat\Lambda$ bounds the true one from below. So $|d|/\hat\Lambda$ is no guaranteed distance; it orders networks.
#
# We had the code of the paper and not the values in its figures. Prices are compared with an independent program, whose training sets are others.
#
# ## Exercises
#
# :::{exercise}
# :label: ex-guess-signs
#
# Each draw is tested with both signs of its last layer. Show that accepted networks remain independent draws from the prior given a fit, and that $p_n$ is estimated by accepted networks over twice the draws. What changes if only the last layer is drawn anew, many times for each draw of the others?
# :::
#
# :::{solution} ex-guess-signs
# :class: dropdown
#
# Let $\epsilon=\pm1$ be a fair sign, independent of $\theta$. By symmetry of the last layer $\theta^\epsilon$, with the last layer multiplied by $\epsilon$, has the law of the prior. At most one sign fits, since a sample of class 1 needs $d>0$.
# So a draw is accepted with probability $P(\theta^+\text{ fits})+P(\theta^-\text{ fits})=2p_n$. Given that, the network that fits has the law of the prior given a fit. Different draws are independent.
# With the last layer drawn many times for the same features, several can fit. They share features and are correlated: a thousand of them may be worth ten.
# :::
#
# :::{exercise}
# :label: ex-guess-dead
#
# How many units must the narrowest hidden layer have, if ties may occur on at most 1 % of random networks on one image? Why does the share among *accepted* networks decide, and not this one? Check with `tie_rate` in the table of a search.
# :::
#
# :::{solution} ex-guess-dead
# :class: dropdown
#
# $2^{-m}\le0.01$ from $m=7$ on, when all other layers are wide. Among accepted networks ties are more frequent, because a network that is dead on one class needs only to be alive, with the right sign, on the other.
#
# ```python
# for units in (3, 5, 7, 9):
#     net = networks.lenet(("1/6", "1/6", "1/6", units / 84), image_shape=shape)
#     print(units, guess.search(net, inputs, labels, 50, seed=1).table.tie_rate[0])
# ```
# :::
#
# :::{exercise}
# :label: ex-guess-bayes
#
# Let a training set grow by random samples, and let $A_n$ be the mean test accuracy of accepted networks on $n$ samples, averaged over training sets. Show that $\mathbb E[-\log_2p_n]\ge\sum_{m<n}-\log_2A_m$. What would the price be if networks knew the classes after ten samples?
# :::
#
# :::{solution} ex-guess-bayes
# :class: dropdown
#
# The next sample is independent of the accepted networks, so $\mathbb E\,a_m=A_m$. Apply $\mathbb E[-\log_2a_m]\ge-\log_2\mathbb E\,a_m$ to {eq}`eq-guess-chain`.
# With $A_m=1$ from $m=10$ on the bound stops growing: fitting a thousand samples would cost little more than fitting ten.
# :::
#
# ## Further reading
#
# {cite:t}`chiang2023loss` introduce Guess & Check for networks, and the optimisers without gradients. {cite:t}`peleg2024bias` ask what width and depth do to it.
# {cite:t}`cho2009kernel` derive {eq}`eq-guess-layer`.
