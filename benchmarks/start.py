"""How does a large job start? From `launch` to the first step on one host and on many, and the scheduler alone.

python benchmarks/start.py                                    a few minutes
sudo .venv/bin/python benchmarks/start.py --hosts 16 --json docs/benchmarks/start.json
                                                              also over ssh, to network namespaces with an sshd each
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median

import click
import crowd
from processes import Process
from report import processor
from rich.console import Console
from rich.table import Table
from side_by_side import CORES
from simulated_workers import SimulatedJob
from ssh_hosts import ssh_hosts

PROGRAM = Path(__file__).with_name("peers") / "pushgrad_start.py"
IDLE = 3.0  # seconds in which a worker's idle CPU is taken
# A machine that has other work to do makes the start slow; it is to be measured and not to fail.
PATIENT = ("--quiet", "--start-timeout", "600", "--env", "PUSHGRAD_LEASE=120")
SERVERS = 8  # of a simulated job


def start(program, workers, launch=(), environ=None, prefix=()):
    """A job of so many workers and one server: its times, and medians over the workers of what each has used."""
    began = time.time()
    argv = [*prefix, sys.executable, "-m", "pushgrad.launch", "--workers", str(workers), *PATIENT, *launch]
    child = subprocess.Popen(
        [*argv, str(PROGRAM), program, str(IDLE)],
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        text=True,
    )
    own = Process(child.pid)
    found = []
    for line in child.stdout:
        own.cpu()
        if (told := line[line.find("{") :]).startswith("{"):
            found.append(json.loads(told))
    _, status, used = os.wait4(child.pid, 0)
    if status or len(found) != workers:
        raise click.ClickException(
            f"the job ended with {status}; {len(found)} of {workers} workers have told their figures"
        )
    return {
        "program": program, "workers": workers,
        "seconds to the first step": max(item["first step at"] for item in found) - began,
        "CPU seconds": used.ru_utime + used.ru_stime, "CPU of launch": own.cpu(),
        **{key: median(item[key] for item in found) for key in found[0] if key not in ("rank", "first step at")},
    }  # fmt: skip


def simulated(workers):
    """CPU seconds, messages and bytes of the scheduler's state machine in each phase of a job's life."""
    return {"workers": workers, "servers": SERVERS, "phases": SimulatedJob(workers, SERVERS).run()}


def show(console, report):
    table = Table("hosts", "program", "workers", "first step", "CPU s", "launch's", "a worker's: joined, stepped",
                  "idle, ms/s", "memory", "threads", "files")  # fmt: skip
    for row in report["starts"]:
        table.add_row(
            str(row["hosts"]), row["program"], str(row["workers"]), f"{row['seconds to the first step']:.1f} s",
            f"{row['CPU seconds']:.1f}", f"{row['CPU of launch']:.2f}",
            f"{row['CPU until joined']:.2f}, {row['CPU until the first step']:.2f}", f"{1000 * row['idle CPU']:.1f}",
            f"{int(row['memory']) >> 20} MiB", f"{row['threads']:.0f}", f"{row['files']:.0f}",
        )  # fmt: skip
    console.print(table)
    table = Table(
        "workers", "join", "idle, ms/s", "barrier", "leave", "memory", "files", title="The scheduler: CPU seconds"
    )
    for row in report["schedulers"]:
        table.add_row(
            str(row["workers"]), f"{row['join']['cpu']:.2f}", f"{1000 * row['idle CPU per second']:.0f}",
            f"{row['barrier']['cpu']:.3f}", f"{row['leave']['cpu']:.2f}", f"{int(row['memory']) >> 20} MiB",
            str(row["files"]),
        )  # fmt: skip
    console.print(table)
    table = Table(
        "workers", "phase", "messages in", "out", "bytes out", "CPU", title="Its state machine and messages alone"
    )
    for row in report["machines"]:
        for name, item in row["phases"].items():
            table.add_row(
                str(row["workers"]),
                name,
                str(item["to"]),
                str(item["from"]),
                str(item["bytes"]),
                f"{item['cpu']:.3f} s",
            )
    console.print(table)


@click.command()
@click.option("--workers", default="1,64", show_default=True, help="Of the jobs on this host that exchange an array.")
@click.option("--fits", default="16", show_default=True, help="Workers of those that train by mx.mlp.")
@click.option("--hosts", "host_count", default=0, show_default=True, help="Also on so many hosts (needs root).")
@click.option("--crowd", "crowds", default="64,250,1000", show_default=True, help="Workers of a real scheduler alone.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(workers, fits, host_count, crowds, json_file):
    """Time the start of jobs, and count what their scheduler does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sizes = [int(word) for word in crowds.split(",")]
    report = {"date": date.today().isoformat(), "processor": processor(), "cores": CORES, "load": os.getloadavg()[0]}
    report["machines"] = [simulated(count) for count in sizes]
    report["schedulers"] = [crowd.measure(count, SERVERS) for count in sizes]
    report["starts"] = []
    for program, counts in (("exchange", workers), ("fit", fits)):
        for count in (int(word) for word in counts.split(",")):
            click.echo(f"{program}: {count} workers on this host")
            report["starts"].append({"hosts": 1, **start(program, count)})
    if host_count:
        click.echo(f"{host_count} hosts, a worker on each")
        with tempfile.TemporaryDirectory() as folder, ssh_hosts(host_count, Path(folder)) as found:
            row = start("exchange", host_count, found.options, found.environ, found.prefix)
        report["starts"].append({"hosts": host_count, **row})
    report["load at the end"] = os.getloadavg()[0]
    show(Console(), report)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
