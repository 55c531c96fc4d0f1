"""Source code to documents: a function, a method, what else stands in a class or a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from youtu_st.corpus.reading.documents import Reading, SourceDocument, names
from youtu_st.corpus.sources import SourceFile
from youtu_st.errors import require


class _Grammar(NamedTuple):
    """A package of tree-sitter's, and the function in it that gives the grammar."""

    module: str
    function: str = "language"


_SCRIPT = _Grammar("tree_sitter_javascript")
_PLUS = _Grammar("tree_sitter_cpp")
GRAMMARS = {
    ".c": _Grammar("tree_sitter_c"),
    ".cc": _PLUS,
    ".cjs": _SCRIPT,
    ".cpp": _PLUS,
    ".cs": _Grammar("tree_sitter_c_sharp"),
    ".cxx": _PLUS,
    ".go": _Grammar("tree_sitter_go"),
    ".h": _PLUS,  # reads C, too
    ".hh": _PLUS,
    ".hpp": _PLUS,
    ".java": _Grammar("tree_sitter_java"),
    ".js": _SCRIPT,
    ".jsx": _SCRIPT,
    ".mjs": _SCRIPT,
    ".py": _Grammar("tree_sitter_python"),
    ".rs": _Grammar("tree_sitter_rust"),
    ".ts": _Grammar("tree_sitter_typescript", "language_typescript"),
    ".tsx": _Grammar("tree_sitter_typescript", "language_tsx"),
}
"""Kinds of files, and what they are written in."""

_FUNCTIONS = names(
    "function_definition function_declaration generator_function_declaration method_definition",
    "method_declaration constructor_declaration function_item macro_definition type_declaration",
    "type_alias_declaration type_definition lexical_declaration abstract_method_signature split",
)
_CLASSES = names(
    "class_definition class_declaration abstract_class_declaration interface_declaration",
    "enum_declaration record_declaration struct_declaration annotation_type_declaration",
    "internal_module module namespace_declaration struct_item enum_item union_item trait_item",
    "impl_item mod_item namespace_definition class_specifier struct_specifier union_specifier",
    "enum_specifier split",
)
_WRAPPERS = names(
    "ERROR decorated_definition export_statement expression_statement ambient_declaration",
    "template_declaration linkage_specification declaration_list preproc_if preproc_ifdef",
    "preproc_else preproc_elif file_scoped_namespace_declaration declaration enum_body_declarations",
    "split",
)
"""What definitions stand in, and is none itself."""
_FUNCTION_VALUES = ("arrow_function", "function_expression", "generator_function", "class")
_ABOVE = ("comment", "line_comment", "block_comment", "attribute_item")
"""What stands right above a definition and belongs to it."""
_PACKAGES = ("__init__", "mod", "index")
"""Files that stand for the folder they are in."""
_NAME = re.compile(r"[\w~$]+(?:(?:::|\.)[\w~$]+)*")
_WORD = re.compile(r"\w")
_DEEPEST = 50
_LONGEST_NAME = 200


