"""FAISS files, walked without FAISS: is this what a factory builds, before FAISS acts on a byte of it?

FAISS opens what a file names, allocates what it asks for, and goes where it says. So a file is first walked
beside a *model*: a new index of the factory as FAISS writes it. Types, nesting and all that the factory
decides are the same in both; every count is that of the vectors, or fits into the file.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

RULES = {
    # One letter is a number, see _BYTES. "=" before it: the factory decides it, so it is the model's.
    # "v4" is a count, and so many elements of 4 bytes. "*x" is x, as often as the number before it says.
    # "part" begins with four letters that name its rule. Other words are rules, or methods of _Walk.
    "head": "=i n q q t =i",  # dimension, vectors, two unused, whether it is trained, metric
    "ivf": "head =Q p quantizer map",
    "hnsw": "v8 =v4 v4 v8 v4 i i s s i",
    "pq": "=Q =Q =Q v4",
    "sq": "=i i f =Q =Q v4",
    "aq": "=Q =Q =v8 t v4 =i f f norms",
    "rq": "aq i s",
    "lsq": "aq =Q q q q q f f q i q b",
    "prq": "aq =Q *rq",
    "plsq": "aq =Q *lsq",
    "rabitq1": "=Q =Q =i",
    "rabitq": "=Q =Q =i =Q",
    "fast": "i =i i =Q =Q =Q =Q q =Q b i q",
    # Transforms
    "dimensions": "=i =i t",
    "Pcam": "=f f b i v4 v4 v4 linear",
    "LTra": "linear",
    "rrot": "linear",
    "RmDT": "=v4 dimensions",
    "VNrm": "=f dimensions",
    "HRot": "I dimensions",
    # Inverted lists
    "ilar": "=Q =Q lists",
    "ilp2": "=Q =Q =Q =Q panorama",
    "ilbl": "=Q =Q =Q =Q blocks",
    # Indexes
    "IxFI": "head matrix",
    "IxSQ": "head sq v1",
    "IxPq": "head pq v1 i b i",
    "IxRq": "head rq =Q v1",
    "IxLS": "head lsq =Q v1",
    "IxPR": "head prq =Q v1",
    "IxPL": "head plsq =Q v1",
    "Ixrq": "head rabitq1 v1 v4 B",
    "Ixrr": "head rabitq v1 v4 B",
    "IPfs": "head pq i =i i q =Q v1",
    "IRfs": "head rq fast v1",
    "ILfs": "head lsq fast v1",
    "IPRf": "head prq fast v1",
    "IPLf": "head plsq fast v1",
    "Irfn": "head rabitq v4 B =i q =Q =Q v1",
    "IHNf": "head hnsw part",
    "IHNs": "head hnsw part",
    "IwFl": "ivf part",
    "IwP2": "ivf =Q =Q part",
    "IwSq": "ivf sq =Q b part",
    "IwPQ": "ivf b =Q pq part",
    "IwRQ": "ivf =Q rq b i part",
    "IwLS": "ivf =Q lsq b i part",
    "IwPR": "ivf =Q prq b i part",
    "IwPL": "ivf =Q plsq b i part",
    "Iwrq": "ivf rabitq1 =Q b B part",
    "Iwrr": "ivf rabitq =Q b B part",
    "IwPf": "ivf b =Q =i =Q i q pq part",
    "IVRf": "ivf rq b fast part",
    "IVLf": "ivf lsq b fast part",
    "NPRf": "ivf prq b fast part",
    "NPLf": "ivf plsq b fast part",
    "Iwrn": "ivf rabitq b =Q =i q =Q i B b part",
    "IxPT": "head =i *part part",
    "IxRF": "head part part f",
}
"""Layouts by the four letters that FAISS gives them, and their parts. What is not here is refused."""

_BYTES = {"i": 4, "I": 4, "f": 4, "s": 4, "q": 8, "p": 8, "Q": 8, "n": 8, "B": 1, "b": 1, "t": 1}
# "q" and "p" count, or say how far to go; "s" is allocated for every query; "b" is a bool, "t" a true one.
_BOUNDS = {"q": (0, 1 << 40), "p": (1, 1 << 40), "s": (0, 1 << 24), "b": (0, 1), "t": (1, 1)}
# How many values stand behind faiss.AdditiveQuantizer.ST_norm_cqint8 and those after it.
_NORMS = {6: 256, 7: 16, 8: 256, 9: 256}
_TABLES = {8: 32, 9: 32}
_HEAD, _HEAD_BYTES = struct.Struct("<iq"), 37  # with its four letters
FLAT_STARTS = 2 * _HEAD_BYTES + 8
"""Where the numbers lie in a file of labelled vectors in an ``IndexFlatIP``; the labels follow."""


class MisfitError(Exception):
    """A file is not as its model is: the message says how."""


def compare(file: BinaryIO, size: int, model: bytes) -> None:
    """Walk a file of labelled vectors beside its model.

    Args:
        file: An open file, at its beginning.
        size: Its length in bytes.
        model: What FAISS writes of an ``IndexIDMap`` over a new index.

    Raises:
        MisfitError: If it is not what FAISS writes of that index, trained and with any number of vectors.
    """
    walk = _Walk(_Cursor(file, size), _Cursor(io.BytesIO(model), len(model)))
    if walk.file.take(4) != walk.model.take(4):
        raise MisfitError("it is no FAISS index with labels")
    (dimension, count), (expected, _) = (_HEAD.unpack(cursor.peek(_HEAD.size)) for cursor in walk.both)
    if dimension != expected:
        raise MisfitError(f"it has {count} vectors of {dimension} numbers; the manifest says {expected}")
    walk.rule("head", count)
    walk.part(count)
    if walk.file.skip_vector(8) != count:
        raise MisfitError(f"it has {count} vectors and not as many labels")
    if walk.file.left:
        raise MisfitError(f"it goes on for {walk.file.left} bytes past its end")


def holds_flat(file: BinaryIO) -> bool:
    """Whether a file of labelled vectors says that they lie in an ``IndexFlatIP``."""
    return file.read(_HEAD_BYTES + 4)[-4:] == b"IxFI"


def count_in(beginning: bytes) -> int:
    """How many vectors a file of labelled vectors says it has."""
    count: int = _HEAD.unpack_from(beginning, 4)[1]
    return count


def unknown(model: bytes) -> str | None:
    """The first type in a new index, as FAISS writes it, that has no rule here."""
    walk = _Walk(*(_Cursor(io.BytesIO(model), len(model)) for _ in range(2)), new=True)
    try:
        walk.part(0)
    except _UnknownError as error:
        return str(error)
    return None


class _UnknownError(MisfitError):
    """A type without a rule: the message is its name."""


class _Cursor:
    """A place in a file that does not move past its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.left = file, size

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self._pass(count)
        taken = self._file.read(count)
        if len(taken) < count:
            raise MisfitError("FAISS cannot read it to its end")
        return taken

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay the next."""
        taken = self.take(count)
        self._file.seek(-count, io.SEEK_CUR)
        self.left += count
        return taken

    def skip(self, count: int) -> None:
        """Leave out what FAISS takes as it is."""
        self._pass(count)
        self._file.seek(count, io.SEEK_CUR)

    def _pass(self, count: int) -> None:
        if count > self.left:
            raise MisfitError("FAISS cannot read it to its end")
        self.left -= count

    def number(self, kind: str) -> int:
        """A number; a float's bytes as an int."""
        return int.from_bytes(self.take(_BYTES[kind]), "little", signed=kind in "iqpns")

    def skip_vector(self, width: int) -> int:
        """A count; so many elements are left out."""
        count = self.number("Q")
        self.skip(count * width)
        return count

    def sizes(self, lists: int) -> npt.NDArray[np.uint64]:
        """Sizes of inverted lists: all of them, or the number and the size of those that are not empty."""
        form, length = self.take(4), self.number("Q")
        if length != lists if form == b"full" else form != b"sprs" or length > 2 * lists or length % 2:
            raise MisfitError("it has another number of inverted lists than the factory makes")
        values = np.frombuffer(self.take(8 * length), dtype="<u8")
        if form == b"full":
            return values
        sizes = np.zeros(lists, dtype=np.uint64)
        if (values[::2] >= lists).any():
            raise MisfitError("it has more inverted lists than the factory makes")
        sizes[values[::2]] = values[1::2]
        return sizes


