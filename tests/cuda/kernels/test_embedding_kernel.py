"""Embedding against the plain operator: the same bits."""

import numpy as np
import pytest

from pushgrad.common.errors import DataError
from pushgrad.worker.cuda.kernels.embedding import EmbeddingKernel
from pushgrad.worker.ops.embedding import Embedding


@pytest.mark.parametrize("ids", [(5,), (3, 7), (2, 3, 4), (200,), (0, 3)])
@pytest.mark.parametrize("rows, width", [(4, 1), (1, 5), (40, 33), (9, 300)])
def test_as_the_operator(bench, ids, rows, width):
    rng = np.random.default_rng(rows)
    op = Embedding(input_dim=rows, output_dim=width)
    inputs = [rng.integers(0, rows, ids).astype(np.float32), rng.standard_normal((rows, width)).astype(np.float32)]
    got, want = bench.both(bench.make(EmbeddingKernel, op), op, inputs)
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1][0], want[1][0])
    np.testing.assert_array_equal(got[1][1], want[1][1])
    bench.step.complaints.look()


@pytest.mark.parametrize("value", [-1.0, 6.0, 1.5, np.nan, 3e9, -np.inf])
def test_an_id_that_is_none(bench, value):
    op, table = Embedding(input_dim=6, output_dim=3), np.arange(18, dtype=np.float32).reshape(6, 3)
    ids = np.array([[1, 2], [5, value], [-4, 0]], np.float32)
    bench.at(first_row=10)
    with pytest.raises(DataError) as want:
        op.forward(bench.plain_step, [ids, table], [np.empty((3, 2, 3), np.float32)])
    out, grads = bench.on_device(
        bench.make(EmbeddingKernel, op), [ids, table], (3, 2, 3), np.ones((3, 2, 3), np.float32)
    )
    with bench.device.active(), pytest.raises(DataError) as got:
        bench.step.complaints.look()
    assert str(got.value) == str(want.value)
    np.testing.assert_array_equal(out[0, 1], table[2])
    np.testing.assert_array_equal(grads[1].sum(axis=1), [3, 3, 3, 0, 0, 3])
