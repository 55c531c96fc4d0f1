"""A passage knows where in the document its own text stands, however often that text is there."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minilm_tokens import splitter_of, tokenizer, tokens
from semantic_text_splitter import TextSplitter

from youtu_st.corpus import Passage, SourceDocument, Splitter, read_documents
from youtu_st.corpus.borders import blocks
from youtu_st.corpus.cutting.capacity import Cutter
from youtu_st.errors import InputError


def own_text(passage: Passage) -> str:
    """A passage's text without the title before it."""
    return passage.text[len(passage.text) - (passage.end - passage.start) :]


def check(text: str, passages: list[Passage]) -> None:
    for passage in passages:
        own = own_text(passage)
        assert text[passage.start : passage.end] == own
        title = passage.text[: len(passage.text) - len(own)]
        assert title == "" or title.endswith("\n\n")


LINES = st.sampled_from(
    [
        "the same again",
        "the same again. the same again.",
        "# Heading",
        "## 标题 two",
        "   ### indented",
        "向量索引保存文档的向量。保存文档的向量。",
        "😀 e\u0301 👩\u200d👧 text",
        "```",
        "- item\n  more",
        "Setext\n===",
        "a\u3000wide space",
        "one two three four five six seven eight nine ten eleven twelve thirteen",
    ]
)
TEXTS = st.lists(
    st.tuples(LINES, st.sampled_from(["\n", "\n\n", "\n\n\n\n", " \n \n"])), min_size=1, max_size=24
).map(lambda parts: "".join(line + gap for line, gap in parts))


@settings(max_examples=150, deadline=None)
@given(
    text=TEXTS,
    source=st.sampled_from(["a.md", "a.txt"]),
    limit=st.sampled_from([6, 14, 40]),
    overlap=st.sampled_from([0, 3]),
    size=st.sampled_from([0, 60, 200]),
    title=st.sampled_from(["", "the same", "护照"]),
)
def test_the_document_holds_a_passage_where_it_says(
    text: str, source: str, limit: int, overlap: int, size: int, title: str
) -> None:
    documents, line, place = [], 1, 0
    for part in blocks([text], size) if size else [text]:  # a long file comes in blocks
        documents.append(SourceDocument(part, source, {}, title, line, place))
        line, place = line + part.count("\n"), place + len(part)
    passages = list(splitter_of(limit, overlap).split(documents))
    check(text, passages)
    starts = [passage.start for passage in passages]
    assert starts == sorted(starts)
    covered = [False] * len(text)
    for passage in passages:
        covered[passage.start : passage.end] = [True] * (passage.end - passage.start)
    missing = "".join(character for character, there in zip(text, covered, strict=True) if not there)
    # Where a text begins with its title, the title stands before it and is not its own.
    assert missing.replace(title, "").strip() == "" if title else not missing.strip()
    if not overlap:
        assert all(a.end <= b.start for a, b in pairwise(passages))


def test_passages_that_repeat_keep_their_own_places() -> None:
    sentence = "To renew a passport, fill in the form."
    text = "\n\n".join([sentence] * 5)
    passages = list(splitter_of(14, 0).split([SourceDocument(text, "a.txt")]))
    assert [passage.text for passage in passages] == [sentence] * 5
    assert [passage.start for passage in passages] == [i * (len(sentence) + 2) for i in range(5)]


def test_places_are_those_of_the_file_as_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(
        "\ufeff# Tête 😀\r\n\r\nOne two three.\r\n\r\nFour\rfive six.\r\n".encode()
    )
    rows = [{"title": "Paris", "text": "Paris\nThe capital."}, {"text": "Bonn 😀 was one. Bonn 😀 was one."}]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    documents = list(read_documents([tmp_path]))
    assert documents[0].text == "# Tête 😀\n\nOne two three.\n\nFour\nfive six.\n"
    for document in documents:  # of a record its text, and not the file's
        passages = list(splitter_of(9, 0).split([document]))
        check(document.text, passages)
    assert [own_text(passage) for passage in passages] == ["Bonn 😀 was one.", "Bonn 😀 was one."]
    assert [passage.start for passage in passages] == [0, 16]


