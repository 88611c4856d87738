import importlib.util
import tempfile
import textwrap
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("launched", Path(__file__).with_name("launched.py"))
launched = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(launched)


@pytest.fixture
def script(tmp_path):
    """Writes a script into the test's folder and returns its name."""

    def write(text, name="train.py"):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return name

    return write


@pytest.fixture
def scratch():
    """A folder for temporary files whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        yield Path(folder)


@pytest.fixture
def launch(tmp_path, scratch):
    """Starts `launch` with stand-ins for scheduler and servers in the test's folder."""
    running = []

    def start(*arguments, real=False, argv=None, env=None, **popen):
        argv = argv or (launched.real if real else launched.faked)(*arguments)
        folders = {"TMPDIR": str(scratch), "PUSHGRAD_RUNS": str(tmp_path / "runs")}
        job = launched.Launched(argv, tmp_path, {**folders, **(env or {})}, **popen)
        job.runs = Path(folders["PUSHGRAD_RUNS"])
        running.append(job)
        return job

    start.faked, start.path = launched.faked, launched.PATH
    yield start
    for job in running:
        job.stop()


@pytest.fixture
def left_behind():
    """Pids that still carry a job's id."""
    return launched.members


@pytest.fixture
def gone_within():
    return launched.gone_within
