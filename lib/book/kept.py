"""Measurements of larger profiles, kept as small tables in the repository.

`book/results/<profile>.csv` holds what the notebooks measured under a profile that few readers run, a row per claim
or recorded number; `<profile>-runs.csv` says of each notebook what produced them. The pages show these numbers beside
those of the run that the build made.
"""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.book import claims, engine, notebook, parameters

VALUES = ("notebook", "name", "value", "uncertainty")
RUNS = ("notebook", "profile", "executed_at", "seconds", "code", "parameters", "versions")
_AS_JSON = ("parameters", "versions")


@dataclass(frozen=True)
class Run:
    """One kept run: the notebook's name, {name: (value, standard error or None)}, and its record."""

    notebook: str
    values: dict[str, tuple[float, float | None]]
    record: dict[str, Any]

    @property
    def profile(self) -> str:
        """The profile of the run."""
        return self.record["profile"]


def keep(profile: str, root: Path = notebook.ROOT) -> tuple[Path, list[str]]:
    """Write the tables of a profile from its up-to-date runs; return the values' file and the notebooks taken anew.

    Only notebooks that the profile sets otherwise than the default does are taken. What was kept of a notebook
    without an up-to-date run stays. Raises ValueError when the profile has no up-to-date run.
    """
    taken = {run.notebook: run for run in _fresh(profile, root)}
    if not taken:
        raise ValueError(f"no notebook has an up-to-date run under profile {profile!r} that differs from the default")
    before = {run.notebook: run for run in load(root) if run.profile == profile}
    runs = [run for _, run in sorted((before | taken).items())]
    values, records = _files(profile, root)
    engine.write(values, _values(runs))
    engine.write(records, _records(runs))
    return values, sorted(taken)


def load(root: Path = notebook.ROOT) -> list[Run]:
    """Return all kept runs, by profile and notebook; raises ValueError for a table with other columns."""
    kept = []
    for profile in parameters.profiles(root):
        values, records = _files(profile, root)
        runs = {row["notebook"]: Run(row["notebook"], {}, _record(row)) for row in _rows(records, RUNS)}
        for row in _rows(values, VALUES):
            uncertainty = float(row["uncertainty"]) if row["uncertainty"] else None
            runs[row["notebook"]].values[row["name"]] = float(row["value"]), uncertainty
        kept += runs.values()
    return kept


def files(root: Path) -> list[Path]:
    """Return the tables that exist."""
    root = Path(root)
    return [file for profile in parameters.profiles(root) for file in _files(profile, root) if file.exists()]


def _files(profile: str, root: Path) -> tuple[Path, Path]:
    folder = Path(root, "book/results")
    return folder / f"{profile}.csv", folder / f"{profile}-runs.csv"


def _rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        table = csv.DictReader(lines)
        if tuple(table.fieldnames or ()) != columns:
            found = ", ".join(table.fieldnames or ())
            raise ValueError(f"{file.name} has the columns {found}; allowed: {', '.join(columns)}")
        return list(table)


def _record(row: dict[str, str]) -> dict[str, Any]:
    read = {name: json.loads(row[name]) for name in _AS_JSON}
    return row | read | {"seconds": float(row["seconds"])}


def _fresh(profile: str, root: Path) -> Iterable[Run]:
    """Return the up-to-date runs of the notebooks that the profile sets otherwise than the default."""
    for path in sorted(Path(root, "notebooks").glob("[0-9]*_*.ipynb")):
        values = parameters.resolve(path, profile)
        point = engine.Point(notebook.load(path), values, engine.twin(path, profile), profile)
        if values == parameters.resolve(path, "default") or engine.state(point).name != "fresh":
            continue
        executed = notebook.read(point.output)
        found = {m["key"]: (m["value"], m["uncertainty"]) for m in claims.measured(point.output)}
        for data in claims.displayed(executed, claims.SCALARS_MIME_TYPE):
            found |= {name: (float(value), None) for name, value in data.items()}
        if found:
            yield Run(path.stem, found, executed["metadata"]["sgd_book"])


def _values(runs: list[Run]) -> str:
    """Return the table of values: every number in full."""
    rows = [(run.notebook, name, *pair) for run in runs for name, pair in run.values.items()]
    return _text(VALUES, [(*row[:2], repr(row[2]), "" if row[3] is None else repr(row[3])) for row in rows])


def _records(runs: list[Run]) -> str:
    """Return the table of what produced them."""
    records = [run.record | {"notebook": run.notebook} for run in runs]
    records = [r | {name: json.dumps(r[name], sort_keys=True) for name in _AS_JSON} for r in records]
    return _text(RUNS, [[r[name] for name in RUNS] for r in records])


def _text(columns: tuple[str, ...], rows: list) -> str:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([columns, *rows])
    return lines.getvalue()
