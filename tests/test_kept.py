"""Tables of what larger profiles measured: written from fresh runs, read back in full."""

import math

import pytest

from conftest import edit, finish, replace_last_cell
from lib.book import kept

RECORDS = "from lib.book import claim, record\nrecord(slope=n / 3, width=2.0)\nclaim('some', 0.1, uncertainty=0.02)"
REGISTRY = "some: {paper: p, statement: s, origin: paper, relation: at most, expected: 1, profiles: [smoke]}\n"


@pytest.fixture
def recording(tiny_book, tiny_cli):
    replace_last_cell(tiny_book, RECORDS)
    (tiny_book / "book/claims.yml").write_text(REGISTRY)
    return tiny_book, tiny_cli


def test_keep_writes_what_was_measured_and_load_returns_it(recording):
    book, cli = recording
    assert finish(cli("run", "--profile", "smoke"))[0] == 0
    code, out, err = finish(cli("keep", "--profile", "smoke"))
    assert code == 0 and "smoke.csv: 01_tiny" in out, err
    (run,) = kept.load(book)
    assert run.values == {"slope": (2 / 3, None), "width": (2.0, None), "some": (0.1, 0.02)}
    assert (run.notebook, run.profile, run.record["parameters"]["n"]) == ("01_tiny", "smoke", 2)
    assert run.record["versions"]["numpy"] and len(run.record["code"]) == 16 and run.record["seconds"] > 0
    assert run.record["executed_at"].endswith("+00:00")


def test_what_has_no_fresh_run_stays_as_it_was(recording):
    book, cli = recording
    finish(cli("run", "--profile", "smoke"))
    finish(cli("keep", "--profile", "smoke"))
    before = (book / "book/results/smoke.csv").read_text()
    edit(book / "notebooks/01_tiny.ipynb", "n / 3", "n / 4")  # its run is stale now
    replace_last_cell(book, "from lib.book import record\nrecord(height=float('inf'))", "02_other")
    (book / "book/profiles.yml").write_text(
        "smoke: {description: small, notebooks: {01_tiny: {n: 2}, 02_other: {n: 1}}}\ndefault: {description: usual}\n"
    )
    finish(cli("run", "02", "--profile", "smoke"))
    assert "02_other" in finish(cli("keep", "--profile", "smoke"))[1]
    assert (book / "book/results/smoke.csv").read_text().startswith(before)
    assert [run.notebook for run in kept.load(book)] == ["01_tiny", "02_other"]
    assert kept.load(book)[1].values == {"height": (math.inf, None)}


def test_a_profile_without_runs_of_its_own_is_refused(recording):
    _, cli = recording
    finish(cli("run"))
    code, _, err = finish(cli("keep", "--profile", "default"))
    assert code == 2 and "no notebook has an up-to-date run under profile 'default'" in err


def test_a_table_of_another_kind_is_refused(tiny_book):
    (tiny_book / "book/results").mkdir()
    (tiny_book / "book/results/smoke.csv").write_text("notebook,value\n01_tiny,1\n")
    with pytest.raises(
        ValueError, match=r"smoke\.csv has the columns notebook, value; allowed: notebook, name, value, uncertainty"
    ):
        kept.load(tiny_book)
