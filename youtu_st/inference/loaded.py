"""A model and the pipeline it runs in: what an encoder and a reranker have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args

from youtu_st.backends import Dtype
from youtu_st.errors import InputError
from youtu_st.inference.batches import Totals
from youtu_st.inference.devices import DevicePool
from youtu_st.inference.lanes import ModelLane
from youtu_st.inference.pipeline import Pipeline
from youtu_st.inference.report import Report
from youtu_st.inference.runner import Runner
from youtu_st.inference.scheduler import Scheduler
from youtu_st.inference.subject import Subject
from youtu_st.inference.truncation import Truncation
from youtu_st.inference.unread import Unknown
from youtu_st.inputs import check_count, one_of, split_devices
from youtu_st.loading.hosts import is_hosts
from youtu_st.loading.shared import OnePerProcess
from youtu_st.protocol import fingerprint
from youtu_st.spec.registry import Registry

Self = TypeVar("Self", bound="LoadedModel")


class LoadedModel(OnePerProcess, ABC):
    """A model of a host's class, by name or as it is, with its devices, its budget and its counts.

    A subclass names the host's class and the registry of names, and knows how to load and check.
    """

    _host: ClassVar[Literal["SentenceTransformer", "CrossEncoder"]]
    """The class of sentence-transformers whose objects are taken as they are."""
    _registry: ClassVar[Registry[Any]]
    _specs: ClassVar[tuple[type[Any], ...]] = ()
    """What else than a name loads a model: a spec that a program has made."""
    _remedy: ClassVar[str]
    """What to do with a loaded model instead of passing settings for one to be loaded."""

    _subject: Subject
    truncation: Truncation
    unknown: Unknown

    def __init__(self, model: Any, to_load: Mapping[str, Any], runs: Mapping[str, Any]) -> None:
        """For subclasses, with the arguments of their own constructors.

        Args:
            model: A name, or an object of the host's class.
            to_load: Arguments for loading; ``dtype`` and ``device`` among them.
            runs: Arguments for running; ``truncation``, ``unknown`` and ``batch_tokens`` among them.
        """
        first, others = split_devices(to_load["device"])
        self._settings: dict[str, Any] | None = None
        one_of("dtype", to_load["dtype"], get_args(Dtype))
        one_of("truncation", runs["truncation"], get_args(Truncation))
        one_of("unknown", runs["unknown"], get_args(Unknown))
        if runs["batch_tokens"] is not None:
            check_count("batch_tokens", runs["batch_tokens"])
        if is_hosts(model, self._host):
            given = [name for name, value in to_load.items() if value not in (None, "auto", False, "torch")]
            if given:
                raise InputError(
                    f"{', '.join(given)}: for a model to be loaded, and this one is; {self._remedy}"
                )
            self._name = str(model.model_card_data.base_model or "loaded model")
            self._subject = self._as_it_is(model)
        else:
            if not isinstance(model, (str, Path, *self._specs)):
                raise InputError(
                    "model must be a name, a directory, a hub id, a YAML file, "
                    f"{''.join(f'a {kind.__name__} ' for kind in self._specs)}or a "
                    f"{self._host}, not {type(model).__name__}"
                )
            self._subject = self._load(model, {**to_load, "device": first})
            self._name = self._registry.canonical_name(model)
            given_as = model if isinstance(model, self._specs) else self._name
            self._settings = {"model": given_as, **to_load, **runs}
        self.truncation, self.unknown = runs["truncation"], runs["unknown"]
        budget = runs["batch_tokens"] or self._subject.batch_tokens
        pool = DevicePool(self._subject.networks(others))
        self._runner = Runner(self._subject.preprocessor, pool, budget)
        self._pipeline = Pipeline(self._runner)

    @abstractmethod
    def _load(self, name: Any, settings: Mapping[str, Any]) -> Any:
        """The model that goes by a name, or that a spec declares."""

    @abstractmethod
    def _as_it_is(self, model: Any) -> Any:
        """A model that was handed in; raises if it is not fit for this."""

    @classmethod
    def shared(cls: type[Self], model: Any, **settings: Any) -> Self:
        """The one object of this process for a model and settings: loaded once, whoever asks first.

        Args:
            model: As for the class itself.
            **settings: As for the class itself.
        """
        arguments = {"model": model, **settings}
        if isinstance(model, (str, Path, *cls._specs)):
            return cls._one(cls._registry.key(model), arguments, keep=True)
        return cls._one(id(model), arguments, keep=False)

    @property
    def model_name(self) -> str:
        """What this was made from: a name, a hub id, or the whole path of a directory or file.

        Of a spec that a program has made, the spec's own name.
        """
        return self._name

    @property
    @abstractmethod
    def identity(self) -> dict[str, str]:
        """The named parts that decide what a result means; not dtype, device or backend."""

    @property
    def max_length(self) -> int | None:
        """Tokens that the network reads, prompt or template and special tokens included."""
        return self._subject.max_length

    @property
    def fingerprint(self) -> str:
        """Short and stable over :attr:`identity`: another weight, prompt or rule changes it."""
        return fingerprint(self.identity)

    @property
    def runtime(self) -> dict[str, str]:
        """How it runs: ``backend``, ``dtype``, ``device``, and ``weights`` where they are rounded.

        Changes the last digits of a result only.
        """
        return dict(self._runner.pool.networks[0].runtime)

    @property
    def batch_tokens(self) -> int:
        """Padded tokens that go through the network at once."""
        return self._runner.batch_tokens

    @property
    def batches_at_once(self) -> int:
        """Batches that the devices compute side by side: one on a CPU."""
        return self._runner.pool.at_once

    @property
    def totals(self) -> Totals:
        """What was done so far: texts (or pairs), tokens, batches, and how much of it was padding."""
        return self._runner.counter.totals

    @cached_property
    def lane(self) -> ModelLane:
        """This model for a :class:`~youtu_st.inference.scheduler.Scheduler` that others share."""
        return ModelLane(self._runner, self.model_name)

    @cached_property
    def scheduler(self) -> Scheduler:
        """What asynchronous callers of this object share: their texts go in common batches."""
        return Scheduler(workers=self.batches_at_once)

    def _report(self, **named: Any) -> Report:
        return Report(self.truncation, self.unknown, self.max_length, **named)
