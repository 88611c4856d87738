"""Slices of a batch that a kernel computes together get the bits that each would get alone, added up as a tree."""

import numpy as np
import pytest

from pushgrad.common.call_table import Table
from pushgrad.common.slices import tree_reduce
from pushgrad.worker.cpu.matmul import product_row
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.cpu.slice_product import LEVELS, slice_product_rows
from pushgrad.worker.cpu.slice_tree import SliceTree
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.fully_connected import FullyConnected
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.pooling import Pooling
from pushgrad.worker.ops.softmax_output import SoftmaxOutput

LENGTHS = [[5], [4, 4], [6, 7, 6], [4, 5, 4, 5, 4, 5, 4], [4] * 8]
TANH, POOLING = Activation(act_type="tanh"), Pooling(kernel=(2, 2), stride=(2, 2), pool_type="max")


def convolution(kernel, filters=10, **options):
    return Convolution(kernel=kernel, num_filter=filters, **options)


CHAINS = {
    "winograd of 5x5": ([convolution((5, 5)), TANH, POOLING], (9, 12, 12)),
    "winograd of 3x3, large planes and several panels": ([convolution((3, 3), 20, pad=(1, 1)), TANH], (18, 24, 25)),
    "winograd of 3x3": ([convolution((3, 3), pad=(1, 1))], (9, 9, 11)),
    "direct": ([convolution((4, 3), stride=(2, 1)), TANH], (3, 11, 12)),
    "direct with pooling": ([convolution((5, 5)), POOLING], (1, 12, 12)),
    "direct in groups": ([convolution((3, 3), num_group=2, no_bias=True)], (4, 7, 7)),
    "pointwise": ([convolution((1, 1)), TANH], (6, 6, 7)),
    "pointwise in groups": ([convolution((1, 1), num_group=2)], (6, 7, 7)),
    "pointwise of larger planes": ([convolution((1, 1))], (6, 12, 12)),
    "fully connected": ([FullyConnected(num_hidden=45), TANH], (37,)),
    "fully connected, few rows of one": ([FullyConnected(num_hidden=5, no_bias=True)], (3,)),
    "fully connected, row by row": ([FullyConnected(num_hidden=14, flatten=False)], (3, 70)),
    "fully connected, many rows": ([FullyConnected(num_hidden=14, flatten=False)], (20, 30)),
    "activation": ([TANH], (3, 5)),
    "softmax": ([SoftmaxOutput()], (7,)),
}


def shapes_of(chain, data):
    """The shapes of the inputs and of the output."""
    given, (out,) = chain[0].infer_shape([data, *[None] * (len(chain[0].arguments()) - 1)], [None])
    for op in chain[1:]:
        (out,) = op.infer_shape([out, *[None] * (len(op.arguments()) - 1)], [None])[1]
    return given, out


def bound(chain, rows, data):
    shapes, out = shapes_of(chain, (rows, *data))
    return kernel_for(chain, shapes, [out], np.float32), shapes, out


def passes(kernel, inputs, out, out_grad):
    """The output and the gradients."""
    made, gradients = np.full(out, np.nan, np.float32), [np.full(one.shape, np.nan, np.float32) for one in inputs]
    kernel.forward(Step(), inputs, [made])
    kernel.backward(Step(), [out_grad], inputs, [made], gradients)
    return made, gradients


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", CHAINS)
def test_the_same_bits(name, lengths):
    chain, data = CHAINS[name]
    rng, tree = np.random.default_rng(3), SliceTree(lengths)
    joined, shapes, out = bound(chain, tree.rows, data)
    assert joined.joins_slices
    joined.join(tree)
    inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    if name == "softmax":
        inputs[1][...] = rng.integers(0, 7, len(inputs[1]))
    out_grad = rng.normal(size=out).astype(np.float32)
    together = [passes(joined, inputs, out, out_grad) for _ in range(2)][1]
    parts = []
    for leaf in tree.leaves:
        rows = slice(leaf.begin, leaf.end)
        kernel, cut, cut_out = bound(chain, leaf.end - leaf.begin, data)
        assert type(kernel) is type(joined)
        mine = [one if one.shape == shape else one[rows] for one, shape in zip(inputs, cut, strict=True)]
        parts.append(passes(kernel, mine, cut_out, out_grad[rows]))
    np.testing.assert_array_equal(together[0], np.concatenate([part[0] for part in parts]))
    for i, (gradient, one) in enumerate(zip(together[1], inputs, strict=True)):
        alone = [part[1][i] for part in parts]
        whole = np.concatenate(alone) if len(one) == tree.rows else tree_reduce(alone, np.add)
        np.testing.assert_array_equal(gradient, whole, err_msg=str(i))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 11, 300])
