"""The wire under the ``openai`` client: what its ``httpx`` client sends with."""

from __future__ import annotations

import time
from typing import Any

from youtu_st.engines.deadline import httpcore
from youtu_st.engines.redaction import Redactor
from youtu_st.engines.wire import Answer, Broken, TimedOut, Unfit, Wire
from youtu_st.errors import require

openai: Any = require("openai", "cloud")
# The one that the client itself stands on: httpx2 from its release 3 on, httpx before.
_BASE = next(base for base in openai.DefaultHttpxClient.__mro__ if base.__name__ == "Client")
httpx: Any = require(_BASE.__module__.partition(".")[0], "cloud")

UNTIL = "youtu_st.until"
"""When the attempt must be done; among a request's extensions, which its redirects take over."""

UNFIT = "youtu_st.unfit"
"""Why an answer was not read to its end; among a response's extensions. Nothing is raised: releases of the
client before 3 would repeat the request."""

FINGERPRINT = "x-model-fingerprint"
"""The header in which a server of this package says which model its vectors are of."""

USED = ("retry-after", "retry-after-ms", "x-should-retry", "location", FINGERPRINT)
"""The headers that are acted on. Cookies it would keep, ids it would log, and the packing is undone."""


class Transport:
    """An ``httpx`` transport over a :class:`~youtu_st.engines.wire.Wire`.

    Args:
        wire: Where requests go.
        seconds: For an attempt, its redirects included.
        redact: Knows the key. A redirect to an address that holds it is not followed: addresses are logged.
    """

    def __init__(self, wire: Wire, seconds: float, redact: Redactor) -> None:
        self._wire = wire
        self._seconds = seconds
        self._redact = redact

    def handle_request(self, request: Any) -> Any:
        """By ``httpx``'s protocol for transports."""
        until = request.extensions.setdefault(UNTIL, time.monotonic() + self._seconds)
        url = request.url
        where = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        seconds = until - time.monotonic()
        try:
            answer = self._wire.send(
                request.method, where, request.headers.raw, request.read(), seconds=seconds
            )
        except TimedOut as error:
            raise httpx.ReadTimeout("timed out", request=request) from error
        except httpcore.ConnectError as error:
            raise httpx.ConnectError(str(error) or type(error).__name__, request=request) from error
        except Broken as error:
            raise httpx.NetworkError(str(error) or type(error).__name__, request=request) from error
        except Unfit as error:
            return httpx.Response(200, extensions={UNFIT: str(error)})
        return httpx.Response(answer.status, headers=self._headers(answer), content=answer.body)

    def _headers(self, answer: Answer) -> list[tuple[str, str]]:
        used = [
            (name.decode("ascii", "replace").lower(), value.decode("latin-1"))
            for name, value in answer.headers
        ]
        return [(name, value) for name, value in used if name in USED and not self._redact.finds(value)]

    def close(self) -> None:
        """By ``httpx``'s protocol for transports."""
        self._wire.close()
