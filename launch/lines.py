"""Cutting the output of a process into lines. They stay bytes: a process may write in any encoding, or none."""

from __future__ import annotations

import re

PIECE = 65536  # bytes: a longer line is shown in pieces, so that memory stays bounded

# Control sequences (ECMA-48) and the operating system commands of xterm.
ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


class LineBuffer:
    """Collects data and returns whole lines, each with its newline; a piece of a line longer than PIECE has none.

    `rest` is the line that is not complete yet. Of what it overwrites itself by carriage returns nothing is kept.
    """

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        lines = [line + b"\n" for line in whole]
        # A last carriage return may belong to the newline that follows it.
        self.rest = self.rest[self.rest.rstrip(b"\r").rfind(b"\r") + 1 :]
        if len(self.rest) >= PIECE:
            lines.append(self.rest)
            self.rest = b""
        return lines

    def finish(self) -> list[bytes]:
        """Return what is left at the end: a last line without a newline gets one, so that nothing is glued to it."""
        rest, self.rest = self.rest, b""
        return [rest + b"\n"] if rest else []


def shown(line: bytes) -> bytes:
    """The line as it may be printed among others: without newline, cursor movements and colours.

    Of a line that overwrites itself by carriage returns (a progress bar) only the last state is shown.
    """
    line = line.rstrip(b"\r\n")
    if b"\r" in line:
        line = line[line.rfind(b"\r") + 1 :]
    return ESCAPE.sub(b"", line) if b"\x1b" in line else line
