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
        return self._axes[entry] == 0

    def separable(self, slices: Sequence[Rows]) -> bool:
        """Whether these slices of the batch can be computed apart, meeting at most at nodes that couple rows."""
        # With fewer rows every entry has to change in one axis alone or not at all. A node that merges rows and another
        # axis is detected this way.
        if any(shape[:1] != (self.rows,) for shape in self._inputs.values()):
            return False
        try:
            self.batched()  # which infers the shapes for a batch of one row: that must be possible, too
            if not all(self._follows(rows) for rows in slices if rows[0] < rows[1]):
                return False
        except (GraphError, ShapeError):
            return False  # the graph does not allow fewer rows: it names them, or their number
        return not self.couplers or self._can_meet()

    @cached_property
    def couplers(self) -> set[Node]:
        """The nodes that need the whole batch."""
        return {node for node in self._computed if self._couples(node, node in self.moving)}

    @cached_property
    def moving(self) -> set[Node]:
        """The nodes that read or write something of which the batch is another axis than the first."""
        return {node for node in self._computed if any(self._axes.get(entry) for entry in _around(node))}

    def learned_whole(self) -> set[str]:
        """The arguments that want a gradient and are read only by nodes that need the whole batch.

        That gradient is computed once, on the whole batch, and is no sum over slices.
        """
        couplers = self.couplers
        read = {entry[0].name for node in couplers for entry in node.inputs if entry[0].op is None}
        apart = {entry[0].name for node in self._computed if node not in couplers for entry in node.inputs}
        return {name for name in read - apart if name in self._wanted}

    @cached_property
    def _one_row(self) -> dict[Entry, Shape]:
        return self.slice_shapes((0, 1))

    @cached_property
    def _axes(self) -> dict[Entry, int | None]:
        """Which axis of each entry is the batch; nothing where the graph does not allow one row."""
        try:
            one_row = self._one_row
        except (GraphError, ShapeError):
            return {}
        pairs = ((entry, zip(self._shapes[entry], shape, strict=False)) for entry, shape in one_row.items())
        return {entry: next((i for i, (a, b) in enumerate(pair) if a != b), None) for entry, pair in pairs}

    @cached_property
    def _computed(self) -> list[Node]:
        return [node for node in self._symbol.nodes() if node.op is not None]

    def _couples(self, node: Node, moves: bool) -> bool:
        """Whether the node needs the whole batch at once, with these shapes; `moves`: whether it is one of `moving`."""
        assert node.op is not None
        # A label that is an argument can be counted before the step. One that the graph computes is whole only after
        # all slices have computed their rows of it. Nor may slices update an auxiliary state one after the other.
        if bool(node.auxiliaries()) or has_computed_label(node):
            return True
        in_shapes = [self._shapes[entry] for entry in node.arguments()]
        if moves:
            return not node.op.keeps_rows_apart(in_shapes, [self._axes[entry] for entry in node.arguments()])
        return node.op.couples_rows(in_shapes)

    def _follows(self, rows: Rows) -> bool:
        """Whether those rows alone change no shape except in the axis of the batch, which is the first of every head.

        It must be that, too, of whatever wants a gradient, as slices' gradients are put together along it.
        """
        cut, length = self.slice_shapes(rows), rows[1] - rows[0]
        for entry, shape in cut.items():
            whole, axis = self._shapes[entry], self._axes[entry]
            if axis and entry[0].op is None and entry[0].name in self._wanted:
                return False
            if shape != whole and (axis is None or shape != (*whole[:axis], length, *whole[axis + 1 :])):
                return False
            if shape != whole and whole[axis or 0] != self.rows:
                return False
        # The whole counts as well: a head that does not follow the batch may happen to be as long as the slice.
        heads = self._symbol.heads
        return all(self._shapes[e][:1] == (self.rows,) and cut[e][:1] == (length,) for e in heads)

    def _can_meet(self) -> bool:
        """Whether the slices can meet at the nodes that need the whole batch.

        Whatever these nodes read and write must either follow the batch or be a variable; and a variable that wants a
        gradient must be read by such nodes only, and not follow the batch.
        """
        # Were such a variable also read within slices, its gradient would be partly a sum over slices, partly not.
        couplers, batched = self.couplers, self.batched()
        computed = {entry for node in couplers for entry in node.arguments() if entry[0].op is not None}
        computed |= {(node, index) for node in couplers if node.op for index in range(len(node.op.outputs()))}
        given = {entry[0].name for node in couplers for entry in node.inputs if entry[0].op is None}
        wanted = given & set(self._wanted)
        return all(self.follows_batch(entry) for entry in computed) and wanted <= self.learned_whole() - batched


def _around(node: Node) -> list[Entry]:
    """What the node reads and writes."""
    assert node.op is not None
    return [*node.inputs, *((node, index) for index in range(len(node.op.outputs())))]
