"""Word's and PowerPoint's files: made by the libraries that read them, and by who means no good."""

from __future__ import annotations

import io
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import docx
import files
import pptx
import pytest
from docx.oxml import parse_xml

from youtu_st.corpus import Gathered
from youtu_st.corpus.reading import packages
from youtu_st.errors import InputError

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY s SYSTEM "file://{}">]>'
    f"<w:document {WORD}><w:body><w:p><w:r><w:t>&b;&s;</w:t></w:r></w:p></w:body></w:document>"
)


def document(path: Path) -> Any:
    made = docx.Document()
    made.core_properties.title = "Travel\nguide"
    made.add_paragraph("Some words before.")
    made.add_heading("Passports", 1)
    made.add_paragraph("Fill in the form.")
    made.add_paragraph("Send it.", style="List Bullet")
    table = made.add_table(2, 2)
    table.cell(0, 0).text, table.cell(0, 1).text, table.cell(1, 0).text = "form", "DS-82", "price"
    table.cell(1, 1).add_table(1, 1).cell(0, 0).text = "30 dollars"
    made.add_heading("Visas", 2)
    made.add_paragraph("Ask the embassy.\tOr not.")
    return made


def rewritten(path: Path, out: Path, changes: dict[str, bytes | None]) -> Path:
    """An archive with other contents of some of its files."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in [*old.namelist(), *(name for name in changes if name not in old.namelist())]:
            content = changes[name] if name in changes else old.read(name)
            if content is not None:
                new.writestr(name, content)
    return out


@pytest.fixture
def word(tmp_path: Path) -> Path:
    document(tmp_path).save(tmp_path / "guide.docx")
    return tmp_path / "guide.docx"


def test_a_document_has_titles_and_tables(word: Path) -> None:
    table = "form | DS-82\nprice | 30 dollars"
    assert files.told(word, tokens=25) == [
        ("Travel guide\n\nSome words before.", {"title": "Travel guide"}),
        (f"Passports\n\nFill in the form.\n\nSend it.\n\n{table}", {"title": "Passports"}),
        ("Visas\n\nAsk the embassy.\tOr not.", {"title": "Visas"}),
    ]


def test_passages_of_a_document_overlap(tmp_path: Path) -> None:
    made = docx.Document()
    made.add_heading("Rivers", 1)
    made.add_paragraph(
        "The Rhine flows north. The Elbe flows north. The Danube flows east. The Po flows east."
    )
    made.save(tmp_path / "a.docx")
    texts = [text for text, _ in files.told(tmp_path / "a.docx", tokens=14, overlap=8)]
    assert len(texts) > 2
    for before, after in pairwise(texts):
        assert after.removeprefix("Rivers\n\n").split(".")[0] in before


def test_what_was_inserted_is_read_and_what_was_deleted_is_not(tmp_path: Path) -> None:
    made = docx.Document()
    made.core_properties.title = ""
    made.element.body.insert(
        0,
        parse_xml(
            f'<w:p {WORD}><w:r><w:t xml:space="preserve">old </w:t></w:r><w:ins><w:r><w:t>new</w:t></w:r></w:ins>'
            "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom></w:p>"
        ),
    )
    made.element.body.insert(
        1,
        parse_xml(
            f"<w:sdt {WORD}><w:sdtContent><w:p><w:r><w:t>control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        ),
    )
    made.save(tmp_path / "a.docx")
    assert files.told(tmp_path / "a.docx") == [("old new\n\ncontrol", {})]


def test_slides_have_titles_and_notes(tmp_path: Path) -> None:
    made = pptx.Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Rivers", "Rhine\nElbe"
    slide.notes_slide.notes_text_frame.text = "Say hello."
    made.slides.add_slide(made.slide_layouts[6])  # an empty one
    slide = made.slides.add_slide(made.slide_layouts[6])
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "in a group"
    table = slide.shapes.add_table(2, 2, 0, 0, 9, 9).table
    table.cell(0, 0).text, table.cell(0, 1).text, table.cell(1, 0).text = "a", "b", "c"
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = "A title alone"
    made.save(tmp_path / "a.PPTX")
    assert files.told(tmp_path / "a.PPTX") == [
        ("Rivers\n\nRhine\nElbe\n\nNotes: Say hello.", {"slide": 1, "title": "Rivers"}),
        ("in a group\na | b\nc |", {"slide": 3}),
        ("A title alone", {"slide": 4}),
    ]


def test_stops_of_tabulators_are_no_text(tmp_path: Path) -> None:
    made = docx.Document()
    paragraph = made.add_paragraph("left\tright")
    paragraph.paragraph_format.tab_stops.add_tab_stop(914_400)
    paragraph.paragraph_format.tab_stops.add_tab_stop(1_828_800)
    made.save(tmp_path / "a.docx")
    assert files.read(tmp_path / "a.docx")[0].text == "left\tright"


def test_entities_and_outside_files_are_refused(word: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("TOP SECRET")
    for encoding in ("utf-8", "utf-16"):
        content = ENTITIES.format(tmp_path / "secret.txt").encode(encoding)
        bad = rewritten(word, tmp_path / f"{encoding}.docx", {"word/document.xml": content})
        try:
            found = files.read(bad)
        except InputError as error:
            assert len(str(error).splitlines()) == 1
            assert "SECRET" not in str(error)
        else:  # as UTF-16 it is found by the parser only, which expands nothing
            assert not any("SECRET" in one.text or "lol" in one.text for one in found)
    with pytest.raises(
        InputError, match=r"utf-8\.docx: not a readable \.docx file: it declares a document type"
    ):
        files.read(tmp_path / "utf-8.docx")


@pytest.mark.parametrize("suffix", [".docx", ".pptx"])
def test_bombs_are_refused_in_one_line(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"bomb{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        made.writestr("[Content_Types].xml", b" " * (packages.MOST_BYTES // 2))
        made.writestr("word/document.xml", b" " * (packages.MOST_BYTES // 2 + 1))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match=r"it unpacks to more than 64 MiB of XML: that is no document$"):
        files.read(path)
    monkeypatch.setattr(packages, "MOST_FILES", 1)
    with pytest.raises(InputError, match="it holds 2 files, and no document holds so many"):
        files.read(path)


def test_pictures_are_never_unpacked(word: Path, tmp_path: Path) -> None:
    bad = rewritten(word, tmp_path / "film.docx", {"word/media/film.bin": b"\0" * 10_000})
    with zipfile.ZipFile(packages.slim(bad, ".docx")) as slim:
        assert slim.getinfo("word/media/film.bin").file_size == 0
        assert slim.read("word/document.xml") == zipfile.ZipFile(word).read("word/document.xml")
    assert [one.text for one in files.read(bad)] == [one.text for one in files.read(word)]


@pytest.mark.parametrize("suffix", [".docx", ".pptx"])
def test_what_is_no_such_file_is_one_problem_in_one_line(word: Path, tmp_path: Path, suffix: str) -> None:
    whole = word.read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 3] ^= 255
    archive = io.BytesIO()
    zipfile.ZipFile(archive, "w").close()
    deep = b"<w:document %s><w:body>%s</w:body></w:document>" % (WORD.encode(), b"<w:p>" * 20_000)
    cases = {
        "empty": b"",
        "text": b"hello",
        "cut": whole[: len(whole) // 2],
        "archive": archive.getvalue(),
        "nul": b"PK\x03\x04" + b"\0" * 100,
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}\{suffix}: not a readable \{suffix} file: ") as caught:
            files.read(path)
        assert len(str(caught.value).splitlines()) == 1
    for name, content in {
        "word/document.xml": deep,
        "[Content_Types].xml": b"<a",
        "_rels/.rels": None,
    }.items():
        with pytest.raises(InputError, match=r"bad\.docx: not a readable \.docx file: "):
            files.read(rewritten(word, tmp_path / "bad.docx", {name: content}))
    (tmp_path / f"flipped{suffix}").write_bytes(broken)
    notes = Gathered()
    try:
        files.read(tmp_path / f"flipped{suffix}", notes)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
