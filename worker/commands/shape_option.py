"""The option --shape, which several commands have: shapes of inputs as NAME=N,C,H,W."""

from __future__ import annotations

import click


def parse_shapes(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> dict[str, tuple[int, ...]]:
    """The shapes by name in texts such as data=1,3,224,224; a callback of click.

    Raises click's BadParameter, which names the text, for any other form or an extent below 1.
    """
    found = {}
    for value in values:
        name, _, extents = value.rpartition("=")  # the last one, as a name may have a = itself
        try:
            found[name] = tuple(int(extent) for extent in extents.strip("() ").split(",") if extent.strip())
        except ValueError:
            raise click.BadParameter(f"expected NAME=1,3,224,224, got {value!r}") from None
        if not name or not found[name] or min(found[name]) < 1:
            raise click.BadParameter(f"expected NAME=1,3,224,224, got {value!r}")
    return found
