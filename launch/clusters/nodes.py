"""What SkyPilot, dstack and torchrun put into the environment of each node of a job that they have started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...common.checks import whole_number_in
from ...common.errors import JobError

PORT = "9091"  # of the scheduler on several hosts, as dmlc's trackers have it
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Nodes:
    """`count` nodes, of which this is the one with that `number`; node 0 is at `root`, where `port` is the scheduler's.

    On each there are so many `gpus`, if that is known. With `alike`, a node is a process with a worker of its own, and
    servers are not counted by node; `sharing` of them share this host. `job` is equal on all nodes, and not in another
    job.
    """

    count: int
    number: int
    root: str
    port: str
    gpus: int = 0
    alike: bool = False
    sharing: int = 1
    job: str = "job"


def nodes(environ: Mapping[str, str]) -> Nodes | None:
    """The nodes that `environ` describes; None if it describes none. Raises JobError if a variable makes no sense."""
    if environ.get("SKYPILOT_NODE_IPS"):
        return _skypilot(environ)
    if environ.get("DSTACK_NODES_NUM"):
        return _dstack(environ)
    if all(environ.get(name) for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR")):
        return _torchrun(environ)
    return None


def _skypilot(environ: Mapping[str, str]) -> Nodes:
    # The first address is node 0's; "the head" may be another.
    addresses = environ["SKYPILOT_NODE_IPS"].split()
    count, number = len(addresses), _number(environ, "SKYPILOT_NODE_RANK")
    job = environ.get("SKYPILOT_TASK_ID") or "job"
    return Nodes(
        count, number, *_root(environ, addresses[0], count), _number(environ, "SKYPILOT_NUM_GPUS_PER_NODE", 0), job=job
    )


def _dstack(environ: Mapping[str, str]) -> Nodes:
    count, number = _number(environ, "DSTACK_NODES_NUM"), _number(environ, "DSTACK_NODE_RANK")
    root = environ.get("DSTACK_MASTER_NODE_IP") or LOOPBACK
    job = environ.get("DSTACK_RUN_ID") or environ.get("DSTACK_RUN_NAME") or "job"
    return Nodes(count, number, *_root(environ, root, count), _number(environ, "DSTACK_GPUS_PER_NODE", 0), job=job)


def _torchrun(environ: Mapping[str, str]) -> Nodes:
    count, number = _number(environ, "WORLD_SIZE"), _number(environ, "RANK")
    together = environ.get("LOCAL_WORLD_SIZE") == environ["WORLD_SIZE"]
    root, port = _root(environ, environ["MASTER_ADDR"], count)
    if together:  # no port is opened: it tells jobs of one host apart
        root, port = LOOPBACK, environ.get("MASTER_PORT") or PORT
    sharing = max(1, _number(environ, "LOCAL_WORLD_SIZE", 1))
    job = environ.get("TORCHELASTIC_RUN_ID") or "job"
    return Nodes(count, number, root, port, alike=True, sharing=sharing, job=job)


def _root(environ: Mapping[str, str], address: str, count: int) -> tuple[str, str]:
    return (LOOPBACK if count == 1 else address), environ.get("DMLC_PS_ROOT_PORT") or PORT


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environ.get(name, "")
    number = default if not text and default is not None else whole_number_in(text, 0)
    if number is None:
        raise JobError(name, expected="a whole number", got=repr(text))
    return number


def check_keys(environ: Mapping[str, str], found: Nodes) -> None:
    """Raise JobError if the nodes are several hosts and have no keys: nobody else could hand them out."""
    if found.root != LOOPBACK and not environ.get("PUSHGRAD_KEYS") and environ.get("PUSHGRAD_INSECURE") != "1":
        raise JobError(
            "--cluster env: the job is on several hosts, and PUSHGRAD_KEYS names no keys",
            remedy="`pushgrad keys FOLDER` makes them: put the folder on all nodes, mode 0700, and name it there",
        )
