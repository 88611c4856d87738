"""From the keyword arguments of `mx.run` to the words of a command line, so that both are checked in one place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import click

from ..common.errors import JobError
from ..common.suggestion import suggestion
from .config import LISTS, spellings

NOT_HERE = ("version", "dry_run", "script", "args")


def words(command: click.Command, options: Mapping[str, Any]) -> list[str]:
    """The options of `command`, by the names that they have in a file of --config; those that are None are left out.

    Raises JobError for a name that is no option's.
    """
    known = {name: param for param in command.params for name in spellings(param) if param.name not in NOT_HERE}
    found: list[str] = []
    for name, value in options.items():
        if name not in known:
            raise JobError(f"mx.run: there is no option {name!r}{suggestion(name, known, 'there are')}")
        if value is not None:
            found += _option(known[name], value)
    return found


def _option(param: click.Parameter, value: Any) -> list[str]:
    flag = next(flag for flag in param.opts if flag.startswith("--"))
    if isinstance(param, click.Option) and param.is_flag:
        return [flag] if value else []
    if isinstance(param, click.Option) and param.multiple:
        return [f"{flag}={setting}" for setting in _settings(value)]
    if param.name in LISTS and not isinstance(value, str | int):
        value = ",".join(map(str, value))
    return [f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}"]


def _settings(value: Mapping[str, object] | Iterable[str] | str) -> list[str]:
    """Each NAME=VALUE of a dict or a list."""
    if isinstance(value, Mapping):
        return [f"{name}={item}" for name, item in value.items()]
    return [value] if isinstance(value, str) else list(value)
