"""The fused kernel of a fully connected layer gives the bits of the layer and the activation one after the other."""

import numpy as np
import pytest

import pushgrad as mx


def results(act_type, no_bias, flatten, fused):
    """The output and every gradient; a head on the layer itself keeps it apart from the activation."""
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, no_bias=no_bias, flatten=flatten, name="fc")
    active = mx.sym.Activation(layer, act_type=act_type, name="act")
    symbol = active if fused else mx.sym.Group([active, mx.sym.BlockGrad(layer)])
    executor = symbol.simple_bind(data=(6, 4, 3))
    assert len(executor._outline.groups) == (1 if fused else 3)
    rng = np.random.default_rng(3)
    for array in executor.arg_dict.values():
        array[...] = rng.standard_normal(array.shape)
    executor.forward(is_train=True)
    head = rng.standard_normal(executor.outputs[0].shape).astype(np.float32)
    executor.backward([head] if fused else [head, np.zeros_like(executor.outputs[1])])
    return {"output": executor.outputs[0], **executor.grad_dict}


@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("no_bias", [True, False])
@pytest.mark.parametrize("act_type", ["relu", "tanh", "sigmoid", "softrelu", "softsign"])
def test_bits_of_the_two_operators(act_type, no_bias, flatten):
    fused, apart = (results(act_type, no_bias, flatten, fused) for fused in (True, False))
    assert fused.keys() == apart.keys() and len(fused) == (3 if no_bias else 4)
    for name, array in apart.items():
        np.testing.assert_array_equal(fused[name], array, err_msg=name)


def test_nan_comes_through():
    symbol = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=40), act_type="relu")
    executor = symbol.simple_bind(data=(2, 3))
    for array in executor.arg_dict.values():
        array.fill(1)
    executor.arg_dict["data"][1, 2] = np.nan
    (out,) = executor.forward()
    assert np.isfinite(out[0]).all() and np.isnan(out[1]).all()
