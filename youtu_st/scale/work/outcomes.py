"""What a worker tells of a shard."""

from __future__ import annotations

from youtu_st.errors import YoutuError, in_one_line, printable
from youtu_st.scale.job.facts import ShardFacts
from youtu_st.scale.job.record import Job
from youtu_st.scale.job.room import is_full
from youtu_st.scale.pools.events import FAULT, FULL, Failed, Finished


def finished(number: int, facts: ShardFacts, *, encoded: bool = True) -> Finished:
    """That a shard is in its place.

    Args:
        number: Its number.
        facts: What its file says.
        encoded: False where somebody else wrote it.
    """
    return Finished(
        number, facts.rows, facts.tokens, facts.cut, len(facts.rejected), facts.seconds, encoded=encoded
    )


def failed(job: Job, number: int, error: Exception) -> Failed:
    """What went wrong with a shard, in one line."""
    if is_full(error):
        return Failed(number, FULL, in_one_line(f"shard {number} cannot be written", error))
    if isinstance(error, YoutuError):
        return Failed(number, FAULT, printable(str(error)))
    what = f"shard {number} ({printable(job.files[job.shards[number].file].name)}): {type(error).__name__}"
    return Failed(number, FAULT, in_one_line(what, error))
