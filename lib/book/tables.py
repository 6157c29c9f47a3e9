"""Tables that a notebook records: many rows from one run, which `sgd-book collect --table` joins over a sweep."""

from pathlib import Path

import pandas as pd

from lib.book import claims, notebook

MIME_TYPE = "application/vnd.sgd-book.table+json"


def record_table(name: str, frame: pd.DataFrame) -> None:
    """Record a tidy table under a name, and show its size; an empty one has columns and no row.

    frame: a row an observation, columns of numbers, truth values or text without gaps; its index is left out.
    Raises ValueError on another name or column.
    """
    from IPython.display import display

    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"name is {name!r}; allowed: letters, digits and underscores")
    if not frame.columns.is_unique or not all(isinstance(column, str) for column in frame):
        raise ValueError(f"columns are {list(frame)}; allowed: names that differ")
    columns = [_encoded(column, frame[column]) for column in frame]
    text = f"table {name}: {len(frame)} rows of {', '.join(frame)}"
    display({MIME_TYPE: {"name": name, "columns": columns}, "text/plain": text}, raw=True)


def recorded(file: Path) -> dict[str, pd.DataFrame]:
    """Return the tables that an executed notebook recorded, by name; a name used twice has the rows of both."""
    found: dict[str, list[pd.DataFrame]] = {}
    for data in claims.displayed(notebook.read(file), MIME_TYPE):
        columns = {column["name"]: _decoded(column["kind"], column["cells"]) for column in data["columns"]}
        found.setdefault(data["name"], []).append(pd.DataFrame(columns))
    return {name: pd.concat(pieces, ignore_index=True) for name, pieces in found.items()}


def _encoded(column: str, values: pd.Series) -> dict:
    """JSON has no inf or nan, so floats are text that gives the same bits back."""
    cells = values.tolist()
    kind = {"b": "b", "i": "i", "u": "i", "f": "f"}.get(values.dtype.kind, "O")
    if kind == "O" and not all(isinstance(cell, str) for cell in cells):
        raise ValueError(f"column {column!r} holds {values.dtype}; allowed: numbers, truth values, or text in each row")
    return {"name": column, "kind": kind, "cells": [repr(float(cell)) for cell in cells] if kind == "f" else cells}


def _decoded(kind: str, cells: list) -> pd.Series:
    dtype = {"b": bool, "i": "int64", "f": "float64", "O": object}[kind]
    return pd.Series([float(cell) for cell in cells] if kind == "f" else cells, dtype=dtype)
