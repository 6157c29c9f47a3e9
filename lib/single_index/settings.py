"""Settings of `train`: a table with one row for each student."""

import itertools
from collections.abc import Mapping
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

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
NUMBER = "a finite number >= 0"
CHECKS = (
    ("learning_rate", NUMBER, lambda v: np.isfinite(v) and v >= 0),
    ("seed", "an integer in [0, 2^63)", lambda v: v == v // 1 and 0 <= v < 2**63),
    ("gamma", "a number in (0, 1]", lambda v: 0 < v <= 1),
    ("step_size", "an integer >= 1", lambda v: np.isfinite(v) and v == v // 1 >= 1),
    ("momentum", "a number in [0, 1)", lambda v: 0 <= v < 1),
    ("weight_decay", NUMBER, lambda v: np.isfinite(v) and v >= 0),
    ("label_noise", NUMBER, lambda v: np.isfinite(v) and v >= 0),
)


def grid(**settings: object) -> pd.DataFrame:
    """Every combination of some settings, one a row, the last named fastest.

    settings: columns that `train` knows, each one value or several. Raises ValueError on an unknown name, or a setting
    without a value. Used with tables joined by `pandas.concat` for grids that are not products.
    """
    for name, values in settings.items():
        if name not in DEFAULTS:
            raise ValueError(f"settings has {name!r}; allowed: {', '.join(DEFAULTS)}")
        settings[name] = list(values) if np.iterable(values) and not isinstance(values, str) else [values]
        if not settings[name]:
            raise ValueError(f"{name} is empty; allowed: at least one value")
    return pd.DataFrame(list(itertools.product(*settings.values())), columns=list(settings))


def checked(settings: pd.DataFrame | Mapping[str, ArrayLike]) -> pd.DataFrame:
    """The settings with every column, one row a member, numbered from 0. Raises ValueError on values out of range."""
    given = pd.DataFrame(settings).reset_index(drop=True)
    unknown = [name for name in given if name not in DEFAULTS]
    if unknown or not len(given):
        raise ValueError(f"settings has {len(given)} rows, columns {list(given)}; allowed: rows of {list(DEFAULTS)}")
    table = pd.DataFrame(index=given.index)
    for name, default in DEFAULTS.items():
        if name not in given and default is None:
            raise ValueError(f"settings lacks {name}; allowed: a table with optimizer and learning_rate")
        table[name] = given.get(name, default)
    if not table["optimizer"].isin(OPTIMIZERS).all():
        raise ValueError(f"optimizer is {table['optimizer'].tolist()!r}; allowed: {', '.join(OPTIMIZERS)}")
    if not table["weight_normalization"].map(lambda v: isinstance(v, bool | np.bool_)).all():
        raise ValueError(f"weight_normalization is {table['weight_normalization'].tolist()!r}; allowed: True or False")
    for name, allowed, test in CHECKS:
        for value in table[name]:
            if isinstance(value, bool) or not isinstance(value, Real) or not test(value):
                raise ValueError(f"{name} is {value!r}; allowed: {allowed}")
        table[name] = table[name].astype(np.int64 if "integer" in allowed else float)
    table["weight_normalization"] = table["weight_normalization"].astype(bool)
    if (table["momentum"] > 0)[table["optimizer"] == "adam"].any():
        raise ValueError(f"momentum is {table['momentum'].tolist()}; allowed with adam, which has its own: 0")
    return table
