"""What the book's pages say about claims: the card under a measurement, the ledger, the tally and inline numbers.

:::{claims-ledger} velikanov2023view     one paper's table; without an argument, a section per paper
:::{claims-tally} velikanov2023view      how many claims came out how; without an argument, of all papers
{claim}`velikanov-C14`                   the measured value, linked to the cell that measured it
{verdict}`velikanov-C14`                 the verdict as a badge, linked to the ledger

Beside what this build measured they show what is kept of other profiles (`lib.book.kept`).
"""

import re
from collections import Counter
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from lib.book import claims, kept, twins
from lib.book.claims import Claim, Verdict

log = logging.getLogger(__name__)

NOT_MEASURED = "not measured"
KINDS = {
    Verdict.REPRODUCED.value: "reproduced",
    Verdict.FAILED.value: "failed",
    Verdict.INCONCLUSIVE.value: "inconclusive",
    NOT_MEASURED: "unmeasured",
}
COLUMNS = {"Claim": 64, "Expected": 16, "Measured": 20}


def registry(app: Sphinx) -> dict[str, Claim]:
    """Return the claims registered in the book that is being built."""
    return claims.registry(registry_path(app))


def registry_path(app: Sphinx) -> Path:
    """Return where the book registers its claims."""
    return Path(app.srcdir, "book/claims.yml")


def depend(env: BuildEnvironment) -> None:
    """Have the current page read again whenever the registry or a run changes."""
    env.note_dependency(str(registry_path(env.app)))
    for docname in twins.notebooks(env.app):
        env.note_dependency(str(twins.of(env.app, docname).path))
    for file in kept.files(env.app.srcdir):
        env.note_dependency(str(file))
    quoting(env).add(env.docname)


def quoting(env: BuildEnvironment) -> set[str]:
    """Return the names of the pages that show claims."""
    return env.__dict__.setdefault("sgd_book_quoting", set())


def verdict_of(app: Sphinx, claim: Claim, found: list[twins.Measurement]) -> str:
    """Return the verdict in words, "not measured" without a measurement."""
    if not found:
        return NOT_MEASURED
    first = found[0]
    return claims.judge(claim, first.value, first.uncertainty, app.config.sgd_book_profile).value


def badge(verdict: str, *content: nodes.Node) -> nodes.inline:
    """Return a verdict's badge, with other content than its name if there is any."""
    classes = ["claim", f"claim--{KINDS[verdict]}"]
    return nodes.inline("", "", *(content or [nodes.Text(verdict)]), classes=classes)


def measured(found: list[twins.Measurement]) -> str:
    """Return the measured number as text that no line break splits."""
    return claims.number(found[0].value, found[0].uncertainty).replace(" ", "\N{NO-BREAK SPACE}")


def label(kind: str, key: str) -> str:
    """Return the label of a claim's card ("claim") or of its row in the ledger ("ledger")."""
    return f"{kind}-{key}".lower()


def link(env: BuildEnvironment, target: str, text: str) -> pending_xref:
    """Return text as a link to a label anywhere in the book; an unknown label is a warning."""
    options = {"refdomain": "std", "reftype": "ref", "reftarget": target, "refexplicit": True, "refwarn": True}
    return pending_xref("", nodes.inline("", text), refdoc=env.docname, **options)


def mark(env: BuildEnvironment, node: nodes.Element, name: str) -> None:
    """Make `node` the place that a label points to."""
    node["ids"].append(name)
    env.get_domain("std").note_hyperlink_target(name, env.docname, name, name)


def small(text: str, kind: str) -> nodes.paragraph:
    """Return a paragraph of plain text in a style of book.css."""
    return nodes.paragraph("", text, classes=[kind])


def kept_values(app: Sphinx, key: str) -> dict[str, tuple[float, float | None]]:
    """Return what is kept of a claim, by profile, without the profile of this build."""
    runs = (run for run in twins.kept_runs(app) if key in run.values)
    return {run.profile: run.values[key] for run in runs if run.profile != app.config.sgd_book_profile}


def kept_notes(app: Sphinx, claim: Claim, found: list[twins.Measurement]) -> list[nodes.paragraph]:
    """Return a line for each profile that kept another number than was found here: profile, value, verdict."""
    lines = []
    for profile, (value, uncertainty) in kept_values(app, claim.key).items():
        if found and (value, uncertainty) == (found[0].value, found[0].uncertainty):
            continue
        line = small(f"profile {profile}: {claims.number(value, uncertainty)} ", "claim-note")
        line += badge(claims.judge(claim, value, uncertainty, profile).value)
        lines.append(line)
    return lines


class ClaimCard(SphinxDirective):
    """Show one measured claim where it was measured; the build puts it in place of a claim's output."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        key, app = self.arguments[0], self.env.app
        found = [m for m in twins.measurements(app).get(key, []) if m.docname == self.env.docname]
        if key not in registry(app) or not found:
            log.warning(
                "claim %r is not registered", key, location=self.get_location(), type="sgd_book", subtype="claim"
            )
            return []
        depend(self.env)
        claim = registry(app)[key]
        verdict = verdict_of(app, claim, found)
        card = nodes.container(classes=["claim-card", f"claim-card--{KINDS[verdict]}"])
        mark(self.env, card, label("claim", key))
        head = nodes.paragraph("", "", classes=["claim-card-head"])
        head += [badge(verdict), nodes.Text(" "), self.to_ledger(key)]
        numbers = nodes.paragraph("", "", classes=["claim-card-numbers"])
        numbers += [
            nodes.Text("measured "),
            nodes.strong("", measured(found)),
            nodes.Text(f", expected {claim.expectation}"),
        ]
        card += [head, *self.parse_text_to_nodes(claim.statement), numbers, *kept_notes(app, claim, found)]
        if found[0].note:
            card += small(found[0].note, "claim-note")
        return [card]

    def to_ledger(self, key: str) -> nodes.Node:
        """Return the claim's key, linked to the ledger when the book has one."""
        return link(self.env, label("ledger", key), key) if self.config.sgd_book_ledger else nodes.Text(key)


