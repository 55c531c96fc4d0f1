"""What a job is: how its vectors are made, of which rows, in which shards; ``job.json`` says it."""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st import __version__, disk
from youtu_st.errors import InputError, brief, in_one_line, printable, require
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import canonical, digest
from youtu_st.scale.input.types import InputFile, Shard
from youtu_st.scale.job import claims, names, written
from youtu_st.scale.settings import Columns, Cutting, Making, Task

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 1 << 28
"""More than a ``job.json`` has: five million shards."""

_WITHOUT_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL}
_OURS = ("youtu_st", "created", "making", "encoder", "task", "columns", "cutting", "paths", "schema")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass(frozen=True, eq=False)
class Job:
    """A job, as its folder remembers it.

    Attributes:
        making: How its encoder is made, without what belongs to one machine.
        encoder: What the encoder was.
        task: What is asked of it.
        columns: What is read, and kept.
        cutting: How large a shard is.
        paths: What was named as input, as it was named.
        files: The files of the input, in the order of the plan.
        shards: The plan; each shard's number is its place.
        schema: Of the columns that are written beside id and vector.
        created: When, in ISO 8601.
        youtu_st: The release that began it.
    """

    making: Making
    encoder: EncoderRecord
    task: Task
    columns: Columns
    cutting: Cutting
    paths: tuple[str, ...]
    files: tuple[InputFile, ...]
    shards: tuple[Shard, ...]
    schema: pa.Schema
    created: str = field(default_factory=_now)
    youtu_st: str = __version__

    @property
    def dimension(self) -> int:
        """Length of the vectors as they are stored."""
        return self.task.dimensions or self.encoder.dimension

    @property
    def rows(self) -> int:
        """Rows of the input, good and bad."""
        return sum(shard.rows for shard in self.shards)

    @cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits that two jobs share whose shards could stand beside each other.

        Over the encoder's fingerprint, the task, the columns and the kept columns' types.
        """
        parts = [self.encoder.fingerprint, asdict(self.task), asdict(self.columns), str(self.schema)]
        return digest(canonical(parts).encode())

    def extended(self, files: Sequence[InputFile], shards: Sequence[Shard]) -> Job:
        """This job with further files and their shards.

        Args:
            files: New ones.
            shards: Numbered on from this job's; ``file`` counts from 0 in ``files``.
        """
        moved = (shard._replace(file=shard.file + len(self.files)) for shard in shards)
        return replace(self, files=(*self.files, *files), shards=(*self.shards, *moved))

    def text(self) -> bytes:
        """The content of its ``job.json``.

        Raises:
            InputError: If a path, a column or the instruction is not valid Unicode.
        """
        values = {
            "youtu_st": self.youtu_st,
            "created": self.created,
            "making": self.making.kept(),
            "encoder": self.encoder.values(),
            "task": asdict(self.task),
            "columns": asdict(self.columns),
            "cutting": asdict(self.cutting),
            "paths": list(self.paths),
            "schema": base64.b64encode(self.schema.serialize()).decode(),
        }
        try:
            return written.to_text(values, self.files, self.shards)
        except UnicodeEncodeError as error:
            texts = (
                *self.paths,
                *self.columns.keep,
                self.columns.text,
                self.columns.id,
                self.task.instruction,
            )
            odd = next((text for text in texts if text and not written.is_text(text)), self.making.model)
            raise InputError(f"what a job is told must be valid Unicode, and {brief(odd)} is not") from error

    @classmethod
    def parse(cls, text: bytes) -> Job:
        """The job in what :meth:`text` gave.

        Raises:
            ValueError: If it is anything else; or KeyError, if something is missing, or TypeError.
        """
        values, files, shards = written.from_text(text)
        if odd := sorted(set(values) ^ set(_OURS)):
            raise ValueError(f"{odd[0]!r} is {'unknown' if odd[0] in values else 'missing'}")
        columns = written.fields_of(Columns, values["columns"], "columns")
        paths = written.listed(values["paths"], "paths")
        if not all(map(written.is_text, [values["created"], values["youtu_st"], *paths])):
            raise ValueError("paths, created or youtu_st are not text")
        job = cls(
            making=Making.of(written.fields_of(Making, values["making"], "making")),
            encoder=EncoderRecord.parse(values["encoder"]),
            task=Task(**written.fields_of(Task, values["task"], "task")),
            columns=Columns(**{**columns, "keep": tuple(columns["keep"])}),
            cutting=Cutting(**written.fields_of(Cutting, values["cutting"], "cutting")),
            paths=tuple(paths),
            files=files,
            shards=shards,
            schema=_schema(values["schema"]),
            created=values["created"],
            youtu_st=values["youtu_st"],
        )
        if job.dimension > job.encoder.dimension:
            raise ValueError(
                f"task: dimensions is {job.dimension}, and the encoder has {job.encoder.dimension}"
            )
        return job

    @classmethod
    def read(cls, folder: Path) -> Job:
        """The job of a folder.

        Raises:
            InputError: If it has none, or none that can be read: the message says what to do.
        """
        return cls._parsed(folder, _read(folder))

    @classmethod
    def _parsed(cls, folder: Path, text: bytes) -> Job:
        file = printable(str(folder / names.JOB))
        try:
            return cls.parse(text)
        except written.NewerVersionError as error:
            raise InputError(f"{file}: {error}: upgrade youtu-st") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            told = in_one_line(f"{file} is damaged", reason)
            raise InputError(f"{told}; where it cannot be restored, start in a new folder") from error

    def create(self, folder: Path) -> Job:
        """Write it into a folder, whole, unless another process was first.

        Returns:
            The job that is there now: this one, or the other's.

        Raises:
            InputError: If the other's cannot be read.
            OSError: If it cannot be written.
        """
        target = folder / names.JOB
        text = self.text()
        if not os.path.lexists(target):
            with _written(target, text) as temporary:
                _publish(temporary.path, target)
            disk.flush(folder)
        there = _read(folder)
        if there != text:
            return self._parsed(folder, there)
        return replace(self, making=Making.of(self.making.kept()))

    def replace(self, folder: Path, extended: Job) -> None:
        """Write an extended job in this one's place.

        Raises:
            InputError: If the folder's job is another one meanwhile.
            OSError: If it cannot be written.
        """
        claim = claims.acquire(folder / names.JOB_CLAIM)
        if claim is None:
            raise InputError(f"another process extends the job in {printable(str(folder))}: wait for it")
        with claim:
            if _read(folder) != self.text():
                raise InputError(
                    f"another process has extended the job in {printable(str(folder))} meanwhile: start again"
                )
            with _written(folder / names.JOB, extended.text()) as temporary:
                os.replace(temporary.path, folder / names.JOB)
            disk.flush(folder)


def _publish(written: Path, target: Path) -> None:
    """Give a file its name, unless another has it by now."""
    try:
        os.link(written, target)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        # No links here: of two within a moment the later wins, and the earlier may not see it.
        if not os.path.lexists(target):
            os.replace(written, target)


def _written(target: Path, content: bytes) -> claims.Claim:
    """A temporary file beside another, flushed, and held until it is let go."""
    claim = claims.temporary(target)
    try:
        claim.path.write_bytes(content)
        disk.flush(claim.path)
    except BaseException:
        claim.release()
        raise
    return claim


def _read(folder: Path) -> bytes:
    file = folder / names.JOB
    shown = printable(str(file))
    try:
        if file.is_symlink():
            raise InputError(f"{shown} is a link: a job's folder holds no links")
        return disk.read_bounded(file, MOST_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"there is no job in {printable(str(folder))}: it has no {names.JOB}") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(in_one_line(f"{shown} cannot be read", error)) from error


def _schema(text: Any) -> pa.Schema:
    pa = require("pyarrow", "scale")
    try:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text, validate=True)))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"schema: {error}") from error
