"""Does a server's memory stay what it was? Its resident memory over many steps, in multiples of its shard.

.venv/bin/python benchmarks/memory.py --json out/memory.json       about 4 minutes
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import click
from report import processor
from rich.console import Console
from rich.table import Table

PROGRAM = Path(__file__).with_name("peers") / "pushgrad_memory.py"


def samples(workers, transport, steps):
    """Tenths of the way through the steps: bytes held, over bytes of the weights."""
    environ = {**os.environ, **({"PUSHGRAD_TRANSPORT": "tcp", "PUSHGRAD_INSECURE": "1"} if transport == "tcp" else {})}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        command = ["-m", "pushgrad.launch", "--workers", str(workers), str(PROGRAM), str(steps), str(answer)]
        subprocess.run([sys.executable, *command], env=environ, check=True, stdout=subprocess.DEVNULL)
        return json.loads(answer.read_text())


@click.command()
@click.option("--steps", default=1_000, show_default=True, help="Steps of each job.")
@click.option("--workers", "jobs", multiple=True, type=int, default=(2,), show_default=True, help="Workers of a job.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(steps, jobs, json_file):
    """Print what a server holds, over tcp and in shared memory."""
    table = Table("transport", "workers", "first tenth", "last tenth", "most", "at most")
    rows = []
    for transport in ("tcp", "shared memory"):
        for workers in jobs:
            found = samples(workers, transport, steps)
            limit = 4 + workers if transport == "tcp" else 4
            rows.append({"transport": transport, "workers": workers, "samples": found, "limit": limit})
            cells = (f"{value:.2f}" for value in (found[0], found[-1], max(found)))
            table.add_row(transport, f"{workers}", *cells, f"{limit}")
    table.title = f"a server's memory over {steps} steps, in multiples of its shard"
    Console().print(table)
    if json_file:
        head = {"date": date.today().isoformat(), "processor": processor(), "steps": steps}
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
