"""Several indexes of one encoder put together into a new one: vectors are moved, and none are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from youtu_st.errors import IndexMismatchError, InputError, VectorIndexError, brief, printable
from youtu_st.index.blocks import Block, read_blocks
from youtu_st.index.exchange.place import check_empty, made_beside
from youtu_st.index.filtering.filters import compile_filter
from youtu_st.index.inputs import Batch
from youtu_st.index.lexical.words import check_available
from youtu_st.index.nearest.vectors import VectorTable
from youtu_st.index.storage.creation import create_directory
from youtu_st.index.storage.directory import IndexDirectory
from youtu_st.index.storage.manifest import Manifest, read_manifest
from youtu_st.inputs import one_of, unit_rows
from youtu_st.probes import PROBE_COSINE, lowest_cosine

Keep = Literal["first", "last"]
_ROWS = 4096

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge has done.

    Attributes:
        documents: How many the new index has.
        left_out: Documents whose id another index has, too.
    """

    documents: int
    left_out: int


def merge_indexes(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    keep: Keep | None = None,
    factory: str | None = None,
    report: Report = lambda done, total: None,
) -> Merged:
    """Make one index of several; no model is loaded, and the several stay as they are.

    Their encoders must be one and the same: equal identities, and stored vectors of the probe texts with
    cosines of at least 0.999. The index is made beside ``out`` and takes that name when it is whole.

    Args:
        paths: At least two indexes; their documents follow one another in this order.
        out: The directory of the new one, which must be new or empty.
        keep: Of documents with one id, the one of the first or of the last index that has it. None: such an
            id is an error.
        factory: Of the new index; None: that of the first.
        report: Told how many documents are through, and of how many.

    Raises:
        IndexNotFoundError: If one is no index.
        IndexExistsError: If ``out`` holds anything.
        IndexMismatchError: If two are of different encoders: the message lists what differs.
        InputError: If two have one id, or there are not two indexes.
        VectorIndexError: If an index is changed meanwhile, or cannot give its vectors back.
    """
    if keep is not None:
        one_of("keep", keep, get_args(Keep))
    places = [Path(path) for path in paths]
    if len(places) < 2 or len({place.resolve() for place in places}) < len(places):
        raise InputError("a merge must be of at least two indexes, each of them once")
    check_empty(Path(out))
    manifests = [read_manifest(place) for place in places]
    for place, manifest in zip(places[1:], manifests[1:], strict=True):
        _check_alike(places[0], manifests[0], place, manifest)
    with ExitStack() as stack:
        opened = [
            stack.enter_context(closing(IndexDirectory(place, manifest, None)))
            for place, manifest in zip(places, manifests, strict=True)
        ]
        chosen, total = _chosen(opened, keep)
        return Merged(*_write(opened, chosen, total, Path(out), factory, report))


def _check_alike(first: Path, expected: Manifest, path: Path, found: Manifest) -> None:
    """Refuse an index of another encoder."""
    mine, theirs = dict(expected.identity), dict(found.identity)
    differences = [
        f"{part}: {mine.get(part, 'none')} and {theirs.get(part, 'none')}"
        for part in sorted(mine.keys() | theirs.keys())
        if mine.get(part) != theirs.get(part)
    ]
    if not differences and (expected.fingerprint, expected.dimension) != (found.fingerprint, found.dimension):
        differences = [f"fingerprint: {expected.fingerprint} and {found.fingerprint}"]
    if (
        not differences
        and expected.probe_texts == found.probe_texts
        and dict(expected.runtime) != dict(found.runtime)
    ):
        for role in ("query", "document"):
            lowest = lowest_cosine(getattr(expected, f"{role}_probes"), getattr(found, f"{role}_probes"))
            if lowest < PROBE_COSINE:
                differences.append(
                    f"{role} probes: lowest cosine {lowest:.4f}, at least {PROBE_COSINE} is needed"
                )
    if differences:
        raise IndexMismatchError(
            f"{printable(str(path))} and {printable(str(first))} are of different encoders "
            f"({brief(found.model)} and {brief(expected.model)}), and cannot be put together: "
            f"{'; '.join(differences)}"
        )


def _chosen(opened: Sequence[IndexDirectory], keep: Keep | None) -> tuple[dict[str, int], int]:
    """Which index each id is taken from, and how many documents there are in all."""
    everything = compile_filter(None)
    chosen: dict[str, int] = {}
    total = 0
    for number, directory in enumerate(opened):
        for id in directory.read(lambda documents, _: documents.ids(everything)):
            total += 1
            if id not in chosen or keep == "last":
                chosen[id] = number
            elif keep is None:
                both = (opened[chosen[id]].path, directory.path)
                raise InputError(
                    f"{' and '.join(printable(str(path)) for path in both)} both have a document "
                    f"{brief(id)}: say which to keep, keep='first' or 'last' (--keep first|last)"
                )
    return chosen, total


def _write(
    opened: Sequence[IndexDirectory],
    chosen: dict[str, int],
    total: int,
    out: Path,
    factory: str | None,
    report: Report,
) -> tuple[int, int]:
    """Write the new index.

    Returns:
        How many documents it has, and how many were left out.
    """
    first = opened[0].manifest
    manifest = replace(
        first.upgraded(),
        factory=factory or first.factory,
        count=0,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        settings=first.settings if all(one.manifest.settings == first.settings for one in opened) else {},
    )
    if manifest.lexical:
        check_available()
    table = VectorTable(manifest.factory, manifest.dimension)
    done = written = 0
    with made_beside(out) as built:
        create_directory(built, manifest, table)
        with closing(IndexDirectory(built, manifest, None, created=True)) as directory:
            for number, source in enumerate(opened):
                for block in read_blocks(source, _ROWS):
                    rows = [row for row, id in enumerate(block.ids) if chosen.get(id) == number]
                    if rows:
                        _append(directory, block, rows)
                    done, written = done + len(block.ids), written + len(rows)
                    report(done, total)
        if (done, written) != (total, len(chosen)):
            raise VectorIndexError("an index was changed meanwhile: merge them again")
    return written, done - written


def _append(directory: IndexDirectory, block: Block, rows: list[int]) -> None:
    ids, texts, metadata = ([column[row] for row in rows] for column in block[:3])
    vectors = unit_rows(block.vectors[np.array(rows)], (len(rows), directory.manifest.dimension), "vectors")
    directory.append(Batch(texts, ids, metadata, ids, None, may_replace=False), vectors)
