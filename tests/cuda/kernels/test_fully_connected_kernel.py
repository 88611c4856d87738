"""FullyConnected with its activation against the two plain operators."""

import numpy as np
import pytest

from pushgrad.worker.cuda.kernels.fully_connected import FullyConnectedKernel
from pushgrad.worker.ops.fully_connected import FullyConnected


@pytest.mark.parametrize("act_type", [None, "relu", "sigmoid", "tanh", "softrelu", "softsign"])
@pytest.mark.parametrize(
    "data, options",
    [
        ((5, 7), {"num_hidden": 3}),
        ((4, 2, 3, 5), {"num_hidden": 6}),
        ((4, 2, 5), {"num_hidden": 6, "flatten": False}),
        ((3, 4), {"num_hidden": 8, "no_bias": True}),
        ((1, 3), {"num_hidden": 1}),
        ((200, 3), {"num_hidden": 5}),
    ],
)
def test_as_the_operators(bench, act_type, data, options):
    rng, op = np.random.default_rng(3), FullyConnected(**options)
    shapes, _ = op.infer_shape([data] + [None] * (len(op.arguments()) - 1), [None])
    inputs = [rng.standard_normal(shape) for shape in shapes]
    kernel = bench.make(FullyConnectedKernel, op, act_type)
    for seed in (1, 2):  # what is kept is used again
        bench.close(*bench.both(kernel, bench.chain(op, act_type), inputs, seed), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wanted", [(), (0,), (1,), (2,)])
def test_only_what_is_wanted(bench, wanted):
    op, rng = FullyConnected(num_hidden=4), np.random.default_rng(0)
    inputs = [rng.standard_normal(shape) for shape in ((3, 5), (4, 5), (4,))]
    kernel = bench.make(FullyConnectedKernel, op, "relu")
    bench.close(*bench.both(kernel, bench.chain(op, "relu"), inputs, wanted=wanted), rtol=1e-4, atol=1e-5)


def test_no_rows(bench):
    op = FullyConnected(num_hidden=4)
    inputs = [np.zeros((0, 5)), np.ones((4, 5)), np.ones(4)]
    bench.close(*bench.both(bench.make(FullyConnectedKernel, op, "tanh"), bench.chain(op, "tanh"), inputs))
