"""Creating a job's objects, following its pods, their output and how they end, and removing it all."""

from __future__ import annotations

import json
import math
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...common.curve import make_keys
from ...common.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_TIMEOUT
from .kubernetes_api import Api, Refused, Unreachable
from .kubernetes_connection import connect
from .kubernetes_logs import Logs
from .kubernetes_manifests import INSTANCE, SECRET_NAMES, manifests, secret
from .kubernetes_objects import Objects, deletion, path
from .kubernetes_pods import Pod

if TYPE_CHECKING:
    from ..display import Display
    from ..job import Job
    from ..process_plan import Plan

WATCH = 60  # seconds; then all pods are listed anew, and so a connection that has died unnoticed does no harm
PAUSE = 1.0  # seconds before somebody who did not answer is asked again
UNREACHED = 300.0  # seconds for which nobody may answer


def run(job: Job, plan: Plan, display: Display, own_process: bool = False, quiet: bool = False) -> int:
    """Create everything, follow the pods to their end and return the exit code of the one that failed first, or 0.

    Ctrl-C deletes what was created, as an error does that keeps this from following, and SIGTERM if this has the
    process to itself. Raises JobError for what the API refuses, or if there is no way to it.
    """
    api = connect()
    if own_process:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return _run(api, job, plan, display, quiet)
    finally:
        api.close()


def _run(api: Api, job: Job, plan: Plan, display: Display, quiet: bool) -> int:
    name, space = job.kubernetes["name"], job.kubernetes.get("namespace")
    objects = Objects(api, space or api.namespace())
    say = (lambda text: None) if quiet else display.say
    try:
        objects.create([secret(job, _keys()), *manifests(job, plan)])
        say(f"{name} is created by {api.name}: {len(plan.specs)} pods")
        following = Following(api, job, len(plan.specs), objects.namespace, display, quiet)
        code = following.to_the_end()
    except (KeyboardInterrupt, SystemExit, Refused) as error:
        objects.delete()
        say(f"{name} is deleted")
        if isinstance(error, KeyboardInterrupt):
            return EXIT_INTERRUPTED
        raise
    if code == 0:
        objects.delete()
    else:
        command = deletion(name, [f"--namespace={space}"] if space else [], jobset=not job.no_jobset)
        display.say(f"it is left to be looked at; `{command}` removes it")
    return code


def _keys() -> dict[str, bytes]:
    """The job's keys, made anew, as files by name. They stay in memory here."""
    with tempfile.TemporaryDirectory() as folder:
        make_keys(folder)
        return {name: (Path(folder) / name).read_bytes() for name in SECRET_NAMES}


