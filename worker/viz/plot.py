"""A network as a picture: `mx.viz.plot_network`, as SVG drawn here or as DOT for Graphviz."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path

from ...common.errors import ParameterError
from ..array import Shape
from ..atomic_files import PathLike, write_atomically
from ..graphs.graph import Graph
from .drawing import Arrow, Box, Drawing, draw
from .layers import arrange
from .text_width import text_width

# Pixels: the height of a box, the distance of two layers, the border of the picture.
_HEIGHT, _STEP, _MARGIN = 38.0, 78.0, 12.0
_FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="12"'

_HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0,1 L7,4 L0,7 z" fill="#555"/></marker></defs>'
)


def plot_network(
    symbol: Graph, shape: Mapping[str, Shape] | None = None, title: str = "network", hide_weights: bool = True
) -> NetworkPlot:
    """A picture of the graph, which a notebook shows; elsewhere use `.save("net.svg")` or `.source`.

    `shape` gives the shapes of inputs by name, such as {"data": (1, 3, 224, 224)}; arrows are then labelled with the
    shapes of arrays, without the number of rows, and boxes with the numbers of their parameters. `hide_weights` leaves
    out parameters and auxiliary states. Raises ShapeError if the shapes contradict the network.
    """
    return NetworkPlot(draw(symbol, shape, hide_weights), title)


class NetworkPlot:
    """A drawn network: DOT text in `source`, SVG text in `svg`, both made when they are first asked for."""

    def __init__(self, drawing: Drawing, title: str) -> None:
        self._drawing, self._title = drawing, title

    def __repr__(self) -> str:
        return f"<NetworkPlot {self._title}: {len(self._drawing.boxes)} boxes; a notebook draws it, save() writes it>"

    @cached_property
    def source(self) -> str:
        """The graph in DOT, Graphviz's language."""
        lines = [f"digraph {_quoted(self._title)} {{", "  rankdir=TB", "  node [shape=box style=filled fontsize=11]"]
        for number, box in enumerate(self._drawing.boxes):
            label = "\n".join(part for part in (box.name, box.detail) if part)
            lines.append(f"  n{number} [label={_quoted(label)} fillcolor={_quoted(box.colour)}]")
        for arrow in self._drawing.arrows:
            lines.append(f"  n{arrow.source} -> n{arrow.target} [label={_quoted(arrow.label)} fontsize=10]")
        return "\n".join([*lines, "}"]) + "\n"

    @cached_property
    def svg(self) -> str:
        """The picture as SVG, laid out here without any other program."""
        boxes, arrows = self._drawing.boxes, self._drawing.arrows
        widths = [max(text_width(box.name, bold=True), text_width(box.detail)) + 16 for box in boxes]
        layout = arrange(widths, [(arrow.source, arrow.target) for arrow in arrows])
        width = layout.width + 2 * _MARGIN
        height = (max(layout.layer, default=0)) * _STEP + _HEIGHT + 2 * _MARGIN
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" {_FONT}>',
            f"<title>{escape(self._title)}</title>",
            _HEAD,
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        ]
        users = Counter(arrow.source for arrow in arrows)
        parts += [
            _curve(arrow, route, users[arrow.source] > 1) for arrow, route in zip(arrows, layout.routes, strict=True)
        ]
        parts += [
            _rectangle(box, x, layer, w) for box, x, layer, w in zip(boxes, layout.x, layout.layer, widths, strict=True)
        ]
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: PathLike) -> Path:
        """Write a .svg, .dot or .gv file, or let Graphviz's program `dot` make a .png, .pdf and the like.

        The file appears whole or not at all. Returns the path. Raises ParameterError if there is no suffix, or `dot`
        is needed and is not installed or does not know the format; FileFormatError if the folder does not exist.
        """
        path = Path(path)
        kind = path.suffix.lower().lstrip(".")
        if kind in ("svg", "dot", "gv"):
            return _written(path, (self.svg if kind == "svg" else self.source).encode())
        program = shutil.which("dot")
        if not kind or program is None:
            raise ParameterError(
                f"cannot draw {path.name}",
                expected="a name that ends in .svg, .dot or .gv",
                remedy="For .png or .pdf, install Graphviz, which has the program dot",
            )
        done = subprocess.run([program, f"-T{kind}"], input=self.source.encode(), capture_output=True)
        if done.returncode:
            raise ParameterError(f"dot cannot draw {path.name}: {done.stderr.decode(errors='replace').strip()[:300]}")
        return _written(path, done.stdout)

    render = save  # the name under which graphviz's own objects have it


def _written(path: Path, content: bytes) -> Path:
    """Write the file, and return its path."""
    write_atomically(path, lambda stream: stream.write(content))
    return path


def _quoted(text: str) -> str:
    """A text as a string of DOT."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _rectangle(box: Box, x: float, layer: int, width: float) -> str:
    """A box as SVG: a rectangle with one or two lines of text, `x` being its middle."""
    left, top, middle = _MARGIN + x - width / 2, _MARGIN + layer * _STEP, _MARGIN + x
    frame = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_HEIGHT}" rx="5" fill="{box.colour}" '
    lines = [(box.name, 16 if box.detail else 23, True), (box.detail, 31, False)]
    # With its length stated, a text fits its box in whatever letters it is shown.
    words = "".join(
        f'<text x="{middle:.1f}" y="{top + down:.1f}" text-anchor="middle" font-weight="{600 if bold else 400}" '
        f'textLength="{text_width(text, bold=bold):.1f}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
        for text, down, bold in lines
        if text
    )
    return f'{frame}stroke="#777"/>{words}'


def _curve(arrow: Arrow, route: list[tuple[float, int]], spread: bool) -> str:
    """An arrow as SVG: a smooth line through the points of its route that leaves and arrives vertically.

    If several arrows `spread` from the box, the label is beside the arrow's end, else beside its start, where no other
    arrow is near.
    """
    places = [(_MARGIN + x, _MARGIN + layer * _STEP + _HEIGHT / 2) for x, layer in route]
    # The route runs between the middles of boxes: begin at the lower edge of the first, end at the upper of the last.
    places[0] = (places[0][0], places[0][1] + _HEIGHT / 2)
    places[-1] = (places[-1][0], places[-1][1] - _HEIGHT / 2)
    path = f"M{places[0][0]:.1f},{places[0][1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(places):
        # Bezier curves with control points straight below and above their ends, which makes the joints smooth.
        half = (y0 + y1) / 2
        path += f" C{x0:.1f},{half:.1f} {x1:.1f},{half:.1f} {x1:.1f},{y1:.1f}"
    line = f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#head)"/>'
    x, y = (places[-1][0], places[-1][1] - 9) if spread else (places[0][0], places[0][1] + 13)
    # A white outline, drawn before the letters, keeps labels legible where arrows cross them.
    look = 'font-size="10" fill="#444" stroke="white" stroke-width="3" paint-order="stroke"'
    return line + (f'<text x="{x + 5:.1f}" y="{y:.1f}" {look}>{escape(arrow.label)}</text>' if arrow.label else "")
