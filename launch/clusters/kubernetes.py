"""Kubernetes: a JobSet, or Indexed Jobs and a headless Service, whose pods are the processes of a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ...common.errors import JobError
from ..config import is_secret
from ..process_plan import Plan, ProcessSpec
from .engine import Engine
from .hosts import Host, Seat
from .kubernetes_manifests import KEYS, SECRET_NAMES, manifests, pod_host
from .members import members
from .pairs import check_pairs
from .yaml_text import yaml_text

if TYPE_CHECKING:
    from ..display import Display
    from ..job import Job

PORT = "9091"  # a pod has an address of its own, and so all ports
MASTER_PORT = "29500"
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([EPTGMk]i?|Ki|m)?")
NUMBER = re.compile(r"[0-9]{1,9}")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")  # with role and number it is a label of 63 letters at most
# What --kubernetes may name, how its value looks, and the same in words.
SETTINGS = {
    "image": (re.compile(r"\S+"), "an image that holds pushgrad and the script"),
    "name": (NAME, "up to 40 small letters, digits and hyphens, a letter first"),
    "namespace": (LABEL, "a namespace"),
    "queue": (LABEL, "a LocalQueue of Kueue"),
    "cpu": (QUANTITY, "cores of each process, such as 2 or 500m"),
    "memory": (QUANTITY, "memory of each process, such as 4Gi"),
    "gpus": (NUMBER, "a number of GPUs for each worker"),
    "user": (NUMBER, "the number of the user that the image's processes run as"),
}


class Kubernetes(Engine):
    """One pod per process."""

    takes = ("workdir", "kubernetes", "no_jobset")
    in_images = True
    restarts = False

    def plan(self, job: Job) -> Plan:
        """The processes, each on a pod of its own; the ranks follow from the indices of pods."""
        if job.hands:
            raise JobError("--gpus counts the GPUs of this host", remedy="`--kubernetes gpus=1` gives each worker one")
        check_settings(job.kubernetes)
        seats = [Seat(Host("pod"), 0, 1)] * job.servers + [Seat(Host("pod"), 1, 0)] * job.workers
        master = {"MASTER_ADDR": pod_host(job, "worker"), "MASTER_PORT": MASTER_PORT}
        specs = members(job, seats, pod_host(job, "scheduler"), master)
        return Plan(tuple(_in_a_pod(spec) for spec in specs))

    def describe(self, job: Job, plan: Plan) -> list[str]:
        """YAML for kubectl; the lines that make the Secret are comments, as keys are not shown."""
        space = f" --namespace={job.kubernetes['namespace']}" if "namespace" in job.kubernetes else ""
        words = [f"--from-file=keys/{name}" for name in SECRET_NAMES]
        words += [f'--from-literal={name}="${{{name}}}"' for name in sorted(job.env) if is_secret(name)]
        first = [
            "# first, with keys that nobody else has:",
            "#   pushgrad keys keys",
            f"#   kubectl create secret generic {job.kubernetes['name']}{space} {' '.join(words)}",
            "# then `kubectl create -f` what follows",
        ]
        return [*first, *_documents(manifests(job, plan))]

    def run(self, job: Job, plan: Plan, display: Display, **how: bool) -> int:
        """Create everything, and follow it to its end."""
        from .kubernetes_run import run

        return run(job, plan, display, own_process=how.get("own_process", False), quiet=how.get("quiet", False))


def _documents(objects: list[dict[str, object]]) -> list[str]:
    return [line for each in objects for line in ("---", *yaml_text(each).splitlines())]


def _in_a_pod(spec: ProcessSpec) -> ProcessSpec:
    env = dict(spec.env) | {"DMLC_PS_ROOT_PORT": PORT, "PUSHGRAD_KEYS": KEYS}
    del env["PUSHGRAD_LAUNCHED"]  # nobody tells the exit codes of others apart: they are those of processes alone
    del env["PUSHGRAD_GENERATION"]  # and nobody starts all of them again
    return replace(spec, env=env)


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise JobError if a setting is unknown, or its value not what Kubernetes would take."""
    check_pairs("--kubernetes", settings, SETTINGS)
    if "image" not in settings:
        raise JobError("--cluster kubernetes needs an image", remedy="--kubernetes image=registry/name:tag")
