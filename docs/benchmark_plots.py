"""Writes docs/images/benchmarks-*.png from the measurements in docs/benchmarks (`make docs`).

A bar is a peer's time divided by pushgrad's for the same work: beyond 1 the peer took longer.
"""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parent
PEERS = {"PyTorch": "#d9622b", "MXNet": "#3949ab", "ps-lite": "#3949ab", "gloo": "#d9622b", "bare ZeroMQ": "#7a7f8c"}


def bars(rows: list[dict]) -> list[tuple[str, float, str]]:
    """Label, ratio and colour of each peer's bar, in the order of the rows; memcpy and the like are no peers."""
    found = []
    for row in rows:
        own = next((seconds for name, seconds in row["medians"].items() if name.startswith("pushgrad")), None)
        for program, seconds in row["medians"].items():
            colour = next((colour for peer, colour in PEERS.items() if program.startswith(peer)), None)
            if own and colour:
                found.append((f"{row['title']}\n{program}", seconds / own, colour))
    return found


def draw(name: str) -> None:
    """The plot of docs/benchmarks/<name>.json."""
    measured = json.loads((DOCS / "benchmarks" / f"{name}.json").read_text())
    labels, ratios, colours = zip(*reversed(bars(measured["rows"])), strict=True)
    figure, axes = plt.subplots(figsize=(9, 0.46 * len(labels) + 1), layout="constrained")
    drawn = axes.barh(labels, ratios, color=colours, height=0.62)
    axes.bar_label(
        drawn, [f"{ratio:.2f}" for ratio in ratios], padding=4, fontsize=9, bbox={"color": "white", "pad": 1}
    )
    axes.axvline(1, color="black", linewidth=1, linestyle="--")
    axes.set_xlabel("time of the peer / time of pushgrad\nbeyond the dashed line, pushgrad is faster")
    axes.tick_params(axis="y", labelsize=8.5, length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, max(ratios) * 1.08)
    axes.margins(y=0.01)
    figure.savefig(DOCS / "images" / f"benchmarks-{name}.png", dpi=110)


if __name__ == "__main__":
    for name in ("compute", "exchange"):
        draw(name)
