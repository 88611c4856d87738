"""The keeper's book, its clearing up, and finding the processes of a job."""

import os
import signal
import subprocess
import sys

from pushgrad.launch.keeper import guarded
from pushgrad.launch.processes import end_all, members

PAUSE = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
]

JOB = f"test-{os.getpid()}"


def start(argv, job_id=None, own_session=True):
    env = {name: value for name, value in os.environ.items() if name != "PUSHGRAD_JOB_ID"}
    if job_id:
        env["PUSHGRAD_JOB_ID"] = job_id
    child = subprocess.Popen(argv, env=env, start_new_session=own_session, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"up\n"
    child.stdout.close()
    return child


def test_book():
    assert guarded(b"+12\n+13\n-12\n+14\n") == {13, 14}
    assert guarded(b"+12\n+1") == {12}, "a line cut short by the launcher's death"
    assert guarded(b"") == set()


def test_members_by_group_and_by_job():
    child, marked, other = start(PAUSE), start(PAUSE, f"{JOB}-x"), start(PAUSE, f"{JOB}-xy")
    try:
        assert members([child.pid], [f"PUSHGRAD_JOB_ID={JOB}-x"]) == sorted([child.pid, marked.pid])
        assert members([], [f"PUSHGRAD_JOB_ID={JOB}-none"]) == []
    finally:
        for process in (child, marked, other):
            process.kill()
            process.wait()


def test_the_dead_do_not_count():
    child = start(PAUSE, f"{JOB}-dead")
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert members([child.pid], [f"PUSHGRAD_JOB_ID={JOB}-dead"]) == []
    child.wait()


def test_end_all():
    gentle, stubborn, stranger = start(PAUSE, f"{JOB}-end"), start(STUBBORN, f"{JOB}-end"), start(PAUSE)
    assert end_all(lambda: members([], [f"PUSHGRAD_JOB_ID={JOB}-end"]), patience=0.2) == []
    assert (gentle.wait(), stubborn.wait()) == (-signal.SIGTERM, -signal.SIGKILL)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_end_all_in_a_hurry():
    stubborn = start(STUBBORN, f"{JOB}-hurry")
    end_all(lambda: members([stubborn.pid], [f"PUSHGRAD_JOB_ID={JOB}-hurry"]), patience=1000.0, hurry=lambda: True)
    assert stubborn.wait() == -signal.SIGKILL


KEEPS = """
import os, subprocess, sys
from pushgrad.launch import keeper
look, born = keeper.end_all, []

def look_too_early(find, patience):
    if born:
        look(find, patience)
    else:  # it was forked before the launcher's death, and only now has its environment
        born.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={sys.argv[1]: "1"}))

keeper.end_all = look_too_early
keeper.main(sys.argv[2], sys.argv[1] + "=1")
print(born[0].poll())
born[0].kill()
"""


def test_a_child_of_the_launcher_s_last_instant_is_found(tmp_path):
    for last, code in ((b"", "-9"), (b"end\n", "None")):
        command = [sys.executable, "-c", KEEPS, f"PUSHGRAD_TEST_{os.getpid()}", str(tmp_path)]
        assert subprocess.run(command, input=last, stdout=subprocess.PIPE, timeout=60).stdout.decode().strip() == code
