"""Jobs in poor surroundings: without a name, a home, a folder for temporary files, room for processes or for files."""

import os
import subprocess
import sys

import pytest

TRAINS = """
import numpy as np
import pushgrad as mx
kv = mx.kv.create("dist_sync")
out = np.zeros(4, np.float32)
kv.init("w", out)
kv.push("w", np.ones(4, np.float32))
kv.pull("w", out)
X, y = np.zeros((40, 4), np.float32), np.zeros(40, np.float32)
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
mx.FeedForward.create(net, X, y, num_epoch=1, batch_size=20, verbose=False)
print("trained", out.sum())
"""

# A user whom nobody knows. It may read everything, as the interpreter may lie in another user's home, and may not write
# where runs of tests are kept.
NOBODY = ["env", "-u", "PUSHGRAD_RUNS", "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
NOBODY += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
REAL = [sys.executable, "-m", "pushgrad.launch"]
BARE = ["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", "-u", "XDG_CACHE_HOME", "-u", "NUMBA_CACHE_DIR"]


@pytest.fixture
def readable(scratch):
    """The script in a folder that anybody may use; those of the tests are closed."""
    scratch.chmod(0o777)
    (scratch / "train.py").write_text(TRAINS)
    return str(scratch / "train.py")


pytestmark = [pytest.mark.long, pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")]


def refused(job, *texts):
    """A refusal before anything starts: one line, and no traceback."""
    assert job.finish() == 2, job.text
    assert "Traceback" not in job.text and len(job.errors) == 1, job.text
    for text in texts:
        assert text in job.text


def test_a_user_without_name_and_home(launch, readable):
    job = launch(argv=[*BARE, *NOBODY, *REAL, readable])
    assert job.finish() == 0, job.text
    assert job.lines == ["w0 | trained 4.0"] and "Traceback" not in job.text


def test_no_folder_for_temporary_files(launch, readable):
    """In a mount namespace where nothing can be written."""
    commands = "mount -t tmpfs -o ro none /var/tmp && mount -t tmpfs -o ro none /dev/shm && mount --bind /tmp /tmp && "
    commands += "mount -o remount,ro,bind /tmp && cd /usr && exec "
    command = " ".join([*NOBODY, *REAL, readable])
    job = launch(argv=["unshare", "-m", "sh", "-c", commands + command], env={"TMPDIR": "/nowhere"})
    refused(job, "there is no folder for temporary files", "Set TMPDIR")


def test_a_folder_that_has_been_deleted(launch, script, tmp_path):
    name = tmp_path / script(TRAINS)
    for path in ("train.py", str(name)):
        command = (
            f"mkdir -p {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {' '.join(REAL)} {path}"
        )
        refused(launch(argv=["sh", "-c", command]), "the current folder does not exist any more")


def test_too_few_files(launch, script):
    command = [
        "setpriv",
        "--bounding-set=-sys_resource",
        "prlimit",
        "--nofile=12",
        *REAL,
        "--workers",
        "2",
        script(TRAINS),
    ]
    refused(launch(argv=command), "only 12 files may be open", "`ulimit -n ")


def test_just_enough_files(launch, script):
    job = launch(argv=["prlimit", "--nofile=40", *REAL, script(TRAINS)])
    assert job.finish() == 0, job.text


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 8, 12])
def test_too_few_processes(launch, readable, limit):
    """Whatever fails first says so, and nobody waits for it."""
    job = launch(argv=[*NOBODY, "prlimit", f"--nproc={limit}", *REAL, readable])
    assert job.finish() in (1, 2, 130, 134), job.text
    assert "launch/" not in job.text, "a traceback of launch's own"
    assert "ulimit -u" in job.text, job.text


def test_launch_as_the_first_process_of_a_container(launch, script):
    """It ends and collects whatever its processes leave behind."""
    name = script("import subprocess\nsubprocess.run(['sh', '-c', 'setsid sleep 61.5 & true'])\nprint('ready')")
    job = launch(argv=["unshare", "--pid", "--fork", "--mount-proc", *REAL, name])
    assert job.finish() == 0, job.text
    assert subprocess.run(["pgrep", "-f", "^sleep 61.5"], stdout=subprocess.PIPE, check=False).stdout == b""
