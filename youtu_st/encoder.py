"""Encoder: texts in, unit vectors out. What every adapter, index and command uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from youtu_st.backends import Backend, Dtype, Weights
from youtu_st.errors import InputError
from youtu_st.inference.described import DescribedEncoder
from youtu_st.inference.outputs import VectorOutput
from youtu_st.inference.progress import Show
from youtu_st.inference.requests import Steps
from youtu_st.inference.scheduler import LARGE
from youtu_st.inference.similarities import Compares
from youtu_st.inference.truncation import Truncation
from youtu_st.inference.unique import Unique
from youtu_st.inference.unread import Unknown
from youtu_st.inputs import check_count, check_texts, one_of, split_devices
from youtu_st.protocol import Role, Vectors
from youtu_st.protocol import TextEncoder as TextEncoder
from youtu_st.spec.model import MODELS, ModelSpec

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


BLOCK_TEXTS = 1024
"""Texts of a stream that are encoded together."""


class Encoder(DescribedEncoder, Compares):
    """One model, one definition of the prompt and of the mask, for every framework.

    Safe to call from many threads. Vectors are float32 rows of unit length, in input order.

    Args:
        model: A name that ``youtu-st models`` lists, a directory, a hub id, a spec's YAML file, a
            :class:`~youtu_st.spec.model.ModelSpec`, or a loaded ``SentenceTransformer``.
        checkpoint: Weights for a name or a YAML file, see :func:`youtu_st.load`.
        backend: What runs the network: ``torch``; or on a CPU ``openvino`` or ``onnx``: the model is
            exported at first, see :func:`youtu_st.export`, and from then on opened without torch.
        weights: ``int8``: weights rounded to eight bits, with ``openvino`` or ``onnx``; ``int8-dynamic``:
            activations too, with ``onnx``.
        dtype: ``auto``: the checkpoint's own, but float32 for weights of half precision that the device has
            no instructions for; or a dtype's name. With ``onnx`` float32 in any case; with ``openvino`` what
            it computes natively on this CPU.
        device: ``cpu``, ``cuda``, ...; None: the best there is. A list: a copy of the model on each device,
            and batches go to whichever is free.
        truncation: What happens to texts over the maximum length: ``warn`` (cut, with one
            :class:`~youtu_st.errors.TruncationWarning` a call), ``error`` or ``ignore``.
        unknown: What happens to texts of which the vocabulary cannot read a tenth or more, such as Chinese
            with a model of English: ``warn`` (one :class:`~youtu_st.errors.UnknownTokenWarning` a call),
            ``error`` or ``ignore``.
        dimensions: Length that vectors are cut to by default, see :meth:`encode_query`.
        batch_tokens: Padded tokens that go through the network at once; None: chosen from the device and the
            size of the layers. Halved whenever the device has too little memory for a batch.
        trust_remote_code: Run code that the checkpoint brings.
        prompts: Prompts that replace the model's own ``query`` and ``document``, see :func:`youtu_st.load`.
        max_length: Tokens to read, if fewer than the model's maximum.
        split_special_tokens: Read special tokens that stand in a text, such as ``[SEP]``, as the characters
            that they are written with, see :func:`youtu_st.load`.
        model_kwargs: For the network's ``from_pretrained``, see :func:`youtu_st.load`.
        hub: For downloads, see :func:`youtu_st.load`.

    Pickling keeps the settings: whoever unpickles them gets :meth:`shared`, not a copy of the weights.

    Raises:
        InputError: If an argument is none of what it may be.
        YoutuError: As for :func:`youtu_st.load`.
    """

    _host = "SentenceTransformer"
    _registry = MODELS
    _specs = (ModelSpec,)
    _remedy = (
        "move or cast it with its own .to(...), set its own .prompts and .max_seq_length, and give "
        "split_special_tokens to youtu_st.load"
    )

    def __init__(
        self,
        model: str | Path | ModelSpec | SentenceTransformer,
        *,
        checkpoint: str | Path | None = None,
        backend: Backend = "torch",
        weights: Weights | None = None,
        dtype: Dtype = "auto",
        device: str | Sequence[str] | None = None,
        truncation: Truncation = "warn",
        unknown: Unknown = "warn",
        dimensions: int | None = None,
        batch_tokens: int | None = None,
        trust_remote_code: bool = False,
        prompts: Mapping[str, str] | None = None,
        max_length: int | None = None,
        split_special_tokens: bool = False,
        model_kwargs: Mapping[str, Any] | None = None,
        hub: Mapping[str, Any] | None = None,
    ) -> None:
        one_of("backend", backend, get_args(Backend))
        if backend != "torch" and split_devices(device)[1]:
            raise InputError(f"several devices are for backend='torch'; {backend} uses all of the processor")
        to_load = {
            "checkpoint": checkpoint,
            "backend": backend,
            "weights": weights,
            "device": device,
            "dtype": dtype,
            "trust_remote_code": trust_remote_code,
            "prompts": prompts,
            "max_length": max_length,
            "split_special_tokens": split_special_tokens,
            "model_kwargs": model_kwargs,
            "hub": hub,
        }
        runs = dict(truncation=truncation, unknown=unknown, batch_tokens=batch_tokens, dimensions=dimensions)
        super().__init__(model, to_load, runs)
        self._dimension = self._subject.dimension
        self._allowed = self._subject.lengths
        self._dimension = self._size(dimensions)

    @classmethod
    def fastest(cls, model: str | Path | ModelSpec, *, rounded: bool = False, **settings: Any) -> Encoder:
        """The encoder in the fastest backend and dtype that keep its vectors on this machine.

        Measured on first use, and remembered: see :func:`youtu_st.backends.fastest.fastest`.

        Args:
            model: A name, a directory, a hub id, a YAML file or a spec.
            rounded: Measure rounded weights, too, and log what they would gain and cost: never chosen.
            **settings: As for :class:`Encoder`, but for ``backend``, ``dtype`` and ``weights``.

        Raises:
            InputError: If the model was exported, or ``settings`` holds what is to be chosen.
        """
        from youtu_st.backends.fastest import fastest
        from youtu_st.loading.manifest import check_measurable

        check_measurable(model)
        return fastest(cls, model, settings, rounded=rounded)[0]

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode queries.

        Args:
            texts: A list of str.
            instruction: A task description, put through the model's template: for all texts, or one per text.
                None is the model's own query prompt, ``""`` is no prompt.
            dimensions: Length to cut vectors to before they are scaled to unit length again; one that the
                model was trained for. None: the encoder's :attr:`dimension`.
            show_progress: Show a progress bar after two seconds.

        Returns:
            Shape ``(len(texts), dimensions)``, float32, unit rows, input order.

        Raises:
            InputError: Before any work, if ``texts`` is not a list of str, a text is blank (its position is
                named) or too long under ``truncation="error"``, the model takes no instructions, an
                instruction leaves no room for text, or ``dimensions`` is not one of the model's.
            NonFiniteError: If the network gives a vector that is not finite or zero, in float32 too.
        """
        size = self._size(dimensions)
        return self._all(texts, "query", instruction=instruction, size=size, show_progress=show_progress)

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode documents, after the model's own document prompt. Otherwise as :meth:`encode_query`."""
        size = self._size(dimensions)
        return self._all(texts, "document", instruction=instruction, size=size, show_progress=show_progress)

    def iter_encode_document(
        self,
        texts: Iterable[str],
        *,
        block_size: int = BLOCK_TEXTS,
        dimensions: int | None = None,
        show_progress: Show = False,
        total: int | None = None,
    ) -> Iterator[Vectors]:
        """Encode a corpus of any size: blocks of vectors in input order, in memory that does not grow.

        Args:
            texts: Any iterable of str, read a block at a time.
            block_size: Texts of a block.
            dimensions: As for :meth:`encode_query`.
            show_progress: Show a progress bar after two seconds; a function is called instead with how many
                more are done, as often as some are.
            total: Number of texts, for the progress bar, where it is known.

        Returns:
            Blocks of shape ``(block_size or fewer, dimensions)``, float32, unit rows.

        Raises:
            InputError: As for :meth:`encode_query`; positions count from the first text.
        """
        size, shown = self._size(dimensions), {"show_progress": show_progress, "total": total}
        return self._stream(
            texts, "document", instruction=None, size=size, block_size=block_size, shown=shown
        )

    def iter_encode_query(
        self,
        texts: Iterable[str],
        *,
        instruction: str | None = None,
        block_size: int = BLOCK_TEXTS,
        dimensions: int | None = None,
        show_progress: Show = False,
        total: int | None = None,
    ) -> Iterator[Vectors]:
        """Encode queries as :meth:`iter_encode_document` does documents, with one instruction for all."""
        size, shown = self._size(dimensions), {"show_progress": show_progress, "total": total}
        return self._stream(
            texts, "query", instruction=instruction, size=size, block_size=block_size, shown=shown
        )

    async def aencode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
    ) -> Vectors:
        """As :meth:`encode_query`, without blocking the event loop; concurrent calls share batches.

        A call that is cancelled costs nothing more: what has not entered a batch is dropped.
        """
        return await self._scheduled("query", texts, instruction, dimensions)

    async def aencode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
    ) -> Vectors:
        """As :meth:`encode_document`, without blocking the event loop; concurrent calls share batches."""
        return await self._scheduled("document", texts, instruction, dimensions)

    def request(
        self,
        role: Role,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
    ) -> Steps:
        """A call for a :class:`~youtu_st.inference.scheduler.Scheduler`, read when that asks for it.

        Args:
            role: ``query`` or ``document``.
            texts: As for :meth:`encode_query`.
            instruction: As for :meth:`encode_query`.
            dimensions: As for :meth:`encode_query`.

        Yields:
            Tokens so far, after each step but the last; then the request.

        Raises:
            InputError: As for :meth:`encode_query`.
        """
        one_of("role", role, get_args(Role))
        output = VectorOutput(role, (self._size(dimensions),))
        checked = check_texts(texts)
        unique = Unique.of(checked, self._subject.prompts_for(role, instruction, len(checked)))
        yield from self.lane.read(unique, output, self._report(model=self.model_name))

    async def _scheduled(
        self,
        role: Role,
        texts: Sequence[str],
        instruction: str | Sequence[str | None] | None,
        dimensions: int | None,
    ) -> Vectors:
        steps = self.request(role, texts, instruction=instruction, dimensions=dimensions)
        given = texts if isinstance(texts, list | tuple) else ()  # anything else is refused by the steps
        characters = sum(len(text) for text in given if isinstance(text, str))
        request = await self.scheduler.read(steps, large=characters > LARGE)
        vectors = await self.scheduler.run(request)
        request.noticed.warn(stacklevel=3)
        return vectors

    def _all(
        self, texts: Sequence[str], role: Role, *, instruction: Any, size: int, show_progress: bool
    ) -> Vectors:
        checked = check_texts(texts)
        unique = Unique.of(checked, self._subject.prompts_for(role, instruction, len(checked)))
        report = self._report(model=self.model_name)
        vectors = self._pipeline.run_all(
            unique, VectorOutput(role, (size,)), report, total=len(checked), show_progress=show_progress
        )
        report.warn(stacklevel=3)
        return vectors

    def _stream(
        self,
        texts: Iterable[str],
        role: Role,
        *,
        instruction: str | None = None,
        size: int,
        block_size: int,
        shown: Mapping[str, Any],
    ) -> Iterator[Vectors]:
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise InputError(f"texts must be an iterable of str, not {type(texts).__name__}")
        check_count("block_size", block_size)
        output = VectorOutput(role, (size,))
        blocks = Unique.stream(texts, self._subject.prompts_for(role, instruction, 1)[0], block_size)

        # A function of its own, so that wrong arguments are an error at the call, not at the first block.
        def run() -> Iterator[Vectors]:
            report = self._report(model=self.model_name)
            try:
                yield from self._pipeline.run(blocks, output, report, **shown)
            finally:
                report.warn(stacklevel=2)

        return run()
