import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, ParameterError
from pushgrad.worker.files import checkpoint
from pushgrad.worker.files.formats import network_file


def network(hidden=4):
    fc1 = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=hidden, name="fc1")
    fc2 = mx.sym.FullyConnected(mx.sym.Activation(fc1, act_type="tanh"), num_hidden=2, name="fc2")
    return mx.sym.SoftmaxOutput(fc2, name="softmax")


@pytest.fixture
def symbol():
    return network()


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    shapes = {"fc1_weight": (4, 3), "fc1_bias": (4,), "fc2_weight": (2, 4), "fc2_bias": (2,)}
    return {name: rng.random(shape, np.float32) for name, shape in shapes.items()}


@pytest.fixture
def state(params):
    slots = {name: {"mom": value + 1} for name, value in params.items()}
    return checkpoint.TrainingState(slots, {"step": 420, "seed": 7})


def test_files_and_round_trip(tmp_path, symbol, params, state):
    prefix = tmp_path / "model"
    path = checkpoint.save(prefix, 3, symbol, params, {}, state)
    assert path == tmp_path / "model-0003.params"
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"model-symbol.json", "model-0003.params", "model-0003.states", "model-0003.sha256"}
    loaded = checkpoint.load(prefix, 3)
    assert loaded.symbol.tojson() == symbol.tojson()
    assert loaded.aux_params == {}
    for name, value in params.items():
        np.testing.assert_array_equal(loaded.arg_params[name], value)
        np.testing.assert_array_equal(loaded.state.slots[name]["mom"], value + 1)
    assert loaded.state.numbers == {"step": 420, "seed": 7}


def test_names_in_the_files(tmp_path, symbol, params, state):
    checkpoint.save(tmp_path / "m", 1, symbol, params, {"bn_moving_mean": params["fc1_bias"]}, state)
    assert list(mx.nd.load(tmp_path / "m-0001.params")) == [
        "arg:fc1_weight",
        "arg:fc1_bias",
        "arg:fc2_weight",
        "arg:fc2_bias",
        "aux:bn_moving_mean",
    ]
    states = mx.nd.load(tmp_path / "m-0001.states")
    assert next(iter(states)) == "mom:fc1_weight"
    assert states["step"].tolist() == [420]
    assert states["step"].dtype == np.int64


def test_without_state_an_older_states_file_goes(tmp_path, symbol, params, state):
    checkpoint.save(tmp_path / "m", 1, symbol, params, {}, state)
    checkpoint.save(tmp_path / "m", 1, symbol, params, {})
    assert checkpoint.load(tmp_path / "m", 1).state is None


def test_without_symbol_its_file_is_left_alone(tmp_path, symbol, params):
    checkpoint.save(tmp_path / "m", 1, None, params, {})
    assert not (tmp_path / "m-symbol.json").exists()
    assert checkpoint.load(tmp_path / "m", 1, symbol).symbol is symbol
    with pytest.raises(FileFormatError, match=r"m-symbol.json is not there"):
        checkpoint.load(tmp_path / "m", 1)


def test_missing_epoch_tells_what_there_is(tmp_path, symbol, params):
    checkpoint.save(tmp_path / "m", 2, symbol, params, {})
    with pytest.raises(FileFormatError, match=r"m-0003.params is not there. There are: m-0002.params"):
        checkpoint.load(tmp_path / "m", 3)
    with pytest.raises(FileFormatError, match="There are no"):
        checkpoint.load(tmp_path / "x", 1, symbol)


@pytest.mark.parametrize("epoch", [-1, 1.0, "1", True, None])
def test_epoch_is_a_whole_number(tmp_path, epoch):
    with pytest.raises(ParameterError, match="a whole number of 0 or more"):
        checkpoint.paths(tmp_path / "m", epoch)


def test_epochs_of_more_than_four_digits(tmp_path, symbol, params):
    """MXNet formats the epoch by %04d, which makes five digits of 10000."""
    for epoch in (np.int64(9999), 10000, 123456):
        checkpoint.save(tmp_path / "m", epoch, symbol, params, {})
    assert checkpoint.load(tmp_path / "m", 10000).arg_params.keys() == params.keys()
    assert (tmp_path / "m-123456.params").exists()
    assert network_file.read(str(tmp_path / "m-10000.params"), as_network=True).what == "checkpoint"
    assert network_file.read(f"{tmp_path / 'm'}:123456", as_network=True).what == "checkpoint"
    with pytest.raises(FileFormatError, match=r"There are: m-9999.params, m-10000.params, m-123456.params"):
        checkpoint.load(tmp_path / "m", 3)


def test_a_network_without_parameters(tmp_path):
    symbol = mx.sym.Activation(mx.sym.Variable("data"), act_type="relu")
    mx.FeedForward(symbol).save(tmp_path / "m", 0)
    assert mx.FeedForward.load(tmp_path / "m", 0).symbol.tojson() == symbol.tojson()
    assert mx.model.load_checkpoint(tmp_path / "m", 0)[1:] == ({}, {})


def test_load_goes_on_where_it_is_told(tmp_path, symbol, params):
    checkpoint.save(tmp_path / "m", 3, symbol, params, {})
    assert mx.FeedForward.load(tmp_path / "m", 3).begin_epoch == 3
    assert mx.FeedForward.load(tmp_path / "m", 3, begin_epoch=0, num_epoch=5).begin_epoch == 0


