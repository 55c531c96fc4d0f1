"""What goes between a driver and a process that works for it: a JSON object a line, of one kind each.

To a worker::

    {"prepare": {...}}                     plan a job, or compare one that is there with what is asked
    {"verify": {...}}                      encode some rows again
    {"make": {...}}                        make the encoder, which is to be opened with later
    {"open": {"folder", "making", "bad_rows"}}   make the encoder, and begin to ask for shards
    {"shard": {"number", "alone"}}         encode this one; alone: with no other beside it
    {"end": true}                          finish what was handed over, and end

From a worker::

    {"progress": {"rows", "file"}}         while it prepares
    {"answer": {...}}                      of ``prepare`` and ``verify``
    {"refused": {"error", "message"}}      instead of an answer
    {"opened": true}                       the encoder is made, and is the job's
    {"want": true}                         it has read all that it was handed
    {"began": n}                           this shard is encoded now: from here on it is the one to blame
    {"finished": {...}}, {"failed": {...}} as :class:`~youtu_st.scale.pools.events.Finished`, ``Failed``
    {"noticed": "..."}                     what is to be known of files, or what the encoder warns of
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from youtu_st import errors
from youtu_st.errors import YoutuError
from youtu_st.scale.pools.events import Failed, Finished
from youtu_st.scale.settings import Columns, Cutting, Making, Task

Message = dict[str, Any]


def told(event: Finished | Failed) -> tuple[str, Message]:
    """Kind and content of the message about an event."""
    return ("finished" if isinstance(event, Finished) else "failed"), asdict(event)


def heard(kind: str, content: Message) -> Finished | Failed:
    """The event of :func:`told`."""
    return Finished(**content) if kind == "finished" else Failed(**content)


def task_of(content: Message) -> Task:
    """A task as ``asdict`` gave it."""
    return Task(**content)


def columns_of(content: Message) -> Columns:
    """Columns as ``asdict`` gave them, and JSON made a list of."""
    return Columns(**{**content, "keep": tuple(content["keep"])})


def cutting_of(content: Message) -> Cutting:
    """A cutting as ``asdict`` gave it."""
    return Cutting(**content)


def making_of(content: Message) -> Making:
    """A making as ``asdict`` gave it."""
    return Making(**content)


def refusal(error: YoutuError) -> Message:
    """An error for another process."""
    return {"error": type(error).__name__, "message": str(error)}


def refused(content: Message) -> YoutuError:
    """The error of :func:`refusal`: of the same class, where a message is all that it is made of."""
    found = getattr(errors, content["error"], YoutuError)
    if not (isinstance(found, type) and issubclass(found, YoutuError)):
        return YoutuError(content["message"])
    try:
        return found(content["message"])
    except TypeError:
        return YoutuError(content["message"])
