"""What is encoded: real passages, short texts in any number, texts of one length; all in Parquet."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from encoding.texts import DATA, abstracts, paragraphs

FILES = 4
GROUP = 1024
WORDS = ("water", "light", "city", "river", "music", "stone", "paper", "field", "north", "house", "world")
"""Each is one token of MiniLM's."""
ABSTRACTS, PARAGRAPHS = 5183, 2067
MISSING = "../shared/data has no scifact and squad, whose passages are encoded"
Row = tuple[str, str]


def there() -> bool:
    return (DATA / "scifact" / "corpus.jsonl").is_file() and (DATA / "squad").is_dir()


def passages(count: int | None = None) -> list[Row]:
    """Ids and texts of SciFact's abstracts and SQuAD's paragraphs, in a seeded order; no text twice."""
    texts = [*abstracts(ABSTRACTS), *paragraphs(PARAGRAPHS)]
    texts = list(dict.fromkeys(texts))
    random.Random(0).shuffle(texts)
    return [(f"p{number:05d}", text) for number, text in enumerate(texts[:count])]


def short_texts(count: int) -> Iterator[Row]:
    """Any number of them, a few words each; no text twice."""
    things = ("planet", "moon", "river", "stone", "engine", "paper", "forest", "signal")
    for number in range(count):
        yield f"s{number:08d}", f"the {things[number % 8]} of entry {number}"


def equal_texts(count: int, tokens: int) -> Iterator[Row]:
    """Texts of so many tokens, with the two that a tokenizer adds."""
    chance = random.Random(1)
    for number in range(count):
        yield f"e{number:06d}", " ".join(chance.choices(WORDS, k=tokens - 2))


def write(folder: Path, rows: Iterable[Row], count: int, files: int = FILES) -> Path:
    """Files of about as many rows each: the columns ``id``, ``text`` and ``kind``, the id's first letter.

    Args:
        folder: A new one.
        rows: Ids and texts.
        count: Of these.
        files: How many.
    """
    folder.mkdir(parents=True)
    given = iter(rows)
    schema = pa.schema([(name, pa.string()) for name in ("id", "text", "kind")])
    for number in range(files):
        size = count * (number + 1) // files - count * number // files
        with pq.ParquetWriter(folder / f"rows-{number:02d}.parquet", schema) as writer:
            while size > 0 and (part := list(itertools.islice(given, min(size, GROUP)))):
                size -= len(part)
                ids, texts = zip(*part, strict=True)
                kinds = [name[0] for name in ids]
                writer.write_table(pa.table([ids, texts, kinds], schema=schema))
    return folder
