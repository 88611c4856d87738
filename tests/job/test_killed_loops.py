"""Jobs with a loop of their own over mx.kv that are killed with SIGKILL and go on from `kv.snapshot`."""

import json
import random
import re
import signal
import sys

import numpy as np
import pytest

# A key that is cut over the servers, one by rows, and one that is only summed. Gradients depend on step and rank alone;
# `mine` is what each worker keeps for itself, of random numbers of its own.
LOOP = """
import json, os, signal, sys, time, zlib
from pathlib import Path
import numpy as np
import pushgrad as mx

options = json.loads(sys.argv[1])
kv = mx.kv.create(options["kind"])
rank, workers = kv.rank, kv.num_workers
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=0.1, momentum=0.9, wd=1e-3,
                                     lr_scheduler=mx.lr_scheduler.FactorScheduler(7, 0.5)))
kv.init("w", np.linspace(-1, 1, 3000).astype(np.float32))
kv.init("rows", np.ones((6, 4)), row_sparse=True)
if options["compression"]:
    kv.set_gradient_compression({"type": "2bit", "threshold": 0.05})
np.random.seed(rank)
first, mine = kv.restore() or (0, {"draws": [], "rank": rank})
for step in range(first, options["steps"]):
    if step == options["kill"] and rank == options["victim"] and os.environ.get("PUSHGRAD_GENERATION", "1") == "1":
        while options["after"] and not list(Path("kept").glob("0*")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    draws = [np.random.default_rng((step, one)) for one in range(2)]
    each = [(draw.standard_normal(3000, np.float32), draw.random((2, 4))) for draw in draws]
    ids = [step % 6, (step + 2) % 6]
    # One process stands for both workers of the job by pushing what both would, as they would be added up.
    some = each if workers == 1 else each[rank:rank + 1]
    kv.push("w", [gradient for gradient, _ in some])
    kv.row_sparse_push("rows", sum(rows for _, rows in some), ids)
    kv.pull("w")
    mine["draws"].append(np.random.random())
    print("step", rank, step, flush=True)
    time.sleep(options["pause"])
    kv.snapshot(step + 1, extra=mine)
bits = [kv.pull(key).tobytes() for key in ("w", "rows")]
bits += [state.tobytes() for states in kv.states(["w", "rows"]) for state in states.values()]
print("end", rank, first, zlib.crc32(b"".join(bits)), mine["draws"], flush=True)
"""


@pytest.fixture
def start(launch, script):
    """Starts the loop: in a job of so many workers and servers, or in one process if `size` is None."""

    def run(size=None, resume="off", snapshot="off", restarts=0, **options):
        given = {"kind": "auto", "kill": None, "victim": 0, "after": True, "steps": 24, "compression": False}
        command = [script(LOOP), json.dumps({**given, "pause": 0, **options})]
        env = {"OMP_NUM_THREADS": "1", "MXNET_KVSTORE_BIGARRAY_BOUND": "1000", "PUSHGRAD_SNAPSHOT_DIR": "kept"}
        if size is None:
            env |= {"PUSHGRAD_SNAPSHOT": snapshot, "PUSHGRAD_RESUME": resume}
            return launch(argv=[sys.executable, *command], env=env)
        kept = ["--snapshot", snapshot, "--resume", resume, "--max-restarts", restarts]
        return launch("--verbose", "--workers", size[0], "--servers", size[1], *kept, *command, real=True, env=env)

    return run


@pytest.fixture
def loop(start):
    """Runs the loop; gives the exit code, what `ends` does, and the job."""

    def run(*size, **options):
        job = start(*size, **options)
        code = job.finish()
        return code, ends(job), job

    return run


def ends(job):
    """The steps from which workers went on, the checksums and the draws by rank."""
    found = [line.partition("end ")[2].split(" ", 3) for line in job.lines if "end " in line]
    return {int(rank): (int(first), int(crc), json.loads(draws)) for rank, first, crc, draws in found}


def drawn(rank, count):
    """What a worker draws that nobody disturbs: numpy's global numbers, which the script has seeded with its rank."""
    return list(np.random.RandomState(rank).random_sample(count))


