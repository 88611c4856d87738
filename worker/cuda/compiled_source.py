"""CUDA C sources of this folder, compiled when a kernel of theirs is first needed, and their launch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "source"
THREADS = 256  # per block, where a kernel does not say otherwise
_INCLUDE = re.compile(r'^#include "([\w.]+)"\n', re.MULTILINE)


class Module:
    """The kernels of `source/<name>.cu`, compiled with `defines` as macros.

    Kernels are `extern "C"`, take arrays and numpy scalars of the types that they declare, and are compiled without
    fast-math: they treat NaN and infinity as the plain operators do.
    """

    def __init__(self, cupy: Any, name: str, defines: Mapping[str, int | str] | None = None) -> None:
        options = ("-std=c++17", *(f"-D{key}={value}" for key, value in (defines or {}).items()))
        self._raw = cupy.RawModule(code=source(name), options=options)
        self._functions: dict[str, Any] = {}

    def launch(self, kernel: str, grid: tuple[int, ...], args: tuple[Any, ...], threads: int = THREADS) -> None:
        """Queue `kernel` on the current stream: `grid` blocks of `threads` threads."""
        function = self._functions.get(kernel)
        if function is None:
            function = self._functions[kernel] = self._raw.get_function(kernel)
        function(grid, (threads,), args)

    def over(self, kernel: str, count: int, args: tuple[Any, ...]) -> None:
        """Queue `kernel` with at least one thread for each of `count` elements; nothing if there are none."""
        if count:
            self.launch(kernel, (-(-count // THREADS),), args)


@cache
def source(name: str) -> str:
    """The text of `source/<name>.cu` with its own headers put in place, so that a cache by text sees their changes."""
    text = (SOURCES / f"{name}.cu").read_text()
    return _INCLUDE.sub(lambda found: (SOURCES / found[1]).read_text(), text)
