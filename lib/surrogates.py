r"""Matrices that share one property with a given matrix and are random in all others: what does an estimate depend on?

The rows of W are vectors, one a unit, as `tails.layer_samples` gives them, centred where that matters.
"""

import numpy as np
from numpy.typing import ArrayLike


def shuffled(weight: ArrayLike, *, rng: np.random.Generator) -> np.ndarray:
    """The same entries in a random order.

    If the entries of a matrix are independent and of one law, this has the law of the matrix itself.
    weight: (n, r), float64 returned. Raises ValueError on anything but a finite matrix.
    Derived in: notebooks/12_tails_from_sgd.
    """
    weight = _checked(weight)
    return rng.permutation(weight.ravel()).reshape(weight.shape)


def sizes_only(weight: ArrayLike, *, rng: np.random.Generator) -> np.ndarray:
    r"""Rows $R_i G_i/\lVert G_i\rVert$ with the sizes $R_i$ of the rows of W and independent normal vectors $G_i$.

    weight and errors: as for `shuffled`. Derived in: notebooks/12_tails_from_sgd.
    """
    weight = _checked(weight)
    return _sizes(weight) * directions_only(rng.standard_normal(weight.shape))


def directions_only(weight: ArrayLike) -> np.ndarray:
    r"""Rows $W_i/\lVert W_i\rVert$, all of size one; rows of zeros stay.

    weight and errors: as for `shuffled`. Derived in: notebooks/12_tails_from_sgd.
    """
    weight = _checked(weight)
    sizes = _sizes(weight)
    return weight / np.where(sizes > 0, sizes, 1.0)


def signs_flipped(weight: ArrayLike, *, rng: np.random.Generator) -> np.ndarray:
    """Each row times a random sign, which removes what the rows have in common: block sums then cannot drift.

    weight and errors: as for `shuffled`. Derived in: notebooks/12_tails_from_sgd.
    """
    weight = _checked(weight)
    return weight * rng.choice([-1.0, 1.0], (len(weight), 1))


def _sizes(weight: np.ndarray) -> np.ndarray:
    return np.linalg.norm(weight, axis=1, keepdims=True)


def _checked(weight: ArrayLike) -> np.ndarray:
    weight = np.asarray(weight, np.float64)
    if weight.ndim != 2 or not weight.size or not np.isfinite(weight).all():
        raise ValueError(f"weight has shape {weight.shape}, or entries not finite; allowed: a finite matrix (n, r)")
    return weight
