"""Server: what a running server is, from its start to its end; no HTTP."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import youtu_st
from youtu_st.protocol import Role
from youtu_st.serving import log
from youtu_st.serving.keys import Keys
from youtu_st.serving.metrics import Metrics
from youtu_st.serving.names import names_of, roles_differ
from youtu_st.serving.settings import ServerSettings
from youtu_st.spec.model import MODELS, ModelSpec
from youtu_st.spec.registry import Published, Registry, is_directory
from youtu_st.spec.reranker import RERANKERS

if TYPE_CHECKING:
    from youtu_st.inference.scheduler import Scheduler
    from youtu_st.serving.served import Served, ServedModel, ServedReranker

State = Literal["starting", "ready", "closing"]
BATCHES = 32
"""Batches whose tokens may wait, where nothing else is said."""
WORD = " a"
"""Of which a text of any number of tokens is made."""


class Server:
    """The models, the queue and the counts of one process, and whether requests are taken.

    Args:
        settings: What the server was told at its start.
        load_model: Loads the embedding model; called once, in a thread of its own.
        load_reranker: As ``load_model``, of the reranker. None: there is none.
        keys: Who may ask.

    Attributes:
        state: ``starting``: nothing is taken yet; ``ready``; ``closing``: nothing is taken any more.
        model, reranker, scheduler: There once the state is ``ready``.
        fingerprint, reranker_fingerprint: Of the models, then; ``""`` where there is none.
        failure: Why loading came to nothing.
    """

    model: ServedModel
    scheduler: Scheduler
    fingerprint: str = ""
    reranker_fingerprint: str = ""

    def __init__(
        self,
        settings: ServerSettings,
        load_model: Callable[[], ServedModel],
        load_reranker: Callable[[], ServedReranker] | None = None,
        *,
        keys: Keys | None = None,
    ) -> None:
        self.settings = settings
        self.keys = keys or Keys()
        self.name = settings.name or called(MODELS, settings.model or "model")
        self.reranker_name = (
            None
            if load_reranker is None
            else settings.reranker_name or called(RERANKERS, settings.reranker or "reranker")
        )
        self.reranker: ServedReranker | None = None
        self.state: State = "starting"
        self.failure: BaseException | None = None
        self.metrics = Metrics(lambda: self.queued_tokens, lambda: self.state == "ready", log.request_line)
        self._loaders = load_model, load_reranker
        self._lock = threading.Lock()

    @property
    def default_role(self) -> Role | None:
        """What a text is that comes without a role, where the model's prompts differ."""
        return self.settings.default_role

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait now, not yet in a batch."""
        return self.scheduler.queued_tokens if self.is_loaded else 0

    @property
    def is_loaded(self) -> bool:
        """Whether the models and the queue are there."""
        return hasattr(self, "scheduler")

    def load(self) -> None:
        """Load the models, run a batch of the longest length through each, and take requests from then on.

        Keeps what goes wrong as :attr:`failure`.
        """
        try:
            self.start()
        except BaseException as error:
            self.failure = error

    def start(self) -> None:
        """What :meth:`load` does; raises what goes wrong."""
        start = time.perf_counter()
        load_model, load_reranker = self._loaders
        model = load_model()
        reranker = None if load_reranker is None else load_reranker()
        from youtu_st.inference.scheduler import Scheduler  # with what the models have imported

        settle()
        tokens = self.settings.queue_tokens or BATCHES * model.batch_tokens
        loaded = time.perf_counter()
        workers = max(model.batches_at_once, reranker.batches_at_once if reranker else 1)
        scheduler = Scheduler(queue_tokens=tokens, workers=workers, watch=self.metrics)
        asyncio.run(_warm_up(scheduler, model, reranker))
        # Once: an encoder looks at its weights each time.
        self.fingerprint = model.fingerprint
        self.reranker_fingerprint = "" if reranker is None else reranker.fingerprint
        self.model, self.reranker, self.scheduler = model, reranker, scheduler
        log.event(
            "ready",
            model=self.name,
            fingerprint=self.fingerprint,
            **model.runtime,
            reranker=self.reranker_name,
            queue_tokens=tokens,
            loading_s=round(loaded - start, 1),
            warming_up_s=round(time.perf_counter() - loaded, 1),
        )
        self.turn("ready")

    def turn(self, state: State) -> None:
        """Change the state, unless the server is closing."""
        with self._lock:
            if self.state != "closing":
                self.state = state

    def release(self) -> None:
        """Let go of what would outlive this process; before its end, whatever that is."""

    async def page(self) -> tuple[bytes, str]:
        """What ``GET /metrics`` answers, and its content type."""
        return await asyncio.to_thread(self.metrics.page)

    def close(self) -> None:
        """Take no further requests."""
        with self._lock:
            self.state = "closing"

    def info(self) -> dict[str, Any]:
        """What the server is and takes, as JSON has it; once it is loaded."""
        settings, model, reranker = self.settings, self.model, self.reranker
        about = _about(self.name, model, MODELS, settings.model) | {
            "names": list(names_of(self.name)),
            "prompts": dict(model.prompts),
            "dimension": model.dimension,
            "dimensions": list(model.dimensions),
            "default_role": self.default_role,
            "roles_differ": roles_differ(self),
        }
        second = None
        if reranker is not None:
            second = _about(self.reranker_name or "", reranker, RERANKERS, settings.reranker)
        return {
            "server": "youtu-st",
            "version": youtu_st.__version__,
            "model": about,
            "reranker": second,
            "limits": {
                "texts": settings.max_texts,
                "documents": settings.max_documents,
                "body_bytes": settings.max_body,
                "queue_tokens": self.scheduler.queue_tokens,
                "timeout_seconds": settings.timeout,
            },
        }


def called(registry: Registry[Any], model: str) -> str:
    """What clients call a model: its name, its hub id, or a directory's own name.

    Raises:
        SpecError: If it is a spec's file with a mistake in it.
        UnknownModelError: If it is neither a known name, nor a path, nor the shape of a hub id.
    """
    spec: Published | None = registry.resolve(model)
    if spec is not None:
        return spec.name
    if is_directory(model):
        return Path(registry.canonical_name(model)).name or "model"
    return model


def _about(name: str, model: Served, registry: Registry[Any], given: str | None) -> dict[str, Any]:
    spec: ModelSpec | None = registry.resolve(given) if given else None
    return {
        "name": name,
        "spec": None if spec is None else spec.model_dump(mode="json"),
        "identity": dict(model.identity),
        "fingerprint": model.fingerprint,
        "runtime": dict(model.runtime),
        "max_length": model.max_length,
        "takes_instructions": model.takes_instructions,
    }


def settle() -> None:
    """Let the garbage collector leave alone what is here to stay, and look at all else again and again.

    It puts off its full collections until there are a quarter more objects than the last one has met: after
    the second call here, there are next to none.
    """
    gc.collect()
    gc.freeze()
    gc.collect()


async def _warm_up(scheduler: Scheduler, model: ServedModel, reranker: ServedReranker | None) -> None:
    """Run a batch of the longest length through each model: what is slow at first, or fails, shows here."""
    most = scheduler.queue_tokens
    await scheduler.run(await scheduler.read(model.request("document", longest(model, most))))
    if reranker is not None:
        await scheduler.run(await scheduler.read(reranker.request("a", longest(reranker, most))))


def longest(model: Served, most: int | None = None) -> list[str]:
    """As many different texts of the model's maximum length as a batch holds, at least one.

    Args:
        model: What is to read them.
        most: Tokens of all of them, if fewer.
    """
    length = model.max_length or model.batch_tokens
    most = model.batch_tokens if most is None else min(most, max(model.batch_tokens, length))
    if most < length:
        return [WORD * max(most // 4, 1)]  # beside a prompt
    return [f"{i}{WORD * length}" for i in range(most // length)]
