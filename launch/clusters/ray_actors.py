"""`python -m pushgrad.launch.clusters.ray_actors`: has Ray make an actor for each process of a job, and waits for them.

Each actor holds an agent (agent.py), which dials `launch`. An actor lives as long as this program, and an agent as long
as its actor: whatever is killed takes what hangs on it with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .dialing import VARIABLE

LAST_BYTES = 2000  # of what an agent has said of its failure
LOOK = 1.0  # seconds between two looks at whether the node is still there
# Ray kills the children of an actor when that ends, as when its node is lost. A child's child hears of it by its input,
# and can still say so.
BESIDE = ("sh", "-c", 'exec 3<&0; "$@" <&3 3<&- & wait $!', "sh")
SIGNALLED = 128  # a shell's code from which on it was a signal


@dataclass(frozen=True)
class Asked:
    """What Ray is asked for: at `address`, a placement group of `bundles`, and in each of them an actor with an agent.

    `agent` is the agent's argv, without number and address. There are `patience` seconds for Ray to have room. Ray
    copies `working_dir` to every node, if it is given.
    """

    address: str
    strategy: str
    bundles: list[dict[str, float]]
    agent: list[str]
    patience: float
    working_dir: str | None = None

    def text(self) -> str:
        """As this program's argument."""
        return json.dumps(asdict(self))

    @staticmethod
    def parse(text: str) -> Asked:
        """From the program's argument."""
        return Asked(**json.loads(text))


class Holder:
    """The actor. Ray sends the class itself to the nodes: it needs nothing of ours there."""

    def start(self, agent: Sequence[str], number: int, variable: str, invitation: str) -> None:
        """Start the agent; its standard input ends when this process does."""
        import ray

        self._agent = subprocess.Popen(
            [*BESIDE, *agent, str(number), ray.util.get_node_ip_address()],
            env={**os.environ, variable: invitation},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def wait(self) -> tuple[int, bytes]:
        """The agent's exit code and what it has said of its failure.

        An actor without its raylet is out of Ray's sight, but does not end as long as it is busy: it lets go then.
        """
        assert self._agent.stdin is not None and self._agent.stderr is not None
        raylet = os.getppid()
        while True:
            try:
                return self._agent.wait(LOOK), self._agent.stderr.read()[-LAST_BYTES:]
            except subprocess.TimeoutExpired:
                if os.getppid() != raylet:
                    self._agent.stdin.close()


def main(asked: Asked) -> None:
    """Make the actors and wait until the last agent has ended. Exits with 1 and words if that cannot be."""
    invitation = os.environ.pop(VARIABLE)
    try:
        _run(asked, invitation)
    except Exception as error:  # of any of Ray's many kinds
        cause = getattr(error, "cause", None) or error  # of what an actor has raised, without its frames
        words = " ".join(str(cause).split())
        sys.exit(f"Ray at {asked.address}: {words or type(cause).__name__}")


def _run(asked: Asked, invitation: str) -> None:
    began = time.monotonic()
    import ray  # takes seconds

    # Ray itself tries for minutes, and no signal interrupts it.
    trying = threading.Timer(asked.patience, _give_up, [asked])
    trying.daemon = True  # an error that Ray has words for ends us sooner
    trying.start()
    folder = {} if asked.working_dir is None else {"runtime_env": {"working_dir": asked.working_dir}}
    ray.init(asked.address, log_to_driver=False, logging_level="ERROR", **folder)
    trying.cancel()
    # Whoever ends all processes of a job, as Ray does, means `launch`, which is to end this one when it has no more use
    # for the actors.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: None)
    group = ray.util.placement_group(asked.bundles, strategy=asked.strategy)
    if not group.wait(asked.patience - (time.monotonic() - began)):
        raise RuntimeError(shortage(asked, ray.cluster_resources(), ray.available_resources()))
    holders = [_holder(ray, group, place, bundle) for place, bundle in enumerate(asked.bundles)]
    # As arguments: Ray shows everybody the environment that it is asked to make.
    ray.get([each.start.remote(asked.agent, n, VARIABLE, invitation) for n, each in enumerate(holders)])
    _wait(ray, {each.wait.remote(): number for number, each in enumerate(holders)})
    ray.util.remove_placement_group(group)
    ray.shutdown()


def _give_up(asked: Asked) -> None:
    print(f"Ray at {asked.address}: it is not to be reached within {asked.patience:g} s", file=sys.stderr, flush=True)
    os._exit(1)


def _holder(ray: Any, group: Any, place: int, bundle: dict[str, float]) -> Any:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    return (
        ray.remote(Holder)
        .options(
            num_cpus=bundle["CPU"],
            num_gpus=bundle.get("GPU", 0),
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=place),
        )
        .remote()
    )


def _wait(ray: Any, waits: dict[Any, int]) -> None:
    """Until all have ended. An agent that cannot do its work ends them all; `launch` itself misses one that dies."""
    while waits:
        (done,), _ = ray.wait(list(waits), num_returns=1)
        number = waits.pop(done)
        try:
            code, said = ray.get(done)
        except ray.exceptions.RayError as error:
            print(f"actor {number}: {error}", file=sys.stderr, flush=True)
            continue
        if 0 < code < SIGNALLED:
            sys.exit(said.decode("utf-8", "replace"))


def shortage(asked: Asked, total: Mapping[str, float], free: Mapping[str, float]) -> str:
    """Words for what Ray lacks: all that the cluster has, and what is free of it, by names of resources."""
    needs = {what: sum(bundle.get(what, 0) for bundle in asked.bundles) for what in ("CPU", "GPU")}
    rows = [
        f"{number:g} {what} are needed, {free.get(what, 0):g} of {total.get(what, 0):g} are free"
        for what, number in needs.items()
        if number
    ]
    return f"there was no room for the job within {asked.patience:g} s ({asked.strategy}): {'; '.join(rows)}"


if __name__ == "__main__":
    main(Asked.parse(sys.argv[1]))
