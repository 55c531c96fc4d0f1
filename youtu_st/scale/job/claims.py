"""Files that somebody living has locked: the kernel gives them up when a process ends, however it ends.

Claims are advice. They spare two processes the same work, and tell what a dead one left from what a living
one is writing; nothing depends on them being kept: a shard that two processes write is the same shard twice.
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

from youtu_st import disk
from youtu_st.errors import InputError, printable

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
    """A file that this process has locked, until :meth:`release` or its end; as a context, until that ends.

    Attributes:
        path: The file; it is removed with the claim.
        sure: False where the file system has no locks, and others may hold the same.
    """

    def __init__(self, path: Path, descriptor: int, *, sure: bool) -> None:
        self.path = path
        self.sure = sure
        self._descriptor: int | None = descriptor

    def release(self, *, remove: bool = True) -> None:
        """Let the file go, and remove it; nothing, the second time."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            # Before it is let go: whoever has it locked next looks whether it is still there.
            if remove and os.name != "nt" and _is_at(descriptor, self.path):
                _unlink(self.path)
        finally:
            os.close(descriptor)
        if remove and os.name == "nt":  # which removes no file that is open
            _unlink(self.path)

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
        if attempt:
            time.sleep(_PAUSE)  # somebody who only looks has it for a moment
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            held = _held(descriptor, shared=False)
            # Not one that its holder removed before it let it go: another may have made the next one already.
            if held is not True and _is_at(descriptor, path):
                claim = Claim(path, descriptor, sure=held is False)
                descriptor = -1
                return claim
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    return None


def temporary(path: Path) -> Claim:
    """An empty file of a name that nobody else has, beside another, for what is to replace that.

    It is held until it is let go, and then removed if it still has this name.

    Raises:
        OSError: If it cannot be made.
    """
    for _ in range(_ATTEMPTS):
        if (claim := acquire(disk.beside(path))) is not None:
            return claim
    raise FileExistsError(errno.EEXIST, "temporary files are taken away while they are made", str(path))


def is_claimed(path: Path) -> bool:
    """Whether somebody living has that file, as far as the file system knows.

    Raises:
        InputError: As for :func:`acquire`.
        OSError: If it is there and cannot be looked at.
    """
    try:
        descriptor = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        held = _held(descriptor, shared=True)
        return _is_young(os.fstat(descriptor)) if held is None else held
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
    gone = claim.sure or not _is_young(os.stat(path))
    claim.release(remove=gone)
    return gone


def _open(path: Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | _FLAGS, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _odd(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _odd(path)
    return descriptor


def _held(descriptor: int, *, shared: bool) -> bool | None:
    """Lock it. False: done; True: somebody else has; None: there are no locks here."""
    try:
        _lock(descriptor, shared=shared)
    except OSError as error:
        if error.errno in _BUSY:
            return True
        if error.errno in _NO_LOCKS:
            return None
        raise
    return False


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _is_young(facts: os.stat_result) -> bool:
    return time.time() - facts.st_mtime < LEFTOVER_SECONDS


def _unlink(path: Path) -> None:
    with suppress(OSError):  # it is swept later
        os.unlink(path)


def _odd(path: Path) -> InputError:
    return InputError(
        f"{printable(str(path))} is no plain file: a job's folder holds no links and no devices"
    )
