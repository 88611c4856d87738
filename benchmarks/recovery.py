"""What do snapshots cost, and what does a death? LeNet and 102 MB at half a second a step; torchrun, torchft beside us.

.venv/bin/python benchmarks/recovery.py --json out/recovery.json       about 25 minutes
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import mean, median

import click
from report import clock, processor
from rich.console import Console
from rich.table import Table
from runner import ROOT

PEERS = Path(__file__).with_name("peers")
LAUNCH = (sys.executable, "-m", "pushgrad.launch")
JOB = (*LAUNCH, "--workers", "2", "--servers", "2")
LEAST, SHARE = 10.0, 100  # "auto" of --snapshot: so many seconds, and so many times what a snapshot costs
PATIENCE, LONG = 1200, 120  # seconds for a program, and for one that is killed once
PARTS = ("costs", "restoring", "kills", "lost")
# Where lost work is measured: what is asked of --snapshot, how many seconds that is, and how many kills there are.
LOST = (("1s", 1.0, 100), ("auto", LEAST, 20))
# How old a job is when it is killed: at once, and when `launch` has had the time to prepare its next generation.
AGES = (0, 20)


def run(command, folder, environ=None, code=0, patience=PATIENCE):
    """Run a command, whose exit code is to be `code`, and give back what it wrote to `answer` in the folder, if it did.

    Python may keep what it compiles, as it does wherever a package is installed. Raises TimeoutExpired.
    """
    environ = {**os.environ, "PUSHGRAD_RUNS": str(folder / "runs"), **(environ or {})}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=output)
        try:
            ended = process.wait(patience)
        finally:
            process.terminate()  # launchers end what they have started
            process.wait()
        if ended != code:
            output.seek(0)
            raise click.ClickException(f"{' '.join(map(str, command))} ended with {ended}: {output.read()[-2000:]}")
    answer = folder / "answer"
    return json.loads(answer.read_text()) if answer.exists() else None


def cost(network, command, steps, every, data):
    """What a snapshot costs, in seconds, as steps tell: how much longer they take than the median of undisturbed ones.

    From it follows the share of the time at the interval that `auto` chooses.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = [PEERS / "pushgrad_snapshots.py", network, str(steps), str(every), data, folder / "answer"]
        found = run([*command, *given], folder, {"PUSHGRAD_SNAPSHOT_DIR": str(folder / "kept")})
    usual = median(took for took, busy in found["seconds"] if not busy)
    disturbed = [took for took, busy in found["seconds"] if busy]
    snapshots = len(found["held"])
    seconds = max(0.0, sum(took - usual for took in disturbed)) / snapshots
    interval = max(LEAST, SHARE * found["reckoned"])
    return {
        "network": network,
        "processes": "job" if command == JOB else "one",
        "megabytes": found["bytes"] / 1e6,
        "step": usual,
        "snapshots": snapshots,
        "cost": seconds,
        "reckoned": found["reckoned"],
        "interval": interval,
        "share": seconds / interval,
        "held": median(found["held"]),
        "held_per_100mb": median(found["held"]) * 1e8 / found["bytes"],
        "writing": sum(disturbed) / snapshots,
    }


def lost(asked, interval, kills, data):
    """Seconds of work that each of so many kills of LeNet costs, with a snapshot every `interval` seconds or so."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [*JOB, "--snapshot", asked, "--max-restarts", str(kills), PEERS / "pushgrad_lost.py", data]
        # The next kill would be one too many, and ends the job.
        found = run([*command, str(interval), folder], folder, {"OMP_NUM_THREADS": "1"}, code=137)
        seen = _between_snapshots(next(folder.glob("runs/*/events.jsonl")))
    figures = {"mean": mean(found), "most": max(found), "seconds": found}
    return {"asked": asked, "interval": median(seen or [interval]), "kills": len(found), **figures}


def _between_snapshots(events):
    """The seconds between two snapshots that followed each other, in a run's file of events."""
    seen, last = [], None
    for event in map(json.loads, events.read_text().splitlines()):
        if event["event"] == "restart":
            last = None
        elif event["event"] == "resumable" and event["step"]:
            if last is not None:
                seen.append(event["time"] - last)
            last = event["time"]
    return seen


def restoring(servers, rounds):
    """Seconds from a snapshot of 100 MB, with as much momentum, to servers that have it all: medians of the rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keep = [PEERS / "pushgrad_restoring.py", "keep", folder / "answer"]
        restore = [PEERS / "pushgrad_restoring.py", "restore", folder / "answer"]
        run([sys.executable, *keep], folder, {"PUSHGRAD_SNAPSHOT_DIR": str(folder / "kept")})
        command = [*LAUNCH, "--workers", "1", "--servers", str(servers), "--resume", "auto"]
        spent = []
        for number in range(rounds):  # each goes on from the same
            place = shutil.copytree(folder / "kept", folder / f"kept-{number}")
            spent.append(run([*command, *restore], folder, {"PUSHGRAD_SNAPSHOT_DIR": str(place)}))
    reading, handing = ([one[name] for one in spent] for name in ("found", "_publish"))
    together = [sum(parts) for parts in zip(reading, handing, strict=True)]
    return {"servers": servers, "reading": median(reading), "handing": median(handing), "seconds": median(together)}


def killed(command, script, data, age):
    """Seconds from a worker's kill to the first step that had not been done before it; its job is `age` seconds old.

    None if it did not come, to a peer.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            run([*command, PEERS / script, data, folder, str(age)], folder, {"OMP_NUM_THREADS": "1"}, patience=LONG)
        except (subprocess.TimeoutExpired, click.ClickException):
            if command[: len(LAUNCH)] == LAUNCH:
                raise
            return None
        return float((folder / "new").read_text()) - float((folder / "killed").read_text())


