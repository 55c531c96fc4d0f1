"""How far vectors here are from what the models' authors compute, for every shipped spec with instructions.

Tiny random checkpoints of the published dimensions, in float32; the published procedures as
``tests/published.py`` has them, all texts in one batch that is padded on the published side. Figures are the
greatest absolute difference of a component of a unit vector, over 16 queries and 16 documents from one token
to beyond the maximum length.

    PYTHONPATH=tests python benchmarks/parity.py [--write]      --write: the table in docs/models.md
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import published
from published import FAMILIES, LIMIT, TEXTS, Family
from sentence_transformers import SentenceTransformer
from transformers.utils.logging import disable_progress_bar

import youtu_st
from youtu_st import Encoder
from youtu_st.llm_embedding import LLMEmbeddingModel
from youtu_st.spec.model import load_spec

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- parity: PYTHONPATH=tests python benchmarks/parity.py --write -->", "<!-- /parity -->"
SOME = TEXTS[::4]
SIDES, SIZES = ("left", "right"), (1, len(SOME))
COLUMNS = (
    "spec",
    "the checkpoint's architecture",
    "published procedure",
    *(f"{side}, {size}" for side in SIDES for size in SIZES),
    "saved, sentence-transformers",
)
Row = dict[str, str]


def row(family: Family, directory: Path) -> Row:
    """One family: all ways through ``Encoder``, and the saved model in plain sentence-transformers."""
    spec = load_spec(family.spec)
    checkpoint = family.checkpoint(directory / "raw", hidden=spec.dimension)
    script = family.script(checkpoint, spec.padding_side)
    prompts = (spec.prompts.query, spec.prompts.document)
    want = np.concatenate([script.batches(family.procedure, SOME, prompt, len(SOME)) for prompt in prompts])
    found = {
        "spec": f"`{family.spec}`",
        "the checkpoint's architecture": family.architecture,
        "published procedure": f"`{family.procedure.__name__}`",
    }
    settings = {"checkpoint": checkpoint, "trust_remote_code": family.trust_remote_code, "device": "cpu"}
    limits = {"max_length": LIMIT, "truncation": "ignore"}
    model = Encoder(family.spec, **settings, **limits).model
    for side in SIDES:
        model.tokenizer.padding_side = side
        for size in SIZES:
            encoder = Encoder(model, batch_tokens=1 if size == 1 else 1 << 20, truncation="ignore")
            found[f"{side}, {size}"] = difference(both_roles(encoder), want)
    youtu_st.convert(
        family.spec,
        checkpoint=checkpoint,
        out=directory / "saved",
        trust_remote_code=family.trust_remote_code,
    )
    stock = SentenceTransformer(str(directory / "saved"), trust_remote_code=True, device="cpu")
    stock.max_seq_length = LIMIT
    found["saved, sentence-transformers"] = difference(both_roles(stock), want)
    return found


def script_row(directory: Path) -> Row:
    """The class of Youtu-Embedding's scripts, and ours."""
    checkpoint = FAMILIES["script"].checkpoint(directory / "raw", hidden=2048)
    models = [kind(checkpoint, 64, LIMIT) for kind in (LLMEmbeddingModel, published.LLMEmbeddingModel)]
    ours, theirs = (
        np.concatenate([model.encode_queries(SOME).cpu(), model.encode_passages(SOME).cpu()])
        for model in models
    )
    known = ("`youtu-embedding-script`", FAMILIES["script"].architecture, "`LLMEmbeddingModel`, by ours")
    return dict(zip(COLUMNS[:3], known, strict=True)) | {f"right, {len(SOME)}": difference(ours, theirs)}


def both_roles(model: Encoder | SentenceTransformer) -> np.ndarray:
    return np.concatenate([model.encode_query(SOME), model.encode_document(SOME)])


def difference(got: np.ndarray, want: np.ndarray) -> str:
    return f"{np.abs(got - want).max():.0e}"


def table(rows: list[Row]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(found.get(column, '') for column in COLUMNS)} |" for found in rows]
    return "\n".join(lines)


def measure() -> list[Row]:
    larger = [replace(FAMILIES["qwen3"], spec=name) for name in ("qwen3-embedding-4b", "qwen3-embedding-8b")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, family in enumerate([*FAMILIES.values(), *larger]):
            rows.append(row(family, Path(folder, str(number))))
        return [*rows, script_row(Path(folder, "class"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into docs/models.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    disable_progress_bar()
    report = table(measure())
    print(report)
    if arguments.write:
        page = PAGE.read_text("utf-8")
        before, rest = page.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{report}\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