def read_code(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    """The pieces of a file of source code, in order and without gaps, with ``line`` and ``title``.

    The title is that of the definition, such as ``module.Class.method``; what stands in a class or a file
    outside of any other has the title of these. Comments right above a definition belong to it.
    """
    grammar = GRAMMARS[file.suffix]
    treesitter = require("tree_sitter", "code")
    language = treesitter.Language(getattr(require(grammar.module, "code"), grammar.function)())
    text = reading.whole(file)
    root = treesitter.Parser(language).parse(text.encode()).root_node
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    row, character = 0, 0
    for title, end in _pieces(root, _module(file), lines):
        piece = "".join(lines[row:end])
        yield SourceDocument(
            piece,
            file.source,
            {"title": title} if title else {},
            title,
            first_line=row + 1,
            first_character=character,
        )
        row, character = end, character + len(piece)


def _module(file: SourceFile) -> str:
    *_, folder, name = ["", *file.source.split("/")]
    stem = name[: -len(file.suffix)]
    return folder if stem in _PACKAGES and _NAME.fullmatch(folder) else stem


def _pieces(root: Any, module: str, lines: list[str]) -> Iterator[tuple[str, int]]:
    """Of each piece its title and the row after it; one without a letter joins the one before."""
    waiting: tuple[str, int] | None = None
    row = 0
    for title, end in [*_Cuts().of(root, module, 0), (module, len(lines))]:
        end = min(end, len(lines))
        if end <= row:
            continue
        if waiting is not None and not any(_WORD.search(line) for line in lines[row:end]):
            waiting = waiting[0], end
        else:
            if waiting is not None:
                yield waiting
            waiting = title, end
        row = end
    if waiting is not None:
        yield waiting


class _Cuts:
    """The rows at which pieces end."""

    def __init__(self) -> None:
        self._row = 0

    def of(self, node: Any, title: str, depth: int) -> Iterator[tuple[str, int]]:
        """The pieces in a node: of each the title, and the row after it.

        Args:
            node: What definitions are looked for in.
            title: The title of what is in none of them.
            depth: How many nodes it stands in.
        """
        if depth > _DEEPEST:
            return
        around = node.children
        for place, child in enumerate(around):
            if not child.is_named:
                continue
            name = _name(child)
            if name is None:
                if child.type in _WRAPPERS:
                    yield from self.of(child, title, depth + 1)
                continue
            start = _first_row(around, place)
            if start < self._row:  # on a line with another
                continue
            yield title, start
            self._row = start
            own = f"{title}.{name}" if title else name
            inner = _defined(child)
            if inner.type in _CLASSES and (body := inner.child_by_field_name("body")) is not None:
                yield from self.of(body, own, depth + 1)
            end = max(_after(child), self._row)
            yield own, end
            self._row = end


def _defined(node: Any) -> Any:
    """The definition that a node is or stands around."""
    for _ in range(_DEEPEST):
        if node.type not in _WRAPPERS or node.type in ("ERROR", "declaration_list"):
            break
        inner = [one for one in node.named_children if one.type in _WRAPPERS | _CLASSES | _FUNCTIONS]
        if len(inner) != 1 or node.type.startswith(("preproc", "linkage", "file_scoped", "enum_body")):
            break
        node = inner[0]
    return node


def _name(node: Any) -> str | None:
    """What a definition is called; None: it is none, or has no name."""
    node = _defined(node)
    if node.type.endswith("_specifier") and node.child_by_field_name("body") is None:
        return None  # of C: one that is used or announced
    if node.type == "lexical_declaration":
        declared = [one for one in node.named_children if one.type == "variable_declarator"]
        value = declared[0].child_by_field_name("value") if len(declared) == 1 else None
        return (
            _words(declared[0].child_by_field_name("name"))
            if value and value.type in _FUNCTION_VALUES
            else None
        )
    if node.type == "type_declaration":  # Go's
        declared = [one for one in node.named_children if one.type in ("type_spec", "type_alias")]
        return _words(declared[0].child_by_field_name("name")) if len(declared) == 1 else None
    if node.type == "impl_item":
        return _words(node.child_by_field_name("type"))
    if node.type not in _FUNCTIONS | _CLASSES:
        return None
    named = node.child_by_field_name("name")
    if named is None:
        named = _declared(node)
    name = _words(named)
    receiver = node.child_by_field_name("receiver")
    if name is None or receiver is None:
        return name
    of = next((_words(one.child_by_field_name("type")) for one in receiver.named_children), None)
    return f"{of}.{name}" if of else name


def _declared(node: Any) -> Any:
    """The name in what C declares: pointers to it and its parameters stand around it."""
    for _ in range(_DEEPEST):
        inner = node.child_by_field_name("declarator")
        if inner is None:
            inner = next((one for one in node.named_children if one.type.endswith("_declarator")), None)
        if inner is None or node.type in ("qualified_identifier", "operator_name", "destructor_name"):
            break
        node = inner
    return node


def _words(node: Any) -> str | None:
    """A name as Python would write it: ``a::b`` is ``a.b``; without parameters of its type."""
    if node is None or node.text is None:
        return None
    text = node.text[: 4 * _LONGEST_NAME].decode("utf-8", "ignore")
    if node.type == "operator_name":
        return " ".join(text.split())
    found = _NAME.search(text)
    return found[0].replace("::", ".")[:_LONGEST_NAME] if found else None


def _first_row(around: Sequence[Any], place: int) -> int:
    """The row that a definition begins in, with the comments right above it.

    Args:
        around: The children of a node: to ask one for the one before takes as long as there are such.
        place: Which of them is the definition.
    """
    row: int = around[place].start_point[0]
    for above in range(place - 1, -1, -1):
        one = around[above]
        if not one.is_named:
            continue
        if one.type not in _ABOVE or _after(one) != row:
            break
        if above and _after(around[above - 1]) > one.start_point[0]:  # at the end of a line of code
            break
        row = one.start_point[0]
    return row


def _after(node: Any) -> int:
    """The row after a node."""
    row, column = node.end_point[0], node.end_point[1]
    return int(row if column == 0 else row + 1)
