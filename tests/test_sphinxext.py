"""The book's Sphinx extension, on a small book whose executed twins are written by hand."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from lib.book import claims, engine, kept, notebook, parameters, provenance, twins

SVG = (
    """<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path style="fill: #2b629f" d="M0 0H9V9z"/></svg>"""
)
REGISTRY = r"""
right: {paper: someone2020, statement: 'The slope is $\zeta$, so it is.', origin: paper, relation: equal,
  expected: 2, atol: 0.1, profiles: [default]}
wrong: {paper: someone2020, statement: Small., origin: paper, relation: at most, expected: 1, profiles: [default]}
large: {paper: other2021, statement: At full size., origin: paper, relation: at most, expected: 1, profiles: [paper]}
never: {paper: other2021, statement: Unseen., origin: paper, relation: at least, expected: 1, profiles: [default]}
"""
BIBLIOGRAPHY = "".join(
    f"@article{{{key}, author={{{name}, A.}}, title={{A {{Title}} of {name}}}, journal={{J}}, year={{{key[-4:]}}}}}\n"
    for key, name in {"someone2020": "Someone", "other2021": "Other"}.items()
)
PAGES = {
    "_toc.yml": "format: jb-book\nroot: book/intro\nchapters:\n- file: notebooks/01_first\n- file: book/claims\n"
    "- file: book/sources\n",
    "book/intro.md": "# Intro\n\nIt is {claim}`right`, {verdict}`wrong`, {claim}`never`.\n\n```{claims-tally}\n```\n",
    "book/claims.md": "# Ledger\n\n```{claims-tally} other2021\n```\n\n```{claims-ledger}\n```\n",
    "book/sources.md": "# Sources\n\n```{bibliography}\n```\n",
    "book/claims.yml": REGISTRY,
    "book/references.bib": BIBLIOGRAPHY,
    "book/profiles.yml": "default: {description: d, notebooks: {01_first: {n: 3}}}\n",
}
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
CELLS = {
    "title": "# First\n\nLet $x$, and $y$.",
    "set": "n: int = 2  # how many",
    "draw": "draw()",
    "claims": "measure()",
    "text": "print(n)",
}


def committed() -> nbformat.NotebookNode:
    cells = [v4.new_markdown_cell(CELLS["title"], id="title")]
    cells += [v4.new_code_cell(CELLS[name], id=name) for name in ("set", "draw", "claims", "text")]
    cells[1].metadata["tags"] = ["parameters"]
    figure = {"caption": "A square.", "name": "fig-square"}
    cells[2].metadata["mystnb"] = {"figure": figure, "image": {"alt": "A blue square."}}
    return v4.new_notebook(cells=cells, metadata=METADATA)


def display(data) -> nbformat.NotebookNode:
    return v4.new_output("display_data", data=data)


def claim(key: str, value: float, note: str = "") -> nbformat.NotebookNode:
    data = {"key": key, "value": repr(value), "uncertainty": "0.01", "note": note}
    return display({claims.MIME_TYPE: data, "text/html": "<b>old verdict</b>", "text/plain": "old"})


def recorded(**numbers: float) -> nbformat.NotebookNode:
    text = ", ".join(f"{name} = {value:g}" for name, value in numbers.items())
    return display({claims.SCALARS_MIME_TYPE: {k: repr(v) for k, v in numbers.items()}, "text/plain": text})


def executed() -> nbformat.NotebookNode:
    """The committed notebook after a run: the prose of its day, injected parameters, outputs."""
    nb = committed()
    nb.cells[0].source = "# An older title"
    injected = v4.new_code_cell("n = 3", id="injected", metadata={"tags": ["injected-parameters"]}, execution_count=9)
    nb.cells.insert(2, injected)
    nb.cells[3].outputs = [display({"image/svg+xml": SVG})]
    nb.cells[4].outputs = [claim("right", 2.05, "A note."), claim("wrong", 7.0), claim("large", 0.5)]
    nb.cells[4].outputs += [recorded(slope=0.5), recorded(steps=2.0)]
    nb.cells[5].outputs = [v4.new_output("stream", name="stdout", text="three\n")]
    nb.cells[5].execution_count = 4
    return nb


def write_twin(root: Path) -> Path:
    path = root / "notebooks/01_first.ipynb"
    parts = notebook.components(path, parameters.resolve(path, "default"))
    nb = executed()
    nb.metadata["sgd_book"] = {
        "key": notebook.key_of(parts),
        "code": parts["code"],
        "components": parts,
        "profile": "default",
        "parameters": parts["parameters"],
        "seconds": 83.2,
        "executed_at": "2026-02-03T04:05:06+00:00",
        "versions": {"python": "3.11.7"},
    }
    twin = engine.twin(path, "default")
    twin.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, twin)
    return twin


def build(root: Path, *options: str) -> subprocess.CompletedProcess:
    """Build the book as the command line does, with the settings of the real one."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(root)]
    environment = os.environ | {"SGD_BOOK_PROFILE": "default", "PYTHONPATH": str(notebook.ROOT)}
    command += ["-n", "-W", "--keep-going", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=root)


