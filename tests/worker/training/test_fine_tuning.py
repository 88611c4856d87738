"""Parameters that are given, fixed, drawn by an initializer of their own, or scaled in their learning."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, ParameterError
from pushgrad.worker.training.feeding import InputNames
from pushgrad.worker.training.parameters import Parameters, matching

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 1, 8, 8)).astype(np.float32)
Y = (X[:, 0, :4].mean(axis=(1, 2)) > 0).astype(np.float32)


def network(head="fc", classes=2):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv1")
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn1")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    net = mx.sym.Convolution(net, kernel=(3, 3), num_filter=4, name="conv2")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=classes, name=head), name="softmax")


def train(symbol=None, num_epoch=2, verbose=False, **options):
    mx.random.seed(3)
    options = {"learning_rate": 0.1, "momentum": 0.9, "initializer": mx.init.Xavier(), "batch_size": 10, **options}
    return mx.FeedForward.create(
        network() if symbol is None else symbol, X, Y, num_epoch=num_epoch, verbose=verbose, **options
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    prefix = str(tmp_path_factory.mktemp("model") / "first")
    train().save(prefix)
    return mx.model.load_checkpoint(prefix, 2)


def test_frozen_layers_stay_equal_bit_by_bit_while_the_new_one_learns(checkpoint, capsys):
    symbol, args, auxs = checkpoint
    features = symbol.get_internals()["conv2_output"]
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(features, num_hidden=2, name="new"), name="softmax")
    options = {
        "arg_params": args,
        "aux_params": auxs,
        "allow_extra_params": True,
        "fixed_param_names": ["conv*", "bn1_gamma"],
    }
    model = train(net, verbose=True, wd=0.1, **options)
    for name in ("conv1_weight", "conv1_bias", "conv2_weight", "conv2_bias", "bn1_gamma"):
        np.testing.assert_array_equal(model.arg_params[name], args[name])
    assert not np.array_equal(model.arg_params["bn1_beta"], args["bn1_beta"])
    assert not np.array_equal(model.aux_params["bn1_moving_mean"], auxs["bn1_moving_mean"])
    assert np.abs(model.arg_params["new_weight"]).max() > 0
    assert set(model.optimizer_states) == {"bn1_beta", "new_weight", "new_bias"}
    line = "Parameters: 8 taken, 2 drawn (new_weight, new_bias), 2 ignored (fc_weight, fc_bias), 5 fixed"
    assert capsys.readouterr().out.splitlines()[-4] == line


def test_fixed_parameters_do_not_change_what_the_others_learn_first(checkpoint):
    """One step: the gradient of the last layer is the same whether the first ones learn or not."""
    _, args, auxs = checkpoint
    options = {"num_epoch": 1, "arg_params": args, "aux_params": auxs, "batch_size": 40}
    free, bound = train(**options), train(**options, fixed_param_names=["conv*", "bn*"])
    np.testing.assert_array_equal(free.arg_params["fc_weight"], bound.arg_params["fc_weight"])
    assert not np.array_equal(free.arg_params["conv1_weight"], bound.arg_params["conv1_weight"])


def test_nothing_is_said_of_parameters_that_are_all_the_networks_own(checkpoint, capsys):
    train(verbose=True)
    train(verbose=True, arg_params=checkpoint[1], aux_params=checkpoint[2])
    assert "Parameters:" not in capsys.readouterr().out


def test_a_model_that_goes_on_may_fix_layers(tmp_path):
    train().save(str(tmp_path / "m"))
    options = {"num_epoch": 4, "batch_size": 10, "learning_rate": 0.1, "momentum": 0.9}
    model = mx.FeedForward.load(str(tmp_path / "m"), 2, fixed_param_names=["conv?_*"], **options)
    before = {name: array.copy() for name, array in model.arg_params.items()}
    model.fit(X, Y, verbose=False)
    changed = {name for name in before if not np.array_equal(before[name], model.arg_params[name])}
    assert changed == {"bn1_gamma", "bn1_beta", "fc_weight", "fc_bias"}


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"fixed_param_names": "conv1"}, ParameterError, "fixed_param_names: expected a list of names"),
        ({"fixed_param_names": ["con1_weight"]}, ParameterError, "'con1_weight'. Did you mean conv1_weight?"),
        ({"fixed_param_names": ["*"]}, ParameterError, "nothing is left to learn"),
        ({"arg_params": {"x_weight": np.zeros(2)}}, FileFormatError, "or pass allow_extra_params=True"),
        ({"arg_params": {"fc_bias": np.zeros(3)}, "allow_extra_params": True}, FileFormatError, "needs another name"),
    ],
)  # fmt: skip
def test_wrong_input(options, error, told):
    with pytest.raises(error, match=r".*") as caught:
        train(**options)
    assert told in str(caught.value)


def test_patterns():
    names = ["conv1_weight", "conv1_bias", "conv2_weight", "fc_weight"]
    assert matching(["conv1_*", "fc_weight"], names) == {"conv1_weight", "conv1_bias", "fc_weight"}
    assert matching(["conv[12]_weight"], names) == {"conv1_weight", "conv2_weight"}
    assert matching([], names) == frozenset()


def test_learning_rate_multipliers_of_variables_and_scopes():
    weight = mx.sym.Variable("slow_weight", lr_mult=0.0)
    with mx.AttrScope(lr_mult="0.5", wd_mult="0"):
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="half")
    net = mx.sym.FullyConnected(net, weight, num_hidden=2, name="slow")
    net = mx.sym.SoftmaxOutput(net, name="softmax")
    found = prepared(net).multipliers
    assert found == {
        "half_weight": (0.5, 0.0),
        "half_bias": (0.5, 0.0),
        "slow_weight": (0.0, 1.0),
        "slow_bias": (1.0, 0.0),
    }
    once = train(net, num_epoch=1)
    twice = train(net, num_epoch=2)
    np.testing.assert_array_equal(once.arg_params["slow_weight"], twice.arg_params["slow_weight"])
    assert not np.array_equal(once.arg_params["half_weight"], twice.arg_params["half_weight"])


def test_a_variable_may_ask_for_its_own_initializer():
    weight = mx.sym.Variable("fc_weight", init=mx.init.Constant(0.25))
    bias = mx.sym.Variable("fc_bias", init='["uniform", {"scale": 0.5}]')
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), weight, bias, num_hidden=100, name="fc")
    net = mx.sym.load_json(mx.sym.SoftmaxOutput(net, name="softmax").tojson())
    found = prepared(net).arguments
    np.testing.assert_array_equal(found["fc_weight"], np.full((100, 64), 0.25, np.float32))
    assert 0.3 < np.abs(found["fc_bias"]).max() <= 0.5


def prepared(symbol):
    """The first values of a network's parameters."""
    mx.random.seed(3)
    iterator = mx.io.NDArrayIter(X, Y, batch_size=10)
    return Parameters.prepare(mx.FeedForward(symbol), InputNames.match(symbol, iterator), {"data": (10, 1, 8, 8)})


