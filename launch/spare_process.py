"""A Python process that has imported what the processes of a job import, and then becomes some of them by forking.

    python -P -m pushgrad.launch.spare_process 5        5: its end of a socket, whose other end only `launch` has

It says that it is ready by one byte. A request (spare.py) is answered by the pid of a new process, which is a child of
`launch` (as its nearest subreaper), leads a session of its own and runs what the request says, as if it had been
started by that argv. It ends when `launch` closes its end.
"""

from __future__ import annotations

import builtins
import gc
import json
import os
import pkgutil
import re
import runpy
import socket
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

LENGTH = struct.Struct("!I")  # of the JSON that follows; the file descriptors come with it
FDS = 3  # standard output, standard error, and for the scheduler the status pipe
# What workers, servers and the scheduler import sooner or later. None of it starts a thread or opens a connection.
WANTED = (
    "pushgrad.ps.scheduler",
    "pushgrad.ps.server",
    "pushgrad.ps.kernels",
    "pushgrad.ps.rules",
    "pushgrad.worker.models",
    "pushgrad.worker.store.distributed_store",
    "pushgrad.worker.training.feedforward",
    "pushgrad.worker.training.kv",
    "numba.np.arrayobj",  # compiled code refers to it
    "numpy.ma",  # numba imports it when it is given its first array
)
# What numpy and numba read when they are imported: a script that names one may set it before it imports them.
SETTINGS = re.compile(rb"\b(OMP|OPENBLAS|MKL|BLIS|NUMBA|NPY|NUMPY)_[A-Z]")
KERNELS = "pushgrad.worker.cpu"  # all modules in there: each is small, and which are needed the script's network says


def main(descriptor: int) -> None:
    """Import, say that it is done, and carry out requests until the socket closes."""
    _import_all()
    gc.collect()
    gc.freeze()  # a collection in a forked process would copy all pages that objects lie on
    with socket.socket(fileno=descriptor) as launch:
        launch.sendall(b".")
        while (request := receive(launch)) is not None:
            fds, wanted = request
            if (pid := _fork(fds)) == 0:
                launch.close()
                break
            launch.sendall(LENGTH.pack(pid))
        else:
            return
    _become(wanted["argv"], wanted["env"], fds)


def receive(connection: socket.socket) -> tuple[list[int], dict[str, Any]] | None:
    """The next request with its file descriptors; None if the other end has been closed."""
    head, fds, _, _ = socket.recv_fds(connection, LENGTH.size, FDS)
    if len(head) < LENGTH.size:
        return None
    body = connection.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL)
    return fds, json.loads(body)


def _import_all() -> None:
    for name in WANTED:
        import_module(name)
    for found in pkgutil.iter_modules(import_module(KERNELS).__path__, f"{KERNELS}."):
        import_module(found.name)


def _fork(fds: list[int]) -> int:
    """The pid of a new child of `launch`, which leads a session and to which `fds` are left; 0 in that child.

    It is forked by a process that ends at once, so that it comes to the subreaper: only a parent learns exit codes.
    """
    read, write = os.pipe()
    if between := os.fork():
        os.close(write)
        for fd in fds:
            os.close(fd)
        os.waitpid(between, 0)
        with os.fdopen(read, "rb") as told:
            return int(LENGTH.unpack(told.read())[0])
    os.close(read)
    if os.fork():
        os._exit(0)
    os.setsid()  # before anybody knows of it and may signal its group
    os.write(write, LENGTH.pack(os.getpid()))
    os.close(write)
    return 0


def _become(argv: list[str], env: dict[str, str], fds: list[int]) -> None:
    """Be the process of that argv, environment and output."""
    for place, fd in enumerate(fds[:2], 1):
        os.dup2(fd, place)
        os.close(fd)
    if status := fds[2:]:
        os.set_inheritable(status[0], True)
        env["PUSHGRAD_STATUS_FD"] = str(status[0])
    os.environ.clear()
    os.environ.update(env)
    sys.modules["numpy"].random.seed()  # else all forked processes would draw the same; Python's own does that itself
    if argv[1].endswith(".py"):
        _run_script(argv)
    else:
        sys.argv = argv[argv.index("-m") + 1 :]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _run_script(argv: list[str]) -> None:
    """As `python script.py ...`; and really so if it cannot be read, or what is imported here might not be its own."""
    folder = os.path.dirname(os.path.realpath(argv[1]))  # noqa: PTH120
    if not os.access(argv[1], os.R_OK) or _hides_a_module(folder) or SETTINGS.search(Path(argv[1]).read_bytes()):
        os.execv(argv[0], argv)
    sys.argv = argv[1:]
    if not os.environ.get("PYTHONSAFEPATH"):
        sys.path.insert(0, folder)
    path = os.path.abspath(argv[1])  # noqa: PTH100  # `..` and links stay, as Python has it
    script = ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    vars(script).update(__file__=path, __cached__=None, __loader__=loader, __annotations__={}, __builtins__=builtins)
    sys.modules["__main__"] = script
    try:
        exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), vars(script))
    except SystemExit:
        raise
    except BaseException:  # from here on the interpreter does what it does with any error of a script
        _show_without_us(path)
        raise


def _hides_a_module(folder: str) -> bool:
    """Whether a script in that folder might import another module than we have by some name."""
    with os.scandir(folder) as entries:
        beside = {
            item.name.partition(".")[0] for item in entries if item.is_dir() or item.name.endswith((".py", ".so"))
        }
    return not beside.isdisjoint(name.partition(".")[0] for name in sys.modules)


def _show_without_us(path: str) -> None:
    """Have the error that is about to end the process shown from the script's first frame on."""
    show: Callable[..., object] = sys.excepthook

    def shown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        while trace is not None and trace.tb_frame.f_code.co_filename != path:
            trace = trace.tb_next
        show(kind, error.with_traceback(trace), trace)

    sys.excepthook = shown


if __name__ == "__main__":
    main(int(sys.argv[1]))
