from pathlib import Path

import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.worker.training.snapshot_options import Interval, SnapshotOptions, Source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", Interval(seconds=30)), ("0.5s", Interval(seconds=0.5)), ("200steps", Interval(steps=200)),
        ("1step", Interval(steps=1)), ("auto", Interval()), ("off", None), ("", None),
    ],
)  # fmt: skip
def test_intervals(text, expected):
    assert Interval.parse(text, "here") == expected


@pytest.mark.parametrize("text", ["30", "0s", "0steps", "1.5steps", "-3s", "often", "1e3s", "s"])
def test_what_is_no_interval_is_named(text):
    with pytest.raises(ParameterError, match=r"fit: snapshot: expected such as 30s, 200steps, auto or off"):
        SnapshotOptions.of(text, None, {})


def test_pauses():
    assert Interval(seconds=2).pause(0.5) == 2
    # at most a hundredth of the time, and not more often than every 10 s
    assert Interval().pause(0.001) == 10
    assert Interval().pause(0.5) == 50


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
