"""Reshape: the same elements in another shape."""

from __future__ import annotations

from collections.abc import Sequence

from ...common.errors import ParameterError, ShapeError
from ..array import Shape
from .operator import PartialShape
from .parameters import Bool, Ints
from .shapes import known, merge, product
from .view import BaseView


class Reshape(BaseView):
    """data in another shape with as many elements, in row-major order.

    `shape` holds extents and codes: 0 copies data's extent at that place, -1 is whatever remains (once), -2 copies all
    further extents, -3 multiplies the next two, -4 splits the next one into the two extents that follow (one of them
    may be -1). With `reverse`, codes are matched from the right. `target_shape` and `keep_highest` are MXNet's older
    form: there 0 is whatever remains, and keep_highest keeps the first extent.
    """

    aliases = ("reshape",)
    shape = Ints(())
    reverse = Bool(False)
    target_shape = Ints((), minimum=0)
    keep_highest = Bool(False)

    def check(self) -> None:
        """Raise ParameterError if `shape` holds a code below -4."""
        if any(code < -4 for code in self.shape):
            raise ParameterError("Reshape: parameter shape", expected="extents or codes 0 to -4", got=self.shape)

    def codes(self) -> Shape:
        """`shape`, or the older parameters translated to its codes, or (-2,), which changes nothing."""
        if self.shape or not self.target_shape:
            return self.shape or (-2,)
        older = tuple(extent or -1 for extent in self.target_shape)  # its 0 is today's -1
        return (0, *older[1:]) if self.keep_highest else older

    def target(self, data: Shape) -> Shape:
        """The output's shape for `data`; extents that follow from unknown ones are 0.

        Raises ShapeError if the codes do not apply to that shape.
        """
        codes = self.codes()
        # Matching from the right is matching both lists from the left, backwards.
        if self.reverse:
            return _read_codes(data[::-1], codes[::-1])[::-1]
        return _read_codes(data, codes)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """False if the output's rows are data's rows, with any number of rows."""
        if not in_shapes or not known(in_shapes[0]):
            # Without shapes, only codes that copy the batch axis are certain to keep rows.
            return self.reverse or self.codes()[0] not in (0, -2)
        rows, *rest = in_shapes[0]
        # Tried with two batch sizes: for one alone, a fixed extent such as (100, -1) can fit by chance.
        try:
            once, twice = self.target((rows, *rest)), self.target((2 * rows, *rest))
        except ShapeError:
            return True
        return once[:1] != (rows,) or twice != (2 * rows, *once[1:])

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data; one unknown extent of data from the output. Raises ShapeError if they do not fit."""
        data, out = in_shapes[0], out_shapes[0]
        if data:
            out = merge(out, self.target(data), "Reshape: output")
            if known(out) and data.count(0) == 1:
                assert out is not None
                data = _complete(data, product(out))
        return [data], [out]


def _complete(data: Shape, size: int) -> Shape:
    """`data` with its only unknown extent filled in, so that it has `size` elements."""
    rest = product(tuple(extent for extent in data if extent))
    if size % rest:
        raise ShapeError("Reshape: data", expected=f"a shape of {size} elements", got=data)
    return tuple(extent or size // rest for extent in data)


def _read_codes(data: Shape, codes: Shape) -> Shape:
    """Apply the codes to `data` from the left."""
    reader = _Reader(data, codes)
    remaining = list(codes)
    while remaining:
        code = remaining.pop(0)
        if code == -4:
            if len(remaining) < 2:
                raise reader.misfit("-4 without two extents after it")
            reader.split(remaining.pop(0), remaining.pop(0))
        elif code == -2:
            reader.copy(len(data) - reader.position)
        elif code == -3:
            reader.merge_two()
        elif code == 0:
            reader.copy(1)
        else:
            reader.put(code)
    return reader.finish()


class _Reader:
    """Collects the output's extents in `out` while `position` moves over the input's; -1 is filled in at the end."""

    def __init__(self, data: Shape, codes: Shape) -> None:
        self.data, self.codes, self.position = data, codes, 0
        self.out: list[int] = []

    def misfit(self, why: str) -> ShapeError:
        """The error for codes that do not apply to data's shape."""
        return ShapeError("Reshape: data", expected=f"a shape to which {self.codes} applies ({why})", got=self.data)

    def take(self, number: int) -> Shape:
        """Move over that many of data's extents and return them."""
        taken = self.data[self.position : self.position + number]
        if len(taken) < number:
            raise self.misfit("it has too few axes")
        self.position += number
        return taken

    def copy(self, number: int) -> None:
        self.out.extend(self.take(max(number, 0)))

    def merge_two(self) -> None:
        left, right = self.take(2)
        self.out.append(left * right)

    def put(self, code: int) -> None:
        """An extent, or -1. It also moves on by one input axis, as in MXNet, so that a later 0 copies its own axis."""
        if code == -1 and -1 in self.out:
            raise self.misfit("only one extent can be -1")
        self.out.append(code)
        self.position += 1

    def split(self, left: int, right: int) -> None:
        """Split one extent into two, of which one may be -1."""
        (whole,) = self.take(1)
        if left == -1 and right > 0:  # a remainder is caught below, as the product is then not `whole`
            left = whole // right
        elif right == -1 and left > 0:
            right = whole // left
        if left < 0 or right < 0 or (whole and left * right != whole):
            raise self.misfit(f"{whole} cannot be split in that way")
        self.out.extend((left, right))

    def finish(self) -> Shape:
        """The shape, with -1 replaced by what remains; 0 if that is not known yet."""
        size, fixed = product(self.data), product(tuple(extent for extent in self.out if extent != -1))
        if -1 not in self.out:
            if size and fixed and size != fixed:  # a size of 0 means that an extent is unknown
                raise self.misfit(f"{size} elements cannot become {fixed}")
            return tuple(self.out)
        if size and fixed and size % fixed:
            raise self.misfit(f"{size} elements cannot be divided by {fixed}")
        rest = size // fixed if fixed else 0  # 0 while an extent of data or of the output is unknown
        return tuple(rest if extent == -1 else extent for extent in self.out)
