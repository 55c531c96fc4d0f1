"""What ``youtu-st embed`` is asked, checked before anything is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import DEFAULT_MODEL, UsageError, absolute_model
from youtu_st.cli.reading import gathering
from youtu_st.errors import brief

if TYPE_CHECKING:
    from youtu_st.scale.pools.events import Pool
    from youtu_st.scale.settings import Columns, Cutting, Making, Task

JOB = "job.json"

_ALLOWED = {
    "--role": ("query", "document"),
    "--dtype": ("float32", "float16"),
    "--truncation": ("warn", "error", "ignore"),
    "--bad-rows": ("error", "skip"),
    "--engine": ("local", "ray"),
}
_OF_A_CORPUS = (
    "--model",
    "--role",
    "--instruction",
    "--dimensions",
    "--dtype",
    "--text-field",
    "--id",
    "--keep",
    "--keep-text",
    "--shard-tokens",
    "--truncation",
    "--extend",
    "--encoding",
    "--split-special-tokens",
)
_OF_WEIGHTS = ("--checkpoint", "--split-special-tokens", "--trust-remote-code", "--devices")
_OF_RAY = ("--address", "--cpus-per-worker", "--gpus-per-worker")
_OF_VERIFYING = ("--verify", "--checkpoint", "--server", "--trust-remote-code", "--devices")
_MOST = 1e6
_COUNTS = ("--dimensions", "--shard-tokens", "--workers", "--verify")


class Asked:
    """The options that were given.

    Args:
        given: Values by the options' names, those that were given alone.
        debug: Whether all is to be shown that goes on behind it.
    """

    def __init__(self, given: Mapping[str, Any], *, debug: bool = False) -> None:
        self.given = given
        self.debug = debug

    def check(self, paths: Sequence[Path], out: Path | None, *, status: bool, as_json: bool) -> None:
        """Raise for a slip of the pen.

        Raises:
            UsageError: Naming the option and what is allowed.
            InputError: Likewise, of a number.
        """
        from youtu_st.inputs import check_count

        for name, allowed in _ALLOWED.items():
            if (value := self.given.get(name)) not in (None, *allowed):
                raise UsageError(f"{name} must be {' or '.join(allowed)}, not {brief(value)}")
        for name in _COUNTS:
            if name in self.given:
                check_count(name, self.given[name])
        self._check_numbers()
        if "--encoding" in self.given:
            gathering(self.given["--encoding"])
        if as_json and not status:
            raise UsageError("--json goes with --status")
        looking = "--status" if status else "--verify" if "--verify" in self.given else None
        if out is None:
            self._check_going_on(paths, looking)
        elif looking is not None:
            line = f"youtu-st embed {out} {looking} {self.given.get(looking, '')}".rstrip()
            raise UsageError(f"{looking} goes with the job's folder alone: {line}")
        elif "--instruction" in self.given and self.given.get("--role") != "query":
            raise UsageError("--instruction goes with --role query: documents are encoded without one")
        elif "--server" in self.given:
            self._refuse(_OF_WEIGHTS, "is for a model that runs here, without --server")

    def _check_numbers(self) -> None:
        from youtu_st.inputs import check_seconds

        if "--shard-timeout" in self.given:
            check_seconds("--shard-timeout", self.given["--shard-timeout"])
        if not self.uses_ray:
            self._refuse(_OF_RAY, "goes with --engine ray")
        else:
            self._refuse(("--devices",), "is for this machine: on Ray, say how many --gpus-per-worker")
        if not 0 < (cpus := self.given.get("--cpus-per-worker", 1.0)) < _MOST:
            raise UsageError(f"--cpus-per-worker must be a number above 0, not {cpus!r}")
        if not 0 <= (gpus := self.given.get("--gpus-per-worker", 0.0)) < _MOST:
            raise UsageError(f"--gpus-per-worker must be a number of at least 0, not {gpus!r}")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise UsageError(f"--shard must be I/N, I from 1 to N, such as 3/16, not {self.given['--shard']}")

    def _check_going_on(self, paths: Sequence[Path], looking: str | None) -> None:
        folder = paths[0]
        if len(paths) > 1 or not (folder / JOB).is_file():
            hint = f": {folder} is no job's folder to go on with" if len(paths) == 1 else ""
            raise UsageError(f"say with --out which folder the vectors go to{hint}")
        self._refuse(
            _OF_A_CORPUS, f"is said of a corpus: youtu-st embed {folder} goes on with what its {JOB} says"
        )
        if looking == "--status":
            self._refuse(tuple(self.given), "does not go with --status, which encodes nothing")
        elif looking:
            others = tuple(name for name in self.given if name not in _OF_VERIFYING)
            self._refuse(others, "does not go with --verify")

    def _refuse(self, names: Sequence[str], why: str) -> None:
        for name in names:
            if name in self.given:
                raise UsageError(f"{name} {why}")

    @property
    def uses_ray(self) -> bool:
        """Whether a cluster is to do it."""
        return bool(self.given.get("--engine") == "ray")

    @property
    def part(self) -> tuple[int, int] | None:
        """Which of how many parts of the job this process does."""
        text = self.given.get("--shard")
        if text is None:
            return None
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    @property
    def devices(self) -> tuple[str, ...] | None:
        """The devices, in order; None: not said."""
        text = self.given.get("--devices")
        if text is None:
            return None
        named = tuple(part.strip() for part in text.split(",") if part.strip())
        if not named:
            raise UsageError(f"--devices must name devices, such as cuda:0,cuda:1, not {brief(text)}")
        return named

    @property
    def checkpoint(self) -> str | None:
        """The weights, by a path that is right in any process."""
        from youtu_st.spec.registry import expanded, is_directory

        given = self.given.get("--checkpoint")
        return str(expanded(given).absolute()) if given is not None and is_directory(given) else given

    def making(self) -> Making:
        """How the encoder is made.

        Raises:
            UnknownModelError: If no model goes by that name.
            SpecError: If it is a spec's file with a mistake in it.
        """
        from youtu_st.scale.settings import Making
        from youtu_st.spec.model import MODELS

        server = self.given.get("--server")
        model = self.given.get("--model")
        if server is None:
            model = absolute_model(model or DEFAULT_MODEL)
            MODELS.resolve(model, self.checkpoint)
        return Making(
            model=model,
            checkpoint=self.checkpoint,
            server=server,
            truncation=self.given.get("--truncation", "warn"),
            split_special_tokens="--split-special-tokens" in self.given,
            trust_remote_code="--trust-remote-code" in self.given,
        )

    def task(self) -> Task:
        """What is asked of it."""
        from youtu_st.scale.settings import Task

        return Task(
            role=self.given.get("--role", "document"),
            instruction=self.given.get("--instruction"),
            dimensions=self.given.get("--dimensions"),
            dtype=self.given.get("--dtype", "float32"),
        )

    def columns(self) -> Columns:
        """What is read, and kept."""
        from youtu_st.scale.settings import Columns

        return Columns(
            text=self.given.get("--text-field"),
            id=self.given.get("--id"),
            keep=tuple(dict.fromkeys(self.given.get("--keep", ()))),
            keep_text="--keep-text" in self.given,
            encoding=self.given.get("--encoding"),
        )

    def cutting(self) -> Cutting:
        """How large a shard is."""
        from youtu_st.scale.settings import SHARD_TOKENS, Cutting

        return Cutting(tokens=self.given.get("--shard-tokens", SHARD_TOKENS))

    def elsewhere(self) -> dict[str, Any]:
        """What a job's folder does not say of its encoder, or says otherwise than it is now."""
        return {
            "checkpoint": self.checkpoint,
            "server": self.given.get("--server"),
            "trust_remote_code": "--trust-remote-code" in self.given,
        }

    def running(self) -> dict[str, Any]:
        """How this process goes about it."""
        bad_rows, timeout = self.given.get("--bad-rows", "error"), self.given.get("--shard-timeout")
        return {
            "workers": self.given.get("--workers"),
            "devices": self.devices,
            "bad_rows": bad_rows,
            "shard_timeout": timeout,
            "shard": self.part,
            "pool": self._cluster(bad_rows, timeout) if self.uses_ray else None,
        }

    def _cluster(self, bad_rows: Any, timeout: float | None) -> Any:
        def pool(folder: Path, making: Making, notice: Callable[[str], None]) -> Pool:
            from youtu_st.scale.cluster.pool import RayPool

            return RayPool(
                folder,
                making,
                workers=self.given.get("--workers"),
                cpus=self.given.get("--cpus-per-worker", 1.0),
                gpus=self.given.get("--gpus-per-worker"),
                address=self.given.get("--address"),
                bad_rows=bad_rows,
                shard_timeout=timeout,
                notice=notice,
                debug=self.debug,
            )

        return pool
