"""A process that is forked from the spare one is like one that is started; and nothing is left of the spare one."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pushgrad.launch.spare import Spare

SCRIPTS = {
    "surroundings.py": """
import sys
names = sorted(globals())
def annotated(value: int) -> "str": ...
import json, os, signal, threading
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "names": names, "annotations": str(annotated.__annotations__),
    "name": __name__, "file": __file__, "is main": sys.modules["__main__"].__dict__ is globals(),
    "argv": sys.argv, "path": sys.path, "folder": os.getcwd(), "executable": sys.executable,
    "environ": dict(os.environ), "stdin": sys.stdin.read(), "terminals": [os.isatty(fd) for fd in range(3)],
    "output": [sys.stdout.encoding, sys.stdout.line_buffering, sys.stdout.write_through, sys.stderr.errors],
    "leads": os.getsid(0) == os.getpgid(0) == os.getpid(), "parent": os.getppid() == int(os.environ["LAUNCH"]),
    "files": [fd for fd in range(64) if os.path.exists(f"/proc/self/fd/{fd}")],
    "signals": [int(status[name], 16) % 2**31 for name in ("SigBlk", "SigIgn", "SigCgt")],  # without glibc's own
    "handlers": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD)],
    "umask": os.umask(0), "threads": threading.active_count(), "hook": sys.excepthook is sys.__excepthook__,
}))
""",
    "exit.py": "import atexit, sys\natexit.register(print, 'at exit')\nsys.exit(eval(sys.argv[1]))",
    "raises.py": "def f():\n    {}['key']\ntry:\n    f()\nexcept KeyError:\n    raise ValueError('caused')",
    "interrupted.py": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()",
    "killed.py": "import os\nprint('before', flush=True)\nos.kill(os.getpid(), 9)",
    "at_once.py": "import os\nprint('lost')\nos._exit(7)",
    "no_python.py": "print('it begins')\nif:\n",
    "thread.py": "import threading\nthreading.Timer(0.05, print, ['a thread of its own']).start()\nprint('end')",
    "hook.py": "import sys\nsys.excepthook = lambda *a: print(a[0], a[2].tb_frame.f_code.co_name, a[2].tb_next)\n1 / 0",
    "beside/hides.py": "import queue\nprint(queue.__file__, queue.answer)",
    "beside/queue.py": "answer = 42",
    "sets.py": "import os, sys\nos.environ['OMP_NUM_THREADS'] = '1'\nprint('numpy' in sys.modules)",
    "draws.py": "import numpy, random\nprint(numpy.random.random(), random.random())",
}
RUNS = [
    ["surroundings.py", "--option", "a b", "\udce9"], *(["exit.py", code] for code in ("None", "0", "3", "'no'", "-1")),
    ["raises.py"], ["interrupted.py"], ["killed.py"], ["at_once.py"], ["no_python.py"], ["thread.py"], ["hook.py"],
    ["missing.py"], ["beside/hides.py"], ["sets.py"], ["draws.py"], ["draws.py"],
]  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "beside").mkdir()
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text)
    program = Path(__file__).with_name("both_ways.py")
    done = subprocess.run([sys.executable, program, json.dumps(RUNS)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("number", [n for n, run in enumerate(RUNS) if run != ["draws.py"]], ids=lambda n: RUNS[n][0])
def test_a_forked_process_does_what_a_started_one_does(ran, number):
    started, forked = ran["found"][number]
    assert forked["out"].split(', "') == started["out"].split(', "')
    assert forked == started


def test_the_comparison_sees_what_it_should(ran):
    outcomes = {" ".join(run[:2]): started for run, (started, _) in zip(RUNS, ran["found"], strict=True)}
    codes = {name: outcome["code"] for name, outcome in outcomes.items() if outcome["code"]}
    assert codes == {
        "exit.py 3": 3, "exit.py 'no'": 1, "exit.py -1": 255, "raises.py": 1, "interrupted.py": -2, "killed.py": -9,
        "at_once.py": 7, "no_python.py": 1, "hook.py": 1, "missing.py": 2,
    }  # fmt: skip
    assert outcomes["beside/hides.py"]["out"].endswith("beside/queue.py 42\n")
    told = json.loads(outcomes["surroundings.py --option"]["out"])
    assert told["leads"] and told["parent"] and told["is main"] and told["files"][:3] == [0, 1, 2]


def test_forked_processes_draw_different_numbers(ran):
    drawn = [forked["out"].split() for run, (_, forked) in zip(RUNS, ran["found"], strict=True) if run == ["draws.py"]]
    assert len({number for numbers in drawn for number in numbers}) == 4


def test_what_a_spare_process_is_not_for_has_to_be_started(ran):
    """A module, another interpreter, another generation; and if it has died, anything."""
    assert ran["refused"] == [None] * 6


@pytest.fixture
def prompt(launch):
    """Starts a `launch` whose next generation is prepared at once."""

    def start(*arguments):
        program = str(Path(__file__).with_name("with_spare.py"))
        return launch(argv=[sys.executable, program, *map(str, arguments)])

    return start


WAITS = "import os, signal\nprint('generation', os.environ['PUSHGRAD_GENERATION'], flush=True)\nsignal.pause()"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_it(prompt, script, gone_within, left_behind, signum):
    job = prompt("--workers", 1, "--max-restarts", 1, script(WAITS))
    job.wait_for("prepared: generation 2")
    (spare,) = map(int, re.findall(r"prepared: .* pid (\d+)", job.text))
    assert spare in left_behind(job.job_id)
    job.send(signum)
    job.process.wait()
    assert gone_within(job.job_id, 5.0)


def test_who_dies_before_it_is_there_has_it_prepared_then(launch, script):
    job = launch("--verbose", "--workers", 1, "--max-restarts", 1, script(WAITS), real=True)
    job.wait_for("w0 | generation 1")
    os.kill(job.pid("w0"), signal.SIGKILL)
    job.wait_for("w0 | generation 2")
    pids = [job.pid(name, start=2) for name in ("sched", "ps0", "w0")]
    assert all(b"spare_process" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text


def test_a_signal_ends_a_job_that_waits_for_it(launch, script, left_behind):
    program = str(Path(__file__).with_name("with_stopped_spare.py"))
    job = launch(argv=[sys.executable, program, "--verbose", "--workers", "1", "--max-restarts", "1", script(WAITS)])
    job.wait_for("w0 | generation 1")
    os.kill(job.pid("w0"), signal.SIGKILL)
    job.wait_for("as generation 2")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert job.text.count("w0 is pid") == 1 and left_behind(job.job_id) == []


def test_one_whose_imports_take_too_long_is_not_waited_for(monkeypatch):
    with contextlib.closing(Spare()) as spare:
        assert not spare.importing(0), "there is none"
        spare.prepare(2, os.environ)
        os.kill(spare.pid, signal.SIGSTOP)
        assert spare.importing(0.001)
        monkeypatch.setattr("pushgrad.launch.spare.IMPORTING", 0.0)
        spare.prepare(3, os.environ)
        os.kill(spare.pid, signal.SIGSTOP)
        assert not spare.importing(60)


def test_a_job_goes_on_without_it(prompt, script, left_behind):
    job = prompt("--verbose", "--workers", 1, "--max-restarts", 1, script(WAITS))
    job.wait_for("prepared: generation 2")
    job.wait_for("w0 | generation 1")
    (spare,), (worker,) = (re.findall(rf"{who} pid (\d+)", job.text) for who in ("generation 2,", "w0 is"))
    os.kill(int(spare), signal.SIGKILL)
    os.kill(int(worker), signal.SIGKILL)
    job.wait_for("w0 | generation 2")
    job.send(signal.SIGTERM)
    assert job.finish() == 143, job.text
    assert left_behind(job.job_id) == []
