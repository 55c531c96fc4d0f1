"""Lines of bytes: each with the place where it begins; what is no text, or has no end."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_oracle import everything, planned, reasons, write_jsonl

from youtu_st.errors import InputError
from youtu_st.scale.input import lines as module
from youtu_st.scale.input.lines import Lines, is_of_lines
from youtu_st.scale.settings import Cutting


def parts_of(content: bytes, borders: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(border, len(content)) for border in borders), len(content)]
    return [content[a:b] for a, b in pairwise(edges) if a < b]


CONTENT = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc", b"\x0b\x85", "é\u2028".encode()])
).map(b"".join)


@given(CONTENT, st.lists(st.integers(0, 60), max_size=6))
def test_lines_end_in_a_line_feed_a_carriage_return_or_both(content: bytes, borders: list[int]):
    expected = re.findall(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z", content)
    lines = Lines(iter(parts_of(content, borders)), "a")
    found, places = [], []
    for line in lines:
        found.append(line)
        places.append((lines.number, lines.offset))
    assert found == expected
    assert b"".join(found) == content
    for i, (number, offset) in enumerate(places):
        assert number == i + 1
        assert offset == sum(map(len, expected[: i + 1]))


@given(CONTENT, st.integers(0, 10), st.integers(0, 10))
def test_lines_may_be_passed_over(content: bytes, some: int, more: int):
    every = list(Lines(iter([content]), "a"))
    lines = Lines(iter(parts_of(content, [3, 7])), "a")
    lines.skip_to(some)
    lines.skip_to(some)
    lines.skip_to(some + more)
    assert list(lines) == every[some + more :]


def test_a_line_without_an_end_is_no_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONGEST", 1 << 20)
    lines = Lines(iter([b"a\n", *[b"x" * (1 << 18)] * 100]), "a.txt")
    with pytest.raises(InputError, match=r"^a\.txt, row 2: a line of more than 1 MiB: that is no text$"):
        list(lines)


def test_encodings_that_are_cut_at_bytes():
    for encoding in ("utf-8", "latin-1", "cp1252", "gb18030", "big5", "shift_jis", "euc_kr", "koi8-r"):
        assert is_of_lines(encoding)
        every = [chr(i) for i in range(1, 0x3000) if chr(i) not in "\r\n"] + ["中", "한", "😀"]
        for character in every:
            written = character.encode(encoding, "ignore")
            assert b"\n" not in written
            assert b"\r" not in written
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-7", "iso2022_jp", "cp037"):
        assert not is_of_lines(encoding)


TEXTS = ["plain", "café – “quotes”", "天気がいい", "这是末行"]


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]
)
def test_texts_in_any_encoding(tmp_path: Path, encoding: str, end: str, gz: str):
    texts = TEXTS * 9
    if encoding == "gb18030":
        texts = ["今天天气很好，我们去公园散步。", "plain", "最后一行文字"] * 9
    content = end.join(texts).encode(encoding)
    path = tmp_path / f"a.txt{gz}"
    path.write_bytes(gzip.compress(content) if gz else content)
    plan, columns = planned(path, cutting=Cutting(rows=5))
    rows, rejected = everything(plan, columns, seed=1)
    assert [row.text for row in rows] == texts
    assert [row.id for row in rows] == [f"{path}:{i}" for i in range(1, len(texts) + 1)]
    assert rejected == []
    assert {shard.offset > 0 for shard in plan.shards[1:]} == {is_of_lines(plan.files[0].encoding) and not gz}


def test_an_encoding_that_is_said(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes("été\nnaïve\n".encode("cp850"))
    plan, columns = planned(tmp_path, encoding="cp850")
    assert [row.text for row in everything(plan, columns)[0]] == ["été", "naïve"]
    with pytest.raises(InputError, match="name of an encoding"):
        planned(tmp_path, encoding="klingon")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be"])
def test_what_is_no_text(tmp_path: Path, encoding: str):
    """Zeros that nobody can tell what they are of are no rows."""
    (tmp_path / "a.txt").write_bytes("\n".join(["一 text \u4e00 of 最后一行"] * 5).encode(encoding))
    with pytest.raises(InputError, match=r"a\.txt: (not UTF-8|more zeros)"):
        planned(tmp_path)


def test_damaged_utf8_is_a_bad_row(tmp_path: Path):
    lines = ["Das ist schön, größer und früher.", "caf\udce9 ist kein UTF-8 und schön", "Viele Grüße"]
    for name in ("a.jsonl", "a.jsonl.gz"):
        records = [f'{{"text": "{line}"}}' for line in lines]
        plan, columns = planned(write_jsonl(tmp_path / name, records))
        rows, rejected = everything(plan, columns)
        assert [row.text for row in rows] == [lines[0], lines[2]]
        assert reasons(rejected) == [(2, f"{tmp_path / name}:2", "not UTF-8 at byte 13 of the line (0xe9)")]


def test_a_gzip_stream_that_is_cut_short_or_damaged(tmp_path: Path):
    path = write_jsonl(tmp_path / "a.jsonl.gz", ({"text": f"text {i * i}"} for i in range(5000)))
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) - 4, 12):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"a\.jsonl\.gz: the file is cut short"):
            planned(path)
    path.write_bytes(b"{}" + whole)
    with pytest.raises(InputError, match="not a readable gzip file"):
        planned(path)
    path.write_bytes(whole[:200] + bytes(50) + whole[250:])
    with pytest.raises(
        InputError, match=r"a\.jsonl\.gz: (damaged gzip stream|not a readable gzip file|the file is)"
    ):
        planned(path)
    path.write_bytes(whole + whole.replace(b"text", b"TEXT"))  # members follow one another
    plan, columns = planned(path)
    assert plan.rows == 10_000
    assert len(everything(plan, columns, seed=3)[0]) == 10_000


@pytest.mark.parametrize(
    ("content", "outcome"),
    [("b'x' * (1 << 20)", "a line of more than 64 MiB"), ("b'\\n' * (1 << 18)", "262144 rejected")],
)
def test_a_gzip_bomb_is_read_line_by_line(tmp_path: Path, content: str, outcome: str):
    """Of what would be 128 MiB no more is in memory than the longest line that may be."""
    code = f"""
import gzip, resource, sys
from pathlib import Path
path = Path({str(tmp_path / "a.txt.gz")!r})
with gzip.open(path, "wb", 6) as file:
    for _ in range({128 if "line" in outcome else 1}):
        file.write({content})
from input_oracle import planned
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    plan, _ = planned(path)
    print(f"{{plan.rejected}} rejected")
except ValueError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    assert done.returncode == 0, done.stderr
    said, grown = done.stdout.splitlines()
    assert outcome in said
    assert int(grown) * (1024 if sys.platform == "linux" else 1) < 120 << 20
