"""``youtu-st index list``, ``show`` and ``delete``: the documents of an index, without its model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.conditions import EXAMPLES, Where, parse_conditions
from youtu_st.cli.console import UsageError, count, echo, one_line, print_json
from youtu_st.cli.opening import manifest_of

if TYPE_CHECKING:
    from youtu_st.index import Document

LIST_EXAMPLE = "Example: youtu-st index list notes.index --filter lang=zh"
SHOW_EXAMPLE = "Example: youtu-st index show notes.index 1f0c94"
DELETE_EXAMPLE = "Example: youtu-st index delete notes.index --filter source=notes/old.md"
LIMIT = 50
_FIRST_WORDS = 80

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The index.")]


def list_documents(
    directory: Directory,
    where: Where = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most passages to show.")] = LIMIT,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with whole texts and metadata.")] = False,
) -> None:
    """List the passages of an index: their ids, where they are from, their first words."""
    from youtu_st.cli.hits import place
    from youtu_st.index import exchange
    from youtu_st.inputs import check_count

    check_count("--limit", limit)
    condition = parse_conditions(where)
    manifest_of(directory)
    found = exchange.list_documents(directory, condition, limit=limit)
    if as_json:
        print_json([_record(document) for document in found.documents])
    else:
        for document in found.documents:
            from_there = place(document)
            told = "" if from_there == document.id else f"  {one_line(from_there)}"
            echo(f"{document.id}{told}  {_beginning(document.text)}")
    if (more := found.matching - len(found.documents)) > 0:
        echo(f"and {more:,} more (--limit)", err=True)
    elif not found.matching:
        echo("no passage matches" if condition else "there are no passages", err=True)


def show(
    directory: Directory,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The ids of passages.")],
    vector: Annotated[bool, typer.Option("--vector", help="Show the vector, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show passages whole, with their metadata."""
    from youtu_st.index.exchange import read_documents

    manifest_of(directory)
    documents, vectors = read_documents(directory, ids, vectors=vector)
    rows: list[Any] = [None] * len(documents) if vectors is None else vectors.tolist()
    if as_json:
        further = [{} if row is None else {"vector": row} for row in rows]
        print_json([_record(document) | more for document, more in zip(documents, further, strict=True)])
        return
    for number, (document, row) in enumerate(zip(documents, rows, strict=True)):
        if number:
            echo()
        echo(f"id  {document.id}")
        for key, value in _record(document)["metadata"].items():
            echo(f"{key}  {value if isinstance(value, str) else _json(value)}")
        if row is not None:
            echo(f"vector  {' '.join(f'{number:.9g}' for number in row)}")
        echo()
        for line in document.text.splitlines():
            echo(line)


def delete(
    directory: Directory,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]", help="The ids of passages.")] = None,
    where: Where = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete passages by their ids, or all that match a filter."""
    from youtu_st.index import exchange

    if bool(ids) == bool(where):
        raise UsageError(f"say which passages to delete: their ids, or a filter. {EXAMPLES}")
    condition = parse_conditions(where)
    manifest_of(directory)
    if ids:
        chosen = [document.id for document in exchange.read_documents(directory, list(dict.fromkeys(ids)))[0]]
    else:
        if not condition:
            raise UsageError(f"--filter must say which passages: {{}} is all of them. {EXAMPLES}")
        chosen = exchange.list_ids(directory, condition)
    if not chosen:
        echo("no passage matches", err=True)
        return
    if not yes:
        _ask(directory, chosen)
    echo(f"deleted {count(exchange.remove_documents(directory, chosen), 'passage')} from {directory}")


def _ask(directory: Path, chosen: list[str]) -> None:
    """Ask on a terminal; elsewhere nobody can answer.

    Raises:
        UsageError: If nobody can, or the answer is no.
    """
    what = f"{count(len(chosen), 'passage')} of {directory}"
    if not sys.stdin.isatty():
        raise UsageError(
            f"{what} would be deleted, and nobody can be asked: --yes deletes without a question"
        )
    echo(f"Delete {what}? [y/N]", err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was deleted")


def _record(document: Document) -> dict[str, Any]:
    from youtu_st.index import without_records

    return {"id": document.id, "text": document.text, "metadata": without_records(document.metadata)}


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _beginning(text: str) -> str:
    shown = " ".join(text[: 4 * _FIRST_WORDS].split())
    return shown if len(shown) <= _FIRST_WORDS else f"{shown[:_FIRST_WORDS].rstrip()} …"
