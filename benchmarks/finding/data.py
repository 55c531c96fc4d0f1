"""The data sets and models of the tables, and vectors that are made once."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import youtu_st
from youtu_st.evaluation.data.beir import Files, read_beir
from youtu_st.evaluation.data.retrieval import RetrievalData
from youtu_st.evaluation.data.squad import read_squad
from youtu_st.protocol import Vectors

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SETS: dict[str, Callable[[], RetrievalData]] = {
    "SciFact": lambda: read_beir(Files.in_folder(DATA / "scifact")),
    "XQuAD en": lambda: read_squad(DATA / "xquad" / "xquad.en.json"),
    "XQuAD zh": lambda: read_squad(DATA / "xquad" / "xquad.zh.json"),
    "CMRC 2018": lambda: read_squad(DATA / "cmrc2018" / "cmrc2018_dev.json"),
}


def encoder(name: str, e5: Path | None) -> youtu_st.Encoder:
    """``minilm``, or ``e5-small`` from a checkpoint of multilingual-e5-small."""
    if name == "minilm":
        return youtu_st.Encoder("minilm")
    return youtu_st.Encoder("multilingual-e5-small", checkpoint=str(e5))


def vectors(cache: Path, model: youtu_st.Encoder, data: RetrievalData) -> tuple[Vectors, Vectors]:
    """Of the documents and of the questions, made once for a model and a data set."""
    name = hashlib.sha256(f"{model.fingerprint} {data.digest}".encode()).hexdigest()[:16]
    file = cache / f"{name}.npz"
    if not file.exists():
        print(f"  encoding {data.name} with {model.model_name} ...", file=sys.stderr, flush=True)
        documents = model.encode_document([document.content for document in data.corpus.values()])
        queries = model.encode_query(list(data.queries.values()))
        np.savez(file, documents=documents, queries=queries)
    with np.load(file) as kept:
        return kept["documents"], kept["queries"]
