"""What has been created for a job, and removing it: it, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from ...common.errors import JobError
from .kubernetes_api import Api, Refused
from .kubernetes_manifests import INSTANCE, Manifest

CHECKED = "?fieldValidation=Strict"  # as kubectl has it: what the API does not know is an error
WITH_ALL = "?propagationPolicy=Background"  # the pods of a Job, too


class Objects:
    """The objects that this job has created in a namespace, in that order."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self.namespace = api, namespace
        self._made: list[Manifest] = []

    def create(self, manifests: Iterable[Manifest]) -> None:
        """Create all, or none. Raises Refused or Unreachable."""
        try:
            for manifest in manifests:
                self._create(manifest)
        except BaseException:
            with contextlib.suppress(JobError):  # which would hide the other
                self.delete()
            raise

    def _create(self, manifest: Manifest) -> None:
        self._made.append(manifest)  # before it is known: it may have come into being if the answer is lost
        try:
            self._api.send("POST", self.path(manifest) + CHECKED, manifest)
        except Refused as error:
            self._made.remove(manifest)
            error.locate(f"{manifest['kind']} {manifest['metadata']['name']}")
            if error.reason == "NotFound" and manifest["kind"] == "JobSet":
                error.remedy = "--no-jobset is for clusters in which JobSet is not installed"
            raise

    def delete(self) -> None:
        """Remove all, the last first. Raises Refused or Unreachable; what is gone already is no error."""
        for manifest in reversed(self._made):
            try:
                self._api.send("DELETE", f"{self.path(manifest)}/{manifest['metadata']['name']}{WITH_ALL}")
            except Refused as error:
                if error.reason != "NotFound":
                    raise
        self._made.clear()

    def path(self, manifest: Manifest) -> str:
        """Where objects of its kind are."""
        return path(self.namespace, manifest["apiVersion"], f"{manifest['kind'].lower()}s")


def path(namespace: str, version: str, plural: str) -> str:
    """Where objects are: `v1` is the only version without a group."""
    root = "api" if "/" not in version else "apis"
    return f"/{root}/{version}/namespaces/{namespace}/{plural}"


def deletion(name: str, namespace: Sequence[str], jobset: bool) -> str:
    """The command that removes what is left of a job."""
    kinds = "jobsets,services,secrets,jobs" if jobset else "services,secrets,jobs"
    return " ".join(["kubectl delete", kinds, f"--selector {INSTANCE}={name}", *namespace])
