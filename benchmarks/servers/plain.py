"""Servers that everybody writes first: a plain route, where each request encodes in a thread by itself.

    python -m servers.plain PORT sentence-transformers|encoder|nothing

``nothing`` encodes nothing: what a request costs by itself, here and in the client.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Body(BaseModel):
    """OpenAI's, as far as it goes here."""

    input: str | list[str]
    model: str


def answer(rows: Any) -> dict[str, Any]:
    """Rows as OpenAI's clients ask for them."""
    numbers = [base64.b64encode(np.asarray(row, dtype=np.float32).tobytes()).decode() for row in rows]
    data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(numbers)]
    return {"object": "list", "data": data}


def app(encode: Callable[[list[str]], Any]) -> FastAPI:
    """One route over a function that gives a row for each text."""
    made = FastAPI()

    @made.post("/v1/embeddings")
    def embed(body: Body) -> dict[str, Any]:
        return answer(encode([body.input] if isinstance(body.input, str) else body.input))

    @made.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @made.post("/nothing")
    async def nothing() -> dict[str, str]:
        return {"status": "ok"}

    return made


def encoder(name: str) -> Callable[[list[str]], Any]:
    """How texts become rows."""
    if name == "sentence-transformers":
        from sentence_transformers import SentenceTransformer

        from servers.texts import stock_directory

        return SentenceTransformer(stock_directory(), device="cpu").encode
    if name == "encoder":
        from youtu_st import Encoder

        return Encoder("minilm", device="cpu", truncation="ignore", unknown="ignore").encode_query
    return lambda texts: np.zeros((len(texts), 384), dtype=np.float32)


if __name__ == "__main__":
    uvicorn.run(app(encoder(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
