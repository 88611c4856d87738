"""Settings of an engine's own, `--slurm nodes=2`: what belongs to an engine needs no option of `launch` each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...common.errors import JobError

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
