"""A job without `launch`: processes started by hand with dmlc's variables, all of them with the same command."""

import subprocess
import sys

import numpy as np
import pytest

TRAIN = """
import sys
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(1)
X, y = rng.standard_normal((70, 6), np.float32), rng.integers(0, 3, 70).astype(np.float32)
net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1"), act_type="tanh")
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
mx.random.seed(5)
model = mx.FeedForward(net, num_epoch=4, batch_size=20, learning_rate=0.3, momentum=0.9, wd=1e-4,
                       initializer=mx.init.Uniform(0.5))
print("worker", mx.rank(), "of", mx.num_workers(), flush=True)
model.fit(X, y, verbose=False)
np.savez(f"{mx.rank()}.npz", **model.arg_params)
"""


def parameters(path):
    with np.load(path) as file:
        return dict(file)


@pytest.mark.long
def test_six_processes_that_run_one_script(new_job):
    job = new_job(workers=3, servers=2, ipc=False)
    (job.folder / "train.py").write_text(TRAIN)
    command = [sys.executable, "train.py"]
    job.start_scheduler(command)
    for number in range(3):  # nobody says which rank is whose
        job.spawn(f"worker{number}", command, "worker")
    for number in range(2):
        job.spawn(f"server{number}", command, "server")
    job.succeed()
    said = sorted(job.out(name) for name in job.processes)
    assert said == ["", "", "", "worker 0 of 3\n", "worker 1 of 3\n", "worker 2 of 3\n"]

    first, *others = [parameters(job.folder / f"{rank}.npz") for rank in range(3)]
    for other in others:
        assert other.keys() == first.keys()
        assert all(other[name].tobytes() == array.tobytes() for name, array in first.items())

    (job.folder / "local").mkdir()
    alone = {name: text for name, text in job.env.items() if not name.startswith(("DMLC_", "PUSHGRAD_"))}
    command[1] = "../train.py"
    subprocess.run(command, env=alone, cwd=job.folder / "local", check=True, timeout=60, stdout=subprocess.DEVNULL)
    for name, array in parameters(job.folder / "local" / "0.npz").items():
        np.testing.assert_allclose(first[name], array, rtol=1e-5, atol=1e-5 * np.abs(array).max())
