"""What is said while kernels are compiled; the real compiler is asked in the long test."""

import io
import re
import subprocess
import sys
from functools import partial
from types import SimpleNamespace
from weakref import WeakValueDictionary

import pytest
from on_a_terminal import run, screens

from pushgrad.common import compiling
from pushgrad.common.compiled_calls import line
from pushgrad.common.expected_kernels import Search
from pushgrad.ps.kernels import largest_exponent_32
from pushgrad.ps.rules import by_address
from pushgrad.worker.cpu.activation import ActivationKernel


class Terminal(io.StringIO):
    def isatty(self):
        return True


def event(module="pushgrad.worker.cpu.pooling", kernel=None):
    kernel = kernel or SimpleKernel(py_func=SimpleNamespace(__module__=module))
    return SimpleNamespace(data={"dispatcher": kernel})


class SimpleKernel(SimpleNamespace):
    __hash__ = object.__hash__
    __eq__ = object.__eq__


def compile_nested(listener):
    """A kernel that calls another one, and one of the user's own."""
    events = [event(), event()]
    for one in events:
        listener.on_start(one)
    for one in events:
        listener.on_end(one)
    listener.on_start(event("users.module"))
    listener.on_end(event("users.module"))


def tell(*numbers, to):
    to.append(numbers)


@pytest.fixture(autouse=True)
def _nothing_is_expected(monkeypatch):
    monkeypatch.setattr(compiling, "_to_come", WeakValueDictionary())


def test_who_wants_to_know_is_told_of_our_kernels():
    told = []
    with compiling.told_to(partial(tell, to=told)):
        compile_nested(compiling._listener())
    assert told == [(1, 1), (2, 2), (0, 0)]


def test_a_kernel_counts_once_and_what_is_expected_before_it_is_there(monkeypatch):
    """A table of calls begins with kernels that call others, some of which are in the cache."""
    monkeypatch.setattr(compiling, "is_cached", lambda kernel: kernel is largest_exponent_32)
    told = []
    with compiling.told_to(partial(tell, to=told)):
        for one in (by_address.finite, by_address.sgd_momentum):
            compiling.expect(one)
        listener = compiling._listener()
        listener.on_start(event(kernel=by_address.sgd_momentum))
        for _ in range(2):  # for other types
            listener.on_start(event(kernel=line))
        listener.on_start(event())  # of which nobody knew
    # finite, sgd_momentum, _number, line, matrix, and the update itself with sum_block, _add, its own block, clipped
    assert told == [(1, 10), (2, 10), (2, 10), (3, 11)]


def test_a_bound_operator_tells_its_kernels():
    kernel = ActivationKernel("tanh")
    search = Search()
    search.begin(kernel)
    found = {one.py_func.__name__ for one in search.take()}
    assert found == {"_tanh_at", "tanh", "_tanh_slope_at", "_tanh_slope", "line"}
    search.begin(ActivationKernel("tanh"))
    assert search.take() == []


def test_a_terminal_gets_a_line_that_vanishes(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    compile_nested(compiling._listener())
    shown = [screen[-1] for screen in screens(sys.stderr.getvalue())]
    assert shown == [compiling.text(1, 1), compiling.text(2, 2), ""]


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
    assert "in the midst of a lo" + compiling.text(4, 4) in [screen[-1] for screen in during]
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
    totals = [int(total) for total in re.findall(r"compiling kernels, once: \d+ of (\d+)", first)]
    assert totals == sorted(totals) and totals[-1] <= 1.1 * totals[0], "it is nearly known from the start"
    assert "compiling" not in second


@pytest.mark.long
def test_a_first_training_without_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True, check=True)
    assert "compiling" not in done.stdout and done.stderr.count("compiling kernels") <= 1
