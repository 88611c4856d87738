"""How the batch of a graph may be cut into slices: what follows the batch, and which nodes couple its rows.

Only shapes are looked at here. Which entries follow the batch is found out by inferring shapes for fewer rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from ...common.errors import GraphError, ShapeError
from ..array import Rows, Shape
from ..graphs.graph import Graph
from ..graphs.node import Entry, Node, has_computed_label


class BatchCuts:
    """Answers for one graph with known shapes; `rows` is the number of examples in its batch."""

    def __init__(
        self,
        symbol: Graph,
        shapes: Mapping[Entry, Shape],
        inputs: Mapping[str, Shape],
        wanted: Collection[str],
    ) -> None:
        """`shapes`: of every entry for the whole batch; `inputs`: of the arguments whose axis 0 is the batch, none if
        nobody has said which these are; `wanted`: the arguments that want a gradient.
        """
        self._symbol, self._shapes, self._inputs, self._wanted = symbol, shapes, inputs, wanted
        sized = list(inputs.values()) or [shapes[entry] for entry in symbol.heads]
        self.rows = sized[0][0] if sized and sized[0] else 1
        self._found: dict[int, dict[Entry, Shape]] = {}  # by the number of rows

    def slice_shapes(self, rows: Rows) -> dict[Entry, Shape]:
        """The shapes of every entry when only those rows of the inputs are computed.

        Raises GraphError or ShapeError if the graph fixes the number of rows, in a Reshape for example.
        """
        length = rows[1] - rows[0]
        if length not in self._found:
            inputs = {name: (length, *shape[1:]) for name, shape in self._inputs.items()}
            self._found[length] = self._symbol.infer_all(**inputs)
        return self._found[length]

    def batched(self) -> set[str]:
        """The arguments whose axis 0 follows the batch; none for a batch of one row. Errors: see `slice_shapes`."""
        cut = {entry[0].name for entry in self._one_row if entry[0].op is None and self.follows_batch(entry)}
        return cut & set(self._symbol.list_arguments()) if self.rows > 1 else set()  # no auxiliary states

    def follows_batch(self, entry: Entry) -> bool:
        """Whether axis 0 of that entry is the batch; to be asked only if the batch is `separable`, of several rows."""
        return self._one_row[entry] != self._shapes[entry]

    def separable(self, slices: Sequence[Rows]) -> bool:
        """Whether these slices of the batch can be computed apart, meeting at most at nodes that couple rows."""
        # With fewer rows every entry has to change in axis 0 alone or not at all. A node that moves rows into another
        # axis is detected this way.
        if any(shape[:1] != (self.rows,) for shape in self._inputs.values()):
            return False
        try:
            if not all(self._follows(rows) for rows in slices if rows[0] < rows[1]):
                return False
            self.batched()  # which infers the shapes for a batch of one row: that must be possible, too
        except (GraphError, ShapeError):
            return False  # the graph does not allow fewer rows: it names them, or their number
        return not self.couplers() or self._can_meet()

    def couplers(self) -> set[Node]:
        """The nodes that need the whole batch."""
        return {node for node in self._symbol.nodes() if node.op is not None and _couples(node, self._shapes)}

    def learned_whole(self) -> set[str]:
        """The arguments that want a gradient and are read only by nodes that need the whole batch.

        That gradient is computed once, on the whole batch, and is no sum over slices.
        """
        couplers = self.couplers()
        readers = [node for node in self._symbol.nodes() if node.op is not None]
        read = {entry[0].name for node in readers if node in couplers for entry in node.inputs if entry[0].op is None}
        apart = {entry[0].name for node in readers if node not in couplers for entry in node.inputs}
        return {name for name in read - apart if name in self._wanted}

    @cached_property
    def _one_row(self) -> dict[Entry, Shape]:
        return self.slice_shapes((0, 1))

    def _follows(self, rows: Rows) -> bool:
        """Whether those rows alone change no shape except in axis 0, and every head has one row per example."""
        first, last = rows
        cut = self.slice_shapes(rows)
        whole = ((self._shapes[entry], shape) for entry, shape in cut.items())
        if any(a != b and (a[:1] != (self.rows,) or b != (last - first, *a[1:])) for a, b in whole):
            return False
        # The whole counts as well: a head that does not follow the batch may happen to be as long as the slice.
        heads = self._symbol.heads
        return all(self._shapes[e][:1] == (self.rows,) and cut[e][:1] == (last - first,) for e in heads)

    def _can_meet(self) -> bool:
        """Whether the slices can meet at the nodes that need the whole batch.

        Whatever these nodes read and write must either follow the batch or be a variable; and a variable that wants a
        gradient must be read by such nodes only, and not follow the batch.
        """
        # Were such a variable also read within slices, its gradient would be partly a sum over slices, partly not.
        couplers, batched = self.couplers(), self.batched()
        computed = {entry for node in couplers for entry in node.arguments() if entry[0].op is not None}
        computed |= {(node, index) for node in couplers if node.op for index in range(len(node.op.outputs()))}
        given = {entry[0].name for node in couplers for entry in node.inputs if entry[0].op is None}
        wanted = given & set(self._wanted)
        return all(self.follows_batch(entry) for entry in computed) and wanted <= self.learned_whole() - batched


def _couples(node: Node, shapes: Mapping[Entry, Shape]) -> bool:
    """Whether the node needs the whole batch at once, with these shapes."""
    assert node.op is not None
    # A label that is an argument can be counted before the step. One that the graph computes is whole only after all
    # slices have computed their rows of it. Nor may slices update an auxiliary state one after the other.
    in_shapes = [shapes[entry] for entry in node.arguments()]
    return node.op.couples_rows(in_shapes) or bool(node.auxiliaries()) or has_computed_label(node)
