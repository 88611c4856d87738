"""ReduceLROnPlateau in a job: all workers lower the rate after the same epochs, and the servers go by it."""

import runpy

TRAIN = """
import hashlib, json
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(0)
X, y = rng.random((64, 6), np.float32), rng.integers(0, 2, 64).astype(np.float32)
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), name="softmax")
mx.random.seed(0)
model = mx.FeedForward.create(
    net, X, y, num_epoch=5, batch_size=16, slices=2, learning_rate=2.0, momentum=0.9, verbose=False, eval_data=(X, y),
    eval_metric="ce", epoch_end_callback=[
        mx.callback.ReduceLROnPlateau(factor=0.5, patience=0, min_delta=0.02), mx.callback.CSVLogger("log.csv")
    ],
)
digest = hashlib.sha256(b"".join(value.tobytes() for _, value in sorted(model.arg_params.items()))).hexdigest()
losses = [[round(value, 6) for value in values] for values in (model.history.loss, model.history.validation_loss)]
print("found", json.dumps([digest, model.history.learning_rate, *losses]))
"""


def test_workers_and_servers_have_the_rates_of_one_process(launch, script, capsys, tmp_path, monkeypatch):
    job = launch("--workers", 2, "--servers", 2, script(TRAIN), real=True)
    assert job.finish() == 0, job.text
    found = {line.split("found ")[1] for line in job.lines if "found " in line}
    assert len(found) == 1
    assert job.text.count("found ") == 2
    assert job.text.count("the learning rate goes from 2 to 1") == 1  # rank 0 says it
    (path,) = tmp_path.rglob("log.csv")
    rows = path.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3", "4", "5"]  # of rank 0 alone
    monkeypatch.chdir(tmp_path)
    runpy.run_path(script(TRAIN))
    assert capsys.readouterr().out.split("found ")[1].strip() == found.pop()
