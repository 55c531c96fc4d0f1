"""Source code: functions and classes are passages with titles, and nothing of a file is lost."""

from __future__ import annotations

import ast
import importlib
import inspect
from itertools import pairwise
from pathlib import Path

import files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.corpus import SUFFIXES, read_documents
from youtu_st.corpus.reading.code import GRAMMARS

PYTHON = '''\
"""A module."""

import os

# Says what it is.
@decorated
class Passport(Base):
    """A passport."""

    pages = 32

    def renew(self):
        def inner():
            return "inner"

        return inner

    async def wait(self): ...


if os.name:
    def conditional(): ...

def visa(): return "ünïcode"
'''
CASES: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "a.js": (
        "import x from 'y';\n// doc\nexport default function f(){\n}\nconst g=(a)=>{1}\n\nclass A {\n  x=1;\n  /** m */\n  m(){\n  }\n"
        "  static get y(){}\n}\nfoo();\n",
        [(1, "a"), (2, "a.f"), (5, "a.g"), (7, "a.A"), (9, "a.A.m"), (12, "a.A.y"), (14, "a")],
    ),
    "b.tsx": (
        "export interface I {a:number}\nnamespace N {\n export class C<T> {\n  constructor(private x:number){}\n  m():void{}\n }\n}\n"
        "export type T = string;\nenum E {A}\nconst V = () => <div>x</div>;\n",
        [
            (1, "b.I"),
            (2, "b.N"),
            (3, "b.N.C"),
            (4, "b.N.C.constructor"),
            (5, "b.N.C.m"),
            (8, "b.T"),
            (9, "b.E"),
            (10, "b.V"),
        ],
    ),
    "a.go": (
        "package x\n\n// Run runs.\nfunc (s *Server[T]) Run() error {\n\treturn nil\n}\ntype S struct { a int }\nfunc F() {}\n",
        [(1, "a"), (3, "a.Server.Run"), (7, "a.S"), (8, "a.F")],
    ),
    "geo/mod.rs": (
        "/// doc\n#[derive(Debug)]\npub struct P<T> { a: i32 }\nimpl<T> Tr for P<T> {\n fn m(&self) {}\n}\nmod z {\n fn q(){}\n}\n"
        "trait Tr {\n fn a();\n fn b(){}\n}\n",
        [
            (1, "geo.P"),
            (4, "geo.P"),
            (5, "geo.P.m"),
            (7, "geo.z"),
            (8, "geo.z.q"),
            (10, "geo.Tr"),
            (12, "geo.Tr.b"),
        ],
    ),
    "a.c": (
        "#ifdef X\nstatic int *f(int a) {\n return 0;\n}\n#endif\nstruct S { int a; };\nstruct S s;\nenum E {A};\n",
        [(1, "a"), (2, "a.f"), (5, "a"), (6, "a.S"), (7, "a"), (8, "a.E")],
    ),
    "a.hpp": (
        "namespace n {\ntemplate<class T> class C {\npublic: C();\n ~C(){}\n T operator+(T o){}\n};\n}\nint n::C::m() { }\n",
        [(1, "a.n"), (2, "a.n.C"), (4, "a.n.C.~C"), (5, "a.n.C.operator+"), (8, "a.n.C.m")],
    ),
    "A.java": (
        "package p;\n/** doc */\n@X public class A<T> {\n int x;\n A(){}\n void m() {}\n class In {\n  void k(){}\n }\n}\n"
        "interface I {\n void z();\n}\nenum E { A;\n void q(){} }",
        [
            (1, "A"),
            (2, "A.A"),
            (5, "A.A.A"),
            (6, "A.A.m"),
            (7, "A.A.In"),
            (8, "A.A.In.k"),
            (11, "A.I"),
            (12, "A.I.z"),
            (14, "A.E"),
            (15, "A.E.q"),
        ],
    ),
    "a.cs": (
        "namespace N {\n class A {\n  public A(){}\n  void M(){}\n  int P {get;set;}\n }\n}",
        [(1, "a.N"), (2, "a.N.A"), (3, "a.N.A.A"), (4, "a.N.A.M"), (5, "a.N.A")],
    ),
}


