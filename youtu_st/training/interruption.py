"""Ctrl-C in the middle of a run: the step is finished, a checkpoint written, and all processes stop there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from sentence_transformers.util import all_gather, get_world_size
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(TrainerCallback):
    """Stops a run after the step in which it was asked to, whichever process was asked.

    Args:
        notify: Is told when it was asked.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._asked = False
        self.stopped = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the first Ctrl-C or SIGTERM; the second one does what it did before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def ask(number: int, frame: Any) -> None:
            self._asked = True
            for other, handler in before.items():
                signal.signal(other, handler)
            self._notify("stopping after this step, with a checkpoint (once more: stop now, without one)")

        for number in _SIGNALS:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Agree with the others, and stop."""
        asked = self._asked
        if get_world_size() > 1:
            asked = bool(all_gather(torch.tensor([asked], device=args.device)).any())
        if asked and state.global_step < state.max_steps:
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True
