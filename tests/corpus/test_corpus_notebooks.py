"""Notebooks: their cells, without what they printed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import files
import nbformat
import pytest
from nbformat import v3, v4

from youtu_st.errors import InputError


def test_cells_have_numbers_and_the_headings_above_them(tmp_path: Path) -> None:
    printed = v4.new_output("stream", text="PRINTED")
    cells = [
        v4.new_markdown_cell("# Load"),
        v4.new_code_cell("# a comment\nx = 1", outputs=[printed]),
        v4.new_raw_cell("raw"),
        v4.new_code_cell("   "),
        v4.new_markdown_cell("Text.\n\n## Fit\n\n```\n# open fence\n"),
        v4.new_code_cell("y = 2\r\nz = 3"),
        v4.new_markdown_cell("# The end"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert files.told(tmp_path / "a.ipynb") == [
        ("# Load\n\n# a comment\nx = 1", {"cell": 2, "title": "Load"}),
        ("Load\n\nText.\n\n## Fit\n\n```\n# open fence", {"cell": 5, "title": "Load"}),
        ("Fit\n\ny = 2\nz = 3\n\n# The end", {"cell": 6, "title": "Fit"}),
    ]
    text = "".join(one.text for one in files.read(tmp_path / "a.ipynb"))
    for one in files.passages(tmp_path / "a.ipynb"):
        assert one.text.endswith(text[one.start : one.end])


def test_a_long_cell_is_split_with_overlap(tmp_path: Path) -> None:
    code = "\n".join(f"value_{n} = compute({n})" for n in range(30))
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(code)]), tmp_path / "a.ipynb")
    found = files.told(tmp_path / "a.ipynb", tokens=60, overlap=20)
    assert len(found) > 3
    assert all(facts == {"cell": 1} for _, facts in found)
    for (before, _), (after, _) in pairwise(found):
        assert after.split("\n")[0] in before


def test_notebooks_of_old_versions(tmp_path: Path) -> None:
    cells = [v3.new_heading_cell("Old", level=2), v3.new_code_cell(input="x = 1")]
    made = v3.new_notebook(worksheets=[v3.new_worksheet(cells=cells)])
    (tmp_path / "a.ipynb").write_text(v3.writes_json(made))
    assert files.told(tmp_path / "a.ipynb") == [("## Old\n\nx = 1", {"cell": 2, "title": "Old"})]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b'{"nbformat": 4}',
        b'{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}',
        b'{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": null}]}',
        b"[" * 100_000,
        b"<html>",
    ],
)
def test_what_is_no_notebook_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ipynb").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.ipynb: not a readable notebook: ") as caught:
        files.read(tmp_path / "a.ipynb")
    assert len(str(caught.value).splitlines()) == 1


def test_an_empty_notebook_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("")
    assert files.read(tmp_path / "a.ipynb") == []


def test_half_a_character_is_no_text(tmp_path: Path) -> None:
    made = v4.new_notebook(cells=[v4.new_markdown_cell("x")])
    (tmp_path / "a.ipynb").write_text(json.dumps(made).replace('"x"', '"\\ud800"'))
    with pytest.raises(InputError, match=r"a\.ipynb, cell 1"):
        files.read(tmp_path / "a.ipynb")
