"""OpenAICompatibleEncoder: a model behind vLLM, TEI, SGLang or another OpenAI-compatible server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from youtu_st.engines.answers import Row, parsed, rows_of
from youtu_st.engines.redaction import Redactor
from youtu_st.engines.remote import RemoteEncoder
from youtu_st.engines.sending import Refused
from youtu_st.engines.transport import UNFIT, Transport, httpx, openai
from youtu_st.engines.wire import Wire, answer_limit
from youtu_st.errors import EngineError, InputError, in_one_line
from youtu_st.inference.truncation import Truncation
from youtu_st.inputs import check_count, check_seconds
from youtu_st.protocol import Role, TextEncoder, canonical
from youtu_st.spec.model import MODELS, ModelSpec, load_spec

TOO_MUCH = (400, 413, 422)
"""What servers answer when a request holds more texts, or more tokens, than they take."""

PLACEHOLDER_KEY = "no-key"
"""Sent where there is no key: the client insists on one, and local servers do not look at it."""


class OpenAICompatibleEncoder(RemoteEncoder):
    """A model behind ``POST {base_url}/embeddings``, sent what :class:`~youtu_st.Encoder` gives the network.

    The spec's prompt is put before each text here, and vectors are checked, cut and scaled here, so that the
    server need know of neither. How it pools, and whether it adds an EOS, is the server's own affair:
    ``youtu-st verify MODEL --engine URL`` compares.

    The ``openai`` client repeats a request that times out, breaks off, or is answered by 408, 409, 429 or
    5xx: after what ``Retry-After`` says (up to two minutes), else after about half a second and twice as long
    each time, up to 8 seconds. A request that the server refuses as too large is sent in halves.

    Args:
        base_url: Where the server is; usually ends with ``/v1``.
        model: What the server calls the model.
        spec: A shipped spec's name, a YAML file, or a spec. None: the shipped one whose hub id is ``model``.
        api_key: None: the environment's ``OPENAI_API_KEY``, or a placeholder where that is not set either.
        dimensions: Length that vectors are cut to by default, see :meth:`encode_query`.
        server_masks: The server leaves the prompt out of the mean itself. Without that, a spec that masks its
            prompt (``masked_mean``) is refused: the server would average the prompt in.
        truncation: What happens to texts over ``max_characters``: ``warn`` (cut, with one
            :class:`~youtu_st.errors.TruncationWarning` a call), ``error`` or ``ignore``.
        max_characters: Characters of a text to send. None: all of them; what is too long for the model is
            then cut or refused by the server, as it was told to.
        batch_size: Texts of a request. TEI takes 32 unless told otherwise.
        concurrency: Requests under way at once, of all threads together.
        timeout: Seconds for one attempt at a request: from connecting, over redirects, to the last byte of
            the answer. With all its attempts a request takes ``max_attempts`` times as long at most, and the
            pauses between them. Looking up the server's name is the system's affair; its time comes on top.
        max_attempts: Times that a request is sent at most.
        extra_body: Sent along with every request, for what a server takes beside the standard, such as
            ``{"priority": 1}`` for vLLM.
        same_as: An encoder whose vectors these are, such as an :class:`~youtu_st.Encoder` of the same
            weights. The texts of :mod:`youtu_st.probes` are encoded by both; if the lowest cosine is at
            least 0.999, the engine takes over its identity and fingerprint, so that an index
            built with one opens with the other.

    Raises:
        InputError: If an argument is none of what it may be, or a prefix cannot reproduce the spec's pooling.
        EngineError: If ``same_as`` gives other vectors.
        MissingDependencyError: If the ``openai`` package is not installed.
    """

    backend = "openai-compatible"
    one_prompt = False

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        spec: str | Path | ModelSpec | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        server_masks: bool = False,
        truncation: Truncation = "warn",
        max_characters: int | None = None,
        batch_size: int = 32,
        concurrency: int = 4,
        timeout: float = 60.0,
        max_attempts: int = 5,
        extra_body: Mapping[str, Any] | None = None,
        same_as: TextEncoder | None = None,
    ) -> None:
        known = _spec_for(spec, model)
        if not server_masks:
            _check_prefix_is_enough(known)
        self._base_url = base_url
        self._timeout = check_seconds("timeout", timeout)
        self._max_attempts = check_count("max_attempts", max_attempts)
        self._extra_body = dict(extra_body or {})
        self._server_masks = server_masks
        super().__init__(
            model,
            known,
            server=_origin(base_url),
            secret=api_key,
            dimensions=dimensions,
            truncation=truncation,
            max_characters=max_characters,
            batch_size=batch_size,
            concurrency=concurrency,
            same_as=same_as,
        )

    def _open(self, secret: str | None) -> _Client:
        key = secret or os.environ.get("OPENAI_API_KEY") or PLACEHOLDER_KEY
        redact = Redactor([key] if key != PLACEHOLDER_KEY else [])
        limit = answer_limit(self.batch_size, self.spec.dimension)
        wire = Wire(self._base_url, limit=limit, context=httpx.create_ssl_context())
        http = httpx.Client(transport=Transport(wire, self._timeout, redact), follow_redirects=True)
        sdk = openai.OpenAI(
            api_key=key,
            base_url=self._base_url,
            timeout=self._timeout,
            max_retries=self._max_attempts - 1,
            http_client=http,
        )
        return _Client(sdk, redact)

    def _known(self) -> dict[str, str]:
        return super()._known() | {
            "server_masks": canonical(self._server_masks),
            "extra_body": canonical(self._extra_body),
        }

    def _check_prompts(self, role: Role, prompts: Sequence[str]) -> None:
        """Any prompt can be put before a text."""

    def _ask(self, role: Role, texts: list[str], prompts: list[str]) -> list[Row]:
        full = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        found = self._sent(full)
        if isinstance(found, EngineError):
            # Here, where nothing of the client's hangs on it: its errors hold requests, and they the key.
            raise found
        return found

    def _sent(self, full: list[str]) -> list[Row] | EngineError:
        client = self._client
        body = b""
        try:
            answer = client.sdk.embeddings.with_raw_response.create(
                model=self._model, input=full, encoding_format="base64", extra_body=self._extra_body or None
            ).http_response
            if UNFIT in answer.extensions:
                return EngineError(f"{self._server} {answer.extensions[UNFIT]}")
            body = answer.content
            # Servers that know no base64 send plain numbers.
            return rows_of(parsed(body, len(full))["data"], "index", "embedding")
        except openai.APIStatusError as error:
            kind = Refused if error.status_code in TOO_MUCH else EngineError
            return kind(self._explain(error, client.redact))
        except openai.APITimeoutError:
            return EngineError(
                f"{self._server} did not answer within {self._timeout:g} seconds, {self._times}"
            )
        except openai.APIConnectionError as error:
            reason = EngineError(client.redact(error.__cause__ or error))
            return EngineError(in_one_line(f"{self._server} cannot be reached, {self._times}", reason))
        except Exception as error:  # whatever such an answer does to the client and to a parser
            reason = EngineError(client.redact(body) or client.redact(error))
            what = f"{self._server} answered something else than a list of embeddings"
            return EngineError(in_one_line(what, reason))

    @property
    def _times(self) -> str:
        return "asked once" if self._max_attempts == 1 else f"asked {self._max_attempts} times"

    def _explain(self, error: Any, redact: Redactor) -> str:
        """The status and the reason in one line, and what to do; servers like to repeat the key: it goes."""
        remedy = {
            401: "; pass api_key=, or set OPENAI_API_KEY",
            404: "; base_url usually ends with /v1, and GET {base_url}/models lists what there is",
        }.get(error.status_code, "")
        # Releases of the client tell more or less of this; the message has all of it with each of them.
        told = error.body.get("message") if isinstance(error.body, dict) else None
        status = f"Error code: {error.status_code}"
        said = redact(told or error.message.removeprefix(status).removeprefix(" - "))
        reason = EngineError(f"{status} - {said}" if said else status)
        return in_one_line(f"{self._server} refused {self._model!r}", reason) + remedy


class _Client(NamedTuple):
    sdk: Any
    redact: Redactor


def _spec_for(spec: str | Path | ModelSpec | None, model: str) -> ModelSpec:
    if isinstance(spec, ModelSpec):
        return spec
    if spec is not None:
        return load_spec(spec)
    found = MODELS.by_hub_id(model)
    if found is None:
        raise InputError(
            f"no shipped spec has the hub id {model!r}: say which model it is with spec=, a name that "
            "youtu-st models lists, or a .yaml file of your own"
        )
    return found


def _check_prefix_is_enough(spec: ModelSpec) -> None:
    """A server averages what it is sent, prompt included."""
    prompted = bool(spec.prompts.query or spec.prompts.document or spec.template)
    if spec.pooling == "masked_mean" and prompted:
        raise InputError(
            f"{spec.name} leaves its prompt out of the mean, and an OpenAI-compatible server does not know "
            "where the prompt ends: it would average the prompt in, and give other vectors; use Encoder or "
            "TencentCloudEncoder, or pass server_masks=True for a server that leaves the prompt out itself"
        )


def _origin(base_url: str) -> str:
    """Scheme, host and port, for messages.

    Raises:
        InputError: If it is no address, or carries a password.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"base_url must be like 'http://localhost:8000/v1', not {base_url!r}")
    if parts.username is not None or parts.password is not None:
        raise InputError("base_url must not carry a password: pass api_key=, or set OPENAI_API_KEY")
    return f"{parts.scheme}://{parts.netloc}"
