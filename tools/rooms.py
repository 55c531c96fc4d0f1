"""Draws which room imports which, from the imports themselves, into docs/rooms.svg: ``make docs-figures``.

A dot says that the room of its row imports the room of its column. Rooms stand in the order of the layers
in pyproject.toml, so all dots lie right of the diagonal: no import points up. The figure depends on nothing
but that order and the imports; ``tests/test_rooms.py`` draws it anew and compares.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import grimp

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # import-linter brings it

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs" / "rooms.svg"
CELL, LEFT, TOP, PAD = 26, 150, 118, 16
Imports = dict[str, set[str]]

STYLE = """
    text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #24292f }
    .room { font-weight: 600 }
    .band { fill: #f3f5f8 }
    .line { stroke: #dde2e8; stroke-width: 1 }
    .self { fill: #24292f }
    .dot { fill: #2f6fdb }
    .up { fill: #d1242f }
    .note { fill: #6e7781 }"""
NOTES = (
    "a dot: the room of its row imports",
    "the room of its column; none points up,",
    "so this half is empty",
)


def read_layers() -> list[list[str]]:
    """The layers of the contract "rooms", top to bottom; rooms of one layer do not know each other."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (rooms,) = (contract for contract in contracts if contract["id"] == "rooms")
    return [re.findall(r"\w+", layer) for layer in rooms["layers"]]


def read_imports() -> Imports:
    """Room to the rooms that its files import; what only a type checker reads is left out."""
    graph = grimp.build_graph("youtu_st", exclude_type_checking_imports=True, cache_dir=None)
    imports: Imports = {name.split(".")[1]: set() for name in graph.find_children("youtu_st")}
    for importer in graph.modules - {"youtu_st"}:
        room = importer.split(".")[1]
        imported = graph.find_modules_directly_imported_by(importer) - {"youtu_st"}
        imports[room] |= {name.split(".")[1] for name in imported} - {room}
    return imports


def draw(layers: list[list[str]], imports: Imports) -> str:
    """An SVG picture of a triangle of dots.

    Args:
        layers: Names of rooms, top to bottom; rooms to come may be among them.
        imports: For each room that exists, the rooms that it imports.
    """
    rooms = [room for layer in layers for room in layer if room in imports]
    side = CELL * len(rooms)
    width, height = LEFT + side + 70, TOP + side + PAD
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}>',
        f"  <style>{STYLE}\n  </style>",
        f'  <rect {size} rx="8" fill="#ffffff"/>',
    ]
    for y in range(TOP, TOP + side, 2 * CELL):
        band = f'x="{PAD}" y="{y}" width="{LEFT - PAD + side}" height="{CELL}"'
        parts.append(f'  <rect class="band" {band}/>')
    for number, room in enumerate(rooms):
        x, y = LEFT + CELL * number + CELL // 2, TOP + CELL * number + CELL // 2
        parts += [
            f'  <line class="line" x1="{x - CELL // 2}" y1="{TOP}" x2="{x - CELL // 2}" y2="{TOP + side}"/>',
            f'  <text class="room" x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{room}</text>',
            f'  <text transform="translate({x + 4} {TOP - 10}) rotate(-55)">{room}</text>',
            f'  <rect class="self" x="{x - 5}" y="{y - 5}" width="10" height="10" rx="2"/>',
        ]
    for number, room in enumerate(rooms):
        for other in sorted(imports[room], key=rooms.index):
            x, y = LEFT + CELL * rooms.index(other) + CELL // 2, TOP + CELL * number + CELL // 2
            kind = "dot" if rooms.index(other) > number else "up"
            title = f"<title>{room} imports {other}</title>"
            parts.append(f'  <circle class="{kind}" cx="{x}" cy="{y}" r="5.5">{title}</circle>')
    for number, note in enumerate(NOTES):
        y = TOP + side - CELL * (4 - number) + 17
        parts.append(f'  <text class="note" x="{LEFT + CELL}" y="{y}">{note}</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    FIGURE.write_text(draw(read_layers(), read_imports()), encoding="utf-8")
    print(FIGURE.relative_to(ROOT))
