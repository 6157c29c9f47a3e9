"""Gather a sweep's results in one table, ready for pandas: a row per point, or per row that the points recorded."""

from pathlib import Path
from typing import Any

import pandas as pd

from lib.book import claims, engine, notebook, tables


def row(file: Path) -> dict[str, Any]:
    """Return one executed notebook's parameters, recorded scalars, claims, seconds, hashes and outcome."""
    executed = notebook.read(file)
    if "sgd_book" not in executed["metadata"]:
        raise ValueError(f"{file} was not executed by `sgd-book`; move it out of the folder")
    record = executed["metadata"]["sgd_book"]
    found: dict[str, Any] = dict(record["parameters"])
    for data in claims.displayed(executed, claims.SCALARS_MIME_TYPE):
        found |= {name: float(value) for name, value in data.items()}
    for data in claims.displayed(executed, claims.MIME_TYPE):
        found[data["key"]] = float(data["value"])
    about = {name: record[name] for name in ("seconds", "profile", "executed_at", "key", "code")}
    about["versions"] = " ".join(f"{name}={version}" for name, version in sorted(record["versions"].items()))
    return found | about | {"status": "failed" if "error" in record else "ok", "error": record.get("error", "")}


def table(folder: Path) -> pd.DataFrame:
    """Return the table of a sweep's folder, failed points included; raises ValueError when there is no result."""
    files = sorted(Path(folder).glob("*.ipynb"))
    if not files:
        raise ValueError(f"{folder} holds no executed notebook; run a sweep with `-o {folder}` first")
    rows = pd.DataFrame([row(file) for file in files])
    return rows.sort_values("executed_at", kind="stable", ignore_index=True)


def long_table(folder: Path, name: str) -> pd.DataFrame:
    """Return one table that the points of a sweep recorded: their rows, each with the row of its point before it.

    A column of both is the table's; that of the point becomes `point_` and its name. Points that recorded no such
    table, as those that failed before, have no row. Raises ValueError when no point has one.
    """
    points, pieces, names = table(folder), [], set()
    for file in sorted(Path(folder).glob("*.ipynb")):
        found = tables.recorded(file)
        names |= set(found)
        if name not in found:
            continue
        key = notebook.read(file)["metadata"]["sgd_book"]["key"]
        point = points[points["key"] == key].rename(columns={c: f"point_{c}" for c in found[name]})
        pieces.append(point.merge(found[name], how="cross"))
    if not pieces:
        known = ", ".join(sorted(names)) or "none"
        raise ValueError(f"table is {name!r}; recorded in {folder}: {known}")
    return pd.concat(pieces, ignore_index=True)


def write(rows: pd.DataFrame, output: Path) -> None:
    """Write a table as .parquet or .csv, whole or not at all; raises ValueError for another ending."""
    output = Path(output)
    if output.suffix not in (".parquet", ".csv"):
        raise ValueError(f"output is {output.name!r}; allowed endings: .parquet, .csv")
    with engine.whole(output) as part:
        rows.to_csv(part, index=False) if output.suffix == ".csv" else rows.to_parquet(part, index=False)
