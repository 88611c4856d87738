"""`pushgrad doctor`: a report about this machine, one line for each part that training on GPUs needs."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Sequence
from importlib.metadata import version

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ...common.cores import available_cores
from ...common.errors import EXIT_FAILURE, PushgradError
from ..compute_threads import thread_count
from ..devices.gpu_answers import Machine
from ..devices.gpu_questions import Lookups
from ..devices.gpu_report import MISSING, OK, WARNING, GpuParts, Part

COLOURS = {OK: "green", WARNING: "yellow", MISSING: "red"}


def lookups() -> Lookups:
    """The machine to ask, which is this one. Tests replace this function to describe other machines."""
    return Machine()


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Say whether GPUs can be used here: what is there, what is missing, and what helps.

    Exits with 0 if training can run on a GPU, else with 1. Please add the output to every report of a problem.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cupy warns at length about what the parts say in one line
        parts = GpuParts(lookups()).all()
    show(Console(), [*host_parts(), *parts])
    usable, sentence = verdict(parts)
    click.echo(sentence)
    context.exit(0 if usable else EXIT_FAILURE)


def show(console: Console, parts: Sequence[Part]) -> None:
    """Print the parts: as a table on a terminal, elsewhere one line per part, however long, for grep and reports."""
    if not console.is_terminal:
        for part in parts:
            click.echo(f"{part.name:<15}{part.state:<9}{part.found}{part.remedy and f'. {part.remedy}'}")
        return
    table = Table("part", "state", Column("found", overflow="fold"), Column("what to do", overflow="fold"))
    for part in parts:
        state = f"[{COLOURS[part.state]}]{part.state}[/]"
        table.add_row(part.name, state, escape(part.found), escape(part.remedy))
    console.print(table)


def verdict(parts: Sequence[Part]) -> tuple[bool, str]:
    """Whether training can run on a GPU, and one sentence that says on which GPUs, or what is missing first."""
    each = [part for part in parts if part.name.startswith("GPU ")]
    # One broken GPU does not matter if another one works, but every other missing part does.
    needed = [part for part in parts if part.state == MISSING and part not in each]
    usable = [part for part in each if part.state == OK]
    if usable and not needed:
        names = ", ".join(part.found.partition(", compute capability")[0] for part in usable)
        return True, f"Training can run on {len(usable)} GPU{'s' if len(usable) > 1 else ''}: {names}."
    first = (needed or each)[0]
    return False, f"mx.gpu() cannot be used: {first.found}. {first.remedy}."


def host_parts() -> list[Part]:
    """Versions and processor, as parts that are always there."""
    compiler = f"numpy {version('numpy')}, numba {version('numba')}"
    return [
        Part("pushgrad", OK, version("pushgrad")),
        Part("Python", OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}, {compiler}"),
        _processor(),
    ]


def _processor() -> Part:
    """Cores and compute threads; a bad OMP_NUM_THREADS, which stops every training, becomes a warning here."""
    found = f"{available_cores()} of {os.cpu_count()} cores"
    try:
        return Part("processor", OK, f"{found}, {thread_count()} compute threads")
    except PushgradError as error:
        return Part("processor", WARNING, f"{found}; {error}", "Set OMP_NUM_THREADS to a number, or not at all")
