"""Where the examples lie in the outputs of graphs that reshape and transpose: mxnet#6495."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.graphs.example_axis import ExampleAxis, example_axes

S = mx.sym


def steps(data):
    parts = S.SliceChannel(data, num_outputs=5, axis=1, squeeze_axis=True)
    return [parts[i] for i in range(5)]


def swapped(data):
    return S.SwapAxis(data, dim1=0, dim2=1)


def flat(data):
    return S.Reshape(data, shape=(-1, 6))


def layer(data):
    return S.FullyConnected(data, num_hidden=3, name="layer")


# Graphs of data (N, 5, 6), and where the examples lie in their outputs.
CASES = {
    "rows": (lambda d: layer(d), ExampleAxis(0, 1)),
    "tokens": (lambda d: layer(flat(d)), ExampleAxis(0, 5)),
    "time first": (swapped, ExampleAxis(1, 1)),
    "transposed": (lambda d: S.transpose(d), ExampleAxis(2, 1)),
    "tokens, time first": (lambda d: layer(flat(swapped(d))), ExampleAxis(0, 1)),
    "joined steps": (lambda d: layer(S.Concat(*steps(d), dim=0)), ExampleAxis(0, 1)),
    "steps side by side": (lambda d: S.Concat(*steps(d), dim=1), ExampleAxis(0, 1)),
    "stacked steps": (lambda d: S.stack(*steps(d), axis=0), ExampleAxis(1, 1)),
    "there and back": (
        lambda d: swapped(S.Reshape(layer(flat(swapped(d))), shape=(5, -1, 3))), ExampleAxis(0, 1),
    ),
    "a new axis": (lambda d: S.expand_dims(d, axis=0), ExampleAxis(1, 1)),
    "copies": (lambda d: S.tile(layer(d), reps=(4, 1)), ExampleAxis(0, 1)),
    "copies on a new axis": (lambda d: S.tile(swapped(d), reps=(2, 1, 3, 1)), ExampleAxis(2, 1)),
    "repeated rows": (lambda d: S.repeat(layer(d), repeats=4, axis=0), ExampleAxis(0, 4)),
    "mean": (lambda d: S.mean(d), None),
    "rows beside their mean": (lambda d: S.Concat(d, S.mean(d, axis=0, keepdims=True), dim=0), None),
}  # fmt: skip


@pytest.mark.parametrize("rows", [1, 2, 5, 16])
@pytest.mark.parametrize("case", CASES)
def test_where_the_examples_lie(case, rows):
    make, expected = CASES[case]
    assert example_axes(make(S.Variable("data")), {"data": (rows, 5, 6)}) == [expected]


@pytest.mark.parametrize("case", [case for case, (_, axis) in CASES.items() if axis is not None])
def test_a_part_is_what_the_graph_gives_for_those_examples(case):
    """Arithmetic as the judge: no example's output depends on another's."""
    make, axis = CASES[case]
    symbol = make(S.Variable("data"))
    data = np.random.default_rng(2).standard_normal((4, 5, 6)).astype(np.float32)
    weight = np.random.default_rng(3).standard_normal((3, 30)).astype(np.float32)

    def output(rows):
        executor = symbol.simple_bind(mx.cpu(), grad_req="null", data=rows.shape)
        if "layer_weight" in executor.arg_dict:
            executor.arg_dict["layer_weight"][:] = weight[:, : executor.arg_dict["layer_weight"].shape[1]]
        return executor.forward(data=rows)[0].copy()

    whole = output(data)
    np.testing.assert_allclose(axis.take(whole, 4, 1, 3), output(data[1:3]), rtol=1e-5)
    parts = [(output(data[:1]), 1), (output(data[1:]), 3)]
    np.testing.assert_allclose(axis.joined(parts), whole, rtol=1e-5)


def test_a_graph_of_a_fixed_number_of_rows():
    fixed = S.Reshape(S.Variable("data"), shape=(16, 30))
    assert example_axes(fixed, {"data": (16, 5, 6)}) == [ExampleAxis()]
