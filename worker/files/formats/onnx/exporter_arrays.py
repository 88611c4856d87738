"""Exporters of operators that reorder, cut, join, repeat and choose elements."""

from __future__ import annotations

import math

import numpy as np

from ....ops.operator import Step
from .writer import WHOLE_AXIS, Call, Writer, exports


@exports("Reshape")
def _reshape(to: Writer, call: Call) -> str:
    return str(to.emit("Reshape", [call.inputs[0], to.ints(call.target())]))


@exports("expand_dims")
def _expand_dims(to: Writer, call: Call) -> str:
    return str(to.emit("Unsqueeze", [call.inputs[0], to.ints((call.op.axis % len(call.outputs[0]),))]))


@exports("squeeze")
def _squeeze(to: Writer, call: Call) -> str:
    axes = call.op.axis or [i for i, extent in enumerate(call.shapes[0]) if extent == 1]
    if len(axes) == len(call.shapes[0]):  # MXNet, which has no scalars, leaves an axis of one element
        return str(to.emit("Reshape", [call.inputs[0], to.ints(call.outputs[0])]))
    return str(to.emit("Squeeze", [call.inputs[0], to.ints(axes)]))


@exports("transpose")
def _transpose(to: Writer, call: Call) -> str:
    axes = call.op.axes or range(len(call.shapes[0]))[::-1]
    return str(to.emit("Transpose", call.inputs, perm=[axis % len(call.shapes[0]) for axis in axes]))


@exports("SwapAxis")
def _swap_axis(to: Writer, call: Call) -> str:
    order = list(range(len(call.shapes[0])))
    first, second = call.op.dim1, call.op.dim2
    order[first], order[second] = order[second], order[first]
    return str(to.emit("Transpose", call.inputs, perm=order))


@exports("slice", "slice_axis", "slice_like", "reverse")
def _slice(to: Writer, call: Call) -> str:
    parts = call.op.index(call.shapes[0], call.shapes)
    return _cut(to, call, parts, call.op.index(call.grown_shapes[0], call.grown_shapes))


def _cut(to: Writer, call: Call, parts: tuple[slice, ...], grown: tuple[slice, ...]) -> str:
    """data[parts], or data[grown] with one row more. Axes that stay whole are not named: their extent may stay open."""
    named = [i for i, part in enumerate(parts) if part != slice(None)]
    if not named:
        return str(to.emit("Identity", call.inputs[:1]))
    bounds = [_bounds(call.shapes[0][i], parts[i], call.grown_shapes[0][i], grown[i]) for i in named]
    starts, ends, steps = zip(*bounds, strict=True)
    return str(to.emit("Slice", [call.inputs[0], *(to.ints(numbers) for numbers in (starts, ends, named, steps))]))


def _bounds(extent: int, part: slice, more: int, grown: slice) -> tuple[int, int, int]:
    """Start, end and step for ONNX of `part` of an axis; what moves with the extent is counted from the axis' end."""
    first, second = part.indices(extent), grown.indices(more)
    start, end = (n if n == m else n - extent for n, m in zip(first[:2], second[:2], strict=True))
    # slice.indices gives -1 for the end of a backward slice that includes the first element; ONNX would count that from
    # the end of the axis, as it would what lies behind the last element from the beginning.
    if first[1] < 0:
        end = -WHOLE_AXIS
    elif first[1] != second[1] and end == 0:
        end = WHOLE_AXIS
    return start, end, first[2]


