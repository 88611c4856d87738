"""Runs the Python of a page of docs/ as a reader would who pastes it from top to bottom."""

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def run_page(path):
    """Run all blocks in one namespace. A `text` block right below shows what the block before it has printed."""
    text, names, printed = path.read_text(), {"__name__": "__main__"}, ""
    for fence in FENCE.finditer(text):
        kind, content = fence.groups()
        if kind == "text":
            assert_alike(printed, content)
            continue
        # Line breaks in front, so that a traceback has the page's lines.
        code = "\n" * (text.count("\n", 0, fence.start()) + 1) + content
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(ast.parse(code), path, "exec"), names)
        printed = output.getvalue()
    return names


def assert_alike(printed, shown):
    """The same words; numbers may differ by what kinds of processors make of them."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (printed, shown)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.02)
