"""What a folder or a file is, by what it holds."""

from __future__ import annotations

from pathlib import Path

from youtu_st.errors import InputError, printable
from youtu_st.index.exchange import chroma, llama_index_folder
from youtu_st.index.exchange.columns import Fields
from youtu_st.index.exchange.langchain_faiss import open_langchain
from youtu_st.index.exchange.lines import LinesSource
from youtu_st.index.exchange.parquet import ParquetSource
from youtu_st.index.exchange.rows import Source
from youtu_st.index.storage.files import MANIFEST

__all__ = ["Fields", "open_source"]

KINDS = (
    "a FAISS folder of LangChain (index.faiss and index.pkl), a folder of LlamaIndex (docstore.json), a "
    "directory of Chroma (chroma.sqlite3), Parquet (a file or a folder of files), .jsonl, or .npy with its "
    ".jsonl"
)


def open_source(
    path: str | Path, *, fields: Fields | None = None, collection: str | None = None, vectors: bool = True
) -> Source:
    """Open documents and vectors that another library, or an export, has written.

    Args:
        path: A folder of LangChain's FAISS store, of LlamaIndex or of Chroma; a Parquet file, or a folder of
            them; a ``.jsonl`` file; a ``.npy`` file with a ``.jsonl`` beside it.
        fields: Which fields of a table hold what.
        collection: Which collection of Chroma; None: the only one.
        vectors: Whether its vectors are wanted.

    Raises:
        InputError: If it is none of these, or cannot be read.
        MissingDependencyError: If a package is needed that is not installed.
    """
    path, fields = Path(path), fields or Fields()
    source = _opened(path, fields, collection, vectors)
    if collection is not None and not isinstance(source, chroma.ChromaSource):
        source.close()
        raise InputError(f"collection must be None for {source.kind}: Chroma alone has collections")
    return source


def _opened(path: Path, fields: Fields, collection: str | None, vectors: bool) -> Source:
    if not path.exists():
        raise InputError(f"{printable(str(path))}: there is no such file or folder")
    if not path.is_dir():
        return _opened_file(path, fields, vectors)
    if (path / "index.faiss").is_file() and (path / "index.pkl").is_file():
        return open_langchain(path, "index", vectors=vectors)
    if (path / chroma.FILE).is_file():
        return chroma.ChromaSource(path, collection, vectors=vectors)
    needed = (llama_index_folder.VECTORS, llama_index_folder.NODES)
    if all((path / name).is_file() for name in needed):
        return llama_index_folder.open_llama_index(path, vectors=vectors)
    if (path / MANIFEST).is_file() and (path / "documents.sqlite").is_file():
        raise InputError(
            f"{printable(str(path))} is an index already: youtu-st index merge puts indexes together, and "
            "youtu-st index export writes one's documents to a file"
        )
    if files := sorted(file for file in path.glob("*.parquet") if file.is_file()):
        return ParquetSource(files, str(path), fields, vectors=vectors)
    if len(pickles := sorted(path.glob("*.pkl"))) == 1 and pickles[0].with_suffix(".faiss").is_file():
        return open_langchain(path, pickles[0].stem, vectors=vectors)
    raise InputError(f"{printable(str(path))} is none of: {KINDS}")


def _opened_file(path: Path, fields: Fields, vectors: bool) -> Source:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return ParquetSource([path], str(path), fields, vectors=vectors)
    if suffix in (".jsonl", ".ndjson"):
        return LinesSource(path, fields, vectors=vectors)
    if suffix == ".npy":
        texts = path.with_suffix(".jsonl")
        if not texts.is_file():
            raise InputError(
                f"{printable(str(path))}: its texts must be beside it, in {printable(texts.name)}"
            )
        return LinesSource(texts, fields, vectors=vectors, matrix=path)
    raise InputError(f"{printable(str(path))} is none of: {KINDS}")
