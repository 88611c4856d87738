"""Trainings of many kinds whose processes are killed go on with the bits and the lines of one that nobody disturbs.

tests/job/test_restarts.py does this with BatchNorm, Dropout, momentum and a shuffle that rolls over.
"""

import json
import random
import sys

import numpy as np
import pytest
from killing import kill_at_moments, lines_of

import pushgrad as mx

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

# `lstm` is a loop of its own over mx.kv. Its states are carried from piece to piece of a text, each worker has those of
# its rows, and the network forgets them when the text begins again.
TRAINS = """
import json, sys, time, zlib
import numpy as np
import pushgrad as mx

s = mx.symbol

def fit(data, net, pause, **options):
    model = mx.FeedForward.create(
        net, data, num_epoch=6, slices=4, initializer=mx.init.Uniform(0.2),
        batch_end_callback=[mx.callback.log_train_metric(2), lambda param: time.sleep(pause)], **options,
    )
    tell_end(model.arg_params, model.optimizer_states)

def tell_end(weights, states):
    arrays = [weights[name] for name in sorted(weights)]
    arrays += [slots[state] for _, slots in sorted(states.items()) for state in sorted(slots)]
    print("the end", zlib.crc32(b"".join(array.tobytes() for array in arrays)), flush=True)

def adam(pause):
    draw = np.random.default_rng(5)
    X, y = draw.random((96, 20), np.float32), draw.integers(0, 3, 96).astype(np.float32)
    layer = s.Activation(s.FullyConnected(s.Variable("data"), num_hidden=16), act_type="tanh")
    net = s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=3), name="softmax")
    schedule = mx.lr_scheduler.FactorScheduler(10, 0.8)
    fit(mx.io.NDArrayIter(X, y, 12, True), net, pause, optimizer="adam", learning_rate=0.01, lr_scheduler=schedule)

def pictures(pause):
    part = {"num_parts": mx.num_workers(), "part_index": mx.rank()}
    data = mx.io.ImageRecordIter(
        "few.rec", (3, 12, 12), 6, shuffle=True, rand_crop=True, rand_mirror=True, max_random_scale=1.2, **part
    )
    layer = s.Activation(s.Convolution(s.Variable("data"), kernel=(3, 3), num_filter=4), act_type="relu")
    net = s.SoftmaxOutput(s.FullyConnected(s.Flatten(layer), num_hidden=2), name="softmax")
    fit(data, net, pause, learning_rate=0.001, momentum=0.9)

def lstm(pause):
    rows, pieces, length = 3, 8, 5
    first = rows * mx.rank()
    text = np.random.default_rng(5).integers(0, 7, (2 * rows, pieces * length + 1))[first : first + rows]
    net = mx.models.lstm_unroll(7, seq_len=length, num_layers=1, num_hidden=8, num_embed=4, dropout=0.0)
    names = [name for name in net.list_arguments() if name.endswith(("weight", "bias"))]
    shapes = {"data": (rows, length), "l0_init_h": (rows, 8), "l0_init_c": (rows, 8)}
    bound = net.simple_bind(mx.cpu(), grad_req=dict.fromkeys(names, "write"), **shapes)
    weights, states = [bound.arg_dict[name] for name in names], [bound.arg_dict[f"l0_init_{kind}"] for kind in "hc"]
    for name, weight in zip(names, weights):
        weight[:] = mx.init.Uniform(0.2)(name, weight.shape)
    kv = mx.kv.create("auto")
    kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=0.02, momentum=0.9))
    kv.init(names, weights)
    done, kept = kv.restore() or (0, {"states": states, "loss": 0.0})
    loss = kept["loss"]
    for state, value in zip(states, kept["states"]):
        state[:] = value
    kv.pull(names, out=weights)
    for step in range(done, 6 * pieces):
        at = step % pieces * length
        if at == 0:
            for state in states:
                state[:] = 0
        now, then = text[:, at : at + length], text[:, at + 1 : at + length + 1]
        chances, *last = bound.forward(is_train=True, data=now, softmax_label=then)
        loss -= float(np.log(np.take_along_axis(chances, then[:, :, None], 2)).sum())
        bound.backward()
        for state, value in zip(states, last):
            state[:] = value
        kv.pushpull(names, [bound.grad_dict[name] for name in names], out=weights)
        if step % 5 == 4:
            print("step", step, "loss", loss, flush=True)
        kv.snapshot(step + 1, extra={"states": states, "loss": loss})
        time.sleep(pause)
    tell_end(dict(zip(names, weights)), dict(zip(names, kv.states(names))))
    kv.close()

def main(kind, pause):
    mx.random.seed(3)
    {"adam": adam, "pictures": pictures, "lstm": lstm}[kind](pause)

if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
"""

# The same by mx.run, with a function.
RUNS = """
import json, sys
import pushgrad as mx
from train import main

kind, pause, options = json.loads(sys.argv[1])
mx.run(main, kind, pause, workers=2, servers=2, verbose=True, **options)
"""


@pytest.fixture
def pictures(tmp_path):
    """96 small ones of two kinds."""
    draw = np.random.default_rng(1)
    with mx.recordio.MXRecordIO(tmp_path / "few.rec", "w") as file:
        for i in range(96):
            pixels = (draw.random((16, 16, 3)) * 128 + 127 * (i % 2)).astype(np.uint8)
            file.write(mx.recordio.pack_img((0, i % 2, i, 0), pixels, 3, ".png"))


@pytest.fixture
def start(launch, script, pictures):
    """Starts a training of that kind with 2 workers and 2 servers, by `launch` or by mx.run."""

    def run(kind, by, pause=0.0, **options):
        train, env = script(TRAINS), {"OMP_NUM_THREADS": "1"}
        if by == "mx.run":
            driver = script(RUNS, "driver.py")
            return launch(argv=[sys.executable, driver, json.dumps([kind, pause, options])], env=env)
        given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        size = ["--verbose", "--workers", 2, "--servers", 2]
        return launch(*size, *given, train, json.dumps([kind, pause]), real=True, env=env)

    return run


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("kind", "by"), [("adam", "launch"), ("pictures", "launch"), ("lstm", "launch"), ("adam", "mx.run")]
)
def test_jobs_whose_processes_are_killed_at_seeded_moments(start, left_behind, kind, by, seed):
    whole = start(kind, by, snapshot="off")
    assert whole.finish() == 0, whole.text
    job = start(kind, by, pause=0.05, snapshot="1steps" if kind == "lstm" else "0.01s", max_restarts=99)
    kills = kill_at_moments(job, random.Random(seed), 4)
    assert job.finish() == 0, job.text
    assert lines_of(job) == lines_of(whole) and lines_of(job)["w1"]
    assert kills >= 3 and job.text.count("the job goes on") >= kills and left_behind(job.job_id) == []