def page(root: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((root / f"_build/html/{name}.html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """A book that has been built; tests that change it put it right again."""
    root = tmp_path_factory.mktemp("book")
    for name, text in PAGES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "book/_static").mkdir()
    (root / "_config.yml").write_text((notebook.ROOT / "_config.yml").read_text(encoding="utf-8"), encoding="utf-8")
    for name in ("book.css", "book.js"):
        (root / f"book/_static/{name}").write_bytes((notebook.ROOT / f"book/_static/{name}").read_bytes())
    (root / "notebooks").mkdir()
    nbformat.write(committed(), root / "notebooks/01_first.ipynb")
    write_twin(root)
    done = build(root)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return root


def test_page_has_prose_and_code_of_the_commit_and_outputs_of_the_run(book):
    text = page(book, "notebooks/01_first").select_one("article").get_text()
    assert "First" in text and "three" in text and "draw()" in text
    assert "older title" not in text and "n = 3" not in text


def test_committed_notebook_stays_as_it_is_also_as_a_download(book):
    source = (book / "notebooks/01_first.ipynb").read_bytes()
    assert source == (book / "_build/html/_sources/notebooks/01_first.ipynb").read_bytes()
    assert b"three" not in source and not any(c.outputs for c in committed().cells[1:])


def test_colab_opens_the_committed_notebook(book):
    links = {a["href"] for a in page(book, "notebooks/01_first").select("a[href*=colab]")}
    repository = "sgd-dynamics/sgd-dynamics/blob/main"
    assert links == {f"https://colab.research.google.com/github/{repository}/notebooks/01_first.ipynb"}


def test_figure_has_caption_description_and_a_dark_twin(book):
    figure = page(book, "notebooks/01_first").select_one("figure#fig-square")
    light, dark = figure.select("img")
    assert "A square." in figure.select_one("figcaption").get_text() and "Fig." in figure.get_text()
    assert light["alt"] == dark["alt"] == "A blue square."
    assert "fig-light" in light["class"] and "fig-dark" in dark["class"]
    assert not {"only-light", "only-dark"} & {*light["class"], *dark["class"]}  # the theme would hide the caption
    files = [(book / "_build/html/notebooks" / image["src"]).read_text() for image in (light, dark)]
    assert "#2b629f" in files[0] and "#86b6ee" in files[1] and "#2b629f" not in files[1]


def test_claim_is_judged_anew_and_linked_with_its_row(book):
    cards = page(book, "notebooks/01_first").select(".claim-card")
    assert [c["id"] for c in cards] == ["claim-right", "claim-wrong", "claim-large"]
    assert [c.select_one(".claim").get_text() for c in cards] == [v.value for v in claims.Verdict]
    assert "old verdict" not in str(cards)
    assert "A note." in cards[0].get_text() and cards[0].select_one(".math")
    assert cards[0].select_one("a")["href"] == "../book/claims.html#ledger-right"


def test_ledger_has_a_row_for_every_registered_claim(book):
    ledger = page(book, "book/claims")
    rows = {row["id"]: row for row in ledger.select("table.claims-ledger tbody tr")}
    assert list(rows) == ["ledger-right", "ledger-wrong", "ledger-large", "ledger-never"]
    shown = [row.select_one(".claim").get_text() for row in rows.values()]
    assert shown == [*(v.value for v in claims.Verdict), "not measured"]
    right = rows["ledger-right"].select("td")
    assert right[0].select_one(".math") and right[1].p.get_text(strip=True) == "2 ± 0.1"
    assert right[1].get_text().strip().endswith("origin: paper")
    assert right[2].a["href"] == "../notebooks/01_first.html#claim-right"
    assert right[2].get_text().startswith("2.050\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.010")
    assert not rows["ledger-never"].select("a") and "–" in rows["ledger-never"].get_text()
    assert [h.get_text().rstrip("#") for h in ledger.select("article h2")] == ["A Title of Someone", "A Title of Other"]
    assert all(section.select_one("a[href^='sources.html']") for section in ledger.select("section section"))


def test_tally_counts_verdicts_of_all_papers_or_of_one(book):
    def counts(name):
        return [badge.get_text() for badge in page(book, name).select(".claims-tally .claim")]

    everywhere = [f"1 {v.value}" for v in claims.Verdict]
    assert counts("book/intro") == [*everywhere, "1 not measured"]
    assert counts("book/claims") == ["1 inconclusive at this scale", "1 not measured"]


def test_roles_show_value_and_verdict_with_links(book):
    paragraph = page(book, "book/intro").select_one("article p")
    value, verdict = paragraph.select("a")
    assert value["href"] == "../notebooks/01_first.html#claim-right" and value.get_text().startswith("2.05")
    assert verdict["href"] == "claims.html#ledger-wrong" and "claim--failed" in verdict.parent["class"]
    assert "not measured" in paragraph.get_text()


def test_footer_says_what_produced_the_page(book):
    footer = page(book, "notebooks/01_first").select_one("details.provenance")
    text = re.sub(r"\s+", " ", footer.get_text(" "))
    assert "3 February 2026, 04:05 UTC" in text and "1 min 23 s" in text and "default" in text
    assert "n 3" in text and "python 3.11.7" in text
    assert (
        notebook.read(engine.twin(book / "notebooks/01_first.ipynb", "default"))["metadata"]["sgd_book"]["code"] in text
    )
    assert not page(book, "book/intro").select(".provenance")


def test_comma_stays_with_its_formula(book):
    spans = page(book, "notebooks/01_first").select("section > p .nobreak")
    assert [s.get_text()[-1] for s in spans] == [",", "."]


def test_mathematics_works_without_a_network(book):
    static = book / "_build/html/_static"
    scripts = [s["src"] for s in page(book, "notebooks/01_first").select("script[src]")]
    assert any(s.split("?")[0] == "../_static/mathjax/tex-mml-chtml.js" for s in scripts)
    assert not [s for s in scripts if "//" in s]
    assert (static / "mathjax/tex-mml-chtml.js").stat().st_size > 1e6
    assert len(list((static / "mathjax/output/chtml/fonts/woff-v2").glob("*.woff"))) > 20
    assert (static / "mathjax/input/tex/extensions/boldsymbol.js").exists()
    assert sum(f.stat().st_size for f in (static / "mathjax").rglob("*") if f.is_file()) < 2.5e6


def test_correcting_the_registry_needs_no_run(book):
    registry = book / "book/claims.yml"
    registry.write_text(REGISTRY.replace("expected: 2,", "expected: 3,"), encoding="utf-8")
    try:
        assert build(book).returncode == 0
        assert "not reproduced" in page(book, "notebooks/01_first").select_one("#claim-right").get_text()
        assert "not reproduced" in page(book, "book/claims").select_one("#ledger-right").get_text()
    finally:
        registry.write_text(REGISTRY, encoding="utf-8")


def test_what_is_kept_of_other_profiles_stands_beside_the_run(book):
    profiles, results = book / "book/profiles.yml", book / "book/results"
    profiles.write_text(PAGES["book/profiles.yml"] + "paper: {description: p}\n", encoding="utf-8")
    record = {"profile": "paper", "executed_at": "2026-05-06T00:00:00+00:00", "seconds": 7000.0, "code": "c0de"}
    record |= {"parameters": {"n": 99}, "versions": {"python": "3"}}
    values = {"large": (5.0, 0.1), "never": (3.0, None), "slope": (0.25, None), "wrong": (7.0, 0.01)}
    runs = [kept.Run("01_first", values, record)]
    engine.write(results / "paper.csv", kept._values(runs))
    engine.write(results / "paper-runs.csv", kept._records(runs))
    try:
        assert build(book).returncode == 0
        first, ledger = page(book, "notebooks/01_first"), page(book, "book/claims")
        for row in (first.select_one("#claim-large"), ledger.select_one("#ledger-large")):
            assert "profile paper: 5.00 ± 0.10 not reproduced" in row.get_text()
        assert "paper" not in first.select_one("#claim-wrong").get_text()  # the number is the same
        assert "not measured" in ledger.select_one("#ledger-never").get_text()
        assert "profile paper: 3" in ledger.select_one("#ledger-never").get_text()
        assert "3 (profile paper)" in page(book, "book/intro").select_one("article p").get_text()
        assert "steps = 2\nprofile paper" not in first.get_text()
        assert "slope = 0.5\nprofile paper: slope = 0.25" in first.get_text()
        old = first.select("details.provenance")[1].get_text(" ")
        assert "Kept from a run of  6 May 2026" in old and "1 h 56 min" in old and "c0de" in old and "99" in old
        tally = page(book, "book/intro").select(".claims-tally")[1]
        assert tally.get_text(" ").split("  ")[-1].strip().endswith("kept from profile paper")
        assert [b.get_text() for b in tally.select(".claim")] == ["1 not reproduced", "2 inconclusive at this scale"]
    finally:
        shutil.rmtree(results)
        profiles.write_text(PAGES["book/profiles.yml"], encoding="utf-8")


def test_a_stale_then_a_missing_run_fails_the_build_and_shows_no_results(book):
    source, twin = book / "notebooks/01_first.ipynb", engine.twin(book / "notebooks/01_first.ipynb", "default")
    pins = book / "constraints.txt"
    pins.write_text("numpy==9\n", encoding="utf-8")  # nothing that the page names: only the key tells
    done = build(book)
    assert done.returncode != 0
    assert "the executed copy is stale under profile 'default': pinned versions changed" in done.stderr
    first = page(book, "notebooks/01_first")
    assert "draw()" in first.get_text() and not first.select(".cell_output, details.provenance")
    assert "stale" in first.select_one(".provenance--stale").get_text()
    assert "not measured" in page(book, "book/claims").select_one("#ledger-right").get_text()

    pins.unlink()
    before = source.read_bytes()
    twin.rename(twin.with_suffix(".aside"))
    done = build(book)
    assert done.returncode != 0 and "the executed copy is missing under profile 'default'" in done.stderr
    twin.with_suffix(".aside").rename(twin)
    assert build(book).returncode == 0
    assert source.read_bytes() == before
    assert page(book, "notebooks/01_first").select("details.provenance")


def test_wrong_claims_and_shared_figures_are_warnings(book, tmp_path):
    intro, registry = book / "book/intro.md", book / "book/claims.yml"
    twin = engine.twin(book / "notebooks/01_first.ipynb", "default")
    good = {path: path.read_text(encoding="utf-8") for path in (intro, registry, twin)}
    intro.write_text("# Intro\n\n{claim}`nonsense`\n", encoding="utf-8")
    registry.write_text(
        "\n".join(line for line in REGISTRY.splitlines() if not line.startswith("wrong")), encoding="utf-8"
    )
    nb = json.loads(good[twin])
    nb["cells"][3]["outputs"] += [claim("right", 1.0)]
    twin.write_text(json.dumps(nb), encoding="utf-8")
    try:
        done = build(book)
        assert done.returncode != 0
        assert "claim 'nonsense' is not registered" in done.stderr and "claim 'wrong' is not registered" in done.stderr
        assert "claim 'right' is measured more than once" in done.stderr
        assert "cell 2 has a caption and 2 displays" in done.stderr
    finally:
        for path, text in good.items():
            path.write_text(text, encoding="utf-8")


def test_merge_takes_outputs_only_and_changes_neither_notebook():
    own, ran = committed(), executed()
    kept = copy.deepcopy(own), copy.deepcopy(ran)
    merged = twins.merge(own, ran)
    assert (own, ran) == kept
    assert [c["source"] for c in merged["cells"]] == [c["source"] for c in own.cells]
    assert merged["cells"][4]["outputs"] == ran.cells[5].outputs and merged["cells"][4]["execution_count"] == 4
    assert merged["cells"][2]["metadata"] == {**own.cells[2].metadata, "tags": ["hide-input"]}  # a captioned figure
    assert merged["cells"][4]["metadata"] == own.cells[4].metadata
    card = merged["cells"][3]["outputs"][0]["data"]
    assert card == {"text/markdown": "```{claim-card} right\n```\n"}


@pytest.mark.parametrize("change", ["edit", "drop"])
def test_merge_refuses_a_run_of_other_code(change):
    ran = executed()
    if change == "edit":
        ran.cells[-1].source += " "
    else:
        ran.cells.pop()
    with pytest.raises(ValueError, match="code cells differ: 4 in the committed notebook, "):
        twins.merge(committed(), ran)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3599.4, "59 min 59 s"), (3780, "1 h 3 min")],
)
def test_durations_read_well(seconds, text):
    assert provenance._duration(seconds) == text


def test_footer_escapes_what_a_reader_may_have_passed():
    record = {
        "profile": "p",
        "parameters": {"data": "<script>"},
        "seconds": 1,
        "executed_at": "2026-01-01T00:00:00+00:00",
    }
    assert "<script>" not in provenance.footer(record, "01") and "&lt;script&gt;" in provenance.footer(record, "01")
