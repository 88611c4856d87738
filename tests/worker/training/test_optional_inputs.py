"""Labels and first states whose shape follows from nothing else, and predictions that do without them."""

import numpy as np
import pytest

import pushgrad as mx

RNG = np.random.default_rng(0)
NOTHING = mx.metric.custom("nothing", lambda label, output: 0.0)


def words():
    """A network whose label (N, T) is flattened, as MXNet's examples of language models do."""
    rows = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=4, output_dim=2, name="emb")
    scores = mx.sym.FullyConnected(mx.sym.Reshape(rows, shape=(-1, 2)), num_hidden=4, name="fc")
    return mx.sym.SoftmaxOutput(scores, mx.sym.Reshape(mx.sym.Variable("softmax_label"), shape=(-1,)), name="softmax")


def test_a_label_behind_a_reshape_takes_its_iterators_shape():
    """The parameters are those of MXNet 1.9.1's Module after the same two epochs."""
    tokens = (np.arange(36).reshape(12, 3) * 7 % 4).astype(np.float32)
    start = {
        "emb_weight": (np.arange(8).reshape(4, 2) - 3.5) / 4,
        "fc_weight": (np.arange(8).reshape(4, 2) % 3 - 1) / 2,
        "fc_bias": np.zeros(4),
    }
    batches = mx.io.NDArrayIter(tokens, (tokens + 1) % 4, batch_size=4)
    model = mx.FeedForward(words(), num_epoch=2, arg_params=start, learning_rate=0.1)
    model.fit(batches, eval_metric=NOTHING, verbose=False)
    expected = {
        "emb_weight": [[-0.644101, -0.886617], [-0.338049, 0.059801], [-0.010482, 0.381933], [0.523451, 0.902713]],
        "fc_weight": [[-0.18011, 0.344044], [0.230775, -0.839082], [-0.163414, 0.351461], [-0.387251, 0.143577]],
        "fc_bias": [-0.012237, 0.048301, -0.023321, -0.012742],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(model.arg_params[name], values, atol=2e-6, err_msg=name)
    # Predictions read no label, so none has to be there, nor to fit.
    probabilities = model.predict(tokens)
    assert probabilities.shape[1] == 4
    np.testing.assert_array_equal(model.predict(mx.io.NDArrayIter(tokens, np.zeros(12), batch_size=12)), probabilities)


def scored():
    """The product of a vector made of the data and the rows of its label's ids: forward needs the label."""
    ids = mx.sym.Embedding(mx.sym.Variable("label"), input_dim=6, output_dim=4, name="out")
    vector = mx.sym.expand_dims(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"), axis=1)
    return mx.sym.MakeLoss(mx.sym.sum(mx.sym.broadcast_mul(vector, ids), axis=2), name="score")


def test_a_label_that_feeds_an_embedding_takes_its_iterators_shape():
    """So does mxnet's Module in 1.9.1, which binds with the shapes of data and label."""
    x, ids = RNG.normal(size=(20, 3)).astype(np.float32), RNG.integers(0, 6, (20, 2))
    model = mx.FeedForward(scored(), num_epoch=1)
    model.fit(mx.io.NDArrayIter(x, {"label": ids}, batch_size=10), eval_metric=NOTHING, verbose=False)
    weights = {name: array.astype(np.float64) for name, array in model.arg_params.items()}
    vectors = x @ weights["fc_weight"].T + weights["fc_bias"]
    expected = np.einsum("nh,nkh->nk", vectors, weights["out_weight"][ids])
    found = model.predict(mx.io.NDArrayIter(x, {"label": ids}, batch_size=10))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    # A second prediction with other labels does not see those of the first.
    np.testing.assert_allclose(
        model.predict(mx.io.NDArrayIter(x, {"label": ids * 0}, batch_size=10)),
        np.einsum("nh,nkh->nk", vectors, weights["out_weight"][ids * 0]),
        rtol=1e-5, atol=1e-7,
    )  # fmt: skip


def test_a_labelled_iterator_for_a_network_without_labels():
    """Features of a trained network, from the iterator that it was trained on."""
    x, y = RNG.normal(size=(20, 3)).astype(np.float32), RNG.integers(0, 2, 20)
    features = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    weight, bias = RNG.normal(size=(2, 3)).astype(np.float32), np.ones(2, np.float32)
    model = mx.FeedForward(features, arg_params={"fc_weight": weight, "fc_bias": bias})
    np.testing.assert_allclose(model.predict(mx.io.NDArrayIter(x, y, batch_size=8)), x @ weight.T + 1, rtol=1e-5)


def sequences(**options):
    steps = mx.sym.SwapAxis(mx.sym.Variable("data"), dim1=0, dim2=1)
    last = mx.sym.SequenceLast(mx.sym.RNN(steps, state_size=5, num_layers=2, name="rnn", **options))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(last, num_hidden=2, name="fc"), name="softmax")


@pytest.mark.parametrize(
    ("mode", "initializer"),
    [
        ("lstm", None),
        ("lstm", mx.init.Mixed([".*"], [mx.init.Normal(0.1)])),
        ("gru", None),
        ("rnn_tanh", mx.init.Xavier()),
    ],
    ids=["lstm", "lstm-mixed", "gru", "rnn-xavier"],
)
def test_rnn_trains_without_initializers_of_ones_own(mode, initializer):
    x = np.random.default_rng(0).normal(size=(24, 7, 3)).astype(np.float32)
    y = (x[:, :, 0].sum(axis=1) > 0).astype(np.float32)
    net = sequences(mode=mode, bidirectional=mode == "gru")
    mx.random.seed(0)
    options = {"initializer": initializer, "learning_rate": 0.1, "momentum": 0.9}
    model = mx.FeedForward(net, num_epoch=60, batch_size=12, **options).fit(x, y, verbose=False)
    assert model.score(x, y) > 0.9
    # States begin at zero in every batch, of any size: they are not learned.
    assert sorted(model.arg_params) == ["fc_bias", "fc_weight", "rnn_parameters"]
    np.testing.assert_allclose(model.predict(x[:5]), model.predict(x)[:5], rtol=1e-5, atol=1e-6)


def test_such_a_model_is_saved_and_loaded(tmp_path):
    x = RNG.normal(size=(8, 4, 3)).astype(np.float32)
    model = mx.FeedForward(sequences(mode="lstm"), num_epoch=1).fit(x, np.arange(8) % 2, verbose=False)
    model.save(str(tmp_path / "m"))
    np.testing.assert_array_equal(mx.FeedForward.load(str(tmp_path / "m"), 1).predict(x), model.predict(x))


def test_states_with_an_initializer_or_values_are_parameters():
    x = RNG.normal(size=(8, 4, 3)).astype(np.float32)
    state = mx.sym.Variable("begin", init=mx.init.One())
    model = mx.FeedForward(sequences(mode="gru", state=state), num_epoch=1, batch_size=8)
    assert (model.fit(x, np.arange(8) % 2, verbose=False).arg_params["begin"] != 0).all()
    given = {"rnn_state": np.ones((2, 8, 5), np.float32)}
    model = mx.FeedForward(sequences(mode="gru"), num_epoch=1, batch_size=8, arg_params=given)
    assert "rnn_state" in model.fit(x, np.arange(8) % 2, verbose=False).arg_params
