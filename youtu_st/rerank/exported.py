"""An exported reranker as a pipeline takes it: the same template, lengths and fingerprint, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from youtu_st.backends.graphs.opening import open_graph
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.inference.exported_model import ExportedModel, check_settings
from youtu_st.inputs import check_max_length
from youtu_st.loading.manifest import read_manifest, reader_of
from youtu_st.modules.reader import PROBES, FastReader
from youtu_st.modules.splitting import check_split
from youtu_st.modules.texts import Texts
from youtu_st.protocol import SPLIT, canonical, digest
from youtu_st.protocol import fingerprint as fingerprint_of
from youtu_st.rerank.fast_pairs import FastPairs
from youtu_st.rerank.manifest import RerankerManifest
from youtu_st.rerank.pairs import PairPreprocessor, TemplatePairs
from youtu_st.rerank.texts import PairTexts
from youtu_st.spec.model import ModuleSettings
from youtu_st.spec.registry import expanded
from youtu_st.spec.reranker import Template


class ExportedReranker(ExportedModel):
    """What :func:`youtu_st.export` wrote of a reranker, opened.

    Args:
        path: The directory.
        max_length: Tokens to read of a pair; None: as exported.
        split_special_tokens: Read special tokens of a query or a document as characters; False: as exported.
        manifest: As it has just been read; None: it is read here.
        device: ``cpu``; with ONNX Runtime ``cuda``, ``cuda:1``, ... too. None: ``cpu``.

    Raises:
        ModelLoadError: If the directory is not as it was written, or its engine cannot read the graph, or
            does not run on the device.
        MissingDependencyError: If the engine is not installed.
        InputError: If a setting is not what it may be.
    """

    manifest: RerankerManifest

    def __init__(
        self,
        path: str | Path,
        *,
        max_length: int | None = None,
        split_special_tokens: bool = False,
        manifest: RerankerManifest | None = None,
        device: str | None = None,
    ) -> None:
        self._path = expanded(path)
        self.manifest = manifest = manifest or read_manifest(path, RerankerManifest)
        self.max_length = manifest.max_length
        if max_length is not None:
            self.max_length = check_max_length(max_length, manifest.context)
        self._splits = split_special_tokens or SPLIT in manifest.identity
        self.preprocessor = self._preprocessor()
        self._graph = open_graph(manifest.engine, self._path, device=device)

    @classmethod
    def opened(
        cls, path: str | Path, settings: Mapping[str, Any], *, kept: RerankerManifest | None = None
    ) -> ExportedReranker:
        """A directory, with the settings that :class:`~youtu_st.rerank.Reranker` was given.

        Args:
            path: The directory.
            settings: As :class:`~youtu_st.rerank.Reranker` has them.
            kept: The manifest, where it was exported for these settings.

        Raises:
            InputError: If one of them is for a model that is loaded, and not for what was exported of one.
            YoutuError: As for the class itself.
        """
        found = cls(
            path,
            max_length=settings["max_length"],
            split_special_tokens=settings["split_special_tokens"],
            manifest=kept,
            device=settings["device"],
        )
        if kept is None:
            manifest = found.manifest
            # Torch is what is not given.
            check_settings(settings, backend=("torch", manifest.engine), weights=(None, manifest.weights))
        return found

    @cached_property
    def _loaded(self) -> Any:
        from youtu_st.rerank.hosted import HostedReranker
        from youtu_st.rerank.loading import load

        manifest = self.manifest
        split = SPLIT in manifest.identity
        loaded = load(manifest.model, manifest.checkpoint, device="cpu", split_special_tokens=split)
        loaded.max_seq_length = manifest.max_length
        if fingerprint_of(HostedReranker(loaded).identity) != manifest.fingerprint:
            raise ModelLoadError(
                f"{manifest.model!r} is another model now than the one that was exported into {self._path}"
            )
        return loaded

    @property
    def takes_instructions(self) -> bool:
        """Whether the model's template has a place for a task description."""
        template = self.manifest.template
        return template is not None and template.instruction is not None

    @property
    def identity(self) -> dict[str, str]:
        """The exported model's, with the settings that are others here."""
        split = {SPLIT: "true"} if self._splits else {}
        tokenizer = {} if self._tokenizer is None else {"tokenizer": self._tokenizer}
        return {**self.manifest.identity, "max_length": str(self.max_length), **tokenizer, **split}

    _tokenizer: str | None = None
    """The digest of a tokenizer that splits, where the exported one does not."""

    def _preprocessor(self) -> PairPreprocessor:
        reader, manifest = reader_of(self._path, self.manifest.tokenizer), self.manifest
        if manifest.template is not None and manifest.settings is not None:
            settings = manifest.settings.model_copy(update={"split_special_tokens": self._splits})
            template = Template(**manifest.template.model_dump(exclude={"true_token", "false_token"}))
            side = manifest.padding_side
            pairs = PairTexts.of(settings, reader, self.max_length, template=template, padding_side=side)
            self._check_template(pairs)
            return TemplatePairs(pairs)
        if self._splits and not manifest.tokenizer.splits_special_tokens:
            reader = _splitting(reader, manifest.prompt)
            vocabulary = sorted(reader.backend_tokenizer.get_vocab().items())
            self._tokenizer = digest(canonical([vocabulary, reader.ids(PROBES)]).encode())
        texts = Texts.of(ModuleSettings(), reader, self.max_length, padding_side=manifest.padding_side)
        return FastPairs(texts, reader, manifest.prompt)

    def _check_template(self, pairs: PairTexts) -> None:
        limit = self.max_length
        if limit is not None and limit <= pairs.template_tokens:
            raise InputError(
                f"max_length is {limit}, and the template takes {pairs.template_tokens} tokens before and "
                "after every pair: no room for one"
            )


def _splitting(reader: FastReader, prompt: str) -> FastReader:
    """A tokenizer that reads special tokens of texts as characters; the one that is given does so too.

    Raises:
        InputError: If it does not, or would do it to the prompt.
    """
    facts = reader.facts.now().model_copy(update={"splits_special_tokens": True})
    backend = reader.backend_tokenizer
    splitting = FastReader(backend, facts, reader.name)
    added = backend.get_added_tokens_decoder()
    special = {i: token.content for i, token in added.items() if token.special}
    check_split(special, [prompt], lambda text: splitting.own_ids([text])[0], facts.unknown_id)
    return splitting
