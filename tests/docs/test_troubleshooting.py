"""Errors that docs/troubleshooting.md explains are those that there are."""

import re

import pytest
from pages import ROOT

TEXTS = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
SOURCES = "\n".join(
    path.read_text() for room in ("common", "ps", "worker", "launch") for path in (ROOT / room).rglob("*.py")
)


@pytest.mark.parametrize("text", TEXTS)
def test_the_error_exists(text):
    for part in text.split(" … "):
        assert part in SOURCES
