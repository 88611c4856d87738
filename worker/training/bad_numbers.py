"""Leaving out steps whose gradients are NaN or infinite, or stopping at them, as nan_policy.py's policies say."""

from __future__ import annotations

from ..log import note
from ..store.session import Session
from .model import Model


class Stopped(Exception):
    """The training is to stop, and all workers know it; the model's `num_update` counts the steps that it keeps."""


class BadSteps:
    """Of one fit: says which steps are left out, and counts them in the model's `skipped_steps`; or stops the fit."""

    def __init__(self, policy: str, model: Model, session: Session) -> None:
        self.policy, self._model, self._session = policy, model, session
        self._first = model.num_update

    @property
    def leaves_out(self) -> bool:
        """Whether a step that has a bad gradient must change nothing."""
        return self.policy in ("skip", "stop")

    def found(self, key: str, what: str, rank: int = 0) -> None:
        """The step under way, of number `num_update` from 0, is left out: the gradient of `key` has `what` on `rank`.

        Every worker calls it alike. Raises Stopped if the fit is to end.
        """
        worker = f"worker {rank}: " if self._session.num_workers > 1 else ""
        text = f"{worker}the gradient of key {key!r} at step {self._model.num_update - self._first + 1} has {what}"
        if self.policy == "stop":
            self._say(f"the training stops, with the model as before this step: {text}")
            raise Stopped
        self._model.skipped_steps += 1
        count = self._model.skipped_steps
        if count & (count - 1) == 0:  # 1, 2, 4, 8: a training in which nothing else happens must not fill the disk
            self._say(f"step left out ({count} so far): {text}")

    def _say(self, text: str) -> None:
        if self._session.rank == 0:
            note(text)
