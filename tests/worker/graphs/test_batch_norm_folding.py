"""BatchNorm folded into the layer before it: the same function with fewer nodes, and nobody's arrays changed."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.graphs.batch_norm_folding import fold_batch_norms
from pushgrad.worker.training.folded_parameters import write_folded

S = mx.sym


def values(symbol, **inputs):
    """Random parameters and states, variances above zero."""
    rng = np.random.default_rng(5)
    shapes, _, aux_shapes = symbol.infer_shape(**inputs)
    arguments = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in zip(symbol.list_arguments(), shapes, strict=True)
    }
    states = {
        name: rng.uniform(0.5, 2, shape).astype(np.float32)
        for name, shape in zip(symbol.list_auxiliary_states(), aux_shapes, strict=True)
    }
    return arguments, states


def outputs(symbol, arguments, states, **inputs):
    executor = symbol.simple_bind(grad_req="null", **inputs)
    executor.copy_params_from(arguments, states)
    return [array.copy() for array in executor.forward()]


def operators(symbol):
    return [node.op.op_name() for node in symbol.nodes() if node.op is not None]


def check(symbol, left, **inputs):
    """Folding leaves `left` BatchNorms and the outputs as they are."""
    arguments, states = values(symbol, **inputs)
    before = {name: array.copy() for name, array in {**arguments, **states}.items()}
    folded, layers = fold_batch_norms(symbol, {*arguments, *states})
    shapes, _, _ = folded.infer_shape(**inputs)
    new_arguments = {
        name: arguments.get(name, np.full(shape, np.nan, np.float32)).copy()
        for name, shape in zip(folded.list_arguments(), shapes, strict=True)
    }
    new_states = {name: states[name] for name in folded.list_auxiliary_states()}
    write_folded(layers, arguments, states, new_arguments)
    assert operators(folded).count("BatchNorm") == left
    expected = outputs(symbol, arguments, states, **inputs)
    for found, wanted in zip(outputs(folded, new_arguments, new_states, **inputs), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert all(np.array_equal(array, before[name]) for name, array in {**arguments, **states}.items())


@pytest.mark.parametrize("fix_gamma", [True, False])
@pytest.mark.parametrize("no_bias", [True, False])
@pytest.mark.parametrize("num_group", [1, 2, 4])
def test_convolutions(num_group, no_bias, fix_gamma):
    net = S.Convolution(S.Variable("data"), kernel=(3, 3), num_filter=4, num_group=num_group, no_bias=no_bias)
    check(S.Activation(S.BatchNorm(net, fix_gamma=fix_gamma), act_type="relu"), 0, data=(2, 4, 6, 6))


@pytest.mark.parametrize("no_bias", [True, False])
def test_fully_connected(no_bias):
    net = S.FullyConnected(S.Variable("data"), num_hidden=5, no_bias=no_bias)
    check(S.BatchNorm(net, eps=0.1), 0, data=(3, 4))


def test_a_chain_of_layers():
    net = S.Variable("data")
    for number in range(3):
        net = S.BatchNorm(S.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=4, name=f"conv{number}"))
    check(S.Group([net, S.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg")]), 0, data=(2, 3, 6, 6))


def test_what_others_read_stays():
    layer = S.Convolution(S.Variable("data"), kernel=(1, 1), num_filter=4, name="conv")
    check(S.BatchNorm(layer) + layer, 1, data=(2, 3, 4, 4))
    check(S.Group([S.BatchNorm(layer), layer]), 1, data=(2, 3, 4, 4))


def test_shared_parameters_stay():
    data, weight, gamma = (S.Variable(name) for name in ("data", "weight", "gamma"))
    left, right = (S.Convolution(data, weight, kernel=(1, 1), num_filter=4, no_bias=True) for _ in "ab")
    check(S.BatchNorm(left) + S.BatchNorm(right), 2, data=(2, 3, 4, 4))
    layers = [S.Convolution(data, kernel=(1, 1), num_filter=4) for _ in "ab"]
    check(S.BatchNorm(layers[0], gamma) + S.BatchNorm(layers[1], gamma), 2, data=(2, 3, 4, 4))


def test_other_layers_stay():
    data = S.Variable("data")
    check(S.BatchNorm(S.Activation(data, act_type="relu")), 1, data=(2, 3, 4, 4))
    check(S.BatchNorm(S.FullyConnected(data, num_hidden=5, flatten=False)), 1, data=(2, 3, 4))
    check(S.BatchNorm(S.Convolution(data, kernel=(1, 1), num_filter=4), axis=2), 1, data=(2, 3, 4, 4))
    check(S.BatchNorm(S.Convolution(data, kernel=(1, 1), num_filter=4), output_mean_var=True)[0], 1, data=(2, 3, 4, 4))


def test_predictions_are_those_of_the_network_as_it_is():
    net = S.BatchNorm(S.Convolution(S.Variable("data"), kernel=(3, 3), num_filter=4, name="conv"), name="bn")
    net = S.SoftmaxOutput(S.FullyConnected(S.Activation(net, act_type="relu"), num_hidden=3, name="fc"), name="softmax")
    arguments, states = values(net, data=(8, 2, 6, 6))
    images = arguments.pop("data")
    del arguments["softmax_label"]
    model = mx.FeedForward(net, arg_params=arguments, aux_params=states)
    expected = outputs(net, {**arguments, "data": images}, states, data=(8, 2, 6, 6))[0]
    np.testing.assert_allclose(model.predict(images), expected, rtol=1e-4, atol=1e-6)


def test_a_graph_in_which_nothing_is_folded_is_the_same_object():
    net = S.FullyConnected(S.Variable("data"), num_hidden=2, name="fc")
    assert fold_batch_norms(net, {"fc_weight", "fc_bias"}) == (net, [])
