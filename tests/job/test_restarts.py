"""Jobs whose processes are killed go on by themselves, with the bits and the lines of one that nobody disturbed."""

import json
import random
import re
import signal
import sys
from pathlib import Path

import pytest
from killing import kill, kill_at_moments, lines_of

# Three fits, or fewer, of a network with what has a state of its own: BatchNorm, Dropout, momentum, a shuffle, early
# stopping. Every worker prints, rank 1 with a mind of its own.
TRAINS = """
import json, sys, time, zlib
import numpy as np
import pushgrad as mx

fits, pause = json.loads(sys.argv[1])

class Told:
    all_ranks = True
    steps = 0

    def batch_end(self, param):
        self.steps += 1
        time.sleep(pause)
        if mx.rank() and self.steps % 4 == 1:
            print(f"worker {mx.rank()}, step {self.steps}")

    def state(self):
        return {"steps": self.steps}

    def restore(self, state):
        self.steps = state["steps"]

def network():
    s = mx.symbol
    layer = s.BatchNorm(s.Convolution(s.Variable("data"), kernel=(3, 3), num_filter=4))
    layer = s.FullyConnected(s.Flatten(s.Activation(layer, act_type="relu")), num_hidden=8)
    layer = s.Dropout(s.Activation(layer, act_type="tanh"), p=0.4)
    return s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=3), name="softmax")

print("the script begins")
mx.random.seed(3)
draw = np.random.default_rng(5)
X, y = draw.random((120, 1, 6, 6), np.float32), draw.integers(0, 3, 120).astype(np.float32)
for fit in range(1, fits + 1):
    print(f"fit {fit} of {fits}")
    model = mx.FeedForward.create(
        network(), mx.io.NDArrayIter(X, y, 12, True, "roll_over"), num_epoch=3, slices=4, learning_rate=0.05,
        momentum=0.9, wd=1e-4, initializer=mx.init.Uniform(0.2), eval_data=(X[:30], y[:30]),
        batch_end_callback=[mx.callback.log_train_metric(2), Told()],
        epoch_end_callback=mx.callback.EarlyStopping(patience=2, restore_best=True),
    )
    arrays = [model.arg_params[name] for name in sorted(model.arg_params)] + [*model.aux_params.values()]
    arrays += [slots[state] for _, slots in sorted(model.optimizer_states.items()) for state in sorted(slots)]
    print("end of fit", fit, model.num_update, zlib.crc32(b"".join(a.tobytes() for a in arrays)), flush=True)
"""


@pytest.fixture
def start(launch, script):
    """Starts the training with 2 workers; its processes are known by --verbose."""

    def run(*options, fits=2, pause=0.0, servers=1, program=("-m", "pushgrad.launch"), **env):
        command = [script(TRAINS), json.dumps([fits, pause])]
        options = ["--verbose", "--workers", 2, "--servers", servers, *options]
        argv = [sys.executable, *program, *options, *command]
        return launch(argv=[*map(str, argv)], env={"OMP_NUM_THREADS": "1", **env})

    return run


@pytest.fixture
def undisturbed(start):
    """The lines of a job of so many fits and servers that nobody disturbs."""

    def run(**options):
        job = start("--snapshot", "off", **options)
        assert job.finish() == 0, job.text
        return lines_of(job)

    return run


def test_killed_processes_cost_nothing_but_time(start, undisturbed, left_behind):
    expected = undisturbed()
    job = start("--snapshot", "3steps", "--max-restarts", 9)
    job.wait_for("w0 | [2] Validation-accuracy", times=2)  # in the second fit
    kill(job, "ps0", "w1")
    job.wait_for("as generation 2; 8 restarts left")
    for name in ("w0", "sched"):
        job.wait_for(f"{name} is pid", times=2)
    kill(job, "sched", "w0")  # while they start
    assert job.finish() == 0, job.text
    assert lines_of(job) == expected
    assert job.text.count("the job goes on") == 2 and left_behind(job.job_id) == []
    assert not list(job.runs.glob("*/snapshots/.*.new"))


def test_a_generation_that_is_forked_has_the_bits_and_lines_of_one_that_is_started(start, undisturbed, left_behind):
    expected = undisturbed(fits=1)
    program = [Path(__file__).parents[1] / "launch" / "with_spare.py"]
    job = start("--snapshot", "3steps", fits=1, pause=0.1, program=program)
    job.wait_for("prepared: generation 2")
    job.wait_for("w0 | Batch [4]")
    kill(job, "ps0")
    job.wait_for("w1 is pid", times=2)
    pids = [re.findall(rf"\b{name} is pid (\d+)", job.text)[-1] for name in ("sched", "ps0", "w0", "w1")]
    assert all(b"spare_process" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    assert job.finish() == 0, job.text
    assert lines_of(job) == expected
    assert job.text.count("the job goes on") == 1 and left_behind(job.job_id) == []


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_state_is_kept_when_sigterm_or_sigusr1_announces_the_end(start, undisturbed):
    expected = undisturbed(fits=1)
    job = start("--snapshot", "9999steps", fits=1, pause=0.05)
    job.wait_for("w0 | Batch [4]")
    job.send(signal.SIGUSR1)
    job.wait_for("SIGUSR1 is passed on to w0")
    job.wait_for("event=resumable", times=2)
    job.wait_for("w0 | [1] Validation-accuracy")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert "ended by SIGTERM" in job.text
    steps = [int(step) for step in re.findall(r"event=resumable .* step=(\d+)", job.text)]
    assert len(steps) == 3 and 4 <= steps[1] < steps[2] >= 10, job.text
    again = start("--snapshot", "9999steps", "--resume", "auto", fits=1)
    assert again.finish() == 0, again.text
    assert f"fit1-step{steps[2]}" in again.text
    # The second begins where the first has ended, after the lines that every script prints at its beginning.
    assert lines_of(job)["w0"] + lines_of(again)["w0"][2:] == expected["w0"]


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["w1", "ps0", "sched"])
def test_a_process_that_stands_still_for_longer_than_its_lease(start, undisturbed, left_behind, name):
    expected = undisturbed(fits=1)
    job = start("--snapshot", "2steps", "--env", "PUSHGRAD_LEASE=3", fits=1, pause=0.02)
    job.wait_for("w0 | Batch [6]")
    kill(job, name, signum=signal.SIGSTOP)
    assert job.finish() == 0, job.text
    assert lines_of(job) == expected
    assert "no sign of life" in job.text and job.text.count("the job goes on") == 1
    assert left_behind(job.job_id) == []


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10))
def test_jobs_whose_processes_are_killed_at_seeded_moments(start, undisturbed, left_behind, seed):
    """Six kills in each: of any process, or two; while it trains, writes snapshots (as often as it can), or starts."""
    draw = random.Random(seed)
    expected = undisturbed(fits=3, servers=2)
    job = start("--snapshot", "0.01s", "--max-restarts", 99, fits=3, servers=2, pause=0.05)
    kills = kill_at_moments(job, draw, 6)
    assert job.finish() == 0, job.text
    assert lines_of(job) == expected
    assert kills >= 5 and job.text.count("the job goes on") >= kills and left_behind(job.job_id) == []
