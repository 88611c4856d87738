"""Displays that change what passes through to another: --timestamps and --ranks. The log files stay as they are."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from .display import Display, View
from .lines import shown


class Filter:
    """Passes everything on to `display`; subclasses change some of it."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def lines(self, name: str, is_error: bool, lines: Sequence[bytes]) -> None:
        """Pass lines on."""
        self._display.lines(name, is_error, lines)

    def say(self, text: str) -> None:
        """Pass a line of the launcher's own on."""
        self._display.say(text)

    def show(self, view: View) -> None:
        """Pass the view on."""
        self._display.show(view)

    def pause(self) -> None:
        """Have the display leave the terminal to others."""
        self._display.pause()

    def resume(self) -> None:
        """Have the display take the terminal back."""
        self._display.resume()

    def close(self) -> None:
        """Close the display."""
        self._display.close()


class Timestamps(Filter):
    """Puts the local time, to the millisecond, before each line; it is the time at which the line was read."""

    def lines(self, name: str, is_error: bool, lines: Sequence[bytes]) -> None:
        """Show the lines with the time before them."""
        # `shown` first: of a line that overwrites itself only the end is shown, and the time would be at its beginning.
        now = stamp(time.time()).encode()
        self._display.lines(name, is_error, [now + b" " + shown(line) + b"\n" for line in lines])

    def say(self, text: str) -> None:
        """Show the launcher's lines with the time before them."""
        now = stamp(time.time())
        self._display.say("\n".join(f"{now} {line}" for line in text.splitlines()))


class OnlyRanks(Filter):
    """Of the workers, shows only the lines of some; servers, scheduler and launcher are heard as before."""

    def __init__(self, display: Display, ranks: Collection[int]) -> None:
        super().__init__(display)
        self._names = {f"w{rank}" for rank in ranks}

    def lines(self, name: str, is_error: bool, lines: Sequence[bytes]) -> None:
        """Show the lines if they are of one of the workers, or of no worker."""
        if name in self._names or not name.startswith("w"):
            self._display.lines(name, is_error, lines)


def stamp(seconds: float) -> str:
    """A time since the epoch as `2026-01-31 12:00:00.250`, local time."""
    whole = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}"
