"""docs/architecture.md and its picture name the rooms that there are."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
DRAWN = runpy.run_path(str(ROOT / "docs" / "rooms_picture.py"))
FILES = re.findall(r"`((?:common|launch|ps|worker)/[\w/]+(?:\.py)?)`", PAGE.read_text())

from_sources = pytest.mark.skipif(not (ROOT / "__init__.py").exists(), reason="the sources are not here")


def test_the_picture_is_current():
    assert DRAWN["PICTURE"].read_text() == DRAWN["picture"](), "run `make docs`"


@from_sources
def test_every_room_is_drawn():
    *layers, ground = DRAWN["layers"]()
    drawn = {room for layer in layers for room in layer}
    folders = {path.parent.name for path in (ROOT / "worker").glob("*/__init__.py")}
    files = {path.stem for path in (ROOT / "worker").glob("*.py")} - {"__init__"}
    assert drawn | set(ground) == folders | files
    assert drawn.isdisjoint(ground)


def test_the_page_shows_the_picture_and_names_every_room():
    text = PAGE.read_text()
    assert "(images/rooms.svg)" in text
    for layer in DRAWN["layers"]()[:-1]:
        for room in layer:
            assert f"`worker/{room}`" in text, room


@from_sources
@pytest.mark.parametrize("name", sorted(set(FILES)))
def test_what_the_page_names_is_there(name):
    assert (ROOT / name).exists()
