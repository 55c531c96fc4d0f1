"""Public texts where they are, this project's own pages where they are not; no text twice."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def abstracts(count: int) -> list[str]:
    """Titles and abstracts of SciFact; without it, this project's pages."""
    if DATA.is_dir():
        with (DATA / "scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
            rows = map(json.loads, itertools.islice(lines, count))
            return distinct((f"{row['title']}\n{row['text']}" for row in rows), count)
    return distinct((page[start : start + 1500] for page in pages() for start in range(0, 6000, 1500)), count)


def paragraphs(count: int) -> list[str]:
    """The first one to five sentences of paragraphs of SQuAD; without it, of this project's pages."""
    if DATA.is_dir():
        with zipfile.ZipFile(DATA / "squad" / "dev-v1.1.json.zip") as archive:
            articles = json.loads(archive.read("dev-v1.1.json"))["data"]
        columns = [[entry["context"] for entry in article["paragraphs"]] for article in articles]
        # One paragraph of each article in turn, so that a small sample is mixed too.
        whole = [text for row in itertools.zip_longest(*columns) for text in row if text]
    else:
        whole = [part for page in pages() for part in page.split("\n\n") if len(part) > 80]
    return distinct((". ".join(text.split(". ")[: 1 + i % 5]) for i, text in enumerate(whole)), count)


def queries(count: int) -> list[str]:
    """SciFact's claims; without it, the beginnings of this project's paragraphs."""
    if DATA.is_dir():
        with (DATA / "scifact" / "queries.jsonl").open(encoding="utf-8") as lines:
            return distinct((json.loads(line)["text"] for line in itertools.islice(lines, count)), count)
    return distinct((" ".join(text.split()[:12]) for text in paragraphs(count)), count)


def pages() -> list[str]:
    return [path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]


def distinct(texts: Iterable[str], count: int) -> list[str]:
    """So many different texts: repeated ones get a number, so that none is encoded once for two."""
    once = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    known = set(once)

    def numbered() -> Iterator[str]:
        yield from once
        for number in itertools.count(1):
            yield from (again for text in once if (again := f"{number}. {text}") not in known)

    return list(itertools.islice(numbered(), count))
