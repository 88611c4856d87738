"""Embedding: rows of a table, and gradients that add up where an id comes twice."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ShapeError
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.operator import Step, lookup

IDS = np.array([[2, 0, 2], [1, 2, 0]])


def test_rows_of_the_table(forward, backward, gradcheck):
    op, table = lookup("Embedding")(input_dim=4, output_dim=2), np.random.default_rng(0).normal(size=(4, 2))
    assert (forward(op, [IDS.astype(float), table])[0] == table[IDS]).all()
    gradcheck(op, [IDS.astype(float), table], wrt=[1])
    grads = backward(op, [IDS.astype(float), table], [], [np.ones((2, 3, 2))])
    assert (grads[0] == 0).all()
    assert grads[1].tolist() == [[2, 2], [1, 1], [3, 3], [0, 0]]


@pytest.mark.parametrize("wrong", [4, -1, 0.5, np.nan, np.inf])
def test_ids_outside_the_table(wrong, forward):
    ids = np.array([[0, 1], [2, wrong]], float)
    with pytest.raises(DataError, match=r"Embedding: data: row 11: expected a whole number from 0 to 3, got"):
        forward(lookup("Embedding")(input_dim=4, output_dim=2), [ids, np.zeros((4, 2))], Step(first_row=10))


@pytest.mark.parametrize("wrong", [4, -1, 0.5, np.nan, np.inf])
def test_compiled_rows_are_checked_too(wrong):
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=4, output_dim=2)
    with pytest.raises(DataError, match="Embedding: data: row 1: expected a whole number from 0 to 3"):
        net.simple_bind(mx.cpu(), data=(2, 2)).forward(data=np.array([[0, 1], [2, wrong]]))


def test_compiled_rows_are_those_of_the_plain_version(forward, backward):
    random = np.random.default_rng(0)
    ids, table = random.integers(0, 9, (5, 3)).astype(np.float32), random.normal(size=(9, 7)).astype(np.float32)
    heads = random.normal(size=(5, 3, 7)).astype(np.float32)
    op = lookup("Embedding")(input_dim=9, output_dim=7)
    compiled = kernel_for([op], [ids.shape, table.shape], [heads.shape], np.float32)
    assert compiled is not op
    out = np.empty_like(heads)
    compiled.forward(Step(), [ids, table], [out])
    np.testing.assert_array_equal(out, forward(op, [ids, table])[0])
    grads = [np.full_like(ids, np.nan), np.full_like(table, np.nan)]
    compiled.backward(Step(), [heads], [ids, table], [out], grads)
    for one, other in zip(grads, backward(op, [ids, table], [out], [heads]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_shapes():
    op = lookup("Embedding")(input_dim=4, output_dim=2, dtype=np.float32)
    assert op.attrs() == {"input_dim": "4", "output_dim": "2", "dtype": "float32"}
    assert op.infer_shape([(5, 0), None], [None]) == ([(5, 0), (4, 2)], [(5, 0, 2)])
    assert op.infer_shape([None, None], [(5, 3, 2)])[0][0] == (5, 3)
    with pytest.raises(ShapeError, match=r"Embedding: weight: expected shape \(4, 2\)"):
        op.infer_shape([None, (4, 3)], [None])


def test_slices_add_their_gradients():
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=4, output_dim=2, name="e")
    found = []
    for slices in (1, 2):
        executor = net.simple_bind(mx.cpu(), grad_req={"e_weight": "write"}, slices=slices, data=(2, 3))
        executor.arg_dict["e_weight"][...] = np.arange(8).reshape(4, 2)
        out = executor.forward(is_train=True, data=IDS)[0].copy()
        executor.backward()
        found.append((out.tolist(), executor.grad_dict["e_weight"].tolist()))
    assert found[0] == found[1]
    assert found[0][1] == [[2, 2], [1, 1], [3, 3], [0, 0]]
