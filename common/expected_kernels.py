"""Which kernels a network is going to compile, read off the code that will call them.

A kernel is compiled when it is first called, so nobody has a list. But whoever binds a network holds the objects whose
methods call kernels: those methods, and the kernels themselves, name what they call. What is found may be a little more
than is needed, as code for other cases is read as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

PACKAGE = __name__.split(".")[0]
PASSES = ("forward_rows", "backward_rows", "forward", "backward")  # methods of a bound operator that call kernels


class Search:
    """Finds kernels. Functions are read once for each set of classes on which they may call methods."""

    def __init__(self) -> None:
        self._found: set[Any] = set()
        self._new: list[Any] = []
        self._read: set[tuple[Any, ...]] = set()

    def take(self) -> list[Any]:
        """The kernels that have been found since the last time."""
        new, self._new = self._new, []
        return new

    def begin(self, start: Any) -> None:
        """Find that kernel, or those that the passes of that object call, and the kernels that these call."""
        if is_kernel(start):
            self._value(start, (), frozenset(), frozenset())
            return
        parts = list(_parts(start))
        classes = tuple(dict.fromkeys(type(part) for part in parts))
        chosen = frozenset(one for part in parts for one in vars(part).values() if isinstance(one, str))
        for held in (one for part in parts for one in vars(part).values() if is_kernel(one)):
            self._value(held, classes, chosen, frozenset())
        # Rows are what a pass consists of: where there are some, the pass only runs them.
        names = [name for name in PASSES if inspect.getattr_static(type(start), name, None) is not None]
        for name in names[:2] if PASSES[0] in names else names:
            self._method(type(start), name, classes, chosen)

    def _method(self, cls: type, name: str, classes: tuple[type, ...], chosen: frozenset[str]) -> None:
        member = inspect.getattr_static(cls, name, None)
        member = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        self._value(member, classes, chosen, frozenset())

    def _value(self, value: Any, classes: tuple[type, ...], chosen: frozenset[str], names: frozenset[str]) -> None:
        """Take what a name stands for; `names` are all of the code that has it."""
        value = getattr(value, "outlined_kernel", value)  # of what is outlined
        if is_kernel(value):
            if value not in self._found:
                self._found.add(value)
                self._new.append(value)
                self._function(value.py_func, (), chosen)
        elif isinstance(value, FunctionType) and is_ours(value):
            self._function(value, classes, chosen)
        elif isinstance(value, dict):
            for name in chosen & value.keys():  # of several by name, the one whose name the object holds
                self._value(value[name], classes, chosen, names)
        elif isinstance(value, tuple):
            for one in value:
                self._value(one, classes, chosen, names)
        elif isinstance(value, ModuleType) and value.__name__.startswith(f"{PACKAGE}."):
            for name in names & vars(value).keys():
                self._value(vars(value)[name], classes, chosen, names)

    def _function(self, function: Any, classes: tuple[type, ...], chosen: frozenset[str]) -> None:
        function = inspect.unwrap(function)
        if (function, classes, chosen) in self._read:
            return
        self._read.add((function, classes, chosen))
        names = frozenset(_names(function.__code__))
        for cell in function.__closure__ or ():
            self._value(cell.cell_contents, classes, chosen, names)
        for name in names:
            if name in function.__globals__:
                self._value(function.__globals__[name], classes, chosen, names)
            else:
                for cls in classes:
                    self._method(cls, name, classes, chosen)


def _parts(start: Any, depth: int = 3) -> Iterator[Any]:
    """The object and those of ours that it holds."""
    if not (is_ours(type(start)) and hasattr(start, "__dict__")):
        return
    yield start
    for one in vars(start).values() if depth else ():
        for held in one if isinstance(one, (list, tuple)) else (one,):
            yield from _parts(held, depth - 1)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def is_kernel(value: Any) -> bool:
    """Whether that is a compiled function of this package."""
    return hasattr(value, "py_func") and hasattr(value, "overloads") and is_ours(value.py_func)


def is_ours(value: Any) -> bool:
    """Whether a function or a class is of this package."""
    return str(getattr(value, "__module__", "")).split(".")[0] == PACKAGE


def is_cached(kernel: Any) -> bool:
    """Whether a kernel has been compiled, in this process or for the folder of compiled kernels."""
    files = getattr(kernel._cache, "_cache_file", None)
    return bool(kernel.overloads) or (files is not None and bool(files._load_index()))
