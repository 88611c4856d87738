"""One job, any number of workers and servers: the same bits, or nearly where the numbers do not divide."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

# Every rank writes its parameters, rank 0 also the training metric of each epoch and what each server holds.
TRAINS = """
import json, sys
import numpy as np
import pushgrad as mx

options = json.loads(sys.argv[1])
sys.path.insert(0, options.pop("examples"))
import mnist
from digits import load
from pushgrad.worker.store import kv

stores, create = [], kv.create
kv.create = lambda kind: stores.append(create(kind)) or stores[-1]

def record(epoch, symbol, arg_params, aux_params):
    if stores[0].is_distributed:
        with open(f"{folder}/servers.json", "w") as file:
            json.dump([server.bytes for server in stores[0].stats()], file)

folder, network, rows, start = (options.pop(name) for name in ("folder", "network", "rows", "start"))
digits = load(mnist.EMBEDDED)
mx.random.seed(3)
logger = mx.callback.Logger()
model = mx.FeedForward.create(
    getattr(mnist, network)(), digits.train_images[:rows], digits.train_labels[:rows],
    arg_params=start and dict(np.load(start)), initializer=mx.init.Uniform(0.07),
    learning_rate=0.05, momentum=0.9, wd=1e-5, num_epoch=1,
    batch_end_callback=mx.callback.log_train_metric(1000, logger), epoch_end_callback=record, **options,
)
np.savez(f"{folder}/{mx.rank()}.npz", **model.arg_params)
if mx.rank() == 0:
    with open(f"{folder}/metric.json", "w") as file:
        json.dump([value for _, value in logger.train], file)
"""


@pytest.fixture
def train(launch, script, tmp_path):
    """Runs the training, 100 steps by default; gives the parameters, alike on all ranks, and the metric."""

    def run(workers=None, servers=1, network="lenet", batch_size=24, rows=2400, start=None, env=None, **options):
        folder = tmp_path / f"out-{workers}-{servers}"
        folder.mkdir(exist_ok=True)
        given = {"examples": str(EXAMPLES), "folder": str(folder), "network": network, "rows": rows, "start": start}
        command = [script(TRAINS), json.dumps({**given, "batch_size": batch_size, **options})]
        if workers is None:
            job = launch(argv=[sys.executable, *command], env=env)
        else:
            job = launch("--workers", workers, "--servers", servers, *command, real=True, env=env)
        assert job.finish() == 0, job.text
        ranks = [dict(np.load(folder / f"{rank}.npz")) for rank in range(workers or 1)]
        assert all(same_bits(ranks[0], other) for other in ranks[1:])
        return ranks[0], json.loads((folder / "metric.json").read_text())

    return run


def same_bits(left, right):
    return left.keys() == right.keys() and all(left[key].tobytes() == right[key].tobytes() for key in left)


@pytest.mark.long
def test_four_slices_give_the_same_bits_however_they_are_shared_out(train):
    alone, metric = train(slices=4)
    assert metric[0] > 0.2  # it has begun to learn
    for workers, servers in ((1, 1), (2, 3), (4, 1), (4, 3)):
        params, same = train(workers, servers, slices=4)
        assert same_bits(params, alone), (workers, servers)
        assert same == metric


RECURRENT = """
import hashlib
import numpy as np
import pushgrad as mx

net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=9, output_dim=8, name="embed")
net = mx.sym.SwapAxis(net, dim1=0, dim2=1)  # to (time, batch, channels), and back
net = mx.sym.RNN(net, mode="lstm", state_size=8, num_layers=2, p=0.3, name="lstm")
net = mx.sym.FullyConnected(mx.sym.SwapAxis(net, dim1=0, dim2=1), num_hidden=9, flatten=False, name="next")
net = mx.sym.SoftmaxOutput(net, preserve_shape=True, normalization="batch", name="softmax")
text = np.random.RandomState(0).randint(0, 9, (48, 7)).astype(np.float32)
mx.random.seed(0)
model = mx.FeedForward.create(
    net, text[:, :-1], text[:, 1:], num_epoch=3, batch_size=16, slices=4, learning_rate=0.1, momentum=0.9, verbose=False
)
params = [model.arg_params[name].tobytes() for name in sorted(model.arg_params)]
print("digest", hashlib.sha256(b"".join(params)).hexdigest())
"""


def test_a_network_in_which_the_batch_moves_has_the_same_bits_on_two_workers(launch, script):
    name, found = script(RECURRENT), set()
    for job in (launch(argv=[sys.executable, name]), launch("--workers", 2, name, real=True)):
        assert job.finish() == 0, job.text
        found |= {line.partition("digest ")[2] for line in job.lines if "digest " in line}
    assert len(found) == 1


@pytest.mark.long
def test_two_runs_of_one_job_give_the_same_bits(train):
    first, second = train(2, 1), train(2, 1)
    assert same_bits(first[0], second[0])


def test_two_workers_with_one_thread_each_are_a_local_run_with_two(train):
    alone, _ = train(rows=960, env={"OMP_NUM_THREADS": "2"})
    shared, _ = train(2, 2, rows=960, env={"OMP_NUM_THREADS": "1"})
    assert same_bits(shared, alone)


@pytest.mark.long
def test_three_workers_come_out_nearly_the_same(train, tmp_path):
    """100 rows in shares of 33, 33 and 34: other slices than a local run's, so other roundings.

    Over two steps only: sooner or later the maximum of some pooling window is another one, which is no rounding.
    """
    trained, _ = train(batch_size=100, rows=6000)
    np.savez(tmp_path / "trained.npz", **trained)
    options = {"batch_size": 100, "rows": 170, "start": str(tmp_path / "trained.npz")}
    nearly_the_same(train(**options), train(3, 1, **options))


@pytest.mark.long
def test_batches_of_fewer_rows_than_workers(train):
    """One worker has no row at all; the last batch is short, too."""
    options = {"network": "mlp", "batch_size": 2, "rows": 41}
    nearly_the_same(train(**options), train(3, 1, **options))


def nearly_the_same(left, right):
    for key, array in left[0].items():
        assert np.abs(array - right[0][key]).max() <= 1e-5 * np.abs(array).max(), key
    assert abs(left[1][0] - right[1][0]) <= 0.002


@pytest.mark.long
def test_sixteen_workers_and_four_servers(train, tmp_path):
    """The servers hold what docs/protocol.md says: weights, momentum, and a gradient slot for each worker."""
    options = {"network": "mlp", "batch_size": 32, "rows": 640, "slices": 16}
    alone, _ = train(**options)
    shared, _ = train(16, 4, **options)
    assert same_bits(shared, alone)
    held = json.loads((tmp_path / "out-16-4" / "servers.json").read_text())
    parameters = sum(array.nbytes for array in alone.values())
    figures = 4 * 8 * (1 + 16)  # of the metric and the loss: sum and count, float64, summed without momentum
    assert sum(held) == parameters * (1 + 1 + 16) + figures
