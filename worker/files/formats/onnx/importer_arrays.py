"""Importers of operators that reorder, cut, join, repeat and choose elements.

Many of them need care because the number of rows may be open: a 0 in a shape stands for it, and an operator of this
package may only name axes whose extents are known.
"""

from __future__ import annotations

import math

import numpy as np

from ....array import Shape
from ....symbols.symbol import Symbol
from ..extras import needed
from .reader import OnnxNode, imports


@imports("Reshape")
def _reshape(node: OnnxNode) -> Symbol:
    shape = node.ints(1, "shape")
    # Both here and in ONNX 0 copies an extent and -1 is what is left; `allowzero` makes 0 mean no elements.
    if shape is None or (node.get("allowzero", 0) and 0 in shape) or any(extent < -1 for extent in shape):
        raise node.refuse("a shape that is not given, or in which 0 means no elements")
    return _shaped(node, node.symbol(0), shape)


def _shaped(node: OnnxNode, data: Symbol, shape: Shape) -> Symbol:
    """`data` in another shape, which may have the codes 0 and -1. () becomes (1,), as MXNet has no scalars."""
    return node.apply("Reshape", data, shape=shape or (1,))


@imports("Flatten")
def _flatten(node: OnnxNode) -> Symbol:
    axis = node.get("axis", 1)
    if axis == 1:
        return node.apply("Flatten", node.symbol(0))
    shape = node.shape(0)
    if axis == 0:  # everything in one row
        return _shaped(node, node.symbol(0), (1, -1))
    if shape is None or not all(shape[axis:]):
        raise node.refuse("an axis other than 1 of a shape that is not fixed")
    return _shaped(node, node.symbol(0), (-1, math.prod(shape[axis:])))


@imports("Unsqueeze")
def _unsqueeze(node: OnnxNode) -> Symbol:
    axes = node.ints(1, "axes") or ()
    # Axes count in the output. In ascending order each one can be inserted at its final place.
    total = node.rank(0) + len(axes)
    made, ordered = node.symbol(0), sorted(axis % total for axis in axes)
    for position, axis in enumerate(ordered):
        made = node.apply("expand_dims", made, last=position == len(ordered) - 1, axis=axis)
    return made


@imports("Squeeze")
def _squeeze(node: OnnxNode) -> Symbol:
    return node.apply("squeeze", node.symbol(0), axis=node.ints(1, "axes"))


@imports("Transpose")
def _transpose(node: OnnxNode) -> Symbol:
    return node.apply("transpose", node.symbol(0), axes=node.get("perm") or ())


@imports("Concat")
def _concat(node: OnnxNode) -> Symbol:
    axis, count = node.get("axis"), len(node.proto.input)
    dim = axis if axis >= 0 else axis + node.rank(0)
    return node.apply("Concat", *(node.symbol(index) for index in range(count)), dim=dim)


@imports("Split")
def _split(node: OnnxNode) -> list[Symbol]:
    data, axis = node.symbol(0), node.get("axis", 0)
    shape, count = node.shape(0), len(node.proto.output)
    sizes = node.ints(1, "split")
    if sizes is None or len(set(sizes)) == 1:
        # Without sizes, a last part may be smaller in opset 18 and later; SliceChannel makes equal parts only.
        if sizes is None and shape is not None and shape[axis] % count:
            raise node.refuse(f"{shape[axis]} into {count} unequal parts")
        return list(node.apply("SliceChannel", data, num_outputs=count, axis=axis))
    ends = np.cumsum(sizes)
    parts = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
    return [node.apply("slice_axis", data, last=False, axis=axis, begin=first, end=end) for first, end in parts]


@imports("Slice")
def _slice(node: OnnxNode) -> Symbol:
    starts, ends = node.ints(1, "starts"), node.ints(2, "ends")
    if starts is None or ends is None:
        raise node.refuse("its bounds are missing")
    axes = node.ints(3, "axes") or tuple(range(len(starts)))
    steps = node.ints(4, "steps") or (1,) * len(starts)
    shape, rank = node.shape(0), node.rank(0)
    bounds: list[tuple[int | None, int | None, int | None]] = [(None, None, None)] * rank
    for axis, start, end, stride in zip(axes, starts, ends, steps, strict=True):
        extent = (shape or ())[axis]
        bounds[axis] = _bounds(start, end, stride, extent)
    begin, end_, stride_ = zip(*bounds, strict=True)
    return node.apply("slice", node.symbol(0), begin=begin, end=end_, step=stride_)


def _bounds(start: int, end: int, stride: int, extent: int) -> tuple[int | None, int | None, int | None]:
    """ONNX's bounds of one axis as Python's begin, end and node.

    ONNX writes "up to the end" as some huge number. That becomes None, so that the extent may stay open.
    """
    limit = extent or 1 << 31
    if stride > 0:
        return (start or None, None if end >= limit else end, None if stride == 1 else stride)
    return (None if start >= limit - 1 or start == -1 else start, None if end < -limit else end, stride)


