"""Other shapes and orders of the same numbers, products of matrices, parts and joints."""

import mxnet as mx
import numpy as np
from draws import normal

S = mx.sym
DATA, OTHER, THIRD = S.Variable("data"), S.Variable("other"), S.Variable("third")


def reshape():
    for i, (shape, reverse) in enumerate([((0, -1), 0), ((-3, 0, -4, 2, -1), 0), ((-1, 0), 1), ((-2, 1), 0)]):
        yield f"reshape{i}", S.Reshape(DATA, shape=shape, reverse=bool(reverse)), {"data": normal(2, 3, 4, 6)}
    yield "reshape_target", S.Reshape(DATA, target_shape=(4, 0)), {"data": normal(2, 3, 4)}
    kept = S.Reshape(DATA, target_shape=(2, 0), keep_highest=True)
    yield "reshape_keep_highest", kept, {"data": normal(2, 3, 4)}


def joints():
    for dim in (0, 1, -1):
        shapes = [[2, 3, 2], [2, 3, 2]]
        shapes[1][dim] = 4
        yield f"concat{dim}", S.Concat(DATA, OTHER, dim=dim), {"data": normal(*shapes[0]), "other": normal(*shapes[1])}
    three = {name: normal(2, 3) for name in ("data", "other", "third")}
    yield "elementwisesum", S.ElementWiseSum(DATA, OTHER, THIRD), three
    yield "elementwisesum_one", S.ElementWiseSum(DATA), {"data": normal(2, 3)}
    yield "elementwisesum_twice", S.ElementWiseSum(DATA, OTHER, DATA), {"data": normal(2, 3), "other": normal(2, 3)}
    for axis in (0, 1, -1):
        yield f"stack{axis}", S.stack(DATA, OTHER, axis=axis), {"data": normal(2, 3), "other": normal(2, 3)}


def parts():
    for axis, squeeze in ((1, False), (2, False), (1, True), (-1, True)):
        shape = {1: (2, 3, 4), 2: (2, 2, 6), -1: (2, 4, 3)}[axis]
        cut = S.SliceChannel(DATA, num_outputs=3, axis=axis, squeeze_axis=squeeze and shape[axis] == 3, name="cut")
        yield f"slicechannel_{axis}_{int(squeeze)}", cut, {"data": normal(*shape)}
    cut = S.SliceChannel(DATA, num_outputs=2, name="cut")
    yield "slicechannel_one_used", cut[1] * 2, {"data": normal(3, 4)}
    yield "slicechannel_crossed", cut[0] * cut[1], {"data": normal(3, 4)}
    for i, (axis, begin, end) in enumerate([(0, 1, 3), (1, 0, 2), (-1, 1, None), (1, -2, None), (2, 1, -1)]):
        yield f"slice_axis{i}", S.slice_axis(DATA, axis=axis, begin=begin, end=end), {"data": normal(3, 4, 5)}
    yield "slice", S.slice(DATA, begin=(0, 1), end=(2, 3)), {"data": normal(3, 4, 2)}
    yield "slice_open", S.slice(DATA, begin=(None, -3), end=(-1, None)), {"data": normal(3, 4)}
    yield "slice_step", S.slice(DATA, begin=(0, 3), end=(3, None), step=(2, -1)), {"data": normal(3, 4)}
    like = {"data": normal(3, 4), "other": normal(2, 3)}
    yield "slice_like", S.slice_like(DATA, OTHER), like
    yield "slice_like_axes", S.slice_like(DATA, OTHER, axes=(1,)), like


def axes():
    yield "swapaxis", S.SwapAxis(DATA, dim1=0, dim2=2), {"data": normal(2, 3, 4)}
    yield "swapaxis_same", S.SwapAxis(DATA), {"data": normal(2, 3)}
    yield "transpose", S.transpose(DATA), {"data": normal(2, 3, 4)}
    yield "transpose_axes", S.transpose(DATA, axes=(1, 2, 0)), {"data": normal(2, 3, 4)}
    for axis in (0, 1, -1):
        yield f"expand_dims{axis}", S.expand_dims(DATA, axis=axis), {"data": normal(2, 3)}
    yield "squeeze", S.squeeze(DATA), {"data": normal(2, 1, 3, 1)}
    yield "squeeze_axis", S.squeeze(DATA, axis=(1,)), {"data": normal(2, 1, 3, 1)}
    for axis in (0, 1):
        yield f"reverse{axis}", S.reverse(DATA, axis=axis), {"data": normal(2, 3)}
    yield "tile", S.tile(DATA, reps=(2, 1, 3)), {"data": normal(2, 2)}
    yield "repeat", S.repeat(DATA, repeats=2, axis=1), {"data": normal(2, 3)}


