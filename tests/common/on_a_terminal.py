"""A pseudo-terminal of a given size, and what a person would see on it."""

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios

PARTS = re.compile(r"\x1b\[(\d*)([A-Z])|\x1b\[[0-9;?]*[a-z]|\x1b([78])|(\r)|(\n)|([^\x1b\r\n]+)")


def run(code, *arguments, columns=100, **environment):
    """Run Python code with this terminal as its input and output, its standard error unless a file is given; returns
    all that it has written.
    """
    master, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**environ, "TERM": "xterm-256color", **environment},
    )
    os.close(end)
    data = bytearray()
    try:
        while chunk := os.read(master, 65536):
            data += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(master)
    assert child.wait(30) == 0, data.decode()
    return data.decode()


def screens(written):
    """The lines of the terminal each time that one has been drawn: at each line's end and before each is erased."""
    lines, row, column, seen = [""], 0, 0, []
    kept = row, column
    for up, letter, place, back, feed, text in PARTS.findall(written):
        if letter == "A":
            row -= int(up or 1)
        elif letter == "K":
            seen.append(list(lines))
            lines[row] = lines[row][:column] if up != "2" else ""
        elif place == "7":
            kept = row, column
        elif place:
            row, column = kept
        elif back:
            column = 0
        elif feed:
            seen.append(list(lines))
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return [*seen, lines]
