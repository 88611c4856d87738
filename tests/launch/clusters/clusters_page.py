"""The blocks of docs/clusters.md that users copy. Tests run them as they are, so that the page stays true."""

import os
import re
import sys
from pathlib import Path

TEXT = (Path(__file__).parents[3] / "docs" / "clusters.md").read_text()
TRAIN = "import pushgrad as mx; print('rank', mx.rank(), 'of', mx.num_workers(), flush=True)\n"
PROGRAMS = {"launch": "-m pushgrad.launch", "pushgrad": "-c 'from pushgrad.cli import main; main()'", "python": ""}


def blocks():
    """(heading, number within its section) -> text of each block of the page."""
    found = {}
    for section in re.split(r"^#+ ", TEXT, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        for number, lines in enumerate(re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)):
            found[heading, number] = re.sub(r"^    ", "", lines, flags=re.MULTILINE)
    return found


def block(heading, number=0):
    return blocks()[heading, number]


def programs(folder, **others):
    """A folder with `launch`, `pushgrad` and `python` of those who test, and other programs' texts: for PATH."""
    folder.mkdir(exist_ok=True)
    texts = {name: f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n' for name, words in PROGRAMS.items()}
    for name, text in {**texts, **others}.items():
        path, wanted = folder / name, text.replace("#!/usr/bin/env python3", f"#!{sys.executable}")
        if path.exists() and path.read_text() == wanted:
            continue  # another shell may be about to run it, and would find it half written
        path.write_text(wanted)
        path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def ranks(text, number):
    """Whether each rank has told who it is."""
    return sorted(re.findall(rf"rank (\d+) of {number}$", text, re.MULTILINE)) == [str(rank) for rank in range(number)]
