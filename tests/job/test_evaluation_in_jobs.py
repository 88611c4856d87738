"""score, validation and training metrics of a job are those of one process, on every rank."""

import json
import runpy

import pytest

SETUP = """
import json, sys
import numpy as np
import pushgrad as mx

S = mx.sym
rng = np.random.default_rng(0)
X = rng.integers(0, 10, (46, 4)).astype(np.float32)
y = rng.integers(0, 2, (46, 4)).astype(np.float32)

def net(time_first):
    words = S.Embedding(S.Variable("data"), input_dim=10, output_dim=6, name="words")
    label = S.Variable("softmax_label")
    if time_first:
        words, label = S.SwapAxis(words, dim1=0, dim2=1), S.transpose(label)
    rows = S.FullyConnected(S.Reshape(words, shape=(-1, 6)), num_hidden=2, name="fc")
    loss = S.SoftmaxOutput(rows, S.Reshape(label, shape=(-1,)), name="softmax")
    return S.Group([S.BlockGrad(S.mean(words)), loss])

def spread(label, output):
    assert label.shape[1:] == (4,) and len(output) == label.size
    return float(np.median(output[:, 0])) + float(label.sum())

METRICS = ["accuracy", "f1", "mcc", "ce", "perplexity", mx.metric.custom("spread", spread)]
found = {}
for time_first in (False, True):
    mx.random.seed(3)
    log = mx.callback.Logger()
    watch = mx.callback.log_train_metric(999, log)
    watch.all_ranks = True
    it = mx.io.NDArrayIter(X, y, batch_size=8)
    model = mx.FeedForward(net(time_first), num_epoch=2, learning_rate=0.5, initializer=mx.init.Uniform(1), slices=2)
    model.fit(it, eval_data=it, eval_metric=METRICS, epoch_end_callback=watch, verbose=False)
    class Part(mx.io.NDArrayIter):
        num_parts, part_index = mx.num_workers(), mx.rank()
    mine = np.array_split(np.arange(46), mx.num_workers())[mx.rank()]
    parts = Part(X[mine], y[mine], batch_size=5)
    # With a custom metric each worker computes all rows, without one its share of each, and of parts its part.
    scores = [model.score(it, eval_metric=METRICS), model.score(it, eval_metric=METRICS[:-1]),
              model.score(parts, eval_metric=METRICS)]
    found[str(time_first)] = [log.train, log.eval, *(list(score.items()) for score in scores)]
print("found", json.dumps(found))
"""


def close(left, right):
    if isinstance(left, list):
        return len(left) == len(right) and all(close(*pair) for pair in zip(left, right, strict=True))
    return left == right if isinstance(left, str) else left == pytest.approx(right, rel=1e-5)


def test_all_ranks_have_the_numbers_of_one_process(launch, script, capsys, tmp_path):
    name, workers = script(SETUP), 3
    job = launch("--workers", workers, name, real=True)
    assert job.finish() == 0, job.text
    (folder,) = job.runs.iterdir()
    assert (folder / "network.svg").read_text().startswith("<svg")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = {row["process"]: row["metrics"] for row in rows if "step" in row}
    lines = {line.split("found ")[1] for line in job.lines if "found" in line}
    assert len(lines) == 1 and job.text.count("found ") == workers
    runpy.run_path(str(tmp_path / name))
    alone, shared = json.loads(capsys.readouterr().out.split("found ")[1]), json.loads(lines.pop())
    # Of each worker's last report, which is of the second fit; the later evaluations have no room in it.
    told = dict(shared["True"][1][-len(shared["True"][2]) :])
    assert [name for name in last["w0"] if name.startswith("Validation-")][:2] == [
        "Validation-accuracy",
        "Validation-f1",
    ]
    for worker in range(workers):
        assert last[f"w{worker}"]["Validation-accuracy"] == pytest.approx(told["accuracy"], rel=1e-3)
    for key, (train, evaluation, score, shares, parts) in alone.items():
        assert close([train, evaluation, score, shares, parts], shared[key])
        # Whatever the batch size, and whoever computes which rows.
        assert close(score, evaluation[-6:]) and close(score, parts) and close(score[:-1], shares)
