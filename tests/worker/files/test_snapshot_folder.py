import subprocess
import sys

import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.worker.files import snapshot
from pushgrad.worker.files.snapshot_folder import SnapshotFolder, split


def add(folder, name, run="r"):
    """Commit an empty snapshot of that run."""
    head = dict.fromkeys(snapshot.HEAD, 0) | {"run": run}
    snapshot.write(folder.aside(name), snapshot.STATE, head, {})
    return folder.commit(name)


def test_numbers_grow_whatever_the_step(tmp_path):
    folder = SnapshotFolder(tmp_path / "a" / "b")
    assert folder.names() == []
    assert add(folder, "fit1-step9") == "000001-fit1-step9"
    assert add(folder, "fit1-end") == "000002-fit1-end"
    assert add(folder, "fit1-step3") == "000003-fit1-step3"
    assert folder.names() == ["000001-fit1-step9", "000002-fit1-end", "000003-fit1-step3"]


def test_numbers_of_more_digits_come_last(tmp_path):
    for name in ("999999-fit1-step1", "1000000-fit1-step2", "000001-fit1-end", "other", "000002-fit1-step1.bak"):
        (tmp_path / name).mkdir()
    assert SnapshotFolder(tmp_path).names() == ["000001-fit1-end", "999999-fit1-step1", "1000000-fit1-step2"]
    assert add(SnapshotFolder(tmp_path), "fit1-step3") == "1000001-fit1-step3"


def test_the_last_two_steps_of_a_run_stay_and_all_results(tmp_path):
    folder = SnapshotFolder(tmp_path)
    add(folder, "fit1-step1", run="another")
    add(folder, "fit1-end")
    for step in range(1, 6):
        add(folder, f"fit2-step{step}")
    (tmp_path / "000004-fit2-step2" / "state.json").write_text("damaged")
    folder.prune("r")
    assert folder.names() == [
        "000001-fit1-step1", "000002-fit1-end", "000004-fit2-step2", "000006-fit2-step4", "000007-fit2-step5"
    ]  # fmt: skip


def test_only_one_process_writes_and_what_was_left_aside_goes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from pushgrad.worker.files.snapshot_folder import SnapshotFolder\n"
        "folder = SnapshotFolder(Path(sys.argv[1])); folder.lock(); folder.lock(); folder.aside('fit1-step5')\n"
        "print('locked', flush=True); sys.stdin.read(1); import os; os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(ParameterError, match=r"another training writes its snapshots in .*PUSHGRAD_SNAPSHOT_DIR"):
            SnapshotFolder(tmp_path).lock()
        assert (tmp_path / ".fit1-step5.new").is_dir()
        other.communicate("x")
    SnapshotFolder(tmp_path).lock()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_path_is_a_folder_or_one_of_its_snapshots(tmp_path):
    assert split(tmp_path / "train") == (tmp_path / "train", None)
    assert split(tmp_path / "train" / "000007-fit1-step150") == (tmp_path / "train", "000007-fit1-step150")
