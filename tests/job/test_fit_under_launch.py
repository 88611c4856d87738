"""What a fit does beyond updating weights when several workers share it: metrics, evaluation, files, own iterators."""

import os
import signal

import pytest
from long_after import long_after

import pushgrad as mx

SETUP = """
import hashlib, os, sys
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(0)
y = (np.arange(96) % 3).astype(np.float32)
X = np.eye(3, dtype=np.float32)[y.astype(int)] + rng.standard_normal((96, 3), np.float32) * 0.3
net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
net = mx.sym.SoftmaxOutput(net, name="softmax")
options = dict(num_epoch=3, batch_size=16, learning_rate=0.5, momentum=0.9, slices=4)

def digest(model):
    return hashlib.sha256(b"".join(model.arg_params[key].tobytes() for key in sorted(model.arg_params))).hexdigest()
"""


@pytest.fixture
def output(launch, script):
    """Standard output of a script behind SETUP, on one worker without prefixes or on several."""

    def run(text, workers=2):
        name = script(SETUP + text)
        job = launch("--workers", workers, name, real=True)
        assert job.finish() == 0, job.text
        return job.lines

    return run


@pytest.mark.long
def test_metrics_are_those_of_the_global_batch(output):
    text = """
def wrong(label, pred):
    return float(np.mean(pred.argmax(axis=1) != label))
mx.FeedForward.create(net, X, y, eval_metric=["accuracy", mx.metric.custom("wrong", wrong), "ce"],
                      eval_data=(X[:50], y[:50]), **options)
"""
    alone = [line.removeprefix("w0 | ") for line in output(text, workers=1)]
    shared = [line.removeprefix("w0 | ") for line in output(text, workers=2) if line.startswith("w0 | ")]
    assert shared[0] == "global batch 16 = 2 workers x 8"
    assert shared[1:3] == alone[:2]
    figures, others = ([line.split("=") for line in lines if line.startswith("[")] for lines in (alone, shared))
    assert len(figures) == 3 * 2 * 3
    for (name, value), (other, found) in zip(figures, others, strict=True):
        assert other == name
        assert float(found) == pytest.approx(float(value), rel=1e-12)


def test_rank_0_alone_writes_and_prints_and_all_ranks_continue(output, tmp_path):
    saved = output(
        """
model = mx.FeedForward.create(net, X, y, epoch_end_callback=mx.callback.do_checkpoint("net"), **options)
model.num_epoch = 5
model.fit(X, y)
print("digest", digest(model))
"""
    )
    saved_files = [f"net-000{epoch}.{kind}" for epoch in (1, 2, 3) for kind in ("params", "sha256", "states")]
    assert sorted(path.name for path in tmp_path.glob("net-*")) == [*saved_files, "net-symbol.json"]
    assert [line for line in saved if line.startswith("w1 | ") and "digest" not in line] == []
    loaded = output(
        """
options["num_epoch"] = 5
options.pop("batch_size")
model = mx.FeedForward.load("net", 2, batch_size=16, **options).fit(X, y)
print("digest", digest(model))
""",
        workers=1,
    )
    digests = {line.split("digest ")[1] for line in saved + loaded if "digest" in line}
    assert len(digests) == 1


@pytest.mark.long
def test_an_iterator_that_is_sharded_is_not_cut_again(output):
    text = """
class Part(mx.io.NDArrayIter):
    num_parts, part_index = mx.num_workers(), mx.rank()
rows = np.arange(96).reshape(-1, 16)
mine = rows[:, :8] if mx.rank() == 0 else rows[:, 8:]
it = Part(X[mine.reshape(-1)], y[mine.reshape(-1)], batch_size=8) if sys.argv[1:] == ["parts"] else X
"""
    training = "model = mx.FeedForward.create(net, it, None if it is not X else y, shuffle=False, **options)\n"
    training += "print('digest', digest(model))\n"
    whole = output(text.replace("sys.argv[1:] == ['parts']", "False") + training)
    parts = output(text.replace('sys.argv[1:] == ["parts"]', "True") + training)
    digests = {line.split("digest ")[1] for line in whole + parts if "digest" in line}
    assert len(digests) == 1


@pytest.mark.long
def test_a_callback_on_rank_0_ends_the_training_of_all(output):
    lines = output(
        """
model = mx.FeedForward.create(net, X, y, epoch_end_callback=lambda epoch, *_: epoch < 2, **{**options, "num_epoch": 50})
print("updates", model.num_update)
"""
    )
    assert sorted(line for line in lines if "updates" in line) == ["w0 | updates 12", "w1 | updates 12"]


@pytest.mark.long
def test_dropout_and_shuffling_do_not_depend_on_the_number_of_workers(output):
    text = """
mx.random.seed(7 + mx.rank())  # rank 0's seed is the job's
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Dropout(mx.sym.Variable("data"), p=0.3, name="d"),
                                                 num_hidden=3, name="fc"), name="softmax")
model = mx.FeedForward.create(net, X, y, **options)
print("digest", digest(model))
"""
    digests = {line.split("digest ")[1] for n in (1, 2, 4) for line in output(text, n) if "digest" in line}
    assert len(digests) == 1


@pytest.mark.parametrize("kind", long_after(0, ["dist_async", "dist_ssp"]))
def test_ranks_end_with_equal_parameters_where_updates_are_applied_as_they_come(output, kind):
    lines = output(
        f"""
model = mx.FeedForward.create(net, X, y, kvstore="{kind}", **{{**options, "num_epoch": 10, "learning_rate": 0.2}})
print("digest", digest(model), model.score(X, y) > 0.9)
"""
    )
    found = {line.split("digest ")[1] for line in lines if "digest" in line}
    assert len(found) == 1
    assert found.pop().endswith("True")


def test_files_written_before_a_kill_are_whole(launch, script, tmp_path):
    text = """
options["num_epoch"] = 9000
print("pid", os.getpid(), flush=True)
mx.FeedForward.create(net, X, y, epoch_end_callback=mx.callback.do_checkpoint("net"), **options)
"""
    job = launch("--workers", 1, "--max-restarts", 0, script(SETUP + text), real=True)
    job.wait_for("net-0003.params")
    os.kill(int(job.lines[0].split("pid ")[1]), signal.SIGKILL)
    assert job.finish() == 137, job.text
    saved = sorted(tmp_path.glob("net-*.params"))
    assert len(saved) >= 3
    for path in saved:
        model = mx.FeedForward.load(tmp_path / "net", int(path.stem[-4:]), num_epoch=9001)
        assert model.num_update == 6 * int(path.stem[-4:])
