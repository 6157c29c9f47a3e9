"""The two-layer ReLU network itself, trained by SGD: many settings and many runs at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lib.linearized import chosen_device, diverged_to_inf, float_type
from lib.ntk import TwoLayer
from lib.sampling import Batches
from lib.schedules import Schedule, tabulate_settings

if TYPE_CHECKING:
    import torch

# Rows (setting, run) train together while their states stay below this many numbers, on the CPU and on CUDA.
GROUP = {"cpu": 2**20, "cuda": 2**27}
# The Gram matrix of at most this many samples may be kept; a pass over the states costs about PASSES products each.
MOST_SAMPLES = 16_384
PASSES = 50


def kernel_scale(kernel: ArrayLike) -> float:
    r"""The factor $N / \lambda_{\max}(K)$ that brings the largest eigenvalue of $K/N$ to 1.

    With it a learning rate is in units of $1/\lambda_1$, and means the same in every regime: `linearized` and
    `averaged` take the kernel times this factor, `network` takes the factor as learning_rate_scale, and
    `SpectralProblem.normalized` divides by $\lambda_1$.
    kernel: (N, N) symmetric, such as `ntk.two_layer` of the initial parameters.
    Raises ValueError unless it is a finite square matrix with a positive eigenvalue.
    Velikanov et al. 2023, arXiv:2206.11124.
    """
    from scipy.linalg import eigh

    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or not kernel.size or not np.all(np.isfinite(kernel)):
        raise ValueError(f"kernel has shape {kernel.shape}; allowed: (N, N) with N >= 1, finite entries")
    n = len(kernel)
    largest = eigh(kernel, eigvals_only=True, subset_by_index=[n - 1, n - 1], check_finite=False)[0]
    if largest <= 0:
        raise ValueError(f"kernel has the largest eigenvalue {largest:.3g}; allowed: a positive one")
    return float(n / largest)


def network(
    inputs: ArrayLike,
    targets: ArrayLike,
    parameters: TwoLayer | Sequence[TwoLayer],
    learning_rate: Schedule,
    momentum: Schedule,
    batch_size: int,
    n_steps: int,
    *,
    learning_rate_scale: float = 1.0,
    n_runs: int = 1,
    every: int = 1,
    batches: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    dtype: "torch.dtype | None" = None,
    device: "torch.device | str | None" = None,
    progress: bool = False,
) -> np.ndarray:
    r"""Losses of the network of `lib.ntk`, all its parameters trained by SGD, over all N samples.

    With the batch loss $\frac{1}{2b}\sum_{i \in B} (f(x_i) - y_i)^2$ and its gradient g in the parameters,
    $v \leftarrow \beta_t v - s \alpha_t g$, $\theta \leftarrow \theta + v$; recorded is
    $L = \frac{1}{2N}\sum_i (f(x_i) - y_i)^2$, at the start and after every step, or every few.
    As the width grows this becomes `linearized` with kernel `ntk.two_layer(inputs, parameters)` and residual
    f - y. With learning_rate_scale $s = N/\lambda_{\max}(K)$, from `kernel_scale`, learning_rate means the same
    here as it does there for the kernel $sK$.

    inputs: (N, d), targets: (N,). parameters: the start of every run, or a list with one for each run.
    learning_rate and momentum broadcast against each other to a shape S, and may be functions of the step
    t = 0, 1, ...; returns S + (n_runs, n_steps // every + 1), float64, inf once a run has diverged. Run r sees
    the same batches in every setting. They come from rng, or are given: batches (n_runs, n_steps, b); see
    `lib.sampling.batches`: a generator of the same seed gives `linearized` the same ones.
    dtype: torch.float64 unless told, or float32. device: CUDA where there is one, unless told.
    Raises ValueError on values out of range.
    Derived in: notebooks/07_four_regimes. Velikanov et al. 2023, arXiv:2206.11124.
    """
    import torch
    from tqdm import tqdm

    x, y, starts = _checked(inputs, targets, parameters, n_runs)
    source = Batches(len(x), batch_size, n_steps, n_runs=n_runs, rng=rng, given=batches)
    rates, momenta, shape = tabulate_settings(learning_rate, momentum, source.n_steps)
    if not (np.isfinite(learning_rate_scale) and learning_rate_scale > 0):
        raise ValueError(f"learning_rate_scale is {learning_rate_scale}; allowed: a finite number > 0")
    if isinstance(every, bool) or every != int(every) or every < 1:
        raise ValueError(f"every is {every}; allowed: an integer >= 1")
    options = {"dtype": float_type(dtype), "device": chosen_device(device)}
    rates, momenta = (np.repeat(table, source.n_runs, axis=1) for table in (rates * learning_rate_scale, momenta))
    model = _Model(x, y, starts[0].width, source.batch_size, every, options)
    losses = np.full((rates.shape[1], source.n_steps // every + 1), np.inf)
    height = max(1, GROUP.get(options["device"].type, GROUP["cpu"]) // (starts[0].width * len(x)))
    with tqdm(total=rates.shape[1] * source.n_steps, desc="network", unit="step", disable=not progress) as bar:
        for top in range(0, rates.shape[1], height):
            rows = np.arange(top, min(top + height, rates.shape[1]))
            runs = rows % source.n_runs
            tables = (torch.as_tensor(table[:, rows], **options) for table in (rates, momenta))
            chunks = source.chunks(runs)
            trained = _train(model, [starts[r % len(starts)] for r in runs], *tables, chunks, every, bar)
            losses[rows, : trained.shape[1]] = trained
    return diverged_to_inf(losses).reshape(*shape, source.n_runs, -1)


class _Model:
    r"""The network as a state $\Theta$ (rows, D, h) and features $\Phi$ (N, D).

    With $\tilde x = (x/\sqrt d, 1)$ the pre-activations are $Z = \tilde X W^T$, W with its bias as a column.
    Either $\Theta = W^T$, $\Phi = \tilde X$; or, cheaper when the batch is small next to d, $\Theta = Z$ itself:
    a step of the weights moves Z along columns of the Gram matrix, $\Phi = \tilde X \tilde X^T$. In both a batch
    with derivatives dz (b, h) moves $\Theta$ by $\Phi_B^T dz$, so the training loop does not tell them apart.
    """

    def __init__(self, x, y, width, batch_size, every, options):
        import torch

        n, d = len(x), x.shape[1] + 1
        features = np.column_stack([x / np.sqrt(x.shape[1]), np.ones(n)])
        self.dual = n <= MOST_SAMPLES and n * (batch_size + PASSES) < d * (2 * batch_size + n / every)
        self.inputs, self.targets = (torch.as_tensor(array, **options) for array in (features, y))
        self.features = self.inputs @ self.inputs.T if self.dual else self.inputs
        self.scale = width**-0.5

    def state(self, starts):
        """Theta (rows, D, h) and the output weights (rows, h, 1)."""
        import torch

        weights = np.stack([np.column_stack([s.hidden_weights, s.hidden_biases]).T for s in starts])
        outer = np.stack([s.output_weights[:, None] for s in starts])
        weights, outer = (torch.as_tensor(array).to(self.inputs) for array in (weights, outer))
        return self.inputs @ weights if self.dual else weights, outer

    def loss(self, theta, outer):
        """The loss of each row over all samples."""
        hidden = theta.relu() if self.dual else (self.features @ theta).relu_()
        error = (hidden @ outer)[..., 0].mul_(self.scale).sub_(self.targets)
        return error.square_().sum(1).div_(2 * len(self.targets))

    def gradient(self, theta, outer, batch):
        """Batch features (rows, b, D), derivatives in the pre-activations (rows, b, h), and in outer (rows, h, 1)."""
        features = self.features[batch]
        if self.dual:
            z = theta.gather(1, batch[..., None].expand(-1, -1, theta.shape[2]))
        else:
            z = features @ theta
        hidden = z.relu()
        error = (hidden @ outer).mul_(self.scale).sub_(self.targets[batch][..., None])
        error *= self.scale / batch.shape[1]
        return features, error * outer.mT * (z > 0), hidden.mT @ error


def _train(model, starts, rates, momenta, chunks, every, bar):
    """Losses (rows, records) of rows that train together, cut short once all have diverged.

    rates, momenta: (1 or n_steps, rows).
    """
    import torch

    theta, outer = model.state(starts)
    moving = bool(momenta.any())
    # Without momentum the states themselves take the steps.
    velocity, outer_velocity = (torch.zeros_like(theta), torch.zeros_like(outer)) if moving else (theta, outer)
    losses = [model.loss(theta, outer)]
    for start, chunk in chunks:
        chunk = torch.as_tensor(chunk.swapaxes(0, 1).copy(), device=theta.device)
        for t, batch in enumerate(chunk, start):
            features, dz, da = model.gradient(theta, outer, batch)
            rate = rates[t % len(rates)][:, None, None]
            if moving:
                decay = momenta[t % len(momenta)][:, None, None]
                velocity *= decay
                outer_velocity *= decay
            velocity.baddbmm_(features.mT, dz.mul_(rate), alpha=-1)
            outer_velocity -= da.mul_(rate)
            if moving:
                theta += velocity
                outer += outer_velocity
            if (t + 1) % every == 0:
                losses.append(model.loss(theta, outer))
        bar.update(len(rates[0]) * len(chunk))
        if not torch.isfinite(losses[-1]).any():
            break
    return torch.stack(losses, 1).to(torch.float64).cpu().numpy()


def _checked(inputs: ArrayLike, targets: ArrayLike, parameters: TwoLayer | Sequence[TwoLayer], n_runs: int):
    x, y = np.asarray(inputs, np.float64), np.asarray(targets, np.float64)
    if x.ndim != 2 or x.size == 0 or not np.all(np.isfinite(x)):
        raise ValueError(f"inputs has shape {x.shape}; allowed: (N, d), both at least 1, finite entries")
    if y.shape != (len(x),) or not np.all(np.isfinite(y)):
        raise ValueError(f"targets has shape {y.shape}; allowed: {(len(x),)}, finite entries")
    starts = [parameters] if isinstance(parameters, TwoLayer) else list(parameters)
    if not all(isinstance(start, TwoLayer) for start in starts) or len(starts) not in (1, n_runs):
        raise ValueError(f"parameters has {len(starts)} entries; allowed: one ntk.TwoLayer, or one for each run")
    sizes = {(start.width, start.dim) for start in starts}
    if len(sizes) > 1 or starts[0].dim != x.shape[1]:
        raise ValueError(
            f"parameters has networks of (width, dim) {sorted(sizes)}; allowed: one size, dim {x.shape[1]}"
        )
    return x, y, starts