def test_a_missing_prefix_tells_which_there_are(tmp_path, symbol, params):
    with pytest.raises(FileFormatError, match=r"nope-symbol.json is not there. Check the prefix; there is no -symbol"):
        mx.FeedForward.load(tmp_path / "nope", 3)
    checkpoint.save(tmp_path / "lenet", 3, symbol, params, {})
    with pytest.raises(FileFormatError, match=r"Check the prefix; there are: lenet-symbol.json"):
        mx.FeedForward.load(tmp_path / "nope", 3)


def test_a_missing_parameter_is_named(tmp_path, symbol, params):
    del params["fc2_weight"], params["fc2_bias"]
    checkpoint.save(tmp_path / "m", 1, symbol, params, {})
    with pytest.raises(FileFormatError, match=r"m-0001.params belongs to another network: arg:fc2_weight is missing"):
        checkpoint.load(tmp_path / "m", 1)


@pytest.mark.parametrize("kind", ["arg", "aux"])
def test_an_unknown_parameter_is_named(tmp_path, symbol, params, kind):
    more = {"fc3_weight": params["fc1_weight"]}
    args, aux = (params | more, {}) if kind == "arg" else (params, more)
    checkpoint.save(tmp_path / "m", 1, symbol, args, aux)
    with pytest.raises(FileFormatError, match=f"another network: {kind}:fc3_weight is not one of its parameters"):
        checkpoint.load(tmp_path / "m", 1)


def test_a_shape_that_contradicts_the_graph_is_named(tmp_path, params):
    checkpoint.save(tmp_path / "m", 1, network(hidden=5), params, {})
    with pytest.raises(FileFormatError, match=r"another network: fc1_weight has shape \(4, 3\), and .*fc1"):
        checkpoint.load(tmp_path / "m", 1)


def test_known_shapes_are_compared_exactly(symbol, params):
    with pytest.raises(FileFormatError, match=r"fc1_weight has shape \(4, 3\), the network's has \(4, 9\)"):
        checkpoint.check("p", symbol, params, {}, shapes={"fc1_weight": (4, 9)})
    checkpoint.check("p", symbol, params, {}, shapes={"fc1_weight": (4, 3)})


def test_inputs_may_have_any_name(symbol, params):
    del params["fc1_bias"]
    with pytest.raises(FileFormatError, match="arg:fc1_bias is missing"):
        checkpoint.check("p", symbol, params, {})
    checkpoint.check("p", symbol, params, {}, inputs=["data", "softmax_label", "fc1_bias"])


def test_foreign_params_files(tmp_path, symbol):
    mx.nd.save(tmp_path / "m-0001.params", [np.zeros(2, np.float32)])
    with pytest.raises(FileFormatError, match="1 arrays without names"):
        checkpoint.load(tmp_path / "m", 1, symbol)
    mx.nd.save(tmp_path / "m-0001.params", {"mean_img": np.zeros(2, np.float32)})
    with pytest.raises(FileFormatError, match="expected arg:NAME or aux:NAME, got 'mean_img'"):
        checkpoint.load(tmp_path / "m", 1, symbol)
    (tmp_path / "m-0001.params").write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(FileFormatError, match=r"m-0001.params, byte 0: not an MXNet array file"):
        checkpoint.load(tmp_path / "m", 1, symbol)


@pytest.mark.parametrize(
    "states",
    [
        {"mom:fc9_weight": np.zeros((4, 3), np.float32)},
        {"mom:fc1_weight": np.zeros((5, 3), np.float32)},
        {"step": np.zeros(1, np.float32)},
        {"step": np.zeros(2, np.int64)},
        [np.zeros((4, 3), np.float32)],
    ],
)
def test_states_of_another_training(tmp_path, symbol, params, states):
    checkpoint.save(tmp_path / "m", 1, symbol, params, {})
    (tmp_path / "m-0001.sha256").unlink()
    mx.nd.save(tmp_path / "m-0001.states", states)
    with pytest.raises(FileFormatError, match=r"m-0001.states: .* is no optimizer state of this network"):
        checkpoint.load(tmp_path / "m", 1)


def test_params_come_last_and_a_failure_leaves_the_old_ones(tmp_path, symbol, params, state, monkeypatch):
    checkpoint.save(tmp_path / "m", 1, symbol, params, {}, state)
    before = (tmp_path / "m-0001.params").read_bytes()
    saved, write = [], checkpoint.write_atomically

    def fail_on_params(path, fill):
        saved.append(path.suffix)
        if path.suffix == ".params":
            raise OSError(28, "No space left on device")
        write(path, fill)

    monkeypatch.setattr(checkpoint, "write_atomically", fail_on_params)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path / "m", 1, None, {name: -value for name, value in params.items()}, {}, state)
    assert saved == [".states", ".params"]
    assert (tmp_path / "m-0001.params").read_bytes() == before


def test_do_checkpoint_without_a_model(tmp_path, symbol, params, capsys):
    save = mx.callback.do_checkpoint(str(tmp_path / "m"), 2)
    for epoch in (1, 2):
        save(epoch, symbol, params, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m-0002.params", "m-0002.sha256", "m-symbol.json"]
    assert capsys.readouterr().out == f"Model checkpoint saved to {tmp_path}/m-0002.params\n"
