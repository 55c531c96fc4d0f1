"""A sign of life: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from youtu_st.inference.progress import progress_bar
from youtu_st.training.guards import Journal, Notify

_MEASURED = "eval_"
_SHOWN = ("spearman_cosine", "cosine_ndcg@10")


class Progress(TrainerCallback):
    """Shows steps, losses and what is measured; of several processes, the first does.

    Args:
        journal: Has the losses by data set.
        notify: Takes a line.
        measured: Takes what is measured before the first step.
    """

    def __init__(
        self,
        journal: Journal,
        notify: Notify,
        measured: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        self._journal = journal
        self._notify = notify
        self._bar: tqdm[Any] | None = None
        self._is_terminal = sys.stderr.isatty()
        self._measured = measured

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin the bar where the run begins."""
        if state.is_world_process_zero:
            self._bar = progress_bar(state.max_steps, self._is_terminal, "step")
            self._bar.update(state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move on."""
        if self._bar is not None:
            self._bar.update(1)
            self._bar.set_postfix_str(self._losses())

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Say how it goes, where no bar does."""
        logs = kwargs.get("logs") or {}
        if state.is_world_process_zero and "loss" in logs and not self._is_terminal:
            self._notify(f"step {state.global_step} of {state.max_steps}: loss {self._losses()}")

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Say what was measured."""
        found = shown(kwargs.get("metrics") or {})
        if self._measured is not None and state.global_step == 0:
            self._measured(found)
        if state.is_world_process_zero and found:
            told = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
            self._notify(f"step {state.global_step}: {told}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def _losses(self) -> str:
        return ", ".join(f"{name} {value:.4f}" for name, value in self._journal.losses.items())


def shown(metrics: dict[str, float]) -> dict[str, float]:
    """Of all that the host's evaluators give, what people look at: Spearman's correlation and nDCG@10."""
    return {
        name.removeprefix(_MEASURED): float(value) for name, value in metrics.items() if name.endswith(_SHOWN)
    }
