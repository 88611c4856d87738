"""The way to a cluster's API that there is here."""

from __future__ import annotations

import contextlib
import shutil

from ...common.errors import JobError
from ...common.extras import install
from .kubectl import Kubectl
from .kubernetes_api import Api
from .kubernetes_client import Client


def connect() -> Api:
    """The official client if it is installed, else kubectl. Raises JobError without either, or a configuration."""
    with contextlib.suppress(ImportError):
        return Client()
    if shutil.which("kubectl") is not None:
        return Kubectl()
    raise JobError(
        "--cluster kubernetes: neither the package kubernetes nor kubectl is here",
        remedy=f"{install('kubernetes')}, or install kubectl; --dry-run prints what `kubectl create -f` takes, "
        "wherever it is",
    )
