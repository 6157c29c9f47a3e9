"""A run's key depends on code, parameters, imported modules and pins, and on nothing else."""

import pytest

from conftest import edit
from lib.book import notebook

VALUES = {"n": 3}


@pytest.fixture
def path(tiny_book):
    return tiny_book / "notebooks/01_tiny.ipynb"


def key(path):
    notebook._imports.cache_clear()
    return notebook.key_of(notebook.components(path, VALUES))


def test_prose_is_not_part_of_the_key(path):
    before = key(path)
    edit(path, "# Tiny", "# Small")
    assert key(path) == before


def test_code_is_part_of_the_key(path):
    before = key(path)
    edit(path, "alpha.value * n", "alpha.value + n")
    assert key(path) != before


def test_parameters_are_part_of_the_key(path):
    assert key(path) != notebook.key_of(notebook.components(path, {"n": 4}))


@pytest.mark.parametrize(("module", "matters"), [("alpha", True), ("beta", True), ("gamma", False)])
def test_only_imported_modules_matter_directly_or_not(path, tiny_book, module, matters):
    before = key(path)
    (tiny_book / f"lib/{module}.py").write_text("value = 9\n")
    assert (key(path) != before) == matters


def test_pins_are_part_of_the_key(path, tiny_book):
    before = key(path)
    (tiny_book / "constraints.txt").write_text("numpy==3\n")
    assert key(path) != before


def test_changes_are_named(path, tiny_book):
    old = notebook.components(path, VALUES)
    edit(path, "print", "str")
    (tiny_book / "lib/beta.py").write_text("value = 9\n")
    said = notebook.changes(old, notebook.components(path, {"n": 4}))
    assert said == ["code cells changed", "n: 3 -> 4", "lib.beta changed"]


def test_relative_and_package_imports_are_followed(tmp_path):
    package = tmp_path / "lib/pack"
    package.mkdir(parents=True)
    (tmp_path / "lib/__init__.py").write_text("")
    (package / "__init__.py").write_text("from .one import f\n")
    (package / "one.py").write_text("def f():\n    from . import two\n    import numpy.linalg\n")
    (package / "two.py").write_text("from ..top import g\n")
    (tmp_path / "lib/top.py").write_text("")
    found = notebook.imported_modules("from lib import pack", tmp_path)
    assert list(found) == ["lib", "lib.pack", "lib.pack.one", "lib.pack.two", "lib.top"]


def test_find_by_name_number_and_path(tiny_book):
    want = [tiny_book / "notebooks/01_tiny.ipynb"]
    for name in ("01_tiny", "01", "notebooks/01_tiny.ipynb", "notebooks/01_tiny.py"):
        assert notebook.find([name], tiny_book) == want
    with pytest.raises(ValueError, match="no notebook '02'; there are: 01_tiny"):
        notebook.find(["02"], tiny_book)
