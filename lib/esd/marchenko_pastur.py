"""The law of Marchenko and Pastur: eigenvalues of a large matrix with independent entries."""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq


@dataclass(frozen=True)
class MarchenkoPastur:
    r"""Law of the eigenvalues of $W^TW/h$ for independent entries of mean 0 and variance 1, $h,d\to\infty$, $d/h\to c$.

    $\rho(x)=\frac{\sqrt{(x_+-x)(x-x_-)}}{2\pi cx}$ between $x_\pm=(1\pm\sqrt c)^2$, for $0<c\le1$. Numbers are
    float64; distribution function and quantiles are exact to about $10^{-16}/c$.
    """

    aspect_ratio: float

    @property
    def edges(self) -> tuple[float, float]:
        r"""$(1-\sqrt c)^2$ and $(1+\sqrt c)^2$."""
        root = self.aspect_ratio**0.5
        return (1 - root) ** 2, (1 + root) ** 2

    def density(self, x: ArrayLike) -> np.ndarray:
        """The density at x, any shape; 0 outside the edges."""
        x = np.asarray(x, np.float64)
        low, high = self.edges
        inside = (x > low) & (x < high)
        at = np.where(inside, x, 1.0)
        root = np.sqrt(np.maximum((high - at) * (at - low), 0))
        return np.where(inside, root / (2 * np.pi * self.aspect_ratio * at), 0.0)[()]

    def cdf(self, x: ArrayLike) -> np.ndarray:
        r"""The distribution function at x, any shape.

        With $x=1+c+2\sqrt c\cos t$ the density is $\frac{2\sin^2t}{\pi x}dt$, and
        $F=\frac1{2\pi c}\big[(1+c)(\pi-t)+2\sqrt c\sin t-2(1-c)\arctan\big(\frac{1+\sqrt c}{1-\sqrt c}
        \cot\frac t2\big)\big]$.
        """
        c, root = self.aspect_ratio, self.aspect_ratio**0.5
        t = np.arccos(np.clip((np.asarray(x, np.float64) - 1 - c) / (2 * root), -1, 1))
        angle = np.arctan2((1 + root) * np.cos(t / 2), (1 - root) * np.sin(t / 2))
        found = ((1 + c) * (np.pi - t) + 2 * root * np.sin(t) - 2 * (1 - c) * angle) / (2 * np.pi * c)
        return np.clip(found, 0.0, 1.0)[()]

    def quantile(self, share: float) -> float:
        """The x below which a share of the eigenvalues lies; raises ValueError unless share is in [0, 1]."""
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share!r}; allowed: a number in [0, 1]")
        low, high = self.edges
        if share in (0, 1):
            return high if share else low
        return float(brentq(lambda x: self.cdf(x) - share, low, high, xtol=1e-15, rtol=1e-14))

    @property
    def median(self) -> float:
        """The x that halves the eigenvalues."""
        return self.quantile(0.5)

    def moment(self, order: int) -> float:
        r"""$\mathbb Ex^k=\sum_{r<k}\frac{c^r}{r+1}\binom kr\binom{k-1}r$ of the order k.

        Raises ValueError unless order is an integer of at least 1.
        """
        if isinstance(order, bool) or not isinstance(order, int | np.integer) or order < 1:
            raise ValueError(f"order is {order!r}; allowed: an integer of at least 1")
        return sum(self.aspect_ratio**r * comb(order, r) * comb(order - 1, r) / (r + 1) for r in range(order))

    def hill(self, position: int = 2) -> float:
        r"""The limit of `hill`: $1+1/\mathbb E[\log(x/q)\mid x>q]$ with the quantile q of the share 1/position.

        It depends on c alone: 2.449 for $c=\frac23$, 2.122 for $c=1$. Raises ValueError unless position is an integer
        of at least 2.
        """
        if isinstance(position, bool) or not isinstance(position, int | np.integer) or position < 2:
            raise ValueError(f"position is {position!r}; allowed: an integer of at least 2")
        c, root, start = self.aspect_ratio, self.aspect_ratio**0.5, self.quantile(1 / position)
        last = np.arccos(np.clip((start - 1 - c) / (2 * root), -1, 1))
        nodes, weights = np.polynomial.legendre.leggauss(200)
        t = last * (nodes + 1) / 2
        x = 1 + c + 2 * root * np.cos(t)
        mean = last / 2 * np.sum(weights * np.log(x / start) * 2 * np.sin(t) ** 2 / (np.pi * x))
        return float(1 + (1 - 1 / position) / mean)


def marchenko_pastur(aspect_ratio: float) -> MarchenkoPastur:
    r"""The law of the eigenvalues of an untrained weight: $c=d/h$ is its shorter side over the longer.

    `eigenvalues` of entries of variance 1 have it once divided by the longer side. Raises ValueError unless c is in
    (0, 1]. Marchenko and Pastur 1967. Derived in: notebooks/17_spike_to_heavy_tail.
    """
    if isinstance(aspect_ratio, bool) or not np.isreal(aspect_ratio) or not 0 < aspect_ratio <= 1:
        raise ValueError(f"aspect_ratio is {aspect_ratio!r}; allowed: in (0, 1], the shorter side over the longer")
    return MarchenkoPastur(float(aspect_ratio))
