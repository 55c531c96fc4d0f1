"""The page of an index's passages in a browser: a click, a search, keys, hostile documents, ten thousand passages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from page_browser import Page, chromium

from youtu_st.index import Document, Sample
from youtu_st.index.exploring import page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="there is no chromium to show the page"),
]
HOSTILE = (
    "</script><script>window.hacked=1</script><img src=http://example.invalid/x onerror=window.hacked=1>"
)
TEXTS = [
    "A river flows north.",
    "The Rhine is a RIVER.",
    "莱茵河向北流。",
    f"{HOSTILE} river",
    "Passports, and forms.",
]
SECONDS = "document.documentElement.dataset.ready"
FOUND = "document.getElementById('found').textContent"
HEADING = "document.querySelector('#passage h2')?.textContent"
MATCHES = "[...document.querySelectorAll('#list b span')].map((one) => one.textContent)"
PLACES = """(() => { const box = document.getElementById('map').getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })()"""


def made(folder: Path, count: int, *, texts: list[str] | None = None) -> Path:
    rows = np.random.default_rng(0).normal(size=(count, 32)).astype(np.float32)
    texts = texts or TEXTS
    documents = [
        Document(f"id{i}", texts[i % len(texts)], {"source": f"s{i % 3}.md", "line": i, HOSTILE: HOSTILE})
        for i in range(count)
    ]
    (folder / "page.html").write_text(page(Sample(documents, rows, count), HOSTILE), encoding="utf-8")
    return folder / "page.html"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("small"), 10)


def ask(shown: Page, words: str) -> str:
    shown.run(f"document.getElementById('words').value = ''; {FOUND[:-12]}.textContent = 'asked'")
    shown.run("document.getElementById('words').focus()")
    shown.type(words)
    return shown.wait(f"{FOUND} !== 'asked' && {FOUND}")


def test_search_click_and_keys(small: Path, tmp_path: Path) -> None:
    with Page(small, tmp_path, width=1000, height=900) as shown:
        assert ask(shown, "rIVER the") == "2 of 10 passages"
        assert shown.run(MATCHES) == ["s1.md:1", "s0.md:6"]
        assert ask(shown, "莱茵 流") == "2 of 10 passages"
        shown.run("document.querySelector('#list button').click()")
        assert shown.run(HEADING) == "s2.md:2"
        assert (
            shown.run("[...document.querySelectorAll('#passage mark')].map((one) => one.textContent)").count(
                "莱茵"
            )
            >= 1
        )
        # A neighbour is opened by its button, and is the one that the data names.
        data = json.loads(shown.run("document.getElementById('data').textContent"))
        first = data["near"][2 * data["k"]]
        shown.run("document.querySelector('#passage ol button').click()")
        assert shown.run(HEADING) == data["labels"][first]
        # A click where a point is opens it: the map is as wide as its data, and 15 pixels of margin.
        shown.run("document.getElementById('words').focus()")
        shown.key("Escape")
        assert shown.run(FOUND) == ""
        assert shown.run("document.querySelectorAll('.text mark').length") == 0
        left, top, width, height = shown.run(PLACES)
        x, y = np.array(data["x"]), np.array(data["y"])
        scale = min((width - 30) / max(np.ptp(x), 2500), (height - 30) / max(np.ptp(y), 2500))
        for point in range(10):
            at_x = left + width / 2 + (x[point] - (x.min() + x.max()) / 2) * scale
            at_y = top + height / 2 - (y[point] - (y.min() + y.max()) / 2) * scale
            shown.click(at_x, at_y)
            assert shown.run(HEADING) == data["labels"][point]
        # Keys: the map's middle after all was shown again, and what is nearest to it.
        shown.run("document.getElementById('map').focus()")
        shown.key("ArrowRight")
        shown.key("+", text="+")
        shown.key("0", text="0")
        shown.key("Enter")
        middle = np.hypot(x - (x.min() + x.max()) / 2, y - (y.min() + y.max()) / 2).argmin()
        assert shown.run(HEADING) == data["labels"][middle]
        assert shown.complaints() == []


def test_colours_by_a_field_and_one_value_alone(small: Path, tmp_path: Path) -> None:
    legend = "[...document.querySelectorAll('#legend button')].map((one) => one.textContent)"
    with Page(small, tmp_path) as shown:
        assert shown.run(legend) == ["s0.md4", "s1.md3", "s2.md3"]
        shown.run("document.querySelectorAll('#legend button')[1].click()")
        assert shown.run(FOUND) == "3 of 10 passages"
        assert shown.run(MATCHES) == ["s1.md:1", "s1.md:4", "s1.md:7"]
        names = shown.run("[...document.getElementById('field').options].map((one) => one.textContent)")
        assert names[:1] + names[2:] == ["source", "line"] or "line" in names
        choose = "(() => { const field = document.getElementById('field'); field.value = String(%d); field.dispatchEvent(new Event('change')); })()"
        shown.run(choose % names.index("line"))
        assert shown.run("document.querySelector('#legend .key').textContent") == "09"
        assert shown.run(FOUND) == ""
        assert shown.complaints() == []


def test_hostile_documents_are_text(small: Path, tmp_path: Path) -> None:
    with Page(small, tmp_path) as shown:
        assert shown.run("document.title") == f"Map of {HOSTILE}"
        ask(shown, "script")
        shown.run("document.querySelector('#list button').click()")
        assert shown.run("document.querySelector('#passage .text').textContent") == f"{HOSTILE} river"
        assert shown.run("[document.images.length, document.scripts.length, typeof window.hacked]") == [
            0,
            2,
            "undefined",
        ]
        # Whatever a script put there: it would not run, and nothing would be fetched.
        shown.run(
            "document.body.insertAdjacentHTML('beforeend', '<img src=http://example.invalid/a onerror=window.hacked=1>')"
        )
        shown.run(
            "(() => { const one = document.createElement('script'); one.textContent = 'window.hacked = 1'; document.body.append(one); })()"
        )
        shown.settle()
        assert shown.run("typeof window.hacked") == "undefined"
        assert len(shown.complaints()) >= 2
        fetched = [one for one in shown.requests() if not one.startswith("file:")]
        failed = [event["params"] for event in shown.events if event.get("method") == "Network.loadingFailed"]
        assert len(fetched) == len([one for one in failed if one.get("blockedReason") == "csp"])


@pytest.mark.parametrize("width", [1000, 400])
def test_nothing_is_wider_than_the_page(small: Path, tmp_path: Path, width: int) -> None:
    with Page(small, tmp_path, width=width, height=800) as shown:
        ask(shown, "river")
        shown.run("document.querySelector('#list button').click()")
        shown.settle()
        assert shown.run("document.documentElement.scrollWidth") <= width
        small_texts = "[...document.querySelectorAll('body *')].filter((one) => one.childElementCount === 0 && one.textContent.trim() && one.offsetParent && parseFloat(getComputedStyle(one).fontSize) < 12).length"
        assert shown.run(small_texts) == 0


def test_ten_thousand_passages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them are found and drawn; how long that took is printed, for it depends on the machine."""
    texts = [f"{text} {'All happy families are alike. ' * 20}" for text in TEXTS]
    path = made(tmp_path, 10_000, texts=texts)
    with Page(path, tmp_path / "profile") as shown:
        ready = shown.run(SECONDS)
        began = shown.run("performance.now()")
        assert ask(shown, "river families") == "6,000 of 10,000 passages"
        asked = shown.run("performance.now()") - began
        shown.wheel(300, 400, -300)
        shown.drag(300, 400, (60, 20))
        shown.settle()
        assert shown.complaints() == []
    with capsys.disabled():
        print(f"\nusable after {ready} ms; a search: {asked:.0f} ms; {path.stat().st_size / 1e6:.1f} MB")
