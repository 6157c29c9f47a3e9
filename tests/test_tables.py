"""Tables that the points of a sweep record come back to the bit, in one table with the parameters of their points."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from conftest import finish, replace_last_cell
from lib.book import tables, twins

RECORD = """
import pandas as pd
from lib.book import record
from lib.book.tables import record_table
record(twice=2 * n)
if n < 3:
    record_table("halves", pd.DataFrame({"n": range(n), "half": [i / 2 for i in range(n)]}))
record_table("nothing", pd.DataFrame({"gap": []}))
assert n < 4, "four"
"""


@pytest.fixture
def displayed(monkeypatch, tmp_path):
    """Records tables as a notebook does; returns a function that reads them back."""
    outputs = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: outputs.append({"data": bundle}))

    def read():
        cell = {"cell_type": "code", "metadata": {}, "source": "", "outputs": outputs}
        (tmp_path / "executed.ipynb").write_text(json.dumps({"cells": [cell]}, allow_nan=False, sort_keys=True))
        return tables.recorded(tmp_path / "executed.ipynb")

    return read


def test_every_kind_of_column_comes_back_to_the_bit(displayed):
    frame = pd.DataFrame({
        "number": [0.1, -np.inf, np.nan, 5e-324], "count": [2**62, -1, 0, 3], "small": np.arange(4, dtype=np.uint8),
        "yes": [True, False, True, True], "text": ["nan", "1", "", "α, β"],
    })  # fmt: skip
    frame["single"] = np.float32([0.1, 1, 2, 3])
    tables.record_table("all", frame)
    back = displayed()["all"]
    assert list(back) == list(frame)
    pd.testing.assert_frame_equal(back[["number", "count", "yes"]], frame[["number", "count", "yes"]])
    assert back["text"].tolist() == frame["text"].tolist() and back["small"].tolist() == [0, 1, 2, 3]
    assert back["single"].tolist() == frame["single"].astype(float).tolist()


def test_a_name_used_twice_has_the_rows_of_both_and_an_empty_table_keeps_its_columns(displayed):
    for part in (pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [3]})):
        tables.record_table("parts", part)
    tables.record_table("nothing", pd.DataFrame({"x": pd.Series(dtype="float64"), "y": pd.Series(dtype=str)}))
    back = displayed()
    assert back["parts"]["x"].tolist() == [1, 2, 3]
    assert list(back["nothing"]) == ["x", "y"] and len(back["nothing"]) == 0


@pytest.mark.parametrize(
    ("name", "frame", "said"),
    [
        ("two words", pd.DataFrame(), "name is 'two words'; allowed: letters"),
        ("a", pd.DataFrame({"x": ["one", None]}), "column 'x' holds"),
        ("a", pd.DataFrame({"x": [1 + 2j]}), "allowed: numbers, truth values, or text"),
        ("a", pd.DataFrame([[1, 2]], columns=["x", "x"]), "columns are ['x', 'x']"),
        ("a", pd.DataFrame([[1, 2]]), "columns are [0, 1]"),
    ],
)
def test_other_names_and_columns_are_refused(name, frame, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        tables.record_table(name, frame)


def test_a_page_shows_what_a_table_holds_and_not_its_rows():
    output = {"output_type": "display_data", "data": {tables.MIME_TYPE: {}, "text/plain": "table a: 2 rows of x"}}
    cell = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [output]}
    (shown,) = twins.merge_cell(cell, cell)["outputs"]
    assert shown["data"] == {"text/plain": "table a: 2 rows of x"}


def test_the_rows_of_all_points_make_one_table(tiny_book, tiny_cli):
    replace_last_cell(tiny_book, RECORD)
    assert finish(tiny_cli("sweep", "01", "-g", "n=1:5", "-g", "rate=0.25", "-o", "out", "-j", "2"))[0] == 1
    code, out, _ = finish(tiny_cli("collect", "out", "--table", "halves", "-o", "halves.csv"))
    rows = pd.read_csv(tiny_book / "halves.csv")
    assert code == 0 and f"halves.csv: 3 rows, {len(rows.columns)} columns" in out
    found = rows[["point_n", "rate", "twice", "n", "half"]].sort_values(["point_n", "n"]).values.tolist()
    assert found == [[1, 0.25, 2, 0, 0], [2, 0.25, 4, 0, 0], [2, 0.25, 4, 1, 0.5]]
    assert rows["key"].nunique() == 2 and math.isclose(rows["half"].sum(), 0.5)
    assert finish(tiny_cli("collect", "out", "--table", "nothing", "-o", "none.parquet"))[0] == 0
    assert len(pd.read_parquet(tiny_book / "none.parquet")) == 0
    code, _, err = finish(tiny_cli("collect", "out", "--table", "thirds", "-o", "thirds.csv"))
    assert code == 2 and "table is 'thirds'; recorded in out: halves, nothing" in err
    assert finish(tiny_cli("collect", "out", "-o", "all.csv"))[0] == 0
    assert len(pd.read_csv(tiny_book / "all.csv")) == 4
