"""Forms in which `fit` takes its key-value store: a name, None or a store, as in MXNet."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import JobError, ParameterError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)).astype(np.float32), RNG.integers(0, 3, 60)


def weights(**options):
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")
    mx.random.seed(7)
    model = mx.FeedForward.create(net, X, Y, num_epoch=2, batch_size=20, learning_rate=0.5, verbose=False, **options)
    return model.arg_params["fc_weight"]


@pytest.mark.parametrize("store", [None, "auto", "device", "store"])
def test_all_forms_train_alike(store):
    kvstore = mx.kv.create("device") if store == "store" else store
    np.testing.assert_array_equal(weights(kvstore=kvstore), weights(kvstore="local"))


def test_a_store_brings_its_compression():
    compression = {"type": "2bit", "threshold": 0.01}
    store = mx.kv.create("device")
    store.set_gradient_compression(compression)
    expected = weights(kvstore="device", compression_params=compression)
    np.testing.assert_array_equal(weights(kvstore=store), expected)
    assert (expected != weights(kvstore="device")).any()
    # What the model was told itself comes first.
    np.testing.assert_array_equal(
        weights(kvstore=store, compression_params={"type": "none"}), weights(kvstore="device")
    )


@pytest.mark.parametrize(
    ("kvstore", "error", "text"),
    [
        (3, ParameterError, "kvstore: expected local or device"),
        ([], ParameterError, "kvstore: expected local or device"),
        ("dist_sync", JobError, "outside of a job"),
    ],
)
def test_refused(kvstore, error, text):
    with pytest.raises(error, match=text):
        weights(kvstore=kvstore)
