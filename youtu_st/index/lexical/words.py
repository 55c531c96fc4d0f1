"""The words of documents, in SQLite's FTS5: what a word is, and the table that says where each stands.

FTS5 takes runs of letters and digits for words, without case and accents, and brings English ones to their
stems. Chinese, Japanese, Thai and other scripts do not part their words: each run of such characters is
given to it as its pairs of neighbours, so that words of two characters and more are found. On XQuAD zh and
CMRC 2018 that finds more than FTS5's trigrams, and as much as a segmenter with a dictionary
(``benchmarks/search.py --part words``).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import zip_longest
from typing import NamedTuple
from unicodedata import normalize

from youtu_st.errors import VectorIndexError, brief
from youtu_st.index.keys import Keys, keys_in

_TOKENIZER = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
TABLE = f"CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize=\"{_TOKENIZER}\")"
# What FTS5 makes for it; a text is not kept a second time (content='').
PARTS = {
    "words": TABLE,
    "words_data": "CREATE TABLE 'words_data'(id INTEGER PRIMARY KEY, block BLOB)",
    "words_idx": "CREATE TABLE 'words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID",
    "words_docsize": "CREATE TABLE 'words_docsize'(id INTEGER PRIMARY KEY, sz BLOB)",
    "words_config": "CREATE TABLE 'words_config'(k PRIMARY KEY, v) WITHOUT ROWID",
}
_INSTANCES = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS temp.word_instances USING fts5vocab('main', 'words', 'instance')"
)
_COUNTS = "CREATE VIRTUAL TABLE IF NOT EXISTS temp.word_counts USING fts5vocab('main', 'words', 'row')"
_INSERT = "INSERT INTO words(rowid, text) VALUES (?, ?)"
_DELETE = "INSERT INTO words(words, rowid, text) VALUES ('delete', ?, ?)"

# Fixed, and not from Unicode's tables, which grow: a document's words must be the same on the day it goes.
_UNPARTED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNPARTED}]+")
_WIDTHS = re.compile("[\u3000\uff01-\uffee]+")
_LAST = "\U0010ffff"


class Word(NamedTuple):
    """A word as FTS5 keeps it.

    Attributes:
        term: What it is stored as.
        begins: Whether it stands for all words that begin so: a single character of a script that does not
            part its words.
    """

    term: str
    begins: bool


def available() -> bool:
    """Whether this Python's SQLite has FTS5."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(TABLE)
        except sqlite3.OperationalError:
            return False
    return True


def check_available() -> None:
    """Refuse to make words where SQLite cannot keep them.

    Raises:
        VectorIndexError: If it has no FTS5.
    """
    if not available():
        raise VectorIndexError(
            "this Python's SQLite was built without FTS5, which keeps the words of documents: "
            "VectorIndex.create(..., lexical=False) makes an index without them"
        )


def spaced(text: str) -> str:
    """A document's text with its words parted, as it is given to FTS5.

    A run of characters that are not parted becomes the pairs of neighbours in it, and its last character,
    so that every single character begins a word.
    """
    return _spaced(text, last=True)


def _spaced(text: str, *, last: bool) -> str:
    if text.isascii():
        return text
    # Unicode promises that what is assigned is normalised so for ever.
    text = _WIDTHS.sub(lambda run: normalize("NFKC", run[0]), text)

    def pairs(run: re.Match[str]) -> str:
        found = run[0]
        words = [found[i : i + 2] for i in range(len(found) - 1)]
        if last or not words:
            words.append(found[-1])
        return f" {' '.join(words)} "

    return _RUN.sub(pairs, text)


def words_of(question: str) -> list[Word]:
    """The words of a question, each once, by their terms. Whatever it holds is words: there is no syntax."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(TABLE)
        connection.execute("CREATE VIRTUAL TABLE found USING fts5vocab('words', 'row')")
        connection.execute(_INSERT, (1, _spaced(question, last=False)))
        # A mark that stands alone is a word of no characters to FTS5.
        terms = [term for (term,) in connection.execute("SELECT term FROM found") if term]
    return [Word(term, len(term) == 1 and _RUN.match(term) is not None) for term in terms]


# -- the table ----------------------------------------------------------------------------------------------


def insert_words(connection: sqlite3.Connection, keys: Iterable[int], texts: Iterable[str]) -> None:
    """Store where the words of new documents stand."""
    connection.executemany(_INSERT, zip(keys, map(spaced, texts), strict=True))


def delete_words(connection: sqlite3.Connection, keys: Iterable[int], texts: Iterable[str]) -> None:
    """Forget them; the texts must be those that were stored."""
    connection.executemany(_DELETE, zip(keys, map(spaced, texts), strict=True))


def optimize(connection: sqlite3.Connection) -> None:
    """Rewrite the words into one piece, in which nothing is left of deleted ones."""
    connection.execute("INSERT INTO words(words) VALUES ('optimize')")


def documents_with(connection: sqlite3.Connection, word: Word) -> int:
    """How many documents hold a word that stands for itself alone."""
    # Not MATCH, which would take the stem of the stem: "lenses" is kept as "lens", and "lens" as "len".
    connection.execute(_COUNTS)
    row = connection.execute("SELECT doc FROM temp.word_counts WHERE term = ?", [word.term]).fetchone()
    return 0 if row is None else int(row[0])


def places_of(connection: sqlite3.Connection, word: Word) -> Keys:
    """The keys of the documents that hold a word, as often as they do, in any order."""
    connection.execute(_INSTANCES)
    condition, values = ("term = ?", [word.term])
    if word.begins:
        condition, values = ("term >= ? AND term < ?", [word.term, word.term + _LAST])
    # As one text: a row for each place would cost ten times as much.
    (found,) = connection.execute(
        f"SELECT group_concat(doc) FROM temp.word_instances WHERE {condition}", values
    ).fetchone()
    return keys_in(found)


def lengths_after(connection: sqlite3.Connection, key: int) -> list[tuple[int, int]]:
    """The key of each later document with the number of its words, in the order of the keys.

    Raises:
        sqlite3.Error: If one is no number.
    """
    rows = connection.execute("SELECT id, sz FROM words_docsize WHERE id > ? ORDER BY id", [key])
    return [(id, _varint(size)) for id, size in rows]


def _varint(blob: object) -> int:
    """SQLite's own form of a number: seven bits a byte, the last one without the eighth."""
    if not isinstance(blob, bytes):
        raise sqlite3.DatabaseError("a document's number of words is none")
    number = 0
    for byte in blob[:8]:
        number = number << 7 | byte & 127
    return number


def damage_of(connection: sqlite3.Connection, documents: Iterable[tuple[int, str]]) -> str | None:
    """How the words stored differ from those of some documents, which are all; None if they do not.

    The words are made once more, in memory, and compared: each term with where it stands, and each length.

    Raises:
        sqlite3.Error: If the table cannot be read.
    """
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute(TABLE)
        made.executemany(_INSERT, ((key, spaced(text)) for key, text in documents))
        for stored, expected in zip_longest(_summary(connection), _summary(made)):
            if stored != expected:
                term = min(str(row[0]) for row in (stored, expected) if row is not None)
                return f"the word {brief(term)} does not stand where it is said to"
        if lengths_after(connection, 0) != lengths_after(made, 0):
            return "a document has another number of words than is said"
    return None


def _summary(connection: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    connection.execute(_INSTANCES)
    return iter(
        connection.execute(
            "SELECT term, count(*), sum(doc), sum((doc % 1000003) * (offset + 1)) FROM temp.word_instances "
            "GROUP BY term ORDER BY term"
        )
    )
