"""The `launch` command."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..common.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, JobError
from . import config
from .clusters.engine import ENGINES, engine
from .clusters.hosts import EXPECTED

if TYPE_CHECKING:
    from .display import Display
    from .job import Job
    from .process_plan import Plan

# Options that do not make the job another.
SHOWING = ("config", "dashboard", "dry_run", "quiet", "verbose", "timestamps", "ranks")
# Options that do not concern a launch within a batch job.
NOT_INSIDE = ("config", "dry_run", "submit", "slurm", "address", "sync")

EPILOG = """Every option before SCRIPT belongs to launch, everything after it to the script. An option may also be set
by a variable (LAUNCH_WORKERS=2 for --workers 2) or in the file of --config; the option counts before the variable,
the variable before the file.

Exit code: 0 if every worker ended with 0, otherwise that of the process that failed first (128+n if signal n
killed it); 2 for a wrong option, 124 after --timeout, 130 after Ctrl-C, 143 after SIGTERM. A second Ctrl-C kills at
once; SIGUSR1 lets every process print where it stands."""


def _version(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"launch (pushgrad {version('pushgrad')})")
        context.exit()


@click.command(
    context_settings={
        "allow_interspersed_args": False,
        "auto_envvar_prefix": config.PREFIX,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
    epilog=EPILOG,
)
@click.option(
    "--config", is_eager=True, callback=config.load, metavar="FILE", help="Read options from a TOML file, as job.toml."
)
@click.option(
    "-n", "--workers", type=int, metavar="N", help="Number of workers.  [default: the number of --gpus, or 1]"
)
@click.option(
    "-s", "--servers", type=int, metavar="N", help="Number of servers.  [default: 1, or 1 on each of several hosts]"
)
@click.option(
    "--cluster",
    metavar="ENGINE",
    default="local",
    show_default=True,
    help=f"What starts the processes: {', '.join(ENGINES)}.",
)
@click.option("--hostfile", metavar="FILE", help=f"The hosts, one per line: {EXPECTED}. For --cluster ssh.")
@click.option("--workers-per-host", type=int, metavar="N", help="Number of workers on each host.")
@click.option("--servers-per-host", type=int, metavar="N", help="Number of servers on each host.")
@click.option(
    "--workdir", metavar="DIR", help="Folder on the hosts in which processes run.  [default: this one's path]"
)
@click.option(
    "--sync",
    is_flag=True,
    help="Copy the script's folder to the hosts first, into --workdir, with rsync or by Ray.",
)
@click.option("--mpirun", metavar="COMMAND", help="The command with its options, in quotes.  [default: mpirun]")
@click.option("--submit", is_flag=True, help="Have Slurm start the job when it has room, and follow its output.")
@click.option(
    "--slurm", type=config.Words(), multiple=True, metavar="KEY=VALUE", help="An option for sbatch; can be repeated."
)
@click.option(
    "--kubernetes",
    type=config.Words(),
    multiple=True,
    metavar="KEY=VALUE",
    help="For Kubernetes, each once: image, namespace, name, queue, cpu, memory, gpus (per worker), user.",
)
@click.option("--no-jobset", is_flag=True, help="Kubernetes' own Jobs and a Service, where JobSet is not installed.")
@click.option(
    "--address",
    metavar="RAY",
    help="Where Ray is: auto (here), host:port, ray://host:port, or http://host:port to submit the job there.  "
    "[default: RAY_ADDRESS, or auto]",
)
@click.option(
    "--ray",
    type=config.Words(),
    multiple=True,
    metavar="KEY=VALUE",
    help="For Ray, each once: cpus and gpus (of each worker), server-cpus, strategy (of the placement group).",
)
@click.option("--python", metavar="PATH", help="The Python with pushgrad there.  [default: the path of this one]")
@click.option(
    "--gpus",
    metavar="LIST",
    help="GPUs, divided evenly among the workers: 0,1 or 0-3 or all. Repeat one to share it (0,0), mix with cpu "
    "(0,cpu). Indices count within CUDA_VISIBLE_DEVICES if that is set; UUIDs work too.",
)
@click.option(
    "--env",
    type=config.Words(),
    multiple=True,
    callback=config.all_env,
    metavar="NAME=VALUE",
    help="Set a variable for every process; can be repeated.",
)
@click.option(
    "--runs",
    "--log-dir",
    "runs",
    envvar=["LAUNCH_RUNS", "LAUNCH_LOG_DIR"],
    metavar="DIR",
    help="Keep the job's run, with its log files, in a folder in DIR.  [default: PUSHGRAD_RUNS, or "
    "~/.local/state/pushgrad/runs]",
)
@click.option("--separate-logs", is_flag=True, help="Two log files per process: standard output and errors.")
@click.option("--timestamps", is_flag=True, help="Put the time before each line that is shown.")
@click.option("--ranks", metavar="LIST", help="Show only the lines of these workers: 0,2 or 0-3.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Stop the job if it takes longer.")
@click.option(
    "--start-timeout",
    type=float,
    metavar="SECONDS",
    help="Time for all processes to join, from the first worker that does.  [default: PUSHGRAD_START_TIMEOUT, or 60]",
)
@click.option(
    "--grace-period",
    type=float,
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="Time for the workers to shut down when the job is stopped.",
)
@click.option(
    "--max-restarts",
    type=int,
    metavar="N",
    help="How often the job may restart after a death.  [default: 3 if it can resume from snapshots, else 0]",
)
@click.option(
    "--snapshot", metavar="EVERY", help="How often the training's state is kept, such as 30s, 10m or 200steps."
)
@click.option("--resume", metavar="auto|PATH", help="Resume from the last snapshot, or from those in PATH.")
@click.option(
    "--on-snapshot-failure",
    type=click.Choice(["warn", "stop"]),
    help="What to do when one cannot be written.  [default: warn]",
)
@click.option(
    "--on-nan",
    type=click.Choice(("error", "skip", "stop", "allow")),
    help="What fit does about gradients that are NaN or infinite; by default an error.",
)
@click.option("-m", "--module", is_flag=True, help="SCRIPT is the name of a Python module, as after `python -m`.")
@click.option("--dry-run", is_flag=True, help="Print shell commands that start the job; start nothing.")
@click.option("--dashboard", is_flag=True, help="Also show the job on a page for this host's browser.")
@click.option("--quiet", is_flag=True, help="Print nothing from launch itself but errors.")
@click.option("--verbose", is_flag=True, help="Say what happens to each process.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(context: click.Context, /, dry_run: bool, quiet: bool, **_: Any) -> int:
    """Train with SCRIPT on several workers, with parameter servers and a scheduler beside them.

    launch --workers 2 --gpus 0,1 train.py --lr 0.1
    """
    from .progress import choose_display

    job, told = planned(context)
    cluster = engine(context.params["cluster"])
    plan = cluster.plan(job)
    if dry_run:
        from .dry_run import heading

        click.echo("\n".join([*heading(job, told), *cluster.describe(job, plan)]))
        return 0
    return run_shown(context, job, plan, told, choose_display(live=not quiet), own_process=True)


def run_shown(context: click.Context, job: Job, plan: Plan, told: list[str], display: Display, **how: bool) -> int:
    """Run a planned job, shown as the options say, after what is told beforehand; `how` as for `run_job`."""
    display = _filtered(display, context, job)
    if not context.params["quiet"]:
        for note in told:
            display.say(f"note: {note}")
    how |= {name: context.params[name] for name in ("dashboard", "quiet", "verbose")}
    return engine(context.params["cluster"]).run(job, plan, display, **how)


def planned(context: click.Context) -> tuple[Job, list[str]]:
    """The job that the options describe, with its configuration, and what the user should know of it beforehand."""
    from .arguments import arguments
    from .given import Options
    from .notes import notes
    from .options import make_job, parse_ranks

    options = {name: value for name, value in context.params.items() if name not in SHOWING}
    if context.get_parameter_source("script") is ParameterSource.COMMANDLINE:
        # The arguments that a file has are for the script that it names.
        for name, none in (("args", ()), ("module", False)):
            if context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP:
                options[name] = none
    try:
        job = make_job(Options(**options))
        if context.params["ranks"] is not None:
            parse_ranks(context.params["ranks"], job.workers)
    except JobError as error:
        if origins := config.origins(context, str(error)):
            error.remedy = f"{error.remedy}. {origins}" if error.remedy else origins
        raise
    settings = {
        name: context.params[name] for name in sorted(context.params) if name not in ("config", "env", "dry_run")
    }
    settings |= options | {"workers": job.workers, "servers": job.servers, "start_timeout": job.start_timeout}
    settings.pop("env")
    text = config.written(context, settings, job.env)
    misspelled = config.misspelled(os.environ, context.command.params)
    told = notes(job, os.environ) if options["cluster"] == "local" else []
    there = {"script": Path(options["script"]).name} if job.sync else {}
    inside = arguments(context, {**context.params, **options, **there}, NOT_INSIDE)
    return replace(job, config=text, arguments=inside), [*misspelled, *told]


def _filtered(display: Display, context: click.Context, job: Job) -> Display:
    """The display with what the options leave out or add to its lines."""
    from .filters import OnlyRanks, Timestamps
    from .options import parse_ranks

    if context.params["timestamps"]:
        display = Timestamps(display)
    if context.params["ranks"] is not None:
        display = OnlyRanks(display, parse_ranks(context.params["ranks"], job.workers))
    return display


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
            if isinstance(error, click.BadParameter) and (name := config.blamed_variable(error)):
                click.echo(f"The value is that of the variable {name}", err=True)
        return error.exit_code
    except JobError as error:
        with contextlib.suppress(OSError):
            click.echo(f"Error: {error}", err=True)
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
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
