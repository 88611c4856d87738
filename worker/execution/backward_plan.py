"""Which gradients backward computes, in which order they are written, and when an argument's is final.

Only the graph is looked at here, no array: slices of a batch and nodes that see all of it follow one plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..graphs.node import Entry, Node

Write = tuple[Entry, bool]  # the entry whose gradient is written, and whether it comes on top of what is there


@dataclass
class PlannedCall:
    """One group's backward. `reads`: gradients of its outputs, None where nobody wrote one; `writes`: one per input."""

    reads: list[Entry | None]
    writes: list[Write | None]
    finished: list[str] = field(default_factory=list)  # arguments whose gradient is final after this call


class BackwardPlan:
    """The plan for `groups` (in the order of forward), given which variables want a gradient.

    `calls` lies beside `groups`, None where nothing is to be done. `heads` says where the gradients of the outputs go,
    and `untouched` names arguments that no output depends on.
    """

    def __init__(self, groups: Sequence[list[Node]], heads: Sequence[Entry], arguments: Mapping[Entry, str]) -> None:
        self._written: set[Entry] = set()
        self._needed = _reached(groups, arguments)
        self.heads = [self._write(entry) for entry in heads]
        planned = [self._plan(group) for group in reversed(groups)]
        self.calls: list[PlannedCall | None] = planned[::-1]
        last_use = {
            arguments[write[0]]: call
            for call in planned
            if call
            for write in call.writes
            if write is not None and write[0] in arguments
        }
        for name, call in last_use.items():
            call.finished.append(name)
        self.untouched = [name for name in arguments.values() if name not in last_use]

    def _plan(self, group: list[Node]) -> PlannedCall | None:
        first, last = group[0], group[-1]
        assert last.op is not None
        outputs: list[Entry] = [(last, index) for index in range(len(last.op.outputs()))]
        if not any(e in self._needed for e in outputs) or not any(e in self._needed for e in first.inputs):
            return None
        if not last.op.is_loss and not any(entry in self._written for entry in outputs):
            return None  # nothing downstream asks for a gradient: a branch without a head behind it
        reads = [entry if entry in self._written else None for entry in outputs]
        return PlannedCall(reads, [self._write(entry) for entry in first.inputs])

    def _write(self, entry: Entry) -> Write | None:
        if entry not in self._needed:
            return None
        adds = entry in self._written
        self._written.add(entry)
        return entry, adds


def _reached(groups: Sequence[list[Node]], arguments: Mapping[Entry, str]) -> set[Entry]:
    """Entries through which a gradient flows: those computed from an argument that wants one."""
    needed = set(arguments)
    for group in groups:
        op = group[-1].op
        if op is None or op.blocks_gradient:
            continue
        if any(entry in needed for entry in group[0].inputs):
            needed.update((group[-1], index) for index in range(len(op.outputs())))
    return needed
