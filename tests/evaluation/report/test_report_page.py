"""The page, the Markdown and the CSV: whole, and harmless whoever named the model."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import looked_at
from results_of import published_cmn, write_run

from youtu_st.evaluation.report import Report, as_values, make_report, markdown, page, table_csv

EVIL = "<script>alert('x')</script>|$x^2$`\x1b[31m\u202eabc--><!--]]>{{ 7 * 7 }}</style></svg>"
PROMPT = "</pre><script>alert(1)</script>\x1b[2J\u202e" + "long" * 2_500
VALIDATION = {"MultilingualSentiment": ("validation",)}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Three runs: one with hostile names and prompts, a published model, and one that is not whole."""
    root = tmp_path_factory.mktemp("runs")
    scores = published_cmn("youtu-embedding")
    told = {"prompts": {"query": {"prompt": "Q: ", "source": "the authors"}}, "seconds": 10, "cut": 2}
    evil = {"prompts": {"query": {"prompt": PROMPT, "source": EVIL}}}
    good = {"tasks": dict.fromkeys(scores, told), "runtime": {"dtype": "float32"}, "profile": "published"}
    bad = {"tasks": {**dict.fromkeys(scores, told), "BQ": evil}, "profile": EVIL, "runtime": {"dtype": EVIL}}
    bad["tasks"]["ATEC"] = {"error": f"ValueError: {EVIL}"}
    write_run(root / "good", scores, model="tencent/Youtu-Embedding", run=good)
    write_run(root / "bad", scores, model=EVIL, revision=EVIL, run=bad)
    write_run(root / "half", dict(list(scores.items())[:20]), model="x" * 3_000)
    return make_report(
        [str(root / name) for name in ("good", "bad", "half")], splits=VALIDATION, with_published=True
    )


class Elements(HTMLParser):
    """Start tags and attributes, which must be closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.values: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_has_no_script_and_asks_for_nothing(report):
    text = page(report)
    elements = Elements()
    elements.feed(text)
    assert elements.open == []
    forbidden = {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "img",
        "base",
        "form",
        "foreignobject",
        "image",
    }
    assert not forbidden & set(elements.tags)
    assert elements.tags.count("svg") == 2
    assert not [name for name, _ in elements.values if name.startswith("on")]
    for name, value in elements.values:
        if name in ("href", "xlink:href", "src", "action"):
            assert value.startswith("#"), (name, value)
        if name == "style":
            assert "url(" not in value.replace("url(#", "")
    assert not re.search(r"url\((?!#)|@import", text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    assert "{{ 7 * 7 }}" in text  # and not 49: what a run says is no template
    assert len(text) < 400_000


def test_the_page_says_it_all(report):
    text = re.sub(r"\s+", " ", page(report))
    for said in (
        "40 of 40 published figures",
        "20 of 31 tasks",
        "no mean of MTEB(cmn, v1)",
        "equal to all 31 published scores",
        "the authors: 31 of 31 tasks",
        "62 texts cut",
        "failed: ValueError: &lt;script&gt;",
        f"({len(PROMPT):,} characters)",
    ):
        assert said in text, said


def test_the_same_report_gives_the_same_page(report):
    assert page(report) == page(report)


@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_the_page(report, tmp_path, width):
    """Nothing sticks out, figures can be read, and what matters is on the first screen."""
    path = tmp_path / "index.html"
    path.write_text(page(report), encoding="utf-8")
    found = looked_at(path, width, tmp_path)
    assert found["width"] <= width
    assert found["overflowing"] == []
    assert (found["scripts"], found["called"], found["requests"], found["images"]) == (0, 0, [], 0)
    assert found["figures"] == 2
    assert found["smallest"] >= 8
    assert found["card"] < 800
    assert "40 of 40 published figures" in found["text"]


def test_markdown_has_all_rows_and_no_markup_of_others(report):
    text = markdown(report)
    assert "<" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.startswith("# MTEB(cmn, v1)\n\n40 of 40 published figures (README tables")
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    means = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1] for line in tables[0][2:]}
    assert means["tencent/Youtu-Embedding"] == "77.58"
    assert means["x" * 3_000] == "20 of 31 tasks"
    assert means["qwen3-embedding-0.6b (published)"] == "66.33"
    assert means["Seed1.6-embedding (as printed)"] == "75.63"
    assert len(tables[1]) == 2 + 31
    assert "## Tasks that differ most" in text


def test_csv_is_for_programs_and_no_formula(tmp_path):
    scores = published_cmn("youtu-embedding")
    del scores["ATEC"]
    folder = write_run(tmp_path / "x", scores, model='=cmd|"/c calc"!A1')
    rows = list(csv.DictReader(io.StringIO(table_csv(make_report([str(folder)])))))
    assert {row["name"] for row in rows} == {'\'=cmd|"/c calc"!A1'}
    by_item = {(row["level"], row["item"]): row for row in rows}
    assert by_item["task", "BQ"]["score"] == "72.269400"
    assert by_item["task", "ATEC"] | {"benchmark": ""} == {
        "benchmark": "", "name": "'=cmd|\"/c calc\"!A1", "kind": "run", "level": "task", "item": "ATEC", "score": "", "problem": "missing"
    }  # fmt: skip
    assert by_item["mean", "Mean (Task)"]["problem"] == "30 of 31 tasks"
    assert float(by_item["type", "Clustering"]["score"]) == pytest.approx(84.27, abs=0.005)
    assert len(rows) == 2 + 6 + 31


def test_values_are_plain(report):
    import json

    values = json.loads(json.dumps(as_values(report), allow_nan=False))
    assert values["benchmark"] == "MTEB(cmn, v1)"
    first, second, third, *others = values["entries"]
    assert round(100 * first["means"]["Mean (Task)"], 2) == 77.58
    assert second["tasks"] == "30 of 31 tasks"
    assert third["means"]["Mean (Task)"] is None
    assert [one["kind"] for one in others] == ["published"] * 5
    assert values["published figures"]["equal"] == 40


def test_the_template_is_shipped():
    import youtu_st.evaluation.report as room

    assert (Path(room.__file__).parent / "page.html.jinja").is_file()