def pieces(path: Path, text: str) -> list[tuple[int, str]]:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    documents = list(read_documents([path]))
    assert "".join(one.text for one in documents) == text
    for one in documents:
        assert text[one.first_character :].startswith(one.text)
        assert text.count("\n", 0, one.first_character) + 1 == one.first_line
    return [(one.first_line, one.title) for one in documents]


def test_every_kind_of_code_is_known() -> None:
    assert set(GRAMMARS) <= set(SUFFIXES)
    for grammar in set(GRAMMARS.values()):
        assert getattr(importlib.import_module(grammar.module), grammar.function)()


def test_python(tmp_path: Path) -> None:
    (tmp_path / "travel.py").write_text(PYTHON)
    parts = [
        ("travel", 1, '"""A module."""\n\nimport os'),
        ("travel.Passport", 5, PYTHON[PYTHON.index("# Says") : PYTHON.index("    def renew")].strip()),
        ("travel.Passport.renew", 12, PYTHON[PYTHON.index("def renew") : PYTHON.index("    async")].strip()),
        ("travel.Passport.wait", 18, "async def wait(self): ..."),
        ("travel", 21, "if os.name:\n    def conditional(): ..."),
        ("travel.visa", 24, 'def visa(): return "ünïcode"'),
    ]
    assert files.told(tmp_path / "travel.py", tokens=80) == [
        (f"{title}\n\n{text}", {"line": line, "title": title}) for title, line, text in parts
    ]


@pytest.mark.parametrize("name", CASES)
def test_other_languages(tmp_path: Path, name: str) -> None:
    text, wanted = CASES[name]
    assert pieces(tmp_path / name, text) == wanted


@pytest.mark.parametrize("module", ["ast", "dataclasses", "pathlib", "json.decoder"])
def test_titles_are_pythons_own_names(tmp_path: Path, module: str) -> None:
    """All functions and classes of a real module, but those in functions and conditions."""
    text = inspect.getsource(importlib.import_module(module))
    wanted = set()

    def walk(body: list[ast.stmt], above: str) -> None:
        for one in body:
            if isinstance(one, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                wanted.add(f"{above}.{one.name}")
                if isinstance(one, ast.ClassDef):
                    walk(one.body, f"{above}.{one.name}")

    walk(ast.parse(text).body, "module")
    assert {title for _, title in pieces(tmp_path / "module.py", text)} - {"module"} == wanted


def test_a_long_function_is_split_with_its_title_and_overlap(tmp_path: Path) -> None:
    body = "".join(f"    value_{n} = {n}\n" for n in range(40))
    (tmp_path / "m.py").write_text(f"def f():\n{body}")
    found = files.passages(tmp_path / "m.py", tokens=60, overlap=20)
    assert len(found) > 4
    text = (tmp_path / "m.py").read_text()
    for one in found:
        assert one.metadata["title"] == "m.f"
        assert one.text == f"m.f\n\n{text[one.start : one.end]}"
        assert one.metadata["line"] == text.count("\n", 0, one.start) + 1
    assert all(after.start < before.end for before, after in pairwise(found))


@pytest.mark.parametrize("name", ["a.py", "a.java", "a.cpp", "a.js", "a.rs"])
def test_hostile_code_is_a_text(tmp_path: Path, name: str) -> None:
    for text in (
        "",
        "\n\n",
        "class A {" * 20_000,
        "(" * 20_000,
        "\0\x1b[31m",
        "}" * 999,
        "class A:\n" + " x" * 9,
        "# only\r\n",
    ):
        assert all(title for _, title in pieces(tmp_path / name, text.replace("\r\n", "\n")))


TOKENS = [
    "class A",
    "def f():",
    "function g()",
    "{",
    "}",
    "\n",
    "\n\n",
    "    ",
    "# c",
    "// c",
    "/* c */",
    "return 1;",
    "@x",
    "'",
    '"',
    "字",
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(GRAMMARS)), st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join))
def test_nothing_of_any_text_is_lost(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, text: str
) -> None:
    pieces(tmp_path_factory.getbasetemp() / f"any{suffix}", text)


def test_many_comments_take_no_square_of_them_in_time(tmp_path: Path) -> None:
    text = "# x\n" * 100_000 + "def f(): pass\n"
    assert pieces(tmp_path / "a.py", text) == [(1, "a.f")]
