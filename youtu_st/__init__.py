"""One encoder for instruction-tuned embedding models: the same, right vector everywhere.

    >>> import youtu_st
    >>> encoder = youtu_st.Encoder("minilm")
    >>> queries = encoder.encode_query(["How is the weather?"])
    >>> documents = encoder.encode_document(["It is sunny.", "He drove to the stadium."])
    >>> encoder.similarity(queries, documents).shape
    (1, 2)

Names are imported on first use, so that ``import youtu_st`` loads neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder as Encoder
    from youtu_st.errors import YoutuError as YoutuError
    from youtu_st.loading.loader import convert as convert
    from youtu_st.loading.loader import load as load
    from youtu_st.modules.pooling import InstructionMaskedPooling as InstructionMaskedPooling
    from youtu_st.modules.transformer import InstructionTransformer as InstructionTransformer
    from youtu_st.protocol import TextEncoder as TextEncoder
    from youtu_st.rerank.exports import export as export
    from youtu_st.retriever import Retriever as Retriever
    from youtu_st.spec.model import ModelSpec as ModelSpec

__version__ = "0.1.0"

_HOME = {
    "Encoder": "youtu_st.encoder",
    "InstructionMaskedPooling": "youtu_st.modules",
    "InstructionTransformer": "youtu_st.modules",
    "ModelSpec": "youtu_st.spec",
    "Retriever": "youtu_st.retriever",
    "TextEncoder": "youtu_st.protocol",
    "YoutuError": "youtu_st.errors",
    "convert": "youtu_st.loading",
    "export": "youtu_st.rerank.exports",
    "load": "youtu_st.loading",
}
# Submodules that read well as attributes: youtu_st.index.VectorIndex, youtu_st.spec.model.load_spec.
_SUBMODULES = {
    "instructions",
    "encoder",
    "engines",
    "errors",
    "index",
    "loading",
    "modules",
    "protocol",
    "rerank",
    "retriever",
    "scale",
    "spec",
    "training",
    "verification",
}
# Those whose short name is public, and whose room is another.
_ELSEWHERE = {"instructions": "youtu_st.spec.instructions"}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(_ELSEWHERE.get(name, f"youtu_st.{name}"))
    raise AttributeError(f"module 'youtu_st' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_SUBMODULES})
