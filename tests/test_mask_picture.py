"""README's picture of the mask shows what the tokenizer gives."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from transformers import AutoTokenizer

ROOT = Path(__file__).parents[1]
QWEN3 = ROOT.parent / "shared" / "data" / "qwen3_tokenizer"
PICTURE = ROOT / "docs" / "mask.svg"


@pytest.mark.skipif(not QWEN3.is_dir(), reason="Qwen3's tokenizer is not in ../shared/data")
def test_the_picture_is_that_of_the_tokenizer(tmp_path: Path) -> None:
    shown = PICTURE.read_text(encoding="utf-8")
    drawn = re.findall(r'<rect class="(seen|content)"[^>]*/><text x="[^"]*" y="[^"]*">(.*?)</text>', shown)
    written = "".join(unescape(token) for _, token in drawn).replace("·", " ").replace("\\n", "\n")
    prompt = "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"
    assert written.startswith(prompt)
    encoded = AutoTokenizer.from_pretrained(QWEN3)(written, return_offsets_mapping=True)
    content = [end > len(prompt) for _, end in encoded["offset_mapping"]]
    assert [kind == "content" for kind, _ in drawn] == content
    again = [sys.executable, str(ROOT / "tools" / "mask.py"), str(QWEN3), str(tmp_path / "mask.svg")]
    subprocess.run(again, check=True, capture_output=True)
    assert (tmp_path / "mask.svg").read_text(encoding="utf-8") == shown
