"""States of an RNN that nobody gives, in a job: each worker has zeros for its own rows, however many these are."""

import runpy

import numpy as np

TRAINS = """
import sys
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(0)
X = rng.normal(size=(15, 4, 3)).astype(np.float32)
y = (X[:, :, 0].sum(axis=1) > 0).astype(np.float32)
steps = mx.sym.SwapAxis(mx.sym.Variable("data"), dim1=0, dim2=1)
last = mx.sym.SequenceLast(mx.sym.RNN(steps, state_size=4, num_layers=1, mode="lstm", name="rnn"))
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(last, num_hidden=2, name="fc"), name="softmax")
mx.random.seed(1)
model = mx.FeedForward.create(net, X, y, num_epoch=3, batch_size=5, learning_rate=0.5, eval_data=(X, y), verbose=False)
np.savez(f"{sys.argv[1]}/{mx.num_workers()}-{mx.rank()}.npz", prediction=model.predict(X[:2]), **model.arg_params)
"""


def test_workers_learn_what_one_process_does(launch, script, tmp_path, monkeypatch):
    name = script(TRAINS)
    job = launch("--workers", 2, name, tmp_path, real=True)
    assert job.finish() == 0, job.text
    monkeypatch.setattr("sys.argv", [name, str(tmp_path)])
    runpy.run_path(str(tmp_path / name))
    alone, first, second = (dict(np.load(tmp_path / f"{which}.npz")) for which in ("1-0", "2-0", "2-1"))
    assert sorted(alone) == ["fc_bias", "fc_weight", "prediction", "rnn_parameters"]
    for key, array in alone.items():
        np.testing.assert_array_equal(second[key], first[key])
        np.testing.assert_allclose(first[key], array, rtol=1e-4, atol=1e-6, err_msg=key)
