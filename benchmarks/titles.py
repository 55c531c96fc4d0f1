"""Do passages find their questions? XQuAD's paragraphs under their titles, indexed by the command line.

    python benchmarks/titles.py DATA minilm [MODEL ...]

DATA holds ``xquad/xquad.en.json`` and ``xquad/xquad.zh.json``. For each language and model it prints the
passages, how many of them are a title alone, and the share of all questions whose paragraph is among the
first and the first three passages. A model is whatever ``youtu-st index build --model`` takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from youtu_st import Encoder
from youtu_st.index import VectorIndex

BUILD = [
    sys.executable,
    "-c",
    "import sys; from youtu_st.cli import main; sys.exit(main(sys.argv[1:]))",
    "index",
    "build",
]


def paragraphs(path: Path) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    """Records of the paragraphs, and each question with the id of its paragraph."""
    records, questions = [], []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            key = str(len(records))
            records.append(
                {"id": key, "title": article["title"].replace("_", " "), "text": paragraph["context"]}
            )
            questions += [(asked["question"], key) for asked in paragraph["qas"]]
    return records, questions


def measure(model: str, path: Path) -> str:
    """One line of figures."""
    records, questions = paragraphs(path)
    titles = {record["title"] for record in records}
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "paragraphs.jsonl", Path(folder) / "index"
        source.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        command = [*BUILD, str(source), "--out", str(out), "--model", model]
        subprocess.run(command, check=True, capture_output=True)
        encoder = Encoder(model)
        with warnings.catch_warnings(), VectorIndex.open(out, encoder) as index:
            warnings.simplefilter("ignore")
            texts = [document.text for document in index.get(index.ids({}))]
            bare = sum(text.strip() in titles for text in texts)
            found = index.search_many([question for question, _ in questions], 3)
    at = [
        sum(
            key in [hit.metadata["id"] for hit in hits[:k]]
            for (_, key), hits in zip(questions, found, strict=True)
        )
        / len(questions)
        for k in (1, 3)
    ]
    return (
        f"{path.stem:<10} {Path(model).name:<24} {len(texts):>5} passages  {bare:>4} bare titles  "
        f"hit@1 {at[0]:.3f}  hit@3 {at[1]:.3f}"
    )


def main() -> None:
    """Measure all that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    for model in arguments.models:
        for language in ("en", "zh"):
            print(measure(model, arguments.data / "xquad" / f"xquad.{language}.json"), flush=True)


if __name__ == "__main__":
    main()
