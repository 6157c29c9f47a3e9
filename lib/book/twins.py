"""Executed twins as the book's builder sees them: find one, tell whether it is current, merge it into its page.

The committed notebook gives prose and code, the twin gives outputs. The committed file is never written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from lib.book import claims, engine, kept, notebook, parameters, tables


@dataclass(frozen=True)
class Twin:
    """The executed twin of one page. `problem` is "", "missing" or "stale"; `why` says more in words."""

    docname: str
    path: Path
    notebook: dict[str, Any]
    problem: str = ""
    why: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """What the run wrote down about itself."""
        return self.notebook.get("metadata", {}).get("sgd_book", {})


@dataclass(frozen=True)
class Measurement:
    """One measured claim and the page that measured it."""

    docname: str
    value: float
    uncertainty: float | None
    note: str


def of(app: Sphinx, docname: str) -> Twin:
    """Return the twin of a notebook page under the build's profile; looked up once per build."""
    cache = app.__dict__.setdefault("_sgd_book_twins", {})
    if docname not in cache:
        cache[docname] = _look_up(docname, Path(app.env.doc2path(docname)), app.config.sgd_book_profile)
    return cache[docname]


def _look_up(docname: str, committed: Path, profile: str) -> Twin:
    path = engine.twin(committed, profile)
    if not path.exists():
        return Twin(docname, path, {}, "missing", "it has not been run")
    executed = notebook.read(path)
    record = executed["metadata"].get("sgd_book", {})
    now = notebook.components(committed, parameters.resolve(committed, profile))
    if record.get("key") == notebook.key_of(now):
        return Twin(docname, path, executed)
    return Twin(docname, path, {}, "stale", "; ".join(notebook.changes(record.get("components", {}), now)))


def notebooks(app: Sphinx) -> list[str]:
    """Return the names of the book's notebook pages, in alphabetical, hence in chapter, order."""
    return sorted(d for d in app.env.found_docs if app.env.doc2path(d).endswith(".ipynb"))


def measurements(app: Sphinx) -> dict[str, list[Measurement]]:
    """Return every measurement in the current twins, by the claim's key (more than one is the authors' mistake)."""
    found: dict[str, list[Measurement]] = {}
    for docname in notebooks(app):
        twin = of(app, docname)
        for m in [] if twin.problem else claims.measured(twin.path):
            measurement = Measurement(docname, m["value"], m["uncertainty"], m["note"])
            found.setdefault(m["key"], []).append(measurement)
    return found


def kept_runs(app: Sphinx) -> list[kept.Run]:
    """Return what is kept of runs under other profiles than this build's; looked up once per build."""
    if "_sgd_book_kept" not in app.__dict__:
        runs = kept.load(Path(app.srcdir))
        app.__dict__["_sgd_book_kept"] = [run for run in runs if run.profile != app.config.sgd_book_profile]
    return app.__dict__["_sgd_book_kept"]


def merge(committed: dict[str, Any], executed: dict[str, Any], runs: Sequence[kept.Run] = ()) -> dict[str, Any]:
    """Return the committed notebook with the twin's outputs and execution counts.

    Below recorded numbers stand those of the kept `runs` of this notebook. A claim's output becomes the `claim-card`
    directive, judged anew when the page is read. Raises ValueError when the code cells do not correspond.
    """
    own, ran = code_cells(committed), notebook.code_cells(executed)
    if [notebook.source(c) for c in own] != [notebook.source(c) for c in ran]:
        raise ValueError(f"code cells differ: {len(own)} in the committed notebook, {len(ran)} in the executed one")
    results = iter(ran)
    cells = [merge_cell(c, next(results), runs) if c["cell_type"] == "code" else c for c in committed["cells"]]
    return committed | {"cells": cells}


def code_cells(committed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all code cells of a committed notebook."""
    return [cell for cell in committed["cells"] if cell["cell_type"] == "code"]


def merge_cell(cell: dict[str, Any], ran: dict[str, Any], runs: Sequence[kept.Run] = ()) -> dict[str, Any]:
    """Return a committed code cell with the outputs and the execution count of its executed copy.

    The code of a captioned figure is folded: its picture reads on, its code is a click away.
    """
    outputs = [_with_card(output, runs) for output in ran["outputs"]]
    metadata = cell["metadata"]
    if outputs != ran["outputs"]:
        metadata = metadata | {"mystnb": metadata.get("mystnb", {}) | {"markdown_format": "myst"}}
    if "figure" in metadata.get("mystnb", {}):
        metadata = metadata | {"tags": [*metadata.get("tags", []), "hide-input"]}
    return cell | {"metadata": metadata, "outputs": outputs, "execution_count": ran.get("execution_count")}


def displays(cell: dict[str, Any]) -> int:
    """Return how many pictures, tables or values a cell shows (printed text does not count)."""
    return sum(o["output_type"] in ("display_data", "execute_result") for o in cell.get("outputs", []))


def _with_card(output: dict[str, Any], runs: Sequence[kept.Run]) -> dict[str, Any]:
    data = output.get("data", {})
    if claims.SCALARS_MIME_TYPE in data:
        lines = ["".join(data["text/plain"])]
        for run in runs:
            same = [f"{n} = {claims.number(*run.values[n])}" for n in data[claims.SCALARS_MIME_TYPE] if n in run.values]
            lines += [f"profile {run.profile}: {', '.join(same)}"] if same else []
        return output | {"data": {"text/plain": "\n".join(lines)}}
    if tables.MIME_TYPE in data:  # its rows are for `sgd-book collect`
        return output | {"data": {"text/plain": data["text/plain"]}}
    if claims.MIME_TYPE not in data:
        return output
    key = data[claims.MIME_TYPE]["key"]
    return output | {"data": {"text/markdown": f"```{{claim-card}} {key}\n```\n"}, "metadata": {}}