class Following:
    """A job's pods.

    Kubernetes removes the pods that still run when one of a Job's has failed, or the time is up: a pod that is gone
    has ended, with a code that nobody knows.
    """

    def __init__(self, api: Api, job: Job, number: int, namespace: str, display: Display, quiet: bool) -> None:
        self._api, self._number, self._display, self._quiet = api, number, display, quiet
        self._grace, self._timeout, self._patience = job.grace_period, job.timeout, job.start_timeout
        self._namespace, self._selector = namespace, quote(f"{INSTANCE}={job.kubernetes['name']}")
        self._failed: float | None = None  # since when one is known to have failed
        self._stuck: dict[str, float] = {}  # since when pods cannot begin
        self._heard = time.monotonic()
        self._known: dict[str, Pod] = {}
        self._gone: set[str] = set()
        self._told: dict[str, str] = {}
        self._logs = Logs(api, path(namespace, "v1", "pods"), display)

    def to_the_end(self) -> int:
        """Show the pods' output until all of them have ended; returns the exit code.

        Raises Refused, or Unreachable if nobody has answered for UNREACHED.
        """
        while not self._over():
            try:
                version = self._list()
                if not self._over():
                    self._watch(version)
            except Unreachable as error:
                if time.monotonic() - self._heard > UNREACHED:
                    raise
                self._tell("", str(error))
                time.sleep(PAUSE)
        self._logs.finish()
        return self._outcome()

    def _list(self) -> str:
        """Take in all pods; returns the version of that list."""
        answer = self._get("v1", "pods")
        pods = {pod.name: pod for pod in map(Pod.of, answer["items"])}
        self._gone = self._known.keys() - pods.keys()
        for pod in pods.values():
            self._take(pod)
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> None:
        """Take in what changes, until it is time to look at all again."""
        failed = self._failed
        seconds = max(1, math.ceil(min([WATCH, *(limit - time.monotonic() for limit in self._limits())])))
        query = f"labelSelector={self._selector}&watch=true&resourceVersion={version}&timeoutSeconds={seconds}"
        for event in _events(self._api.stream(f"{path(self._namespace, 'v1', 'pods')}?{query}")):
            if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):  # the version is too old to go on from
                return
            self._take(Pod.of(event["object"]))
            if event["type"] == "DELETED":
                self._gone.add(event["object"]["metadata"]["name"])
            if self._over() or failed != self._failed:
                return

    def _take(self, pod: Pod) -> None:
        self._heard = time.monotonic()
        self._known[pod.name] = pod
        if self._failed is None and pod.code:
            self._failed = time.monotonic()
        if pod.stuck:
            self._stuck.setdefault(pod.name, time.monotonic())
        else:
            self._stuck.pop(pod.name, None)
        if pod.started:
            self._logs.show(pod)
        else:
            self._tell(pod.name, f"{pod.process} (pod {pod.name}): {pod.why}")

    def _over(self) -> bool:
        """Whether all have ended, or one has failed, or cannot begin, and the others have had their time."""
        if any(time.monotonic() > limit for limit in self._limits()):
            return True
        ended = [pod for pod in self._known.values() if pod.code is not None or pod.name in self._gone]
        return len(ended) == len(self._known) >= self._number

    def _limits(self) -> list[float]:
        """The moments at which it is over, if nothing else happens."""
        limits = [since + self._patience for since in self._stuck.values()]
        return limits if self._failed is None else [*limits, self._failed + self._grace]

    def _outcome(self) -> int:
        """Say why it has ended, and return the exit code."""
        if all(pod.code == 0 for pod in self._known.values()):
            return 0
        if self._took_too_long():
            self._display.say(f"the job has taken longer than --timeout {self._timeout:g}")
            return EXIT_TIMEOUT
        for pod in self._known.values():
            if not pod.started and pod.code is None:
                self._display.say(f"{pod.process} (pod {pod.name}) has never begun: {pod.why}")
        # Of those that ended in the same second the others may have ended because of one with a code of its own.
        bad = [pod for pod in self._known.values() if pod.code]
        if bad:
            first = min(bad, key=lambda pod: (pod.ended, pod.code == EXIT_FAILURE, pod.process))
            self._display.say(f"{first.process} (pod {first.name}) ended with exit code {first.code}: {first.why}")
            return first.code or EXIT_FAILURE
        if lost := sorted(self._known[name].process for name in self._gone if self._known[name].code is None):
            self._display.say(f"the pods of {', '.join(lost)} have been removed")
        return EXIT_FAILURE

    def _took_too_long(self) -> bool:
        """Whether Kubernetes has ended a Job because its time was up."""
        if self._timeout is None:
            return False
        jobs = self._get("batch/v1", "jobs")["items"]
        conditions = [each for job in jobs for each in job.get("status", {}).get("conditions", [])]
        return any(each.get("reason") == "DeadlineExceeded" for each in conditions)

    def _get(self, version: str, plural: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            self._api.send("GET", f"{path(self._namespace, version, plural)}?labelSelector={self._selector}")
        )
        return answer

    def _tell(self, whose: str, text: str) -> None:
        """Say something that is no error, unless it was the last that was said of the same."""
        if not self._quiet and self._told.get(whose) != text:
            self._told[whose] = text
            self._display.say(text)


def _events(pieces: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The events of a watch: one on each line, of which a piece may hold a part, or several."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (json.loads(line) for line in whole if line.strip())
