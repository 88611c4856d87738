"""From options as click has resolved them back to a command line, which needs neither variables nor a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import click
from click.core import ParameterSource

from .config import is_secret


def arguments(context: click.Context, values: Mapping[str, object], without: Collection[str]) -> tuple[str, ...]:
    """The words after `launch` that say what `values` do, without the options named in `without`.

    Secrets among --env are missing: somebody else must hand them on.
    """
    words: list[str] = []
    for param in context.command.params:
        name = param.name or ""
        said = name in values and context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if said and isinstance(param, click.Option) and name not in without:
            words += _words(param, values[name])
    script, args = values["script"], values["args"]
    assert isinstance(script, str) and isinstance(args, tuple)
    return (*words, script, *args)


def _words(option: click.Option, value: object) -> list[str]:
    flag = option.opts[-1]
    if option.is_flag:
        return [flag] if value else option.secondary_opts[-1:]
    if option.name == "env" and isinstance(value, tuple):
        return [f"{flag}={setting}" for setting in value if not is_secret(setting.partition("=")[0])]
    return [f"{flag}={each}" for each in (value if isinstance(value, tuple) else (value,))]
