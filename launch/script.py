"""From the SCRIPT that a user names to the argv of a worker. What would fail as soon as it starts is refused here."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..common.errors import JobError
from ..common.missing_file import MEANT, remedy_for

PYTHON = re.compile(r"python[0-9.]*")
# What an interpreter says of itself: where its packages are, and whether ours is among them.
ASK = "import sys, importlib.util as u; print(sys.prefix); print(u.find_spec('pushgrad') is not None)"
ANSWER = 10.0  # seconds that an interpreter has to say it


def worker_command(script: str, module: bool = False, python: str = sys.executable) -> tuple[str, ...]:
    """The argv that runs `script`: a .py file or a module by `python`, any other executable by itself.

    Raises JobError if there is no such file or command, or it cannot be run. A module is not looked for: importing
    belongs to the worker.
    """
    if module:
        return (python, "-m", script)
    path = Path(script)
    if path.is_dir():
        raise JobError(f"{script} is a folder", expected="a script, such as train.py")
    if not path.exists():
        return (_on_path(script),)
    if path.suffix == ".py":
        if not os.access(path, os.R_OK):
            raise JobError(f"cannot read {script}", remedy="Check its permissions")
        return (python, script)
    if not os.access(path, os.X_OK):
        other = f"start it as `launch bash {script}`" if path.suffix == ".sh" else f"name it {script}.py"
        raise JobError(
            f"{script} is neither a .py file nor executable",
            remedy=f"Make it executable with `chmod +x {script}`, or {other}",
        )
    _check_first_line(path)
    return (script if os.sep in script else f".{os.sep}{script}",)  # without a slash, PATH would be searched instead


def _on_path(script: str) -> str:
    if os.sep not in script and not script.endswith(".py") and shutil.which(script):
        return script
    beside = f"; this folder is {Path.cwd()}" if not Path(script).is_absolute() else ""
    hint = remedy_for(script, FileNotFoundError(errno.ENOENT, "")) or ""
    remedy = hint if hint.startswith(MEANT) else "Check the name and the folder"
    raise JobError(f"there is no script {script}{beside}", remedy=remedy)


def _check_first_line(path: Path) -> None:
    """Refuse a text file whose first line does not let the kernel run it; its own error would name the wrong thing."""
    try:
        with path.open("rb") as file:
            first = file.read(256)
    except OSError:  # it may be executed but not read: the kernel will judge
        return
    line, newline, _ = first.partition(b"\n")
    if not first.startswith(b"#!"):
        if b"\0" in first:  # a program
            return
        raise JobError(
            f"{path} is executable, but its first line names no interpreter",
            expected="#!/usr/bin/env python3, or another one, in the first line",
            got=repr(line[:40].decode("utf-8", "replace")),
            remedy=f"Add it, or name the interpreter: `launch bash {path}`",
        )
    if newline and line.endswith(b"\r"):
        raise JobError(
            f"the lines of {path} end as on Windows (CR LF), so that its interpreter's name ends in a CR",
            remedy=f"`sed -i 's/\\r$//' {path}` repairs it",
        )
    interpreter = os.fsdecode(line[2:].split()[0]) if line[2:].split() else ""
    if not Path(interpreter).is_file():
        raise JobError(f"{path} asks in its first line for an interpreter that is not there", got=repr(interpreter))


def _named_in(script: Path) -> str | None:
    """The interpreter that a script's first line names, also by way of env; None if there is none."""
    try:
        with script.open("rb") as file:
            line = file.readline(256)
    except OSError:  # a command of the PATH
        return None
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else None


def another_interpreter(argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """What to tell the user if `argv` runs in a Python that is not the one of this launcher; None if it does not.

    It may be named on the command line or in a script's first line. That Python is asked, with the variables `environ`:
    links and wrappers of environments tell too little.
    """
    runs = _named_in(Path(argv[0])) or argv[0]
    name, path = Path(runs).name, shutil.which(runs, path=environ.get("PATH"))
    if not PYTHON.fullmatch(name) or path is None or path == sys.executable:
        return None
    try:
        done = subprocess.run(
            [path, "-c", ASK], env=dict(environ), capture_output=True, text=True, timeout=ANSWER, check=True
        )
        prefix, has_us = done.stdout.splitlines()
    except (OSError, subprocess.SubprocessError, ValueError):  # a broken one will say so when it is started
        return None
    if prefix == sys.prefix:
        return None
    which = "has no pushgrad" if has_us != "True" else "has other packages"
    return (
        f"the script runs in {path}, which {which}; launch runs in {sys.executable}, "
        f"and so does a script that it starts itself: `launch train.py`, without {name}"
    )
