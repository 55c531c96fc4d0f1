"""One thread at a time with a tokenizer that is set up anew for every call."""

from __future__ import annotations

import copy
import threading
from typing import Any

from youtu_st.backends.forks import Lock


class TokenizerLock(Lock):
    """For a model whose own tokenising sets padding and truncation on the tokenizer that threads share.

    The tokenizer has a lock of its own inside. Where a thread of the parent was reading with it when this
    process was forked, setting anything on it would wait for good: the model gets a copy, which is free.

    Args:
        model: A ``SentenceTransformer`` or a ``CrossEncoder``.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    @property
    def now(self) -> threading.Lock:
        """The lock of this process, for a tokenizer that is free."""
        if self.torn:
            first = self._model[0]
            name = "processor" if hasattr(first, "processor") else "tokenizer"  # the host's modules differ
            setattr(first, name, copy.deepcopy(getattr(first, name)))
            self.torn = False
        return super().now
