"""A job's folder: which shards are there, which are open, and who encodes what."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.errors import InputError, printable
from youtu_st.scale.input.types import Shard
from youtu_st.scale.job import claims, facts, names
from youtu_st.scale.job.claims import Claim
from youtu_st.scale.job.facts import DamagedPartError, ShardFacts
from youtu_st.scale.job.record import Job
from youtu_st.scale.job.shards import ShardWriter

if TYPE_CHECKING:
    import pyarrow as pa


class JobFolder:
    """A folder with a ``job.json``, and the shards that are there. There is no other state.

    Args:
        path: The folder.
        job: What its ``job.json`` says.
    """

    def __init__(self, path: str | Path, job: Job) -> None:
        self.path = Path(path)
        self.job = job
        self._writer = ShardWriter(job)

    @classmethod
    def create(cls, path: str | Path, job: Job) -> JobFolder:
        """Begin a job in a folder, which is made if there is none.

        Returns:
            The folder. Where another process began one a moment before, ``job`` is that one's: compare.

        Raises:
            InputError: If the folder holds something else, or cannot be written to.
        """
        folder = _path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            has_job(folder)
            found = cls.open(folder, job.create(folder))
            found.vectors.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{_shown(folder)} cannot be written to: {error.strerror or error}") from error
        return found

    @classmethod
    def open(cls, path: str | Path, job: Job | None = None) -> JobFolder:
        """The job in a folder.

        Args:
            path: The folder.
            job: What its ``job.json`` says, if that was read.

        Raises:
            InputError: If there is none, or none that can be read.
        """
        folder = _path(path)
        if job is None:
            if not has_job(folder):
                raise InputError(f"there is no job in {_shown(folder)}")
            job = Job.read(folder)
        for name in (names.VECTORS, names.DAMAGED):
            if os.path.lexists(folder / name) and not _is_folder(folder / name):
                raise InputError(
                    f"{_shown(folder / name)} is no folder, or a link: a job's folder holds no links"
                )
        return cls(folder, job)

    @property
    def vectors(self) -> Path:
        """The folder of the shards: to be read as one data set."""
        return self.path / names.VECTORS

    @property
    def schema(self) -> pa.Schema:
        """Of every shard's file."""
        return self._writer.schema

    def shard_path(self, number: int) -> Path:
        """The file of a shard."""
        return self.vectors / names.part(number)

    def done(self) -> set[int]:
        """The shards that are there, by their names: no file is opened.

        Raises:
            InputError: If what goes by a shard's name is no plain file.
        """
        return {number for number in self.parts() if number < len(self.job.shards)}

    def parts(self) -> Iterator[int]:
        """The numbers of all files that go by a shard's name, whether planned or not; in no order.

        Raises:
            InputError: As for :meth:`done`.
        """
        for entry in _entries(self.vectors):
            number = names.part_number(entry.name)
            if number is not None:
                if not entry.is_file(follow_symlinks=False):
                    raise InputError(f"{_shown(self.vectors / entry.name)} is no plain file: remove it")
                yield number

    def open_shards(self) -> list[Shard]:
        """The shards that are not there, those with the longest texts first, so that none of them comes last.

        Raises:
            InputError: As for :meth:`done`.
        """
        done = self.done()
        return [shard for shard in self._in_order if shard.number not in done]

    @cached_property
    def _in_order(self) -> Sequence[Shard]:
        return sorted(self.job.shards, key=lambda shard: (-shard.longest, -shard.tokens, shard.number))

    def claim(self, number: int) -> Claim | None:
        """Say that this process encodes a shard, until the claim is let go or the process ends.

        Returns:
            The claim; None: somebody living has it, or the shard is there by now.

        Raises:
            InputError: If a link goes by the claim's name.
            OSError: If it cannot be said: a folder that may not be written to, a full disk.
        """
        path = self.vectors / names.claim(number)
        try:
            claim = claims.acquire(path)
        except FileNotFoundError:
            self.vectors.mkdir(exist_ok=True)
            claim = claims.acquire(path)
        if claim is not None and os.path.lexists(self.shard_path(number)):
            claim.release()
            return None
        return claim

    def claimed(self) -> set[int]:
        """The shards that somebody living encodes now, as far as the file system knows."""
        found = set()
        for entry in _entries(self.vectors):
            number = names.claim_number(entry.name)
            if number is not None and claims.is_claimed(self.vectors / entry.name):
                found.add(number)
        return found

    def sweep(self) -> int:
        """Remove temporary files that nobody living holds: what killed processes left.

        Returns:
            How many.

        Raises:
            InputError: If one is a link.
            OSError: If one cannot be removed.
        """
        gone = 0
        for folder in (self.path, self.vectors):
            for entry in list(_entries(folder)):
                if names.is_temporary(entry.name):
                    with suppress(FileNotFoundError):
                        gone += claims.sweep(folder / entry.name)
        return gone

    def write(self, number: int, **content: Any) -> ShardFacts:
        """Write a shard, whole or not at all; arguments and errors as for :meth:`ShardWriter.write`."""
        return self._writer.write(self.shard_path(number), self.job.shards[number], **content)

    def facts(self, number: int) -> ShardFacts:
        """What a shard that is there says of itself; reads its footer only.

        Raises:
            DamagedPartError: If it is not what was written.
            OSError: If there is none, or it cannot be read.
        """
        return facts.read_footer(self.shard_path(number)).facts

    def sound(self, number: int, *, deep: bool = False) -> ShardFacts:
        """What a shard says of itself, if it is what was written, and this job's; as :meth:`check` looks.

        Raises:
            DamagedPartError: If it is not: the message says in which way.
            OSError: If there is none, or it cannot be read.
        """
        if number >= len(self.job.shards):
            raise DamagedPartError(f"the job has {len(self.job.shards):,} shards")
        return self._writer.checked(self.shard_path(number), self.job.shards[number], deep=deep)

    def check(self, number: int, *, deep: bool = False) -> str | None:
        """What is wrong with a shard that is there; None: nothing.

        Args:
            number: Its number.
            deep: Read all of it and compare every byte, and the ids; else the footer only.

        Raises:
            OSError: If it cannot be read.
        """
        try:
            self.sound(number, deep=deep)
        except FileNotFoundError:
            return "it is gone"
        except DamagedPartError as error:
            return str(error)
        return None

    def damaged(self, *, deep: bool = False) -> dict[int, str]:
        """What is wrong with which of the shards that are there.

        Raises:
            InputError: As for :meth:`done`.
            OSError: If one cannot be read.
        """
        found = ((number, self.check(number, deep=deep)) for number in sorted(self.parts()))
        return {number: wrong for number, wrong in found if wrong is not None}

    def set_aside(self, number: int) -> Path | None:
        """Move a damaged shard out of the way, so that it is open again.

        Returns:
            Where it is now; None: it is gone, or sound, by now, or somebody living encodes it.

        Raises:
            OSError: If it cannot be moved.
        """
        claim = claims.acquire(self.vectors / names.claim(number))
        if claim is None:
            return None
        with claim:
            if not os.path.lexists(self.shard_path(number)) or self.check(number, deep=True) is None:
                return None
            if number >= len(self.job.shards) and number < len(Job.read(self.path).shards):
                return None  # the plan has been extended meanwhile, and it may be sound by that
            folder = self.path / names.DAMAGED
            folder.mkdir(exist_ok=True)
            taken = {entry.name for entry in _entries(folder)}
            name = names.part(number)
            target = next(
                found for turn in range(len(taken) + 1) if (found := f"{name}.{turn + 1}") not in taken
            )
            os.replace(self.shard_path(number), folder / target)
            return folder / target


def has_job(folder: Path) -> bool:
    """Whether a folder holds a job; False: there is no such folder, or it is empty.

    Raises:
        InputError: If it holds something else, or is no folder: the message says what.
    """
    try:
        found = sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return False
    except OSError as error:
        kind = "is no folder" if error.errno == errno.ENOTDIR else f"cannot be listed: {error.strerror}"
        raise InputError(f"{_shown(folder)} {kind}") from error
    if names.JOB in found:
        return True
    if others := [name for name in found if not names.is_temporary(name)]:
        raise InputError(f"{_shown(folder)} holds {_what(others)}, and no job: name a new or an empty folder")
    return False


def _what(others: list[str]) -> str:
    if {"manifest.json", "documents.sqlite"} <= set(others):
        return "a VectorIndex"
    if names.VECTORS in others:
        return f"vectors without a {names.JOB}"
    more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
    return f"{printable(others[0])!s}{more}"


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return


def _path(path: str | Path) -> Path:
    if "\0" in str(path):
        raise InputError("no folder's name holds a NUL character")
    return Path(path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _shown(path: Path) -> str:
    return printable(str(path))
