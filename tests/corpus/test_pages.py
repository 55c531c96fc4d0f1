"""HTML: what a reader of a page sees, in the encoding that it says it is in."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import files
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from youtu_st.corpus import Gathered
from youtu_st.corpus.reading import pages
from youtu_st.errors import InputError

PAGE = """<!doctype html><html><head><meta charset="{}"><title>Travel
 guide</title><style>p {{ color: red }}</style><script>let x = "<div>" + "SCRIPT";</script></head>
<body><nav>HOME</nav><header><h1>Pass<b>ports</b></h1></header>
<main><p>To renew,<br>fill &amp; send.<p>Second   <a href="http://127.0.0.1:9/x">para</a>.
<ul><li>one<li><p>two</p><ul><li>in it</ul></ul>
<table><tr><th>A<th>B<tr><td>1<td>2</table><pre>a
  b</pre><noscript>NO</noscript><template>NO</template><!-- NO -->
<div hidden>NO</div><div style="color: red; display:none">NO</div><p aria-hidden="true">NO</p>
<form><button>NO</button><label>Name</label></form><dialog>NO</dialog>
<h2>{}</h2><div>{}</div><footer>of the main part</footer></main><footer>NO</footer><div role="navigation">NO</div></body>"""
TITLE, TEXT = "签证", "向您想访问的国家的大使馆询问。"
TAGS = "<p> </p> <div> </div> <li> <ul> </ul> <pre> </pre> <h1> </h1> <h2> <br> <table> <tr> <td> </table> <b> </b>"
ODD = [
    *["<!--", "-->", "<", "&", "</", "<svg>", "</svg>", "<footer>", "<article>", "</article>", "&#x202e;"],
    " ",
    "\n",
    "\0",
    "\x1b[3m",
]
ABOVE = "Passports\n\nTo renew,\nfill & send.\n\nSecond para.\n\n- one\n- two\n- in it\n\nA | B\n1 | 2\n\na\n  b\n\nName"


def page(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("said", "encoding"),
    [("utf-8", "utf-8"), ("gb2312", "gb18030"), ("GBK", "gb18030"), ("big5", "big5"), ("utf-16", "utf-16")],
)
def test_a_page_is_read_as_it_is_seen(tmp_path: Path, said: str, encoding: str) -> None:
    title, text = (TITLE, TEXT) if encoding != "big5" else ("簽證", "向大使館詢問。")
    path = page(tmp_path / "a.html", PAGE.format(said, title, text), encoding)
    (found,) = files.read(path)
    assert found.title == "Travel guide"
    assert found.text == f"{ABOVE}\n\n{title}\n\n{text}\n\nof the main part"
    assert [(one.level, one.title) for one in found.outline or ()] == [(1, "Passports"), (2, title)]
    whole = [passage.metadata["title"] for passage in files.passages(path, tokens=34)]
    assert whole == ["Passports", title]


def test_the_title_stands_before_what_has_no_heading(tmp_path: Path) -> None:
    path = page(tmp_path / "a.htm", "<title>River\n  guide</title><p>The Rhine.<p>The Elbe.")
    assert files.told(path) == [("River guide\n\nThe Rhine.\n\nThe Elbe.", {"title": "River guide"})]
    overlapping = files.told(path, tokens=8, overlap=4)
    assert len(overlapping) == 2
    assert files.told(page(tmp_path / "b.html", "<title>Alone</title>")) == [("Alone", {})]
    assert files.told(page(tmp_path / "c.html", "<script>x</script>")) == []
    assert files.told(page(tmp_path / "d.html", "")) == []
    assert files.told(page(tmp_path / "e.html", "no tags & all")) == [("no tags & all", {})]


def test_the_title_of_a_drawing_is_none_of_the_page(tmp_path: Path) -> None:
    drawing = "<svg><g><title>Icon</title></g></svg><p>Fill in the form."
    assert files.read(page(tmp_path / "a.html", drawing))[0].title == ""
    (found,) = files.read(page(tmp_path / "b.html", f"{drawing}<title>Late</title>"))
    assert (found.title, found.text) == ("Late", "Fill in the form.")


def test_passages_overlap(tmp_path: Path) -> None:
    sentences = " ".join(f"The river number {n} flows north." for n in range(20))
    found = files.told(page(tmp_path / "a.html", f"<h1>Rivers</h1><p>{sentences}"), tokens=30, overlap=12)
    assert len(found) > 5
    for (before, _), (after, _) in pairwise(found):
        assert after.removeprefix("Rivers\n\n").split(".")[0] in before


def test_encodings(tmp_path: Path) -> None:
    declared = (
        '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"><p>caf\u00e9 \u201cx\u201d'
    )
    assert files.told(page(tmp_path / "a.html", declared, "cp1252"))[0][0] == "café “x”"
    as_xml = '<?xml version="1.0" encoding="Shift_JIS"?><html><body><p>日本語</p></body></html>'
    assert files.told(page(tmp_path / "b.html", as_xml, "cp932"))[0][0] == "日本語"
    marked = '<meta charset="gb2312"><p>日本語'
    assert files.told(page(tmp_path / "c.html", marked, "utf-8-sig"))[0][0] == "日本語"
    assert files.read(page(tmp_path / "d.html", marked, "cp932"), encoding="cp932")[0].text == "日本語"
    for unknown in ("x-none", "rot13", "base64", "utf-7\\"):
        path = page(tmp_path / "e.html", f'<meta charset="{unknown}"><p>日本語')
        assert files.told(path)[0][0] == "日本語"


def test_a_page_that_is_not_what_it_declares(tmp_path: Path) -> None:
    notes = Gathered()
    path = page(tmp_path / "a.html", '<meta charset="euc-jp"><p>Größe und Maß')
    assert files.read(path, notes)[0].text == "Größe und Maß"
    assert notes.notes == ["a.html: not in the encoding that it declares, euc_jp"]
    with pytest.raises(InputError, match=r"a\.html: not UTF-8 at byte 3"):
        files.read(page(tmp_path / "a.html", b"<p>\xff\xfe\xfa broken"))


def test_pages_that_nest_without_end(tmp_path: Path) -> None:
    deep = page(tmp_path / "deep.html", "<div>" * 1_000_000 + "x")
    with pytest.raises(
        InputError, match=r"deep\.html: its elements nest more than 2,000 levels: that is no page$"
    ):
        files.read(deep)
    near = page(tmp_path / "near.html", "<div>" * pages.DEEPEST + "x")
    assert files.read(near)[0].text == "x"
    flat = page(tmp_path / "flat.html", "<p>a<br>" * 20_000 + "<script>" + "<div>" * 5000 + "</script>")
    assert files.read(flat)[0].text.count("a") == 20_000
    unclosed = page(tmp_path / "unclosed.html", "<!-- " + "<!--<script" * 200_000)
    assert files.read(unclosed) == []


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@example(["<p>", "\0", "<p>", "<p>", "<p>", "\0", "<p>"])
@given(
    st.lists(
        st.sampled_from([*TAGS.split(" "), *ODD]) | st.integers(0, 99).map(lambda n: f" word{n} "),
        max_size=40,
    )
)
def test_any_page_gives_sound_documents(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    path = page(tmp_path_factory.getbasetemp() / "any.html", "<p>some text" + "".join(parts))
    for document in files.read(path):
        document.text.encode()
        assert document.text == document.text.strip("\n")
        end = 0
        for heading in document.outline or ():
            assert end <= heading.start < heading.end <= len(document.text)
            assert document.text[heading.start : heading.end] == heading.title
            end = heading.end
    for passage in files.passages(path, tokens=12):
        assert passage.text.strip()
