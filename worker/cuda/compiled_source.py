"""The CUDA C sources in `source`, compiled when one of their kernels is first needed, and the launch of kernels."""

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

    Kernels are `extern "C"` and take arrays and numpy scalars of exactly the types that they declare: nothing converts
    or checks them. They are compiled without fast-math, so that they treat NaN and infinity as the plain operators do.
    """

    def __init__(self, cupy: Any, name: str, defines: Mapping[str, int | str] | None = None) -> None:
        options = ("-std=c++17", *(f"-D{key}={value}" for key, value in (defines or {}).items()))
        self._raw = cupy.RawModule(code=source(name), options=options)
        self._functions: dict[str, Any] = {}

    def launch(self, kernel: str, grid: tuple[int, ...], args: tuple[Any, ...], threads: int = THREADS) -> None:
        """Queue `kernel` on the current stream: a grid of up to three extents, in blocks of `threads` threads."""
        # The first kernel that is asked for compiles the module, or loads it from cupy's cache on disk.
        function = self._functions.get(kernel)
        if function is None:
            function = self._functions[kernel] = self._raw.get_function(kernel)
        function(grid, (threads,), args)

    def over(self, kernel: str, count: int, args: tuple[Any, ...]) -> None:
        """Queue `kernel` with one thread for each of `count` elements, rounded up to whole blocks; none if it is 0."""
        if count:  # CUDA refuses a grid without blocks
            self.launch(kernel, (-(-count // THREADS),), args)


@cache
def source(name: str) -> str:
    """The text of `source/<name>.cu` with the headers of `source` put in their places.

    cupy caches compiled kernels by their text, and would not notice a change of an included file.
    """
    text = (SOURCES / f"{name}.cu").read_text()
    return _INCLUDE.sub(lambda found: (SOURCES / found[1]).read_text(), text)
