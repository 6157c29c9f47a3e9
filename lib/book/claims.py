"""Claims: what a paper states, what this book measures, and the verdict.

`book/claims.yml` registers each claim; a notebook measures it with one call of `claim`; `judge` compares.
The verdict is formed again whenever a page is built, so that the registry can be corrected without a re-run.
"""

import html
import math
import os
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import yaml

from lib.book import notebook

MIME_TYPE = "application/vnd.sgd-book.claim+json"
SCALARS_MIME_TYPE = "application/vnd.sgd-book.scalars+json"
RELATIONS = ("equal", "at most", "at least", "between")


class Verdict(StrEnum):
    """What comparing a measured value with the registered expectation gives."""

    REPRODUCED = "reproduced"
    FAILED = "not reproduced"
    INCONCLUSIVE = "inconclusive at this scale"


@dataclass(frozen=True)
class Claim:
    """One registered claim. `low` and `high` bound the values that reproduce it."""

    key: str
    paper: str
    statement: str
    origin: str
    low: float
    high: float
    expectation: str
    profiles: tuple[str, ...]


@lru_cache
def registry(path: Path = notebook.ROOT / "book/claims.yml") -> dict[str, Claim]:
    """Return the registered claims by key, in the file's order; raises ValueError on a malformed entry."""
    entries = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    return {key: _parse(key, entry) for key, entry in entries.items()}


def _parse(key: str, entry: dict) -> Claim:
    """Read one entry: relation, expected and tolerance (`atol`, `rtol`) become the interval [low, high]."""
    needed = {"paper", "statement", "origin", "relation", "expected", "profiles"}
    if wrong := needed - entry.keys() or entry.keys() - needed - {"atol", "rtol"}:
        raise ValueError(f"claim {key!r}: {', '.join(sorted(wrong))} missing or unknown; needed: {sorted(needed)}")
    relation, expected = entry["relation"], entry["expected"]
    if relation not in RELATIONS:
        raise ValueError(f"claim {key!r}: relation is {relation!r}; allowed: {', '.join(RELATIONS)}")
    if relation == "between":
        low, high = map(float, expected)
        text = f"{low:g} to {high:g}"
    else:
        expected = float(expected)
        slack = float(entry.get("atol", 0)) + float(entry.get("rtol", 0)) * abs(expected)
        low = -math.inf if relation == "at most" else expected - slack
        high = math.inf if relation == "at least" else expected + slack
        sign = {"equal": "", "at most": "≤ ", "at least": "≥ "}[relation]
        text = f"{sign}{expected:.10g}" + (f" ± {slack:.2g}" if slack else "")
    fixed = (entry["paper"], entry["statement"].strip(), entry["origin"], low, high, text)
    return Claim(key, *fixed, tuple(entry["profiles"]))


def judge(claim: Claim, value: float, uncertainty: float | None, profile: str) -> Verdict:
    """Compare a measured value with its claim.

    Outside the claim's profiles nothing can be concluded. With an uncertainty (one standard error) the interval
    value ± 2 uncertainty must lie inside the allowed range to reproduce, outside to fail.
    """
    if profile not in claim.profiles:
        return Verdict.INCONCLUSIVE
    if math.isnan(value):
        return Verdict.FAILED
    low, high = value - 2 * (uncertainty or 0.0), value + 2 * (uncertainty or 0.0)
    if claim.low <= low and high <= claim.high:
        return Verdict.REPRODUCED
    return Verdict.FAILED if high < claim.low or low > claim.high else Verdict.INCONCLUSIVE


def number(value: float, uncertainty: float | None = None) -> str:
    """Format a value for people: six significant digits, or as many as two digits of its standard error carry."""
    if not uncertainty or not math.isfinite(value) or not math.isfinite(uncertainty):
        return f"{value:.6g}"
    decimals = 1 - math.floor(math.log10(uncertainty))
    if not 0 <= decimals <= 8:
        return f"{value:.6g} ± {uncertainty:.1e}"
    return f"{value:.{decimals}f} ± {uncertainty:.{decimals}f}"


def badge_html(verdict: Verdict) -> str:
    """Return the badge that shows a verdict."""
    kind = {Verdict.REPRODUCED: "reproduced", Verdict.FAILED: "failed"}.get(verdict, "inconclusive")
    return f'<span class="claim claim--{kind}">{verdict.value}</span>'


def measured(twin: Path) -> list[dict]:
    """Return what an executed notebook measured: dicts with key, value, uncertainty and note."""
    return [decode(data) for data in displayed(notebook.read(twin), MIME_TYPE)]


def displayed(executed: dict, mime_type: str) -> list[dict]:
    """Return the outputs of one type in an executed notebook."""
    return [
        output["data"][mime_type]
        for cell in notebook.code_cells(executed)
        for output in cell["outputs"]
        if mime_type in output.get("data", {})
    ]


def decode(data: dict) -> dict:
    """Return a claim output's content with its numbers as floats (JSON has no inf or nan, so they are text)."""
    return data | {k: None if data[k] is None else float(data[k]) for k in ("value", "uncertainty")}


class _Measured:
    """What a notebook cell displays for a claim."""

    def __init__(self, key: str, value: float, uncertainty: float | None, note: str):
        self.key, self.value, self.uncertainty, self.note = key, value, uncertainty, note

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        spec = registry().get(self.key)
        verdict = judge(spec, self.value, self.uncertainty, os.environ.get("SGD_BOOK_PROFILE", "default"))
        value = number(self.value, self.uncertainty)
        text = f"{self.key}: measured {value}, expected {spec.expectation}: {verdict.value}"
        return {
            MIME_TYPE: {
                "key": self.key,
                "value": repr(self.value),
                "uncertainty": None if self.uncertainty is None else repr(self.uncertainty),
                "note": self.note,
            },
            "text/html": f"<div>{html.escape(text.rpartition(':')[0])} {badge_html(verdict)}</div>",
            "text/plain": text,
        }


def claim(key: str, value: float, *, uncertainty: float | None = None, note: str = "") -> None:
    """Record and show the measured `value` of a registered claim, with its standard error if it has one.

    Raises ValueError for a key that book/claims.yml does not register or a value that is no number.
    """
    from IPython.display import display

    if key not in registry():
        raise ValueError(f"claim {key!r} is not registered in book/claims.yml; registered: {', '.join(registry())}")
    try:
        value, uncertainty = float(value), None if uncertainty is None else float(uncertainty)
    except (TypeError, ValueError):
        raise ValueError(
            f"claim {key!r}: value and uncertainty must be numbers, not {value!r}, {uncertainty!r}"
        ) from None
    if uncertainty is not None and not uncertainty >= 0:
        raise ValueError(f"claim {key!r}: uncertainty is {uncertainty!r}; allowed: at least 0")
    display(_Measured(key, value, uncertainty, note))


def record(**scalars: float) -> None:
    """Record and show named numbers, which `sgd-book collect` gathers over the points of a sweep.

    Raises ValueError for a value that is no number.
    """
    from IPython.display import display

    try:
        values = {name: float(value) for name, value in scalars.items()}
    except (TypeError, ValueError):
        raise ValueError(f"recorded values must be numbers, not {scalars!r}") from None
    text = ", ".join(f"{name} = {number(value)}" for name, value in values.items())
    bundle = {SCALARS_MIME_TYPE: {name: repr(value) for name, value in values.items()}, "text/plain": text}
    display(bundle, raw=True)
