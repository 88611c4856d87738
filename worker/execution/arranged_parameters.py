"""When kernels' forms of parameters are made: before each pass, unless the parameters stay as they are."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

from ..compute_threads import thread_count
from ..cpu.arranged import Arranged, Forms
from ..cpu.claims import Stretch
from ..profiling.spans import recorder
from .shared_forward import MOST_THREADS
from .table_walk import TableWalk


class ArrangedParameters:
    """Makes them on several threads, which share each of them out."""

    def __init__(self, inputs: Container[str], threads: int | None) -> None:
        """`inputs` are arguments that are no parameters; at most so many threads, by default all."""
        self.arranged = Arranged(inputs)
        self._threads = threads
        # With how many rows a walk was made for forms, and how many were walked since parameters stay.
        self._walks: dict[Forms, tuple[int, TableWalk]] = {}
        self._made: dict[Forms, int] | None = None

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Within, parameters do not change, so their forms are made once."""
        self._made = {}
        try:
            yield
        finally:
            self._made = None

    def make(self, *passes: Forms) -> None:
        """Make those of these passes, when whoever reads them has asked for them."""
        for forms in passes:
            count = len(forms.rows)
            if not count or (self._made is not None and self._made.get(forms) == count):
                continue
            if self._walks.get(forms, (0,))[0] != count:
                threads = min(self._threads or thread_count(), MOST_THREADS)
                stretch = Stretch([[] for _ in range(threads)], [[[row] for row in forms.rows]])
                self._walks[forms] = count, TableWalk([stretch], False)
            with recorder.span("arrange"):
                self._walks[forms][1].run()
            if self._made is not None:
                self._made[forms] = count
