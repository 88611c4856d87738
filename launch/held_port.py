"""A port for MASTER_PORT: free when it is chosen, and still free when a worker listens there.

torch's rule is that all workers know the port before the first of them listens. A socket that is bound and does not
listen keeps the kernel from giving the port to anybody who asks for any port, and does not keep out who binds it by its
number with SO_REUSEADDR, as torch's TCPStore does.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ..common.errors import JobError
from .process_plan import FREE_PORT, Plan, ProcessSpec


@contextlib.contextmanager
def held_port(specs: Sequence[ProcessSpec]) -> Iterator[Callable[[Plan], Plan]]:
    """Gives a function that puts a port in place of FREE_PORT in the environments of a plan's processes.

    Those are `specs`, or a later generation of them. The port is held for as long as the context lasts.

    Raises JobError if the system has no port, or no file descriptor, left.
    """
    if not any(FREE_PORT in spec.env.values() for spec in specs):
        yield lambda plan: plan
        return
    with _bound() as holder:
        port = str(holder.getsockname()[1])
        yield lambda plan: replace(plan, specs=tuple(replace(spec, env=_filled(spec, port)) for spec in plan.specs))


def _bound() -> socket.socket:
    try:
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("", 0))
    except OSError as error:
        raise JobError(
            f"no port for MASTER_PORT: {error.strerror}", remedy="--env MASTER_PORT=29500 names one"
        ) from None
    return holder


def _filled(spec: ProcessSpec, port: str) -> dict[str, str]:
    return {name: port if value == FREE_PORT else value for name, value in spec.env.items()}
