"""Encodings: what is recognised is right, what is not clear is an error, and lines end in any way."""

from __future__ import annotations

import codecs
import io
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.corpus import Gathered, Reading, read_documents, read_texts
from youtu_st.corpus.borders import blocks
from youtu_st.corpus.reading import decoding
from youtu_st.errors import InputError

CHINESE = "护照到期以后怎么更换？请先填写申请表格，然后到公安局的出入境管理窗口办理。\n莱茵河向北流入大海。\n"
TAIWAN = "護照到期以後怎麼更換？請先填寫申請表格，然後到外交部領事事務局辦理。\n"
JAPANESE = "パスポートの更新はどうすればいいですか。まず申請書に記入してください。\n"
KOREAN = "여권을 갱신하려면 어떻게 해야 합니까? 먼저 신청서를 작성해 주세요. 그리고 구청에 제출하세요.\n"
GERMAN = "Der Rhein fließt nach Norden, über Köln und Düsseldorf, und mündet ins Meer.\n"
FRENCH = "L’été dernier, le café était fermé à cause d’une grève – « enfin », dit-elle.\n"

RECOGNISED = [
    (CHINESE, "gb18030", "GB18030"),
    (TAIWAN, "big5", "Big5"),
    (JAPANESE, "cp932", "Shift-JIS"),
    (JAPANESE, "euc_jp", "EUC-JP"),
    (GERMAN, "cp1252", "Windows-1252"),
    (FRENCH, "cp1252", "Windows-1252"),
    ("café\n", "cp1252", "Windows-1252"),
    ("text,n\n" + GERMAN, "utf-16-le", "UTF-16-LE"),
    (GERMAN, "utf-16-be", "UTF-16-BE"),
    ("\ufeff" + CHINESE, "utf-16-le", "UTF-16-LE"),
    ("\ufeff" + CHINESE, "utf-16-be", "UTF-16-BE"),
    ("\ufeff" + CHINESE, "utf-32-le", "UTF-32-LE"),
]


