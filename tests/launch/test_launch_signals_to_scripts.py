"""Signals that reach the script: Ctrl-C, announcements of a batch system, Ctrl-Z, and the question where it stands."""

import os
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


SAVES = """
import atexit, fake_job, signal, sys
fake_job.join()
atexit.register(lambda: print("atexit", flush=True))
def handler(signum, frame):
    raise SystemExit(f"ended in order by {signum}")
signal.signal(signal.SIGTERM, handler)
try:
    print("ready", flush=True)
    signal.pause()
except KeyboardInterrupt:
    print("interrupted", flush=True)
finally:
    fake_job.tell("progress", epoch=1)  # the scheduler still answers
    print("saved", flush=True)
"""


@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGQUIT, 131)])
def test_workers_end_first_and_in_their_own_way(launch, script, left_behind, signum, code):
    job = launch("--workers", 2, script(SAVES))
    job.wait_for("| ready", times=2)
    job.send(signum)
    assert job.finish() == code, job.text
    assert job.lines.count("w0 | saved") == job.lines.count("w1 | atexit") == 1, job.text
    assert ("w0 | interrupted" in job.lines) == (signum == signal.SIGINT)
    assert left_behind(job.job_id) == []


def test_a_shell_in_front_that_has_gone_does_not_end_the_work_behind_it(launch, script, tmp_path):
    script(
        SAVES.replace("import atexit", "import time, atexit").replace(
            "    fake_job.tell", "    time.sleep(1)\n    fake_job.tell"
        )
    )
    job = launch("bash", "-c", f"{sys.executable} train.py")
    job.wait_for("| ready")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert "w0 | saved" in job.lines, job.text


HANDLES = """
import fake_job, os, signal, sys
def handler(signum, frame):
    print("heard", signal.Signals(signum).name, flush=True)
    heard.add(signum)
heard = set()
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), handler)
fake_job.join()
print("ready", flush=True)
while len(heard) < len(sys.argv) - 1 or not heard:
    signal.pause()
fake_job.leave()
"""


def test_announcements_are_passed_on_to_whoever_has_a_handler(launch, script):
    names = ("SIGUSR1", "SIGUSR2", "SIGHUP")
    script(HANDLES)
    job = launch("--workers", 2, "bash", "-c", f"{sys.executable} train.py {' '.join(names)} | cat")
    job.wait_for("| ready", times=2)
    for name in names:
        job.send(getattr(signal, name))
        job.wait_for(f"| heard {name}", times=2)
    assert job.finish() == 0, job.text
    assert "launch | SIGUSR2 is passed on to w0, w1" in job.errors


def test_an_announcement_that_nobody_handles_harms_nobody(launch, script):
    job = launch(script(HANDLES), "SIGUSR1")
    job.wait_for("| ready")
    job.send(signal.SIGUSR2)
    job.wait_for("SIGUSR2 is passed on to nobody")
    job.send(signal.SIGUSR1)
    assert job.finish() == 0, job.text


def test_an_announcement_during_the_start_is_kept(launch, script):
    name = script("import select, sys\nprint('starting', flush=True)\nselect.select([], [], [], 0.5)\n" + HANDLES)
    job = launch(name, "SIGUSR1")
    job.wait_for("| starting")
    job.send(signal.SIGUSR1)
    job.wait_for("| heard SIGUSR1")
    assert job.finish() == 0, job.text


HASTY = """
import os, signal, sys
class Announcing:
    def find_spec(name, path, target=None):
        if name == "pushgrad.launch.cli":
            os.kill(os.getpid(), signal.SIGUSR1)
sys.meta_path.insert(0, Announcing)
from pushgrad.launch.__main__ import main
main()
"""


def test_an_announcement_while_launch_itself_is_starting_is_kept(launch, script):
    """Slurm looks at its time limits twice a minute: it may send the signal as soon as the job has begun."""
    heard = "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))\nsignal.pause()"
    job = launch(argv=[sys.executable, script(HASTY, "hasty.py"), script(heard)])
    assert job.finish() == 0, job.text
    assert job.lines == ["w0 | heard"]
    assert "launch | SIGUSR1 is passed on to nobody yet; to w0 once there is a handler" in job.errors


def test_a_hangup_that_one_worker_does_not_handle_ends_the_job(launch, script, left_behind):
    text = HANDLES.replace("for name in", "if os.environ['RANK'] == '1': sys.argv.pop()\nfor name in")
    job = launch("--workers", 2, script(text), "SIGHUP")
    job.wait_for("| ready", times=2)
    job.send(signal.SIGHUP)
    assert job.finish() == 129, job.text
    assert left_behind(job.job_id) == []


def test_signals_count_while_processes_are_being_started(launch, script, left_behind):
    job = launch("--workers", 40, "--verbose", script("import signal; signal.pause()"))
    job.wait_for("w0 is pid")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert left_behind(job.job_id) == []


def test_before_the_scheduler_has_said_where_it_listens(launch, script, left_behind):
    job = launch("--verbose", script("print('never')"), env={"FAKE_SILENT": "1"})
    job.wait_for("sched is pid")
    job.send(signal.SIGINT)
    assert job.finish() == 130, job.text
    assert left_behind(job.job_id) == [] and not job.lines


