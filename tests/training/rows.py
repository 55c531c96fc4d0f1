"""Rows of training data for tests, small and all different."""

from __future__ import annotations

from pathlib import Path

from youtu_st.training.data.rows import Row, Text, dump

WORDS = [
    "sunny",
    "drove",
    "stadium",
    "weather",
    "public",
    "park",
    "retrieve",
    "passages",
    "answer",
    "topic",
    "classify",
    "emoji",
    "mixed",
    "dimensions",
]


def words(number: int, length: int = 4) -> str:
    return (
        " ".join(WORDS[(number * 7 + i * (number % 5 + 1)) % len(WORDS)] for i in range(length))
        + f" {number}"
    )


def questions(
    count: int, *, positives: int = 1, negatives: int = 0, instruction: str = "", start: int = 0
) -> list[Row]:
    return [
        Row(
            "ir",
            Text(words(i), instruction),
            tuple(Text(words(1000 + i * 10 + j, 6)) for j in range(positives)),
            tuple(Text(words(5000 + i * 10 + j, 5)) for j in range(negatives)),
        )
        for i in range(start, start + count)
    ]


def pairs(count: int, *, instruction: str = "", top: float = 5.0) -> list[Row]:
    return [
        Row(
            "sts",
            Text(words(i), instruction),
            (Text(words(i + 1 + i % 3), instruction),),
            positive_scores=((i * 7 % 6) / 5 * top,),
        )
        for i in range(count)
    ]


def classes(count: int, *, negatives: int = 2, instruction: str = "") -> list[Row]:
    return [
        Row(
            "cls",
            Text(words(i), instruction),
            (Text(words(200 + i)),),
            tuple(Text(words(300 + i * 5 + j)) for j in range(negatives)),
            label=str(i % 3),
            negative_labels=tuple(str((i + 1 + j) % 3) for j in range(negatives)),
        )
        for i in range(count)
    ]


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text(dump(rows), encoding="utf-8")
    return path
