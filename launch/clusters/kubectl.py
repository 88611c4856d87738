"""Creating a job's objects by kubectl, and following its pods: their output, and how they end."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...common.curve import make_keys
from ...common.errors import EXIT_FAILURE, JobError
from ..process_plan import PREFIXES
from .kubernetes_manifests import COMPONENT, INSTANCE, SECRET_NAMES, manifests, secret
from .yaml_text import yaml_text

if TYPE_CHECKING:
    from ..display import Display
    from ..job import Job
    from ..process_plan import Plan

PERIOD = 2.0  # seconds between two looks at the pods
LAST_LINES = 10.0  # seconds for the last output of pods that have ended
INTERRUPTED, TIMED_OUT = 130, 124
KINDS = "services,secrets,jobs"
INDEX = "batch.kubernetes.io/job-completion-index"


def run(job: Job, plan: Plan, display: Display, quiet: bool = False) -> int:
    """Create everything, follow the pods to their end and return the exit code of the one that failed first, or 0.

    Ctrl-C deletes what was created. Raises JobError if there is no kubectl, or in its words if it fails.
    """
    if shutil.which("kubectl") is None:
        raise JobError(
            "--cluster kubernetes: there is no kubectl here",
            remedy="--dry-run prints what `kubectl create -f` takes, wherever it is",
        )
    following = Following(job, len(plan.specs), display, quiet)
    objects = [secret(job, _keys()), *manifests(job, plan)]
    following.ask("create", "-f", "-", text="---\n".join(map(yaml_text, objects)))
    following.say(f"{job.kubernetes['name']} is created: {len(plan.specs)} pods")
    try:
        code = following.to_the_end()
    except KeyboardInterrupt:
        following.say(f"{job.kubernetes['name']} is deleted")
        following.delete()
        return INTERRUPTED
    if code == 0:
        following.delete()
    else:
        display.say(f"it is left to be looked at; `kubectl {' '.join(following.deletion)}` removes it")
    return code


def _keys() -> dict[str, bytes]:
    """The job's keys, made anew, as files by name. They stay in memory here."""
    with tempfile.TemporaryDirectory() as folder:
        make_keys(folder)
        return {name: (Path(folder) / name).read_bytes() for name in SECRET_NAMES}


@dataclass(frozen=True)
class Pod:
    """What is known of a pod. `code` is the exit code of its process, None while it runs; `ended` when that was."""

    name: str
    process: str
    started: bool
    code: int | None
    ended: str
    why: str

    @staticmethod
    def of(item: dict[str, Any]) -> Pod:
        """From the JSON of `kubectl get pods`."""
        metadata, status = item["metadata"], item.get("status", {})
        role = metadata["labels"][COMPONENT]
        rank = "" if role == "scheduler" else metadata.get("annotations", {}).get(INDEX, "")
        state: dict[str, Any] = next(
            (each["state"] for each in status.get("containerStatuses", []) if each["name"] == role), {}
        )
        over = state.get("terminated")
        failed = status.get("phase") == "Failed"
        return Pod(
            metadata["name"],
            PREFIXES[role] + rank,
            "running" in state or over is not None,
            over["exitCode"] if over else EXIT_FAILURE if failed else None,
            (over or {}).get("finishedAt") or "",
            (over or state.get("waiting") or {}).get("reason") or status.get("reason") or status.get("phase", ""),
        )


class Following:
    """A job's pods. `deletion` are kubectl's words for removing all that was created.

    Kubernetes removes the pods that still run when one of a Job's has failed, or the time is up: a pod that is gone
    has ended, with a code that nobody knows.
    """

    def __init__(self, job: Job, number: int, display: Display, quiet: bool) -> None:
        self._number, self._display, self._quiet = number, display, quiet
        self._timeout, self._grace = job.timeout, job.grace_period
        self._began = time.monotonic()
        self._failed: float | None = None  # since when one is known to have failed
        self._known: dict[str, Pod] = {}
        self._gone: set[str] = set()
        self._component = f"{INSTANCE}={job.kubernetes['name']}"
        self._space = [f"--namespace={job.kubernetes['namespace']}"] if "namespace" in job.kubernetes else []
        kinds = KINDS if job.no_jobset else f"jobsets,{KINDS}"
        self.deletion = ["delete", kinds, "--selector", self._component, *self._space]
        self._logs: dict[str, threading.Thread] = {}
        self._told: dict[str, str] = {}

    def to_the_end(self) -> int:
        """Show the pods' output until all of them have ended; returns the exit code."""
        self._look()
        while not self._over():
            time.sleep(PERIOD)
            self._look()
        for thread in self._logs.values():
            thread.join(LAST_LINES)
        bad = sorted((pod for pod in self._known.values() if pod.code), key=lambda pod: (pod.ended, pod.process))
        if bad:
            self._display.say(f"{bad[0].process} (pod {bad[0].name}) ended with exit code {bad[0].code}: {bad[0].why}")
            return bad[0].code or EXIT_FAILURE
        lost = sorted(pod.process for pod in self._known.values() if pod.code is None)
        if not lost:
            return 0
        self._display.say(f"the pods of {', '.join(lost)} have been removed")
        return TIMED_OUT if self._timeout and time.monotonic() - self._began > self._timeout else EXIT_FAILURE

    def _over(self) -> bool:
        """Whether all have ended, or one has failed and the others, which may never have begun, have had their time."""
        if self._failed is not None and time.monotonic() - self._failed > self._grace:
            return True
        ended = [pod for pod in self._known.values() if pod.code is not None or pod.name in self._gone]
        return len(ended) == len(self._known) >= self._number

    def say(self, text: str) -> None:
        """Say something that is no error."""
        if not self._quiet:
            self._display.say(text)

    def delete(self) -> None:
        """Remove all that was created."""
        self.ask(*self.deletion)

    def _look(self) -> None:
        answer = self.ask("get", "pods", "--output=json", "--selector", self._component, *self._space)
        pods = {pod.name: pod for pod in map(Pod.of, json.loads(answer)["items"])}
        self._known |= pods
        self._gone = self._known.keys() - pods.keys()
        if self._failed is None and any(pod.code for pod in pods.values()):
            self._failed = time.monotonic()
        for pod in pods.values():
            if pod.started and pod.name not in self._logs:
                thread = self._logs[pod.name] = threading.Thread(target=self._show, args=(pod,), daemon=True)
                thread.start()
            elif not pod.started and self._told.get(pod.name) != pod.why:
                self._told[pod.name] = pod.why
                self.say(f"{pod.process} (pod {pod.name}): {pod.why}")

    def _show(self, pod: Pod) -> None:
        command = ["kubectl", "logs", "--follow", pod.name, *self._space]
        nowhere = subprocess.DEVNULL
        with subprocess.Popen(
            command, stdin=nowhere, stdout=subprocess.PIPE, stderr=nowhere, start_new_session=True
        ) as logs:
            assert logs.stdout is not None
            for line in logs.stdout:
                self._display.lines(pod.process, False, [line])

    def ask(self, *words: str, text: str = "") -> str:
        """What kubectl answers. Raises JobError in its words if it fails."""
        return _asked(["kubectl", *words], text)


def _asked(argv: Sequence[str], text: str) -> str:
    # In a session of its own: Ctrl-C is for us alone.
    done = subprocess.run(argv, input=text.encode(), capture_output=True, start_new_session=True)
    if done.returncode:
        raise JobError(f"{' '.join(argv[:2])} failed: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout.decode("utf-8", "replace")
