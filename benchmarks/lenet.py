"""One epoch of the article's LeNet (42 000 digits, batch 100, float32) here, in PyTorch and in MXNet, side by side.

    make bench                                     with the peers that `make peers` has installed
    python benchmarks/lenet.py --data FOLDER --rounds 5 --json docs/benchmarks/lenet.json

Every program stays up and trains an epoch when it is told to; the programs take turns, so that a machine whose speed
drifts slows all of them alike. The figures are medians over rounds; the ratios are medians of the rounds' ratios.
"""

import json
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parent
TARGET = 0.9  # of the best mode of PyTorch

PROGRAMS = {
    "pushgrad": ("pushgrad", "pushgrad_lenet.py", []),
    "PyTorch eager": ("torch", "torch_lenet.py", ["eager"]),
    "PyTorch channels_last": ("torch", "torch_lenet.py", ["channels_last"]),
    "PyTorch compile": ("torch", "torch_lenet.py", ["compile"]),
    "MXNet 1.9.1": ("mxnet", "mxnet_lenet.py", []),
    "pushgrad, 2 workers + server": ("pushgrad", "pushgrad_launched.py", []),
}


class Program:
    """A child process that trains one epoch for each line it reads and answers with the seconds."""

    def __init__(self, python, script, arguments, data, digits):
        self.version = subprocess.run(
            [python, HERE / "peers" / script, "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self.process = subprocess.Popen(
            [python, HERE / "peers" / script, str(data), str(digits), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._answer()  # "ready", after a warm-up

    def epoch(self):
        """Seconds of one epoch."""
        self.process.stdin.write("epoch\n")
        self.process.stdin.flush()
        return float(self._answer())

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise click.ClickException(f"{self.process.args[1]} ended with code {self.process.wait()}")
        return line


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False), default=ROOT / "examples" / "data" / "mnist")
@click.option("--digits", default=42_000, show_default=True, help="Digits per epoch; repeated if there are fewer.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--torch", default=ROOT / ".venv-torch" / "bin" / "python", help="A Python that has torch.")
@click.option("--mxnet", default=ROOT / ".venv-mxnet" / "bin" / "python", help="A Python that has mxnet 1.9.1.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the figures to a file, too.")
def main(data, digits, rounds, torch, mxnet, json_file):
    """Time LeNet here and in its peers; a peer that is not installed is left out with a word."""
    pythons = {"pushgrad": sys.executable, "torch": str(torch), "mxnet": str(mxnet)}
    programs = {}
    for name, (kind, script, arguments) in PROGRAMS.items():
        if not Path(pythons[kind]).exists():
            click.echo(f"{name}: left out, {pythons[kind]} is not there (make peers installs it)")
            continue
        click.echo(f"{name}: starting")
        programs[name] = Program(pythons[kind], script, arguments, data, digits)
    seconds = {name: [] for name in programs}
    for turn in range(rounds):
        order = list(programs) if turn % 2 == 0 else list(programs)[::-1]
        for name in order:
            seconds[name].append(programs[name].epoch())
        click.echo(f"round {turn + 1}: " + ", ".join(f"{name} {times[-1]:.2f} s" for name, times in seconds.items()))
    for program in programs.values():
        program.close()
    show(seconds)
    if json_file:
        versions = {name: program.version for name, program in programs.items()}
        Path(json_file).parent.mkdir(parents=True, exist_ok=True)
        Path(json_file).write_text(json.dumps(report(seconds, versions, digits), indent=1) + "\n")


def ratios(seconds, name):
    """Ours over theirs, the median of the rounds."""
    return median(ours / theirs for ours, theirs in zip(seconds["pushgrad"], seconds[name], strict=True))


def show(seconds):
    """The table, and whether the target is met."""
    table = Table("program", "seconds (median)", "min .. max", "pushgrad takes")
    for name, times in seconds.items():
        share = f"{ratios(seconds, name):.2f} of it"
        table.add_row(name, f"{median(times):.2f}", f"{min(times):.2f} .. {max(times):.2f}", share)
    Console().print(table)
    peers = {name: median(times) for name, times in seconds.items() if name.startswith("PyTorch")}
    if peers:
        best = min(peers, key=peers.get)
        ratio = ratios(seconds, best)
        verdict = "met" if ratio <= TARGET else "missed"
        click.echo(f"target: at most {TARGET} of PyTorch's best mode ({best}): {ratio:.2f}, {verdict}")


def report(seconds, versions, digits):
    """What the JSON holds."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {
        "benchmark": "LeNet, one epoch",
        "date": date.today().isoformat(),
        "digits": digits,
        "processor": model.partition(":")[2].strip() or platform.processor(),
        "cores": len(__import__("os").sched_getaffinity(0)),
        "versions": versions,
        "seconds": seconds,
        "median ratio pushgrad / program": {name: round(ratios(seconds, name), 3) for name in seconds},
    }


if __name__ == "__main__":
    main()
