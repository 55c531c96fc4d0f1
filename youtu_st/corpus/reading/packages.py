"""Office files are archives: what of them is unpacked, and how much of it at most."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from youtu_st.disk import open_plain
from youtu_st.errors import InputError, in_one_line

MOST_BYTES = 64 << 20
"""Of all XML of a file, unpacked; a book of a million words takes a tenth."""
MOST_FILES = 20_000
_READ = (".xml", ".rels")
_NO_DOCTYPE = "it declares a document type, as no office file does"


def slim(path: Path, kind: str) -> io.BytesIO:
    """The XML of an office file as an archive of its own; pictures and films in it are empty.

    So nothing is unpacked that is not read, and no more of the rest than memory holds, whatever the archive
    says of its sizes.

    Args:
        path: The file.
        kind: What it should be, for errors.

    Raises:
        InputError: If it is no archive, a broken one, one that unpacks to too much, or its XML declares a
            document type, by which it could define entities.
        OSError: If it cannot be read.
    """
    made, left = io.BytesIO(), MOST_BYTES
    with open_plain(path) as stream:
        # The module meets broken files of every kind, and raises errors of every kind.
        try:
            archive = zipfile.ZipFile(stream)
            entries = {entry.filename: entry for entry in archive.infolist()}
        except Exception as error:
            raise InputError(in_one_line(f"{path}: not a readable {kind} file", error)) from error
        if len(entries) > MOST_FILES:
            raise InputError(f"{path}: it holds {len(entries):,} files, and no document holds so many")
        with archive, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as written:
            for name, entry in entries.items():
                content = b""
                if name.lower().endswith(_READ):
                    try:
                        with archive.open(entry) as part:
                            content = part.read(left + 1)
                    except Exception as error:
                        raise InputError(in_one_line(f"{path}: not a readable {kind} file", error)) from error
                left -= len(content)
                if left < 0:
                    raise InputError(
                        f"{path}: it unpacks to more than {MOST_BYTES >> 20} MiB of XML: that is no document"
                    )
                if b"<!DOCTYPE" in content.replace(b"\0", b""):  # also in UTF-16
                    raise InputError(f"{path}: not a readable {kind} file: {_NO_DOCTYPE}")
                written.writestr(zipfile.ZipInfo(name), content)
    made.seek(0)
    return made
