"""The book's Sphinx extension: results from executed notebooks, claims, provenance, dark figures, offline maths."""

import json
import os
from collections.abc import Iterable

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from lib.book import assets, claims, darkmode, kept, ledger, provenance, sweeptable, twins, typography

log = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, object]:
    """Register everything."""
    app.add_config_value("sgd_book_profile", os.environ.get("SGD_BOOK_PROFILE", "default"), "env", str)
    app.add_config_value("sgd_book_ledger", True, "env", bool)  # does the book have a ledger page to link to?
    app.connect("builder-inited", forget)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", combine)
    app.connect("source-read", swap_in_executed)
    app.connect("doctree-read", provenance.append_footer)
    app.connect("build-finished", assets.copy_mathjax)
    app.connect("html-page-context", assets.drop_thebe, priority=900)  # after all who add scripts
    app.add_transform(darkmode.DarkTwins)
    app.add_post_transform(typography.KeepPunctuation)
    app.add_directive("claim-card", ledger.ClaimCard)
    app.add_directive("claims-ledger", ledger.ClaimsLedger)
    app.add_directive("claims-tally", ledger.ClaimsTally)
    app.add_directive("sweeps-table", sweeptable.SweepsTable)
    app.add_role("claim", ledger.ClaimRole("claim"))
    app.add_role("verdict", ledger.ClaimRole("verdict"))
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}


def swap_in_executed(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give a notebook's page the outputs of its executed twin; without a current twin, warn and show none."""
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    twin = twins.of(app, docname)
    app.env.note_dependency(str(twin.path))
    states(app.env)[docname] = state(twin)
    if not twin.problem:
        runs = [run for run in twins.kept_runs(app) if run.notebook == twin.path.stem]
        merged = twins.merge(json.loads(source[0]), twin.notebook, runs)
        for file in kept.files(app.srcdir):
            app.env.note_dependency(str(file))
        warn_of_shared_figures(merged, docname)
        source[0] = json.dumps(merged)
        return
    profile = app.config.sgd_book_profile
    message = "the executed copy is %s under profile %r: %s; run `python -m lib.book run %s --profile %s`"
    arguments = (twin.problem, profile, twin.why, twin.path.stem, profile)
    log.warning(message, *arguments, location=docname, type="sgd_book", subtype=twin.problem)


def warn_of_shared_figures(merged: dict, docname: str) -> None:
    """Warn of a captioned cell that shows more than its figure: each display would repeat caption and label."""
    for index, cell in enumerate(merged["cells"]):
        if "figure" in cell["metadata"].get("mystnb", {}) and twins.displays(cell) != 1:
            message = "cell %d has a caption and %d displays; a captioned cell shows exactly one figure"
            arguments = (index, twins.displays(cell))
            log.warning(message, *arguments, location=docname, type="sgd_book", subtype="figure")


def state(twin: twins.Twin) -> tuple[str, str]:
    """Return what must change for a page to be read again though no file that it names did."""
    return twin.problem, str(twin.record.get("key"))


def states(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Return the state of each notebook page when it was last read."""
    return env.__dict__.setdefault("sgd_book_states", {})


def outdated(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Name the pages to read again because a run went stale or fresh since, e.g. after an edit in `lib`."""
    moved = [d for d in twins.notebooks(app) if d in states(env) and states(env)[d] != state(twins.of(app, d))]
    return [*moved, *(ledger.quoting(env) & env.found_docs if moved or removed else [])]


def forget(app: Sphinx) -> None:
    """Start each build from the files as they are."""
    for cache in ("_sgd_book_twins", "_sgd_book_kept"):
        app.__dict__.pop(cache, None)
    claims.registry.cache_clear()


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget what is known about a page that is about to be read again."""
    states(env).pop(docname, None)
    ledger.quoting(env).discard(docname)


def combine(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: BuildEnvironment) -> None:
    """Add what a parallel reader learned about its pages."""
    states(env).update({d: s for d, s in states(other).items() if d in docnames})
    ledger.quoting(env).update(ledger.quoting(other) & set(docnames))
