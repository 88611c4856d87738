"""As fast as the machine? Every program here beside its peers, on the cores of one machine, in one run.

make bench                                         all rows, about 15 minutes
python benchmarks/compute.py --rows lenet,resnet18-training --rounds 5 --json out/lenet.json
python benchmarks/compute.py --quick               a little of each: does everything run?
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import click
from report import row_table, summary, targets_table, write_json
from rich.console import Console
from rows import chosen, every
from side_by_side import interpreters, measure

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Sizes:
    """Work of a turn: digits of an epoch, steps with eight pictures, digits to predict."""

    digits: int = 42_000
    steps: int = 4
    predicted: int = 10_000


QUICK = Sizes(digits=2_000, steps=1, predicted=1_000)


@click.command()
@click.option("--rows", "wanted", metavar="LIST", help="Only these, by name or its beginning: lenet,resnet18.")
@click.option("--rounds", type=click.IntRange(1), help="Turns of each program  [default: 5; with --quick, 1]")
@click.option("--quick", is_flag=True, help="Little work: shows that it runs, not how fast.")
@click.option("--data", type=click.Path(exists=True, file_okay=False), default=ROOT / "examples" / "data" / "mnist")
@click.option("--torch", default=ROOT / ".venv-torch" / "bin" / "python", help="A Python that has torch.")
@click.option("--mxnet", default=ROOT / ".venv-mxnet" / "bin" / "python", help="A Python that has mxnet 1.9.1.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the figures to a file, too.")
@click.option("--list", "only_list", is_flag=True, help="Print the rows' names.")
def main(wanted, rounds, quick, data, torch, mxnet, json_file, only_list):
    """Time pushgrad beside its peers and say which targets it misses; peers that are not installed are left out."""
    rows = every(QUICK if quick else Sizes())
    if only_list:
        click.echo("\n".join(f"{row.name:26} {row.title}" for row in rows))
        return
    try:
        rows = chosen(rows, wanted) if wanted else rows
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    rounds = rounds or (1 if quick else 5)
    console, outcomes = Console(), []
    for row in rows:
        outcomes.append(measure(row, rounds, interpreters(torch, mxnet), data, click.echo))
        console.print(row_table(outcomes[-1]))
        if json_file:  # after each row, so that a run cut short leaves what it has
            write_json(json_file, outcomes, rounds)
    console.print(targets_table(outcomes))
    click.echo(summary(outcomes))
    # A peer may be absent; a program of our own that fails is an error.
    sys.exit(any(outcome.row.programs[0].label in outcome.absent for outcome in outcomes))


if __name__ == "__main__":
    main()
