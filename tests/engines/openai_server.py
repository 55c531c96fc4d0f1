"""An OpenAI-shaped server of embeddings: what vLLM, TEI and SGLang have in common, and their faults."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
from engines.loopback import Loopback, Reply, Request

Embed = Callable[[list[str]], np.ndarray]


class OpenAIServer(Loopback):
    """Serves ``POST /v1/embeddings``.

    Args:
        embed: Texts, as they arrive with their prompts, to rows of shape ``(n, dimension)``.
        model: The only model there is; another one is a 404.
        api_key: What ``Authorization`` must carry; None: nothing is asked for.
        floats: Lists of numbers, whatever format was asked for, as older servers do.
        max_batch: More texts in one request are refused with ``too_large``.
        too_large: The status for that: TEI says 413 or 422, others 400.
        change: Applied to the JSON answer before it is sent, for servers that answer wrongly.
        first: Replies to the first requests, whatever they ask.
        delay: Seconds that every answer takes.
    """

    def __init__(
        self,
        embed: Embed,
        *,
        model: str = "served",
        api_key: str | None = None,
        floats: bool = False,
        max_batch: int | None = None,
        too_large: int = 413,
        change: Callable[[dict[str, Any]], Any] | None = None,
        first: list[Reply] | None = None,
        delay: float = 0.0,
    ) -> None:
        super().__init__(first=first, delay=delay)
        self.embed = embed
        self.model = model
        self.api_key = api_key
        self.floats = floats
        self.max_batch = max_batch
        self.too_large = too_large
        self.change = change

    @property
    def url(self) -> str:
        """The address with ``/v1``, as ``base_url``."""
        return f"http://{self.address}/v1"

    @property
    def texts(self) -> list[str]:
        """All texts that arrived, in the order of the requests."""
        return [text for request in self.requests for text in request.body["input"]]

    def answer(self, request: Request) -> Reply:
        texts = request.body["input"]
        if request.path != "/v1/embeddings" or request.body["model"] != self.model:
            return _error(404, f"the model {request.body['model']!r} does not exist")
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return _error(401, "Incorrect API key provided")
        if not all(isinstance(text, str) for text in texts):
            return _error(422, "input must be a list of str")
        if self.max_batch is not None and len(texts) > self.max_batch:
            return _error(
                self.too_large, f"batch size {len(texts)} > maximum allowed batch size {self.max_batch}"
            )
        as_base64 = request.body.get("encoding_format") == "base64" and not self.floats
        rows = [
            base64.b64encode(row.astype("<f4").tobytes()).decode()
            if as_base64
            else row.astype(float).tolist()
            for row in np.asarray(self.embed(texts))
        ]
        answer: dict[str, Any] = {
            "object": "list",
            "model": self.model,
            "data": [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)],
            "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)},
        }
        return Reply(body=self.change(answer) if self.change else answer)


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"error": {"message": message, "type": "invalid_request_error", "code": status}})
