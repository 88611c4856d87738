# A page that says what is in a picture. Start it with: shiny run examples/image_app/app.py

import asyncio
import base64
import time
from pathlib import Path

from fetch import fetch
from picture import NETWORKS, Refused, read
from shiny import reactive
from shiny.express import input, render, ui

ui.page_opts(window_title="What is in this picture?", lang="en")
ui.busy_indicators.use(spinners=False, pulse=False)  # page.css says "Looking …" where they would be
ui.HTML(Path(__file__).with_name("page.html").read_text())  # its page.js sends {file: base64} or {address: URL}
ui.input_select("network", "Network", list(NETWORKS))


@reactive.extended_task
async def look(given, name):
    try:
        data = base64.b64decode(given["file"]) if "file" in given else await fetch(given["address"])
        return await asyncio.to_thread(describe, data, name)
    except Refused as refused:
        return ui.p(str(refused), role="alert")


def describe(data, name):
    """Up to five names with bars, and the time that they took."""
    start = time.perf_counter()
    best = NETWORKS[name].top5(read(data))
    bars = [ui.tags.li(ui.span(label), ui.span(f"{p:.1%}"), style=f"--share: {p:.4f}") for label, p in best]
    guesses = ui.tags.ol(bars) if bars else ui.p("No guess is as likely as 1 %.")
    return ui.TagList(guesses, ui.p(f"{name}, {1000 * (time.perf_counter() - start):.0f} ms", class_="took"))


@reactive.effect
@reactive.event(input.given, input.network)
def _():
    look(input.given(), input.network())


@render.ui
def answer():
    return look.result()
