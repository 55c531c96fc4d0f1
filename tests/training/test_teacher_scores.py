"""A reranker's scores on rows: each beside that of its pair alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import cross_encoder_checkpoint, reranker_checkpoint

from youtu_st.errors import InputError
from youtu_st.rerank import Reranker
from youtu_st.training.data import scoring
from youtu_st.training.data.rows import Row, Text, dump, read_rows
from youtu_st.training.data.scoring import score

ROWS = [
    Row(
        "ir", Text("which one", "Find it", "a: "), (Text("bread"), Text("river")), (Text("stone", "", "b: "),)
    ),
    Row("sts", Text("a"), (Text("b"),), positive_scores=(0.5,)),
    Row("cls", Text("window"), (Text("table"),), label="x"),
    Row("ir", Text("night"), (Text("train"),), (Text("paper"),), (9.0,), (8.0,)),
]


@pytest.fixture(scope="session")
def rerankers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Reranker]:
    folder = tmp_path_factory.mktemp("teachers")
    language = Reranker("qwen3-reranker-0.6b", checkpoint=reranker_checkpoint(folder / "language"))
    cross = Reranker(str(cross_encoder_checkpoint(folder / "cross")))
    return {"language": language, "cross": cross}.__getitem__


@pytest.mark.parametrize(("kind", "takes"), [("language", True), ("cross", False)])
@pytest.mark.parametrize("at_once", [2, 256])
def test_scores_are_those_of_each_pair(
    rerankers: Callable[[str], Reranker],
    tmp_path: Path,
    kind: str,
    takes: bool,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "_AT_ONCE", at_once)
    teacher, source, out = rerankers(kind), tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_text(dump(ROWS))
    told: list[int] = []
    done = score(source, out, teacher, report=told.append)
    written = [row for _, row in read_rows(out) if isinstance(row, Row)]
    given = []
    for before, after in zip(ROWS, written, strict=True):
        if before.task == "sts":
            assert after == before
            continue
        instruction = (before.query.instruction or None) if takes else None
        for texts, scores in (
            (before.positives, after.positive_scores or ()),
            (before.negatives, after.negative_scores or ()),
        ):
            pairs = [(before.query.content, text.content) for text in texts]
            alone = [float(teacher.score([pair], instruction=instruction)[0]) for pair in pairs]
            assert scores == pytest.approx(alone, abs=1e-5)
            given += scores
        assert (after.query, after.positives, after.negatives) == (
            before.query,
            before.positives,
            before.negatives,
        )
        assert after.label == before.label
    assert written[2].negative_scores is None
    assert (done.rows, done.replaced, done.instructed) == ({"ir": 2, "sts": 1, "cls": 1}, 1, takes)
    assert done.positives is not None
    assert done.negatives is not None
    assert (done.positives.count, done.negatives.count) == (4, 2)
    assert min(done.positives.lowest, done.negatives.lowest) == min(given)
    assert max(done.positives.highest, done.negatives.highest) == max(given)
    assert told[-1] == 4


def test_an_instruction_changes_a_score(rerankers: Callable[[str], Reranker], tmp_path: Path) -> None:
    rows = [
        Row("ir", Text("q", told), (Text("bread and water"),)) for told in ("", "Find", "Find what is not")
    ]
    (tmp_path / "a.jsonl").write_text(dump(rows))
    score(tmp_path / "a.jsonl", tmp_path / "out.jsonl", rerankers("language"))
    scores = {row.positive_scores for _, row in read_rows(tmp_path / "out.jsonl") if isinstance(row, Row)}
    assert len(scores) == 3


def test_files_without_anything_to_score(rerankers: Callable[[str], Reranker], tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_text(dump([ROWS[1]]))
    with pytest.raises(InputError, match="there are no rows of the tasks 'ir' and 'cls'"):
        score(source, out, rerankers("cross"))
    source.write_text(dump(ROWS) + "{\n")
    with pytest.raises(InputError, match=r"line 5: not valid JSON.*'youtu-st data check"):
        score(source, out, rerankers("cross"))
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(InputError, match="is there already: --force writes over it"):
        score(source, out, rerankers("cross"))
