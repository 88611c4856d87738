"""Does it scale? A ResNet-50's exchange over hosts that are network namespaces with links of 1 Gbit/s.

sudo .venv/bin/python benchmarks/scale.py --json out/scale.json       about 2 minutes
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from statistics import median

import click
from hosts import has_netem, hosts
from report import processor
from rich.console import Console
from rich.table import Table
from side_by_side import CORES

from pushgrad.launch.exchange_time import ExchangeModel, parse_rate

PROGRAM = Path(__file__).with_name("peers") / "pushgrad_scale.py"
JOBS = ((1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4))  # workers, servers
TICK = os.sysconf("SC_CLK_TCK")


class Job:
    """One job, each process on a host of its own."""

    def __init__(self, places, workers, servers, steps):
        self.common = {
            **os.environ, "DMLC_PS_ROOT_URI": places[0].address, "DMLC_PS_ROOT_PORT": "9091", "OMP_NUM_THREADS": "1",
            "DMLC_NUM_WORKER": str(workers), "DMLC_NUM_SERVER": str(servers), "PUSHGRAD_INSECURE": "1",
        }  # fmt: skip
        server, worker = ["-m", "pushgrad.ps"], [str(PROGRAM), str(steps)]
        self.scheduler = self._start(places[0], "scheduler", server)
        self.servers = [self._start(place, "server", server) for place in places[1 : 1 + servers]]
        self.workers = [self._start(place, "worker", worker) for place in places[1 + servers : 1 + servers + workers]]

    def _start(self, place, role, arguments):
        return subprocess.Popen(
            place.inside(sys.executable, *arguments), env={**self.common, "DMLC_ROLE": role},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self):
        """Each step's seconds (of the slowest worker), the bytes of all keys, and the servers' CPU seconds."""
        for worker in self.workers:
            self._line(worker)
        before = self._busy()
        told = [json.loads(self._line(worker)) for worker in self.workers]
        busy = self._busy() - before
        for process in (*self.workers, *self.servers, self.scheduler):
            if process.wait(60):
                raise click.ClickException(f"a process of the job ended with {process.returncode}")
        steps = [max(times) for times in zip(*(item["seconds"] for item in told), strict=True)]
        return steps, told[0]["bytes"], busy

    def _line(self, worker):
        line = worker.stdout.readline()
        if not line:
            raise click.ClickException(f"a worker ended with {worker.wait(60)}")
        return line

    def _busy(self):
        stats = (Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split() for server in self.servers)
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICK

    def kill(self):
        """End what still runs."""
        for process in (*self.workers, *self.servers, self.scheduler):
            process.kill()
            process.communicate()


def measure(workers, servers, rate, latency, steps):
    """One row: measured and foretold seconds of a step, and how near the links' best it is."""
    with hosts(1 + workers + servers, rate, 1000 * latency) as places, ExitStack() as stack:
        job = Job(places, workers, servers, steps)
        stack.callback(job.kill)
        times, nbytes, busy = job.run()
    exchange = ExchangeModel(workers, servers, nbytes, parse_rate(rate), latency)
    seconds = median(times)
    return {
        "workers": workers,
        "servers": servers,
        "bytes": nbytes,
        "seconds": times,
        "median": seconds,
        "best": exchange.best,
        "efficiency": exchange.best / seconds,
        "foretold": exchange.seconds,
        "foretold / measured": exchange.seconds / seconds,
        "server seconds per GB": busy / (len(times) * workers * nbytes / 1e9),
    }


@click.command()
@click.option("--rate", default="1gbit", show_default=True, help="Of each host's link, as tc writes it.")
@click.option("--latency", default=1.0, show_default=True, help="Milliseconds from host to host, where netem is there.")
@click.option("--steps", default=5, show_default=True, help="Timed steps of each job.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(rate, latency, steps, json_file):
    """Time the exchange of 1, 2 and 4 workers against the best that their links allow."""
    if not has_netem():
        click.echo("This kernel has no netem: links have their rate, but no latency of their own")
        latency = 0.0
    rows = []
    table = Table("workers", "servers", "step", "the links' best", "efficiency", "foretold", "server CPU per GB")
    for workers, servers in JOBS:
        click.echo(f"{workers} workers, {servers} servers")
        row = measure(workers, servers, rate, latency / 1000, steps)
        rows.append(row)
        table.add_row(
            f"{workers}", f"{servers}", f"{row['median']:.3f} s", f"{row['best']:.3f} s", f"{row['efficiency']:.0%}",
            f"{row['foretold']:.3f} s ({row['foretold / measured'] - 1:+.0%})", f"{row['server seconds per GB']:.2f} s",
        )  # fmt: skip
    Console().print(table)
    if json_file:
        head = {"date": date.today().isoformat(), "processor": processor(), "cores": CORES}
        head |= {"rate": rate, "latency in ms": latency}
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
