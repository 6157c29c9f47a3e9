"""Tables of settings, one run a row: every combination of some values, and the check of what was given."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

Check = tuple[str, str, Callable[[float], bool]]  # column, what is allowed in words, and the test of one value
NUMBER, SHARE = "a finite number >= 0", "a number in [0, 1)"


def product(settings: Mapping[str, object], known: Iterable[str]) -> pd.DataFrame:
    """Every combination of some settings, one a row, the last named fastest.

    settings: columns, each one value or several. Raises ValueError on a name that is not known, or without a value.
    """
    columns = {}
    for name, values in settings.items():
        if name not in known:
            raise ValueError(f"settings has {name!r}; allowed: {', '.join(known)}")
        columns[name] = list(values) if np.iterable(values) and not isinstance(values, str) else [values]
        if not columns[name]:
            raise ValueError(f"{name} is empty; allowed: at least one value")
    return pd.DataFrame(list(itertools.product(*columns.values())), columns=list(columns))


def completed(
    settings: pd.DataFrame | Mapping[str, ArrayLike], defaults: Mapping[str, object], checks: Iterable[Check]
) -> pd.DataFrame:
    """The settings with every column, one row a run, numbered from 0.

    defaults: the columns, and what they are when left out; None for those that must be given. Checked columns become
    int64 where integers are asked for, else float64. Raises ValueError on values out of range.
    """
    given = pd.DataFrame(settings).reset_index(drop=True)
    if not len(given) or any(name not in defaults for name in given):
        raise ValueError(f"settings has {len(given)} rows, columns {list(given)}; allowed: rows of {list(defaults)}")
    table, needed = pd.DataFrame(index=given.index), [name for name in defaults if defaults[name] is None]
    for name, default in defaults.items():
        if name not in given and default is None:
            raise ValueError(f"settings lacks {name}; allowed: a table with {' and '.join(needed)}")
        table[name] = given.get(name, default)
    for name, allowed, test in checks:
        for value in table[name]:
            if isinstance(value, bool) or not isinstance(value, Real) or not test(value):
                raise ValueError(f"{name} is {value!r}; allowed: {allowed}")
        table[name] = table[name].astype(np.int64 if "integer" in allowed else np.float64)
    return table
