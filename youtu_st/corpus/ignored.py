"""Which files below a folder are left out: by ``.gitignore``, as git reads it, and by other patterns."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from youtu_st.corpus.notes import Notes
from youtu_st.disk import read_bounded
from youtu_st.errors import InputError, brief

FILE = ".gitignore"
_MOST_BYTES = 1 << 20
_ANY = "**"
_CLASS = re.compile(r"\[:([a-z]+):\]")
_BRACKETS = re.compile(r"(\[[!^]?\]?)((?:\\.|[^\]\\])*)\]")
_RANGE = re.compile(r"(\\?.)-(\\?.)", re.DOTALL)
_CLASSES = {  # which git knows, and pathspec does not
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern, which is to match names themselves: what is below a folder is asked for on its own.

    Attributes:
        spec: The pattern without its ``!``. It matches what is below a folder, too.
        negated: It takes back what patterns above it leave out.
        parts: Its names. Without a slash, there is one, and it is sought in the last name of a path.
        is_for_folders: It matches no file.
        is_anchored: It has a slash before its end, and is sought from the pattern's folder on.
        ends: Matches as many names as stand behind the last ``**``.
    """

    spec: GitIgnoreSpec
    negated: bool
    parts: tuple[str, ...]
    is_for_folders: bool
    is_anchored: bool
    ends: GitIgnoreSpec | None

    def matches(self, names: Sequence[str], end: str) -> bool:
        """Whether it is this path that is meant: by its names below the pattern's folder, and its slash."""
        if self.is_for_folders and not end:
            return False
        if not self.is_anchored:
            return self.spec.match_file(names[-1] + end)
        if self.parts[-1] == _ANY:  # all that is below, not the folder itself
            return self.spec.match_file("/".join(names))
        if not self.spec.match_file("/".join(names) + end):
            return False
        if self.ends is None:
            return len(names) == len(self.parts)
        last = self.parts[::-1].index(_ANY)
        return self.ends.match_file("/".join(names[-last:]) + end)


class Rules:
    """The patterns of one file, or of the caller, for the folder that they stand in.

    Args:
        lines: The patterns, one a line; blank ones and comments are none.
        strict: Whether what is no pattern, or one that no name can match, is an error; git passes over it.

    Raises:
        InputError: If one is that, and ``strict``.
    """

    def __init__(self, lines: Iterable[str], *, strict: bool = False) -> None:
        made = [one for line in lines if (one := _checked(line) if strict else _pattern(line)) is not None]
        self._patterns = made[::-1]
        self._any = GitIgnoreSpec([pattern for one in made for pattern in one.spec.patterns])

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._patterns)

    def say(self, names: Sequence[str], is_folder: bool) -> bool | None:
        """Whether a path is left out, by the last pattern that matches it; None: no pattern does."""
        end = "/" if is_folder else ""
        if not self._any.match_file("/".join(names) + end):
            return None
        return next((not one.negated for one in self._patterns if one.matches(names, end)), None)


def _checked(line: str) -> _Pattern:
    """A pattern that somebody wrote to leave something out: what can match nothing is a slip of the pen.

    Raises:
        InputError: Saying why it is none.
    """
    if "\0" in line or "\n" in line:
        raise InputError(f"{brief(line)} must be one pattern, without NUL or line breaks")
    if line.startswith("#"):
        raise InputError(
            f"{brief(line)} is a comment, as in a .gitignore: a name that begins so needs \\ before it"
        )
    bare = _without_spaces(line.removeprefix("!"))
    if not bare.strip("/"):
        raise InputError(f"{brief(line)} is no pattern: it names nothing")
    names = bare.removeprefix("/").removesuffix("/").split("/")
    if odd := [name for name in names if name in ("", ".", "..")]:
        raise InputError(
            f"{brief(line)} can match nothing: no path below a folder has the name {brief(odd[0])} in it"
        )
    made = _pattern(line)
    if made is None or _in_order(line) != line or any(one.regex is None for one in made.spec.patterns):
        raise InputError(f"{brief(line)} is no pattern as a .gitignore has them")
    return made


