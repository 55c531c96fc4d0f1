"""The ``openai`` client over a wire of its own: an answer, or why there is none."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from youtu_st.engines.answers import parsed, rows_of
from youtu_st.engines.redaction import Redactor
from youtu_st.engines.transport import FINGERPRINT, UNFIT, UNTIL, Transport, httpx, openai
from youtu_st.engines.wire import Wire
from youtu_st.errors import EngineError, in_one_line

PLACEHOLDER_KEY = "no-key"
"""Sent where there is no key: the client insists on one, and local servers do not look at it."""

MOST_OBJECTS = 512
"""About a sixteenth of the lists and objects that an answer to ``GET /info`` may hold."""

LATE = 5.0
"""Seconds for ``GET /info`` at most: a server that does not know it may leave it lying."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer.

    Attributes:
        content: The rows of vectors, or what ``GET /info`` says.
        fingerprint: Of the model, where the server names one.
        cut: Of how many texts the server says that it cut them.
    """

    content: Any
    fingerprint: str | None = None
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. None of the client's errors hangs on it: those hold requests, and they the key.

    Attributes:
        what: What happened, with the server's name, in one line.
        reason: What the server or the system says to it, without the key; ``""``: nothing.
        remedy: What to do.
        status: Of a refusal; None: there was no answer, or none that can be read.
        broken: Whether there is no connection, or it broke off: the server may be on its way.
        refused: Whether there was no connection at all.
        late: Whether the time was over.
        pause: Seconds after which to ask again, as the server says; None: it says nothing.
        told: What the server itself called wrong, of ``reason``.
        param: The part of the request that it named.
    """

    what: str
    reason: str = ""
    remedy: str = ""
    status: int | None = None
    broken: bool = False
    refused: bool = False
    late: bool = False
    pause: float | None = None
    told: str = ""
    param: str = ""

    def line(self, times: int) -> str:
        """All of it in one line, for a request that was sent so many times."""
        what = self.what
        if self.broken or self.late:
            what += ", asked once" if times == 1 else f", asked {times} times"
        return (in_one_line(what, EngineError(self.reason)) if self.reason else what) + self.remedy


class Client:
    """Requests to one server. Safe to use from many threads.

    Args:
        base_url: With ``/v1``.
        server: Where it is, for messages.
        key: None: there is none.
        timeout: Seconds of an attempt.
        attempts: Times that the ``openai`` client sends a request at most, by its own rules.
        limit: Bytes of an answer that are read.
    """

    def __init__(
        self, base_url: str, server: str, *, key: str | None, timeout: float, attempts: int, limit: int
    ) -> None:
        self.redact = Redactor([key] if key else [])
        self.wire = Wire(base_url, limit=limit, context=httpx.create_ssl_context())
        self._server = server
        self._timeout = timeout
        self._info = f"{base_url.rstrip('/').removesuffix('/v1')}/info"
        self._key = key or PLACEHOLDER_KEY
        self._http = httpx.Client(transport=Transport(self.wire, timeout, self.redact), follow_redirects=True)
        patient = openai.OpenAI(
            api_key=self._key,
            base_url=base_url,
            timeout=timeout,
            max_retries=attempts - 1,
            http_client=self._http,
        )
        self._sdk = {True: patient.with_options(max_retries=0), False: patient}

    def embed(
        self, model: str, texts: list[str], more: Mapping[str, Any], *, once: bool = False
    ) -> Sent | Failure:
        """``POST /v1/embeddings``.

        Args:
            model: What the server calls the model.
            texts: As they are sent.
            more: Further fields.
            once: Leave it to the caller to repeat what may pass another time.
        """
        body = b""
        try:
            answer = (
                self._sdk[once]
                .embeddings.with_raw_response.create(
                    model=model, input=texts, encoding_format="base64", extra_body=dict(more) or None
                )
                .http_response
            )
            if UNFIT in answer.extensions:
                return Failure(f"{self._server} {answer.extensions[UNFIT]}")
            body = answer.content
            content = parsed(body, len(texts))
            # Servers that know no base64 send plain numbers.
            rows = rows_of(content["data"], "index", "embedding")
            return Sent(rows, answer.headers.get(FINGERPRINT), _cut(content, len(texts)))
        except openai.APIStatusError as error:
            return self._refusal(error, model)
        except openai.APITimeoutError:
            return Failure(f"{self._server} did not answer within {self._timeout:g} seconds", late=True)
        except openai.APIConnectionError as error:
            return self._broken(error.__cause__ or error)
        except Exception as error:  # whatever such an answer does to the client and to a parser
            what = f"{self._server} answered something else than a list of embeddings"
            return Failure(what, self.redact(body) or self.redact(error))

    def info(self) -> Sent | Failure:
        """``GET /info``, once, and within a few seconds."""
        seconds = min(self._timeout, LATE)
        try:
            answer = self._http.get(
                self._info,
                headers={"Authorization": f"Bearer {self._key}"},
                extensions={UNTIL: time.monotonic() + seconds},
            )
            if UNFIT in answer.extensions:
                return Failure(f"{self._server} {answer.extensions[UNFIT]}")
            if answer.status_code == 200:
                return Sent(parsed(answer.content, MOST_OBJECTS))
            status = answer.status_code
            return Failure(
                f"{self._server} answered GET /info with {status}",
                remedy=_REMEDIES[401] if status == 401 else "",
                status=status,
                pause=_pause(answer.headers),
            )
        except httpx.TimeoutException:
            return Failure(f"{self._server} did not answer GET /info within {seconds:g} seconds", late=True)
        except httpx.TransportError as error:
            return self._broken(error)
        except Exception as error:  # whatever such an answer does to the client and to a parser
            return Failure(f"{self._server} answered GET /info with no JSON", self.redact(error))

    def _broken(self, error: BaseException) -> Failure:
        what, refused = f"{self._server} cannot be reached", isinstance(error, httpx.ConnectError)
        return Failure(what, self.redact(error), broken=True, refused=refused)

    def _refusal(self, error: Any, model: str) -> Failure:
        """The status and the reason, and what to do; servers like to repeat the key: it goes."""
        # Releases of the client tell more or less of this; the message has all of it with each of them.
        fields = error.body if isinstance(error.body, dict) else {}
        told, param = fields.get("message"), fields.get("param")
        status = f"Error code: {error.status_code}"
        said = self.redact(told or error.message.removeprefix(status).removeprefix(" - "))
        return Failure(
            f"{self._server} refused {model!r}",
            f"{status} - {said}" if said else status,
            _REMEDIES.get(error.status_code, ""),
            status=error.status_code,
            pause=_pause(error.response.headers),
            told=said if told else "",
            param=self.redact(param) if isinstance(param, str) else "",
        )


_REMEDIES = {
    401: "; pass api_key=, or set OPENAI_API_KEY",
    404: "; base_url usually ends with /v1, and GET {base_url}/models lists what there is",
}


def _pause(headers: Any) -> float | None:
    """Seconds that ``Retry-After`` says, where it says seconds."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _cut(content: Any, texts: int) -> int:
    """How many of the texts were cut, by ``usage``; only servers of this package say so."""
    usage = content.get("usage")
    told = usage.get("truncated") if isinstance(usage, dict) else None
    return min(told, texts) if type(told) is int and told > 0 else 0
