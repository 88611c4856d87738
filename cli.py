"""The `pushgrad` command: subcommands for files, pictures, keys, plans and runs. `launch` is the command that trains.

Each subcommand is defined in the room that does the work and is imported only when it is called, not for `--help`.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from .common.errors import EXIT_FAILURE, EXIT_USAGE, PushgradError

# name -> (module, attribute, what the list of commands says about it)
COMMANDS = {
    "convert": (".worker.commands.convert", "convert", "Turn a network of one file format into another."),
    "doctor": (".worker.commands.doctor", "doctor", "Say whether GPUs can be used here, and what is missing."),
    "im2rec": (".worker.commands.im2rec", "im2rec", "Pack pictures into a RecordIO file."),
    "keys": (".launch.keys_command", "keys", "Make the keys of a job that spans hosts."),
    "logs": (".launch.runs.commands", "logs", "Print what the processes of a run have written."),
    "plan": (".launch.plan_command", "plan", "Say how many servers a job needs."),
    "runs": (".launch.runs.commands", "runs", "List the runs of launch."),
    "servers": (".worker.commands.servers", "servers", "Show how a network's keys are dealt to servers."),
    "snapshot": (".worker.commands.snapshot", "snapshot", "List, show and check snapshots of trainings."),
    "status": (".launch.runs.commands", "status", "Say how a run stands, while it runs and afterwards."),
    "stop": (".launch.runs.commands", "stop", "End the job of a run in order."),
    "summary": (".worker.commands.summary", "summary", "Show the layers of a network."),
}


class LazyGroup(click.Group):
    """A group whose commands are listed in `COMMANDS` and imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of that name; None if there is none, which click reports to the user."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        found = getattr(import_module(module, __package__), attribute)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands for `--help`. click's own method would import each for its help text."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pushgrad", prog_name="pushgrad")
def command() -> None:
    """Tools around trainings with pushgrad; `launch` starts one."""


def main() -> None:
    """Entry point of `pushgrad`: run a subcommand and exit.

    An error that the user can fix (PushgradError) ends it with code 2, a failing file (OSError) with 1, both with one
    line on standard error and no traceback.
    """
    try:
        command(prog_name="pushgrad")
    except PushgradError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except OSError as error:  # no space, no permission
        click.echo(f"Error: {error.filename}: {error.strerror}", err=True)
        sys.exit(EXIT_FAILURE)
