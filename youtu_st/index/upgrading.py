"""An index of an earlier release, brought up to this one's format without its model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.manifest import read_manifest


def upgrade_index(path: str | Path, report: Callable[[int], object] = lambda _: None) -> bool:
    """Bring an index up to this release's format: its documents get their words, by which they are found too.

    So does the first ``add`` or ``delete``, but for an index that was made with ``lexical=False``. Loads no
    model. Killed, it leaves an index that is as good as before, and is gone on with the next time.

    Args:
        path: The directory.
        report: Told now and then how many documents have their words.

    Returns:
        Whether there was anything to do.

    Raises:
        IndexNotFoundError: If there is no index.
        IndexLockedError: If somebody else is writing.
        IndexDamagedError: If a file cannot be read: the message names it.
        VectorIndexError: If this Python's SQLite cannot keep words.
    """
    with closing(IndexDirectory(Path(path), read_manifest(path), None)) as directory:
        return directory.upgrade(report)
