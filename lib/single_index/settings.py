"""Settings of `train`: a table with one row for each student."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.settings import NUMBER, SHARE, completed, product

# Columns of the settings, and what they are when left out.
DEFAULTS = {
    "optimizer": None,
    "learning_rate": None,
    "seed": 0,
    "gamma": 1.0,
    "step_size": 1,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "weight_normalization": False,
    "label_noise": 0.3,
}
OPTIMIZERS = ("gd", "adam")
CHECKS = (
    ("learning_rate", NUMBER, lambda v: np.isfinite(v) and v >= 0),
    ("seed", "an integer in [0, 2^63)", lambda v: v == v // 1 and 0 <= v < 2**63),
    ("gamma", "a number in (0, 1]", lambda v: 0 < v <= 1),
    ("step_size", "an integer >= 1", lambda v: np.isfinite(v) and v == v // 1 >= 1),
    ("momentum", SHARE, lambda v: 0 <= v < 1),
    ("weight_decay", NUMBER, lambda v: np.isfinite(v) and v >= 0),
    ("label_noise", NUMBER, lambda v: np.isfinite(v) and v >= 0),
)


def grid(**settings: object) -> pd.DataFrame:
    """Every combination of some settings, one a row, the last named fastest.

    settings: columns that `train` knows, each one value or several. Raises ValueError on an unknown name, or a setting
    without a value. Used with tables joined by `pandas.concat` for grids that are not products.
    """
    return product(settings, DEFAULTS)


def checked(settings: pd.DataFrame | Mapping[str, ArrayLike]) -> pd.DataFrame:
    """The settings with every column, one row a member, numbered from 0. Raises ValueError on values out of range."""
    table = completed(settings, DEFAULTS, CHECKS)
    if not table["optimizer"].isin(OPTIMIZERS).all():
        raise ValueError(f"optimizer is {table['optimizer'].tolist()!r}; allowed: {', '.join(OPTIMIZERS)}")
    if not table["weight_normalization"].map(lambda v: isinstance(v, bool | np.bool_)).all():
        raise ValueError(f"weight_normalization is {table['weight_normalization'].tolist()!r}; allowed: True or False")
    table["weight_normalization"] = table["weight_normalization"].astype(bool)
    if (table["momentum"] > 0)[table["optimizer"] == "adam"].any():
        raise ValueError(f"momentum is {table['momentum'].tolist()}; allowed with adam, which has its own: 0")
    return table
