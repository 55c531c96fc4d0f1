"""TencentCloudEncoder: Youtu-Embedding behind Tencent Cloud's API."""

from __future__ import annotations

import configparser
import ipaddress
import random
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from youtu_st.engines.answers import Row, parsed, rows_of
from youtu_st.engines.facts import Facts, facts_of
from youtu_st.engines.remote import Instruction, RemoteEncoder
from youtu_st.engines.sending import Plan
from youtu_st.engines.signed import NOT_OK, UNREACHED, Failure, SDKError, Sender
from youtu_st.engines.wire import Wire, answer_limit
from youtu_st.errors import EngineError, InputError, in_one_line, require
from youtu_st.inference.truncation import Truncation
from youtu_st.inputs import check_count, check_seconds
from youtu_st.protocol import Role, TextEncoder
from youtu_st.spec.model import ModelSpec, load_spec

lkeap: Any = require("tencentcloud.lkeap.v20240522.lkeap_client", "cloud")
sdk: Any = require("tencentcloud.common.credential", "cloud")
profiles: Any = require("tencentcloud.common.profile.client_profile", "cloud")
http: Any = require("tencentcloud.common.profile.http_profile", "cloud")
certifi: Any = require("certifi", "cloud")  # whom the SDK trusts

ENDPOINT = "lkeap.tencentcloudapi.com"
MAX_TEXTS = 7
MAX_CHARACTERS = 2000
LONGEST_PAUSE = 16.0
"""Seconds."""

TEMPORARY = (
    "RequestLimitExceeded",
    "InternalError",
    "FailedOperation.InternalError",
    "FailedOperation.EngineServerError",
    "FailedOperation.UnKnowError",
    UNREACHED,
    NOT_OK,
)
"""Beginnings of the codes after which the same request may pass."""


