"""The fixed texts, the one cosine from which two encoders are the same, and what is written down of one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from youtu_st.errors import brief
from youtu_st.inputs import unit_rows
from youtu_st.protocol import TextEncoder, Vectors, fingerprint

PROBE_COSINE = 0.999
"""Least cosine between the vectors that two encoders give one text for the two to count as one."""

# For indexes: every manifest keeps these with their vectors, so that they cannot change.
PROBE_TEXTS = (
    "What is the capital of France?",
    "今天天气怎么样?",
    "An index keeps the vectors of its documents, so that a question finds the passages that answer it.",
    "向量索引保存文档的向量,使一个问题能够找到回答它的段落,无论它们用哪种语言写成。",
)

# For examining an encoder: many languages, line breaks, a leading space, code. Nothing keeps them.
QUERIES = (
    "What is the capital of France?",
    "北京的天气怎么样？",
    "東京駅から成田空港までどうやって行きますか。",
    "ما هي أعراض نقص فيتامين د؟",
    " how do I renew my passport",
    "Welche Pflanzen\nvertragen viel Schatten?",
    "What does 🦀 mean in a commit message?",
    "def fibonacci(n: int) -> int:",
)
DOCUMENTS = (
    "Paris is the capital and the largest city of France.",
    "北京今天晴，最高气温二十六度，傍晚有微风。",
    "成田エクスプレスを使えば、東京駅から約一時間で到着します。",
    "يسبب نقص فيتامين د التعب وآلام العظام وضعف العضلات.",
    "To renew a passport:\n\n1. Fill in form DS-82.\n2. Enclose two photographs.\n3. Send both by post.",
    "Farne, Funkien und Efeu gedeihen auch dort, wo kaum Sonne hinkommt 🌿🌱.",
    "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
    " ".join(
        f"Item {number}: the committee met, and put it off again. 第{number}项：委员会听取报告后再次推迟。"
        for number in range(1, 26)
    ),
)
"""The last one is long: beyond the 256 or 512 tokens that some servers stop at unless told otherwise, and
within the 2,000 characters that Tencent Cloud takes."""

SHORT = (("query", QUERIES[0]), ("query", QUERIES[1]), ("document", DOCUMENTS[0]), ("document", DOCUMENTS[1]))
"""Role and text of those that are shown token by token."""


PROBING: ContextVar[bool] = ContextVar("PROBING", default=False)
"""Whether what is encoded now are texts of this module: nobody is told that a model does not read them."""


def encode_probes(encoder: TextEncoder, texts: tuple[str, ...]) -> tuple[Vectors, Vectors]:
    """The encoder's unit vectors of some texts, as queries and as documents.

    Raises:
        InputError: If they are of another shape, or one of them has no direction.
    """
    shape = (len(texts), encoder.dimension)
    before = PROBING.set(True)
    try:
        query = unit_rows(encoder.encode_query(list(texts)), shape, "the encoder's query vectors")
        document = unit_rows(encoder.encode_document(list(texts)), shape, "the encoder's document vectors")
    finally:
        PROBING.reset(before)
    return query, document


def cosines(left: Vectors, right: Vectors) -> npt.NDArray[np.float64]:
    """The cosine of each row and its counterpart, shape ``(n,)``; both are unit rows ``(n, dimension)``."""
    found: npt.NDArray[np.float64] = np.einsum("ij,ij->i", left, right, dtype=np.float64)
    return found


def lowest_cosine(left: Vectors, right: Vectors) -> float:
    """The lowest of :func:`cosines`: at least :data:`PROBE_COSINE`, and the two encoders are the same."""
    return float(cosines(left, right).min())


Self = TypeVar("Self", bound="EncoderRecord")

_KINDS: dict[str, type] = {
    "model": str,
    "fingerprint": str,
    "identity": dict,
    "runtime": dict,
    "dimension": int,
}


@dataclass(frozen=True, slots=True)
class EncoderRecord:
    """What is written down of an encoder beside the vectors that it made.

    Attributes:
        model: What to pass to get it again.
        fingerprint: Equal exactly where vectors mean the same.
        identity: The parts that the fingerprint is made of.
        runtime: How it ran, which changes a vector's last digits only.
        dimension: Length of a vector.
        probe_texts: Texts that another encoder can be compared on.
        query_probes: Its own vectors of these, as queries: shape ``(len(probe_texts), dimension)``, float32.
        document_probes: The same, as documents.
    """

    model: str
    fingerprint: str
    identity: Mapping[str, str]
    runtime: Mapping[str, str]
    dimension: int
    probe_texts: tuple[str, ...]
    query_probes: Vectors
    document_probes: Vectors

    @classmethod
    def of(cls: type[Self], encoder: TextEncoder, **further: Any) -> Self:
        """The record of an encoder; encodes the probe texts.

        Args:
            encoder: The encoder.
            **further: Fields that a subclass has beside these.
        """
        query, document = encode_probes(encoder, PROBE_TEXTS)
        return cls(
            model=encoder.model_name,
            fingerprint=encoder.fingerprint,
            identity=dict(encoder.identity),
            runtime=dict(encoder.runtime),
            dimension=encoder.dimension,
            probe_texts=PROBE_TEXTS,
            query_probes=query,
            document_probes=document,
            **further,
        )

    def values(self) -> dict[str, Any]:
        """The record as values that JSON has, vectors as base64 of their bytes."""
        probes = {
            "texts": list(self.probe_texts),
            "query": _pack(self.query_probes),
            "document": _pack(self.document_probes),
        }
        return {**{name: getattr(self, name) for name in _KINDS}, "probes": probes}

    @classmethod
    def parse(cls: type[Self], values: Mapping[str, Any], **further: Any) -> Self:
        """The record in what :meth:`values` gave.

        Args:
            values: Whatever somebody has written there.
            **further: Fields that a subclass has beside these.

        Raises:
            ValueError: If a value is not what it may be; or KeyError, if one is missing, or TypeError.
        """
        for name, kind in _KINDS.items():
            value = values[name]
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f'"{name}" is {brief(value)}, not of type {kind.__name__}')
        if values["dimension"] < 1:
            raise ValueError(f'"dimension" is {values["dimension"]}, less than 1')
        probes = values["probes"]
        texts = tuple(str(text) for text in probes["texts"])
        shape = (len(texts), values["dimension"])
        return cls(
            **{name: values[name] for name in _KINDS},
            probe_texts=texts,
            query_probes=_unpack(probes["query"], shape),
            document_probes=_unpack(probes["document"], shape),
            **further,
        )

    def differences(self, encoder: TextEncoder, *, what: str) -> list[str]:
        """What an encoder is otherwise, a line each; none: its vectors mean what the recorded one's mean.

        Where only ``runtime`` (dtype, device, backend) differs, the probe texts are encoded and decide. The
        identity, which an encoder may have to work out, is asked for once.

        Args:
            encoder: The encoder.
            what: What the record belongs to, for the lines: ``index``.
        """
        mine, theirs = dict(self.identity), dict(encoder.identity)
        found = [
            f"{part}: {what} has {mine.get(part, 'none')}, encoder has {theirs.get(part, 'none')}"
            for part in sorted(mine.keys() | theirs.keys())
            if mine.get(part) != theirs.get(part)
        ]
        found += self._other_length(encoder, what)
        if not found and self.fingerprint != fingerprint(theirs):
            told = encoder.fingerprint  # not over the identity, for an encoder from elsewhere
            if self.fingerprint != told:
                found.append(f"fingerprint: {what} has {self.fingerprint}, encoder has {told}")
        if found or dict(self.runtime) == dict(encoder.runtime):
            return found
        return self.other_vectors(encoder, what=what)

    def other_vectors(self, encoder: TextEncoder, *, what: str) -> list[str]:
        """As :meth:`differences`, whatever an encoder says it is: its vectors of the probe texts decide."""
        if found := self._other_length(encoder, what):
            return found
        query, document = encode_probes(encoder, self.probe_texts)
        for role, new, stored in (
            ("query", query, self.query_probes),
            ("document", document, self.document_probes),
        ):
            lowest = lowest_cosine(new, stored)
            if lowest < PROBE_COSINE:
                found.append(
                    f"{role} probes: lowest cosine {lowest:.4f}, at least {PROBE_COSINE} is needed "
                    f"(runtime: {what} has {_words(self.runtime)}, encoder has {_words(encoder.runtime)})"
                )
        return found

    def _other_length(self, encoder: TextEncoder, what: str) -> list[str]:
        if self.dimension == encoder.dimension:
            return []
        return [f"dimension: {what} has {self.dimension}, encoder has {encoder.dimension}"]


def _words(parts: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in parts.items()) or "none"


def _pack(vectors: Vectors) -> str:
    return base64.b64encode(vectors.astype("<f4").tobytes()).decode()


def _unpack(text: Any, shape: tuple[int, int]) -> Vectors:
    data = base64.b64decode(text, validate=True)
    return np.frombuffer(data, dtype="<f4").reshape(shape).astype(np.float32)
