"""Writes docs/images/concepts/*.svg, the pictures of docs/concepts.md and docs/kvstore.md (`make docs`).

Colours are variables. docs/site.py puts the pictures into the pages, where docs/site.css sets them with the theme; by
itself, as on a page of the repository, a picture goes by the system's preference.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).with_name("images") / "concepts"
LIGHT = "--ink: #26304d; --soft: #5d6785; --paper: #eef0fb; --line: #5c6bc0; --warm: #fdeedd; --warm-line: #d9822b"
DARK = "--ink: #e4e7f2; --soft: #a6adc4; --paper: #2a3152; --line: #8c9eff; --warm: #4a3a26; --warm-line: #f0a860"
STYLE = f"""<style>
.pic {{ {LIGHT}; font: 15px sans-serif }}
@media (prefers-color-scheme: dark) {{ .pic {{ {DARK} }} }}
.pic text {{ fill: var(--ink); text-anchor: middle; dominant-baseline: central }}
.pic .soft {{ fill: var(--soft); font-size: 13px }}
.pic rect, .pic circle {{ fill: var(--paper); stroke: var(--line); stroke-width: 1.5 }}
.pic .warm {{ fill: var(--warm); stroke: var(--warm-line) }}
.pic .frame {{ fill: none; stroke: var(--soft); stroke-dasharray: 5 4 }}
.pic path {{ fill: none; stroke: var(--line); stroke-width: 1.5 }}
.pic .back {{ stroke: var(--warm-line) }}
.pic marker path {{ fill: var(--line); stroke: none }}
.pic marker .head {{ fill: var(--warm-line) }}
</style>"""


class Picture:
    """Shapes of an SVG, drawn in the order of the calls; places are the middles of what is drawn."""

    def __init__(self, title: str, width: int, height: int) -> None:
        self.title, self.width, self.height = title, width, height
        self.shapes: list[str] = []

    def box(self, x: float, y: float, text: str, width: float = 110, height: float = 40, kind: str = "") -> None:
        """A box with a line of text, or two with a line break between."""
        place = f'x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}"'
        self.shapes.append(f'<rect class="{kind}" {place} rx="7"/>')
        lines = text.split("\n")
        for index, line in enumerate(lines):
            self.text(x, y + 18 * (index - (len(lines) - 1) / 2), line)

    def frame(self, x: float, y: float, text: str, width: float, height: float) -> None:
        """A dashed frame from its upper left corner, with its name inside at the top."""
        self.shapes.append(f'<rect class="frame" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="9"/>')
        self.text(x + width / 2, y + 16, text, "soft")

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        """A line of text."""
        self.shapes.append(f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>')

    def arrow(self, *points: tuple[float, float], back: bool = False) -> None:
        """A line through these points with a head at its end; `back` ones are in the other colour."""
        line = " L".join(f"{x:g} {y:g}" for x, y in points)
        kind, head = ("back", "warm") if back else ("", "cool")
        self.shapes.append(f'<path class="{kind}" marker-end="url(#{head})" d="M{line}"/>')

    def svg(self) -> str:
        """The file's text."""
        heads = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path class="{kind}" d="M0 0 L8 4 L0 8 z"/></marker>'
            for name, kind in (("cool", ""), ("warm", "head"))
        )
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        start = f'<svg xmlns="http://www.w3.org/2000/svg" class="pic" role="img" {size}>'
        body = [f"<title>{escape(self.title)}</title>", STYLE, f"<defs>{heads}</defs>", *self.shapes]
        return "\n".join([start, *body, "</svg>\n"])


def symbol() -> Picture:
    """A graph of operators, with the variables that they make."""
    picture = Picture("A symbol: a graph of operators and variables", 760, 190)
    middles = (70, 220, 380, 540, 690)
    names = ("data", "FullyConnected\nfc1", "Activation\nrelu", "FullyConnected\nfc2", "SoftmaxOutput\nsoftmax")
    for left, right in pairwise(middles):
        picture.arrow((left + 62, 60), (right - 66, 60))
    for x, name in zip(middles, names, strict=True):
        picture.box(x, 60, name, 124, 50, "warm" if name == "data" else "")
    for x, name in ((220, "fc1_weight, fc1_bias"), (540, "fc2_weight, fc2_bias"), (690, "softmax_label")):
        picture.arrow((x, 130), (x, 88))
        picture.box(x, 148, name, 166 if "," in name else 120, 34, "warm")
    return picture


def executor() -> Picture:
    """A symbol and shapes become arrays, and calls that fill them."""
    picture = Picture("An executor: a symbol, bound to shapes and a device, with its arrays", 760, 230)
    picture.box(95, 75, "symbol", 130)
    picture.box(95, 145, "data=(100, 20)\nmx.cpu()", 130, 52, "warm")
    picture.arrow((160, 75), (232, 100))
    picture.arrow((160, 145), (232, 122))
    picture.text(95, 196, "simple_bind", "soft")
    picture.frame(236, 14, "executor", 508, 200)
    for x, name, what in ((330, "arg_dict", "weights, data"), (490, "outputs", ""), (650, "grad_dict", "gradients")):
        picture.box(x, 110, name + (f"\n{what}" if what else ""), 124, 52, "warm")
    picture.arrow((392, 102), (426, 102))
    picture.text(410, 62, "forward()", "soft")
    picture.arrow((552, 102), (586, 102), back=True)
    picture.text(570, 62, "backward()", "soft")
    picture.text(490, 180, "plain numpy arrays, made once: a step allocates nothing", "soft")
    return picture