class TencentCloudEncoder(RemoteEncoder):
    """A model behind ``GetEmbedding`` of Tencent Cloud's LKEAP, by Tencent's own SDK.

    The API takes 7 texts of 2,000 characters a request; counted here as ``len`` does, in Unicode code points.
    It takes the instruction of a query beside its texts, so that the model can leave it out of its mean: the
    spec's prompt goes there. A document has none. Source: https://cloud.tencent.com/document/api/1772/115343.

    Throttling, internal errors and broken connections are repeated, after ``backoff`` seconds and twice as
    long each time, up to 16, less a random part of up to half, so that many clients do not come back at once.

    Args:
        model: The API's name for the model.
        region: Where it runs; the API knows ``ap-guangzhou`` alone, the international one ``ap-jakarta``.
        spec: A shipped spec's name, a YAML file, or a spec: what ``model`` is.
        credential: An object of ``tencentcloud.common.credential``, for temporary keys or a role. None: the
            environment's ``TENCENTCLOUD_SECRET_ID`` and ``TENCENTCLOUD_SECRET_KEY``, else the SDK's file
            ``~/.tencentcloud/credentials``.
        endpoint: Host of the API, such as ``lkeap.intl.tencentcloudapi.com``. ``http://`` is taken for the
            loopback address alone.
        dimensions: Length that vectors are cut to by default, see :meth:`encode_query`.
        truncation: What happens to texts over 2,000 characters: ``warn`` (cut, with one
            :class:`~youtu_st.errors.TruncationWarning` a call), ``error`` or ``ignore``.
        concurrency: Requests under way at once, of all threads together; the API takes 20 a second.
        timeout: Seconds for one attempt at a request: from connecting to the last byte of the answer. With
            all its attempts a request takes ``max_attempts`` times as long at most, and the pauses between
            them. Looking up the server's name is the system's affair; its time comes on top.
        max_attempts: Times that a request is sent at most.
        backoff: Seconds before the second time.
        same_as: An encoder whose vectors these are, see
            :class:`~youtu_st.engines.OpenAICompatibleEncoder`.

    Raises:
        InputError: If an argument is none of what it may be, or there is no credential.
        EngineError: If ``same_as`` gives other vectors.
        MissingDependencyError: If Tencent's SDK is not installed.
    """

    backend = "tencent-cloud"
    one_prompt = True

    def __init__(
        self,
        model: str = "youtu-embedding-llm-v1",
        *,
        region: str = "ap-guangzhou",
        spec: str | Path | ModelSpec = "youtu-embedding",
        credential: Any = None,
        endpoint: str | None = None,
        dimensions: int | None = None,
        truncation: Truncation = "warn",
        concurrency: int = 4,
        timeout: float = 30.0,
        max_attempts: int = 5,
        backoff: float = 0.5,
        same_as: TextEncoder | None = None,
    ) -> None:
        known = spec if isinstance(spec, ModelSpec) else load_spec(spec)
        if known.prompts.document:
            raise InputError(
                f"{known.name} has a document prompt, and the API takes a prompt for queries alone"
            )
        self._known = known
        self._scheme, self._host = _address(endpoint or ENDPOINT)
        self._region = region
        self._timeout = check_seconds("timeout", timeout)
        self._max_attempts = check_count("max_attempts", max_attempts)
        self._backoff = check_seconds("backoff", backoff)
        super().__init__(
            model,
            known,
            server=f"{self._scheme}://{self._host}",
            secret=credential,
            dimensions=dimensions,
            truncation=truncation,
            max_characters=MAX_CHARACTERS,
            batch_size=MAX_TEXTS,
            concurrency=concurrency,
            same_as=same_as,
        )

    def _open(self, secret: Any) -> Any:
        profile = profiles.ClientProfile(
            httpProfile=http.HttpProfile(protocol=self._scheme, endpoint=self._host), language="en-US"
        )
        client = lkeap.LkeapClient(secret or _credential(), self._region, profile)
        limit = answer_limit(MAX_TEXTS, self._known.dimension)
        wire = Wire(self._server, limit=limit, context=ssl.create_default_context(cafile=certifi.where()))
        client.request = Sender(wire, self._server, self._timeout)
        return client

    def _facts(self) -> Facts:
        more = {"engine": self.backend, "model": self._model, "max_characters": str(MAX_CHARACTERS)}
        return facts_of(self._known, more)

    def _plan(
        self, role: Role, instruction: Instruction, n: int, dimensions: int | None, *, raw: bool
    ) -> Plan:
        return self._prefixed(self._facts(), self._known, role, instruction, n, dimensions, raw=raw)

    def _check_prompts(self, role: Role, prompts: Sequence[str]) -> None:
        if role == "document" and any(prompts):
            raise InputError("the API takes an instruction for queries alone, and these are documents")

    def _ask(self, role: Role, texts: list[str], prompts: list[str]) -> list[Row]:
        prompt = prompts[0]
        # The API puts nothing before a document, but may put its own prompt before a query that has none.
        bare = role == "document" or (not prompt and bool(self._known.prompts.query))
        asked = {"Model": self._model, "Inputs": texts, "TextType": "document" if bare else "query"}
        return self._send(asked if not prompt else {**asked, "Instruction": prompt})

    def _send(self, asked: dict[str, Any]) -> list[Row]:
        """The answer to a request, after as many attempts as it takes.

        The SDK's own retryer is not used: in release 3.1 it repeats a request that has passed if it had
        failed before, and raises the old error in the end; and it knows nothing of internal errors.
        """
        attempt = 1
        while True:
            found = self._send_once(asked)
            if isinstance(found, list):
                return found
            if attempt == self._max_attempts or not found.code.startswith(TEMPORARY):
                # Here, where nothing of the SDK's hangs on it: its errors hold what the server said.
                raise EngineError(self._explain(found, attempt))
            pause = min(self._backoff * 2.0 ** (attempt - 1), LONGEST_PAUSE)
            time.sleep(pause * random.uniform(0.5, 1.0))
            attempt += 1

    def _send_once(self, asked: dict[str, Any]) -> list[Row] | Failure:
        client = self._client
        body = b""
        try:
            body = client.call("GetEmbedding", asked)
            answer = parsed(body, len(asked["Inputs"]))["Response"]
            if answer.get("Error"):
                return Failure.told(answer, client.credential)
        except Exception as error:  # whatever such an answer does to the SDK and to a parser
            return Failure.of(error, client.credential, body)
        try:
            return rows_of(answer["Data"], "Index", "Embedding")
        except (ValueError, KeyError, OverflowError):
            return Failure("", "sent no list of embeddings")

    def _explain(self, failure: Failure, attempts: int) -> str:
        """The code and the reason in one line, and what to do."""
        code, reason = failure.code, EngineError(failure.reason)
        times = "" if attempts == 1 else f", asked {attempts} times"
        if not code:
            return f"{self._server} {failure.reason}"
        if code == UNREACHED:
            return in_one_line(f"{self._server} cannot be reached{times}", reason)
        request = f" (request {failure.request})" if failure.request else ""
        remedy = ""
        if code.startswith(("AuthFailure", "UnauthorizedOperation")):
            remedy = "; look at TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, and at what they may do"
        elif code.startswith("RequestLimitExceeded"):
            remedy = "; pass a smaller concurrency, or more max_attempts"
        return in_one_line(f"{self._server} answered {code}{times}", reason) + request + remedy


def _credential() -> Any:
    """From the environment or the SDK's file.

    Raises:
        InputError: If there is none, or it cannot be one.
    """
    try:
        found = (
            sdk.EnvironmentVariableCredential().get_credential() or sdk.ProfileCredential().get_credential()
        )
    except SDKError as error:
        raise InputError(f"the credential of Tencent Cloud cannot be right: {error.get_message()}") from error
    except (AttributeError, configparser.Error, OSError, UnicodeDecodeError) as error:
        raise InputError(
            "the SDK cannot read its file of credentials; it wants a section [default] with secret_id and "
            "secret_key in ~/.tencentcloud/credentials"
        ) from error
    if found is None:
        raise InputError(
            "no credential for Tencent Cloud: set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or "
            "pass credential=, an object of tencentcloud.common.credential"
        )
    return found


def _address(endpoint: str) -> tuple[str, str]:
    """Scheme, and host with port.

    Raises:
        InputError: If it is no host, or a secret would cross a network in the clear.
    """
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise InputError(f"endpoint must be a host, such as {ENDPOINT!r}, not {endpoint!r}")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise InputError(f"endpoint {endpoint!r} is not encrypted: http:// is for the loopback address alone")
    return parts.scheme, parts.netloc


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
