"""`pushgrad keys`: make the keys that a job on several hosts needs."""

from __future__ import annotations

from pathlib import Path

import click

from ..common.errors import JobError


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--renew", is_flag=True, help="Replace existing keys.")
def keys(folder: Path, renew: bool) -> None:
    """Make the keys of a job in FOLDER, which only its owner may enter; existing keys stay.

    Copy FOLDER to every host of the job and name it in PUSHGRAD_KEYS for each process.
    \f
    Raises JobError if the folder cannot be written or others may enter it, or if a key in it is broken.
    """
    from ..common.curve import load_keys, make_keys

    if not renew and any(folder.glob("*.key_secret")):
        load_keys(str(folder))  # JobError if one is missing or broken
        click.echo(f"The keys in {folder} are there already")
        return
    try:
        make_keys(folder)
    except OSError as error:
        raise JobError(f"cannot make keys in {folder}: {error.strerror}") from None
    click.echo(f"Made keys in {folder}")
