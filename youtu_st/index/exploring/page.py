"""The passages of an index as one page of HTML that holds all it shows: a map, search by words, neighbours.

Whatever a document says is data there: it stands in an element that no browser runs or reads as HTML, and the
script puts it into the page as text alone. The page's policy lets that one script and that one style in, by
their checksums, and nothing else: no network, no other script.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from youtu_st.errors import InputError, brief, printable
from youtu_st.index.exploring.fields import FIRST, LONGEST, Field, fields_of
from youtu_st.index.exploring.histograms import histogram
from youtu_st.index.exploring.neighbours import Neighbours, nearest
from youtu_st.index.exploring.places import Floats, places
from youtu_st.index.sample import Sample
from youtu_st.index.shown import place
from youtu_st.inputs import unit_rows

NEIGHBOURS = 8
"""Neighbours of a passage that the page shows."""
AROUND = 15
"""Neighbours of a passage that draw it to them on the map."""
MOST_CHARACTERS = 4_000
"""Characters of a passage that the page has."""
MOST_COLOURED = 40
"""Names of fields that a message lists."""
SIZE = 10_000
"""Places are whole numbers up to that."""
# What could end the element that the data is in, begin another, or break a line of a script.
_ESCAPES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}

Report = Callable[[str, float], object]


def page(
    sample: Sample,
    name: str,
    *,
    model: str = "",
    color: str | None = None,
    report: Report = lambda what, share: None,
) -> str:
    """The page.

    Args:
        sample: The passages.
        name: Of the index, for the title.
        model: That its vectors are of.
        color: The field of metadata that colours the map at first; None: ``source``, or else the first.
        report: Is called with what is done now, and the share of it that is done.

    Raises:
        InputError: If there is no passage, a vector has no direction, or no passage has that field.
    """
    if not sample.documents:
        raise InputError("there is no passage to show")
    fields = fields_of([document.metadata for document in sample.documents], color or FIRST)
    if color is not None and color not in [field.key for field in fields]:
        known = ", ".join(shown_keys(fields)) or "none"
        raise InputError(f"no passage has the field {brief(color)}; there are: {known}")
    vectors = unit_rows(sample.vectors, sample.vectors.shape, "vectors")
    near = nearest(vectors, AROUND, report=lambda share: report("comparing", share))
    found = places(vectors, near.rows, report=lambda share: report("placing", share))
    values = contents(sample, fields, found, near)
    values["about"] = {
        "name": printable(name),
        "model": printable(model),
        "dimension": vectors.shape[1],
        "shown": len(sample.documents),
        "total": sample.total,
    }
    return filled(values)


def shown_keys(fields: list[Field]) -> list[str]:
    """Names of fields for a message, not too many."""
    keys = [brief(field.key) for field in fields[:MOST_COLOURED]]
    return [*keys, "..."] if len(fields) > MOST_COLOURED else keys


def contents(sample: Sample, fields: list[Field], found: Floats, near: Neighbours) -> dict[str, Any]:
    """What the page's script reads: lists with an entry for each passage, all of its strings printable."""
    documents = sample.documents
    lengths = [len(document.text) for document in documents]
    shown = near.rows[:, :NEIGHBOURS], near.cosines[:, :NEIGHBOURS]
    low, span = found.min(axis=0), float(np.ptp(found, axis=0).max()) or 1.0
    scaled = np.rint((found - low) / span * SIZE).astype(int)
    return {
        "texts": [_text(document.text) for document in documents],
        "labels": [_cut(place(document.id, document.metadata)) for document in documents],
        "ids": [_cut(document.id) for document in documents],
        "lengths": lengths,
        "most": MOST_CHARACTERS,
        "x": scaled[:, 0].tolist(),
        "y": scaled[:, 1].tolist(),
        "k": shown[0].shape[1],
        "near": shown[0].ravel().tolist(),
        "cosines": np.round(shown[1].ravel().astype(np.float64), 4).tolist(),
        "fields": [
            {"name": _cut(field.key), "labels": field.labels, "of": field.of, "numbers": field.numbers}
            for field in fields
        ],
        "histograms": {
            "lengths": asdict(histogram(lengths, whole=True)),
            "cosines": asdict(histogram(shown[1][:, 0])) if shown[1].size else None,
        },
    }


def filled(values: dict[str, Any]) -> str:
    """The page with that data in it."""
    folder = Path(__file__).parent
    html, style, script = (
        folder.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    # One after another from the left: what was put in is never looked through again.
    parts = {"POLICY": policy, "STYLE": style, "DATA": embedded(values), "SCRIPT": script}
    made, rest = [], html
    for key, part in parts.items():
        before, _, rest = rest.partition(f"@@{key}@@")
        made += [before, part]
    return "".join([*made, rest])


def embedded(value: Any) -> str:
    """JSON that can stand inside an element of HTML, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    return printable(text[:MOST_CHARACTERS].replace("\r\n", "\n"), whole=True)


def _cut(text: str) -> str:
    return printable(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
