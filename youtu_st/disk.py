"""Where files are kept that can be made again, how one is written whole or not at all, and read with care.

What is read may have been damaged, or written by somebody else: it is opened only where it is a plain file,
read only as far as it may go, and compared with a checksum where it has one.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash

_PART = 1 << 22
_TAKEN = "another process has put something there meanwhile: choose another directory, or remove that one"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# A pipe that takes the file's place in between is not waited for.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def cache_directory() -> Path:
    """The directory of this package's cache; it need not exist yet, and may be deleted at any time.

    ``$YOUTU_ST_CACHE``, else ``$XDG_CACHE_HOME/youtu-st``, else ``~/.cache/youtu-st``. Read at every call.
    """
    if chosen := os.environ.get("YOUTU_ST_CACHE"):
        return Path(chosen).expanduser().absolute()
    # A relative XDG_CACHE_HOME is to be ignored, says the XDG base directory specification.
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "youtu-st"


@contextmanager
def whole(path: Path, *, temporary: str | None = None) -> Iterator[Path]:
    """Write a file so that a reader, or a crash, meets the old one or the new one, and nothing between.

    Yields a path to write to, in the same directory. At the end that file is flushed to the disk and takes
    the name ``path`` in one step; after an error it is removed. Nobody but the caller makes it, so it has the
    permissions of any new file. A symbolic link stays one: the file that it leads to is replaced. What is
    there and no file, such as ``/dev/null`` or a pipe, is not replaced.

    Args:
        path: The file, which may be there or not; its directory must be.
        temporary: The name to write under. None: one that nobody else has.

    Raises:
        OSError: If it cannot be written, or is a folder, a pipe or a device.
    """
    target = Path(os.path.realpath(path))
    if target.exists():
        _check_plain(path, os.stat(target))
    written = beside(target) if temporary is None else target.with_name(temporary)
    try:
        yield written
        replace(written, target)
    finally:
        with suppress(OSError):  # the one that stopped the writing says more
            written.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of that content as :func:`whole` does."""
    with whole(path) as written:
        written.write_bytes(content)


def beside(path: Path) -> Path:
    """A hidden name that nobody else has, in the same directory, for what is to replace ``path``."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def replace(written: Path, path: Path) -> None:
    """Flush a file, or a directory's names, to the disk, then give it its name in one step, durably."""
    flush(written)
    os.replace(written, path)
    flush(path.parent)


def take_place(written: Path, target: Path) -> None:
    """As :func:`replace`, for a directory: its name must be free, or that of an empty one.

    Raises:
        FileExistsError: If somebody has put something there meanwhile: ``strerror`` says what to do.
        OSError: If it cannot be for another reason.
    """
    try:
        if target.is_dir():
            target.rmdir()  # empty, or this fails; Windows replaces no directory
        replace(written, target)
    except OSError as error:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise FileExistsError(errno.EEXIST, _TAKEN, str(target)) from error
        raise


def flush(path: Path) -> None:
    """Bring a file, or the names in a directory, to the disk: a power cut leaves it as it is now.

    Raises:
        OSError: If it cannot be.
    """
    directory = path.is_dir()
    if directory and os.name == "nt":
        return  # Windows cannot open one
    descriptor = os.open(path, os.O_RDONLY if directory else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_plain(path: str | Path) -> BinaryIO:
    """Open a file for reading, if that is what it is: a pipe or a device may never begin, or never end.

    Raises:
        OSError: If there is none, it is something else, or it may not be read.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "no file's name holds a NUL character", str(path))
    _check_plain(path, os.stat(path))
    descriptor = os.open(path, _READ)
    try:
        _check_plain(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(path: str | Path, most: int) -> bytes:
    """All of a file.

    Raises:
        OSError: As for :func:`open_plain`, or if it has more than ``most`` bytes.
    """
    with open_plain(path) as file:
        # No more is asked for than there is: a buffer of that size is allocated at once.
        content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def _check_plain(path: str | Path, facts: os.stat_result) -> None:
    kind = stat.S_IFMT(facts.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'no file')}, and must be a file", str(path))


def checksum(content: Any) -> int:
    """64 bits of xxHash3 over the bytes of a buffer, as the signed int that a database keeps.

    It finds what disks and careless hands do to bytes, and is no defence against who wants to deceive.
    """
    return _signed(xxhash.xxh3_64_intdigest(content))


def checksums(contents: Iterable[bytes]) -> list[int]:
    """:func:`checksum` of each; of many small ones in half the time."""
    found = np.fromiter(map(xxhash.xxh3_64_intdigest, contents), dtype=np.uint64)
    signed: list[int] = found.view(np.int64).tolist()
    return signed


class Checksum:
    """:func:`checksum` over bytes that come in parts."""

    def __init__(self) -> None:
        self._state = xxhash.xxh3_64()

    def update(self, part: Any) -> None:
        """Take further bytes: anything with a contiguous buffer."""
        self._state.update(part)

    @property
    def value(self) -> int:
        """The checksum of all parts so far."""
        return _signed(self._state.intdigest())


def file_checksum(file: BinaryIO, length: int | None = None) -> int:
    """:func:`checksum` of what is left of an open file, or of so many bytes, read in parts.

    Raises:
        OSError: If it cannot be read.
    """
    found, left = Checksum(), sys.maxsize if length is None else length
    while left and (part := file.read(min(left, _PART))):
        found.update(part)
        left -= len(part)
    return found.value


def sealed(content: Mapping[str, Any]) -> bytes:
    """JSON text of some values and, under ``checksum``, one over all of them."""
    text = json.dumps({**content, "checksum": _of_values(content)}, ensure_ascii=False, indent=2)
    return (text + "\n").encode()


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Whether values that were read from JSON are those that :func:`sealed` wrote."""
    rest = {name: value for name, value in content.items() if name != "checksum"}
    return content.get("checksum") == _of_values(rest)


def unsealed(text: bytes) -> dict[str, Any]:
    """The values in what :func:`sealed` wrote.

    Raises:
        ValueError: If it is anything else.
    """
    try:
        content = json.loads(text)
    except RecursionError:
        content = None
    if not isinstance(content, dict) or not is_sealed(content):
        raise ValueError("it is not what was written")
    return content


def _of_values(content: Mapping[str, Any]) -> int:
    return checksum(json.dumps(content, sort_keys=True).encode())


def _signed(value: int) -> int:
    return value if value < 1 << 63 else value - (1 << 64)
