"""What the API says of a job's pods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...common.errors import EXIT_FAILURE
from ..process_plan import PREFIXES
from .kubernetes_manifests import COMPONENT

# Reasons for which a pod waits that pass only if somebody does something about them.
STUCK = {
    *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
}
INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Pod:
    """What is known of a pod. `code` is the exit code of its process, None while it runs; `ended` when that was.

    `why` is the API's reason for its state, with the message that goes with it: OOMKilled, Evicted, ErrImagePull.
    """

    name: str
    process: str
    role: str
    started: bool
    code: int | None
    ended: str
    why: str

    @property
    def stuck(self) -> bool:
        """Whether it cannot begin, as things are."""
        return self.why.partition(":")[0] in STUCK

    @staticmethod
    def of(item: dict[str, Any]) -> Pod:
        """From the JSON of a pod."""
        metadata, status = item["metadata"], item.get("status", {})
        role = metadata["labels"][COMPONENT]
        rank = "" if role == "scheduler" else metadata.get("annotations", {}).get(INDEX, "")
        state = _state(status)
        over = state.get("terminated")
        failed = status.get("phase") == "Failed"
        own = _first(each.get("state", {}) for each in status.get("containerStatuses", []) if each["name"] == role)
        return Pod(
            name=metadata["name"],
            process=PREFIXES[role] + rank,
            role=role,
            started="running" in own or "terminated" in own,
            code=_code(own.get("terminated"), over, failed),
            ended=(over or {}).get("finishedAt") or "",
            why=_why(status, state),
        )


def _state(status: dict[str, Any]) -> dict[str, Any]:
    """The state of the container that the pod waits for, or has failed by, or else of the last."""
    found: list[dict[str, Any]] = [
        each.get("state", {})
        for each in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", []))
    ]
    for state in found:
        if "waiting" in state or state.get("terminated", {}).get("exitCode"):
            return state
    return found[-1] if found else {}


def _code(own: dict[str, Any] | None, over: dict[str, Any] | None, failed: bool) -> int | None:
    """The exit code of the pod's process, or of what has kept it from beginning."""
    if own is not None and (own["exitCode"] or not failed):
        return int(own["exitCode"])
    if not failed:
        return None
    return int((over or {}).get("exitCode") or EXIT_FAILURE)


def _why(status: dict[str, Any], state: dict[str, Any]) -> str:
    """The reason and message that say most: the pod's own (it was evicted), its container's, a place that it lacks."""
    nowhere = _first(each for each in status.get("conditions", []) if each.get("reason") == "Unschedulable")
    for source in (status, state.get("terminated", {}), state.get("waiting", {}), nowhere):
        if reason := source.get("reason"):
            return ": ".join(filter(None, [reason, source.get("message", "").strip()]))
    return str(status.get("phase", ""))


def _first(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return next(iter(found), {})