def test_headings_at_the_end_of_a_file_keep_what_stands_between() -> None:
    text = "# Top\n\nOne two.\n\n\n# End\n\n## Of it\n"
    (passage,) = splitter_of(40, 0).split([SourceDocument(text, "a.md")])
    assert (passage.start, passage.end, passage.text) == (0, len(text) - 1, text[:-1])


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, limit=st.sampled_from([8, 20]), title=st.sampled_from(["", "Paris 护照"]))
def test_ends_of_tokens_are_places_in_the_document(text: str, limit: int, title: str) -> None:
    splitter = splitter_of(limit, 0)
    for passage in splitter.split([SourceDocument(text, "a.txt", {"line": 1}, title)]):
        ends = splitter.token_ends(passage)
        assert len(ends) == tokens(passage.text)
        assert list(ends) == sorted(ends)
        assert ends[-1] == passage.end
        before = tokens(title) if passage.text.startswith(f"{title}\n\n") else 0
        assert all(end == passage.start for end in ends[:before])
        for number, end in enumerate(ends[before:-1], start=1):
            # So many tokens of the body are what the document holds up to there, and no more.
            assert passage.start < end <= passage.end
            assert tokens(text[passage.start : end]) <= number + 2


# -- overlap -------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(
        st.sampled_from(["river. ", "stone ", "gold, ", "向量。", "😀 "]), min_size=30, max_size=120
    ),
    limit=st.sampled_from([12, 30]),
    share=st.sampled_from([0.25, 0.5]),
    source=st.sampled_from(["a.md", "a.txt"]),
    title=st.sampled_from(["", "North Rhine"]),
)
def test_passages_overlap_by_no_more_than_asked_for(
    words: list[str], limit: int, share: float, source: str, title: str
) -> None:
    text, overlap = "".join(words), int(limit * share)
    passages = list(splitter_of(limit, overlap).split([SourceDocument(text, source, {}, title)]))
    assert max(tokens(passage.text) for passage in passages) <= limit
    common = [
        tokens(text[after.start : before.end])
        for before, after in pairwise(passages)
        if after.start < before.end
    ]
    assert max(common, default=0) <= overlap
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(passages))


def test_overlap_exactly() -> None:
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve."
    passages = splitter_of(8, 4).split([SourceDocument(text, "a.txt")])
    assert [passage.text for passage in passages] == [
        "One two three. Four five six.",
        "Four five six. Seven eight nine.",
        "Seven eight nine. Ten eleven twelve.",
    ]


def test_a_long_section_overlaps_from_the_part_with_its_heading_on() -> None:
    text = "# Top\n\nOne two three. Four five six. Seven eight nine. Ten eleven twelve.\n\n# Next\n\nShort.\n"
    passages = list(splitter_of(11, 5).split([SourceDocument(text, "a.md")]))
    assert [passage.text for passage in passages] == [
        "# Top\n\nOne two three. Four five six.",
        "Top\n\nFour five six. Seven eight nine.",
        "Top\n\nSeven eight nine. Ten eleven twelve.",
        "# Next\n\nShort.",  # a section that fits is not split, and has nothing in common with others
    ]


def test_windows_leave_no_trace_with_an_overlap() -> None:
    text = "".join(f"Sentence number {n} of a text. Another one follows it.\n\n" for n in range(900))
    oracle = TextSplitter.from_huggingface_tokenizer(tokenizer(), 100, 25).chunk_indices(text)
    assert list(Cutter(tokenizer(), 100, 25).cut(text, 0, len(text), 100)) == oracle


@pytest.mark.parametrize("overlap", [-1, 9, 10, True, 0.5, "2"])
def test_an_overlap_is_less_than_a_passage(overlap: object) -> None:
    with pytest.raises(InputError, match=r"^overlap must be an int from 0 to 8, less than the 9 tokens"):
        Splitter(tokenizer(), 9, overlap)  # type: ignore[arg-type]
