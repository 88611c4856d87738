"""What does compression cost? LeNet's accuracy after a few epochs on two workers over tcp, and the bytes of gradients.

.venv/bin/python benchmarks/compression.py --json out/compression.json       about 3 minutes
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
from runner import ROOT

PROGRAM = Path(__file__).with_name("peers") / "pushgrad_compressed.py"
CODINGS = (
    None,
    {"type": "fp16"},
    {"type": "bf16"},
    {"type": "2bit", "threshold": 0.5},
    {"type": "topk", "ratio": 0.01},
)


def train(coding, data, count, epochs):
    """Accuracy on the test digits, and the bytes of gradients plain and as sent."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        task = [json.dumps(coding), str(data), str(count), str(epochs), str(answer)]
        command = [sys.executable, "-m", "pushgrad.launch", "--workers", "2", str(PROGRAM), *task]
        environ = {**os.environ, "PUSHGRAD_TRANSPORT": "tcp", "PUSHGRAD_INSECURE": "1"}
        subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
        return json.loads(answer.read_text())


@click.command()
@click.option("--count", default=42_000, show_default=True, help="Training digits.")
@click.option("--epochs", default=3, show_default=True)
@click.option("--data", type=click.Path(exists=True, file_okay=False), default=ROOT / "examples" / "data" / "mnist")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(count, epochs, data, json_file):
    """Train LeNet once with each kind of compression."""
    table = Table("gradients", "accuracy", "bytes of a worker", title=f"LeNet, {epochs} epochs of {count} digits")
    rows = []
    for coding in CODINGS:
        click.echo(f"training with {coding}")
        found = train(coding, data, count, epochs)
        rows.append({"coding": coding, **found})
        share = f"{found['sent'] / found['plain']:.4f} of the plain ones" if found["plain"] else "all"
        name = " ".join(str(value) for value in coding.values()) if coding else "plain"
        table.add_row(name, f"{found['accuracy']:.4f}", share)
    Console().print(table)
    if json_file:
        head = {"date": date.today().isoformat(), "processor": processor(), "count": count, "epochs": epochs}
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
