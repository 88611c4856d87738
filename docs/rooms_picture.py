"""Write images/rooms.svg from the layers that pyproject.toml states: python docs/rooms_picture.py (or `make docs`).

A test fails while the picture on disk is another than this makes.
"""

from __future__ import annotations

import re
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "rooms.svg"
NOTE = (
    "A room imports only rooms below it. worker also uses the store and the optimizers of ps: "
    "a local training updates as a server does."
)
SAYS = {
    "common": "what both ends of the wire share: the job's description, messages, channels, errors",
    "launch": "from options to a plan, to processes, to their ends",
    "ps": "scheduler and servers: keys, sums, optimizers",
    "commands": "pushgrad doctor, convert, im2rec, summary ...",
    "training": "FeedForward, the loop over steps, metrics",
    "data": "iterators, pictures, what users hand in",
    "files": "arrays, checkpoints, ONNX, torch, safetensors",
    "models": "networks by name",
    "viz": "networks as pictures",
    "symbols": "mx.sym: graphs that users compose",
    "execution": "plans, buffers, threads, executors",
    "devices": "what is there, and who takes which rows",
    "cuda": "streams, memory and kernels of GPUs",
    "cpu": "compiled kernels",
    "graphs": "nodes and shapes",
    "store": "key-value client",
    "ops": "operators: the plain specification",
}
HEIGHT, GAP = 34, 6  # of a room, and between two
SIDE, MIDDLE = 200, 560  # widths of the outer columns and of worker's
WIDTH = 2 * SIDE + MIDDLE + 4 * GAP


def layers() -> list[list[str]]:
    """The rooms of worker/ from top to bottom, as import-linter holds them; rooms side by side share an entry."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (found,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["pushgrad.worker"]]
    return [re.split(r"\s*[|:]\s*", layer) for layer in found]


def picture() -> str:
    """The text of the SVG."""
    *rooms, ground = layers()
    left = SIDE + 2 * GAP
    y = 3 * HEIGHT
    parts = [_text(WIDTH / 2, 24, NOTE, "note")]
    parts += _box(left, HEIGHT + GAP, MIDDLE, HEIGHT, "a script", "import pushgrad as mx", "outside")
    parts += _box(GAP, HEIGHT + GAP, SIDE, HEIGHT, "a shell", "launch train.py", "outside")
    for layer in rooms:
        width = (MIDDLE - 2 * GAP - GAP * (len(layer) - 1)) / len(layer)
        for place, room in enumerate(layer):
            parts += _box(left + GAP + place * (width + GAP), y + GAP, width, HEIGHT, room, SAYS[room], "room")
        y += HEIGHT + GAP
    parts += _box(left + GAP, y + GAP, MIDDLE - 2 * GAP, HEIGHT, "the ground", ", ".join(ground[:5]) + " ...", "room")
    y += HEIGHT + 3 * GAP
    top = 3 * HEIGHT - 2 * GAP
    parts.insert(1, _rectangle(left, top, MIDDLE, y - top, "wing"))
    parts.append(_text(left + MIDDLE - GAP, top + 13, "worker", "side"))
    for x, room in ((GAP, "launch"), (left + MIDDLE + GAP, "ps")):
        parts += [_rectangle(x, top, SIDE, y - top, "wing"), *_tall(x, top, SIDE, y - top, room)]
    parts += _box(GAP, y + GAP, WIDTH - 2 * GAP, HEIGHT, "common", SAYS["common"], "room")
    return _page(y + HEIGHT + 3 * GAP, parts)


def _page(height: float, parts: list[str]) -> str:
    style = """
  text { font: 12px sans-serif; fill: #222; text-anchor: middle }
  .name { font-weight: bold } .note { font-style: italic } .side { font-weight: bold; text-anchor: end }
  rect { rx: 4px; stroke: #557; fill: #eef1f8 } .wing { fill: #fafbfd } .outside { fill: #fdf6e3; stroke: #a85 }
"""
    lines = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}">'
    background = f'<path d="M0 0H{WIDTH}V{height:g}H0z" fill="#fff"/>'
    title = "<title>The rooms of pushgrad, in layers</title>"
    return f"{head}\n{title}\n<style>{style}</style>\n{background}\n{lines}\n</svg>\n"


def _box(x: float, y: float, width: float, height: float, name: str, says: str, kind: str) -> list[str]:
    """A rectangle with a name and what it says in one line."""
    middle = x + width / 2
    words = f'<tspan class="name">{escape(name)}</tspan>  {escape(says)}'
    return [_rectangle(x, y, width, height, kind), f'<text x="{middle:g}" y="{y + height / 2 + 4:g}">{words}</text>']


def _tall(x: float, y: float, width: float, height: float, room: str) -> list[str]:
    """The name of a room that is no layer, and what it is for, broken into short lines."""
    lines = [""]
    for word in SAYS[room].split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if len(longer) <= 26 else [*lines, word]
    middle, first = x + width / 2, y + height / 2 - 8 * len(lines)
    told = [_text(middle, first + 18 * (i + 1), line, "") for i, line in enumerate(lines)]
    return [_text(middle, first, room, "name"), *told]


def _rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(picture())