def store() -> Picture:
    """Workers, servers, and what goes between them in a step."""
    picture = Picture("A step through the store: push, sum and update, pull", 760, 300)
    for x, server in ((230, 0), (530, 1)):
        picture.box(x, 72, "", 250, 84)
        picture.text(x, 46, f"server {server}")
        for place, key in enumerate(("fc1_weight", "fc1_bias") if server == 0 else ("fc2_weight", "fc2_bias")):
            picture.box(x - 60 + 120 * place, 84, key, 108, 32, "warm")
    for worker in range(3):
        x = 130 + 250 * worker
        picture.box(x, 250, f"worker {worker}", 150, 46)
        for server in (230, 530):
            shift = 24 * (server - 380) / 150
            picture.arrow((x + shift - 5, 224), (server + (x - 380) / 4 - 6, 118))
            picture.arrow((server + (x - 380) / 4 + 6, 118), (x + shift + 7, 224), back=True)
    picture.text(70, 165, "push gradients", "soft")
    picture.text(693, 165, "pull values", "soft")
    picture.text(380, 14, "sum over workers, then the optimizer: version t becomes t + 1", "soft")
    return picture


def slices() -> Picture:
    """One batch as eight slices, and the tree in which their gradients are added."""
    picture = Picture("Eight slices of a batch, summed as a tree, whoever computes them", 760, 330)
    middles = [69 + 87 * index + 12 * (index > 3) for index in range(8)]
    picture.frame(24, 250, "", 352, 66)
    picture.frame(384, 250, "", 352, 66)
    picture.text(200, 304, "worker 0 of 2", "soft")
    picture.text(560, 304, "worker 1 of 2", "soft")
    for index, x in enumerate(middles):
        picture.box(x, 274, f"slice {index}", 76, 34, "warm")
    level, y = middles, 257
    while len(level) > 1:
        above = [(left + right) / 2 for left, right in zip(level[::2], level[1::2], strict=True)]
        for x, left, right in zip(above, level[::2], level[1::2], strict=True):
            for child in (left, right):
                picture.arrow((child, y), (x + (child - x) * 0.12, y - 46))
            picture.shapes.append(f'<circle cx="{x:g}" cy="{y - 58:g}" r="14"/>')
            picture.text(x, y - 58, "+")
        level, y = above, y - 72
    picture.text(380, 14, "gradient of the step", "soft")
    return picture


def job() -> Picture:
    """The processes of a job."""
    picture = Picture("A job: launch, scheduler, servers and workers", 760, 300)
    picture.box(90, 150, "launch", 120, 50)
    picture.text(90, 190, "starts all, watches all", "soft")
    picture.frame(200, 14, "the job's processes, on one host or many", 545, 272)
    picture.box(290, 150, "scheduler", 120, 50, "warm")
    picture.text(290, 190, "ranks, who lives", "soft")
    for index, y in enumerate((90, 210)):
        picture.box(470, y, f"server {index}", 120, 50, "warm")
    for index, y in enumerate((70, 150, 230)):
        picture.box(660, y, f"worker {index}\ntrain.py", 120, 54)
        for server in (90, 210):
            picture.arrow((600, y), (534, server))
    picture.arrow((152, 150), (226, 150))
    picture.arrow((410, 96), (352, 138))
    picture.arrow((410, 204), (352, 162))
    return picture


def consistency() -> Picture:
    """The same two workers, one of them slow, in each mode."""
    picture = Picture("A fast and a slow worker with dist_sync, dist_ssp and dist_async", 760, 290)
    modes = (("dist_sync", 30, 90), ("dist_ssp, 2 ahead", 120, 90), ("dist_async", 210, 90))
    for (name, top, _), waits in zip(modes, ((1, 1, 1), (0, 0, 1), (0, 0, 0)), strict=True):
        picture.text(78, top + 28, name)
        end = x = 160.0
        for step in range(9 if not any(waits) else 5 if waits[0] == 0 else 3):
            picture.box(x + 28, top + 12, str(step + 1), 54, 26)
            x += 60
            slow_end = end + 180 * (step + 1 if waits[0] else step - 1)
            if any(waits) and (waits[0] or step >= 2) and slow_end > x:
                picture.text((x + min(slow_end, 700)) / 2, top + 12, "waits", "soft")
                x = slow_end
            if x > 690:
                break
        for step in range(3):
            picture.box(160 + 88 + 180 * step, top + 46, str(step + 1), 174, 26, "warm")
    return picture


PICTURES: tuple[Callable[[], Picture], ...] = (symbol, executor, store, slices, job, consistency)


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for draw in PICTURES:
        (FOLDER / f"{draw.__name__}.svg").write_text(draw().svg())


if __name__ == "__main__":
    main()
