"""The application under a real uvicorn, on a port of the loopback address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from youtu_st.serving.app import app
from youtu_st.serving.server import Server


@contextmanager
def served(server: Server, *, http: Any = "httptools") -> Iterator[str]:
    """Its address, while it is served.

    Args:
        server: What is served.
        http: What its connections are: uvicorn's own, or a class.
    """
    opened = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app(server), http=http, ws="none", lifespan="off", log_config=None, access_log=False
    )
    process = uvicorn.Server(config)
    thread = threading.Thread(target=process.run, args=([opened],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{opened.getsockname()[1]}"
    finally:
        process.should_exit = True
        thread.join(timeout=30)
        opened.close()
