"""What Kubernetes is to create for a job, as dicts: pure, from the plan."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..config import is_secret

if TYPE_CHECKING:
    from ..job import Job
    from ..process_plan import Plan, ProcessSpec

KEYS = "/var/run/pushgrad/keys"
SECRET_NAMES = ("client.key_secret", "server.key_secret")  # what processes need of the job's keys
SECRET = "/var/run/secrets/pushgrad"
INSTANCE, COMPONENT = "app.kubernetes.io/instance", "app.kubernetes.io/component"  # labels: the job, and the role
USER = "10001"  # of our Dockerfile
ROLES = ("scheduler", "server", "worker")
# Variables whose value is the rank, which is the pod's index: one template makes all pods of a role.
RANKS = ("DMLC_SERVER_ID", "DMLC_WORKER_ID", "RANK")
INDEX = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
ADDRESS = {"fieldRef": {"fieldPath": "status.podIP"}}
# A Secret's files can be read by the pod's group, and ours must be closed to all others: they are copied. A name is
# unknown until its pod has an address, and may be remembered as unknown: it is asked for until it is not.
PREPARE = f'umask 077; mkdir -p {KEYS}; cp {SECRET}/* {KEYS}; until getent hosts "$0" > /dev/null; do sleep 1; done'

Manifest = dict[str, Any]


def manifests(job: Job, plan: Plan) -> list[Manifest]:
    """A JobSet, or a headless Service and a Job for each role."""
    found = {role: [spec for spec in plan.specs if spec.role == role] for role in ROLES}
    jobs = {role: _job_spec(job, specs) for role, specs in found.items()}
    if job.no_jobset:
        service = _object(job, "v1", "Service", job.kubernetes["name"], _service(job))
        return [service, *(_object(job, "batch/v1", "Job", _job_name(job, role), spec) for role, spec in jobs.items())]
    replicated = [{"name": role, "replicas": 1, "template": _template(job, spec)} for role, spec in jobs.items()]
    network = {"enableDNSHostnames": True, "publishNotReadyAddresses": True}
    spec = {"network": network, "failurePolicy": {"maxRestarts": 0}, "replicatedJobs": replicated}
    return [_object(job, "jobset.x-k8s.io/v1alpha2", "JobSet", job.kubernetes["name"], spec)]


def _template(job: Job, spec: Manifest) -> Manifest:
    return {"metadata": {"labels": _labels(job)}, "spec": spec}


def secret(job: Job, keys: Mapping[str, bytes]) -> Manifest:
    """The Secret with the job's keys, by file, and those variables of --env that are not to be shown."""
    hidden = {name: value.encode() for name, value in job.env.items() if is_secret(name)}
    data = {name: base64.b64encode(value).decode() for name, value in {**keys, **hidden}.items()}
    made = _object(job, "v1", "Secret", job.kubernetes["name"], {})
    del made["spec"]
    return {**made, "type": "Opaque", "data": data}


def pod_host(job: Job, role: str) -> str:
    """The name at which others find the first pod of a role."""
    # A JobSet numbers its Jobs as well.
    return f"{_job_name(job, role)}-0{'' if job.no_jobset else '-0'}.{job.kubernetes['name']}"


def _job_name(job: Job, role: str) -> str:
    return f"{job.kubernetes['name']}-{role}"


def _labels(job: Job) -> dict[str, str]:
    return {"app.kubernetes.io/name": "pushgrad", INSTANCE: job.kubernetes["name"]}


def _object(job: Job, version: str, kind: str, name: str, spec: Manifest) -> Manifest:
    labels = _labels(job)
    if "queue" in job.kubernetes and kind in ("Job", "JobSet"):
        labels["kueue.x-k8s.io/queue-name"] = job.kubernetes["queue"]
    metadata = {"name": name, "labels": labels}
    if "namespace" in job.kubernetes:
        metadata["namespace"] = job.kubernetes["namespace"]
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _service(job: Job) -> Manifest:
    # Not only of ready pods: they become ready by finding each other.
    return {"clusterIP": "None", "selector": _labels(job), "publishNotReadyAddresses": True}


