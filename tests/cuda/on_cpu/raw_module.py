"""cupy.RawModule whose kernels g++ compiles and one processor runs. Wrong launches are refused when they are made."""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from .machine import KernelError, here
from .signatures import kernels
from .streams import get_current_stream

HERE = Path(__file__).parent
HEADERS = tuple(sorted(HERE.glob("*.h")))
CHECKS = "alignment,null,bounds,shift,integer-divide-by-zero,signed-integer-overflow"
WARNINGS = "-Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-sign-compare -Wno-unused-function -Wno-unused-parameter"
FLAGS = f"-std=c++17 -O1 -fPIC -fno-strict-aliasing -fsanitize={CHECKS} {WARNINGS}".split()
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")

order = {"reversed": bool(os.environ.get("CUDA_ON_CPU_REVERSED"))}  # of blocks and threads: what lacks a barrier shows


def missing_compiler():
    """Why kernels cannot be compiled here, or None."""
    return None if shutil.which("g++") else "g++ is not installed"


@cache
def _folder():
    """Where compiled kernels are kept: CUDA_ON_CPU_CACHE, or for this process alone."""
    chosen = os.environ.get("CUDA_ON_CPU_CACHE")
    if chosen:
        Path(chosen).mkdir(parents=True, exist_ok=True)
        return Path(chosen)
    _folder.own = tempfile.TemporaryDirectory(prefix="cuda-on-cpu-", ignore_cleanup_errors=True)
    return Path(_folder.own.name)


@cache
def _compiled(text, options):
    """The library for a text, made once per folder."""
    own = [option for option in options if not option.startswith("-std=")]
    return ctypes.CDLL(str(_made(text, ".so", "-x", "c++", *own, "-include", _header(), "-shared")))


@cache
def _header():
    """What every kernel includes, compiled in advance: reading it takes longer than most kernels do."""
    header = HERE / "cuda_on_cpu.h"
    return _made(f'#include "{header}"\n', ".h.gch", "-x", "c++-header").with_suffix("")  # g++ finds the .gch itself


def _made(text, kind, *options):
    """The file that g++ makes of a text, once per folder."""
    stamp = "\0".join([text, *map(str, options), *FLAGS, *(header.read_text() for header in HEADERS)])
    target = _folder() / f"{hashlib.sha256(stamp.encode()).hexdigest()[:20]}{kind}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=_folder()) as scratch:
            source, made = Path(scratch) / "kernels.cu", Path(scratch) / "made"
            source.write_text(text)
            _run("g++", *FLAGS, *options, source, "-o", made)
            made.replace(target)
    return target


def _run(*argv):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"these kernels cannot be compiled:\n{done.stderr}")


def _entries(found):
    """C functions that call the kernels with arguments from an array of pointers, as CUDA's launch does."""
    for name, (parameters, _) in found.items():
        values = ", ".join(f"*({one.text}*)arguments[{i}]" for i, one in enumerate(parameters))
        yield f"""
extern "C" const char* cuda_on_cpu_{name}(const unsigned* shape, int reversed, size_t shared, void** arguments) {{
    (void)arguments;
    return cuda_on_cpu::run(shape, reversed, shared, [=] {{ {name}({values}); }});
}}"""


class RawModule:
    def __init__(self, *, code, options=(), backend="nvrtc", name_expressions=None, **_):
        assert isinstance(options, tuple), "cupy wants the options as a tuple"
        macros = (option[2:].partition("=") for option in options if option.startswith("-D"))
        self._kernels = kernels(code, {name: value for name, _, value in macros})
        text = _DYNAMIC.sub(r"\1* const \2 = reinterpret_cast<\1*>(cuda_on_cpu::dynamic_shared);", code)
        self._text, self._options = text + "\n".join(_entries(self._kernels)), options

    def compile(self, log_stream=None):
        _compiled(self._text, self._options)

    def get_function(self, name):
        assert name in self._kernels, f"no kernel {name} among {sorted(self._kernels)}"
        entry = getattr(_compiled(self._text, self._options), f"cuda_on_cpu_{name}")
        entry.restype = ctypes.c_char_p
        return RawKernel(name, *self._kernels[name], entry)


class RawKernel:
    """Checks what it is given and queues the launch."""

    def __init__(self, name, parameters, most_threads, entry):
        self.name, self._parameters, self._most_threads, self._entry = name, parameters, most_threads, entry

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        grid, block = self._three(grid), self._three(block)
        assert grid[0] < 1 << 31 and max(grid[1:]) < 1 << 16, f"{self.name}: grid {grid}"
        threads = int(np.prod(block))
        assert threads <= self._most_threads and block[2] <= 64, f"{self.name}: {threads} threads in a block"
        assert 0 <= shared_mem <= 48 << 10, f"{self.name}: {shared_mem} bytes of shared memory"
        assert len(args) == len(self._parameters), (
            f"{self.name} takes {len(self._parameters)} arguments "
            f"({', '.join(one.name for one in self._parameters)}), got {len(args)}"
        )
        checked = []
        for parameter, value in zip(self._parameters, args, strict=True):
            try:
                checked.append(parameter.check(value))
            except AssertionError as error:
                raise AssertionError(f"{self.name}: {error}") from None
        self._queue(grid + block, checked, shared_mem, stream or get_current_stream())

    def _three(self, sizes):
        assert isinstance(sizes, tuple) and 1 <= len(sizes) <= 3, f"{self.name}: {sizes} is not a tuple of 1 to 3 sizes"
        assert all(isinstance(size, int | np.integer) and size > 0 for size in sizes), f"{self.name}: {sizes}"
        return (*map(int, sizes), 1, 1)[:3]

    def _queue(self, sizes, checked, shared_mem, stream):
        shape = (ctypes.c_uint * 6)(*sizes)
        chunks = {id(chunk): chunk for chunk, _ in checked if chunk is not None}.values()
        words = [np.array(value) for _, value in checked]  # by value: what the host does later does not matter
        pointers = (ctypes.c_void_p * max(1, len(words)))(*(word.ctypes.data for word in words))

        def launch(words=words):
            problem = self._entry(shape, int(order["reversed"]), ctypes.c_size_t(shared_mem), pointers)
            if problem:
                raise KernelError(f"{self.name}: {problem.decode()}")
            for chunk in chunks:
                if not chunk.guards_hold():
                    chunk.mend()
                    raise KernelError(f"{self.name} wrote outside of an array of {chunk.nbytes} bytes")

        with here().lock:
            stream.enqueue(launch)
