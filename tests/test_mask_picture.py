"""README's picture of the mask shows what the tokenizer gives."""

from __future__ import annotations

import re
import runpy
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

from transformers import AutoTokenizer

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "mask.svg"


def test_the_picture_stands_by_itself() -> None:
    """It is small, asks for nothing from elsewhere, and is where pages say it is."""
    shown = PICTURE.read_text(encoding="utf-8")
    assert ElementTree.fromstring(shown).get("aria-label")
    assert len(shown.encode()) < 20_000
    assert re.findall(r"https?://[^\"]*", shown) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|@font-face|href|url\(|<script", shown)
    assert "prefers-color-scheme: dark" in shown
    for page, name in (("README.md", "docs/mask.svg"), ("docs/mask.md", "mask.svg")):
        assert re.search(rf"!\[[^]]{{10,}}\]\({name}\)", (ROOT / page).read_text(encoding="utf-8"))


def test_the_picture_is_that_of_the_tokenizer(qwen3_tokenizer: Path) -> None:
    shown = PICTURE.read_text(encoding="utf-8")
    drawn = re.findall(r'<rect class="(seen|content)"[^>]*/><text x="[^"]*" y="[^"]*">(.*?)</text>', shown)
    written = "".join(unescape(token) for _, token in drawn).replace("·", " ").replace("\\n", "\n")
    prompt = "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"
    assert written.startswith(prompt)
    encoded = AutoTokenizer.from_pretrained(qwen3_tokenizer)(written, return_offsets_mapping=True)
    content = [end > len(prompt) for _, end in encoded["offset_mapping"]]
    assert [kind == "content" for kind, _ in drawn] == content
    tool = runpy.run_path(str(ROOT / "tools" / "mask.py"))
    assert tool["picture"](tool["tokens"](str(qwen3_tokenizer))) == shown, "run `make docs-figures`"
