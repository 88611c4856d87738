"""Trainings and whole jobs that are killed with SIGKILL and go on from their snapshots: the bits and lines of one
that nobody disturbed.
"""

import json
import os
import random
import re
import signal
import sys

import pytest

# Three fits, or one, of a network with what has a state of its own. `kill` is [rank, fit, step, seconds after it]; with
# `committed` it is the first step from there on at which there is a snapshot of such a name: they are written beside
# the steps, on a slow disk much later.
TRAINS = """
import json, os, pathlib, signal, sys, threading, time, zlib
import numpy as np
import pushgrad as mx

options = json.loads(sys.argv[1])

class Killer:
    all_ranks = True

    def __init__(self, fit):
        self.fit, self.step = fit, 0

    def batch_end(self, param):
        self.step += 1
        rank, fit, step, seconds = options["kill"] or [None, None, None, 0]
        if [rank, fit] != [mx.rank(), self.fit]:
            return
        if self.step == step and not options["committed"] or self.step >= step and self.is_there():
            kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
            threading.Timer(seconds, kill).start() if seconds else kill()

    def is_there(self):
        # Each step waits for a moment only: a snapshot may need further steps to be taken.
        until = time.monotonic() + 1
        while options["committed"] and time.monotonic() < until:
            # Not rglob, which fails when a folder that it is about to enter gets its last name.
            if any(pathlib.Path("snapshots").glob(options["committed"])):
                return True
            time.sleep(0.01)
        return False

    def state(self):
        return {"step": self.step}

    def restore(self, state):
        self.step = state["step"]

def network():
    s = mx.symbol
    layer = s.Convolution(s.Variable("data"), kernel=(3, 3), num_filter=4)
    layer = s.BatchNorm(layer) if options["norm"] else layer
    layer = s.FullyConnected(s.Flatten(s.Activation(layer, act_type="relu")), num_hidden=8)
    layer = s.Dropout(s.Activation(layer, act_type="tanh"), p=0.4)
    return s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=3), name="softmax")

mx.random.seed(3)
draw = np.random.default_rng(5)
X, y = draw.random((120, 1, 6, 6), np.float32), draw.integers(0, 3, 120).astype(np.float32)
for fit in range(1, options["fits"] + 1):
    model = mx.FeedForward.create(
        network(), mx.io.NDArrayIter(X, y, 12, True, "roll_over"), num_epoch=3, slices=4, learning_rate=0.05,
        momentum=0.9, wd=1e-4, initializer=mx.init.Uniform(0.2), eval_data=(X[:30], y[:30]),
        batch_end_callback=[mx.callback.log_train_metric(2), Killer(fit)],
        epoch_end_callback=mx.callback.EarlyStopping(patience=2, restore_best=True),
        compression_params=options["compression"],
    )
    arrays = [model.arg_params[name] for name in sorted(model.arg_params)] + [*model.aux_params.values()]
    arrays += [slots[state] for _, slots in sorted(model.optimizer_states.items()) for state in sorted(slots)]
    if mx.rank() == 0:
        # In one write, as lines of the log are: launch sees to it that nothing is buffered, and a kill between two
        # writes would leave half a line.
        end = f"end of fit {fit} {model.num_update} {zlib.crc32(b''.join(a.tobytes() for a in arrays))}\\n"
        print(end, end="", flush=True)
"""


@pytest.fixture
def train(launch, script):
    """Runs the training; gives the exit code and the lines that rank 0 printed. None for `workers`: without launch."""

    def run(
        workers=None,
        servers=1,
        kill=None,
        committed=None,
        fits=1,
        norm=True,
        compression=None,
        snapshot="3steps",
        resume="off",
    ):
        options = {"kill": kill, "committed": committed, "fits": fits, "norm": norm, "compression": compression}
        command = [script(TRAINS), json.dumps(options)]
        env = {"OMP_NUM_THREADS": "1", "PUSHGRAD_SNAPSHOT_DIR": "snapshots"}
        if workers is None:
            env |= {"PUSHGRAD_SNAPSHOT": snapshot, "PUSHGRAD_RESUME": resume}
            job = launch(argv=[sys.executable, *command], env=env)
            return job.finish(), job.lines
        kept = ["--snapshot", snapshot, "--resume", resume, "--max-restarts", 0]
        job = launch("--workers", workers, "--servers", servers, *kept, *command, real=True, env=env)
        code = job.finish()
        assert code in (0, 137), job.text
        return code, _of_first(job)

    return run


