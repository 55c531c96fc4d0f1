"""The index of a framework's store: open already, or the one in a directory."""

from __future__ import annotations

from pathlib import Path

from youtu_st.encoder import Encoder
from youtu_st.errors import InputError
from youtu_st.index import VectorIndex, read_manifest
from youtu_st.protocol import TextEncoder


def opened(index: VectorIndex | str | Path, encoder: TextEncoder | None) -> VectorIndex:
    """An index that is open, if its vectors are the encoder's, or that of a directory.

    Args:
        index: The index, or its directory.
        encoder: What opens the directory. None: this process's one for the model that the manifest names.

    Raises:
        InputError: If ``index`` is something else.
        YoutuError: As for ``VectorIndex.open`` and ``VectorIndex.check``.
    """
    if isinstance(index, str | Path):
        if encoder is None:
            encoder = Encoder.shared(read_manifest(index).model)
        return VectorIndex.open(index, encoder)
    if not isinstance(index, VectorIndex):
        raise InputError(
            f"index must be a VectorIndex or its directory, not {type(index).__name__}; to make one call "
            "YoutuVectorStore.create"
        )
    if encoder not in (None, index.encoder):
        index.check(encoder)
    return index
