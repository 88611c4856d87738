"""Where options come from: the command line, LAUNCH_* variables, a TOML file, defaults; the first that has one counts.

click asks in that order. Here are the file's side of it, checks of what no parser of ours has seen, and the resolved
configuration as text, which is a file for --config again.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..common.errors import JobError
from ..common.suggestion import suggestion

PREFIX = "LAUNCH"
LISTS = ("gpus", "ranks")  # options that a file may also give as a list: [0, 1]
NOT_IN_A_FILE = ("config", "version", "help", "dry_run")
# Names of variables whose values are not shown or written. It errs on the side of hiding.
SECRET = ("SECRET", "TOKEN", "PASSW", "CREDENTIAL", "PRIVATE", "APIKEY", "API_KEY", "ACCESSKEY", "ACCESS_KEY")


def load(context: click.Context, option: click.Parameter, file: str | None) -> str | None:
    """Callback of --config: read the file, so that what it holds takes the place of click's defaults."""
    if file is not None:
        context.default_map = read(Path(file), context.command.params)
    return file


def read(path: Path, params: Sequence[click.Parameter]) -> dict[str, Any]:
    """The settings of a TOML file by the names of `params`. Raises JobError naming the file and what is wrong in it."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise JobError(f"--config {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise JobError(f"--config {path} is not TOML: {error}") from None
    known = {name: param for param in params for name in spellings(param) if param.name not in NOT_IN_A_FILE}
    settings = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            spelled = [option.replace("_", "-") for option in known]
            raise JobError(f"--config {path}: there is no option {key!r}{suggestion(key, spelled, 'there are')}")
        settings[known[name].name or ""] = _value(f"--config {path}: {key}", known[name], value)
    return settings


def spellings(param: click.Parameter) -> list[str]:
    """What a file may call an option: its own name, and those of its other long flags."""
    flags = [flag[2:].replace("-", "_") for flag in param.opts if flag.startswith("--")]
    return list(dict.fromkeys([param.name or "", *flags]))


def _value(where: str, param: click.Parameter, value: object) -> object:
    """The value as click takes it. Raises JobError unless it is of the option's type."""
    if param.name == "env":
        if isinstance(value, dict) and all(_plain(item) for item in value.values()):
            return [f"{name}={item}" for name, item in value.items()]
        raise JobError(where, expected="a table of variables, [env]", got=repr(value))
    if param.nargs == -1 or (isinstance(param, click.Option) and param.multiple):
        if isinstance(value, list) and all(_plain(item) for item in value):
            return [str(item) for item in value]
        raise JobError(where, expected='a list, such as ["--lr", "0.1"]', got=repr(value))
    if param.name in LISTS and isinstance(value, list) and all(_plain(item) for item in value):
        return ",".join(map(str, value))
    types, expected = _TYPES[type(param.type)]
    if param.name in LISTS:
        types, expected = (str, int), "a text or a list, such as [0, 1]"
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise JobError(where, expected=expected, got=repr(value))
    return str(value) if param.name in LISTS else value


_TYPES: Mapping[type, tuple[tuple[type, ...], str]] = {
    type(click.INT): ((int,), "a whole number"),
    type(click.FLOAT): ((int, float), "a number"),
    type(click.BOOL): ((bool,), "true or false"),
    type(click.STRING): ((str,), "a text in quotes"),
}


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


class Words(click.types.StringParamType):
    """Texts that a variable gives several of: separated as in a shell, so that quotes keep spaces together."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split the variable's value. Raises click.BadParameter if a quote is not closed."""
        try:
            return shlex.split(rv)
        except ValueError as error:
            raise click.BadParameter(f"{variable('env')}: {error}") from None  # the value may hold a secret


def all_env(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Callback of --env: variables of all sources together, those that count more coming later."""
    source = context.get_parameter_source("env")
    below: list[str] = []
    if source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
        below += (context.default_map or {}).get("env", [])
    if source is ParameterSource.COMMANDLINE:
        below += option.value_from_envvar(context) or ()
    return (*below, *given)


def source(context: click.Context, name: str) -> str:
    """Where an option's value comes from, in the user's words."""
    found = context.get_parameter_source(name)
    if found is ParameterSource.ENVIRONMENT:
        return variable(name)
    if found is ParameterSource.DEFAULT_MAP:
        return str(context.params.get("config"))
    return "command line" if found is ParameterSource.COMMANDLINE else "default"


def variable(name: str) -> str:
    """The LAUNCH_* variable of an option."""
    return f"{PREFIX}_{name.upper()}"


def blamed_variable(error: click.BadParameter) -> str | None:
    """The LAUNCH_* variable that has brought a value which click refuses; None if it comes from elsewhere."""
    name = error.param.name if error.param is not None else None
    if error.ctx is None or name is None or error.ctx.get_parameter_source(name) is not ParameterSource.ENVIRONMENT:
        return None
    return variable(name)


def origins(context: click.Context, text: str) -> str:
    """For an error `text`: where the options that it names come from, if that is not the command line."""
    told = []
    for param in context.command.params:
        flags = [flag for flag in param.opts if flag.startswith("--") and f"{flag} " in text.replace(":", " ") + " "]
        where = source(context, param.name or "")
        if flags and where not in ("command line", "default"):
            told.append(f"{flags[0]} comes from {where}")
    return ", ".join(told)


def misspelled(environ: Iterable[str], params: Sequence[click.Parameter]) -> list[str]:
    """A line for each LAUNCH_* variable that is no option's, but close to one."""
    # Compared without the prefix, with which all of them would be alike.
    known = [name.upper() for param in params for name in spellings(param)]
    names = sorted(name.removeprefix(f"{PREFIX}_") for name in environ if name.startswith(f"{PREFIX}_"))
    guesses = [(name, suggestion(name, known, "")) for name in names if name not in known]
    told = [f"{PREFIX}_{name} is the variable of no option{guess}" for name, guess in guesses if guess]
    return [line.replace("mean ", f"mean {PREFIX}_") for line in told]


def is_secret(name: str) -> bool:
    """Whether the value of variable `name` must not be shown."""
    return any(word in name.upper() for word in SECRET)


def written(context: click.Context, settings: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """The resolved configuration as TOML, each line with its source; secrets among `env` are named without values.

    `settings` are the options' values by name; those that are None are left out.
    """
    rows = [
        (f"{name.replace('_', '-')} = {_toml(value)}", source(context, name))
        for name, value in settings.items()
        if value is not None
    ]
    width = min(40, max(len(row) for row, _ in rows))
    lines = [f"{row:<{width}}  # {where}" for row, where in rows]
    lines += ["", "[env]"] if env else []
    for name, value in env.items():
        lines.append(
            f"# {name}: its value is not written here" if is_secret(name) else f"{_key(name)} = {_toml(value)}"
        )
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else _toml(name)


def _toml(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's texts, numbers and booleans are TOML's, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
