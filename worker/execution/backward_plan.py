"""Which gradients backward computes, in which order they are written, and when an argument's gradient is final.

Only the graph is looked at here, no array: the slices of a batch, and the nodes that need the whole batch, all follow
the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..graphs.node import Entry, Node

Write = tuple[Entry, bool]  # the entry whose gradient is written, and whether it is added to what is already there


@dataclass
class PlannedCall:
    """One group's backward. `reads`: gradients of its outputs, None where nobody wrote one; `writes`: one per input."""

    reads: list[Entry | None]
    writes: list[Write | None]
    finished: list[str] = field(default_factory=list)  # arguments whose gradient is final after this call


class BackwardPlan:
    """The plan for `groups` (in the order of forward), given which variables want a gradient.

    `calls` has one item per group, None where nothing is to be done. `heads` has one per output: where the caller's
    gradient of it goes, if anywhere. `untouched` names the arguments whose gradient no call writes: it stays zero,
    or is what the caller gives for an output that is the argument itself.
    """

    def __init__(self, groups: Sequence[list[Node]], heads: Sequence[Entry], arguments: Mapping[Entry, str]) -> None:
        # `_write` answers from what has been planned before: the first writer of a gradient overwrites the memory, all
        # later ones add to it. So planning has to go through everything in the order in which it will run: the
        # gradients of the heads first, then the groups from last to first.
        self._written: set[Entry] = set()
        self._needed = _reached(groups, arguments)
        self.heads = [self._write(entry) for entry in heads]
        planned = [self._plan(group) for group in reversed(groups)]
        self.calls: list[PlannedCall | None] = planned[::-1]
        # `planned` is in the order of execution and later items win, so this finds the last call that writes a
        # gradient: only then has every reader of the argument added its part.
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
        first, last = group[0], group[-1]  # values between the nodes of a group are never seen outside their kernel
        assert last.op is not None
        outputs: list[Entry] = [(last, index) for index in range(len(last.op.outputs()))]
        # The outputs are looked at as well as the inputs, because an operator such as BlockGrad stops gradients.
        if not any(e in self._needed for e in outputs) or not any(e in self._needed for e in first.inputs):
            return None
        if not last.op.is_loss and not any(entry in self._written for entry in outputs):
            return None  # no gradient arrives: whatever reads the outputs leads to no head, or stops gradients
        reads = [entry if entry in self._written else None for entry in outputs]
        return PlannedCall(reads, [self._write(entry) for entry in first.inputs])

    def _write(self, entry: Entry) -> Write | None:
        if entry not in self._needed:
            return None
        adds = entry in self._written
        self._written.add(entry)
        return entry, adds


def _reached(groups: Sequence[list[Node]], arguments: Mapping[Entry, str]) -> set[Entry]:
    """The entries whose gradient is needed: arguments that want one, and what is computed from such entries."""
    needed = set(arguments)
    for group in groups:  # in the order of forward, so that one pass is enough
        op = group[-1].op
        if op is None or op.blocks_gradient:
            continue
        if any(entry in needed for entry in group[0].inputs):
            needed.update((group[-1], index) for index in range(len(op.outputs())))
    return needed
