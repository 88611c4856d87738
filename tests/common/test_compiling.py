"""What is said while kernels are compiled; the real compiler is asked in the long test."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest
from on_a_terminal import run, screens

from pushgrad.common import compiling


class Terminal(io.StringIO):
    def isatty(self):
        return True


def event(module="pushgrad.worker.cpu.pooling"):
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


def compile_nested(listener):
    """A kernel that calls another one, and one of the user's own."""
    for begins in (True, True, False, False):
        (listener.on_start if begins else listener.on_end)(event())
    listener.on_start(event("users.module"))
    listener.on_end(event("users.module"))


def test_who_wants_to_know_is_told_of_our_kernels():
    told = []
    with compiling.told_to(told.append):
        compile_nested(compiling._listener())
    assert told == [1, 2, 0]


def test_a_terminal_gets_a_line_that_vanishes(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    compile_nested(compiling._listener())
    shown = [screen[-1] for screen in screens(sys.stderr.getvalue())]
    assert shown == [compiling.text(1), compiling.text(2), ""]


def test_what_an_unfinished_line_has_stays(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("sys.stdout", terminal)
    print("in the midst of a lo", end="")
    listener = compiling._listener()
    compile_nested(listener)
    compile_nested(listener)
    print("ng line")
    *during, after = screens(terminal.getvalue())
    assert "in the midst of a lo" + compiling.text(4) in [screen[-1] for screen in during]
    assert after == ["in the midst of a long line", ""]


@pytest.mark.parametrize(("rank", "seconds", "lines"), [("0", 3.0, 1), ("0", 0.3, 0), ("1", 3.0, 0)])
def test_elsewhere_one_process_says_so_once_if_it_takes_long(monkeypatch, rank, seconds, lines):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setenv("RANK", rank)
    clock = iter(seconds * n for n in range(100))
    monkeypatch.setattr("pushgrad.common.compiling.time.monotonic", lambda: next(clock))
    listener = compiling._listener()
    for _ in range(3):
        compile_nested(listener)
    assert sys.stderr.getvalue().count("pushgrad: compiling kernels, once; this may take a minute\n") == lines


TRAINS = """
import numpy as np
import pushgrad as mx
mx.mlp(np.ones((8, 2), np.float32), np.zeros(8, np.float32), hidden_node=2, out_node=2, num_epoch=1)
"""


@pytest.mark.long
def test_a_first_training_counts_kernels_and_a_second_one_has_them(tmp_path):
    first, second = (run(TRAINS, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert compiling.text(3) in first and "compiling" not in second


@pytest.mark.long
def test_a_first_training_without_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True, check=True)
    assert "compiling" not in done.stdout and done.stderr.count("compiling kernels") <= 1