@imports("Pad")
def _pad(node: OnnxNode) -> Symbol:
    pads, mode, axes = node.ints(1, "pads"), node.get("mode", "constant"), node.rank(0)
    if pads is None or node.has(3) or len(pads) != 2 * axes or min(pads) < 0:
        raise node.refuse("widths that are missing, negative, or of some axes")
    value = float(node.constant(2).reshape(())) if node.has(2) else float(node.get("value", 0.0))
    # ONNX has all widths before and then all widths after, MXNet (before, after) for each axis.
    width = [n for pair in zip(pads[:axes], pads[axes:], strict=True) for n in pair]
    if not any(width):
        return node.apply("identity", node.symbol(0))
    return node.apply("Pad", node.symbol(0), mode=mode, pad_width=width, constant_value=value)


@imports("Expand")
def _expand(node: OnnxNode) -> Symbol:
    shape, current = node.ints(1, "shape") or (), node.shape(0)
    if current is None:
        raise node.refuse("an input of unknown shape")
    axes = max(len(shape), len(current))
    # As in numpy, the shape with fewer axes gets 1s in front; a 1 in the wanted shape keeps the input's extent.
    wide, target = ((1,) * (axes - len(part)) + part for part in (current, shape))
    # broadcast_axis names only what is stretched, so that the batch may stay open.
    sizes = [(axis, size) for axis, size in enumerate(target) if size not in (1, wide[axis])]
    data = node.symbol(0) if wide == current and current else node.stretched(0, wide)
    if not sizes:
        return node.apply("identity", data)
    named, extents = zip(*sizes, strict=True)
    return node.apply("broadcast_axis", data, axis=named, size=extents)


@imports("Tile")
def _tile(node: OnnxNode) -> Symbol:
    return node.apply("tile", node.symbol(0), reps=node.ints(1, "repeats"))


@imports("Where")
def _where(node: OnnxNode) -> Symbol:
    shapes = [node.shape(index) for index in range(3)]
    if len(set(shapes)) == 1 and shapes[0] is not None:
        return node.apply("where", *(node.symbol(index) for index in range(3)))
    widest = node.graph.shapes.get(node.proto.output[0])
    if widest is not None and all(widest):
        return node.apply("where", *(node.stretched(index, widest) for index in range(3)))
    if widest is None or widest not in shapes:
        raise node.refuse("arrays of different shapes, where the output's is not fixed")
    like = node.symbol(shapes.index(widest))  # which has the open extents, such as the batch's
    inputs = [node.symbol(i) if shapes[i] == widest else _stretched_like(node, i, widest, like) for i in range(3)]
    return node.apply("where", *inputs)


def _stretched_like(node: OnnxNode, index: int, widest: Shape, like: Symbol) -> Symbol:
    """The input broadcast to the shape of `like`, which is `widest` where that is known."""
    shape = node.shape(index)
    if shape is None or not all(shape):
        raise node.refuse("arrays of different shapes, several of which are open")
    data = node.stretched(index, (1,) * (len(widest) - len(shape)) + shape)
    return node.apply("broadcast_like", data, like, last=False)


@imports("Cast")
def _cast(node: OnnxNode) -> Symbol:
    dtype = np.dtype(needed("onnx.helper", "reading ONNX").tensor_dtype_to_np_dtype(node.get("to")))
    # A cast to one of these rounds or truncates; the values stay float32 here.
    names = {"float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"}
    if dtype.name not in names:
        raise node.refuse(f"to {dtype.name}")
    return node.apply("Cast", node.symbol(0), dtype=dtype.name)


@imports("Gather")
def _gather(node: OnnxNode) -> Symbol:
    axis = node.get("axis", 0)
    if node.is_constant(1):
        return _gather_constant(node, axis)
    shape = node.shape(0)
    # Rows of a constant matrix: a table of embeddings.
    if axis == 0 and node.is_constant(0) and shape is not None and len(shape) == 2:
        rows, columns = shape
        return node.apply("Embedding", node.symbol(1), node.parameter(0), input_dim=rows, output_dim=columns)
    return node.apply("take", node.symbol(0), node.symbol(1), axis=axis, mode="wrap")


def _gather_constant(node: OnnxNode, axis: int) -> Symbol:
    """One constant place becomes a slice, which keeps other extents open; several become `take`."""
    places = node.constant(1)
    if places.size == 1 and places.ndim <= 1:
        place = int(places.reshape(()))
        # `or None`: the end of the last element, place -1, would be 0.
        cut = node.apply(
            "slice_axis", node.symbol(0), last=places.ndim == 1, axis=axis, begin=place, end=place + 1 or None
        )
        return cut if places.ndim == 1 else node.apply("squeeze", cut, axis=axis)
    return node.apply("take", node.symbol(0), node.symbol(1), axis=axis, mode="wrap")


@imports("GatherElements")
def _gather_elements(node: OnnxNode) -> Symbol:
    shape, places, axis = node.shape(0), node.shape(1), node.get("axis", 0)
    # `pick` chooses one element of each row, so the places must have an extent of 1 along the axis.
    if shape is None or places is None or places != tuple(1 if i == axis else n for i, n in enumerate(shape)):
        raise node.refuse("more than one element along its axis")
    return node.apply("pick", node.symbol(0), node.symbol(1), axis=axis, mode="wrap", keepdims=True)
