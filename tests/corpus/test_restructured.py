"""reStructuredText: its headings are what docutils takes for headings."""

from __future__ import annotations

from pathlib import Path

import files
import pytest
from docutils import nodes
from docutils.core import publish_doctree
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from youtu_st.corpus.reading.restructured import headings_of

LINES = [
    "Title",
    "Two words",
    "标题",
    "word.",
    "=====",
    "-----",
    "----------",
    "~~~~~",
    "  indented",
    "  -----",
]
LINES += [
    "- item",
    ".. _label:",
    "text::",
    "",
    "",
    "",
    "*****",
    "Long title of words",
    "===== =====",
    ".. note::",
]
TEXT = """\
======
Manual
======

Words before.

.. _passports:

Passports
---------

Fill in the form::

    Literal
    -------

签证
----

Ask the embassy.

Details
~~~~~~~

It takes six weeks.
"""


def sections(text: str) -> list[tuple[str, int]] | None:
    """Titles of sections with their depth, as docutils finds them; None: it finds errors."""
    tree = publish_doctree(
        text,
        settings_overrides={
            "doctitle_xform": False,
            "report_level": 5,
            "halt_level": 5,
            "file_insertion_enabled": False,
        },
    )
    if any(message["level"] >= 3 for message in tree.findall(nodes.system_message)):
        return None
    found = []
    for title in tree.findall(nodes.title):
        depth, node = 0, title.parent
        while node is not None:
            depth += isinstance(node, nodes.section)
            node = node.parent
        if isinstance(title.parent, nodes.section):
            found.append((" ".join(title.rawsource.split()), depth))
    return found


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=14).map("\n".join))
@example(TEXT)
@example("Title\n=====\nTwo words\n-----\nword.")
@example("word.\nTitle\n=====")
@example("Title\n==")
def test_headings_are_those_of_docutils(text: str) -> None:
    wanted = sections(text)
    assume(wanted is not None)
    found = headings_of(text)
    assert [one.title for one in found] == [title for title, _ in wanted or ()]
    end = 0
    for one in found:
        assert end <= one.start < one.end <= len(text)
        assert one.title in " ".join(text[one.start : one.end].split())
        end = one.end


def test_levels_are_those_of_docutils() -> None:
    assert [(one.title, one.level) for one in headings_of(TEXT)] == sections(TEXT)


def test_passages_have_titles_and_lines(tmp_path: Path) -> None:
    (tmp_path / "a.rst").write_text(TEXT)
    literal = "Fill in the form::\n\n    Literal\n    -------"
    assert files.told(tmp_path / "a.rst", tokens=30) == [
        ("======\nManual\n======\n\nWords before.\n\n.. _passports:", {"line": 1, "title": "Manual"}),
        (f"Passports\n---------\n\n{literal}", {"line": 9, "title": "Passports"}),
        (
            "签证\n----\n\nAsk the embassy.\n\nDetails\n~~~~~~~\n\nIt takes six weeks.",
            {"line": 17, "title": "签证"},
        ),
    ]
    for one in files.passages(tmp_path / "a.rst", tokens=12, overlap=4):
        assert one.text.endswith(TEXT[one.start : one.end])
        assert TEXT.count("\n", 0, one.start) + 1 == one.metadata["line"]
