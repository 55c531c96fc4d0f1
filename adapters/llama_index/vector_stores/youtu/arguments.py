"""Arguments of other stores, which are not taken here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from youtu_st.errors import InputError, brief

_INSTEAD = {
    "faiss_index": "its vectors have no texts: make an index of the documents",
    "namespace": "each index has a directory of its own",
    "fs": "an index is in a local directory",
}


def refuse(given: Mapping[str, Any]) -> NoReturn:
    """Say what to use instead of some arguments, or of none where an index is needed.

    Raises:
        InputError: Always.
    """
    said = [f"{brief(name)} is not taken here: {_INSTEAD.get(name, 'leave it out')}; " for name in given]
    raise InputError(
        f"{''.join(said) or 'an index must be given; '}YoutuVectorStore.create(path, encoder, "
        "factory='Flat') makes one, with any FAISS factory string, and YoutuVectorStore(path) opens it"
    )
