"""A loop in the making, in LLVM's language."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .values import INT


class CountedLoop:
    """A loop over 0, 1, ... below a count of at least 1, which carries values from pass to pass."""

    def __init__(self, build: ir.IRBuilder, count: Any) -> None:
        self.build, self.count = build, count

    def begin(self, values: list[Any]) -> None:
        """What follows is done in each pass, first with these values; afterwards `carried` has those of the pass."""
        build, before = self.build, self.build.block
        self.body = build.append_basic_block("loop")
        build.branch(self.body)
        build.position_at_end(self.body)
        self.index = build.phi(INT)
        self.index.add_incoming(INT(0), before)
        self.carried = [build.phi(value.type) for value in values]
        for phi, value in zip(self.carried, values, strict=True):
            phi.add_incoming(value, before)

    def end(self, values: list[Any]) -> None:
        """The next pass has these values; behind the last one, they are in `carried_out`."""
        build = self.build
        following = build.add(self.index, INT(1))
        for phi, value in zip([self.index, *self.carried], [following, *values], strict=True):
            phi.add_incoming(value, build.block)
        after = build.append_basic_block("done")
        build.cbranch(build.icmp_signed("<", following, self.count), self.body, after)
        build.position_at_end(after)
        self.carried_out = values
