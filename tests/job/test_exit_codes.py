"""Exit codes and last words of scripts, with real servers: under `launch`, behind a shell, and by hand."""

import sys

import pytest
from long_after import long_after

JOINS = """
import os, signal, sys, threading
import numpy as np
import pushgrad as mx
kv = mx.kv.create("dist_sync")
kv.init("w", np.zeros(3, np.float32))
def steps():
    out = np.zeros(3, np.float32)
    while True:
        kv.push("w", np.ones(3, np.float32))
        kv.pull("w", out)
print("ready", flush=True)
"""


@pytest.mark.parametrize("action", long_after(1, ["sys.exit(75)", "raise SystemExit(75)", "kv.close(); sys.exit(75)"]))
def test_a_scripts_own_75_is_75(launch, script, action):
    job = launch("--workers", 2, script(JOINS + f"if kv.rank == 1: {action}\nsteps()\n"), real=True)
    assert job.finish() == 75, job.text
    assert "worker 1 exited with code 75" in job.text


def test_a_75_without_a_job_is_75_at_once(launch, script):
    job = launch(script("raise SystemExit(75)"), real=True)
    assert job.finish() == 75, job.text
    assert "worker 0 exited with code 75" in job.errors[-2]


@pytest.mark.parametrize(
    "action", long_after(1, ["sys.exit(3)", "exit(3)", "sys.exit('no more')", "raise ValueError('labels')"])
)
def test_by_hand_a_failing_worker_ends_every_role_with_an_error(new_job, action):
    job = new_job(workers=2, servers=1).start(JOINS + f"if kv.rank == 1: {action}\nsteps()\n")
    codes = job.wait(30)
    assert all(codes.values()), codes
    assert codes["worker1"] == (3 if "3" in action else 1)
    assert "because of worker 1" in job.err("worker0") and "because of worker 1" in job.err("scheduler")


@pytest.mark.long
def test_by_hand_a_single_worker_too(new_job):
    job = new_job(workers=1, servers=2).start(JOINS + "sys.exit(1)")
    codes = job.wait(30)
    assert all(codes.values()), codes


@pytest.mark.long
def test_an_exit_that_was_caught_or_in_another_thread_is_no_failure(new_job):
    code = """
        try:
            sys.exit(2)
        except SystemExit:
            pass
        thread = threading.Thread(target=sys.exit, args=(3,))
        thread.start()
        thread.join()
    """
    import textwrap

    new_job(workers=1).start(JOINS + textwrap.dedent(code)).succeed()
    new_job(workers=1).start(JOINS + "sys.exit(0)").succeed()
    new_job(workers=1).start(JOINS + "sys.exit()").succeed()


@pytest.mark.parametrize("wrapper", long_after(1, ["{} | cat", "{} || exit 9"]))
def test_a_shell_around_the_script_turns_no_blame_to_the_innocent(launch, script, wrapper):
    script(JOINS + "if kv.rank == 1: raise ValueError('labels')\nsteps()\n")
    job = launch("--workers", 2, "bash", "-c", wrapper.format(f"{sys.executable} train.py"), real=True)
    assert job.finish() == (9 if "9" in wrapper else 1), job.text
    last = "\n".join(job.errors[-4:])
    assert "worker 1 exited with code" in last and "ValueError: labels" in last and "worker 0" not in last


CALLS_BACK = (
    JOINS
    + """
X, y = np.zeros((40, 4), np.float32), np.zeros(40, np.float32)
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
def callback(*arguments):
    raise KeyError("in the user's own code")
mx.FeedForward.create(net, X, y, num_epoch=1, batch_size=20, epoch_end_callback=callback, verbose=False)
"""
)


def test_a_traceback_comes_once_and_without_our_frames(launch, script):
    job = launch(script(CALLS_BACK), real=True)
    assert job.finish() == 1, job.text
    assert job.text.count("Traceback (most recent call last)") == 1, job.text
    assert job.text.count("in callback") == 1 and "frames of pushgrad" in job.text
    assert "worker/training" not in job.text
    assert 'launch |     KeyError: "in the user\'s own code"' in job.errors


@pytest.mark.long
def test_an_error_before_the_job_is_joined_is_told_without_our_frames_too(launch, script):
    job = launch(
        script(CALLS_BACK.replace(JOINS, "import numpy as np\nimport pushgrad as mx\n").replace("40, np", "39, np")),
        real=True,
    )
    assert job.finish() == 1, job.text
    assert "have different numbers of examples" in job.text and "frames of pushgrad" in job.text
    assert "worker/training" not in job.text


@pytest.mark.long
def test_a_waiting_line_comes_once(launch, script):
    """From two servers, again and again: once on the terminal."""
    text = JOINS.replace("np.zeros(3,", "np.zeros(3_000_000,").replace("np.ones(3,", "np.ones(3_000_000,")
    text += """
if kv.rank == 1:
    import select
    select.select([], [], [], 3.0)
    kv.push("w", np.ones(3_000_000, np.float32))
else:
    kv.push("w", np.ones(3_000_000, np.float32))
out = np.zeros(3_000_000, np.float32)
kv.pull("w", out)
"""
    job = launch("--workers", 2, "--servers", 2, "--env", "PUSHGRAD_LEASE=3", script(text), real=True)
    assert job.finish() == 0, job.text
    assert job.text.count("step 1 waits for worker 1") == 1, job.text