class _Walk:
    """A file to be checked and its model, side by side."""

    def __init__(self, file: _Cursor, model: _Cursor, *, new: bool = False) -> None:
        self.file, self.model, self.both = file, model, (file, model)
        self._new = new  # a model beside itself: not trained yet, perhaps
        self._said: list[int] = []  # what the factory decides, in the order of the file

    def rule(self, name: str, count: int) -> None:
        """Walk what a rule says; it is about so many vectors."""
        for word in RULES[name].split():
            self._word(word, count)

    def part(self, count: int) -> None:
        """Walk an index, a transform or inverted lists."""
        name, expected = (cursor.take(4).decode("ascii", "backslashreplace") for cursor in self.both)
        if name != expected:
            raise MisfitError(f"it holds {name!r} where the factory makes {expected!r}")
        if name not in RULES:
            raise _UnknownError(name)
        self.rule(name, count)

    def _word(self, word: str, count: int) -> None:
        if word in RULES:
            self.rule(word, count)
        elif word in _BYTES:
            self._number(word, count)
        elif word.startswith("*"):
            for _ in range(self._said[-1]):
                self._word(word[1:], count)
        elif word.startswith("=v"):
            self._same_vector(int(word[2:]))
        elif word.startswith("="):
            self._same(word[1:])
        elif word[1:].isdigit():
            for cursor in self.both:
                cursor.skip_vector(int(word[1:]))
        else:
            getattr(self, word)(count)

    def _number(self, kind: str, count: int) -> int:
        number, _ = (cursor.number(kind) for cursor in self.both)
        low, high = (count, count) if kind == "n" else _BOUNDS.get(kind, (number, number))
        if not (self._new or low <= number <= high):
            raise MisfitError(f"it says {number} where only {low} to {high} can be")
        return number

    def _same(self, kind: str) -> None:
        number, expected = (cursor.number(kind) for cursor in self.both)
        if number != expected:
            raise MisfitError(f"it says {number} where the factory says {expected}")
        self._said.append(number)

    def _same_vector(self, width: int) -> None:
        length, expected = (cursor.number("Q") for cursor in self.both)
        if length != expected or self.file.take(length * width) != self.model.take(length * width):
            raise MisfitError("it has another table than the factory makes")

    # -- words -------------------------------------------------------------------------------------------

    def quantizer(self, count: int) -> None:
        """The index of an inverted file's centroids, one for each list."""
        self.part(self._said[-1])

    def matrix(self, count: int) -> None:
        """The vectors themselves; dimension and metric stand before them."""
        numbers, _ = (cursor.skip_vector(4) for cursor in self.both)
        if not self._new and numbers != count * self._said[-2]:
            raise MisfitError(f"it has {count} vectors and {numbers} numbers")

    def map(self, count: int) -> None:
        """Where each vector lies: an array or, of kind 2, pairs too."""
        for cursor in self.both:
            kind = cursor.number("B")
            if kind > 2:
                raise MisfitError(f"it has a map of kind {kind}")
            cursor.skip_vector(8)
            if kind == 2:
                cursor.skip_vector(16)

    def norms(self, count: int) -> None:
        """Tables of the norms of an additive quantizer, for the kinds that have them."""
        for tables in (_NORMS, _TABLES):
            if self._said[-1] in tables:
                length, _ = (cursor.skip_vector(4) for cursor in self.both)
                if not self._new and length != tables[self._said[-1]]:
                    raise MisfitError(f"it has {length} norms where {tables[self._said[-1]]} can be")

    def linear(self, count: int) -> None:
        """A matrix and a bias; FAISS looks at their shapes before it knows the dimensions."""
        biased = self._number("b", count)
        (numbers, _), (bias, _) = ([cursor.skip_vector(4) for cursor in self.both] for _ in range(2))
        self.rule("dimensions", count)
        rows, columns = self._said[-1], self._said[-2]
        if not self._new and (numbers != rows * columns or bias < biased * rows):
            raise MisfitError(f"it has a transform of {numbers} numbers where {rows} x {columns} are needed")

    def lists(self, count: int) -> None:
        """Inverted lists: of each its codes, then its ids."""
        lists, code = self._said[-2:]
        self.model.sizes(lists)  # all of them 0
        total = sum(self.file.sizes(lists).tolist())
        self._check_total(total, count)
        self.file.skip(total * (code + 8))

    def panorama(self, count: int) -> None:
        """Inverted lists whose codes and partial sums are padded to whole batches."""
        lists, code, levels, batch = self._said[-4:]
        self.model.sizes(lists)
        sizes = self.file.sizes(lists).tolist()
        self._check_total(sum(sizes), count)
        padded = sum(-(-size // batch) * batch for size in sizes)
        self.file.skip(padded * (code + 4 * (levels + 1)) + 8 * sum(sizes))

    def blocks(self, count: int) -> None:
        """Inverted lists of whole blocks: of each its ids, then its codes."""
        lists, _, per_block, block = self._said[-4:]
        self.model.skip(lists * 16)  # a new one has empty lists
        total = 0
        for _ in range(lists):
            size = self.file.skip_vector(8)
            total += size
            if self.file.skip_vector(1) != -(-size // per_block) * block:
                raise MisfitError(f"it has an inverted list of {size} vectors and not as many codes")
        self._check_total(total, count)

    def _check_total(self, total: int, count: int) -> None:
        if total != count and not self._new:
            raise MisfitError(f"it has {count} vectors and {total} in its inverted lists")
