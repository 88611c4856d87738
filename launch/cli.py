"""The `launch` command."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import click

from ..common.errors import EXIT_FAILURE, EXIT_USAGE, JobError

INTERRUPTED = 130

EPILOG = """Every option before SCRIPT belongs to launch, everything after it to the script.

Exit code: 0 if every worker ended with 0, otherwise that of the process that failed first (128+n if signal n
killed it); 2 for a wrong option, 124 after --timeout, 130 after Ctrl-C, 143 after SIGTERM. A second Ctrl-C kills at
once; SIGUSR1 lets every process print where it stands."""


def _version(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"launch (pushgrad {version('pushgrad')})")
        context.exit()


@click.command(
    context_settings={"allow_interspersed_args": False, "help_option_names": ["--help"], "max_content_width": 110},
    epilog=EPILOG,
)
@click.option("--workers", type=int, metavar="N", help="Number of workers.  [default: the number of --gpus, or 1]")
@click.option("--servers", type=int, metavar="N", default=1, show_default=True, help="Number of servers.")
@click.option(
    "--gpus",
    metavar="LIST",
    help="GPUs, dealt evenly to the workers in order: 0,1. Repeat one to share it (0,0), mix with cpu (0,cpu). "
    "Indices count within CUDA_VISIBLE_DEVICES if that is set; UUIDs do as well.",
)
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set a variable for every process; may be repeated.")
@click.option("--log-dir", metavar="DIR", help="Keep the log files, one per process, in a folder of the job in DIR.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Stop the job if it takes longer.")
@click.option(
    "--grace-period",
    type=float,
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="Time that the workers have to end in order when the job is stopped.",
)
@click.option(
    "--max-restarts", type=int, metavar="N", default=0, show_default=True, help="Not supported yet: must be 0."
)
@click.option("--module", is_flag=True, help="SCRIPT is the name of a Python module, as after `python -m`.")
@click.option("--dry-run", is_flag=True, help="Print the command and environment of each process; start nothing.")
@click.option("--quiet", is_flag=True, help="Nothing from launch itself but errors.")
@click.option("--verbose", is_flag=True, help="Tell what happens to each process.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(script: str, args: tuple[str, ...], dry_run: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """Train with SCRIPT on several workers of this machine, with parameter servers and a scheduler beside them.

    launch --workers 2 --gpus 0,1 train.py --lr 0.1
    """
    from .local import LocalCluster
    from .options import make_job

    job = make_job(script, args, **options)
    specs = LocalCluster().plan(job)
    if dry_run:
        from .dry_run import describe

        click.echo(describe(job, specs))
        return 0
    from .progress import choose_display
    from .run import run_job

    return run_job(job, specs, choose_display(live=not quiet), quiet=quiet, verbose=verbose, own_process=True)


def main() -> None:
    """Entry point of `launch`: run the command and exit with its code."""
    code = _exit_code()
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except OSError:  # Python would try again at exit, and replace the code by 120
        _discard()
    sys.exit(code)


def _exit_code() -> int:
    # Not in click's standalone mode: that would turn the returned exit code into 0, and Ctrl-C into 1.
    try:
        code = command.main(prog_name="launch", standalone_mode=False)
    except click.ClickException as error:
        with contextlib.suppress(OSError):  # its output cannot be written: that must not change the code
            error.show()
        return error.exit_code
    except JobError as error:
        with contextlib.suppress(OSError):
            click.echo(f"Error: {error}", err=True)
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return EXIT_FAILURE
    except OSError as error:  # of --help, --dry-run and the like, into a full disk
        with contextlib.suppress(OSError):
            click.echo(f"Error: {error.strerror or error}", err=True)
        return EXIT_FAILURE
    return code if isinstance(code, int) else 0


def _discard() -> None:
    """Let what cannot be written go nowhere."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in (1, 2):
            os.dup2(nowhere, fd)