def all_costs(quick, data):
    """`cost` of LeNet and of 102 MB, in one process and in a job."""
    sizes = {"lenet": (600, 300) if quick else (2000, 400), "102mb": (12, 6) if quick else (48, 12)}
    for network, (steps, every) in sizes.items():
        for command in ((sys.executable,), JOB):
            yield cost(network, command, steps, every, data)


def has(python, module):
    """Whether there is such an interpreter, with such a module."""
    return python.exists() and not subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode


def kills(rounds, data, torch):
    """`killed` of all programs at both ages, in turns, as machines drift."""
    torchrun = (torch, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "3")
    programs = {"pushgrad": ((*JOB, "--snapshot", "20steps"), "pushgrad_killed.py")}
    if has(torch, "torch"):
        programs["torchrun"] = (torchrun, "torch_killed.py")
    if has(torch, "torchft"):
        programs["torchft"] = ((torch,), "torchft_killed.py")
    turns = [(label, age) for _ in range(rounds) for age in AGES for label in programs]
    found = {label: {f"{age} s": [] for age in AGES} for label in programs}
    for label, age in turns:
        found[label][f"{age} s"].append(killed(*programs[label], data, age))
    return found


def costs_table(rows):
    table = Table("network", "processes", "step", "held up, per 100 MB", "costs", "as reckoned", "every", "share")
    for row in rows:
        table.add_row(
            row["network"],
            row["processes"],
            clock(row["step"]),
            f"{clock(row['held'])}, {clock(row['held_per_100mb'])}",
            clock(row["cost"]),
            clock(row["reckoned"]),
            clock(row["interval"]),
            f"{row['share']:.2%}",
        )
    table.title = "snapshots (at most 1 % of the time, 5 ms per 100 MB)"
    return table


def restoring_table(rows):
    table = Table("servers", "reading and checking", "handing to servers", "together", title="100 MB (at most 0.5 s)")
    for row in rows:
        table.add_row(f"{row['servers']}", *(clock(row[name]) for name in ("reading", "handing", "seconds")))
    return table


def kills_table(found):
    ages = [f"{age} s" for age in AGES]
    table = Table(
        "", *ages, title="LeNet, 2 workers (ours + 2 servers): kill -9 to the next new step, by the job's age"
    )
    for label, seconds in found.items():
        table.add_row(label, *(_of_those_that_came(seconds[age]) for age in ages))
    return table


def _of_those_that_came(seconds):
    came = [one for one in seconds if one is not None]
    missed = f", {len(seconds) - len(came)} of {len(seconds)} did not go on" if len(came) < len(seconds) else ""
    return (clock(median(came)) if came else "-") + missed


def lost_table(rows):
    table = Table("--snapshot", "one every", "kills", "lost on average", "at most", title="work of LeNet that is lost")
    for row in rows:
        table.add_row(row["asked"], clock(row["interval"]), f"{row['kills']}", clock(row["mean"]), clock(row["most"]))
    return table


@click.command()
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS, help="Only this; all by default."
)
@click.option("--rounds", default=5, show_default=True, help="Kills of each program, and restarts.")
@click.option("--quick", is_flag=True, help="Little work: shows that it runs, not how fast.")
@click.option("--data", type=click.Path(exists=True, file_okay=False), default=ROOT / "examples" / "data" / "mnist")
@click.option("--torch", default=ROOT / ".venv-torch" / "bin" / "python", help="A Python with torch, and torchft.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(parts, rounds, quick, data, torch, json_file):
    """Print what snapshots cost, how long they take to restore, and how long a death holds a job up."""
    console, rounds, report = Console(), 1 if quick else rounds, {}
    data, torch = str(Path(data).absolute()), Path(torch).absolute()
    if "costs" in parts:
        report["costs"] = list(all_costs(quick, data))
        console.print(costs_table(report["costs"]))
    if "restoring" in parts:
        report["restoring"] = [restoring(servers, rounds) for servers in (1, 2, 3, 5)]
        console.print(restoring_table(report["restoring"]))
    if "kills" in parts:
        report["kills"] = kills(rounds, data, torch)
        console.print(kills_table(report["kills"]))
    if "lost" in parts:
        report["lost"] = [lost(asked, interval, 3 if quick else kills, data) for asked, interval, kills in LOST]
        console.print(lost_table(report["lost"]))
    if json_file:
        head = {"date": date.today().isoformat(), "processor": processor(), "quick": quick}
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps({**head, **report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
