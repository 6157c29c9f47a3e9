"""Measurements of larger profiles, kept as small tables in the repository.

`book/results/<profile>.csv` holds what the notebooks measured under a profile that few readers run: a row per claim
or recorded number, each with what produced it. The pages show these rows beside the run that the build made.
"""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.book import claims, engine, notebook, parameters

COLUMNS = ("notebook", "name", "value", "uncertainty")
PROVENANCE = ("profile", "executed_at", "seconds", "code", "parameters", "versions")


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
    """Write the table of a profile from its up-to-date runs; return the file and the notebooks taken anew.

    Only notebooks that the profile sets otherwise than the default does are taken. What was kept of a notebook
    without an up-to-date run stays. Raises ValueError when the profile has no up-to-date run.
    """
    taken = {run.notebook: run for run in _fresh(profile, root)}
    if not taken:
        raise ValueError(f"no notebook has an up-to-date run under profile {profile!r} that differs from the default")
    file = _file(profile, root)
    before = {run.notebook: run for run in load(root) if run.profile == profile}
    engine.write(file, _text([run for _, run in sorted((before | taken).items())]))
    return file, sorted(taken)


def load(root: Path = notebook.ROOT) -> list[Run]:
    """Return all kept runs, by profile and notebook; raises ValueError for a table with other columns."""
    runs: dict[tuple[str, str], Run] = {}
    for file in files(root):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if tuple(row) != COLUMNS + PROVENANCE:
                    raise ValueError(f"{file.name} has the columns {', '.join(row)}; allowed: those `keep` writes")
                record = {name: row[name] for name in PROVENANCE} | {"seconds": float(row["seconds"])}
                record |= {name: json.loads(row[name]) for name in ("parameters", "versions")}
                run = runs.setdefault((file.stem, row["notebook"]), Run(row["notebook"], {}, record))
                uncertainty = float(row["uncertainty"]) if row["uncertainty"] else None
                run.values[row["name"]] = float(row["value"]), uncertainty
    return list(runs.values())


def files(root: Path) -> list[Path]:
    """Return the tables that exist."""
    return [file for profile in parameters.profiles(Path(root)) if (file := _file(profile, root)).exists()]


def _file(profile: str, root: Path) -> Path:
    return Path(root, f"book/results/{profile}.csv")


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


def _text(runs: list[Run]) -> str:
    """Return the table's text: every number in full, what produced it in every row."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(COLUMNS + PROVENANCE)
    for run in runs:
        record = run.record
        about = [record[name] for name in ("profile", "executed_at", "seconds", "code")]
        about += [json.dumps(record[name], sort_keys=True) for name in ("parameters", "versions")]
        for name, (value, uncertainty) in run.values.items():
            table.writerow([run.notebook, name, repr(value), "" if uncertainty is None else repr(uncertainty), *about])
    return lines.getvalue()
