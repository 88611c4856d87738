"""Where runs are."""

import os
from pathlib import Path

import pytest

from pushgrad.common.errors import JobError
from pushgrad.launch.runs.place import check_writable, runs_folder


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    return tmp_path / "temp"


def test_the_option_before_the_variable_before_the_users_own(tmp_path):
    environ = {"PUSHGRAD_RUNS": "/b", "XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    assert runs_folder("a", environ) == Path.cwd() / "a"
    assert runs_folder(None, environ) == Path("/b")
    del environ["PUSHGRAD_RUNS"]
    assert runs_folder(None, environ) == tmp_path / "state/pushgrad/runs"
    environ["XDG_STATE_HOME"] = "relative"
    assert runs_folder(None, environ) == tmp_path / ".local/state/pushgrad/runs"
    assert list(tmp_path.iterdir()) == [], "asking makes nothing"


def test_without_a_home_among_temporary_files(temporary, tmp_path):
    (tmp_path / "file").write_text("")
    assert runs_folder(None, {"HOME": str(tmp_path / "file")}) == temporary / f"pushgrad-runs-{os.geteuid()}"


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_a_trap_among_temporary_files_is_refused(temporary, tmp_path, trap):
    (tmp_path / "file").write_text("")
    place = temporary / f"pushgrad-runs-{os.geteuid()}"
    if trap == "link":
        place.symlink_to(tmp_path)
    elif trap == "open":
        place.mkdir()
        place.chmod(0o777)
    else:
        place.write_text("")
    with pytest.raises(JobError, match=r"not a folder that only you can write in.*--runs or PUSHGRAD_RUNS"):
        runs_folder(None, {"HOME": str(tmp_path / "file")})


def test_what_cannot_be_written_names_its_option(tmp_path):
    (tmp_path / "file").write_text("")
    check_writable("new", tmp_path / "new" / "er")
    with pytest.raises(JobError, match=r"--runs x: .*file is a file"):
        check_writable("x", tmp_path / "file" / "runs")
    with pytest.raises(JobError, match=r"PUSHGRAD_RUNS .*file/runs: .*file is a file"):
        check_writable(None, tmp_path / "file" / "runs")
