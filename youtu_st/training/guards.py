"""What stops a run that goes wrong, and what is said of one that may: callbacks of the host's trainer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.util import all_gather, get_world_size
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from youtu_st.disk import checksum
from youtu_st.errors import TrainingError, counted
from youtu_st.training.objectives import Objective

MOVED_AFTER = 20
"""Steps after which a weight must have moved."""
EASY = 1e-3
"""An InfoNCE loss below this from the start has nothing to teach."""
COLLAPSED = 0.95
"""Mean cosine of random texts."""
Notify = Callable[[str], None]


@dataclass
class Journal:
    """Which data sets the forward passes of this step were of, and what their losses were."""

    names: list[str] = field(default_factory=list)
    losses: dict[str, float] = field(default_factory=dict)

    def record(self, name: str, loss: float) -> None:
        """Take a forward pass."""
        self.names.append(name)
        self.losses[name] = loss


class Guards(TrainerCallback):
    """Stops the run with an error, or says what looks wrong.

    Args:
        objectives: By the names of their data sets.
        contrastive: Names of those data sets whose loss is InfoNCE.
        journal: What the objectives write to.
        log: JSON lines of all that is logged.
        notify: Takes a warning in one line.
    """

    def __init__(
        self,
        objectives: dict[str, Objective],
        contrastive: set[str],
        journal: Journal,
        log: Path | None,
        notify: Notify,
    ) -> None:
        self._objectives = objectives
        self._contrastive = contrastive
        self._journal = journal
        self._log = log
        self._notify = notify
        self._before: list[torch.Tensor] = []
        self._told: set[str] = set()
        self._start = 0
        self._has_rate, self._rate = False, 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remember a part of every weight."""
        self._start = state.global_step
        self._before = [_sample(weight) for weight in _trainable(kwargs["model"])]
        self._rate = _rate_of(kwargs.get("lr_scheduler"))
        if not self._before:
            raise TrainingError(
                "no weight of the model can be trained: all are frozen. Of an adapter, such as LoRA's, they "
                "are: youtu_st.training.merge_adapter makes it one with its model"
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Check the step."""
        self._check_one_task(state.global_step)
        self._has_rate |= self._rate > 0
        self._rate = _rate_of(kwargs.get("lr_scheduler"))
        self._journal.names.clear()
        if state.global_step - self._start == 1:
            self._check_shared(kwargs["model"])
        if state.global_step - self._start == min(MOVED_AFTER, state.max_steps) and self._before:
            now = [_sample(weight) for weight in _trainable(kwargs["model"])]
            moved = any(not torch.equal(a, b) for a, b in zip(self._before, now, strict=True))
            self._before = []
            if not moved and self._has_rate and any(self._journal.losses.values()):
                raise TrainingError(
                    f"no weight has moved after {counted(state.global_step, 'step')}: is train.learning_rate "
                    f"{args.learning_rate:g} too small, or the loss without a gradient?"
                )

    def _check_one_task(self, step: int) -> None:
        names = self._journal.names
        found = torch.tensor([checksum(name.encode()) for name in names[:1] + names[-1:]])
        if get_world_size() > 1 and len(found):
            device = next(next(iter(self._objectives.values())).model.parameters()).device
            found = all_gather(found.to(device))
        if len(set(names)) > 1 or len(set(found.tolist())) > 1:
            raise TrainingError(
                f"step {step} was of more than one data set ({', '.join(sorted(set(names)))} here): the "
                "sampler is not the one that this package passes"
            )

    def _check_shared(self, model: torch.nn.Module) -> None:
        """After a step, all processes must have the same weights: else each trains a model of its own."""
        if get_world_size() == 1:
            return
        mine = torch.stack([_sample(weight).double().sum() for weight in _trainable(model)])
        for other in all_gather(mine).chunk(get_world_size()):
            if not torch.equal(other, mine):
                raise TrainingError("the processes have come to different weights: gradients are not shared")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write a line, and look at it."""
        logs = {name: value for name, value in (kwargs.get("logs") or {}).items()}
        losses = {f"loss/{name}": value for name, value in self._journal.losses.items()}
        if self._log is not None and state.is_world_process_zero:
            line = {"step": state.global_step, "epoch": state.epoch, **logs, **losses}
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(_finite(line)) + "\n")
        for name, objective in self._objectives.items():
            if objective.spread is not None and objective.spread.item() > COLLAPSED:
                self._warn(
                    f"collapsed {name}",
                    f"step {state.global_step}: vectors of {name!r} are nearly all the same, with a mean "
                    f"cosine of {objective.spread.item():.3f}: try a smaller learning rate, or a higher "
                    "temperature",
                )
        if state.global_step - self._start <= 2 * args.logging_steps:
            for name in self._contrastive & self._journal.losses.keys():
                if self._journal.losses[name] < EASY:
                    self._warn(
                        f"easy {name}",
                        f"the loss of {name!r} is {self._journal.losses[name]:.2g} from the start: its "
                        "negatives are too easy, or too few. youtu-st data mine finds harder ones",
                    )

    def _warn(self, what: str, message: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._notify(message)


def _trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def _rate_of(scheduler: Any) -> float:
    """The rate of the next step: while it is 0, as at the beginning of a warm-up, nothing can move."""
    return max(scheduler.get_last_lr(), default=0.0) if scheduler is not None else 0.0


def _sample(weight: torch.Tensor) -> torch.Tensor:
    """A few values of a weight: any step of an optimizer moves all that have a gradient."""
    flat = weight.detach().flatten()
    return flat[:: max(1, len(flat) // 64)][:64].clone()


def _finite(line: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in line.items()
    }
