"""The executor of the last predictions, kept for the next ones of the same shapes: binding is slow."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from .execution.executor_base import BaseExecutor
from .symbols.symbol import Symbol


class SpareExecutor:
    """At most one executor. Who takes it owns it until it is put back, so that threads do not share one.

    A copy (also by pickle) starts empty: an executor's arrays lie in each other's memory.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[Symbol, Hashable, BaseExecutor]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return SpareExecutor, ()

    def take(self, symbol: Symbol, form: Hashable) -> BaseExecutor | None:
        """The executor that was put back for this very symbol and `form`; None if there is no such."""
        try:
            kept, known, executor = self._kept.pop()
        except IndexError:
            return None
        return executor if kept is symbol and known == form else None

    def put_back(self, symbol: Symbol, form: Hashable, executor: BaseExecutor) -> None:
        """Keep `executor` instead of what was kept before."""
        self._kept[:] = [(symbol, form, executor)]
