"""fit(resume=True) in a job without snapshots: all workers go on from the checkpoint that rank 0 chooses."""

TRAIN = """
import hashlib, os
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(0)
X, y = rng.random((64, 6), np.float32), rng.integers(0, 2, 64).astype(np.float32)
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), name="softmax")

def train(prefix, epochs):
    mx.random.seed(0)
    model = mx.FeedForward(net, num_epoch=epochs, batch_size=16, slices=2, learning_rate=2.0, momentum=0.9)
    saving = mx.callback.do_checkpoint(prefix)
    model.fit(X, y, resume=True, snapshot="off", verbose=False, epoch_end_callback=saving)
    return hashlib.sha256(b"".join(value.tobytes() for _, value in sorted(model.arg_params.items()))).hexdigest()

whole = train("whole", 4)
train("parts", 2)
assert train("parts", 4) == whole
assert train("parts", 4) == whole  # nothing is left to train
print("equal on rank", mx.rank())
"""


def test_all_workers_go_on_from_one_checkpoint(launch, script):
    job = launch("--workers", 2, script(TRAIN), real=True)
    assert job.finish() == 0, job.text
    assert {line.split("equal on ")[1] for line in job.lines if "equal on " in line} == {"rank 0", "rank 1"}
    assert job.text.count("the training goes on from parts-0002.params") == 1
    assert job.text.count("the training goes on from parts-0004.params") == 1
