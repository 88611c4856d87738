"""Settings of an engine's own, `--slurm nodes=2`: what belongs to an engine needs no option of `launch` each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...common.errors import JobError
from ...common.suggestion import suggestion

KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def pairs(option: str, settings: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE strings as a dict, the later ones counting; a KEY by itself has the value "".

    Raises JobError naming `option` for whatever could not be one line of a file.
    """
    found: dict[str, str] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if not KEY.fullmatch(key):
            raise JobError(option, expected="KEY=VALUE, or KEY", got=repr(setting))
        if not value.isprintable():
            raise JobError(f"{option} {key}", expected="a value without line breaks", got=repr(value))
        found[key] = value
    return found


def check_pairs(option: str, settings: Mapping[str, str], known: Mapping[str, tuple[re.Pattern[str], str]]) -> None:
    """Raise JobError unless each setting is one of `known`, which has for each the form of its value, also in words."""
    for key, value in settings.items():
        if key not in known:
            raise JobError(f"{option} {key}: there is no such setting{suggestion(key, list(known), 'there are')}")
        pattern, expected = known[key]
        if not pattern.fullmatch(value):
            raise JobError(f"{option} {key}", expected=expected, got=repr(value))
