"""Jobs of which one worker finds a gradient that is NaN: all leave the step out, on all servers, or the fit ends."""

import json
import sys

# Fits on data with NaN in a row of the last worker, and on the data without that batch. A table by rows, and keys that
# are cut over the servers; a state in those of a job, since BatchNorm counts each worker's rows apart.
TRAINS = """
import json, sys, zlib
import numpy as np
import pushgrad as mx

draw = np.random.default_rng(3)
X, ids = draw.random((48, 1, 6, 6), np.float32), draw.integers(0, 9, (48, 2)).astype(np.float32)
y = draw.integers(0, 3, 48).astype(np.float32)
good, bad = np.r_[0:24, 32:48], X.copy()
bad[31, 0, 2, 2] = np.nan

def network(norm):
    s = mx.sym
    conv = s.Convolution(s.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    conv = s.BatchNorm(conv, name="bn") if norm else conv
    rows = s.Embedding(s.Variable("ids"), input_dim=9, output_dim=4, sparse_grad=True, name="table")
    both = s.Concat(s.Flatten(conv, name="flat"), s.Flatten(rows, name="flat_rows"), name="both")
    return s.SoftmaxOutput(s.FullyConnected(both, num_hidden=3, name="fc"), name="softmax")

def train(x, pick, compression=None, **options):
    mx.random.seed(1)
    data = mx.io.NDArrayIter({"data": x[pick], "ids": ids[pick]}, y[pick], batch_size=8)
    model = mx.FeedForward.create(
        network(norm=compression is not None), data,
        num_epoch=1, learning_rate=0.2, momentum=0.9, wd=0.01, slices=4, eval_metric="ce", verbose=False,
        initializer=mx.init.Xavier(), compression_params=compression, **options
    )
    arrays = [found[name] for found in (model.arg_params, model.aux_params) for name in sorted(found)]
    arrays += [states["mom"] for _, states in sorted(model.optimizer_states.items())]
    return zlib.crc32(b"".join(array.tobytes() for array in arrays)), model.num_update, model.skipped_steps

all, code = slice(None), {"type": "2bit", "threshold": 0.01}
found = {
    "without": train(X, good), "skip": train(bad, all),
    "stop": train(bad, all, on_nan="stop", snapshot="3steps"),  # its last step is kept already, or being written
    "before": train(X, slice(0, 24)),
}
if mx.num_workers() > 1:
    found |= {"coded without": train(X, good, code), "coded": train(bad, all, code)}
    found |= {"async": train(bad, all, kvstore="dist_async", on_nan="stop", snapshot="3steps")}
print("found", mx.rank(), json.dumps(found), flush=True)
"""


def results(job):
    lines = [line.partition("found ")[2] for line in job.lines if "found " in line]
    return [json.loads(line.partition(" ")[2]) for line in lines]


def test_a_bad_step_is_left_out_by_all_workers_on_all_servers(launch, script, tmp_path):
    env = {"OMP_NUM_THREADS": "1", "MXNET_KVSTORE_BIGARRAY_BOUND": "100"}
    name = script(TRAINS)
    job = launch(
        "--workers",
        2,
        "--servers",
        2,
        "--on-nan",
        "skip",
        name,
        real=True,
        env={**env, "PUSHGRAD_SNAPSHOT_DIR": str(tmp_path / "kept")},
    )
    assert job.finish() == 0, job.text
    first, second = results(job)
    assert first == second, "all workers end with the same"
    crc = {way: found[0] for way, found in first.items()}
    assert crc["skip"] == crc["without"]
    assert crc["coded"] == crc["coded without"]
    assert crc["stop"] == crc["before"]
    assert [first[way][1:] for way in ("skip", "stop", "async")] == [[6, 1], [3, 0], [3, 0]]
    kept = sorted(path.name for path in (tmp_path / "kept").glob("0*"))
    assert kept[-1].endswith("-fit7-step3"), "of where it stopped, with dist_async as well"
    assert "step left out (1 so far): worker 1: the gradient of key 'conv_weight' at step 4 has NaN" in job.text
    alone = launch(argv=[sys.executable, name], env={**env, "PUSHGRAD_ON_NAN": "skip"})
    assert alone.finish() == 0, alone.text
    (process,) = results(alone)
    assert process == {way: first[way] for way in process}, "the bits of the single process"
