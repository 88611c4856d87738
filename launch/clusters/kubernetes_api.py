"""Kubernetes' API as the following of a job needs it, whoever carries the requests: the official client, or kubectl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ...common.errors import JobError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")  # the namespace of a pod
PIECE = 65536  # bytes of an answer that are read at once
# Reasons of the API's Status, for those who only see the code of an answer.
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "AlreadyExists",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
# What passes: the same may be asked again.
PASSING = {"TooManyRequests", "InternalError", "ServiceUnavailable", "Timeout", "ServerTimeout", "Expired"}
REMEDIES = {
    "Unauthorized": "Log in to the cluster anew",
    "Forbidden": "The account needs create and delete on secrets, and on jobsets, or on services and jobs; list and "
    "watch on pods; list on jobs; get on pods/log",
    "AlreadyExists": "`--kubernetes name=...` gives this job another name",
}


class Refused(JobError):
    """The API has said no. `reason` is that of its Status, such as Forbidden."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"Kubernetes: {reason}: {message}", remedy=REMEDIES.get(reason))
        self.reason = reason


class Unreachable(JobError):
    """Nobody answers, or the connection has broken off, or the API asks for patience."""


class Api(Protocol):
    """Requests to a cluster, as the user who is configured there."""

    name: str  # of what carries them

    def namespace(self) -> str:
        """The namespace of those who name none."""
        ...

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """The answer to GET, POST or DELETE. Raises Refused or Unreachable."""
        ...

    def stream(self, path: str) -> Iterator[bytes]:
        """The answer in pieces as they come, for as long as it goes on. Raises Refused or Unreachable."""
        ...

    def close(self) -> None:
        """End all streams."""
        ...


def refusal(code: int, body: bytes) -> JobError:
    """The error that an answer with such a code is. Its body is a Status, or the text of something in between."""
    text = body.decode("utf-8", "replace").strip()
    try:
        status = json.loads(text)
        reason, message = status.get("reason") or REASONS.get(code, str(code)), status["message"]
    except (ValueError, KeyError, AttributeError):
        reason, message = REASONS.get(code, str(code)), text
    return told(reason, message)


def told(reason: str, message: str) -> JobError:
    """The error for a reason of the API's."""
    if reason in PASSING:
        return Unreachable(f"Kubernetes: {reason}: {message}")
    return Refused(reason, message)
