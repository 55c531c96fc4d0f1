"""Files that somebody living has locked: the kernel gives them up when a process ends, however it ends.

Claims are advice. They spare two processes the same work, and tell what a dead one left from what a living one
is writing; nothing depends on them being kept: a shard that two processes write is the same shard twice.
Where a file system has no locks, every claim is granted.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from youtu_st.errors import InputError

LEFTOVER_SECONDS = 86_400
"""Without locks, a temporary file that has not been written to for so long is nobody's."""

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_ATTEMPTS = 3
_PAUSE = 0.004

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, shared: bool) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


class Claim:
    """A file that this process has locked, until :meth:`release` or its end. As a context, released at the end.

    Attributes:
        path: The file; it is removed with the claim.
        sure: False where the file system has no locks, and others may hold the same.
    """

    def __init__(self, path: Path, descriptor: int, *, sure: bool) -> None:
        self.path = path
        self.sure = sure
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Remove the file and let it go; nothing, the second time."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with suppress(OSError):  # before it is let go: whoever locks it next looks whether it is still there
            if os.name != "nt" and _is_at(descriptor, self.path):
                os.unlink(self.path)
        os.close(descriptor)
        if os.name == "nt":  # which removes no file that is open
            with suppress(OSError):
                os.unlink(self.path)

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(path: Path) -> Claim | None:
    """Make a file, or take the one that a dead process left, and lock it. Does not wait.

    Returns:
        The claim; None: somebody living has it.

    Raises:
        InputError: If a link or anything else that is no file goes by that name.
        OSError: If it cannot be made: a folder that is gone or may not be written to, a full disk.
    """
    for attempt in range(_ATTEMPTS):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                _refuse_odd(path)
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                _refuse_odd(path)
            held = _held(descriptor, shared=False)
            # One that its holder removed between the two lines: another may have made the next one already.
            if held is not True and _is_at(descriptor, path):
                return Claim(path, os.dup(descriptor), sure=held is False)
        finally:
            os.close(descriptor)  # the lock belongs to the open file, which the claim's descriptor keeps open
        if held is True and attempt + 1 < _ATTEMPTS:
            time.sleep(_PAUSE)  # somebody who only looks has it for a moment
    return None


def is_claimed(path: Path) -> bool:
    """Whether somebody living has that file, as far as the file system knows.

    Raises:
        OSError: If it is there and cannot be looked at.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return False
    try:
        held = _held(descriptor, shared=True)
        return time.time() - os.fstat(descriptor).st_mtime < LEFTOVER_SECONDS if held is None else held
    finally:
        os.close(descriptor)


def sweep(path: Path) -> bool:
    """Remove a temporary file that nobody living holds.

    Returns:
        Whether it is gone.

    Raises:
        InputError: As for :func:`acquire`.
        OSError: Likewise.
    """
    claim = acquire(path)
    if claim is None:
        return False
    if claim.sure or time.time() - os.stat(path).st_mtime > LEFTOVER_SECONDS:
        claim.release()
        return True
    claim.keep()
    return False
