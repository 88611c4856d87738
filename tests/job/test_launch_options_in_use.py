"""Options of `launch` with a real scheduler, real servers and real workers."""

import subprocess
import sys

import pytest
from long_after import long_after

STEP = """
import os, sys
import numpy as np
import pushgrad as mx
kv = mx.kv.create("dist")
weight = np.zeros(3, np.float32)
kv.init("w", weight)
kv.push("w", np.full(3, kv.rank + 1.0, np.float32))
kv.pull("w", weight)
open(f"rank{kv.rank}", "w").write(f"{weight[0]} {sys.argv[1:]} {os.environ['COLOUR']} {kv.num_servers}")
"""


@pytest.mark.parametrize("shell", long_after(1, [["sh"], ["bash", "--norc", "-i"]]), ids=["a script", "pasted"])
def test_the_lines_of_a_dry_run_run(launch, script, scratch, tmp_path, shell):
    name = script(STEP.replace("kv.num_servers", "os.environ['DMLC_NUM_SERVER']"))
    plan = launch("-n", 2, "-s", 2, "--env", "COLOUR=light 'blue'", "--dry-run", name, "a b", "$HOME", real=True)
    assert plan.finish() == 0, plan.text
    done = subprocess.run(
        shell, input="\n".join(plan.lines) + "\n", text=True, capture_output=True, timeout=60, cwd="/"
    )
    for rank in (0, 1):
        assert (tmp_path / f"rank{rank}").read_text() == "3.0 ['a b', '$HOME'] light 'blue' 2", done.stderr
    assert list(scratch.iterdir()) == [], "the last line clears up"


def test_a_worker_that_never_comes_is_blamed(launch, script, left_behind):
    name = script("import os, signal, pushgrad as mx\nsignal.pause() if os.environ['RANK'] == '1' else mx.rank()")
    job = launch("--workers", 2, "--start-timeout", 2, name, real=True)
    job.wait_for("launch | the job waits for worker 1 to come")
    assert job.finish() == 1, job.text
    assert "worker 1 was given up (host " in job.errors[-2]
    assert (
        "worker 1 did not come within 2 s of the start. PUSHGRAD_START_TIMEOUT or `launch --start-timeout`" in job.text
    )
    assert job.errors[-1].endswith("/w1.log")
    assert left_behind(job.job_id) == []


def test_a_scheduler_that_never_listens_is_given_up(launch, script):
    """The launcher's own waiting keeps to the same limit."""
    stopped = "import pushgrad.launch.job as job, pushgrad.launch.options as o, functools, sys\n"
    stopped += (
        "o.Job = functools.partial(o.Job, role_command=(sys.executable, '-c', 'import signal; signal.pause()'))\n"
    )
    stopped += "from pushgrad.launch.cli import main; main()"
    job = launch(argv=[sys.executable, "-c", stopped, script("")], env={"PUSHGRAD_START_TIMEOUT": "1"})
    assert job.finish() == 1, job.text
    assert "scheduler did not report within 1 s where it listens" in job.text


SECOND = """
import pushgrad as mx
kv = mx.kv.create("dist")
kv.barrier()
print("done", flush=True)
"""


@pytest.mark.parametrize("workers", long_after(1, [2, 1]))
def test_two_scripts_in_one_job(launch, script, left_behind, workers):
    script(SECOND, "a.py")
    script(SECOND, "b.py")
    command = f"{sys.executable} a.py && {sys.executable} b.py"
    job = launch("--workers", workers, "bash", "-c", command, real=True)
    assert job.finish() == 1, job.text
    assert sorted(job.lines) == [f"w{rank} | done" for rank in range(workers)]
    assert "has been in this job already" in job.text and "one script per job" in job.text
    assert job.seconds < 30 and left_behind(job.job_id) == []


def test_torch_s_port_is_free_for_rank_0(launch, script):
    name = script(
        """
        import os, socket
        place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
        import pushgrad as mx
        if mx.rank() == 0:
            with socket.create_server(place) as listener:
                mx.kv.create("dist").barrier()
                print(listener.accept()[0].recv(9))
        else:
            mx.kv.create("dist").barrier()
            socket.create_connection(place, 20).sendall(b"here")
        """
    )
    job = launch("-n", 2, name, real=True)
    assert job.finish() == 0, job.text
    assert job.lines == ["w0 | b'here'"]
