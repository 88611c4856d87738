"""This process's place in the job: rank, collectives, and how it leaves. Outside of a job it is a job of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...common.checks import whole_number_in
from ...common.errors import ParameterError
from ...common.wire import PAYLOAD_BYTES


class Session:
    """A job of one worker without servers; `JobSession` is the place in a real one."""

    def __init__(self, rank: int = 0, num_workers: int = 1, is_distributed: bool = False) -> None:
        self.rank, self.num_workers, self.is_distributed = rank, num_workers, is_distributed
        self._fits = 0

    @property
    def local_size(self) -> int:
        """How many workers of the job share this host (LOCAL_WORLD_SIZE), 1 if unknown."""
        # Other launchers set it, too: nonsense counts as unknown.
        return whole_number_in(os.environ.get("LOCAL_WORLD_SIZE", ""), 1) or 1

    @property
    def is_lost(self) -> bool:
        """Whether the job has ended before its time, so that no other worker does its part any more."""
        return False

    def next_fit(self) -> int:
        """The ordinal of this fit or kv.create, from 1; the same on all ranks if they run the same script."""
        # Counted and not agreed on, so it costs no round trip; workers that run different scripts are found out by the
        # agreement that every distributed store begins with.
        self._fits += 1
        return self._fits

    def gather(self, payload: bytes, what: str = "gather") -> list[bytes]:
        """Every worker's `payload` in rank order. Blocks until all have called it; at most 64 MiB each.

        `what` says what for: up to the first colon all workers must say the same, what follows is for people.

        Raises ParameterError if the payload is longer, PeerLost if the job is lost, RemoteError `left` if a worker has
        left without taking part and `purpose` if one is in another collective, JobError if this process has left or
        is a fork of the worker.
        """
        if len(payload) > PAYLOAD_BYTES:
            raise ParameterError("gather: payload", expected=f"at most {PAYLOAD_BYTES} bytes", got=len(payload))
        return self._gather(bytes(payload), what[:200]) if self.is_distributed else [bytes(payload)]

    def barrier(self) -> None:
        """Wait until every worker is here. Errors as of `gather`."""
        self.gather(b"", "barrier")

    def progress(
        self,
        *,
        fit: int,
        epoch: int,
        step: int,
        samples_per_second: float,
        epochs: int = 0,
        steps: int = 0,
        seconds_left: float = 0.0,
        metric: Callable[[], str] = str,
        at_once: bool = False,
    ) -> None:
        """Tell the launcher how far we are. One-way and cheap; at most two lines a second get through, or if `at_once`.

        Of `epochs` and of `steps` in this one there are so many, and the training takes `seconds_left`; 0 if unknown.
        `metric` is called only for those lines, as on a GPU its value must be waited for. Outside of a job this does
        nothing.
        """

    def resumable(self, *, fit: int, epoch: int, batch: int, step: int) -> None:
        """Tell the launcher from where the job would go on if a process died; only rank 0 does.

        `batch` batches of epoch `epoch` (from 1), or `step` steps of the fit, are done. Outside of a job this does
        nothing.
        """

    def not_resumable(self, obstacle: str) -> None:
        """Tell the launcher why the job could not go on if a process died; otherwise as `resumable`."""

    def give_up(self, reason: str) -> None:
        """Tell the others that this worker ends before its time, which ends the job. Outside of one there are none."""

    @contextmanager
    def running(self, what: str) -> Iterator[None]:
        """While inside, leaving the process early is an error that names `what`. Outside of a job it is not one."""
        yield

    def close(self) -> None:
        """Leave the job in order, once everything that was pushed is with the servers; alone there is nothing to do."""

    def _gather(self, payload: bytes, what: str) -> list[bytes]:
        raise NotImplementedError
