"""A server that speaks as ``youtu-st serve`` does, in a thread, and can change under its clients."""

from __future__ import annotations

import base64
from typing import Any

from engines.loopback import Loopback, Reply, Request

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.spec.model import ModelSpec

ALLOWED = {"model", "input", "encoding_format", "dimensions", "input_type", "instruction", "truncate", "user"}


class YoutuServer(Loopback):
    """``GET /info`` and ``POST /v1/embeddings``.

    Args:
        encoder: What it serves; may be set anew.
        spec: What it tells of it.
        name: What clients call the model.
        max_texts: Of a request.
        told: Parts of ``/info``'s model that are told otherwise.
        info: Replies to the first questions what it is.
        first: Replies to the first requests, whatever they ask.
        port: Where it listens; 0: anywhere.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        spec: ModelSpec | None = None,
        name: str = "tiny",
        max_texts: int = 2048,
        told: dict[str, Any] | None = None,
        info: list[Reply] | None = None,
        first: list[Reply] | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(first=first, port=port)
        self.encoder = encoder
        self.spec = spec
        self.name = name
        self.max_texts = max_texts
        self.told = told or {}
        self.info = list(info or [])
        self.headers: dict[str, str] | None = None

    @property
    def url(self) -> str:
        """The address with ``/v1``, as ``base_url``."""
        return f"http://{self.address}/v1"

    @property
    def names(self) -> list[str]:
        return [self.name, f"{self.name}:query", f"{self.name}:document"]

    def about(self) -> dict[str, Any]:
        """What ``/info`` says."""
        encoder = self.encoder
        model = {
            "name": self.name,
            "names": self.names,
            "spec": None if self.spec is None else self.spec.model_dump(mode="json"),
            "identity": encoder.identity,
            "fingerprint": encoder.fingerprint,
            "runtime": encoder.runtime,
            "dimension": encoder.dimension,
            "dimensions": [8, 16, 32],
            "max_length": encoder.max_length,
            "default_role": None,
            "takes_instructions": True,
            "prompts": dict(encoder.model.prompts),
            "roles_differ": True,
        }
        return {
            "server": "youtu-st",
            "version": "0.1.0",
            "model": model | self.told,
            "reranker": None,
            "limits": {"texts": self.max_texts, "documents": 1000, "body_bytes": 1 << 25},
        }

    def get(self, path: str) -> Reply:
        if path != "/info":
            return Reply(404)
        return self.info.pop(0) if self.info else Reply(body=self.about())

    def answer(self, request: Request) -> Reply:
        body = request.body
        unknown = set(body) - ALLOWED
        if request.path != "/v1/embeddings" or body["model"] not in self.names:
            return _error(404, "there is no such model")
        if unknown:
            return _error(400, f"{min(unknown)!r} is no field of this request")
        if "input_type" not in body:
            return _error(400, "set input_type to query or document", "input_type")
        if len(body["input"]) > self.max_texts:
            return _error(
                413, f"input has {len(body['input'])} texts, and at most {self.max_texts} are taken"
            )
        return self._vectors(body)

    def _vectors(self, body: dict[str, Any]) -> Reply:
        encoder, texts = self.encoder, body["input"]
        limit = encoder.max_length
        prompt = encoder.model.prompts[body["input_type"]]
        lengths = [len(encoder.tokenizer(prompt + text)["input_ids"]) for text in texts]
        over = [i for i, length in enumerate(lengths) if length > limit]
        if over and not body.get("truncate"):
            at = over[0]
            return _error(
                400,
                f"input[{at}] has {lengths[at]} tokens with what stands before it, and the model reads {limit}",
                f"input[{at}]",
            )
        encode = encoder.encode_query if body["input_type"] == "query" else encoder.encode_document
        try:
            rows = encode(texts, instruction=body.get("instruction"), dimensions=body.get("dimensions"))
        except InputError:
            return _error(400, "the request is not one that this model can answer")
        data = [
            {"object": "embedding", "index": i, "embedding": base64.b64encode(row.tobytes()).decode()}
            for i, row in enumerate(rows)
        ]
        usage = {"prompt_tokens": sum(lengths), "total_tokens": sum(lengths)}
        if over:
            usage["truncated"] = len(over)
        headers = {"X-Model-Fingerprint": encoder.fingerprint} if self.headers is None else self.headers
        return Reply(
            body={"object": "list", "data": data, "model": body["model"], "usage": usage}, headers=headers
        )


def _error(status: int, message: str, param: str | None = None) -> Reply:
    told = {"message": message, "type": "invalid_request_error", "param": param, "code": "invalid_value"}
    return Reply(status, {"error": told})
