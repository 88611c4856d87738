"""Workers of a job compute on GPUs: gradients leave through host memory, and the job ends as one on the processor."""

import json
from pathlib import Path

import numpy as np
import pytest
from long_after import long_after

TRAINS = """
import json, sys
import numpy as np

folder, gpus, stand_in, contexts, rows = json.loads(sys.argv[1])
if stand_in:
    sys.path.insert(0, stand_in)
    from on_cpu.install import install
    install(gpus)
import pushgrad as mx

ctx = [getattr(mx, kind)(index) for kind, index in contexts[mx.rank()]]
net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn") if rows < 0 else net
net = mx.sym.Dropout(mx.sym.Flatten(mx.sym.Activation(net, act_type="tanh")), p=0.3, name="drop")
net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=300, name="fc1"), act_type="relu")
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
generator = np.random.default_rng(0)
X = generator.standard_normal((48, 1, 10, 10)).astype(np.float32)
y = (X.sum((1, 2, 3)) > 0) + (X[:, 0, 0, 0] > 0).astype(np.float32)
mx.random.seed(3)
seen = []
model = mx.FeedForward.create(
    net, X, y, ctx=ctx, num_epoch=3, batch_size=abs(rows), learning_rate=0.1, momentum=0.9, eval_data=(X, y),
    batch_end_callback=lambda end: seen.append(end.eval_metric.get()[1]), eval_metric=["accuracy", "ce"], slices=2,
)
np.savez(f"{folder}/{mx.rank()}.npz", **model.arg_params, **model.aux_params)
"""


@pytest.fixture
def train(new_job, tmp_path, make_gpus, request):
    """Runs the training in a job whose workers have these contexts; gives the parameters, alike on all ranks."""
    stand_in = "" if request.node.get_closest_marker("gpu") else str(Path(__file__).parent)

    def run(contexts, rows=16, **env):
        make_gpus(2 if any(["gpu", 1] in each for each in contexts) else 1)
        job = new_job(workers=len(contexts), **{"PUSHGRAD_SHARED_GPUS": "1", **env})
        job.start(TRAINS, json.dumps([str(tmp_path), 2, stand_in, contexts, rows]))
        job.succeed()
        ranks = [dict(np.load(tmp_path / f"{rank}.npz")) for rank in range(len(contexts))]
        for other in ranks[1:]:
            assert all(other[name].tobytes() == array.tobytes() for name, array in ranks[0].items())
        return ranks[0], job.out("worker0")

    return run


GPU, OTHER, CPU = ["gpu", 0], ["gpu", 1], ["cpu", 0]


@pytest.fixture(scope="module")
def on_processor():
    """What trainings on the processor gave, by the number of workers."""
    return {}


@pytest.mark.parametrize(
    ("contexts", "transport"),
    long_after(
        1,
        [
            ([[GPU], [GPU]], "shared"),
            ([[GPU], [GPU]], "ipc"),
            ([[GPU], [CPU]], "ipc"),
            ([[GPU, OTHER]], "shared"),
            ([[GPU, CPU], [OTHER]], "shared"),
        ],
    ),
    ids=["two", "two-ipc", "mixed", "both-in-one", "mixed-in-one"],
)
def test_as_on_the_processor(train, on_processor, contexts, transport):
    if len(contexts) not in on_processor:
        on_processor[len(contexts)] = train([[CPU]] * len(contexts))
    expected, text = on_processor[len(contexts)]
    found, other = train(contexts, **({"PUSHGRAD_TRANSPORT": "ipc"} if transport == "ipc" else {}))
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5, err_msg=name)
    for line, same in zip(other.splitlines(), text.splitlines(), strict=True):
        if "=" in line and "batch" not in line:
            assert float(line.split("=")[1]) == pytest.approx(float(same.split("=")[1]), rel=1e-3)


@pytest.mark.long
def test_states_are_the_mean_of_the_workers(train):
    expected, _ = train([[CPU], [CPU]], rows=-16)
    found, _ = train([[GPU], [GPU]], rows=-16)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_two_workers_on_one_gpu_that_do_not_know_of_each_other(new_job, make_gpus, tmp_path, request):
    make_gpus(1)
    stand_in = "" if request.node.get_closest_marker("gpu") else str(Path(__file__).parent)
    job = new_job(workers=2)
    job.start(TRAINS, json.dumps([str(tmp_path), 1, stand_in, [[GPU], [GPU]], 16]))
    assert not any(code == 0 for name, code in job.wait().items() if name.startswith("worker"))
    assert "workers 0 and 1 both compute on GPU 0000:" in job.err("worker0") + job.err("worker1")
    assert "launch --gpus 0,0" in job.err("worker0") + job.err("worker1")
