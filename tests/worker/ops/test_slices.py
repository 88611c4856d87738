"""Every operator gives the same numbers whether the batch is computed whole or in slices on threads."""

import numpy as np
import pytest

import pushgrad as mx

S = mx.sym
X, Y, W = S.Variable("data"), S.Variable("other"), S.Variable("table")
IDS = S.Variable("ids")
ROWS = 6

# What is computed from data (6, 4, 3), other (6, 4, 3), ids (6,) from 0 to 3, and a parameter `table`.
GRAPHS = {
    "split_rows": lambda: S.add_n(*S.split(X, num_outputs=2, axis=0)),
    "split_channels": lambda: S.Concat(S.split(X, num_outputs=2, axis=1)),
    "add_n": lambda: S.add_n(X, Y, X),
    "transpose_there_and_back": lambda: S.transpose(S.tanh(S.transpose(X, axes=(1, 0, 2))), axes=(1, 0, 2)),
    "transpose_away": lambda: S.SwapAxis(X, dim1=0, dim2=1) * 2,
    "transpose_channels": lambda: S.transpose(X, axes=(0, 2, 1)) * 2,
    "expand_rows": lambda: S.expand_dims(X, axis=0) * 2,
    "expand_channels": lambda: S.squeeze(S.expand_dims(X, axis=-1) * 2),
    "sum_rows": lambda: S.broadcast_sub(X, S.mean(X, axis=0, keepdims=True)),
    "sum_all": lambda: S.sum(X) * 2,
    "sum_channels": lambda: S.broadcast_mul(X, S.sum(X, axis=(1, 2), keepdims=True)),
    "max_rows": lambda: S.max(X, axis=0),
    "norm": lambda: S.norm(X, axis=0),
    "argmax_rows": lambda: S.broadcast_mul(X, S.expand_dims(S.argmax(X, axis=0), axis=0)),
    "broadcast_parameter": lambda: S.broadcast_mul(X, S.Variable("table", shape=(1, 4, 1))),
    "broadcast_vector": lambda: S.broadcast_add(X, S.Variable("table", shape=(3,))),
    "broadcast_to_rows": lambda: X * S.broadcast_to(S.Variable("table", shape=(1, 4, 3)), shape=(ROWS, 0, 0)),
    "broadcast_like": lambda: X * S.broadcast_like(S.Variable("table", shape=(1, 4, 3)), Y),
    "slice_rows": lambda: S.slice_axis(X, axis=0, begin=1, end=4) * 2,
    "slice_all_but_rows": lambda: S.slice(X, begin=(None, 1), end=(None, 3)) * 2,
    "slice_like": lambda: S.slice_like(X, S.slice_axis(Y, axis=0, begin=0, end=4)),
    "reverse_rows": lambda: S.reverse(X, axis=0) * Y,
    "reverse_channels": lambda: S.reverse(X, axis=1) * Y,
    "dot": lambda: S.dot(X, S.Variable("table", shape=(3, 2))),
    "dot_of_rows": lambda: S.dot(X, Y, transpose_a=True),
    "dot_of_all_pairs": lambda: S.dot(S.dot(S.Flatten(X), S.Flatten(Y), transpose_b=True), S.Flatten(X)),
    "batch_dot": lambda: S.batch_dot(X, Y, transpose_b=True),
    "take_rows": lambda: S.take(X, IDS),
    "take_from_table": lambda: S.take(S.Variable("table", shape=(4, 5)), IDS),
    "embedding": lambda: S.Embedding(IDS, W, input_dim=4, output_dim=5),
    "pick": lambda: S.pick(S.sum(X, axis=2), IDS),
    "one_hot": lambda: S.broadcast_mul(X, S.expand_dims(S.one_hot(IDS, depth=4), axis=-1)),
    "where": lambda: S.where(IDS, X, Y),
    "tile_rows": lambda: S.tile(X, reps=(2, 1, 1)),
    "tile_channels": lambda: S.tile(X, reps=(2, 1)),
    "repeat_rows": lambda: S.repeat(X, repeats=2, axis=0),
    "stack_rows": lambda: S.stack(X, Y),
    "stack_channels": lambda: S.stack(X, Y, axis=1),
    "sequence_last_over_rows": lambda: S.SequenceLast(X),
    "sequence_mask_over_channels": lambda: S.SequenceMask(X, IDS + 1, use_sequence_length=True, axis=1),
    "sequence_reverse_over_rows": lambda: S.SequenceReverse(X) * Y,
    "zeros": lambda: X + S.zeros((0, 4, 3)) * Y,
    "arange": lambda: X * S.reshape(S.arange(ROWS * 12), (ROWS, 4, 3)),
    "comparison": lambda: (X > Y) * X,
    "clip_and_cast": lambda: S.clip(X, -1, 1) + S.Cast(Y, dtype="float16"),
    "crop": lambda: S.Crop(S.expand_dims(X, axis=1), h_w=(2, 2), center_crop=True),
    "pad": lambda: S.Pad(S.expand_dims(X, axis=1), mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)),
}


def run(net, slices):
    random = np.random.default_rng(0)
    names = net.list_arguments()
    given = {"data": (ROWS, 4, 3), "other": (ROWS, 4, 3), "ids": (ROWS,)}
    executor = net.simple_bind(mx.cpu(), slices=slices, **{name: given[name] for name in names if name in given})
    for name in sorted(names):
        array = executor.arg_dict[name]
        array[...] = random.integers(0, 4, array.shape) if name == "ids" else random.normal(size=array.shape)
    outputs = [array.copy() for array in executor.forward(is_train=True)]
    executor.backward([random.normal(size=array.shape).astype(np.float32) for array in outputs])
    return outputs, {name: grad.copy() for name, grad in executor.grad_dict.items()}


@pytest.mark.parametrize("name", GRAPHS)
def test_slices_change_nothing(name):
    outputs, gradients = run(GRAPHS[name](), None)
    assert any(gradient.any() for gradient in gradients.values())
    for slices in (2, 3, ROWS):
        again, cut = run(GRAPHS[name](), slices)
        for one, other in zip(outputs, again, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)
        for argument, gradient in gradients.items():
            np.testing.assert_allclose(cut[argument], gradient, rtol=1e-4, atol=1e-5, err_msg=argument)
