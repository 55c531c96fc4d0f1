"""What is judged on a data set: a model, an index, saved results, or a setting on the first model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from youtu_st.cli.console import UsageError, absolute_model, count, say
from youtu_st.cli.loaded import load_encoder, load_reranker
from youtu_st.errors import IndexNotFoundError

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder
    from youtu_st.evaluation.data.retrieval import RetrievalData
    from youtu_st.evaluation.retrieval.dense import Encoded
    from youtu_st.evaluation.retrieval.results import Ranking, Results
    from youtu_st.evaluation.retrieval.settings import Setting
    from youtu_st.index import Manifest

Kind = Literal["model", "index", "file", "setting"]
_ON_AN_INDEX = "rerank"


@dataclass(frozen=True, slots=True)
class System:
    """One of them, as the user names it."""

    kind: Kind
    text: str

    @classmethod
    def of(cls, text: str) -> System:
        """What a word means, checked before anything is loaded.

        Raises:
            InputError: If it is a setting that there is not, or has a wrong value.
            UnknownModelError: If it is nothing of all that.
        """
        from youtu_st.evaluation.retrieval.settings import is_setting, read_setting
        from youtu_st.index.storage.files import MANIFEST
        from youtu_st.spec.registry import is_yaml
        from youtu_st.spec.reranker import RERANKERS

        path = Path(text).expanduser()
        if (path / MANIFEST).is_file():
            return cls("index", text)
        if path.is_file() and not is_yaml(text):
            return cls("file", text)
        if is_setting(text) and not path.exists():
            if (reranker := read_setting(text).rerank) is not None:
                RERANKERS.resolve(reranker)
            return cls("setting", text)
        absolute_model(text)
        return cls("model", text)

    @classmethod
    def index(cls, path: Path) -> System:
        """An index.

        Raises:
            UsageError: If there is none.
        """
        _manifest(path)
        return cls("index", str(path))


@dataclass(frozen=True, slots=True)
class Options:
    """How all of them are run."""

    checkpoint: str | None = None
    trust_remote_code: bool = False
    instruction: str | None = None
    document_key: str | None = None
    ignore_identical: bool = False


class Systems:
    """Runs them on a data set. A model encodes once, whatever is then done with its vectors."""

    def __init__(self, data: RetrievalData, base: System, options: Options) -> None:
        self._data, self._base, self._options = data, base, options
        self._encoders: dict[tuple[str, str | None, bool], Encoder] = {}
        self._encoded: dict[tuple[str, str | None, int | None], Encoded] = {}
        self._files: dict[str, Results] = {}
        self._first: Mapping[str, Ranking] = {}

    def check(self, others: Sequence[System]) -> None:
        """Refuse files that say nothing of the data, and settings that the base cannot have: before any work.

        Raises:
            UsageError: If there are settings, and the base is no model, or a key and no index.
            InputError: If a file cannot be read or is of other queries, or a value is none of the model's.
            YoutuError: If a model cannot be loaded.
        """
        if self._options.document_key is not None and "index" not in {
            one.kind for one in (self._base, *others)
        }:
            raise UsageError("--document-key is for the passages of an index, and none is named")
        self._check_files([self._base, *others])
        self._check_settings(others)
        for system in others:  # a name that is none must not cost what the base's search takes
            if system.kind == "model":
                self._encoder(system.text)

    def _check_files(self, systems: Sequence[System]) -> None:
        from youtu_st.evaluation.retrieval.comparison import check_queries
        from youtu_st.evaluation.retrieval.searching import check_known

        asked: tuple[str, Collection[str]] = (self._base.text, self._data.queries)
        for system in systems:
            if system.kind == "file":
                saved = self._saved(system)
                saved.check(self._data)
                check_known(self._data, saved.rankings, f"{system.text} is of another corpus")
                if system is self._base:
                    asked = (saved.system, saved.rankings)
                check_queries(*asked, saved.system, saved.rankings)

    def _check_settings(self, others: Sequence[System]) -> None:
        from youtu_st.corpus import passage_tokens
        from youtu_st.evaluation.retrieval.dense import check_length
        from youtu_st.evaluation.retrieval.settings import read_setting
        from youtu_st.index.nearest.vectors import VectorTable

        for other in others:
            if other.kind != "setting":
                continue
            setting = read_setting(other.text)
            given = [name for name, value in asdict(setting).items() if value is not None]
            if self._base.kind == "file" or (self._base.kind == "index" and given != [_ON_AN_INDEX]):
                can = "takes none" if self._base.kind == "file" else "takes rerank=NAME alone"
                raise UsageError(
                    f"{other.text} is a setting on a model, and {self._base.text} {can}: name the model with "
                    "--model"
                )
            if self._base.kind == "model" and given != [_ON_AN_INDEX]:
                encoder = self._encoder(self._base.text, setting.weights)
                size = check_length(setting.dimensions or encoder.dimension, encoder.dimension)
                VectorTable(setting.factory or "Flat", size)
                if setting.chunk_tokens is not None:
                    passage_tokens(encoder, setting.chunk_tokens)

    def run(self, system: System) -> Results:
        """What one of them finds.

        Raises:
            YoutuError: If it cannot be loaded, or its results say nothing of the data.
        """
        from youtu_st.evaluation.retrieval.results import Results
        from youtu_st.evaluation.retrieval.searching import check_known
        from youtu_st.evaluation.retrieval.settings import Setting, read_setting

        if system.kind == "file":
            return self._saved(system)
        if system.kind == "index":
            rankings, facts = self._of_index(Path(system.text).expanduser())
        elif system.kind == "setting":
            rankings, facts = self._of_setting(read_setting(system.text))
        else:
            rankings, facts = self._of_model(system.text, Setting())
        check_known(self._data, rankings)
        if system is self._base:
            self._first = rankings
        return Results(system.text, self._data.digest, rankings, facts)

    def _saved(self, system: System) -> Results:
        from youtu_st.evaluation.retrieval.results import read_results

        if system.text not in self._files:
            read = read_results(Path(system.text).expanduser())
            if read.system in {self._base.text, *(one.system for one in self._files.values())}:
                read = replace(read, system=f"{read.system} ({system.text})")
            if self._options.ignore_identical:
                read = replace(
                    read,
                    rankings={
                        query: [one for one in ranking if one[0] != query]
                        for query, ranking in read.rankings.items()
                    },
                )
            self._files[system.text] = read
        return self._files[system.text]

    def _of_setting(self, setting: Setting) -> tuple[Mapping[str, Ranking], dict[str, Any]]:
        from youtu_st.evaluation.retrieval.settings import Setting

        facts: dict[str, Any] = {}
        if setting == Setting(rerank=setting.rerank):
            rankings = self._first
        else:
            rankings, facts = self._of_model(self._base.text, setting)
        if setting.rerank is not None:
            rankings, reranked = self._reranked(setting.rerank, rankings)
            facts = facts | reranked
        return rankings, facts | {"setting": {k: v for k, v in asdict(setting).items() if v is not None}}

    def _of_model(self, name: str, setting: Setting) -> tuple[Mapping[str, Ranking], dict[str, Any]]:
        from youtu_st.evaluation.retrieval.searching import search

        encoder = self._encoder(name, setting.weights)
        encoded = self._vectors(name, setting)
        if setting.dimensions is not None:
            encoded = encoded.cut(setting.dimensions)
        find = encoded.find(setting.factory or "Flat")
        found = search(self._data, find, ignore_identical=self._options.ignore_identical)
        return found, _facts(encoder)

    def _of_index(self, path: Path) -> tuple[Mapping[str, Ranking], dict[str, Any]]:
        from youtu_st.cli.evaluation.passages import check_queries
        from youtu_st.evaluation.retrieval.searching import search
        from youtu_st.index import VectorIndex
        from youtu_st.protocol import SPLIT, settings_of

        manifest = _manifest(path)
        split = bool(settings_of(manifest.identity).get(SPLIT))
        encoder = self._encoder(manifest.model, split=split)
        check_queries(self._data, encoder)
        queries = encoder.encode_query(
            list(self._data.queries.values()), instruction=self._options.instruction, show_progress=True
        )
        with VectorIndex.open(path, encoder) as index:
            found = search(
                self._data,
                lambda positions, k: index.search_many(queries[list(positions)], k),
                document_key=self._options.document_key,
                ignore_identical=self._options.ignore_identical,
            )
        return found, {"index": str(path), "factory": manifest.factory, **_facts(encoder)}

    def _reranked(
        self, name: str, rankings: Mapping[str, Ranking]
    ) -> tuple[Mapping[str, Ranking], dict[str, Any]]:
        from youtu_st.evaluation.retrieval.searching import rerank

        reranker = load_reranker(name, trust_remote_code=self._options.trust_remote_code)

        def rank(queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[tuple[int, float]]]:
            told = self._options.instruction
            found = reranker.rank_many(queries, texts, instruction=told, show_progress=True)
            return [[(one.index, one.score) for one in ranked] for ranked in found]

        return rerank(self._data, rankings, rank), {"reranker": name}

    def _vectors(self, name: str, setting: Setting) -> Encoded:
        from youtu_st.cli.evaluation.passages import check_queries, split, whole
        from youtu_st.evaluation.retrieval.dense import encode

        key = (name, setting.weights, setting.chunk_tokens)
        if key not in self._encoded:
            encoder = self._encoder(name, setting.weights)
            check_queries(self._data, encoder)
            if setting.chunk_tokens is None:
                passages = whole(self._data, encoder)
                if blank := len(self._data.corpus) - len(passages.ids):
                    say("note", f"{count(blank, 'blank document')} left out: there is nothing to find")
            else:
                passages = split(self._data, encoder, setting.chunk_tokens)
            told = self._options.instruction
            self._encoded[key] = encode(encoder, self._data, passages, instruction=told, show_progress=True)
        return self._encoded[key]

    def _encoder(self, name: str, weights: str | None = None, *, split: bool = False) -> Encoder:
        key = (name, weights, split)
        if key not in self._encoders:
            self._encoders[key] = load_encoder(
                absolute_model(name),
                # A checkpoint is the base's alone: other models have weights of their own.
                checkpoint=self._options.checkpoint if self._is_base(name) else None,
                trust_remote_code=self._options.trust_remote_code,
                split_special_tokens=split,
                weights=weights,
            )
        return self._encoders[key]

    def _is_base(self, name: str) -> bool:
        return name == self._base.text or (
            self._base.kind == "index" and name == _manifest(Path(self._base.text).expanduser()).model
        )


def _facts(encoder: Encoder) -> dict[str, Any]:
    runtime = dict(encoder.runtime)
    return {"model": encoder.model_name, "fingerprint": encoder.fingerprint, "runtime": runtime}


def _manifest(path: Path) -> Manifest:
    from youtu_st.index import read_manifest

    try:
        return read_manifest(path)
    except IndexNotFoundError as error:
        raise UsageError(
            f"there is no index in {path}. Make one with: youtu-st index build PATH --out {path}"
        ) from error
