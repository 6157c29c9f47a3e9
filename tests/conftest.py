"""Fixtures that several test files share."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from lib.book import notebook

# These build the book, or run it, in the folder _build that they share: one worker takes all of them.
SITE = ("tests/test_site.py", "tests/test_how_to_run.py")

NOTEBOOK = """# %% [markdown]
# # Tiny

# %% tags=["parameters"]
n: int = 3  # how many; in [1, 10]
rate: float = 0.5  # learning rate; in [0, 2]
data: str = "digits"  # data set; one of digits, mnist
sizes: list[int] = [1, 2]  # batch sizes; in [1, 100]
loud: bool = False  # print more

# %%
from lib import alpha

print(alpha.value * n)
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Deal tests to the workers one by one, but those of SITE together, and first.

    `--dist loadgroup` would do, but pytest-xdist 3.8 marks groups in an attribute that pytest 9.2 no longer reads.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "site" if nodeid.startswith(SITE) else nodeid

    return Scheduling(config, log)


@pytest.fixture
def tiny_book(tmp_path: Path) -> Path:
    """A book's root with one notebook, a profile, and a `lib` of its own in which alpha imports beta."""
    from lib.book import pairing

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/__init__.py").write_text("")
    (tmp_path / "lib/alpha.py").write_text("from lib.beta import value\n")
    (tmp_path / "lib/beta.py").write_text("value = 7\n")
    (tmp_path / "lib/gamma.py").write_text("value = 8\n")
    (tmp_path / "constraints.txt").write_text("numpy==2\n")
    (tmp_path / "book/profiles.yml").write_text(
        "smoke: {description: small, notebooks: {01_tiny: {n: 2}}}\ndefault: {description: usual, notebooks: {}}\n"
    )
    script = tmp_path / "notebooks/01_tiny.py"
    script.write_text(NOTEBOOK)
    pairing.pair(script)
    return tmp_path


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of a command line that `tiny_cli` started."""
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def wait_for(condition, seconds: float = 20) -> None:
    """Wait until a condition holds; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Say whether a process has ended, though nobody may have collected its exit status."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def replace_last_cell(book: Path, code: str, name: str = "01_tiny") -> None:
    """Write a notebook of the tiny book under a name, with other code in its last cell."""
    nb = nbformat.read(book / "notebooks/01_tiny.ipynb", as_version=4)
    nb.cells[-1].source = code
    nbformat.write(nb, book / f"notebooks/{name}.ipynb")


def edit(path: Path, old: str, new: str) -> None:
    """Replace text in a notebook's cells."""
    nb = nbformat.read(path, as_version=4)
    assert any(old in cell.source for cell in nb.cells)
    for cell in nb.cells:
        cell.source = cell.source.replace(old, new)
    nbformat.write(nb, path)


@pytest.fixture
def tiny_cli(tiny_book: Path):
    """The tiny book with a command line of its own: returns a function that starts `python -m lib.book ...` in it."""
    shutil.copytree(notebook.ROOT / "lib/book", tiny_book / "lib/book", ignore=shutil.ignore_patterns("__pycache__"))
    (tiny_book / "book/claims.yml").write_text("{}\n")
    environment = os.environ | {"PYTHONPATH": str(tiny_book)}

    def start(*arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "lib.book", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # background jobs ignore Ctrl-C
        return subprocess.Popen(command, cwd=tiny_book, env=environment, start_new_session=True, **pipes)

    return start