class ClaimsLedger(SphinxDirective):
    """Show the ledger of one paper, or of all papers in sections of their own."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        depend(self.env)
        self.found = twins.measurements(self.env.app)
        papers = papers_of(self, self.arguments)
        if self.arguments:
            return [self.table(entries) for entries in papers.values()]
        return [self.section(paper, entries) for paper, entries in papers.items()]

    def section(self, paper: str, entries: list[Claim]) -> nodes.section:
        title = paper_title(self.env, paper)
        section = nodes.section(ids=[nodes.make_id(f"ledger-{paper}")], names=[title.lower()])
        section += [nodes.title("", title), *self.parse_text_to_nodes(f"{{cite:t}}`{paper}`"), self.table(entries)]
        return section

    def table(self, entries: list[Claim]) -> nodes.table:
        table, group = nodes.table(classes=["claims-ledger"]), nodes.tgroup(cols=len(COLUMNS))
        group += [nodes.colspec(colwidth=width) for width in COLUMNS.values()]
        head, body = nodes.row(), nodes.tbody()
        head += [nodes.entry("", nodes.paragraph("", name)) for name in COLUMNS]
        body += [self.row(claim) for claim in entries]
        group += [nodes.thead("", head), body]
        table += group
        return table

    def row(self, claim: Claim) -> nodes.row:
        found = self.found.get(claim.key, [])
        if len(found) > 1:
            pages = ", ".join(m.docname for m in found)
            log.warning("claim %r is measured more than once: %s", claim.key, pages, type="sgd_book", subtype="claim")
        verdict = verdict_of(self.env.app, claim, found)
        value = [nodes.paragraph("", "–")]
        if found:
            value = [nodes.paragraph("", "", link(self.env, label("claim", claim.key), measured(found)))]
            value += [small(found[0].note, "claim-note")] if found[0].note else []
        value += kept_notes(self.env.app, claim, found)
        head = nodes.paragraph("", "", badge(verdict), nodes.Text(" "), nodes.literal("", claim.key))
        statement = [head, *self.parse_text_to_nodes(claim.statement)]
        expected = [nodes.paragraph("", claim.expectation), small(f"origin: {claim.origin}", "claim-note")]
        row = nodes.row()
        row += [nodes.entry("", *cell) for cell in (statement, expected, value)]
        mark(self.env, row, label("ledger", claim.key))
        return row


class ClaimsTally(SphinxDirective):
    """Show how many claims, of one paper or of all, came out how."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        depend(self.env)
        app, found = self.env.app, twins.measurements(self.env.app)
        entries = [claim for group in papers_of(self, self.arguments).values() for claim in group]
        counts = Counter(verdict_of(app, claim, found.get(claim.key, [])) for claim in entries)
        lines = [self.line(counts, f"profile {app.config.sgd_book_profile}")]
        others: dict[str, Counter] = {}
        for claim in entries:
            for profile, value in kept_values(app, claim.key).items():
                others.setdefault(profile, Counter())[claims.judge(claim, *value, profile).value] += 1
        return lines + [self.line(counts, f"kept from profile {profile}") for profile, counts in others.items()]

    def line(self, counts: Counter, profile: str) -> nodes.paragraph:
        """Return a badge with its number per verdict, and the profile."""
        tally = nodes.paragraph("", "", classes=["claims-tally"])
        for verdict in KINDS:
            if counts[verdict]:
                tally += [badge(verdict, nodes.Text(f"{counts[verdict]} {verdict}")), nodes.Text(" ")]
        tally += nodes.inline("", profile, classes=["claims-profile"])
        return tally


class ClaimRole(SphinxRole):
    """Show a claim's measured value, or its verdict, inside a sentence."""

    def __init__(self, kind: str):
        self.kind = kind

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        app, key = self.env.app, self.text
        if key not in registry(app):
            where = self.get_location()
            log.warning("claim %r is not registered", key, location=where, type="sgd_book", subtype="claim")
            return [nodes.literal("", key)], []
        depend(self.env)
        found = twins.measurements(app).get(key, [])
        if self.kind == "verdict":
            verdict = verdict_of(app, registry(app)[key], found)
            linked = [link(self.env, label("ledger", key), verdict)] if self.config.sgd_book_ledger else []
            return [badge(verdict, *linked)], []
        if not found:
            others = [f"{claims.number(*v)} (profile {p})" for p, v in kept_values(app, key).items()]
            return [nodes.inline("", ", ".join(others)) if others else nodes.emphasis("", NOT_MEASURED)], []
        return [link(self.env, label("claim", key), measured(found))], []


def papers_of(directive: Directive, chosen: list[str]) -> dict[str, list[Claim]]:
    """Return the registered claims by paper, all or of the chosen one; a paper without claims is an error."""
    groups: dict[str, list[Claim]] = {}
    for claim in registry(directive.env.app).values():
        groups.setdefault(claim.paper, []).append(claim)
    if chosen and chosen[0] not in groups:
        raise directive.error(f"no claim of {chosen[0]!r} is registered; there are: {', '.join(groups)}")
    return {chosen[0]: groups[chosen[0]]} if chosen else groups


def paper_title(env: BuildEnvironment, paper: str) -> str:
    """Return a paper's title from the bibliography, or its key when it is not there."""
    entries = env.get_domain("cite").bibdata.data.entries
    return re.sub(r"[{}]", "", entries[paper].fields["title"]) if paper in entries else paper
