"""Requests by Kubernetes' official client: its configuration, log-ins and connections."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ...common.errors import JobError
from .kubernetes_api import PIECE, SERVICE_ACCOUNT, Unreachable, refusal

CONNECTIONS = 1024  # kept open at a time: one for each pod's output
CONNECT, READ = 10.0, 60.0  # seconds


class Client:
    """As KUBECONFIG says, or within a pod as its service account says.

    The connections are used below the client's typed methods, which change with its versions: what is sent and read
    here is the API's JSON.
    """

    name = "the package kubernetes"

    def __init__(self) -> None:
        from kubernetes import client, config

        settings = client.Configuration()
        settings.connection_pool_maxsize = CONNECTIONS
        try:
            self._namespace = _configure(settings)
        except config.ConfigException as error:
            raise JobError(
                f"--cluster kubernetes: {error}".rstrip("."), remedy="KUBECONFIG names a cluster's configuration"
            ) from None
        self._settings = settings
        self._pool = client.ApiClient(settings).rest_client.pool_manager

    def namespace(self) -> str:
        """That of the current context, or of the pod in which this runs."""
        return self._namespace

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """The answer. Raises Refused or Unreachable."""
        text = None if body is None else json.dumps(body)
        return b"".join(self._answer(method, path, READ, text))

    def stream(self, path: str) -> Iterator[bytes]:
        """The answer as it comes. Raises Refused or Unreachable."""
        return self._answer("GET", path, patience=None)

    def close(self) -> None:
        """Leave the connections."""
        self._pool.clear()

    def _answer(self, method: str, path: str, patience: float | None, body: str | None = None) -> Iterator[bytes]:
        import urllib3

        headers = {"Accept": "application/json, */*", "Content-Type": "application/json"}
        # Asked for each time: a token may have been renewed.
        headers |= {each["key"]: each["value"] for each in self._settings.auth_settings().values()}
        how = {"headers": headers, "timeout": urllib3.Timeout(connect=CONNECT, read=patience), "body": body}
        try:
            answer = self._pool.request(method, self._settings.host + path, preload_content=False, **how)
            try:
                if answer.status >= 400:
                    raise refusal(answer.status, answer.read())
                yield from answer.stream(PIECE)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"Kubernetes does not answer: {error}") from None


def _configure(settings: Any) -> str:
    """Fill in the settings, and return the namespace that goes with them."""
    from kubernetes import config

    file = os.environ.get("KUBECONFIG")
    try:
        config.load_kube_config(file, client_configuration=settings)
    except config.ConfigException:
        if not SERVICE_ACCOUNT.exists():
            raise
        config.load_incluster_config(client_configuration=settings)
        return SERVICE_ACCOUNT.read_text().strip()
    namespace: str = config.list_kube_config_contexts(file)[1]["context"].get("namespace", "default")
    return namespace
