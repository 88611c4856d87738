"""`pushgrad keys`: what a job that spans hosts needs beside `launch`."""

from __future__ import annotations

from pathlib import Path

import click

from ..common.errors import JobError


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--renew", is_flag=True, help="Replace keys that are there.")
def keys(folder: Path, renew: bool) -> None:
    """Make the keys of a job in FOLDER, which only its owner may enter; keys that are there stay.

    Copy FOLDER to every host of the job and name it in PUSHGRAD_KEYS for each process.
    """
    from ..common.curve import load_keys, make_keys

    if not renew and any(folder.glob("*.key_secret")):
        load_keys(str(folder))
        click.echo(f"The keys in {folder} are there already")
        return
    try:
        make_keys(folder)
    except OSError as error:
        raise JobError(f"cannot make keys in {folder}: {error.strerror}") from None
    click.echo(f"Made keys in {folder}")
