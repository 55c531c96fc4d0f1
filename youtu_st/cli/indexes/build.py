"""``youtu-st index build``: files to an index, and an index brought up to date."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import (
    Checkpoint,
    Fast,
    Rounded,
    TrustRemoteCode,
    UsageError,
    count,
    echo,
    say,
    status,
)
from youtu_st.cli.indexes.options import ModelOption
from youtu_st.cli.loaded import SplitSpecialTokens, export_for_searches
from youtu_st.cli.opening import encoder_for, manifest_of, opened_index, splits_special_tokens
from youtu_st.cli.progress import Progress
from youtu_st.cli.reading import Encoding, TextField, gathering, some, tell
from youtu_st.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from youtu_st.corpus import Found, Gathered, Lengths
    from youtu_st.encoder import Encoder
    from youtu_st.index import Manifest

EXAMPLE = "Example: youtu-st index build notes/ handbook.pdf --out notes.index"


def build(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Files and folders: .md .rst .txt .html .pdf .docx .pptx .ipynb, source code, and tables: "
            ".jsonl .json .csv .tsv.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The index: new, or one to bring up to date.")],
    model: ModelOption = None,
    checkpoint: Checkpoint = None,
    factory: Annotated[
        str | None,
        typer.Option(metavar="STRING", help="FAISS factory, such as HNSW32; default: Flat, which is exact."),
    ] = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Most tokens of a passage; default: as DIR was built, or what the model reads, at most 512, "
            "and 128 of 256.",
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Tokens at most that a passage repeats of the one before; default: as DIR was built, or 0.",
        ),
    ] = None,
    encoding: Encoding = None,
    text_field: TextField = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave out what matches below folders, as in a .gitignore; may be repeated.",
        ),
    ] = None,
    no_ignore: Annotated[
        bool, typer.Option("--no-ignore", help="Read what .gitignore files leave out.")
    ] = False,
    skip_errors: Annotated[
        bool, typer.Option("--skip-errors", help="Go on without what cannot be read, and say what it is.")
    ] = False,
    split_special_tokens: SplitSpecialTokens = False,
    fast: Fast = False,
    rounded: Rounded = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Index files, or bring an index up to date: only what is new is encoded."""
    from youtu_st import corpus
    from youtu_st.index import VectorIndex
    from youtu_st.inputs import check_count

    if chunk_tokens is not None:
        check_count("--chunk-tokens", chunk_tokens)
    _check_overlap(overlap, chunk_tokens)
    reading, notes = gathering(encoding, text_field)
    found = _found(paths, notes, exclude or (), ignore=not no_ignore)
    named = ", ".join(map(str, paths))
    by = ".gitignore or --exclude" if exclude else ".gitignore (--no-ignore reads them)"
    if not found.files:
        tell(notes, skip=skip_errors or None)
        if found.ignored:
            raise UsageError(f"no documents found in {named}: left out by {by}: {_left_out(found)}")
        raise UsageError(f"no documents found in {named}: there is no file of {' '.join(corpus.SUFFIXES)}")
    manifest = _manifest_to_update(out, factory, split_special_tokens)
    encoder = encoder_for(
        out,
        manifest,
        model=model,
        checkpoint=checkpoint,
        trust_remote_code=trust_remote_code,
        split_special_tokens=split_special_tokens,
        fast=fast,
        rounded=rounded,
        exported="documents",
    )
    lengths = _lengths(out, manifest, encoder, chunk_tokens, overlap)
    splitter = corpus.Splitter(encoder.reader, lengths.tokens, lengths.overlap)
    with corpus.Spool() as spool:
        # Before the index is made: what cannot be read is told all at once, and leaves nothing behind.
        with status("reading ...") as spinner:
            corpus.read_passages(
                found,
                splitter,
                spool,
                reading=reading,
                are_blank=partial(corpus.are_blank, encoder),
                report=Progress(spinner, "reading"),
            )
        tell(notes, skip=skip_errors)
        if not len(spool) and manifest is None:
            what = "all left out" if notes.count else "all empty"
            raise UsageError(f"no documents found in {named}: {count(len(found.files), 'file')}, {what}")
        opened = (
            opened_index(out, encoder, checkpoint)
            if manifest
            else VectorIndex.create(out, encoder, factory or "Flat")
        )
        with opened as index:
            index.remember(lengths.settings)  # first: a build that is killed goes on with the same
            with status("encoding ...") as spinner:
                shown = Progress(spinner, "encoding")
                changes = corpus.update_index(
                    index, encoder, found, spool, spoiled=notes.spoiled(), report=shown
                )
            total = len(index)
    empty = [name for name in changes.empty if name not in notes]
    for number, names, kind, rest in (
        (found.skipped, found.others, "file", " of other kinds"),
        (len(empty), empty, "empty file", ""),
    ):
        if number:
            say("note", f"skipped {count(number, kind)}{rest}: {some(names, number)}")
    if found.ignored:
        say("note", f"skipped {_left_out(found)}, by {by}")
    if changes.kept:
        say("note", f"{count(changes.kept, 'passage')} of files with problems stay in the index as they were")
    updated = f"updated {changes.updated:,}, " if changes.updated else ""
    echo(
        f"added {changes.added:,}, {updated}unchanged {changes.unchanged:,}, deleted {changes.deleted:,} "
        f"passages from {count(changes.files, 'file')} -> {out} ({count(total, 'passage')})"
    )
    source = {"checkpoint": checkpoint, "trust_remote_code": trust_remote_code}
    export_for_searches(encoder.model_name, source)


