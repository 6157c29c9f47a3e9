"""Mean and covariance of the residual under linear SGD, with a covariance kept diagonal in the kernel's eigenbasis."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lib.problem import kernel_spectrum
from lib.regimes import OVERFLOW, sampling_noise
from lib.schedules import checked_tables


@dataclass(frozen=True, eq=False)
class Moments:
    r"""Mean and variance of the residual along each eigenvector of $K/N$, step by step.

    mean: (n_steps + 1, N), $m_k = \mathbb E\,u_k \cdot f / \sqrt N$. variance: (n_steps + 1, N), $n_k \ge 0$.
    Both float64; a run that diverges is inf from there on.
    """

    mean: np.ndarray
    variance: np.ndarray

    @property
    def loss(self) -> np.ndarray:
        r"""Mean loss $\frac12 \sum_k (m_k^2 + n_k)$, (n_steps + 1,)."""
        return 0.5 * np.sum(self.mean**2 + self.variance, axis=1)

    @property
    def spread(self) -> np.ndarray:
        r"""Standard deviation of the loss between runs, if the residual is Gaussian, (n_steps + 1,).

        $\sqrt{\frac12 \sum_k (n_k^2 + 2 m_k^2 n_k)}$. Derived in: notebooks/08_many_runs.
        """
        with np.errstate(over="ignore"):
            return np.sqrt(0.5 * np.sum((self.variance + 2 * self.mean**2) * self.variance, axis=1))


def diagonal(
    kernel: ArrayLike, residual: ArrayLike, learning_rate: float, momentum: float, batch_size: int, n_steps: int
) -> Moments:
    r"""Moments of the residual of linear SGD when the covariances of different modes are dropped.

    The mean obeys gradient descent, exactly. With $m$ along the modes, $n$ its variances, $x_k = \alpha\lambda_k$,
    the noise of a batch adds to mode k the variance

    $$ \gamma x_k^2 (D_k - m_k^2 - n_k), \qquad
       D_k = N \textstyle\sum_i u_{ki}^2 \big[ (\sum_l u_{li} m_l)^2 + \sum_l u_{li}^2 n_l \big]. $$

    A step costs three products of an (N, N) matrix with a vector; the exact average, `regimes.averaged`, costs two
    products of such matrices. Exact at the first step, for the full batch, and for a diagonal kernel.

    kernel: (N, N), residual: (N,). Raises ValueError on values out of range.
    Derived in: notebooks/08_many_runs.
    """
    rates, momenta = checked_tables(float(learning_rate), float(momentum), 0)
    alpha, beta = float(rates[0]), float(momenta[0])
    eigenvalues, vectors, signal = kernel_spectrum(kernel, residual)
    size = len(signal)
    gamma = sampling_noise(size, batch_size)
    if not (np.isfinite(n_steps) and n_steps >= 0 and int(n_steps) == n_steps):
        raise ValueError(f"n_steps is {n_steps}; allowed: an integer >= 0")
    x, weights = alpha * eigenvalues, vectors**2
    mean, variance = np.full((2, int(n_steps) + 1, size), np.inf)
    m, v = signal / np.sqrt(size), np.zeros(size)
    c, j, p = np.zeros((3, size))
    mean[0], variance[0] = m, c
    with np.errstate(all="ignore"):
        for t in range(1, len(mean)):
            samples = (vectors @ m) ** 2 + weights @ c  # second moments of the residuals, over N
            noise = gamma * x**2 * np.maximum(size * (weights.T @ samples) - m**2 - c, 0)
            p = beta**2 * p - 2 * beta * x * j + x**2 * c + noise
            j = beta * j - x * c + p
            c = np.maximum(c + 2 * j - p, 0)
            v = beta * v - x * m
            m = m + v
            if not np.sum(m**2 + c) < OVERFLOW:
                break
            mean[t], variance[t] = m, c
    return Moments(mean, variance)
