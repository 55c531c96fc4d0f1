"""The models that mteb is handed, by mteb's own check of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import youtu_st
from youtu_st.evaluation.benchmark.encoder import BenchmarkEncoder, BenchmarkReranker
from youtu_st.evaluation.benchmark.judging import model_meta
from youtu_st.evaluation.benchmark.prompts import NOTHING, TaskPrompts

TEXT_TASKS = 28


class Unprompted(Mapping[str, TaskPrompts]):
    """No prompt, whatever the task."""

    def __getitem__(self, task: str) -> TaskPrompts:
        return TaskPrompts(task, NOTHING, NOTHING, NOTHING)

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def passed(model: Any) -> tuple[int, list[str]]:
    import mteb

    results = dict(mteb.mock_run(model).items())
    failed = [name for name, found in results.items() if type(found).__name__ == "TaskError"]
    return sum(type(found).__name__ == "TaskResult" for found in results.values()), failed


@pytest.mark.slow
def test_mock_run_of_an_encoder() -> None:
    encoder = youtu_st.Encoder("minilm", device="cpu")
    meta = model_meta("local/minilm", "revision", encoder.dimension, {})
    assert passed(BenchmarkEncoder(encoder, Unprompted(), meta)) == (TEXT_TASKS, [])


@pytest.mark.slow
def test_mock_run_of_a_reranker() -> None:
    """Five of mteb's nine tasks give a cross-encoder no candidates, and so fail for every one."""

    def score(queries: Sequence[str], documents: Sequence[str], instruction: str | None) -> Any:
        return [
            len({*query.split()} & {*document.split()})
            for query, document in zip(queries, documents, strict=True)
        ]

    class Own(dict[str, None]):
        def __missing__(self, task: str) -> None:
            return None

    done, failed = passed(BenchmarkReranker(score, Own(), model_meta("local/words", "revision", 0, {})))
    assert done == 4
    assert all("Retrieval" in name and "Reranking" not in name for name in failed)
    assert len(failed) == 5
