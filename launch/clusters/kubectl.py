"""Requests by kubectl: `--raw` has it carry what others have written, as the user whom it knows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ...common.errors import JobError
from .kubernetes_api import PIECE, SERVICE_ACCOUNT, Unreachable, told

VERBS = {"GET": "get", "POST": "create", "DELETE": "delete"}
SAID = re.compile(r"Error from server \((?P<reason>\w+)\): (?P<message>.*)", re.DOTALL)
INVALID = re.compile(r"The .* is invalid.*", re.DOTALL)
LOGIN = re.compile(r"(?P<message>You must be logged in to the server) \((?P<reason>Unauthorized)\)")


class Kubectl:
    """One kubectl for each request, in a session of its own: Ctrl-C is for us alone."""

    name = "kubectl"

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def namespace(self) -> str:
        """That of the current context, or of the pod in which this runs."""
        asked = ["kubectl", "config", "view", "--minify", "--output=jsonpath={..namespace}"]
        said = subprocess.run(asked, capture_output=True, text=True)
        if said.returncode and SERVICE_ACCOUNT.exists():
            return SERVICE_ACCOUNT.read_text().strip()
        return said.stdout.strip() or "default"

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """The answer. Raises Refused or Unreachable."""
        with self._started(VERBS[method], path, "--request-timeout=60s", body=body is not None) as asked:
            answer, errors = asked.communicate(None if body is None else json.dumps(body).encode())
        if asked.returncode:
            raise _error(errors)
        return answer

    def stream(self, path: str) -> Iterator[bytes]:
        """The answer as it comes. Raises Refused or Unreachable."""
        with self._started("get", path) as asked:
            assert asked.stdout is not None and asked.stderr is not None
            self._running.add(asked)
            try:
                yield from iter(partial(os.read, asked.stdout.fileno(), PIECE), b"")
                if asked.wait():
                    raise _error(asked.stderr.read())
            finally:
                asked.kill()
                self._running.discard(asked)

    def close(self) -> None:
        """End all streams."""
        for asked in list(self._running):
            asked.kill()

    def _started(self, verb: str, path: str, *options: str, body: bool = False) -> subprocess.Popen[bytes]:
        argv = ["kubectl", verb, "--raw", path, *options, *(["-f", "-"] if body else [])]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            argv, stdin=pipe if body else subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )


def _error(errors: bytes) -> JobError:
    text = errors.decode("utf-8", "replace").strip()
    if found := SAID.search(text) or LOGIN.search(text):
        return told(found["reason"], found["message"])
    if found := INVALID.search(text):
        return told("Invalid", found[0])
    return Unreachable(f"kubectl: {text}")
