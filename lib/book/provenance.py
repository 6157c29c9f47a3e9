"""The block at the end of a notebook page that says what produced its results."""

import html
from datetime import UTC, datetime
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from lib.book import twins


def append_footer(app: Sphinx, doctree: nodes.document) -> None:
    """Append the block to a notebook's page (an event handler of `doctree-read`)."""
    if not app.env.doc2path(app.env.docname).endswith(".ipynb"):
        return
    twin = twins.of(app, app.env.docname)
    profile = app.config.sgd_book_profile
    block = missing(twin, profile) if twin.problem else footer(twin.record, twin.path.stem)
    kept = [run.record for run in twins.kept_runs(app) if run.notebook == twin.path.stem]
    block += "".join(footer(record, twin.path.stem, "Kept from a run of") for record in kept)
    target = next(iter(doctree.findall(nodes.section)), doctree)
    target.append(nodes.raw("", block, format="html"))


def footer(record: dict[str, Any], name: str, verb: str = "Computed") -> str:
    """Return the block's HTML from what the run wrote down about itself."""
    values, versions = record.get("parameters", {}), record.get("versions", {})
    rows = {
        "Parameters": _pairs(values) or "none",
        "Code": f"<code>{html.escape(str(record.get('code', '?')))}</code>",
        "Versions": _pairs(versions),
        "Run it again": f"<code>python -m lib.book run {name} --profile {html.escape(record['profile'])}</code>",
    }
    items = "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in rows.items() if value)
    summary = (
        f"{verb} {_when(record['executed_at'])} in {_duration(record['seconds'])}, "
        f"profile <em>{html.escape(record['profile'])}</em>"
    )
    return f'<details class="provenance"><summary>{summary}</summary><dl>{items}</dl></details>'


def missing(twin: twins.Twin, profile: str) -> str:
    """Return the block of a page without results: what is wrong and the command that mends it."""
    return (
        f'<div class="provenance provenance--{twin.problem}">No results: under the profile <em>{profile}</em> this '
        f"notebook's run is {twin.problem} ({html.escape(twin.why)}). "
        f"<code>python -m lib.book run {twin.path.stem} --profile {profile}</code></div>"
    )


def _when(iso: str) -> str:
    """Return '3 May 2025, 14:07 UTC'."""
    moment = datetime.fromisoformat(iso).astimezone(UTC)
    return f'<time datetime="{iso}">{moment.day} {moment:%B %Y, %H:%M} UTC</time>'


def _duration(seconds: float) -> str:
    """Return '12.3 s', '2 min 5 s' or '1 h 3 min'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(
        f"<span>{html.escape(key)} <code>{html.escape(repr(v) if key_is_value(v) else str(v))}</code></span>"
        for key, v in values.items()
    )


def key_is_value(value: Any) -> bool:
    """Say whether a value reads better in Python's notation: lists and truth values."""
    return isinstance(value, (list, bool))