@exports("Crop")
def _crop(to: Writer, call: Call) -> str:
    height, width = call.outputs[0][2:]
    spare = [n - m for n, m in zip(call.shapes[0][2:], (height, width), strict=True)]
    top, left = (n // 2 for n in spare) if call.op.center_crop else call.op.offset
    parts = (slice(None), slice(None), slice(top, top + height), slice(left, left + width))
    return _cut(to, call, parts, parts)


@exports("Concat")
def _concat(to: Writer, call: Call) -> str:
    return str(to.emit("Concat", call.inputs, axis=call.op.dim))


@exports("stack")
def _stack(to: Writer, call: Call) -> str:
    axis = call.op.axis % len(call.outputs[0])
    return str(to.emit("Concat", [to.emit("Unsqueeze", [item, to.ints((axis,))]) for item in call.inputs], axis=axis))


@exports("SliceChannel")
def _slice_channel(to: Writer, call: Call) -> list[str]:
    count, axis = call.op.num_outputs, call.op.axis % len(call.shapes[0])
    parts = to.emit("Split", call.inputs, count=count, axis=axis)
    parts = [parts] if count == 1 else parts
    return [to.emit("Squeeze", [part, to.ints((axis,))]) for part in parts] if call.op.squeeze_axis else parts


@exports("Pad")
def _pad(to: Writer, call: Call) -> str:
    widths = call.op.pad_width
    # MXNet has (before, after) for each axis, ONNX all widths before and then all widths after.
    inputs = [call.inputs[0], to.ints((*widths[::2], *widths[1::2]))]
    if call.op.mode == "constant":
        inputs.append(to.constant(call.op.constant_value))
    return str(to.emit("Pad", inputs, mode=call.op.mode))


@exports("broadcast_to", "broadcast_axis", "broadcast_like")
def _expand(to: Writer, call: Call) -> str:
    # 1 keeps an extent as it is, so that a batch that is not stretched may stay open.
    shape = [1 if n == m else n for n, m in zip(call.outputs[0], call.shapes[0], strict=True)]
    return str(to.emit("Expand", [call.inputs[0], to.ints(shape)]))


@exports("tile")
def _tile(to: Writer, call: Call) -> str:
    data, axes = call.inputs[0], len(call.outputs[0])
    if axes > len(call.shapes[0]):
        data = to.emit("Unsqueeze", [data, to.ints(range(axes - len(call.shapes[0])))])
    return str(to.emit("Tile", [data, to.ints((1,) * (axes - len(call.op.reps)) + tuple(call.op.reps))]))


@exports("repeat")
def _repeat(to: Writer, call: Call) -> str:
    data, axis, shape = call.inputs[0], call.op.axis, call.shapes[0]
    if axis is None:
        data, axis, shape = to.emit("Reshape", [data, to.ints((-1,))]), 0, (math.prod(shape),)
    axis %= len(shape)
    # ONNX has Tile only, which repeats whole blocks. So: a new axis behind the one that is repeated, copies along that,
    # and both folded into one.
    copies = [1] * (len(shape) + 1)
    copies[axis + 1] = call.op.repeats
    beside = to.emit("Tile", [to.emit("Unsqueeze", [data, to.ints((axis + 1,))]), to.ints(copies)])
    return str(to.emit("Reshape", [beside, to.ints(call.target())]))


@exports("Cast")
def _cast(to: Writer, call: Call) -> str:
    # All values in the file are float32, so a cast only rounds: there and back again.
    if call.op.dtype in ("float32", "float64"):
        return str(to.emit("Identity", call.inputs))
    if call.op.dtype == "bfloat16":
        raise call.unsupported("dtype bfloat16")
    return to.cast(to.cast(call.inputs[0], call.op.dtype), np.float32)


@exports("where")
def _where(to: Writer, call: Call) -> str:
    condition, *values = call.inputs
    if len(call.shapes[0]) < len(call.outputs[0]):  # a condition of one axis chooses whole rows
        rows = (-1, *(1,) * (len(call.outputs[0]) - 1))
        condition = to.emit("Reshape", [condition, to.ints(rows)])
    return str(to.emit("Where", [to.cast(condition, np.bool_), *values]))


def _indices(to: Writer, call: Call, name: str, extent: int) -> str:
    """Whole numbers from 0 to extent - 1, clipped or wrapped as the operator's mode says; "raise" leaves them alone."""
    whole = to.emit("Floor", [name])
    if call.op.mode == "wrap":
        # whole - floor(whole / extent) * extent, whose sign is that of the extent, unlike that of a C remainder.
        turns = to.emit("Floor", [to.scalar("Div", whole, extent)])
        whole = to.emit("Sub", [whole, to.scalar("Mul", turns, extent)])
    elif call.op.mode == "clip":
        whole = to.emit("Clip", [whole, to.constant(0), to.constant(extent - 1)])
    return to.cast(whole, np.int64)


@exports("take")
def _take(to: Writer, call: Call) -> str:
    axis = call.op.axis % len(call.shapes[0])
    return str(to.emit("Gather", [call.inputs[0], _indices(to, call, call.inputs[1], call.extent(axis))], axis=axis))


@exports("pick")
def _pick(to: Writer, call: Call) -> str:
    data, index = call.inputs
    axis = call.op.axis % len(call.shapes[0])
    places = _indices(to, call, index, call.extent(axis))
    if len(call.shapes[1]) < len(call.shapes[0]):  # GatherElements wants as many axes as the data have
        places = to.emit("Unsqueeze", [places, to.ints((axis,))])
    found = to.emit("GatherElements", [data, places], axis=axis)
    if call.op.keepdims:
        return str(found)
    # Of data of one axis MXNet, which has no scalars, makes one element.
    return str(found if len(call.shapes[0]) == 1 else to.emit("Squeeze", [found, to.ints((axis,))]))


@exports("one_hot")
def _one_hot(to: Writer, call: Call) -> str:
    """Compare with 0, 1, ...: ONNX's OneHot would count negative indices from the end; MXNet makes zeros of them."""
    places = to.emit("Unsqueeze", [to.emit("Floor", call.inputs), to.ints((len(call.shapes[0]),))])
    hit = to.emit("Equal", [places, to.constant(np.arange(call.op.depth))])
    return str(to.emit("Where", [hit, to.constant(call.op.on_value), to.constant(call.op.off_value)]))


@exports("zeros_like", "ones_like")
def _filled_like(to: Writer, call: Call) -> str:
    value = to.constant(float(call.op.op_name() == "ones_like"))
    return str(to.emit("Expand", [value, to.emit("Shape", call.inputs)]))


@exports("_zeros", "_ones", "_full", "_arange")
def _constant(to: Writer, call: Call) -> str:
    """What the operator computes from nothing, computed now and stored in the file."""
    value = np.empty(call.outputs[0], np.float32)
    call.op.forward(Step(), [], [value])
    return to.constant(value)
