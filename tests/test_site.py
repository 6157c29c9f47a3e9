"""The smoke book: notebooks run, pages build without a warning, links hold, nothing comes from the network."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from lib.book import claims, engine, kept, notebook

# What a browser fetches by itself when it shows a page. Links that a reader follows by a click are not among them.
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}


def book(*arguments):
    command = [sys.executable, "-m", "lib.book", *arguments, "--profile", "smoke"]
    done = subprocess.run(command, cwd=notebook.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return done.stdout


@pytest.fixture(scope="session")
def site():
    """The folder of the built smoke book."""
    book("run")
    index = book("build").strip().splitlines()[-1]
    return notebook.ROOT / "_build/site/smoke/_build/html", index


@pytest.fixture(scope="session")
def pages(site):
    """Every page of it, parsed, by its path."""
    files = [f for f in site[0].rglob("*.html") if "_static" not in f.parts]
    assert len(files) > len(notebook.find([]))
    return {f: BeautifulSoup(f.read_text(encoding="utf-8"), "html.parser") for f in files}


def test_the_build_says_where_the_book_is(site):
    assert site[1] == str(site[0] / "index.html") and (site[0] / "index.html").exists()


def test_every_notebook_is_fresh_afterwards(site):
    points = engine.profile_points(notebook.find([]), "smoke")
    assert [engine.state(p).name for p in points] == ["fresh"] * len(points)


def test_no_notebook_prints_a_warning(site):
    for point in engine.profile_points(notebook.find([]), "smoke"):
        for cell in notebook.code_cells(notebook.read(point.output)):
            assert not [o for o in cell["outputs"] if o.get("name") == "stderr"], (point.name, cell["outputs"])


def test_outputs_appear_on_the_pages_and_not_in_the_committed_notebooks(site, pages):
    for path in notebook.find([]):
        page = pages[site[0] / f"notebooks/{path.stem}.html"]
        assert page.select(".cell_output"), path.stem
        assert all(not cell["outputs"] for cell in notebook.code_cells(notebook.read(path)))


def test_internal_links_and_anchors_lead_somewhere(pages):
    anchors = {f: {t["id"] for t in page.find_all(id=True)} | {""} for f, page in pages.items()}
    broken = []
    for file, page in pages.items():
        for link in page.find_all("a", href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            if not target.exists() or (target in anchors and anchor not in anchors[target]):
                broken.append((file.name, link["href"]))
    assert not broken


def test_pages_and_stylesheets_fetch_nothing_from_the_network(site, pages):
    external = re.compile(r"^(https?:)?//")
    found = []
    for file, page in pages.items():
        for tag in page.find_all(list(FETCHED)):
            found += [(file.name, tag[FETCHED[tag.name]])] if external.match(tag.get(FETCHED[tag.name], "")) else []
        for tag in page.find_all("link", href=True):
            fetched = set(tag.get("rel", [])) & {"stylesheet", "preload", "icon", "preconnect", "dns-prefetch"}
            found += [(file.name, tag["href"])] if fetched and external.match(tag["href"]) else []
    for sheet in site[0].rglob("*.css"):
        found += [(sheet.name, u) for u in re.findall(r"url\(['\"]?((?:https?:)?//[^)]*)\)", sheet.read_text())]
    assert not found


def test_each_registered_claim_is_measured_by_exactly_one_notebook_and_each_measured_one_is_registered(site):
    by_notebook = {}
    larger = {run.notebook: run.values.keys() & claims.registry().keys() for run in kept.load()}
    for point in engine.profile_points(notebook.find([]), "smoke"):
        measured = [m["key"] for m in claims.measured(point.output)]
        assert len(measured) == len(set(measured)), point.name
        code = "\n".join(notebook.source(cell) for cell in notebook.code_cells(notebook.read(point.source.path)))
        named = re.findall(r"claim\(\s*[\"']([\w-]+)[\"']", code)  # also what only real data can measure
        by_notebook[point.name] = {*measured, *named, *larger.get(point.name, ())}
    assert Counter(key for keys in by_notebook.values() for key in keys) == Counter(claims.registry().keys())


def test_every_measured_claim_is_a_row_of_the_ledger(site, pages):
    ledger = pages[site[0] / "book/ledger.html"].get_text()
    for key in claims.registry():
        assert key in ledger


def test_every_figure_has_a_description_and_a_caption(site, pages):
    for path in notebook.find([]):
        for image in pages[site[0] / f"notebooks/{path.stem}.html"].select(".cell_output img"):
            assert len(image.get("alt", "")) > 20, (path.stem, image.get("src"))
            assert image.find_parent("figure").find("figcaption"), (path.stem, image.get("src"))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


@pytest.mark.skipif(BROWSER is None, reason="needs a Chromium on the PATH, which Python packages cannot bring")
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_every_page_without_network_errors_or_sideways_scrolling(site, pages, width, theme):
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=[*quiet, "--disable-sync", "--no-first-run"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        requests, errors = [], []
        page.on("request", lambda r: requests.append(r.url))
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("requestfailed", lambda r: errors.append(r.url))
        for file, parsed in pages.items():
            if parsed.select('meta[http-equiv="Refresh"]'):
                continue  # the top index.html only forwards
            page.goto(file.as_uri())
            page.wait_for_load_state()
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, (file.name, width, overflow)
        browser.close()
    assert not errors
    assert not [url for url in requests if not url.startswith(("file:", "data:"))]
