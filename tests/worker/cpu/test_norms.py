"""The compiled LeakyReLU and LRN against the plain ones over random shapes."""

import numpy as np
import pytest

from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.leaky_relu import LeakyReLU
from pushgrad.worker.ops.lrn import LRN
from pushgrad.worker.ops.operator import Step


def agree(op, inputs, head, wanted):
    """Outputs and wanted gradients of the kernel, against those of `op` in float64."""
    fast = kernel_for([op], [a.shape for a in inputs], [inputs[0].shape], np.float32)
    assert fast is not op
    found = _run(fast, inputs, head, wanted)
    expected = _run(op, [a.astype(np.float64) for a in inputs], head.astype(np.float64), wanted)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def _run(worker, inputs, head, wanted):
    out = np.full_like(inputs[0], np.nan)
    grads = [np.full_like(array, np.nan) if i in wanted else None for i, array in enumerate(inputs)]
    worker.forward(Step(is_train=True), inputs, [out])
    worker.backward(Step(is_train=True), [head], inputs, [out], grads)
    return [out, *(grad for grad in grads if grad is not None)]


def normal(rng, *shape):
    return rng.standard_normal(shape, np.float32)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu"])
def test_leaky_relu(act_type, seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 7, rng.integers(1, 5))
    agree(LeakyReLU(act_type=act_type), [2 * normal(rng, *shape)], normal(rng, *shape), (0,))


@pytest.mark.parametrize("gamma", ["each", "one"])
@pytest.mark.parametrize("wanted", [(0, 1), (0,), (1,)])
@pytest.mark.parametrize("seed", range(3))
def test_prelu(seed, wanted, gamma):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 7, rng.integers(2, 5))
    slopes = normal(rng, shape[1] if gamma == "each" else 1)
    agree(LeakyReLU(act_type="prelu"), [normal(rng, *shape), slopes], normal(rng, *shape), wanted)


@pytest.mark.parametrize("options", [{}, {"alpha": 0.5, "beta": 0.6, "knorm": 1.5}])
@pytest.mark.parametrize("nsize", [1, 3, 5, 11])
@pytest.mark.parametrize("seed", range(2))
def test_lrn(seed, nsize, options):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 9, rng.integers(2, 5))
    agree(LRN(nsize=nsize, **options), [2 * normal(rng, *shape)], normal(rng, *shape), (0,))


def test_empty_slices():
    for op, inputs in ((LeakyReLU(), 1), (LeakyReLU(act_type="prelu"), 2), (LRN(nsize=3), 1)):
        arrays = [np.empty((0, 3, 2), np.float32), np.ones(3, np.float32)][:inputs]
        agree(op, arrays, arrays[0], tuple(range(inputs)))
