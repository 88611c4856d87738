"""Wrong input that shows only among several workers: who is wrong, what differs, exit code 1, and nothing left."""

import textwrap

import pytest
from long_after import long_after

SETUP = """
import os, sys
import numpy as np
import pushgrad as mx

rank = int(os.environ["RANK"])
X = np.random.default_rng(0).standard_normal((40, 4), np.float32)
y = (np.arange(40) % 3).astype(np.float32)
net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
net = mx.sym.SoftmaxOutput(net, name="softmax")
options = dict(num_epoch=3, batch_size=10, shuffle=False, verbose=False)
"""
TRAIN = "mx.FeedForward.create(net, X, y, **options)\nprint('trained', flush=True)\n"


@pytest.fixture
def failing(launch, script, left_behind):
    """Runs SETUP, some lines and a training on several workers; gives the job, which must have failed with 1."""

    def run(lines, workers=2):
        job = launch("--workers", workers, script(SETUP + lines + "\n" + TRAIN), real=True)
        assert job.finish() == 1, job.text
        assert "trained" not in job.text
        assert left_behind(job.job_id) == []
        assert job.seconds < 30
        return job

    return run


def errors_of(job):
    """The last line of each worker's traceback, and lines of workers that were told of another's."""
    lines = [line for line in job.errors if line.startswith("w") and "Error: " in line]
    assert lines, job.text
    return lines


DIFFERENT = {
    "values": ("X[17, 2] += rank", "data checksum"),
    "lengths": ("X, y = X[:40 - 10 * rank], y[:40 - 10 * rank]", "number of examples: expected 40 (rank 0), got 30"),
    "features": ("X = X[:, :4 - rank]", "data shapes: expected [['data', [4]]] (rank 0), got [['data', [3]]]"),
    "networks": ("net = mx.sym.SoftmaxOutput(mx.sym.Variable('data') * rank, name='softmax')", "network"),
    "batch sizes": ("options['batch_size'] += 2 * rank", "batch size: expected 10 (rank 0), got 12"),
    "orders": ("options['shuffle'] = rank == 1", "order of examples: expected [False, 'pad'] (rank 0), got [True"),
    "slices": ("options['slices'] = 4 * (rank + 1)", "slices: expected 4 (rank 0), got 8"),
}


@pytest.mark.parametrize("what", long_after(1, DIFFERENT))
def test_ranks_that_bring_different_things(failing, what):
    lines, told = DIFFERENT[what]
    for line in errors_of(failing(lines)):
        assert f"DataError: ranks 0 and 1 train on different things: {told}" in line
        assert "All workers must run the same script on the same data" in line


@pytest.mark.long
def test_all_ranks_that_differ_are_named(failing):
    for line in errors_of(failing("X[0, 0] = (1, 1, 5, 7)[rank]", workers=4)):
        assert "ranks 0 and 2, 3 train on different things: data checksum" in line


def test_a_gradient_that_is_not_a_number_on_one_worker(failing):
    """Row 27 is the eighth of the third batch of ten, and so in the second worker's half of it."""
    job = failing("X[27, 2] = np.nan")
    told = "worker 1: the gradient of key 'fc_weight' at step 3 has NaN. Lower the learning rate, clip gradients"
    assert f"w1 | pushgrad.common.errors.DataError: {told}" in job.text
    assert "launch | worker 1 exited with code 1" in job.text


@pytest.mark.long
def test_a_metric_that_is_not_a_number_ends_nothing(launch, script):
    """The root mean squared logarithmic error of labels below -1."""
    lines = """
    net = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1))
    options.update(eval_metric="rmsle", learning_rate=1e-6, num_epoch=1, verbose=True)
    X, y = X * 0, y - 9
    """
    job = launch("--workers", 2, script(SETUP + textwrap.dedent(lines) + TRAIN), real=True)
    assert job.finish() == 0, job.text
    assert "w0 | [1] Train-rmsle=nan" in job.lines
    assert job.lines.count("w0 | trained") == job.lines.count("w1 | trained") == 1


@pytest.mark.long
def test_a_label_that_is_no_class_on_one_worker(failing):
    job = failing("y[18] = 3")
    assert "w1 | pushgrad.common.errors.DataError: SoftmaxOutput: label of row 8: expected a class" in job.text
    assert "launch | worker 1 exited with code 1" in job.text


@pytest.mark.long
@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("local", "JobError: kvstore 'local' in a job of 2 workers: they would train apart. Use \"dist_sync\""),
        ("foo", "ParameterError: kvstore: expected local or device or dist_sync or dist_async or dist_ssp, got 'foo'"),
    ],
    ids=["local", "unknown"],
)
def test_a_store_that_does_not_belong_in_a_job(failing, store, told):
    assert all(told in line for line in errors_of(failing(f"options['kvstore'] = '{store}'")))


@pytest.mark.long
def test_workers_with_different_learning_rates(failing):
    job = failing("options['learning_rate'] = 0.1 * (rank + 1)")
    told = "step 1: workers disagree on the learning rate: expected 0."
    assert any(told in line for line in job.errors), job.text


@pytest.mark.long
def test_workers_with_different_optimizers(failing):
    job = failing("options['momentum'] = 0.5 * rank")
    assert any("DataError: workers 0 and 1 do not do the same" in line for line in job.errors), job.text
    assert "('momentum', 0.5)" in job.text


@pytest.mark.long
def test_a_worker_that_trains_fewer_epochs(failing):
    """It comes to its end in order, and the others cannot go on."""
    job = failing("options['num_epoch'] -= rank\nif rank: sys.stdout = open(os.devnull, 'w')")
    assert any("worker 1 left the job before" in line for line in job.errors), job.text