@pytest.mark.parametrize(
    "rule",
    [
        mx.init.Uniform(0.5),
        mx.init.Normal(2.0),
        mx.init.Constant(3.0),
        mx.init.Zero(),
        mx.init.One(),
        mx.init.Xavier("gaussian", "in", 2.0),
        mx.init.MSRAPrelu("in", 0.1),
        mx.init.Orthogonal(1.0, "normal"),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_an_initializer_is_made_again_from_its_text(rule):
    again = mx.init.create(rule.dumps())
    assert type(again) is type(rule)
    mx.random.seed(1)
    first = rule.weight("w", (4, 6))
    mx.random.seed(1)
    np.testing.assert_array_equal(again.weight("w", (4, 6)), first)


def test_bias_of_a_forget_gate():
    found = mx.init.create(mx.init.LSTMBias(2.0).dumps()).weight("l0_bias", (8,))
    np.testing.assert_array_equal(found, [0, 0, 2, 2, 0, 0, 0, 0])
    with pytest.raises(mx.PushgradError, match="4 equal parts"):
        mx.init.LSTMBias().weight("b", (6,))


def test_bilinear_weights_enlarge_a_line_to_a_line():
    """Values recorded from MXNet 1.9.1 for kernels of 4 and 5."""
    four, five = (mx.init.Bilinear().weight("w", (2, 1, n, n)) for n in (4, 5))
    assert four.shape == (2, 1, 4, 4)
    np.testing.assert_allclose(four[1, 0, 0], [0.0625, 0.1875, 0.1875, 0.0625])
    np.testing.assert_allclose(five[0, 0].sum(axis=0), [1, 2, 3, 2, 1], rtol=1e-6)
    with pytest.raises(mx.PushgradError, match="4 dimensions"):
        mx.init.Bilinear().weight("w", (4, 4))


def test_a_training_with_momentum_may_go_on_without():
    X, y = np.eye(3, dtype=np.float32).repeat(4, 0), np.arange(3, dtype=np.float32).repeat(4)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")
    first = mx.FeedForward(net, num_epoch=1, batch_size=6, momentum=0.9).fit(X, y, verbose=False)
    assert "mom" in first.optimizer_states["fc_weight"]
    later = mx.FeedForward(net, num_epoch=2, begin_epoch=1, batch_size=6, arg_params=first.arg_params)
    later.optimizer_states = first.optimizer_states
    later.fit(X, y, verbose=False)
    assert later.optimizer_states["fc_weight"] == {}
