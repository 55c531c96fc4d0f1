"""``youtu-st compare``: how near texts are to each other, in colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import (
    DEFAULT_MODEL,
    Checkpoint,
    Model,
    TrustRemoteCode,
    UsageError,
    absolute_model,
    cell,
    count,
    narrow_console,
    one_line,
    print_json,
)
from youtu_st.cli.loaded import SplitSpecialTokens, load_encoder
from youtu_st.cli.reading import Encoding, gathering, tell

if TYPE_CHECKING:
    from rich.text import Text

    from youtu_st.inference.similarities import Similarities

EXAMPLE = 'Example: youtu-st compare "a red planet" "Mars" "a blue bird"'
MOST = 200
"""Texts and questions that one matrix shows."""
_CELL = 6
_LEAST_LABEL, _MOST_LABEL = 16, 60


def compare(
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="What to compare.")] = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Further texts: .txt (one a line), .jsonl or .csv, or - for standard input."
        ),
    ] = None,
    encoding: Encoding = None,
    query: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A question to compare the texts with; may be repeated."),
    ] = None,
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What questions are for; default: the model's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    split_special_tokens: SplitSpecialTokens = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Show the cosines of texts with each other, or of questions with texts."""
    name = absolute_model(model)
    given = _given(texts or [], file, encoding)
    _check(given, query or [], instruction)
    encoder = load_encoder(
        name,
        checkpoint=checkpoint,
        trust_remote_code=trust_remote_code,
        split_special_tokens=split_special_tokens,
        exported="questions",
    )
    found = encoder.compare(given, queries=query or None, instruction=instruction)
    if as_json:
        rounded = [[round(float(cosine), 6) for cosine in row] for row in found.cosines]
        asked = {} if found.square else {"queries": found.rows}
        print_json({"model": model, **asked, "texts": found.columns, "cosines": rounded})
        return
    _print(found)


def _given(texts: list[str], file: str | None, encoding: str | None) -> list[str]:
    if file is None:
        if encoding is not None:
            raise UsageError("--encoding goes with --file")
        return texts
    from youtu_st.corpus import read_texts

    reading, notes = gathering(encoding)
    texts = [*texts, *read_texts(file, reading)]
    tell(notes)
    return texts


def _check(texts: list[str], queries: list[str], instruction: str | None) -> None:
    """Raise for what would have no matrix to show, before a model is loaded."""
    from youtu_st.errors import InputError
    from youtu_st.inputs import check_texts

    try:
        check_texts(texts)
        check_texts(queries, noun="query")
    except InputError as error:
        raise UsageError(str(error)) from error
    if len(texts) < 2 and not queries:
        raise UsageError("there must be at least two texts to compare, or a --query and a text")
    if not texts:
        raise UsageError("there must be at least one text to compare with --query")
    if instruction is not None and not queries:
        raise UsageError("--instruction goes with --query: texts are encoded without one")
    if (number := max(len(texts), len(queries))) > MOST:
        raise UsageError(f"{count(number, 'text')} are more than the {MOST} that one matrix shows")


def _print(found: Similarities) -> None:
    """A row for each text or question, a number above each column; as many columns as there is room for."""
    console = narrow_console()
    width = max(console.width, _LEAST_LABEL + _CELL) - 1
    shades, total = found.shades(), len(found.columns)
    if not found.square:
        for number, text in enumerate(found.columns, start=1):
            console.print(_label(str(number).rjust(3), text, width), soft_wrap=True)
        console.print()
    label = min(max(width - total * _CELL, _LEAST_LABEL), _MOST_LABEL, width - _CELL)
    room = max((width - label) // _CELL, 1)
    for start in range(0, total, room):
        if start:
            console.print()
        shown = range(start, min(start + room, total))
        console.print(
            cell(" " * label + "".join(str(at + 1).rjust(_CELL - 1) + " " for at in shown), "dim"),
            soft_wrap=True,
        )
        for number, text in enumerate(found.rows):
            mark = str(number + 1).rjust(3) if found.square else "  ?"
            line = _label(mark, text, label)
            for at in shown:
                line.append_text(_cosine(found.cosines[number, at], shades[number, at]))
            console.print(line, soft_wrap=True)


def _label(mark: str, text: str, width: int) -> Text:
    """A text beside its mark, in so many cells of a terminal: a Chinese character takes two."""
    made = cell(f"{mark}  {one_line(text[:1000])}")
    made.truncate(width, overflow="ellipsis", pad=True)
    return made


def _cosine(cosine: float, shade: float) -> Text:
    from youtu_st.inference.similarities import colour, is_dark

    ink = "#ffffff" if is_dark(shade) else "#000000"
    red, green, blue = colour(shade)
    return cell(f"{cosine:.2f} ".rjust(_CELL), f"{ink} on rgb({red},{green},{blue})")
