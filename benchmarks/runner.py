"""The command around a list of rows: which of them, how many rounds, with whose interpreters, and where figures go."""

import sys
from pathlib import Path

import click
from report import row_table, summary, targets_table, write_json
from rich.console import Console
from rows import chosen
from side_by_side import interpreters, measure

ROOT = Path(__file__).parents[1]
OPTIONS = (
    click.option("--rows", "wanted", metavar="LIST", help="Only these, by name or its beginning: lenet,resnet18."),
    click.option("--rounds", type=click.IntRange(1), help="Turns of each program  [default: 5; with --quick, 1]"),
    click.option("--quick", is_flag=True, help="Little work: shows that it runs, not how fast."),
    click.option("--data", type=click.Path(exists=True, file_okay=False), default=ROOT / "examples" / "data" / "mnist"),
    click.option("--torch", default=ROOT / ".venv-torch" / "bin" / "python", help="A Python that has torch."),
    click.option("--mxnet", default=ROOT / ".venv-mxnet" / "bin" / "python", help="A Python that has mxnet 1.9.1."),
    click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the figures to a file, too."),
    click.option("--list", "only_list", is_flag=True, help="Print the rows' names."),
)


def run(rows, wanted, rounds, quick, data, torch, mxnet, json_file, only_list):
    """Measure `rows` as the options say; ends the process, with 1 if a program of our own failed."""
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


def command(function):
    """A click command with the options of all benchmarks."""
    for option in reversed(OPTIONS):
        function = option(function)
    return click.command()(function)
