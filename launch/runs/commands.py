"""`pushgrad runs`, `status`, `logs` and `stop`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from .place import VARIABLE, runs_folder
from .stored import LATEST, Run, find
from .stored import runs as all_runs

NARROW = 72  # columns of a terminal
AGAIN = 1.0  # seconds between two looks at a run that is under way

_where = click.option(
    "--runs",
    "folder",
    metavar="DIR",
    help=f"Where the runs are.  [default: {VARIABLE}, or ~/.local/state/pushgrad/runs]",
)
_which = click.argument("run", default=LATEST)


def _found(folder: str | None, run: str) -> Run:
    return find(runs_folder(folder, os.environ), run)


@click.command()
@_where
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run, each on a line.")
def runs(folder: str | None, as_json: bool) -> None:
    """List the runs of `launch`, the latest last.

    They stay until you delete their folders.
    """
    from .words import when

    place = runs_folder(folder, os.environ)
    found = all_runs(place)
    if as_json:
        for run in found:
            click.echo(json.dumps(_summary(run)))
        return
    if not found:
        click.echo(f"There are no runs in {place}")
        return
    rows = [(run.id, when(run), run.state, "" if run.code is None else str(run.code), run.script) for run in found]
    _print_columns(("run", "began", "state", "code", "script"), rows)
    click.echo(f"in {place}", err=True)


def _print_columns(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Text in columns. A terminal cuts lines at its edge, and a narrow one does without the second column."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if room is not None and room < NARROW:
        headings, *rows = ((row[0], *row[2:]) for row in (headings, *rows))
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)][:-1]
    for row in (headings, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        line = "  ".join([*cells, row[-1]])
        click.echo(line if room is None or len(line) <= room else f"{line[: room - 1]}…")


def _summary(run: Run) -> dict[str, Any]:
    about = {"id": run.id, "began": run.began, "state": run.state, "code": run.code, "seconds": run.seconds}
    return {**about, "script": run.script, "folder": str(run.folder)}


@click.command()
@_which
@_where
@click.option("-f", "--follow", is_flag=True, help="Show it again every second, until the run has ended.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object; with --follow one per line.")
@click.option("--serve", is_flag=True, help="As a page for a browser on this host, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page.  [default: any]")
def status(run: str, folder: str | None, follow: bool, as_json: bool, serve: bool, port: int) -> None:
    """Say how RUN stands and how far each process is, while it runs and afterwards.

    RUN is the id of a run, the beginning of it or of its last part, or `latest`, the default.
    """
    from .story import Story

    found = _found(folder, run)
    if serve:
        _serve(found, port)
        return
    story = Story(found)
    story.update()
    if as_json:
        _again(story, follow, lambda: click.echo(json.dumps(_status(story))))
    elif follow and sys.stdout.isatty():
        _live(story)
    else:
        _again(story, follow, lambda: _print(story))


def _again(story: Any, follow: bool, show: Callable[[], None]) -> None:
    show()
    while follow and story.run.state in ("running", "unknown"):
        time.sleep(AGAIN)
        story.update()
        show()


def _serve(run: Run, port: int) -> None:
    from threading import Event

    from .dashboard import serving

    with serving(run.folder, port) as url:
        click.echo(f"{url}  (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            Event().wait()


def _live(story: Any) -> None:
    from rich.console import Console
    from rich.live import Live

    from ..progress import table

    with Live(console=Console(highlight=False, markup=False), auto_refresh=False, transient=True) as live:
        _again(story, True, lambda: live.update(table(story.view(), live.console.width), refresh=True))
    _print(story)


def _print(story: Any) -> None:
    from rich.console import Console

    from ..progress import table
    from .words import outcome, restarted, when

    run = story.run
    click.echo(f"run {run.id}: {outcome(run)}")
    click.echo(f"script {run.script}, begun {when(run)}; files in {run.folder}")
    if story.restart:
        click.echo(restarted(story.restart))
    # Into a pipe or a file as wide as it is: rich would cut it at 80 characters.
    width = None if sys.stdout.isatty() else 160
    console = Console(highlight=False, markup=False, width=width)
    console.print(table(story.view(), console.width))


def _status(story: Any) -> dict[str, Any]:
    view = story.view()
    rows = [{key: value for key, value in vars(row).items() if value not in (None, "")} for row in view.rows]
    generation, left = story.restart.get("generation", 1), story.restart.get("left")
    about = {**_summary(story.run), "generation": generation, "restarts_left": left}
    return {**about, "waiting": view.waiting, "end": story.run.end, "processes": rows}


@click.command()
@_which
@_where
@click.option("-f", "--follow", is_flag=True, help="Follow the output until the run has ended.")
@click.option("-w", "--workers", metavar="RANKS", help="Only these workers: 0,2 or 0-3.")
@click.option("-s", "--servers", metavar="RANKS", help="Only these servers.")
@click.option("--scheduler", is_flag=True, help="Only the scheduler.")
def logs(run: str, folder: str | None, follow: bool, workers: str | None, servers: str | None, scheduler: bool) -> None:
    """Print what the processes of RUN have written, those of one process byte by byte; by default of all.

    RUN is the id of a run, the beginning of it or of its last part, or `latest`, the default.
    """
    from ..display import writer
    from .logs import Replay

    found = _found(folder, run)
    write = writer(sys.stdout).write
    Replay(found, _names(found, workers, servers, scheduler), write).show(follow)


def _names(run: Run, workers: str | None, servers: str | None, scheduler: bool) -> list[str]:
    """The processes that are asked for, as a plan has them in order."""
    from ..options import parse_ranks
    from .files import PLAN, read_json

    names = [str(process["name"]) for process in read_json(run.folder / PLAN).get("processes", [])]
    if workers is None and servers is None and not scheduler:
        return names
    wanted = {"sched"} if scheduler else set()
    if workers is not None:
        wanted |= {f"w{rank}" for rank in parse_ranks(workers, run.about["workers"], "--workers")}
    if servers is not None:
        wanted |= {f"ps{rank}" for rank in parse_ranks(servers, run.about["servers"], "--servers", "server")}
    return [name for name in names if name in wanted]


@click.command()
@click.argument("run")
@_where
def stop(run: str, folder: str | None) -> None:
    """End the job of RUN in order, as SIGTERM to its launch does: workers first, which may save. Wait for its end.

    RUN is the id of a run, the beginning of it or of its last part, or `latest`.
    """
    from .stopping import stop as end
    from .words import outcome

    ended = end(_found(folder, run))
    click.echo(f"run {ended.id}: {outcome(ended)}")
