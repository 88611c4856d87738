"""Training on a GPU beside PyTorch on the same one: LeNet, photographs, a parameter server, the first step.

python benchmarks/gpu.py --json out/gpu.json                       all rows that fit into 9.5 minutes
python benchmarks/gpu.py --rows images-resnet50 --profile          some rows, and which kernels their time goes to
python benchmarks/gpu.py --on cpu --rows lenet,start --quick       without a GPU: do the programs run?
"""

import json
import platform
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median
from time import monotonic

import click
import side_by_side
from report import as_json, clock, processor, row_table, summary, targets_table
from rich.console import Console
from rows import chosen, gpu_images, gpu_lenet, gpu_server, gpu_start
from rows.gpu_measure import measure
from rows.gpu_row import GpuSizes
from runner import ROOT

QUICK = {"digits": 2_000, "epochs": 1, "pictures": 256, "steps": 2}
SMI = ("name", "driver_version", "memory.total", "clocks.max.sm", "power.limit")
WIDTH = 150  # of what is printed where there is no terminal
PATIENCE = 180  # seconds for a start or a turn


def every(sizes):
    """All rows, those that take seconds first."""
    return [row for family in (gpu_lenet, gpu_start, gpu_server, gpu_images) for row in family.rows(sizes)]


def missing():
    """What keeps this machine from running the benchmark, in a line; None if nothing does."""
    try:
        import pushgrad as mx
        from pushgrad.worker.devices.available import require

        require(mx.gpu(0))
    except Exception as error:  # whatever it is, it is what is missing
        return " ".join(str(error).split())
    return None


@cache
def hardware(on):
    """The GPU with its driver, as nvidia-smi names them, and the host."""
    found = dict.fromkeys(SMI, "unknown") if on == "gpu" else {"name": "none: run on the CPU"}
    if on == "gpu":
        command = ["nvidia-smi", f"--query-gpu={','.join(SMI)}", "--format=csv,noheader", "--id=0"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
            found = dict(zip(SMI, (part.strip() for part in said.split(",")), strict=True))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            found["note"] = f"nvidia-smi: {error}"
    return {"gpu": found, "processor": processor(), "cores": side_by_side.CORES}


def entry(outcome, on):
    """A row for the JSON file, complete in itself: figures, date, hardware, versions."""
    row = outcome.row
    return {
        **as_json(outcome),
        "accuracy": outcome.accuracy,
        "examples per second": outcome.throughputs(),
        "kernels": outcome.kernels,
        "task": row.task,
        "date": datetime.now().isoformat(timespec="seconds"),
        **hardware(on),
        "versions": {**outcome.libraries, "python": platform.python_version()},
    }


def table_lines(outcomes):
    """The table as docs/benchmarks.md has it."""
    yield "| work | pushgrad | peer | ratio | target | |"
    yield "|---|---|---|---|---|---|"
    for outcome in outcomes:
        ours = outcome.row.programs[0].label
        first = [outcome.row.title, _figure(outcome, ours)]
        for target, _, ratio, verdict in outcome.judged():
            yield f"| {' | '.join([*first, *_compared(outcome, target, ratio), verdict])} |"
            first = ["", ""]


def _compared(outcome, target, ratio):
    """Peer, ratio and target; of a limit in seconds only the last."""
    if target.against in outcome.row.quoted:
        return "", "", f"at most {target.against}"
    label = target.programs[0]
    return f"{label} {_figure(outcome, label)}", "" if ratio is None else f"{ratio:.2f}", target.text()


def _figure(outcome, label):
    """Seconds, and how much was learned in them where that can be compared."""
    seconds, accuracy = outcome.seconds.get(label), outcome.accuracy.get(label)
    learned = "" if accuracy is None else f" (accuracy {accuracy:.3f})"
    return f"{clock(median(seconds))}{learned}" if seconds else "not measured"


def headline(outcomes, on):
    """Date, hardware and versions, in a line."""
    host = hardware(on)
    gpu = ", ".join(f"{name} {value}" for name, value in host["gpu"].items())
    versions = {name: version for outcome in outcomes for name, version in outcome.libraries.items()}
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{datetime.now():%Y-%m-%d}; GPU: {gpu}; host: {host['cores']} cores of {host['processor']}; {said}"


def write(path, entries):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, indent=1) + "\n")


def with_turns(row, wanted, profile):
    """The row whose programs know how many turns there will be, and how many of them are timed."""
    rounds = min(wanted, row.most_rounds)
    return replace(row, task={**row.task, "rounds": rounds + profile}), rounds


@click.command()
@click.option("--rows", "wanted", metavar="LIST", help="Only these, by name or its beginning: lenet,images.")
@click.option("--rounds", type=click.IntRange(1), help="Turns of each program  [default: 5; with --quick, 1]")
@click.option("--quick", is_flag=True, help="Little work: shows that it runs, not how fast.")
@click.option("--profile", is_flag=True, help="After its rounds each program also says which kernels its time goes to.")
@click.option("--minutes", default=9.5, show_default=True, help="Begin no round, and start no program, after so long.")
@click.option("--data", type=click.Path(exists=True, file_okay=False), default=ROOT / "examples" / "data" / "mnist")
@click.option("--torch", default=sys.executable, envvar="PUSHGRAD_BENCH_TORCH", help="A Python with torch [this one].")
@click.option("--on", type=click.Choice(["gpu", "cpu"]), default="gpu", help="cpu: shows that the programs run.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the figures to a file, row by row.")
@click.option("--list", "only_list", is_flag=True, help="Print the rows' names.")
def main(wanted, rounds, quick, profile, minutes, data, torch, on, json_file, only_list):
    """Time training on a GPU beside PyTorch, and say which targets are missed. A program that fails leaves a note."""
    deadline = monotonic() + 60 * minutes
    rows = every(GpuSizes(on, **(QUICK if quick else {})))
    if only_list:
        click.echo("\n".join(f"{row.name:34} {row.title}" for row in rows))
        return
    if on == "gpu" and (lack := missing()):
        click.echo(f"benchmarks/gpu.py needs a GPU: {lack}", err=True)
        sys.exit(1)
    try:
        rows = chosen(rows, wanted) if wanted else rows
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    pythons = {"pushgrad": sys.executable, "torch": str(torch)}
    outcomes = run(rows, rounds or (1 if quick else 5), profile, on, json_file, pythons, data, deadline)
    # A peer may be absent; a program of our own that fails is an error.
    sys.exit(any(outcome.row.programs[0].label in outcome.absent for outcome in outcomes))


def run(rows, rounds, profile, on, json_file, pythons, data, deadline):
    """Measure the rows, and show each one as soon as it is done."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    outcomes, entries = [], []
    for row in rows:
        row, timed = with_turns(row, rounds, profile)
        side_by_side.PATIENCE = round(
            max(20, min(PATIENCE, deadline + 20 - monotonic()))
        )  # a silent one must not cost all
        outcome = measure(row, timed, profile, pythons, data, click.echo, deadline)
        outcomes.append(outcome)
        entries.append(entry(outcome, on))
        console.print(row_table(outcome))
        click.echo("\n".join(outcome.notes()))
        if json_file:  # after each row, so that a run cut short leaves what it has
            write(json_file, entries)
    console.print(targets_table(outcomes))
    click.echo("\n".join(["", headline(outcomes, on), "", *table_lines(outcomes), "", summary(outcomes)]))
    return outcomes


if __name__ == "__main__":
    main()
