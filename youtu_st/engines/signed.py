"""The wire under Tencent's SDK: what sends its signed requests, and what is said when one fails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from youtu_st.engines.redaction import MASK, Redactor
from youtu_st.engines.wire import Broken, TimedOut, Unfit, Wire
from youtu_st.errors import require

SDKError: Any = require("tencentcloud.common.exception", "cloud").TencentCloudSDKException

UNREACHED = "ClientNetworkError"
"""The SDK's code for a connection that broke off, or never was."""

NOT_OK = "ServerNetworkError"
"""The SDK's code for a status other than 200, which the API itself never gives."""

SIGNATURE = re.compile(r"(?i)(signature)=\w+")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed, fit for a message: short, on one line, without a secret.

    Attributes:
        code: The API's or the SDK's; ``""`` where it is no failure of these.
        reason: In words. Where there is no code, what the server did.
        request: The API's id of the request, where it gave one.
    """

    code: str
    reason: str
    request: str = ""

    @classmethod
    def of(cls, error: Exception, credential: Any, body: bytes = b"") -> Failure:
        """From what the SDK, or a parser of the answer ``body``, ended with."""
        if isinstance(error, SDKError):
            redact = _redactor(credential)
            code, reason, request = error.get_code(), error.get_message(), error.get_request_id()
            return cls(redact(code), redact(reason), redact(request or ""))
        if isinstance(error, Unfit):
            return cls("", str(error))
        if isinstance(error, OSError):  # a credential that is fetched from somewhere
            return cls(UNREACHED, _redactor(credential)(error))
        redact = _redactor(credential)
        reason = redact(body) or redact(error) or type(error).__name__
        return cls("", f"answered something else than JSON of this API: {reason}")

    @classmethod
    def told(cls, answer: dict[str, Any], credential: Any) -> Failure:
        """From an answer that is an error, as the API reports it with status 200."""
        failed = answer["Error"]
        return cls.of(
            SDKError(failed.get("Code"), failed.get("Message"), answer.get("RequestId")), credential
        )


class Sender:
    """Stands as ``client.request`` where the SDK's ``ApiRequest`` does.

    The SDK's own has a time limit for each byte and none for the whole, reads any length, follows redirects
    with a signature that is for one host, and logs whole requests, tokens included.

    Args:
        wire: Where requests go.
        server: Scheme, host and port.
        seconds: For an attempt.
    """

    def __init__(self, wire: Wire, server: str, seconds: float) -> None:
        self._wire = wire
        self._url = f"{server}/"
        self._seconds = seconds

    def send_request(self, signed: Any) -> SimpleNamespace:
        """As the SDK calls it.

        Args:
            signed: The SDK's request, with its signature among the headers.

        Returns:
            What the SDK looks at in an answer.

        Raises:
            SDKError: If there is no answer, or one with another status than 200.
            Unfit: If the answer is not read to its end.
        """
        headers = [(name.encode(), str(value).encode()) for name, value in signed.header.items()]
        try:
            answer = self._wire.send(
                signed.method, self._url, headers, signed.data.encode(), seconds=self._seconds
            )
        except TimedOut as error:
            raise SDKError(UNREACHED, f"timed out after {self._seconds:g} seconds") from error
        except Broken as error:
            raise SDKError(UNREACHED, str(error) or type(error).__name__) from error
        if answer.status != 200:
            body = answer.body.decode(errors="replace")
            raise SDKError(NOT_OK, f"status {answer.status}, {body or 'without a reason'}")
        # Without a content type the SDK leaves it to us to find an error in the body. Else it would also show
        # a warning that the server wrote, and set the process's filters of warnings for that.
        return SimpleNamespace(
            status_code=200,
            reason="OK",
            headers={},
            content=answer.body,
            text=f"({len(answer.body)} bytes)",
            raw=SimpleNamespace(version=11),
        )


def _redactor(credential: Any) -> Any:
    """For what the credential holds now; a temporary one may have been another when the request was sent."""
    try:
        known = credential.get_credential_info()
    except Exception:  # one that cannot be fetched, which may be the failure that is reported
        known = ()
    redact = Redactor(known)
    return lambda text: SIGNATURE.sub(rf"\1={MASK}", redact(text))
