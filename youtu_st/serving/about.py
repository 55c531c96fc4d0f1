"""What a server says of itself: whether it lives, whether it is ready, what it serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from youtu_st.serving.call import unavailable
from youtu_st.serving.faults import Fault
from youtu_st.serving.names import names_of

if TYPE_CHECKING:
    from youtu_st.serving.server import Server

_STARTED = int(time.time())


def health() -> dict[str, str]:
    """``GET /health``: the process lives."""
    return {"status": "ok"}


def ready(server: Server) -> dict[str, str]:
    """``GET /ready``: requests are taken.

    Raises:
        Fault: 503, before that and after it.
    """
    if server.state != "ready":
        raise unavailable(server)
    return {"status": "ready"}


def info(server: Server) -> dict[str, Any]:
    """``GET /info``: what is served, by the parts that decide what its vectors mean, and the limits.

    Raises:
        Fault: 503, until the model is loaded.
    """
    if server.state != "ready":
        raise unavailable(server)
    return server.info()


def models(server: Server) -> dict[str, Any]:
    """``GET /v1/models``: the names that there are, in OpenAI's shape."""
    return {"object": "list", "data": [_entry(name) for name in _names(server)]}


def model(server: Server, name: str) -> dict[str, Any]:
    """``GET /v1/models/NAME``.

    Raises:
        Fault: 404, with the names that there are.
    """
    names = _names(server)
    if name not in names:
        message = f"there is no such model: the names are {', '.join(names)}"
        raise Fault(404, message, param="model", code="model_not_found")
    return _entry(name)


def _names(server: Server) -> list[str]:
    return [*names_of(server.name), *([server.reranker_name] if server.reranker_name else [])]


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "youtu-st"}
