"""A title stands before every part of its text, a heading is never alone, and both count as tokens."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minilm_tokens import splitter_of, tokens

from youtu_st.corpus import Passage, SourceDocument, read_documents
from youtu_st.corpus.borders import blocks
from youtu_st.corpus.reading.headings import sections


def split(limit: int, text: str, source: str = "a.md", title: str = "", **metadata: object) -> list[Passage]:
    return list(splitter_of(limit).split([SourceDocument(text, source, dict(metadata), title)]))


def solid(text: str) -> str:
    return "".join(text.split())


WORDS = st.sampled_from(
    ["river", "向量", "检索", "😀", "supercalifragilistic", "é", "a_b_c", "stone", "gold"]
)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", ". ", "\n\n", "。", "\n"])), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(
    title=st.lists(st.sampled_from(["North", "Rhine", "护照", "Guide"]), min_size=1, max_size=12).map(
        " ".join
    ),
    text=TEXTS,
    limit=st.sampled_from([8, 16, 40]),
)
def test_a_records_title_is_before_every_part(title: str, text: list[tuple[str, str]], limit: int) -> None:
    whole = "".join(word + gap for word, gap in text)
    passages = split(limit, whole, "a.jsonl", title, line=3)
    shown = passages[0].text.partition("\n\n")[0]
    assert title.startswith(shown)
    assert tokens(shown) <= limit // 2
    assert shown == title or tokens(f"{shown} ") + 8 > limit // 2  # cut only where it must be
    parts = [passage.text.removeprefix(f"{shown}\n\n") for passage in passages]
    assert [f"{shown}\n\n{part}" for part in parts] == [passage.text for passage in passages]
    assert solid("".join(parts)) == solid(whole)
    assert all(parts)
    assert max(tokens(passage.text) for passage in passages) <= limit


BLOCKS = st.one_of(
    st.tuples(st.sampled_from(["# ", "## ", "### "]), WORDS).map(lambda pair: f"{pair[0]}{pair[1]} heading"),
    WORDS.map(lambda word: f"{word} setext\n---"),
    TEXTS.map(lambda text: "".join(word + gap for word, gap in text).strip().replace("\n", " ")),
    st.just("```\n# no heading\n```"),
    st.just("- one\n- two"),
)


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(BLOCKS, max_size=14), limit=st.sampled_from([24, 60]))
def test_no_heading_of_markdown_is_alone_and_nothing_is_lost(parts: list[str], limit: int) -> None:
    text = "\n\n".join(parts)
    passages = split(limit, text)
    headings = [part for part in parts if "heading" in part.split() or part.endswith("setext\n---")]
    headings = [part for part in headings if "```" not in part]
    left = solid(text)
    for passage in passages:
        assert tokens(passage.text) <= limit
        part = passage.text
        if not left.startswith(solid(part)):
            title, _, part = part.partition("\n\n")
            assert title == passage.metadata["title"]
        assert left.startswith(solid(part))
        left = left.removeprefix(solid(part))
        if len(headings) < len(parts) and sum(map(tokens, headings)) <= limit // 4:
            bare = solid(part)
            for heading in headings:
                bare = bare.replace(solid(heading), "")
            assert bare, f"{passage.text!r} is headings only"
    assert not left


def test_headings_exactly() -> None:
    text = (
        "Before.\n\n# Guide\n\n## Passports\n\nOne two three four five six seven eight nine. Ten eleven twelve"
        " thirteen fourteen.\n\nVisas\n=====\n\nAsk one two three four five.\n\n```\n# comment\n```\n\nFive six "
        "seven eight.\n\n# Last\n\n## Of\n"
    )
    passages = split(20, text)
    assert [(p.text, p.metadata.get("title"), p.metadata["line"]) for p in passages] == [
        ("Before.", None, 1),
        ("# Guide\n\n## Passports\n\nOne two three four five six seven eight nine.", "Passports", 3),
        ("Passports\n\nTen eleven twelve thirteen fourteen.", "Passports", 7),
        ("Visas\n=====\n\nAsk one two three four five.", "Visas", 9),
        ("Visas\n\n```\n# comment\n```\n\nFive six seven eight.\n\n# Last\n\n## Of", "Visas", 14),
    ]


def test_headings_at_the_end_go_with_what_stands_above_them() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    passages = split(20, f"# Top\n\n{words}\n\n# End\n")
    assert [p.text for p in passages][-1].endswith("fourteen\n\n# End")
    assert all(tokens(p.text) <= 20 for p in passages)
    assert [p.text for p in split(20, "# Only\n\n## headings\n")] == ["# Only\n\n## headings"]
    assert split(20, "# Only\n")[0].metadata == {"source": "a.md", "position": 0, "line": 1, "title": "Only"}


def test_front_matter_is_no_heading_and_its_title_is_one() -> None:
    front = '---\ntitle: "A trip"\ntags: [x]\n---\n'
    long = "One two three four five six seven. Eight nine ten eleven twelve thirteen fourteen fifteen."
    passages = split(30, f"{front}\n{long}\n\n{long}\n")
    assert passages[0].text.startswith(front.strip())
    assert [p.metadata["title"] for p in passages] == ["A trip"] * len(passages)
    assert all(p.text.startswith("A trip\n\n") for p in passages[1:])
    assert len(passages) > 1
    found, _ = sections("---\n\nA rule, no front matter.\n\n---\n", front=True)
    assert [(section.title, section.body) for section in found] == [("", 0)]


def test_a_long_title_alone_is_split_like_a_text(tmp_path: Path) -> None:
    title = "word " * 30
    (tmp_path / "a.jsonl").write_text(json.dumps({"title": title, "text": " "}))
    passages = list(splitter_of(12).split(read_documents([tmp_path])))
    assert solid("".join(p.text for p in passages)) == solid(title)
    assert [tokens(p.text) for p in passages] == [12, 12, 6]


def test_a_title_that_the_text_begins_with_is_not_doubled() -> None:
    assert [p.text for p in split(40, "Paris\nThe capital.", "a.csv", "Paris", line=2)] == [
        "Paris\n\nThe capital."
    ]
    assert [p.text for p in split(40, "Paris", "a.csv", "Paris", line=2)] == ["Paris\n\nParis"]


def test_blocks_of_a_long_file_keep_the_heading_above_and_the_fence() -> None:
    body = "".join(f"Sentence number {n} of the body.\n\n" for n in range(40))
    text = f"# Top\n\n{body}```\n" + "# comment\n\n" * 60 + f"```\n\n{body}# End\n"
    made, line = [], 1
    for block in blocks([text], 500):
        made.append(SourceDocument(block, "a.md", {}, "", line))
        line += block.count("\n")
    assert len(made) > 5
    assert "".join(document.text for document in made) == text
    passages = list(splitter_of(24).split(made))
    assert {p.metadata["title"] for p in passages} == {"Top"}
    assert sum(not p.text.startswith(("Top\n\n", "# Top")) for p in passages) == 0
    assert passages[-1].text.endswith("# End")
    lines = text.split("\n")
    for p in passages:
        first = p.text.removeprefix("Top\n\n").split("\n")[0]
        assert first.strip() == lines[p.metadata["line"] - 1].strip()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_passage_of_xquad_is_a_bare_title(tmp_path: Path, shared_data: Path, language: str) -> None:
    articles = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text())["data"]
    rows = [
        {"title": article["title"], "text": paragraph["context"]}
        for article in articles
        for paragraph in article["paragraphs"]
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    passages = list(splitter_of(254).split(read_documents([tmp_path])))
    titles = {row["title"] for row in rows}
    assert sum(p.text in titles for p in passages) == 0
    assert all(p.text.startswith(f"{' '.join(p.metadata['title'].split())}\n\n") for p in passages)
    grouped = itertools.groupby(passages, key=lambda p: p.metadata["line"])
    for row, (_, group) in zip(rows, grouped, strict=True):
        text = "".join(p.text.partition("\n\n")[2] for p in group)
        assert solid(text) == solid(row["text"])