def _pattern(line: str) -> _Pattern | None:
    negated = line.startswith("!")
    told = _CLASS.sub(lambda found: _CLASSES.get(found[1], found[0]), line[negated:])
    bare = _without_spaces(_in_order(told))
    if not bare.strip("/") or (bare.startswith("#") and not negated):
        return None
    is_for_folders = bare.endswith("/")
    parts = tuple(bare.strip("/").split("/"))
    if parts[-1] == _ANY:
        bare = bare.rstrip("/")
    ends = parts[len(parts) - parts[::-1].index(_ANY) :] if _ANY in parts else ()
    try:
        return _Pattern(
            _spec(f"\\{bare}" if bare.startswith(("#", "!")) else bare),
            negated,
            parts,
            is_for_folders,
            "/" in bare.rstrip("/"),
            _spec(f"/{'/'.join(ends)}{'/' if is_for_folders else ''}") if ends else None,
        )
    except (ValueError, re.error):
        return None


def _in_order(pattern: str) -> str:
    """With brackets whose ranges run upwards: of one that runs downwards, git matches the first character."""

    def mended(found: re.Match[str]) -> str:
        return found[0] if found[1][-1] <= found[2][-1] else found[1]

    return _BRACKETS.sub(lambda found: f"{found[1]}{_RANGE.sub(mended, found[2])}]", pattern)


def _spec(pattern: str) -> GitIgnoreSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of brackets in brackets
        return GitIgnoreSpec.from_lines([pattern])


def _without_spaces(line: str) -> str:
    """Without the spaces at its end, but for one behind a backslash. A tab there is part of the name."""
    kept = line.rstrip(" ")
    last = kept[-1:]
    name = kept.removesuffix(last) if last.isspace() else kept
    escaped = (len(name) - len(name.rstrip("\\"))) % 2
    if name != kept:
        return f"{name[:-1] if escaped else name}[{last}]"  # pathspec would take it away
    return line[: len(kept) + 1] if escaped else kept


class _Level(NamedTuple):
    """Rules, and how many names of a path stand above their folder."""

    above: int
    rules: Rules


class Ignored:
    """What is left out below a folder.

    Args:
        folder: It; a folder that was named is itself never left out.
        notes: Takes which ``.gitignore`` cannot be read.
        git: Whether these files count: those in the folder and below, and where it is in a repository, those
            above it, too.
        exclude: Patterns for the folder that count for more than all of them.
    """

    def __init__(self, folder: Path, notes: Notes, *, git: bool = True, exclude: Rules | None = None) -> None:
        self._notes, self._git = notes, git
        here = Path(os.path.realpath(folder))
        root = next((one for one in (here, *here.parents) if (one / ".git").exists()), here) if git else here
        self._names = here.relative_to(root).parts
        self._top = os.fspath(folder)
        self._first = [_Level(len(self._names), exclude)] if exclude else []
        levels: tuple[_Level, ...] = ()
        for depth, name in enumerate(("", *self._names)):
            root = root / name
            levels = self._with_own(os.fspath(root), depth, levels)
        self._levels = {self._top: levels}
        self._below: dict[str, tuple[str, ...]] = {self._top: self._names}

    def enter(self, directory: str) -> None:
        """Take the rules of a folder into account; the one above it was entered before."""
        if directory in self._levels:
            return
        above, name = os.path.split(directory)
        self._below[directory] = names = (*self._below[above], name)
        self._levels[directory] = self._with_own(directory, len(names), self._levels[above])

    def holds(self, directory: str, name: str, *, is_folder: bool) -> bool:
        """Whether something in a folder that was entered is left out."""
        names = (*self._below[directory], name)
        for level in (*self._first, *self._levels[directory]):
            said = level.rules.say(names[level.above :], is_folder)
            if said is not None:
                return said
        return False

    def _with_own(self, directory: str, depth: int, levels: tuple[_Level, ...]) -> tuple[_Level, ...]:
        """The rules of a folder before those above it."""
        path = os.path.join(directory, FILE)
        if not self._git or os.path.islink(path) or not os.path.isfile(path):  # git follows no links here
            return levels
        try:
            content = read_bounded(path, _MOST_BYTES)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._notes.note(f"{Path(path).as_posix()}: cannot be read, and leaves nothing out: {reason}")
            return levels
        text = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf"))
        rules = Rules(line.removesuffix("\r") for line in text.split("\n"))
        return (_Level(depth, rules), *levels) if rules else levels
