"""The fixed texts, and the one cosine from which two encoders are the same."""

from __future__ import annotations

from contextvars import ContextVar

import numpy as np
import numpy.typing as npt

from youtu_st.inputs import unit_rows
from youtu_st.protocol import TextEncoder, Vectors

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
