"""Parameters that users bring: missing and misspelt ones are errors, and files' prefixes are taken."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, ParameterError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)).astype(np.float32), RNG.integers(0, 3, 60)


def network():
    hidden = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(mx.sym.BatchNorm(hidden, name="bn"), name="softmax")


@pytest.fixture(scope="module")
def trained():
    return mx.FeedForward.create(network(), X, Y, num_epoch=1, batch_size=20, verbose=False)


def without(params, name):
    return {key: value for key, value in params.items() if key != name}


def misspelt(trained):
    return {**without(trained.arg_params, "fc_weight"), "fc_weigth": trained.arg_params["fc_weight"]}


def calls(model):
    return (lambda: model.predict(X), lambda: model.score(X, Y))


@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda m: {"arg_params": misspelt(m), "aux_params": m.aux_params},
            "arg_params: no value for fc_weight: got fc_weigth instead of fc_weight.",
        ),
        (
            lambda m: {"arg_params": m.arg_params, "aux_params": without(m.aux_params, "bn_moving_var")},
            "aux_params: no value for bn_moving_var.",
        ),
        (lambda m: {"arg_params": m.arg_params}, "aux_params: no value for bn_moving_mean, bn_moving_var."),
        (
            lambda m: {"arg_params": {"zzz": X}},
            "arg_params: no value for fc_weight, fc_bias, bn_gamma, bn_beta: got zzz.",
        ),
        (lambda m: {}, "the model has no parameters yet"),
    ],
)
def test_a_network_does_not_compute_with_missing_parameters(trained, change, text, call):
    """They were zeros, and predictions looked like others."""
    with pytest.raises(ParameterError) as caught:
        calls(mx.FeedForward(network(), **change(trained)))[call]()
    assert str(caught.value).startswith(text)


def test_fit_names_the_nearest_right_name(trained):
    model = mx.FeedForward(network(), arg_params=misspelt(trained), num_epoch=1)
    with pytest.raises(FileFormatError, match="network has no fc_weigth: expected fc_weight"):
        model.fit(X, Y)


def test_long_lists_are_cut():
    data = mx.sym.Variable("data")
    for number in range(9):
        data = mx.sym.FullyConnected(data, num_hidden=2, name=f"fc{number}")
    text = "no value for fc0_weight, fc1_weight, fc1_bias, fc2_weight, fc2_bias and 12 more. Parameters"
    with pytest.raises(ParameterError, match=text):
        mx.FeedForward(data, arg_params={"fc0_bias": X}).predict(X)


def test_what_a_params_file_holds_is_taken_as_it_is(trained, tmp_path):
    trained.save(str(tmp_path / "m"), 1)
    stored = mx.nd.load(str(tmp_path / "m-0001.params"))
    assert {"arg:fc_weight", "aux:bn_moving_var"} <= stored.keys()
    given = mx.FeedForward(network(), arg_params=stored, num_epoch=1)
    np.testing.assert_array_equal(given.predict(X), trained.predict(X))
    assert given.arg_params.keys() == trained.arg_params.keys()
    assigned = mx.FeedForward(network(), num_epoch=1)
    assigned.arg_params = stored
    np.testing.assert_array_equal(assigned.predict(X), trained.predict(X))
    again = mx.FeedForward(network(), num_epoch=1, learning_rate=0.0)
    again.arg_params = stored
    again.fit(X, Y, verbose=False)
    np.testing.assert_array_equal(again.arg_params["fc_weight"], trained.arg_params["fc_weight"])


def test_one_name_with_and_without_a_prefix_is_refused(trained):
    twice = {**trained.arg_params, "arg:fc_weight": trained.arg_params["fc_weight"]}
    with pytest.raises(ParameterError, match="fc_weight is given twice"):
        mx.FeedForward(network(), arg_params=twice)


def test_a_network_without_parameters_predicts():
    np.testing.assert_array_equal(mx.FeedForward(mx.sym.Variable("data") * 2).predict(X), X * 2)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([W := np.ones((3, 4))], "arg_params: expected arrays by name, in a dict, got list"),
        (W, "arg_params: expected arrays by name, in a dict, got ndarray"),
        ({"fc_weight": None}, "arg_params: fc_weight: expected an array of numbers, got None"),
        ({"fc_weight": "W"}, "arg_params: fc_weight: expected an array of numbers, got 'W'"),
        ({"fc_weight": [[1], [1, 2]]}, r"arg_params: fc_weight: expected an array of numbers, got \[\[1\]"),
        ({"fc_weight": np.full((3, 4), None)}, "arg_params: fc_weight: expected an array of numbers, got array"),
    ],
    ids=["list", "array", "None", "text", "ragged", "objects"],
)
def test_what_is_no_parameter(given, text):
    with pytest.raises(ParameterError, match=text):
        mx.FeedForward(network(), arg_params=given)


def test_lists_of_numbers_are_arrays():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    model = mx.FeedForward(net, arg_params={"fc_weight": [[1, 2, 3, 4]], "fc_bias": [0.5]})
    np.testing.assert_allclose(model.predict(X)[:, 0], X @ [1, 2, 3, 4] + 0.5, rtol=1e-4, atol=1e-5)
