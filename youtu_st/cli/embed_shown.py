"""What ``youtu-st embed`` shows: progress, the end of a job, how far one is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import cell, count, echo, plain_table, print_json, say
from youtu_st.errors import printable

if TYPE_CHECKING:
    from youtu_st.scale.running.telling import Summary


def summary_line(done: Summary) -> str:
    """What came of a job, in one line."""
    parts = [count(done.rows, "document"), count(done.tokens, "token")]
    if done.encoded:
        parts.append(f"{done.speed:,.0f} documents/s")
    parts += [f"{done.cut:,} cut", f"{done.rejected:,} rejected"]
    shards = f"{count(done.encoded, 'shard')} encoded here and {done.found:,} found done"
    if done.left:
        shards += f", {done.left:,} of {done.shards:,} not done"
    return f"{', '.join(parts)}; {shards} -> {done.folder}"