def _found(paths: list[Path], notes: Gathered, exclude: Sequence[str], *, ignore: bool) -> Found:
    """The files to read.

    Raises:
        UsageError: If a pattern is none.
    """
    from youtu_st import corpus
    from youtu_st.corpus.ignored import Rules

    try:
        Rules(exclude, strict=True)
    except InputError as error:
        raise UsageError(f"--exclude: {error}") from error
    return corpus.find_files(paths, notes, ignore=ignore, exclude=exclude)


def _left_out(found: Found) -> str:
    """What rules leave out, for a line."""
    folders = sum(name.endswith("/") for name in found.left_out)
    kind = "file" if not folders else "folder" if folders == found.ignored else "path"
    return f"{count(found.ignored, kind)}: {some(found.left_out, found.ignored)}"


def _manifest_to_update(out: Path, factory: str | None, split: bool) -> Manifest | None:
    """The manifest of the index that is there; None if there is room for a new one."""
    from youtu_st.index.storage.creation import check_vacant
    from youtu_st.index.storage.files import MANIFEST

    if not (out / MANIFEST).exists():
        check_vacant(out)
        return None
    manifest = manifest_of(out)
    if factory not in (None, manifest.factory):
        raise UsageError(
            f"{out} was built with --factory {manifest.factory}, not {factory}: build another directory"
        )
    if split and not splits_special_tokens(manifest):
        raise UsageError(f"{out} was built without --split-special-tokens: build another directory")
    return manifest


def _check_overlap(overlap: int | None, tokens: int | None) -> None:
    """Raise for a slip of the pen in --overlap, before a model is loaded.

    Raises:
        UsageError: Naming it.
    """
    if overlap is not None and overlap < 0:
        raise UsageError(f"--overlap must be an int of at least 0, not {overlap}")
    if overlap is not None and tokens is not None and overlap >= tokens:
        raise UsageError(f"--overlap must be less than --chunk-tokens {tokens}, not {overlap}")


def _lengths(
    out: Path, manifest: Manifest | None, encoder: Encoder, tokens: int | None, overlap: int | None
) -> Lengths:
    """How long passages are: an index that is there stays as it was built, unless one says otherwise."""
    from youtu_st.corpus import Lengths
    from youtu_st.index import count_documents

    kept = manifest.settings if manifest and (manifest.settings or count_documents(out)) else None
    chosen = Lengths.choose(encoder, tokens, overlap, kept=kept)
    if kept is not None and not kept and tokens is None and chosen.tokens != Lengths.choose(encoder).tokens:
        say(
            "note",
            f"{out} was built before its settings were kept: passages of {chosen.tokens} tokens, the default "
            "of then; if it was another, say it with --chunk-tokens",
        )
    return chosen