def test_the_tree(count):
    """Sums as texts, so that their order shows."""
    tree, levels = SliceTree([2] * count), {}
    for number, leaf in enumerate(tree.leaves):
        assert (leaf.begin, leaf.end) == (2 * number, 2 * number + 2)
        levels[leaf.level] = str(number)
        for level in range(leaf.level, leaf.level - leaf.merges, -1):
            levels[level - 1] = f"({levels[level - 1]}+{levels.pop(level)})"
    assert levels == {0: tree_reduce([*map(str, range(count))], lambda left, right: f"({left}+{right})")}
    assert tree.levels == 1 + max(leaf.level for leaf in tree.leaves)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 11, 300])
def test_pairs_of_the_tree(count):
    tree, levels, begun = SliceTree([2] * count), {}, 0
    for pair in tree.pairs():
        assert pair.begin == begun
        terms, begun = [str(row // 2) for row in (pair.begin, pair.middle) if row < pair.end], pair.end
        levels[pair.level] = terms[0] if len(terms) == 1 else f"({terms[0]}+{terms[1]})"
        for level in range(pair.level, pair.level - pair.merges, -1):
            levels[level - 1] = f"({levels[level - 1]}+{levels.pop(level)})"
    assert levels == {0: tree_reduce([*map(str, range(count))], lambda left, right: f"({left}+{right})")}
    assert len(tree.pairs()) <= -(-3 * count // 4)


@pytest.mark.parametrize("size", [*range(1, 50), 4000, 4095, 4097])
def test_matrices_of_any_size(size):
    rng, tree = np.random.default_rng(size), SliceTree([7] if size % 3 == 0 else [2, 3, 2])
    left, right = (rng.normal(size=(7, columns)).astype(np.float32) for columns in (size, 3 + size % 40))
    for one, other in ((left, right), (right, left)):
        made = np.full((one.shape[1], other.shape[1]), np.nan, np.float32)
        Table(slice_product_rows(one, other, made, tree)).run()
        parts = [(leaf.begin, leaf.end, np.empty_like(made)) for leaf in tree.leaves]
        Table([product_row(one[begin:end].T, other[begin:end], part) for begin, end, part in parts]).run()
        np.testing.assert_array_equal(made, tree_reduce([part for _, _, part in parts], np.add))


@pytest.mark.parametrize(
    "lengths", [[256], [100, 156], [2] * 128, [257], [128, 129]], ids=lambda lengths: str(len(lengths))
)
@pytest.mark.parametrize("size", [(130, 300), (300, 130), (9, 70)], ids=str)
def test_as_many_rows_as_there_is_room_for(size, lengths):
    rng, tree = np.random.default_rng(8), SliceTree(lengths)
    left, right = (rng.normal(size=(tree.rows, columns)).astype(np.float32) for columns in size)
    made = np.full(size, np.nan, np.float32)
    Table(slice_product_rows(left, right, made, tree)).run()
    parts = [(leaf.begin, leaf.end, np.empty_like(made)) for leaf in tree.leaves]
    Table([product_row(left[begin:end].T, right[begin:end], part) for begin, end, part in parts]).run()
    np.testing.assert_array_equal(made, tree_reduce([part for _, _, part in parts], np.add))


def test_more_slices_than_there_is_room_for():
    rng, lengths = np.random.default_rng(4), [1] * 140
    assert SliceTree(lengths).levels > LEVELS
    kernel = kernel_for([FullyConnected(num_hidden=3, no_bias=True)], [(140, 4), (3, 4)], [(140, 3)], np.float32)
    kernel.join(SliceTree(lengths))
    inputs, out_grad = (rng.normal(size=shape).astype(np.float32) for shape in ((140, 4), (140, 3)))
    weight = rng.normal(size=(3, 4)).astype(np.float32)
    gradient = passes(kernel, [inputs, weight], (140, 3), out_grad)[1][1]
    expected = tree_reduce([np.outer(*pair) for pair in zip(out_grad, inputs, strict=True)], np.add)
    np.testing.assert_array_equal(gradient, expected)


def test_infinity_and_nan_stay_where_they_are():
    kernel = kernel_for([FullyConnected(num_hidden=3)], [(6, 4), (3, 4), (3,)], [(6, 3)], np.float32)
    kernel.join(SliceTree([2, 2, 2]))
    data, weight = np.ones((6, 4), np.float32), np.ones((3, 4), np.float32)
    out_grad = np.ones((6, 3), np.float32)
    data[3, 1], out_grad[5, 2] = np.inf, np.nan
    _, (_, gradient, bias) = passes(kernel, [data, weight, np.zeros(3, np.float32)], (6, 3), out_grad)
    np.testing.assert_array_equal(gradient, [[6, np.inf, 6, 6]] * 2 + [[np.nan] * 4])
    np.testing.assert_array_equal(bias, [6, 6, np.nan])
