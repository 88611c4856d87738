"""`python -m pushgrad.launch.clusters.agent`: how a host agent (host_agent.py) comes to its connection with `launch`.

It is told everything over its standard input, and answers on its standard output; whoever started it (ssh, say) carries
both to `launch`. Started by something that cannot do that (mpirun, say), it dials `launch` (dialing.py).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from ...common.errors import JobError
from ...common.mpi_roles import place
from .dialing import VARIABLE, Line
from .host_agent import Agent
from .link import Link

MODULE = ("-P", "-m", "pushgrad.launch.clusters.agent")
# The agent outlives these: the leash says when it is time.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main() -> None:
    """Dial, or speak over standard input and output; what anything else prints goes to standard error."""
    for signum in ENDING:  # neither ignored nor blocked (as Ray does): the processes that it starts would inherit that
        signal.signal(signum, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        if VARIABLE in os.environ:
            _run_by_dialing(sys.argv[1:])
        else:
            Agent(_over_standard_streams()).run()
    except Exception as error:  # `launch` is told, if it is there
        print(f"agent: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        sys.exit(1)


def _over_standard_streams() -> Link:
    reading, writing = _standard_input(), os.dup(1)
    os.dup2(2, 1)
    return Link(reading, writing)


def _standard_input() -> int:
    """Another descriptor of it; nobody else reads it from now on."""
    reading = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    return reading


def _run_by_dialing(words: list[str]) -> None:
    """`words` are its number and address, if the standard input is its leash; else MPI's variables have its rank."""
    invitation = os.environ.pop(VARIABLE)  # the processes need not know how to become agents
    known: dict[str, Any]
    if words:
        number, known = int(words[0]), {"address": words[1], "leash": _standard_input()}
    elif (here := place(os.environ)) is not None:
        number, known = here.rank, {"size": here.size}
    else:
        raise JobError("whoever has started this agent has not told it its rank", remedy="It must be an MPI's mpirun")
    line = Line(number, invitation)
    try:
        Agent(Link(line.socket.fileno(), line.socket.fileno()), **known).run()
    finally:
        line.close()


if __name__ == "__main__":
    main()