def products():
    yield "dot", S.dot(DATA, OTHER), {"data": normal(2, 3), "other": normal(3, 4)}
    yield "dot_left", S.dot(DATA, OTHER, transpose_a=True), {"data": normal(3, 2), "other": normal(3, 4)}
    yield "dot_right", S.dot(DATA, OTHER, transpose_b=True), {"data": normal(2, 3), "other": normal(4, 3)}
    both = S.dot(DATA, OTHER, transpose_a=True, transpose_b=True)
    yield "dot_both", both, {"data": normal(3, 2), "other": normal(4, 3)}
    yield "dot_vectors", S.dot(DATA, OTHER), {"data": normal(5), "other": normal(5)}
    yield "dot_more_axes", S.dot(DATA, OTHER), {"data": normal(2, 2, 3), "other": normal(3, 2, 2)}
    for a in (False, True):
        for b in (False, True):
            inputs = {"data": normal(2, *(3, 4)[:: -1 if a else 1]), "other": normal(2, *(4, 2)[:: -1 if b else 1])}
            yield f"batch_dot_{int(a)}{int(b)}", S.batch_dot(DATA, OTHER, transpose_a=a, transpose_b=b), inputs


def choices():
    index = np.array([0, 2, 1], np.float32)
    yield "pick", S.pick(DATA, S.Variable("index"), axis=1), {"data": normal(3, 4), "index": index}
    kept = S.pick(DATA, S.Variable("index"), axis=-1, keepdims=True)
    yield "pick_keepdims", kept, {"data": normal(3, 4), "index": index}
    yield "one_hot", S.one_hot(DATA, depth=4), {"data": index}
    yield "one_hot_values", S.one_hot(DATA, depth=3, on_value=2, off_value=-1), {"data": index}
    yield "take", S.take(DATA, S.Variable("index")), {"data": normal(4, 2), "index": index}
    condition = np.array([[0, 1, 1], [1, 0, 0]], np.float32)
    where = S.where(S.Variable("condition"), DATA, OTHER)
    yield "where", where, {"condition": condition, "data": normal(2, 3), "other": normal(2, 3)}


def constants():
    one = {"data": normal(2, 3)}
    yield "zeros", S.zeros((2, 3)) + DATA, one
    yield "ones", S.ones((2, 3)) + DATA, one
    yield "full", S.full((2, 3), 1.5) * DATA, one
    yield "arange", S.broadcast_add(DATA, S.arange(1, 2.5, 0.5)), one
    yield "arange_repeat", S.broadcast_add(DATA, S.arange(start=0, stop=6, step=2, repeat=2)), {"data": normal(2, 6)}


def sequences():
    lengths = {"data": normal(4, 3, 2), "length": np.array([2, 4, 1], np.float32)}
    length = S.Variable("length")
    for name in ("SequenceMask", "SequenceLast", "SequenceReverse"):
        operator = getattr(S, name)
        yield f"{name.lower()}_whole", operator(DATA), {"data": normal(3, 2, 2)}
        yield f"{name.lower()}_lengths", operator(DATA, length, use_sequence_length=True), lengths
    masked = S.SequenceMask(DATA, length, use_sequence_length=True, value=-1, axis=1)
    yield "sequencemask_value", masked, {"data": normal(3, 4), "length": lengths["length"]}
    last = S.SequenceLast(DATA, length, use_sequence_length=True, axis=1)
    yield "sequencelast_axis", last, {"data": normal(3, 4, 2), "length": lengths["length"]}


FAMILIES = (reshape, joints, parts, axes, products, choices, constants, sequences)
