"""How a row is called where an id may not be any text, and how a server is addressed."""

from __future__ import annotations

import ipaddress
import uuid
from urllib.parse import urlsplit

from youtu_st.errors import InputError

_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/youtu-st")


def key_of(id: str) -> str:
    """The UUID that stands for an id: the same everywhere, of letters that need no quoting."""
    return str(uuid.uuid5(_SPACE, id))


def check_address(url: str, key: str | None, variable: str) -> None:
    """Refuse an address that holds a key, or that a key would be sent to for all to read.

    Args:
        url: The address.
        key: The key that goes with it.
        variable: The environment variable that the key comes from.

    Raises:
        InputError: Saying where the key belongs.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError("the address of a server must be http://HOST:PORT or https://HOST:PORT") from error
    if parts.username or parts.password or parts.query:
        raise InputError(f"an address must have no key in it: it comes from the environment, from {variable}")
    if parts.scheme not in ("http", "https") or not host:
        raise InputError("the address of a server must be http://HOST:PORT or https://HOST:PORT")
    if key and parts.scheme == "http" and not _is_loopback(host):
        raise InputError(
            f"{url} is not encrypted, and {variable} is set: a key is sent over https://, or to this machine"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
