"""`pushgrad im2rec`: makes lists of pictures, and RecordIO files of the pictures in such lists."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from ...common.cores import available_cores
from ...common.errors import DataError
from ..data.images.list_file import read_list
from ..data.images.packing import Form, make_lists, pack_list
from ..data.images.pixels import pillow

_OF_LISTS = {"recursive", "shuffle", "seed", "train_ratio", "test_ratio"}


@click.command(context_settings={"help_option_names": ["--help"], "show_default": True})
@click.argument("prefix")
@click.argument("root", type=click.Path(exists=True, file_okay=False))
@click.option("--list", "only_list", is_flag=True, help="Only write the lists.")
@click.option("--recursive", is_flag=True, help="Every folder at any depth that has pictures is a class.")
@click.option("--shuffle/--no-shuffle", default=True, help="Write the list in random order.")
@click.option("--seed", default=0, help="Seed of that order.")
@click.option("--train-ratio", default=1.0, help="Share of the pictures that goes into PREFIX_train.lst.")
@click.option("--test-ratio", default=0.0, help="Share that goes into PREFIX_test.lst; the rest is PREFIX_val.lst.")
@click.option("--resize", type=click.IntRange(min=1), help="Pixels of the shorter edge.  [default: as it is]")
@click.option("--center-crop", is_flag=True, help="Cut pictures to squares.")
@click.option(
    "--encoding", type=click.Choice([".jpg", ".png"]), default=".jpg", help="Encoding of the stored pictures."
)
@click.option(
    "--quality", type=click.IntRange(0, 100), help="1 to 100 for .jpg  [default: 95], 0 to 9 for .png  [default: 3]"
)
@click.option("--pass-through", is_flag=True, help="Store the files' bytes unchanged.")
@click.option("--num-thread", type=click.IntRange(min=1), help="Threads.  [default: as many as cores]")
@click.option(
    "--unreadable",
    type=click.Choice(["skip", "fail"]),
    default="skip",
    help="What to do about a picture that cannot be read: name and skip it, or stop.",
)
def im2rec(
    prefix: str, root: str, only_list: bool, recursive: bool, shuffle: bool, seed: int, train_ratio: float,
    test_ratio: float, resize: int | None, center_crop: bool, encoding: str, quality: int | None, pass_through: bool,
    num_thread: int | None, unreadable: str,
) -> None:  # fmt: skip
    """Pack the pictures in ROOT into PREFIX.rec and PREFIX.idx.

    The pictures are those listed in PREFIX.lst (or PREFIX_train.lst, PREFIX_val.lst, PREFIX_test.lst), with the labels
    given there. If there is no such list, or with --list, it is made: the folders in ROOT are the classes, numbered in
    alphabetical order and named in PREFIX_classes.txt.
    """
    form = Form(resize, center_crop, encoding, quality, pass_through)
    pillow()  # if it is missing, say so before lists are written
    lists = _lists(Path(prefix))
    if only_list or not lists:
        classes, made = make_lists(prefix, root, seed if shuffle else None, train_ratio, test_ratio, recursive)
        for path, count in made:
            click.echo(f"{path}: {count} pictures of {len(classes)} classes")
        lists = [path for path, _ in made]
    else:
        _refuse_options_of_lists(lists)
        click.echo(f"Packing what is listed in {', '.join(map(str, lists))}")
    for path in [] if only_list else lists:
        _pack(path, root, form, num_thread or available_cores(), unreadable == "skip")


def _lists(prefix: Path) -> list[Path]:
    """Those of PREFIX.lst and the lists by ratio that exist."""
    pattern = re.compile(re.escape(prefix.name) + r"(_train|_val|_test)?\.lst")
    found = prefix.parent.iterdir() if prefix.parent.is_dir() else ()
    return sorted(path for path in found if pattern.fullmatch(path.name))


def _refuse_options_of_lists(lists: list[Path]) -> None:
    """Raise UsageError if an option was given that only matters when lists are made, instead of ignoring it."""
    context = click.get_current_context()
    given = {name for name in _OF_LISTS if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if given:
        options = ", ".join(sorted(f"--{name.replace('_', '-')}" for name in given))
        raise click.UsageError(f"{options}: {lists[0]} exists already; --list makes new lists.")


def _pack(path: Path, root: str, form: Form, threads: int, skip: bool) -> None:
    """Pack the pictures of one list, with a progress bar on a terminal; errors are those of `pack_list`."""
    skipped: list[DataError] = []

    def name_it(error: DataError) -> None:
        skipped.append(error)
        click.echo(f"Skipped: {error}", err=True)

    pictures, target = read_list(path), path.with_suffix(".rec")
    # On standard error, as standard output may go to a file.
    bar = click.progressbar(pictures, label=target.name, file=sys.stderr, hidden=not sys.stderr.isatty())
    with bar as items:
        count = pack_list(items, root, target, form, threads, name_it if skip else None)
    without = f", {len(skipped)} skipped" if skipped else ""
    click.echo(f"{target}: {count} pictures, {target.stat().st_size} bytes{without}")
