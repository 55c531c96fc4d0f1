"""Reranker: a query and documents in, the documents with their scores out, best first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from youtu_st.backends import Backend, Dtype, Weights
from youtu_st.errors import InputError
from youtu_st.inference.outputs import ScoreOutput
from youtu_st.inference.requests import Steps
from youtu_st.inference.truncation import Truncation
from youtu_st.inference.unique import Unique
from youtu_st.inference.unread import Unknown
from youtu_st.inputs import check_count, check_texts, one_of, split_devices
from youtu_st.protocol import Scores
from youtu_st.rerank.described import DescribedReranker
from youtu_st.spec.prompts import each_instruction
from youtu_st.spec.reranker import RERANKERS

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document and how well it answers the query.

    Attributes:
        index: Its position in what the caller passed.
        score: Higher is better; from 0 to 1, the probability of "yes", where the model is a language model.
        document: The document.
    """

    index: int
    score: float
    document: str


class Reranker(DescribedReranker):
    """Reads a query together with each document, which is slower and more exact than comparing vectors.

    Safe to call from many threads.

    Args:
        model: A name that ``youtu-st models`` lists as a reranker, a spec's YAML file, a directory or hub id
            of any cross-encoder that sentence-transformers loads, a directory that :func:`youtu_st.export`
            wrote, or a loaded ``CrossEncoder``.
        checkpoint: Weights for a name or a YAML file: a transformers directory or a hub id.
        backend: What runs the network: ``torch``; or ``onnx`` or ``openvino`` (a CPU's): the model is
            exported at first, see :func:`youtu_st.export`, and from then on opened without torch.
        weights: ``int8``: weights rounded to eight bits, with ``openvino`` or ``onnx``; ``int8-dynamic``:
            activations too, with ``onnx``.
        dtype: ``auto``: the checkpoint's own, but float32 for weights of half precision that the device has
            no instructions for; or a dtype's name.
        device: ``cpu``, ``cuda``, ...; None: the best there is. A list: a copy of the model on each device,
            and batches go to whichever is free.
        max_length: Tokens to read of a pair, its template included. None: the model's own.
        split_special_tokens: Read special tokens that stand in a query or a document, such as
            ``<|im_end|>``, and those of the template, as the characters that they are written with. What the
            template itself says, an instruction included, stays as it is. False: as the model was saved, or
            its spec says.
        truncation: What happens to longer pairs: ``warn`` (the document is cut, with one
            :class:`~youtu_st.errors.TruncationWarning` a call), ``error`` or ``ignore``.
        unknown: What happens to texts of which the vocabulary cannot read a tenth or more, such as Chinese
            with a model of English: ``warn`` (one :class:`~youtu_st.errors.UnknownTokenWarning` a call),
            ``error`` or ``ignore``.
        batch_tokens: Padded tokens that go through the network at once; None: chosen from the device and the
            size of the layers. Halved whenever the device has too little memory for a batch.
        trust_remote_code: Run code that the checkpoint brings.
        hub: Passed on to ``huggingface_hub``: ``revision``, ``cache_dir``, ``token``, ``local_files_only``.

    Pickling keeps the settings: whoever unpickles them gets :meth:`shared`, not a copy of the weights.

    Raises:
        UnknownModelError: If nothing goes by that name.
        SpecError: If the spec is wrong.
        ModelLoadError: If the weights are absent or are not the model's, if it gives more than one score a
            pair, or if it is a language model and nothing says which template it was trained with.
        InputError: If an argument is none of what it may be, or special tokens cannot be split with the
            model's tokenizer.
    """

    _host = "CrossEncoder"
    _registry = RERANKERS
    _remedy = (
        "move or cast it with its own .to(...), set its own .max_seq_length, and give split_special_tokens "
        "where it is loaded: Reranker(NAME or DIRECTORY)"
    )

    def __init__(
        self,
        model: str | Path | CrossEncoder,
        *,
        checkpoint: str | Path | None = None,
        backend: Backend = "torch",
        weights: Weights | None = None,
        dtype: Dtype = "auto",
        device: str | Sequence[str] | None = None,
        max_length: int | None = None,
        split_special_tokens: bool = False,
        truncation: Truncation = "warn",
        unknown: Unknown = "warn",
        batch_tokens: int | None = None,
        trust_remote_code: bool = False,
        hub: Mapping[str, Any] | None = None,
    ) -> None:
        one_of("backend", backend, get_args(Backend))
        if weights is not None:
            one_of("weights", weights, get_args(Weights))
        if backend != "torch" and split_devices(device)[1]:
            raise InputError(f"several devices are for backend='torch'; {backend} uses all of the processor")
        to_load = {
            "checkpoint": checkpoint,
            "backend": backend,
            "weights": weights,
            "dtype": dtype,
            "device": device,
            "max_length": max_length,
            "split_special_tokens": split_special_tokens,
            "trust_remote_code": trust_remote_code,
            "hub": hub,
        }
        super().__init__(
            model, to_load, {"truncation": truncation, "unknown": unknown, "batch_tokens": batch_tokens}
        )

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        k: int | None = None,
        instruction: str | None = None,
        show_progress: bool = False,
    ) -> list[Ranked]:
        """The documents, best first; those of equal score in the order in which they were passed.

        Args:
            query: What the documents are to answer.
            documents: A list of str; empty gives an empty list.
            k: How many to give. None: all.
            instruction: A task description. None: the model's own.
            show_progress: Show a progress bar after two seconds.

        Raises:
            InputError: Before any work, if the query or a document is blank or no str, ``k`` is less than 1,
                the model takes no instructions, a pair is too long under ``truncation="error"``, or the query
                leaves no room for a document.
            NonFiniteError: If the network gives a score that is not finite, in float32 too.
            OutOfMemoryError: If one pair alone is too much for the device.
        """
        if not isinstance(query, str):
            raise InputError(f"query must be a str, not {type(query).__name__}: rank_many takes several")
        if instruction is not None and not isinstance(instruction, str):
            raise InputError(f"instruction must be a str, not {type(instruction).__name__}")
        asked, texts = check_texts([query], noun="query"), [check_texts(documents, noun="document")]
        shown = {"name": "document {1}", "show_progress": show_progress}
        return self._rank(asked, texts, [instruction], k=k, shown=shown)[0]

    def rank_many(
        self,
        queries: Sequence[str],
        documents: Sequence[Sequence[str]],
        *,
        k: int | None = None,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> list[list[Ranked]]:
        """:meth:`rank` for several queries, each with documents of its own, in shared batches.

        Args:
            queries: A list of str.
            documents: For each query, a list of str.
            k: How many to give for each query. None: all.
            instruction: One for all queries, or one per query.
            show_progress: Show a progress bar after two seconds.

        Raises:
            InputError: As for :meth:`rank`, or if there are not as many lists as queries.
        """
        asked = check_texts(queries, noun="query")
        if isinstance(documents, str) or not isinstance(documents, Sequence) or len(documents) != len(asked):
            many = len(documents) if isinstance(documents, Sequence) else type(documents).__name__
            raise InputError(f"{len(asked)} queries need {len(asked)} lists of documents, not {many}")
        texts = [check_texts(each, noun=f"query {i}: document") for i, each in enumerate(documents)]
        shown = {"name": "query {0}: document {1}", "show_progress": show_progress}
        told = each_instruction(instruction, len(asked), "queries")
        return self._rank(asked, texts, told, k=k, shown=shown)

    def score(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Scores:
        """The score of each pair.

        Args:
            pairs: ``(query, document)``.
            instruction: One for all pairs, or one per pair.
            show_progress: Show a progress bar after two seconds.

        Returns:
            Shape ``(len(pairs),)``, float32, input order.

        Raises:
            InputError: As for :meth:`rank`, or if one is no pair.
        """
        if isinstance(pairs, str) or not isinstance(pairs, Sequence):
            raise InputError(f"pairs must be a list of (query, document), not {type(pairs).__name__}")
        for position, pair in enumerate(pairs):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise InputError(f"pair {position} must be (query, document), not {pair!r:.60}")
        queries = check_texts([query for query, _ in pairs], noun="query of pair")
        documents = check_texts([document for _, document in pairs], noun="document of pair")
        told = each_instruction(instruction, len(pairs), "pairs")
        name = "document of pair {}".format
        return self._scores(queries, documents, told, name=name, show_progress=show_progress, stacklevel=3)

    def request(self, query: str, documents: Sequence[str], *, instruction: str | None = None) -> Steps:
        """A call for a :class:`~youtu_st.inference.scheduler.Scheduler`, read when that asks for it.

        Args:
            query: As for :meth:`rank`.
            documents: As for :meth:`rank`.
            instruction: As for :meth:`rank`.

        Yields:
            Tokens so far, after each step but the last; then the request, whose rows are the documents'
            scores.

        Raises:
            InputError: As for :meth:`rank`.
        """
        asked, texts = check_texts([query], noun="query"), check_texts(documents, noun="document")
        told = each_instruction(instruction, 1, "queries")
        heads = self._subject.preprocessor.heads(asked * len(texts), told * len(texts))
        yield from self.lane.read(
            Unique.of(texts, heads), ScoreOutput(), self._report(name="document {}".format)
        )

    def _rank(
        self,
        queries: Sequence[str],
        documents: Sequence[list[str]],
        instructions: Sequence[str | None],
        *,
        k: int | None,
        shown: Mapping[str, Any],
    ) -> list[list[Ranked]]:
        if k is not None:
            check_count("k", k)
        places = [(q, d) for q, texts in enumerate(documents) for d in range(len(texts))]
        scores = self._scores(
            [queries[q] for q, _ in places],
            [documents[q][d] for q, d in places],
            [instructions[q] for q, _ in places],
            name=lambda position: shown["name"].format(*places[position]),
            show_progress=shown["show_progress"],
            stacklevel=4,
        )
        ranked: list[list[Ranked]] = [[] for _ in queries]
        for (q, d), score in zip(places, scores.tolist(), strict=True):
            ranked[q].append(Ranked(d, score, documents[q][d]))
        return [sorted(each, key=lambda one: -one.score)[:k] for each in ranked]  # stable on ties

    def _scores(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        instructions: Sequence[str | None],
        *,
        name: Callable[[int], str],
        show_progress: bool,
        stacklevel: int,
    ) -> Scores:
        pairs = Unique.of(documents, self._subject.preprocessor.heads(queries, instructions))
        report = self._report(name=name)
        shown = {"total": len(documents), "show_progress": show_progress, "unit": "pair"}
        scores = self._pipeline.run_all(pairs, ScoreOutput(), report, **shown)
        report.warn(stacklevel=stacklevel)
        return scores
