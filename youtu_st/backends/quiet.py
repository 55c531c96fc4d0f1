"""The host's own reports and bars, off while what they would say is looked at here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
from transformers.utils import logging

from youtu_st.backends.forks import Lock

_host: Any = logging  # untyped in the host
_lock = Lock()
_quiet: list[tuple[int, bool, bool]] = []
"""How it was before, once for each thread that wants quiet now; the first is the user's own."""


@contextmanager
def quiet_host() -> Iterator[None]:
    """Let transformers report no weights and draw no bars; downloads before and after keep theirs.

    Its settings are a process's, so they are put back when the last of several threads leaves.
    """
    with _lock.now:
        shown = _host.is_progress_bar_enabled()
        _quiet.append((_host.get_verbosity(), shown, are_progress_bars_disabled()))
        _host.set_verbosity_error()
        _host.disable_progress_bar()
    try:
        yield
    finally:
        with _lock.now:
            before = _quiet.pop() if len(_quiet) == 1 else _quiet.pop(1)
            if not _quiet:
                verbosity, bars, no_downloads = before
                _host.set_verbosity(verbosity)
                if bars:
                    _host.enable_progress_bar()
                if no_downloads:
                    disable_progress_bars()
