"""Encode as anybody would: a program of its own, that cannot import this package.

Run as ``python plain_reader.py JOBS OUT``: ``JOBS`` is a JSON list of a name, a directory, queries and documents.
"""

from __future__ import annotations

import json
import sys

sys.modules["youtu_st"] = None  # type: ignore[assignment]  # an import of it fails from here on

import numpy as np  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402


def main(jobs: str, out: str) -> None:
    with open(jobs, encoding="utf-8") as file:
        told = json.load(file)
    found = {}
    for name, directory, queries, documents in told:
        model = SentenceTransformer(directory, device="cpu")
        found[f"{name}/query"] = model.encode_query(queries)
        found[f"{name}/document"] = model.encode_document(documents)
        found[f"{name}/alone"] = np.concatenate([model.encode_query([text]) for text in queries])
    assert not any(name.startswith("youtu_st.") for name in sys.modules)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
