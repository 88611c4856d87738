"""Symbols on disk: what saving leaves, and what a missing file says."""

import os

import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError
from pushgrad.worker import atomic_files


@pytest.fixture
def net():
    return mx.sym.Activation(mx.sym.Variable("data"), act_type="relu", name="act")


def test_a_symbolic_link_stays(tmp_path, net):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    net.save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert mx.sym.load(tmp_path / "real.json").tojson() == net.tojson()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "real.json"]


def test_the_content_is_on_the_disk_before_the_name(tmp_path, net, monkeypatch):
    seen = []
    monkeypatch.setattr(atomic_files.os, "fsync", lambda _: seen.append(sorted(os.listdir(tmp_path))))
    net.save(tmp_path / "net.json")
    assert "net.json" not in seen[0]
    assert seen[-1] == ["net.json"]


def test_a_missing_file_and_folder(tmp_path, net):
    with pytest.raises(FileFormatError, match=r"absent.json cannot be read: No such file or directory. Name a file"):
        mx.sym.load(tmp_path / "absent.json")
    with pytest.raises(FileFormatError, match="there is no folder"):
        net.save(tmp_path / "absent" / "net.json")


@pytest.mark.parametrize("name", ["net.svg", "net.dot"])
def test_a_picture_appears_whole_or_not_at_all(tmp_path, net, monkeypatch, name):
    (tmp_path / name).write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        mx.viz.plot_network(net).save(tmp_path / name)
    assert (tmp_path / name).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]
