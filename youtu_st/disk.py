"""Where files are kept that can be made again: converted networks, and measured choices."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """The directory of this package's cache; it need not exist yet, and may be deleted at any time.

    ``$YOUTU_ST_CACHE``, else ``$XDG_CACHE_HOME/youtu-st``, else ``~/.cache/youtu-st``. Read at every call.
    """
    if chosen := os.environ.get("YOUTU_ST_CACHE"):
        return Path(chosen).expanduser().absolute()
    # A relative XDG_CACHE_HOME is to be ignored, says the XDG base directory specification.
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "youtu-st"