def test_a_killed_loop_goes_on_with_other_servers_and_in_one_process(loop):
    code, expected, _ = loop()
    assert code == 0
    code, _, killed = loop((2, 2), snapshot="5steps", kill=17, victim=1)
    assert code == 137
    assert "a death ends this job" not in killed.text, "it calls kv.restore"
    code, found, job = loop((2, 3), snapshot="5steps", resume="auto")
    assert code == 0, job.text
    assert found[0][0] == found[1][0] >= 5
    for rank in range(2):
        assert found[rank][1] == expected[0][1], "the bits of a loop that nobody disturbed"
        assert found[rank][2] == drawn(rank, 24), "each worker's extra and random numbers are its own"
    code, alone, job = loop(resume="auto")
    assert code == 0, job.text
    assert found[0][0] <= alone[0][0] <= 24, "from a snapshot of the job that has ended, or of the one before"
    assert alone[0][1:] == expected[0][1:]
    assert "what workers from 1 on have kept in `extra` is left out" in job.text


@pytest.mark.long
def test_a_loop_without_restore_ends_with_its_job_and_says_so(launch, script):
    name = script("""
        import numpy as np, pushgrad as mx
        kv = mx.kv.create("dist_sync")
        kv.init("w", np.zeros(2, np.float32))
        kv.push("w", np.ones(2, np.float32))
        """)
    job = launch("--workers", 1, name, real=True)
    assert job.finish() == 0
    said = "a death ends this job: its script trains through mx.kv and does not call kv.restore"
    assert job.text.count(said) == 1, job.text


CROSSED = """
import numpy as np, pushgrad as mx
kv = mx.kv.create("dist_sync")
kv.init("w", np.zeros(2, np.float32))
kv.restore()
for step in range(1, 9):
    kv.push("w", np.ones(2, np.float32))
    kv.pull("w")
    if kv.rank == 0:
        kv.snapshot(step)
"""


def test_a_job_of_which_one_worker_calls_snapshot_ends_and_says_where_each_waits(launch, script):
    job = launch("--workers", 2, "--snapshot", "0.001s", "--max-restarts", 0, script(CROSSED), real=True)
    assert job.finish() not in (0, 137)
    assert "kv.snapshot: step 1 of key-value store 1" in job.text
    assert "step 2 of key-value store 1" in job.text


def test_launch_starts_a_loop_again_and_its_lines_come_once(loop):
    _, alone, _ = loop()
    code, found, job = loop((2, 2), snapshot="5steps", kill=17, victim=1, restarts=1)
    assert code == 0, job.text
    assert {rank: one[1:] for rank, one in found.items()} == {rank: (alone[0][1], drawn(rank, 24)) for rank in range(2)}
    # The death may come before the launcher has heard of the first snapshot, which the workers find all the same.
    assert re.search("(of its loop over mx.kv|as there is no snapshot yet), as generation 2", job.text), job.text
    assert [job.text.count(f"step {rank} {step}\n") for rank in range(2) for step in range(24)] == [1] * 48


def test_a_loop_keeps_its_state_when_a_signal_announces_the_end(loop, start):
    """Nothing else asks for a snapshot. All workers get SIGTERM, and go on until rank 0 has what it needs of them."""
    job = start((2, 1), snapshot="9999steps", pause=0.05, steps=9999)
    job.wait_for("step 1 4")
    job.send(signal.SIGUSR1)
    job.wait_for("event=resumable", times=2)  # the first one tells where it begins
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    _, usr1, term = (int(step) for step in re.findall(r"event=resumable .* step=(\d+)", job.text))
    assert 4 < usr1 < term
    _, expected, _ = loop(steps=term + 2)
    code, found, job = loop(resume="auto", steps=term + 2)
    assert code == 0, job.text
    assert found[0][:2] == (term, expected[0][1])


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("compression", [False, True], ids=["plain", "2bit"])
@pytest.mark.parametrize("seed", range(2))
def test_loops_that_are_killed_at_seeded_moments(loop, seed, compression):
    """Workers of several numbers of servers die until a job comes to its end; compressed gradients have residuals."""
    options = {"snapshot": "3steps", "compression": compression, "after": False}
    _, expected, _ = loop((2, 2), **{**options, "snapshot": "off"})
    draw = random.Random(seed)
    for kills in range(5):
        kill = draw.randrange(3 + 4 * kills, 24) if kills < 4 else None
        size = (2, draw.randrange(1, 4))
        resume = "auto" if kills else "off"
        code, found, job = loop(size, resume=resume, kill=kill, victim=draw.randrange(2), **options)
        if code == 0:
            break
        assert code == 137, job.text
    assert {rank: one[1:] for rank, one in found.items()} == {rank: one[1:] for rank, one in expected.items()}
