"""Draw the mask of a query, token by token: ``docs/mask.svg``, from Qwen3's own tokenizer.

    python tools/mask.py TOKENIZER docs/mask.svg

TOKENIZER is a directory with ``tokenizer.json``. The rules are those of the spec youtu-embedding, whose
tokenizer this is.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from youtu_st.loading.tokenizer import load_tokenizer
from youtu_st.spec.model import load_spec
from youtu_st.spec.prompts import fill
from youtu_st.verification.sample import Token, sample_by_spec

MODEL = "youtu-embedding"
TEXT = "What is the capital of France?"
WIDTH, MARGIN, LINE, HEIGHT, CHARACTER, PADDING, GAP = 760, 16, 34, 24, 8.4, 6, 4
STYLE = """
rect.page { fill: #ffffff } rect.seen { fill: #dbe4f0 } rect.content { fill: #bfe8c7 }
text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328 } text.small { font-size: 12px }
@media (prefers-color-scheme: dark) {
  rect.page { fill: #0d1117 } rect.seen { fill: #2b3a52 } rect.content { fill: #1f5a33 }
  text { fill: #e6edf3 }
}
"""


def tokens(tokenizer: str) -> Sequence[Token]:
    """The query of the picture as the model reads it, after its own instruction."""
    spec = load_spec(MODEL)
    assert spec.template is not None
    prompt = fill(spec.template, "Given a search query, retrieve passages that answer the question")
    return sample_by_spec(load_tokenizer(spec, tokenizer), spec, "query", TEXT, prompt).tokens


def width(text: str) -> float:
    """Of a text in a font of one width, in pixels; Chinese characters take two."""
    return CHARACTER * sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def boxes(read: Sequence[Token]) -> Iterator[tuple[float, float, float, Token]]:
    """Left, top and width of each token's box, line by line."""
    x, y = float(MARGIN), float(MARGIN)
    for token in read:
        wide = width(token.token) + 2 * PADDING
        if x + wide > WIDTH - MARGIN:
            x, y = float(MARGIN), y + LINE
        yield x, y, wide, token
        x += wide + GAP


def picture(read: Sequence[Token]) -> str:
    """The whole file."""
    placed = list(boxes(read))
    legend = placed[-1][1] + LINE + 10
    parts = []
    for x, y, wide, token in placed:
        kind = "content" if token.content else "seen"
        parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.0f}" width="{wide:.1f}" height="{HEIGHT}" rx="4"/>'
            f'<text x="{x + PADDING:.1f}" y="{y + 17:.0f}">{escape(token.token)}</text>'
        )
    for x, kind, words in (
        (MARGIN, "seen", "instruction: seen by the network, left out of the mean"),
        (480, "content", "content: its mean is the vector"),
    ):
        parts.append(
            f'<rect class="{kind}" x="{x}" y="{legend:.0f}" width="14" height="14" rx="3"/>'
            f'<text class="small" x="{x + 22}" y="{legend + 11:.0f}">{words}</text>'
        )
    height = legend + 14 + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="A query token by token">\n<style>{STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{height:.0f}" rx="8"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tokenizer")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.write_text(picture(tokens(arguments.tokenizer)), encoding="utf-8")


if __name__ == "__main__":
    main()
