"""Compiling several kernels at once, on the cores that this process may use.

numba compiles one kernel at a time, mostly in Python, and the first training in a new place waits for it. So this
process forks, and all of them take kernels until there are none left. What the others compile is found in the folder of
compiled kernels.
"""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from .expected_kernels import is_cached

MOST = 4  # processes: kernels share parts, which each of them compiles anew
FEWEST = 4  # kernels that are worth a fork
PATIENCE = 120.0  # seconds for what another process is about to finish, before it is taken to hang


def compile_together(kernels: Sequence[Any], cores: Callable[[], int]) -> None:
    """Compile functions of one address that are in no cache; at most `cores()` processes at a time.

    Some may be left over, if a process comes to grief: they are compiled when they are needed, as always.
    """
    from .jit import cache_folder, define

    missing = [kernel for kernel in dict.fromkeys(kernels) if not is_cached(kernel)]
    if len(missing) < FEWEST or cache_folder() is None or not hasattr(os, "fork"):
        return
    count = min(cores(), MOST, len(missing) // 2)
    if count < 2:
        return
    define()  # what many kernels call: each of the processes would compile it
    left, numbers = os.pipe()
    os.write(numbers, bytes(range(min(len(missing), 256))))  # who reads a number takes that kernel
    os.close(numbers)
    others: list[int] = []
    with suppress(OSError):  # where the system allows no more processes, or not as much memory as this one has
        while len(others) < count - 1:
            others.append(_forked(left, missing))
    try:
        _take(left, missing, os.getppid())
    finally:
        os.close(left)
    for other in others:
        _wait(other)


def _take(left: int, kernels: Sequence[Any], parent: int) -> None:
    """Compile kernels until none is left, or until this process's `parent` has ended."""
    from numba.core import types

    while os.getppid() == parent and (number := os.read(left, 1)):
        kernels[number[0]].compile((types.int64,))


def _forked(left: int, kernels: Sequence[Any]) -> int:
    """Another process at the same work; its number."""
    from numba.core.compiler_lock import global_compiler_lock

    # No other thread may be in the midst of compiling: it would not go on over there, nor let go of the lock. All that
    # other process does is to compile, so that it does not matter which other locks are held.
    parent = os.getpid()
    with global_compiler_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        process = os.fork()
    if process:
        return process
    try:
        _let_go(left)
        _take(left, kernels, parent)
    finally:
        os._exit(0)  # without anything that is done at an ordinary end, such as writing what is in buffers
    raise AssertionError


def _let_go(left: int) -> None:
    """Keep nothing of the process that it was but `left`: whoever waits for its end must not wait for this one's."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.closerange(3, left)
    os.closerange(left + 1, os.sysconf("SC_OPEN_MAX"))


def _wait(process: int) -> None:
    deadline = time.monotonic() + PATIENCE
    with suppress(ChildProcessError):  # somebody else has waited for it
        while not os.waitpid(process, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                return
            time.sleep(0.005)