COUNTS = """
import fake_job, sys
fake_job.join()
print("ready", flush=True)
number = 0
while not sys.stdin.closed:
    number += 1
    fake_job.tell("progress", epoch=number)
    if number == 200:
        print("enough", flush=True)
    if number > 200:
        import time; time.sleep(0.01)
"""


def test_ctrl_z_stops_the_job_and_fg_continues_it(launch, script, left_behind):
    # Not a session of its own: the system does not stop a process that no shell could continue.
    job = launch("--verbose", script(COUNTS), start_new_session=False, process_group=0)
    job.wait_for("| ready")
    job.send(signal.SIGTSTP)
    _, status = os.waitpid(job.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    pids = [job.pid(name) for name in ("w0", "ps0", "sched")]
    assert within(10.0, lambda: [state_of(pid) for pid in pids] == ["T"] * 3)
    job.send(signal.SIGCONT)
    job.wait_for("| enough")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert left_behind(job.job_id) == []


STANDS = """
import pushgrad, fake_job, signal
def in_the_third_layer():
    print("ready", flush=True)
    while True:
        signal.pause()
fake_job.join()
in_the_third_layer()
"""


@pytest.mark.parametrize("how", ["SIGUSR1", "SIGQUIT", "--timeout"])
def test_where_every_worker_stands(launch, script, how):
    job = launch("--workers", 2, *(["--timeout", "3"] if how == "--timeout" else []), script(STANDS))
    job.wait_for("| ready", times=2)
    if how != "--timeout":
        job.send(getattr(signal, how))
    job.wait_for(" in <module>", times=2)  # a stack's last line
    if how == "SIGUSR1":
        assert job.process.poll() is None
        job.send(signal.SIGTERM)
    assert job.finish() == {"SIGUSR1": 143, "SIGQUIT": 131, "--timeout": 124}[how], job.text
    assert sum(" in in_the_third_layer" in line for line in job.errors) == 2, job.text


def test_who_cannot_say_where_it_stands_is_named(launch, script):
    job = launch(script("import fake_job, signal; fake_job.join(); print('ready', flush=True); signal.pause()"))
    job.wait_for("| ready")
    job.send(signal.SIGUSR1)
    job.wait_for("launch | w0 cannot say where it stands, as it has not imported pushgrad: pid ")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text


HIDES = """
import subprocess, sys
code = "import os, sys; sys.stdin.read(); open(sys.argv[1], 'w').write(str(os.getpid())); import signal; signal.pause()"
for name in ("one", "two"):
    # Through a process that ends at once, so that the parent is gone as well.
    subprocess.run(["env", "-i", "setsid", "-f", sys.executable, "-c", code, name], stdin=subprocess.DEVNULL)
import os
while not all(os.path.exists(name) and open(name).read() for name in ("one", "two")):
    pass
"""


def test_a_grandchild_without_parent_session_and_environment_is_found(launch, script, tmp_path):
    job = launch(script(HIDES))
    assert job.finish() == 0, job.text
    for name in ("one", "two"):
        assert not Path(f"/proc/{(tmp_path / name).read_text()}").exists()


def test_such_a_grandchild_ends_with_a_killed_launcher(launch, script, tmp_path):
    job = launch(script(HIDES + "print('ready', flush=True)\nimport signal; signal.pause()"))
    job.wait_for("| ready")
    pids = [int((tmp_path / name).read_text()) for name in ("one", "two")]
    handles = [os.pidfd_open(pid) for pid in pids]
    time.sleep(1.0)  # launch looks for orphans four times a second, and nobody can see that it has
    job.send(signal.SIGKILL)
    for handle in handles:
        assert select.select([handle], [], [], 10)[0]
        os.close(handle)


def test_two_ctrl_c_end_launch_although_a_child_may_not_be_killed(launch, script):
    """Without CAP_KILL even root may not end a program of another user, as after sudo."""
    name = script(
        """
        import fake_job, subprocess
        fake_job.join()
        process = subprocess.Popen(["sleep", "60"], user=54321)
        print("ready", process.pid, flush=True)
        process.wait()
        """
    )
    job = launch(argv=["setpriv", "--bounding-set=-kill", *launch.faked("--grace-period", 300, name)])
    job.wait_for("| ready")
    pid = int(re.search(r"ready (\d+)", job.text)[1])
    try:
        job.send(signal.SIGINT)
        job.wait_for("KeyboardInterrupt")
        job.send(signal.SIGINT)
        assert job.finish() == 130, job.text
        assert f"pid {pid} (sleep, user 54321) cannot be ended from here" in job.text
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("dies", "code"), [(True, 137), (False, 143)], ids=["death", "SIGTERM"])
def test_workers_are_told_when_a_death_ends_their_job(launch, script, dies, code):
    name = script("""
        import os, pathlib, signal, fake_job
        def end(*_):
            print("told", (pathlib.Path(os.environ["PUSHGRAD_JOB_DIR"]) / "death").exists(), flush=True)
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        fake_job.join()
        print("ready", flush=True)
        fake_job.threading.Event().wait()
    """)
    job = launch("--verbose", "--workers", 2, "--max-restarts", 0, name)
    job.wait_for("| ready", 2)
    if dies:
        os.kill(job.pid("w1"), signal.SIGKILL)
    else:
        job.send(signal.SIGTERM)
    assert job.finish() == code, job.text
    assert f"w0 | told {dies}" in job.lines
