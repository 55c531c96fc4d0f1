"""Rules of .gitignore: what git itself says of the same tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from youtu_st.corpus import Gathered, find_files
from youtu_st.errors import InputError

FILES = [
    f"{folder}{name}"
    for folder in ("", "a/", "b/", "a/b/", "a/b/c/", "b/a/", "build/", "a/build/", "c d/")
    for name in ("a.md", "b.md", "x.txt", "keep.txt", "a.txt", "[x].md", "éé.md", "#n.md", "!n.md", "q .md")
]
PATTERNS = [
    *(
        "*.md",
        "a",
        "b/",
        "/a",
        "a/",
        "/a/b",
        "a/b",
        "a/*",
        "a/*/c",
        "**/b",
        "a/**",
        "a/**/c",
        "**/a.md",
        "*",
        "*/",
    ),
    *("build", "build/", "/build/", "!build/", "!*.md", "!a.md", "!/a/b/", "!a/", "!*/", "!keep.txt", "!b"),
    *(
        "a?md",
        "[ab].md",
        "[!a].md",
        "[^b].md",
        "[[:alpha:]].md",
        "\\[x].md",
        "é*",
        "\\#n.md",
        "\\!n.md",
        "!#n.md",
    ),
    *(
        "# no pattern",
        "",
        "  ",
        "q .md",
        "q\\ .md",
        "x.txt  ",
        "x.txt\\ ",
        "a/b/**/*.md",
        "**/b/*.txt",
        "**/b/c/",
        "/",
    ),
    *("b/**/", "/*", "!/a", "*.txt\r", "a**", "**", "[a-", "\\", "a\\", "***", "c d", "/**/a.md", "a//b"),
    *(
        "[",
        "[a.md",
        "!",
        "a[b-a].md",
        "[a-z].md",
        "[b-aa].md",
        "[z-ab].md",
        "[!b-a].md",
        "./a.md",
        "../a",
        "//a.md",
    ),
    *("a.md\t", "*.txt\t ", "b\u3000", "b.md\\\t", " a.md", "\tb.md"),
]
RULES = st.lists(st.sampled_from(PATTERNS), max_size=5)


def git(where: Path, *arguments: str, given: str = "") -> str:
    isolated = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "HOME": str(where),
    }
    done = subprocess.run(
        ["git", "-c", "core.quotePath=false", *arguments],
        cwd=where,
        env=isolated,
        input=given.encode(),
        capture_output=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.decode()


def kept_by_git(where: Path, folder: str = ".") -> set[str]:
    return set(
        filter(
            None,
            git(where, "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore", folder).split(
                "\0"
            ),
        )
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    git(root, "init", "-q")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text")
    return root


def read(where: Path, folder: str = ".") -> set[str]:
    top = where / folder
    found = find_files([top], Gathered())
    return {file.path.relative_to(where).as_posix() for file in found.files}


def among(names: set[str]) -> set[str]:
    return {name for name in names if name.endswith((".md", ".txt"))}


@settings(max_examples=120, deadline=None)
@given(top=RULES, inner=RULES, deeper=RULES)
@example(["*.log", "!a"], ["a.md"], [])
@example(["*", "!*/", "!*.md"], [], [])
@example(["a/**", "!a/b"], [], [])
@example(["build"], ["!build"], [])
@example(["a/*", "!a/b"], ["x.txt"], ["!x.txt"])
@example(["a.md\t", "*.txt\t "], ["b\u3000", "b.md\\\t"], [" a.md", "\tb.md"])
def test_what_is_read_is_what_git_would_see(
    tree: Path, top: list[str], inner: list[str], deeper: list[str]
) -> None:
    for folder, rules in (("", top), ("a/", inner), ("a/b/", deeper)):
        (tree / folder / ".gitignore").write_bytes("\n".join(rules).encode())
    assert read(tree) == among(kept_by_git(tree))
    ignored = set(
        filter(
            None, git(tree, "check-ignore", "-z", "--stdin", "--no-index", given="\0".join(FILES)).split("\0")
        )
    )
    assert read(tree) == {name for name in FILES if name not in ignored and name.endswith((".md", ".txt"))}


@settings(max_examples=30, deadline=None)
@given(top=RULES)
def test_a_folder_in_a_repository_has_the_rules_above_it(tree: Path, top: list[str]) -> None:
    (tree / ".gitignore").write_bytes("\n".join(top).encode())
    for folder in ("a/", "a/b/"):
        (tree / folder / ".gitignore").unlink(missing_ok=True)
    whole = read(tree)
    below = read(tree, "a/b")
    assert {name for name in whole if name.startswith("a/b/")} <= below
    if not any(
        set(rule) & set("*?[/!") or rule in ("a", "b") for rule in top
    ):  # none that may mean a folder above
        assert {name for name in whole if name.startswith("a/b/")} == below


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"The file {name}.")


def test_patterns_of_the_caller_count_for_more_than_files(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.md", "logs/a.md", "logs/b.txt", "x/logs/c.md", "x/d.md")
    (tmp_path / ".gitignore").write_text("b.md\n")
    (tmp_path / "x" / ".gitignore").write_text("!logs\n")

    def names(*exclude: str, ignore: bool = True) -> list[str]:
        found = find_files([tmp_path], Gathered(), exclude=exclude, ignore=ignore)
        return [file.path.relative_to(tmp_path).as_posix() for file in found.files]

    assert names() == ["a.md", "logs/a.md", "logs/b.txt", "x/d.md", "x/logs/c.md"]
    assert names("logs/") == ["a.md", "x/d.md"]
    assert names("/logs", "!b.md") == ["a.md", "b.md", "x/d.md", "x/logs/c.md"]
    assert names("*.md", ignore=False) == ["logs/b.txt"]
    assert names(ignore=False) == ["a.md", "b.md", "logs/a.md", "logs/b.txt", "x/d.md", "x/logs/c.md"]
    for pattern, message in REFUSED.items():
        with pytest.raises(InputError) as caught:
            names(pattern)
        assert str(caught.value).startswith(repr(pattern))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / ".gitignore").write_text(
        "".join(f"{pattern}\n" for pattern in REFUSED if "\0" not in pattern)
    )
    assert names("x") == ["a.md", "b.md", "logs/a.md", "logs/b.txt"]  # there, git passes over them


REFUSED = {
    **dict.fromkeys(
        ("a\\", "\\", "[", "[a", "a/[", "[]", "[!]", "[z-a].md", "![", "[a/b]"),
        "is no pattern as a .gitignore has",
    ),
    **dict.fromkeys(("", "!", " ", "/", "//", "!/"), "is no pattern: it names nothing"),
    **dict.fromkeys(("./a.md", "../x", "a//b", "//a", "x/../a.md", ".", "!./x"), "can match nothing"),
    **dict.fromkeys(("a\0b", "\0", "a\nb"), "must be one pattern"),
    "# a.md": "is a comment",
}


def test_what_is_named_is_read_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.md", "build/c.md", "d.png", "e.md")
    (tmp_path / ".gitignore").write_text("b.md\nbuild\n*.png\ne.md\n")
    found = find_files([tmp_path, tmp_path / "b.md"], Gathered())
    assert [file.path.name for file in found.files] == ["a.md", "b.md"]
    assert (found.ignored, found.left_out) == (
        2,
        (f"{tmp_path.as_posix()}/build/", f"{tmp_path.as_posix()}/e.md"),
    )
    inside = find_files([tmp_path / "build"], Gathered())
    assert [file.path.name for file in inside.files] == ["c.md"]


def test_odd_rules(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b/a.md", "c/a.md", "d/a.md")
    (tmp_path / "b" / ".gitignore").write_bytes(b"\xef\xbb\xbfa.md\r\n\xff\xfe\0\n")
    (tmp_path / "c" / ".gitignore").symlink_to("../b/.gitignore")
    (tmp_path / "d" / ".gitignore").write_bytes(b"a.md\n" * 300_000)
    notes = Gathered()
    found = find_files([tmp_path], notes)
    assert [file.path.relative_to(tmp_path).as_posix() for file in found.files] == [
        "a.md",
        "c/a.md",
        "d/a.md",
    ]
    assert notes.notes == [
        f"{tmp_path.as_posix()}/d/.gitignore: cannot be read, and leaves nothing out: it has more than 1,048,576 bytes"
    ]
