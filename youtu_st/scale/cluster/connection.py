"""A cluster: one that is there already, or one on this machine that ends with the work."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from youtu_st.errors import EngineError, InputError, in_one_line, require
from youtu_st.scale.cluster.quiet import muted, quiet

ADDRESS = "RAY_ADDRESS"
STORE = 256 << 20
"""Bytes of the object store of a cluster that is started here: what goes through it is small."""
SECONDS = 5.0
"""For a cluster's head node to answer."""
# What an HTTP/2 client begins with, and an empty frame of settings, as gRPC has it: the head node speaks it.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a notice at each start
}


@contextmanager
def connected(address: str | None = None, *, cpus: int | None = None, debug: bool = False) -> Iterator[Any]:
    """Be connected with a cluster, and give the module ``ray``.

    A program that is connected already stays so, and is not asked for another address. The handler of SIGTERM
    stays whose it was: Ray sets one of its own.

    Args:
        address: ``HOST:PORT`` of the head node, or ``auto``: the one of this machine; None: what
            ``RAY_ADDRESS`` says, else one is started here, without a dashboard, and ends with the block.
        cpus: CPUs of a cluster that is started here; None: all.
        debug: Let Ray's own messages, and its workers' output, reach the terminal.

    Raises:
        MissingDependencyError: If Ray is not installed.
        InputError: If there is no cluster at the address, or it is of another Ray or Python.
    """
    check_cluster(address)
    ray = require("ray", "ray")
    if ray.is_initialized():
        yield ray
        return
    address = _chosen(address)
    how: dict[str, Any] = {"log_to_driver": debug, "logging_level": logging.INFO if debug else logging.ERROR}
    if address == "local":
        how |= {"include_dashboard": False, "object_store_memory": STORE}
        if cpus is not None:
            how["num_cpus"] = cpus
    with nullcontext() if debug else quiet():
        try:
            with _signals_kept():
                ray.init(address=address, **how)
        except (ConnectionError, ValueError, RuntimeError, SystemExit, ray.exceptions.RayError) as error:
            with suppress(Exception):
                ray.shutdown()
            raise InputError(_why_not(address, error)) from error
        try:
            yield ray
        finally:
            with muted():
                ray.shutdown()


def check_cluster(address: str | None) -> None:
    """Raise unless Ray is there, and a head node may be: Ray tries for two minutes, and ends the process.

    Args:
        address: As for :func:`connected`.

    Raises:
        MissingDependencyError: If Ray is not installed.
        InputError: Naming the address.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if require("ray", "ray").is_initialized():
        return
    address = _chosen(address)
    if address in ("auto", "local"):
        return
    if "://" in address:
        raise InputError(
            f"--address {address!r}: Ray's client connections are not used here: run the command on a "
            "machine of the cluster, with HOST:PORT of its head node or auto"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise InputError(f"--address must be HOST:PORT of a cluster's head node, or auto, not {address!r}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), SECONDS) as opened:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            opened.settimeout(SECONDS)
            opened.sendall(_HELLO)
            answer = opened.recv(9)
    except (OSError, OverflowError) as error:
        raise InputError(in_one_line(f"there is no Ray cluster at {address}", error)) from error
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise InputError(f"there is no Ray cluster at {address}: what answers there is something else")


def _chosen(address: str | None) -> str:
    return address or os.environ.get(ADDRESS) or "local"


def _why_not(address: str, error: BaseException) -> str:
    text = " ".join(str(error).split())
    if "ersion mismatch" in text:
        python = ".".join(map(str, sys.version_info[:3]))
        return in_one_line(f"the cluster at {address} does not go with this Python {python}", text)
    if "InvalidAuthToken" in text:
        return (
            f"the cluster at {address} wants a token of Ray's: set RAY_AUTH_MODE=token, and have the same "
            "one here as there, see `ray get-auth-token`"
        )
    if address == "local":
        return in_one_line("no Ray cluster could be started on this machine", error)
    return in_one_line(f"there is no Ray cluster at {address}", text or EngineError("it does not answer"))


@contextmanager
def _signals_kept() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # no handler is set there
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