@pytest.mark.parametrize(("text", "encoding", "name"), RECOGNISED, ids=range(len(RECOGNISED)))
def test_what_is_recognised_is_said(tmp_path: Path, text: str, encoding: str, name: str) -> None:
    path, notes = tmp_path / "a.txt", Gathered()
    path.write_bytes(text.encode(encoding))
    documents = list(read_documents([path], Reading(notes=notes)))
    assert [document.text for document in documents] == [text.removeprefix("\ufeff")]
    assert notes.notes == [f"{path}: read as {name}"]
    assert list(read_texts(path, Reading(notes=notes))) == text.removeprefix("\ufeff").splitlines()


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("中文".encode("gb18030"), 0),
        ("Как продлить паспорт? Заполните форму.".encode("cp1251"), 0),
        ("Το διαβατήριο λήγει αύριο.".encode("cp1253"), 0),
        ("Zażółć gęślą jaźń i źdźbło".encode("cp1250"), 2),
        (
            f"{CHINESE}{GERMAN}".encode() + b" one byte \xe4 is broken",
            len(f"{CHINESE}{GERMAN}".encode()) + 10,
        ),
        (b"\xff", 0),
        (bytes(range(128, 256)) * 4, 0),
    ],
    ids=range(7),
)
def test_what_is_not_clear_is_an_error_and_can_be_said(tmp_path: Path, content: bytes, place: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    said = rf"a\.txt: not UTF-8 at byte {place} \(0x{content[place]:02x}\): say what it is with --encoding"
    with pytest.raises(InputError, match=said):
        list(read_documents([path]))
    if content.isascii() is False and len(content) > 4 and place == 0 and len(content) < 100:
        for encoding in ("cp1251", "cp1253"):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                continue
            assert [document.text for document in read_documents([path], Reading(encoding))] == [text]


def test_thousands_of_short_chinese_texts_are_never_read_as_something_else(shared_data: Path) -> None:
    import json
    import random

    from youtu_st.corpus.reading.recognition import recognise

    articles = json.loads((shared_data / "xquad" / "xquad.zh.json").read_text())["data"]
    texts = [p["context"] for article in articles for p in article["paragraphs"]]
    chance, right = random.Random(0), 0
    for length in (6, 12, 24, 60) * 30:
        text = chance.choice(texts)
        start = chance.randrange(max(len(text) - length, 1))
        part = text[start : start + length].encode("gb18030")
        found = None if part.isascii() else recognise(part)
        assert found is None or part.decode(found) == part.decode("gb18030")
        right += found is not None and length >= 24
    assert right >= 57  # of 60; the others are mostly not Chinese


def test_the_first_bytes_that_are_no_utf8_may_come_late(tmp_path: Path) -> None:
    path, notes = tmp_path / "a.txt", Gathered()
    text = "Plain lines of a long file.\n" * 20_000 + GERMAN + "And more.\n" * 5_000
    path.write_bytes(text.encode("cp1252"))
    assert "".join(d.text for d in read_documents([path], Reading(notes=notes))) == text
    assert notes.notes == [f"{path}: read as Windows-1252"]
    path.write_bytes(text.encode() + b"\xe4")
    with pytest.raises(InputError, match=rf"not UTF-8 at byte {len(text.encode())} "):
        list(read_documents([path]))


@pytest.mark.parametrize("name", ["utf-9", "", "hex", "rot13", "a\0b", "undefined", "x" * 5000])
def test_what_is_no_encoding(name: str) -> None:
    with pytest.raises(
        InputError, match=r"^encoding must be the name of an encoding, such as gb18030"
    ) as caught:
        Reading(name)
    assert len(str(caught.value)) < 500


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(st.sampled_from(["one", "二", "x y", "\u2028", "😀", "\x0c", "\x85"]), max_size=8),
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\r\n"]), min_size=8, max_size=8),
    step=st.sampled_from([1, 2, 3, 7, 1000]),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "gb18030"]),
)
def test_lines_end_in_any_way_however_the_bytes_come(
    words: list[str], ends: list[str], step: int, encoding: str
) -> None:
    text = "".join(word + end for word, end in zip(words, ends, strict=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_PART", step)
        parts = decoding.decode(io.BytesIO(text.encode(encoding)), "x", encoding)
        made = list(decoding.lines(parts, "x"))
    oracle = text.replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(made) == oracle
    assert made == [line + "\n" for line in oracle.split("\n")][:-1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_texts_of_any_line_ends(tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = end.join(["one", "two\u2028half", "三"]).encode()
    (tmp_path / "a.txt").write_bytes(content)
    assert list(read_texts(tmp_path / "a.txt")) == ["one", "two\u2028half", "三"]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert list(read_texts("-")) == ["one", "two\u2028half", "三"]
    (tmp_path / "a.csv").write_bytes(end.join(["n,text", '1,"a', 'b"', "2,c"]).encode())
    assert list(read_texts(tmp_path / "a.csv")) == ["a\nb", "c"]
    (tmp_path / "a.jsonl").write_bytes(end.join(['"a"', '{"text": "b"}']).encode())
    assert list(read_texts(tmp_path / "a.jsonl")) == ["a", "b"]


def test_standard_input_in_another_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(codecs.BOM_UTF8 + b"one\n")))
    assert list(read_texts("-")) == ["one"]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(CHINESE.encode("gbk"))))
    assert list(read_texts("-", Reading("gbk"))) == CHINESE.splitlines()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(CHINESE.encode("gbk"))))
    with pytest.raises(
        InputError, match=r"^standard input: not UTF-8 at byte 0 .* say what it is with --encoding"
    ):
        list(read_texts("-"))


CHARACTERS = st.sampled_from(
    ["a", "汉", ". ", "\n", "\n\n", " ", "e\u0301", "👩\u200d👧", "🇩🇪", "👍🏽", "。"]
)


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(CHARACTERS, max_size=200), most=st.sampled_from([24, 50]))
def test_blocks_lose_nothing_and_cut_no_character(parts: list[str], most: int) -> None:
    text = "".join(parts)
    made = list(blocks(parts, most))
    assert "".join(made) == text
    assert all(0 < len(block) <= most for block in made)
    for first, second in pairwise(made):
        assert (first[-1], second[0]) not in {
            ("e", "\u0301"),
            ("👩", "\u200d"),
            ("\u200d", "👧"),
            ("👍", "🏽"),
        }
        if "\n\n" in first[-(most // 4) :]:
            assert first.endswith("\n\n") or "\n\n" not in first[most - most // 4 :]


@pytest.mark.parametrize("text", ["a\0b\0c text\n", "<p>some text<p>\0<p><p><p>\0<p>\n", "\0a\0 bcdefgh é\n"])
def test_a_few_zeros_make_no_utf16(tmp_path: Path, text: str) -> None:
    """Text whose zeros happen to stand at every other place."""
    path = tmp_path / "t.txt"
    path.write_text(text, encoding="utf-8")
    assert "".join(decoding.decoded(path, "t", decoding.encoding_of(path, "t", Gathered()))) == text
