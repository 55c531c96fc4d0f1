"""A headless Chromium, where there is one, that looks at a page from outside."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--allow-file-access-from-files", "--virtual-time-budget=5000"),
)
_OUTSIDE = """<!doctype html><body style="margin:0">
<iframe id="page" src="{page}" style="border:0;width:{width}px;height:900px"></iframe>
<script>
window.called = 0;
window.alert = () => {{ window.called += 1 }};
onload = () => {{
  const inside = document.getElementById("page"), page = inside.contentDocument, root = page.documentElement;
  inside.contentWindow.alert = window.alert;
  const wide = [...page.querySelectorAll("body *")].filter(one =>
    !one.closest(".wide") && one.getBoundingClientRect().right > {width} + 1 && !one.closest("svg"));
  const sizes = [...page.querySelectorAll("svg text")].map(one => one.getBoundingClientRect().height);
  const cards = page.querySelector(".card");
  const found = {{ width: root.scrollWidth, scripts: page.scripts.length, text: page.body.innerText,
    overflowing: wide.map(one => one.outerHTML.slice(0, 80)), smallest: Math.min(...sizes, 99), called: window.called,
    figures: page.querySelectorAll("svg").length, card: cards ? cards.getBoundingClientRect().bottom : 0,
    requests: inside.contentWindow.performance.getEntriesByType("resource").map(one => one.name),
    images: page.images.length, links: [...page.links].map(one => one.getAttribute("href")) }};
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
}};
</script>"""


def looked_at(page: Path, width: int, scratch: Path) -> dict[str, Any]:
    """What a window of that many pixels shows of a page."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"there is no Chromium here ({', '.join(names)})")
    outside = scratch / f"outside-{width}.html"
    outside.write_text(_OUTSIDE.format(page=page.as_uri(), width=width), encoding="utf-8")
    done = subprocess.run(
        [
            *(
                program,
                *_FLAGS,
                f"--user-data-dir={scratch / 'profile'}",
                f"--window-size={max(width, 600)},1000",
            ),
            *("--dump-dom", outside.as_uri()),
        ],
        capture_output=True,
        timeout=120,
    )
    shown = re.search(r'<pre id="found">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    assert shown is not None, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(shown[1]))
    return found
