"""Tencent Cloud's GetEmbedding as its documentation has it: signature, limits, errors with status 200."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import numpy as np
from engines.loopback import Loopback, Reply, Request

SECRET_ID = "AKIDexampleexampleexampleexample0000"
SECRET_KEY = "keyexampleexampleexampleexample1"
MODEL = "youtu-embedding-llm-v1"

Embed = Callable[[str, str | None, list[str]], np.ndarray]


def error(code: str, message: str = "It is so.", **headers: str) -> Reply:
    """As the API reports an error: with status 200."""
    return Reply(body=response(Error={"Code": code, "Message": message}), headers=headers)


def response(**parts: Any) -> dict[str, Any]:
    return {"Response": {**parts, "RequestId": str(uuid.uuid4())}}


def signature(request: Request, secret_key: str) -> str:
    """TC3-HMAC-SHA256 of a request, by the four steps that the documentation names."""
    scope = _authorization(request)["Credential"].split("/", 1)[1]
    date, service, _ = scope.split("/")
    signed = _authorization(request)["SignedHeaders"].split(";")
    headers = "".join(f"{name}:{request.headers[name].strip().lower()}\n" for name in signed)
    payload = hashlib.sha256(request.raw).hexdigest()
    canonical = "\n".join(["POST", "/", "", headers, ";".join(signed), payload])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["TC3-HMAC-SHA256", request.headers["x-tc-timestamp"], scope, digest])
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


class TencentServer(Loopback):
    """Serves ``GetEmbedding``.

    Args:
        embed: Text type, instruction (None where there is none) and texts to rows of shape ``(n, dimension)``.
        secret_key: What requests must be signed with.
        change: Applied to the list ``Data`` before it is sent, for a server that answers wrongly.
        content_type: Of the answers.
        first: Replies to the first requests, whatever they ask.
        delay: Seconds that every answer takes.
    """

    def __init__(
        self,
        embed: Embed,
        *,
        secret_key: str = SECRET_KEY,
        change: Callable[[list[dict[str, Any]]], Any] | None = None,
        content_type: str = "application/json",
        first: list[Reply] | None = None,
        delay: float = 0.0,
    ) -> None:
        super().__init__(first=first, delay=delay)
        self.embed = embed
        self.secret_key = secret_key
        self.change = change
        self.content_type = content_type

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    def answer(self, request: Request) -> Reply:
        kind = {"Content-Type": self.content_type}
        refused = self._refusal(request)
        if refused:
            return error(*refused, **kind)
        body = request.body
        rows = self.embed(body.get("TextType", "document"), body.get("Instruction"), body["Inputs"])
        data: Any = [{"Embedding": np.asarray(row, dtype=float).tolist()} for row in rows]
        data = self.change(data) if self.change else data
        return Reply(body=response(Data=data, Usage={"TotalTokens": 7}), headers=kind)

    def _refusal(self, request: Request) -> tuple[str, str] | None:
        headers, body = request.headers, request.body
        authorization = _authorization(request)
        now = datetime.fromtimestamp(int(headers["x-tc-timestamp"]), timezone.utc)
        if authorization["Credential"] != f"{SECRET_ID}/{now:%Y-%m-%d}/lkeap/tc3_request":
            return "AuthFailure.SecretIdNotFound", "The SecretId is not found."
        if not {"content-type", "host"} <= set(authorization["SignedHeaders"].split(";")):
            return "AuthFailure.SignatureFailure", "content-type and host must be signed."
        if abs(time.time() - now.timestamp()) > 300:
            return "AuthFailure.SignatureExpire", "The signature is older than five minutes."
        if authorization["Signature"] != signature(request, self.secret_key):
            return "AuthFailure.SignatureFailure", "The provided credentials could not be validated."
        asked = (headers["x-tc-action"], headers["x-tc-version"], headers["x-tc-region"])
        if asked != ("GetEmbedding", "2024-05-22", "ap-guangzhou"):
            return "UnsupportedRegion", f"{asked}"
        if body["Model"] != MODEL or not set(body) <= {"Model", "Inputs", "TextType", "Instruction"}:
            return "InvalidParameter", f"Model {body['Model']!r} with {sorted(body)}"
        if not 1 <= len(body["Inputs"]) <= 7 or max(map(len, body["Inputs"])) > 2000:
            return "InvalidParameterValue.InvalidParameterValueLimit", "7 texts of 2000 characters at most"
        return None


def _authorization(request: Request) -> dict[str, str]:
    method, _, rest = request.headers["authorization"].partition(" ")
    assert method == "TC3-HMAC-SHA256"
    return dict(part.split("=", 1) for part in rest.split(", "))
