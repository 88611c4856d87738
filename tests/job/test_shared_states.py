"""BatchNorm's averages in a job: alike on all workers, and the mean over workers weighted by their rows."""

import numpy as np
import pytest

TRAINS = """
import sys
import numpy as np
import pushgrad as mx

batch, steps, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = np.random.default_rng(0)
X = rng.normal(size=(batch * steps, 4)).astype(np.float32)
y = (X.sum(axis=1) > 0).astype(np.float32)
net = mx.sym.BatchNorm(mx.sym.Variable("data"), fix_gamma=False, momentum=0.5, name="bn")
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=2, name="fc"), name="softmax")
mx.random.seed(1)
# The ranks begin apart: what rank 0 has is what counts.
start = {"bn_moving_mean": np.full(4, mx.rank(), np.float32), "bn_moving_var": np.full(4, 1 + mx.rank(), np.float32)}
model = mx.FeedForward.create(net, X, y, num_epoch=1, batch_size=batch, shuffle=False, learning_rate=0.1,
                              aux_params=start, eval_data=(X, y))
np.savez(f"{folder}/{mx.rank()}.npz", **model.arg_params, **model.aux_params)
"""


@pytest.fixture
def train(launch, script, tmp_path):
    """What every rank has learned."""

    def run(workers, batch, steps):
        job = launch("--workers", workers, script(TRAINS), batch, steps, tmp_path, real=True)
        assert job.finish() == 0, job.text
        return [dict(np.load(tmp_path / f"{rank}.npz")) for rank in range(workers)]

    return run


def inputs(batch, steps):
    return np.random.default_rng(0).normal(size=(batch * steps, 4)).astype(np.float32)


def assert_alike(ranks):
    for other in ranks[1:]:
        assert {name: array.tobytes() for name, array in other.items()} == {
            name: array.tobytes() for name, array in ranks[0].items()
        }


def test_averages_are_the_mean_over_workers(train):
    ranks = train(2, batch=10, steps=3)
    assert_alike(ranks)
    mean = np.zeros(4)
    for rows in inputs(10, 3).reshape(3, 10, 4):
        mean = 0.5 * mean + 0.5 * rows.mean(axis=0)
    np.testing.assert_allclose(ranks[0]["bn_moving_mean"], mean, rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_a_worker_without_rows_follows_the_others(train):
    """Two rows for three workers."""
    ranks = train(3, batch=2, steps=3)
    assert_alike(ranks)
    var = np.ones(4)
    for _ in range(3):
        var = 0.5 * var  # each worker's one row has no variance
    np.testing.assert_allclose(ranks[0]["bn_moving_var"], var, rtol=1e-5)
