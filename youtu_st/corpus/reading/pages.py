"""HTML to documents: what a reader sees of a page, with its headings, without its navigation."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from youtu_st.corpus.reading.decoding import decode, decoded, encoding_at_start, encoding_of
from youtu_st.corpus.reading.documents import Composed, Reading, SourceDocument, joined, names
from youtu_st.corpus.sources import SourceFile
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, require

_HEAD = 1024
"""Bytes in which a page must say its encoding, by the standard."""
_DECLARED = re.compile(
    rb"""<meta[^>]*?charset\s*=\s*["']?\s*([\w:.-]+)|^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w:.-]+)""", re.I
)
_MEANT = {  # what a page means by a name, by the standard, where that is not what Python means
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-9": "cp1254",
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_UNREAD = names(
    "head title script style template noscript svg math canvas object embed iframe audio video map select",
    "datalist button textarea nav split",
)
_UNREAD_ROLES = ("navigation", "search", "menu", "menubar", "contentinfo")
_BLOCKS = names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset",
    "figcaption figure footer form header hgroup hr legend li main menu ol optgroup p pre section",
    "summary table tbody tfoot thead tr ul split",
)
_SECTIONS = ("article", "main", "section", "aside", "blockquote")
_CLOSE = frozenset(("li", "dt", "dd", "tr", "caption"))
"""Blocks that stand right below the one before."""
_LISTS = ("ul", "ol", "menu", "dir", "table")
ITEM = "- "
"""Before the items of lists."""
_HIDDEN = re.compile(r"(^|;)\s*(display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_SPACES = re.compile(r"[ \t\n\r\f]+")
_TAG = re.compile(r"<(?:(!--)|(/?)([a-z][^\s/>]*))", re.I)
_CLOSED = names(
    "a area base br col colgroup dd dt embed hr img input li link meta option optgroup p param rp rt",
    "source tbody td tfoot th thead tr track wbr split",
)
"""Elements that have no end tag, or need none."""
_RAW = ("script", "style", "title", "textarea", "xmp", "iframe", "noscript")
DEEPEST = 2000
"""Levels of elements: four times as many as browsers show, and the parser takes a square of them in time."""


def read_page(file: SourceFile, reading: Reading) -> Iterator[SourceDocument]:
    """The text of a page; its title stands before what is above the first heading."""
    parser = require("selectolax.lexbor", "documents")
    text = _text(file, reading)
    if not text.strip():
        return
    if _depth(text) > DEEPEST:
        raise InputError(f"{file.source}: its elements nest more than {DEEPEST:,} levels: that is no page")
    tree = parser.LexborHTMLParser(text)
    # A drawing in the page may have a title of its own.
    named = next((one for one in tree.css("title") if one.css_matches(":not(svg *)")), None)
    title = named.text() if named is not None else ""
    composing = _Composing()
    if tree.body is not None:
        composing.walk(tree.body)
    document = composing.made.document(file.source, title)
    if document.text:
        yield document
    elif title.strip():
        yield SourceDocument(document.title, file.source, outline=(), has_lines=False)


def _text(file: SourceFile, reading: Reading) -> str:
    """The page, in the encoding that it is said to be in, by the caller, a mark, or itself."""
    with open_plain(file.path) as stream:
        head = stream.read(_HEAD)
        encoding = reading.encoding or encoding_at_start(head)
        if encoding is None and (declared := _declared(head)) is not None:
            stream.seek(0)
            try:
                return joined(decode(stream, file.source, declared), file.source)
            except InputError as error:
                if not isinstance(error.__cause__, UnicodeError):
                    raise
                reading.notes.note(f"{file.source}: not in the encoding that it declares, {declared}")
    encoding = encoding or encoding_of(file.path, file.source, reading.notes)
    return joined(decoded(file.path, file.source, encoding), file.source)


def _declared(head: bytes) -> str | None:
    found = _DECLARED.search(head)
    if found is None:
        return None
    try:
        name = codecs.lookup((found[1] or found[2]).decode("ascii", "replace")).name
        "".encode(name)  # some of Python's are none of texts
    except (LookupError, ValueError):
        return None
    if name.startswith(("utf-16", "utf-32")):  # it was read as ASCII just now
        return "utf-8"
    return _MEANT.get(name, name)


def _depth(text: str) -> int:
    """How deep the elements of a page nest, before it is parsed: at least as deep as they do."""
    place = depth = deepest = 0
    endless: set[str] = set()  # looked for once: a page may begin the same a million times
    while (tag := _TAG.search(text, place)) is not None:
        place = tag.end()
        name = (tag[3] or "").lower()
        if tag[1]:
            place = _behind("-->", text, place, endless)
        elif tag[2]:
            depth = max(depth - (name not in _CLOSED), 0)
        elif name in _RAW:
            place = _behind(f"</{name}", text, place, endless)
        else:
            depth += name not in _CLOSED
            deepest = max(deepest, depth)
    return deepest


def _behind(end: str, text: str, place: int, endless: set[str]) -> int:
    """Behind the next end, or else the same place: what is never closed hides nothing.

    Ends that are not there any more are added to ``endless``.
    """
    found = None if end in endless else re.compile(re.escape(end), re.I).search(text, place)
    if found is None:
        endless.add(end)
        return place
    return found.end()


class _Composing:
    """Goes through a page in order, without recursion: pages nest as deep as they like."""

    def __init__(self) -> None:
        self.made = Composed()
        self._waiting: list[str] = []
        self._level = 0
        self._apart = True
        self._items = 0  # how many items of lists are open
        self._is_kept = 0  # how many elements are open that keep white space as it is

    def walk(self, body: Any) -> None:
        """Take all that is below an element."""
        node = body.child
        path: list[Any] = []
        within = 0  # sections of content that are open
        while node is not None or path:
            if node is None:
                node = path.pop()
                within -= node.tag in _SECTIONS
                self._end(node.tag)
                node = node.next
                continue
            tag = node.tag
            if tag == "-text":
                self._waiting.append(node.text_content or "")
            elif not tag.startswith("-") and tag not in _UNREAD and not _is_hidden(node, within):
                self._begin(tag)
                within += tag in _SECTIONS
                path.append(node)
                node = node.child
                continue
            node = node.next
        self._flush()

    def _begin(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._flush()
            self._level = _HEADINGS[tag]
        elif tag in ("td", "th"):
            if "".join(self._waiting).strip():
                self._waiting.append(" | ")
        elif tag == "br":
            self._waiting.append("\n" if self._is_kept else "\v")
        elif tag in _BLOCKS and not self._level:
            self._flush()
            is_close = tag in _CLOSE or (self._items and tag in _LISTS)
            if not is_close and not self._waiting:
                self._apart = True
            if tag == "li":
                self._waiting.append(ITEM)
            self._items += tag == "li"
            self._is_kept += tag == "pre"

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._flush()
        elif tag in _BLOCKS and not self._level:
            self._flush()
            self._items -= tag == "li"
            self._is_kept -= tag == "pre"
            self._apart = self._apart or not (tag in _CLOSE or self._items)

    def _flush(self) -> None:
        text = "".join(self._waiting)
        self._waiting.clear()
        if not self._is_kept:
            lines = _SPACES.sub(" ", text).split("\v")
            text = "\n".join(line.strip() for line in lines).strip("\n")
        if text.strip() == ITEM.strip() and self._items:
            self._waiting.append(ITEM)  # the item's text is in a block of its own
        elif text.strip():
            self.made.add(text, self._level, apart=self._apart)
            self._apart = self._level > 0
        self._level = 0


def _is_hidden(node: Any, within: int) -> bool:
    """Whether a reader does not see it, or it is what every page of a site ends with."""
    tag, facts = node.tag, node.attributes
    if tag == "footer" and not within:
        return True
    if tag == "dialog" and "open" not in facts:
        return True
    return (
        ("hidden" in facts and facts["hidden"] != "until-found")
        or facts.get("aria-hidden") == "true"
        or (facts.get("role") or "").lower() in _UNREAD_ROLES
        or _HIDDEN.search(facts.get("style") or "") is not None
    )
