from pathlib import Path

import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.common.snapshot_interval import Interval
from pushgrad.worker.training.snapshot_options import SnapshotOptions, Source


@pytest.mark.parametrize("text", ["30", "often"])
def test_what_is_no_interval_is_named(text):
    with pytest.raises(ParameterError, match=r"fit: snapshot: expected such as 30s, 10m, 1h, 200steps, auto or off"):
        SnapshotOptions.of(text, None, {})


def test_the_environment_decides_where_fit_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["some/where/train.py"])
    env = {"PUSHGRAD_SNAPSHOT": "5s", "PUSHGRAD_RESUME": "auto"}
    default = tmp_path / "snapshots" / "train"
    assert SnapshotOptions.of(None, None, {}) == SnapshotOptions(None, default, None)
    assert SnapshotOptions.of(None, None, env) == SnapshotOptions(Interval(seconds=5), default, Source(default))
    assert SnapshotOptions.of("off", "off", env) == SnapshotOptions(None, default, None)
    there = SnapshotOptions.of(None, None, env | {"PUSHGRAD_SNAPSHOT_DIR": "kept"})
    assert there.folder == tmp_path / "kept" == there.source.folder
    assert not there.source.required


def test_what_a_failure_leads_to():
    assert not SnapshotOptions.of(None, None, {}).stops
    assert SnapshotOptions.of(None, None, {"PUSHGRAD_ON_SNAPSHOT_FAILURE": "stop"}).stops
    with pytest.raises(ParameterError, match="PUSHGRAD_ON_SNAPSHOT_FAILURE: expected warn or stop, got 'halt'"):
        SnapshotOptions.of(None, None, {"PUSHGRAD_ON_SNAPSHOT_FAILURE": "halt"})


def test_a_path_is_where_it_goes_on_from_and_where_the_next_ones_are_kept(tmp_path):
    one = tmp_path / "kept" / "000002-fit1-step9"
    one.mkdir(parents=True)
    assert SnapshotOptions.of("9steps", one, {}).source == Source(one.parent, one.name, required=True)
    assert SnapshotOptions.of(None, str(one.parent), {"PUSHGRAD_SNAPSHOT_DIR": "other"}) == SnapshotOptions(
        None, one.parent, Source(one.parent, None, required=True)
    )
    with pytest.raises(ParameterError, match="resume: there is no such folder"):
        SnapshotOptions.of(None, Path(tmp_path / "nowhere"), {})


def test_resume_true_keeps_what_it_is_to_go_on_from(tmp_path):
    options = SnapshotOptions.of(None, True, {})
    assert options.interval == Interval()
    assert options.source == Source(options.folder, or_checkpoint=True)
    assert SnapshotOptions.of("7steps", True, {}).interval == Interval(steps=7)
    assert SnapshotOptions.of("off", True, {}).interval is None
    assert SnapshotOptions.of(None, True, {"PUSHGRAD_SNAPSHOT": "off"}).interval is None
    assert SnapshotOptions.of(None, False, {"PUSHGRAD_RESUME": "auto"}).source is None
    again = SnapshotOptions.of(None, True, {"PUSHGRAD_JOB_ID": "j", "PUSHGRAD_GENERATION": "2"})
    assert again.source.or_checkpoint
    assert again.source.before == options.source