def _job_spec(job: Job, specs: Sequence[ProcessSpec]) -> Manifest:
    limit = {} if job.timeout is None else {"activeDeadlineSeconds": math.ceil(job.timeout)}
    return {
        "completionMode": "Indexed",
        "completions": len(specs),
        "parallelism": len(specs),
        "backoffLimit": 0,  # the job has ended for all if it has for one
        "podReplacementPolicy": "Failed",
        **limit,
        "template": {
            "metadata": {"labels": {**_labels(job), COMPONENT: specs[0].role}},
            "spec": _pod(job, specs[0]),
        },
    }


def _pod(job: Job, spec: ProcessSpec) -> Manifest:
    user = int(job.kubernetes.get("user", USER))
    return {
        **({"subdomain": job.kubernetes["name"]} if job.no_jobset else {}),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": math.ceil(job.grace_period),
        # The script is not process 1 of the pod then, which would not hear SIGTERM.
        "shareProcessNamespace": True,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_prepare(job, spec)],
        "containers": [_process(job, spec)],
        "volumes": [
            {"name": "secret", "secret": {"secretName": job.kubernetes["name"], "items": _key_files()}},
            {"name": "keys", "emptyDir": {"medium": "Memory"}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
        ],
    }


def _key_files() -> list[Manifest]:
    return [{"key": name, "path": name} for name in SECRET_NAMES]


def _container(job: Job, name: str, command: Sequence[str], mounts: Mapping[str, str]) -> Manifest:
    return {
        "name": name,
        "image": job.kubernetes["image"],
        "command": [_literally(word) for word in command],
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _prepare(job: Job, spec: ProcessSpec) -> Manifest:
    # The scheduler has the address at which it is found: nobody else will tell it.
    awaited = "localhost" if spec.role == "scheduler" else pod_host(job, "scheduler")
    mounts = {"secret": SECRET, "keys": KEYS.rpartition("/")[0]}
    return _container(job, "prepare", ["sh", "-ec", PREPARE, awaited], mounts)


def _process(job: Job, spec: ProcessSpec) -> Manifest:
    made = _container(job, spec.role, spec.argv, {"keys": KEYS.rpartition("/")[0], "shm": "/dev/shm"})
    if str(job.workdir) != ".":
        made["workingDir"] = str(job.workdir)
    made["env"] = _env(job, spec)
    if resources := _resources(job, spec.role):
        made["resources"] = resources
    return made


def _env(job: Job, spec: ProcessSpec) -> list[Manifest]:
    """The variables; the rank is the pod's index, and the addresses at which servers and scheduler listen its own."""
    env: dict[str, Manifest] = {name: {"value": _literally(value)} for name, value in spec.env.items()}
    for name in env:
        if is_secret(name):
            env[name] = {"valueFrom": {"secretKeyRef": {"name": job.kubernetes["name"], "key": name}}}
        elif name in RANKS:
            env[name] = {"valueFrom": INDEX}
    if spec.role == "scheduler":
        env["DMLC_PS_ROOT_URI"] = {"valueFrom": ADDRESS}
    if spec.role == "server":
        env["DMLC_NODE_HOST"] = {"valueFrom": ADDRESS}
    return [{"name": name, **value} for name, value in env.items()]


def _literally(text: str) -> str:
    """Kubernetes would put a variable's value in the place of `$(NAME)`."""
    return text.replace("$(", "$$(")


def _resources(job: Job, role: str) -> Manifest:
    """What is asked for; memory and GPUs are limits as well."""
    asked = {name: job.kubernetes[name] for name in ("cpu", "memory") if name in job.kubernetes}
    limits = {name: value for name, value in asked.items() if name == "memory"}
    if role == "worker" and "gpus" in job.kubernetes:
        limits["nvidia.com/gpu"] = job.kubernetes["gpus"]
    found = {"requests": asked, "limits": limits}
    return {name: value for name, value in found.items() if value}