def _of_first(job):
    """What rank 0 printed, without how it shares the batch, which depends on the number of workers."""
    lines = [line.removeprefix("w0 | ") for line in job.lines if line.startswith("w0 | ")]
    return [line for line in lines if not line.startswith("global batch")]


def check_lines(runs, expected):
    """`runs` are the lines of the killed trainings, and last those of one that came to its end: each must be what was
    expected from some place on, and they must overlap. Ends of fits are told by every run that comes to them.
    """
    ends = [line for line in expected if line.startswith("end of fit")]
    assert [line for line in runs[-1] if line.startswith("end of fit")] == ends
    steps = [line for line in expected if line not in ends]
    reached = 0
    for lines in runs:
        lines = [line for line in lines if line not in ends]
        starts = [at for at in range(reached + 1) if steps[at : at + len(lines)] == lines]
        assert starts, (lines, steps, reached)
        reached = max(reached, starts[-1] + len(lines))
    assert reached == len(steps)


def check_until_it_ends(train, expected, draw, roles, **options):
    """Kill it at seeded moments until a run comes to its end, which must be the expected one."""
    runs, kills = [], 0
    while True:
        # Ever later, so that it comes to an end.
        place = [draw.randrange(roles), draw.randrange(1, options.get("fits", 1) + 1), draw.randrange(1, 31)]
        kill = [*place, round(draw.random() * 0.05, 4)] if kills < 6 else None
        code, lines = train(kill=kill, resume="auto" if runs else "off", **options)
        runs.append(lines)
        if code == 0:
            break
        assert code in (-signal.SIGKILL, 137)
        kills += 1
    check_lines(runs, expected)
    return kills


def test_a_killed_training_goes_on_with_the_same_bits_and_lines(train):
    code, expected = train(fits=2, snapshot="off")
    assert code == 0
    code, before = train(fits=2, kill=[0, 2, 14, 0], committed="*-fit2-*")
    assert code == -signal.SIGKILL
    code, after = train(fits=2, resume="auto")
    assert code == 0
    check_lines([before, after], expected)
    assert len(after) < len(expected) - 20, "the first fit is not trained again"


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(3))
def test_trainings_that_are_killed_at_seeded_moments(train, seed):
    _, expected = train(fits=3, snapshot="off")
    assert check_until_it_ends(train, expected, random.Random(seed), 1, fits=3)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("compression", [None, {"type": "2bit", "threshold": 0.01}], ids=["plain", "2bit"])
def test_jobs_whose_workers_are_killed_at_seeded_moments(train, seed, compression):
    options = {"workers": 2, "servers": 2, "fits": 2, "compression": compression}
    code, expected = train(**options, snapshot="off")
    assert code == 0
    assert check_until_it_ends(train, expected, random.Random(seed), 2, **options)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_killed_job_goes_on_with_other_workers_and_servers(train):
    """Without BatchNorm, whose statistics are each worker's own, the number of workers does not matter."""
    _, expected = train(norm=False, snapshot="off")
    runs = []
    for place, size in zip([8, 14, 20, 25, 0], [(2, 2), (1, 3), (4, 1), (2, 5), (None, 1)], strict=True):
        kill = [0, 1, place, 0.01] if place else None
        code, lines = train(*size, kill=kill, norm=False, resume="auto" if runs else "off", snapshot="2steps")
        runs.append(lines)
        assert code == (137 if kill else 0)
    check_lines(runs, expected)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("whom", ["launch", "ps1", "sched"])
def test_a_job_of_which_another_process_is_killed(launch, script, train, gone_within, whom):
    _, expected = train(2, 2, snapshot="off")
    command = [script(TRAINS), json.dumps({"kill": None, "fits": 1, "norm": True, "compression": None})]
    env = {"PUSHGRAD_SNAPSHOT": "0.02s", "PUSHGRAD_SNAPSHOT_DIR": "snapshots", "OMP_NUM_THREADS": "1"}
    job = launch("--verbose", "--workers", 2, "--servers", 2, "--max-restarts", 0, *command, real=True, env=env)
    job.wait_for("Batch [6]", times=2)
    if whom == "launch":
        job.send(signal.SIGKILL)
    else:
        os.kill(int(re.search(rf"\b{whom} is pid (\d+)", job.text)[1]), signal.SIGKILL)
    job.finish()
    assert gone_within(job.job_id, 10)
    code, after = train(2, 2, resume="auto")
    assert code == 0
    check_lines([_of_first(job), after], expected)
