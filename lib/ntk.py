"""Neural tangent kernels: of a two-layer ReLU network in closed form, and of any torch network.

`ntk.empirical(model, inputs)` is the kernel of a torch network; it is imported on first use, with torch. The rest
of the module is about one network, in the NTK parametrisation:

    f(x) = h^(-1/2) sum_j a_j relu(z_j),    z_j = d^(-1/2) w_j . x + b_j,

with every parameter drawn from N(0, 1), a bias in the hidden layer and none at the output. A Gram matrix K
costs three matrix products, and no Jacobian is ever formed. Everything is float64.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_ROWS_PER_BLOCK = 512


@dataclass(frozen=True, eq=False)
class TwoLayer:
    """Parameters of the two-layer ReLU network: W (width, dim), b (width,) and a (width,), all float64.

    Raises ValueError if the shapes do not fit together or a value is not finite.
    """

    hidden_weights: np.ndarray
    hidden_biases: np.ndarray
    output_weights: np.ndarray

    def __post_init__(self) -> None:
        for name in ("hidden_weights", "hidden_biases", "output_weights"):
            object.__setattr__(self, name, _finite(getattr(self, name), name))
        if self.hidden_weights.ndim != 2 or self.hidden_weights.size == 0:
            raise ValueError(
                f"hidden_weights must have shape (width, dim), both at least 1; got {self.hidden_weights.shape}"
            )
        for name in ("hidden_biases", "output_weights"):
            if getattr(self, name).shape != (self.width,):
                raise ValueError(
                    f"{name} must have shape ({self.width},), one value per row of hidden_weights; "
                    f"got {getattr(self, name).shape}"
                )

    @property
    def width(self) -> int:
        """Number of hidden units h."""
        return self.hidden_weights.shape[0]

    @property
    def dim(self) -> int:
        """Number of inputs d."""
        return self.hidden_weights.shape[1]


def init_two_layer(dim: int, width: int, *, rng: np.random.Generator) -> TwoLayer:
    """Draw the parameters of a two-layer network, each from N(0, 1).

    Raises ValueError if dim or width is not a positive integer, or rng is not a NumPy Generator.
    Derived in: notebooks/06_kernels_and_spectra. Velikanov et al. 2023, arXiv:2206.11124.
    """
    for name, value in (("dim", dim), ("width", width)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1; got {value!r}")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator; got {type(rng).__name__}")
    return TwoLayer(rng.standard_normal((width, dim)), rng.standard_normal(width), rng.standard_normal(width))


def two_layer_output(inputs: ArrayLike, parameters: TwoLayer) -> np.ndarray:
    """Outputs f(x_i) of the network: inputs (N, d), result (N,) float64.

    f(x) = h^(-1/2) sum_j a_j relu(d^(-1/2) w_j . x + b_j).

    Raises ValueError if inputs is not a finite (N, d) array with the d of the parameters.
    Derived in: notebooks/06_kernels_and_spectra. Velikanov et al. 2023, arXiv:2206.11124.
    """
    hidden = _pre_activations(_inputs(inputs, parameters.dim), parameters)
    np.maximum(hidden, 0.0, out=hidden)
    return hidden @ parameters.output_weights / np.sqrt(parameters.width)


def two_layer(inputs: ArrayLike, parameters: TwoLayer) -> np.ndarray:
    """Empirical NTK K_ij = grad f(x_i) . grad f(x_j) of the network: inputs (N, d), result (N, N) float64.

    K = R R^T / h  +  (D D^T / h) * (X X^T / d + 1),   R = relu(Z),   D_ij = a_j [Z_ij > 0]   (* elementwise).

    The first term is the gradient in a, the second those in W and b. Memory: two N x N and two N x h arrays.
    Raises ValueError if inputs is not a finite (N, d) array with the d of the parameters.
    Derived in: notebooks/06_kernels_and_spectra. Jacot et al. 2018, arXiv:1806.07572.
    """
    x = _inputs(inputs, parameters.dim)
    activations = _pre_activations(x, parameters)
    slopes = np.where(activations > 0, parameters.output_weights, 0.0)
    np.maximum(activations, 0.0, out=activations)
    kernel = x @ x.T  # A @ A.T is one symmetric rank-k product: half the work, exactly symmetric
    kernel /= parameters.dim
    kernel += 1.0
    gram = slopes @ slopes.T
    kernel *= gram
    kernel += np.matmul(activations, activations.T, out=gram)
    kernel /= parameters.width
    return kernel


def two_layer_infinite(inputs: ArrayLike, sigma_w: float = 1.0, sigma_b: float = 1.0) -> np.ndarray:
    """NTK of the infinitely wide network: inputs (N, d), result (N, N) float64.

    With S = sigma_w^2 X X^T / d + sigma_b^2, n_ij = sqrt(S_ii S_jj) and theta = arccos(S / n),

    K = sigma_w^2 [ S (pi - theta) + n (sin(theta) + (pi - theta) cos(theta)) ] / (2 pi).

    sigma_w multiplies the weights of both layers and sigma_b the hidden bias; at 1 and 1 this is the mean of
    `two_layer` over the initialisation, at any width. The factor n is needed: without it the second term is
    the covariance of a network whose pre-activations all have unit variance. Memory: one N x N array. The
    entries are exact to rounding, or to about 1e-8 of n for a pair of nearly parallel inputs, where arccos is
    ill-conditioned.

    Raises ValueError if inputs is not a finite (N, d) array, sigma_w <= 0 or sigma_b < 0.
    Derived in: notebooks/06_kernels_and_spectra. Jacot et al. 2018, arXiv:1806.07572; Cho and Saul 2009.
    """
    x = _inputs(inputs)
    if not (np.isfinite(sigma_w) and sigma_w > 0):
        raise ValueError(f"sigma_w must be a finite number above 0; got {sigma_w!r}")
    if not (np.isfinite(sigma_b) and sigma_b >= 0):
        raise ValueError(f"sigma_b must be a finite number of at least 0; got {sigma_b!r}")
    kernel = x @ x.T
    kernel *= sigma_w**2 / x.shape[1]
    kernel += sigma_b**2
    scale = np.sqrt(np.diagonal(kernel))
    for start in range(0, len(x), _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        block = _arc_cosine(kernel[rows, start:], scale[rows], scale[start:])
        block *= sigma_w**2
        kernel[rows, start:] = block  # the upper triangle, row block by row block, then its mirror image
        kernel[start:, rows] = block.T
    return kernel


def __getattr__(name: str):
    if name == "empirical":
        from lib.empirical_ntk import empirical

        return empirical
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _arc_cosine(covariance: np.ndarray, scale_rows: np.ndarray, scale_columns: np.ndarray) -> np.ndarray:
    """One block of the infinite-width kernel; its diagonal entries are those on the block's own diagonal."""
    norm = np.outer(scale_rows, scale_columns)
    cosine = np.divide(covariance, norm, out=np.zeros_like(norm), where=norm > 0)
    np.clip(cosine, -1.0, 1.0, out=cosine)  # rounding may leave the interval on either side
    np.fill_diagonal(cosine, 1.0)  # an input with itself: arccos would make an angle of 1e-8 of a rounding
    theta = np.arccos(cosine)
    sine = np.sqrt((1.0 - cosine) * (1.0 + cosine))
    return (covariance * (np.pi - theta) + norm * (sine + (np.pi - theta) * cosine)) / (2 * np.pi)


def _pre_activations(x: np.ndarray, parameters: TwoLayer) -> np.ndarray:
    hidden = x @ parameters.hidden_weights.T
    hidden /= np.sqrt(parameters.dim)
    hidden += parameters.hidden_biases
    return hidden


def _inputs(inputs: ArrayLike, dim: int | None = None) -> np.ndarray:
    x = _finite(inputs, "inputs")
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"inputs must have shape (N, d), both at least 1; got {x.shape}")
    if dim is not None and x.shape[1] != dim:
        raise ValueError(f"inputs must have {dim} columns, as the network has {dim} inputs; got {x.shape[1]}")
    return x


def _finite(values: ArrayLike, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of real numbers") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; it holds nan or inf")
    return array
