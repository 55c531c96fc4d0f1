"""How fast texts become tokens and masks, beside the plain call of the same tokenizer, in one run.

XQuAD's Chinese and English paragraphs as documents, its questions as queries after an instruction, with
Qwen3's own tokenizer by the rules of youtu-embedding. Turns are interleaved, figures are medians of seven.
Before anything is timed, all ways are seen to give the same ids.

    python benchmarks/tokens.py [--tokenizer DIR] [--json PATH] [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from encoding import texts
from encoding.machine import processor

from youtu_st.loading.tokenizer import load_tokenizer
from youtu_st.modules.literal import LiteralTokenizer
from youtu_st.modules.tokenization import tokenize
from youtu_st.spec.model import ModelSpec, load_spec

TURNS = 7
BASELINE = "tokenizer(texts)"
Ids = list[list[int]]


def tasks(quick: bool) -> dict[str, tuple[str, list[str]]]:
    """The role and the texts of each."""
    found = {}
    for language in ("zh", "en"):
        path = texts.DATA / "xquad" / f"xquad.{language}.json"
        paragraphs = [
            paragraph
            for article in json.loads(path.read_text("utf-8"))["data"]
            for paragraph in article["paragraphs"]
        ]
        documents = [paragraph["context"] for paragraph in paragraphs]
        questions = [asked["question"] for paragraph in paragraphs for asked in paragraph["qas"]]
        found[f"{language}, documents"] = ("document", documents[: 9 if quick else None])
        found[f"{language}, queries"] = ("query", questions[: 9 if quick else None])
    return found


def ways(tokenizer: Any, spec: ModelSpec, role: str, batch: list[str]) -> dict[str, Callable[[], Any]]:
    """Each makes ids of all texts; ours gives their masks too."""
    prompt = spec.prompts.of(role)
    literal = LiteralTokenizer(tokenizer)
    options = {"padding": False, "truncation": False, "return_attention_mask": False}

    def plain(**further: bool) -> Any:
        return tokenizer([prompt + text for text in batch], **options, **further)

    rules = {"special_tokens": spec.special_tokens, "max_length": spec.max_length}
    ours = partial(tokenize, texts=batch, **rules)
    return {
        BASELINE: plain,
        "with offsets": partial(plain, return_offsets_mapping=True, return_special_tokens_mask=True),
        "ours, by offsets": partial(ours, tokenizer, prompts=[prompt] * len(batch), boundary="offsets"),
        "ours, by count": partial(ours, tokenizer, prompts=[prompt] * len(batch), boundary="token_count"),
        "ours, special tokens split": partial(
            ours, literal, prompts=[literal.marked(prompt)] * len(batch), boundary="offsets"
        ),
    }


def ids_of(result: Any) -> Ids:
    """Of either kind of result."""
    return [row.ids.tolist() for row in result] if isinstance(result, list) else result["input_ids"]


def measure(ways: dict[str, Callable[[], Any]]) -> tuple[int, dict[str, dict[str, float]]]:
    """Tokens of the task, and the tokens a second of each way, with its share of the plain call's."""
    given = {name: ids_of(way()) for name, way in ways.items()}  # which also warms them up
    for name, ids in given.items():
        assert ids == given[BASELINE], f"{name}: other ids than {BASELINE}"
    tokens = sum(map(len, given[BASELINE]))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS):
        for name, way in list(ways.items())[:: 1 if turn % 2 == 0 else -1]:
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    return tokens, {
        name: {"tokens_per_second": tokens / taken, "of_plain": medians[BASELINE] / taken}
        for name, taken in medians.items()
    }


def main() -> None:
    """Measure all tasks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default=texts.DATA / "qwen3_tokenizer", help="a directory")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="so little that it only shows that it runs")
    arguments = parser.parse_args()
    spec = load_spec("youtu-embedding")
    tokenizer = load_tokenizer(spec, arguments.tokenizer)
    print(f"{processor()}, medians of {TURNS}")
    result = {}
    for task, (role, batch) in tasks(arguments.quick).items():
        tokens, result[task] = measure(ways(tokenizer, spec, role, batch))
        print(f"\n{task}: {len(batch):,} texts, {tokens:,} tokens")
        print(f"{'':28} tokens/s   of plain")
        for name, row in result[task].items():
            print(f"{name:28} {row['tokens_per_second']:8,.0f}   {row['of_plain']:8.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"turns": TURNS, "tasks": result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
