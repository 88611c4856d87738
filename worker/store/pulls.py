"""Requests that fetch values: from a server's answer, or from memory shared with it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from ...common.codec import Message
from ...common.errors import RemoteError
from ...common.requests import Pull, Values
from ...common.wire import Frame
from ..array import Array
from ..profiling.spans import recorder
from .pushes import PushRequest
from .requests import Question, RangeQuestion, RangeRequest, Sender, Value, memory_of, put


@dataclass(eq=False, kw_only=True)
class PullRequest(RangeQuestion):
    """Version `n` of a range, or of its `part`, to be written to `array`.

    With `rows`, ids (int64, increasing, counted over the whole key), only those rows. `asked` is when the caller wanted
    it, in the recorder's seconds, while a profile is recorded.
    """

    part: Final[str] = "weight"
    rows: Final[Array | None] = None
    asked: Final[float | None] = None

    @property
    def nbytes(self) -> int:
        """Those of the row ids."""
        return 0 if self.rows is None else self.rows.nbytes

    def may_join(self, unanswered: Question) -> bool:
        """A pull may be sent behind its push: the server answers when the version is there."""
        return isinstance(unanswered, PushRequest)

    def alike(self) -> Hashable:
        """A message has one step and one part."""
        return (PullRequest, self.fit, self.n, self.part)

    def message(self, sender: Sender, together: Sequence[Self]) -> Message:
        """A `pull`, with a data frame for each range's row ids if it has them."""
        return Pull(
            **sender,
            fit=self.fit,
            n=self.n,
            part=self.part,
            tensors=tuple(item.tensor for item in together),
            frames=tuple(memory_of(item.rows) for item in together if item.rows is not None),
        )

    def answered_by(self, message: Message) -> bool:
        """`values` of the same step and part."""
        return isinstance(message, Values) and message.n == self.n and message.part == self.part

    def accept(self, message: Message, value: Value | None) -> bool:
        """Write the values to `array`. Values of another shape fail the flight, those of other rows are ignored."""
        assert value is not None
        tensor, ids, frame = value
        if tensor[:5] != self.tensor[:5]:  # all but the number of rows
            self.flight.fail(RemoteError("shape", f"server sent {tensor}, not {self.tensor}"))
            return False
        if not _same_rows(self.rows, ids):
            return False  # a second answer to an earlier pull, which was said twice: ours is still to come
        np.copyto(self.array, np.frombuffer(frame, np.dtype(tensor.dtype).newbyteorder("<")))
        _note(tensor.key, self.asked)
        return True


@dataclass(eq=False, kw_only=True)
class CopyRequest(RangeRequest):
    """In place of a pull, of keys in shared memory: copies from `source`, where the server has written the value.

    It waits as a push would: when the push before it is acknowledged, that push is part of the value.
    """

    source: Final[Array]
    asked: Final[float | None] = None

    def begin(self) -> None:
        """Copy, unless the value is wanted where it lies, and land."""
        put(self.source, self.array)
        _note(self.tensor.key, self.asked)
        self.flight.land()


def _same_rows(rows: Array | None, ids: Frame | None) -> bool:
    if rows is None or ids is None:
        return rows is None and ids is None
    return np.array_equal(rows, np.frombuffer(ids, "<i8"))


def _note(key: str, asked: float | None) -> None:
    if asked is not None:
        recorder.note(key, "", "pull", asked)
