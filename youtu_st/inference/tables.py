"""Tables of HTML for notebooks: all that they hold is text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from youtu_st.errors import printable


def html_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str]] | None = None
) -> str:
    """A table.

    Args:
        titles: Of the columns; none leaves the head out.
        rows: Of cells; what would be markup in them is shown as it is, and what nobody sees is written out.
        styles: CSS of each cell, made by the caller from no text of a document; where it is left out, text
            begins at the left and keeps its lines.
    """
    plain = "text-align:left;vertical-align:top;white-space:pre-wrap;overflow-wrap:anywhere"
    head = "".join(f"<th>{_text(title)}</th>" for title in titles)
    made = [f"<thead><tr>{head}</tr></thead>"] if titles else []
    made.append("<tbody>")
    for number, row in enumerate(rows):
        cells = (
            f'<td style="{styles[number][column] if styles else plain}">{_text(cell)}</td>'
            for column, cell in enumerate(row)
        )
        made.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(made)}</tbody></table>"


def _text(text: str) -> str:
    return escape(printable(text, whole=True))
