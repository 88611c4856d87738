"""Damage and mixtures of checkpoints, which the checksums beside them tell. Every value is that of Python's hashlib."""

import hashlib
import shutil
from contextlib import nullcontext

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError
from pushgrad.worker.files import checkpoint, checksums


@pytest.fixture
def symbol():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
    return mx.sym.LinearRegressionOutput(net, name="out")


def save(prefix, symbol, value, momentum=True):
    params = {"fc_weight": np.full((4, 3), value, np.float32), "fc_bias": np.zeros(4, np.float32)}
    slots = {"fc_weight": {"mom": np.full((4, 3), -value, np.float32)}}
    checkpoint.save(prefix, 1, symbol, params, {}, checkpoint.TrainingState(slots) if momentum else None)


def test_lines_are_those_of_sha256sum(tmp_path, symbol):
    save(tmp_path / "m", symbol, 1)
    lines = [
        f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}"
        for name in ("m-0001.params", "m-0001.states")
    ]
    assert (tmp_path / "m-0001.sha256").read_text().splitlines() == lines


@pytest.mark.parametrize("suffix", ["params", "states"])
def test_every_flipped_bit_is_noticed(tmp_path, symbol, suffix):
    save(tmp_path / "m", symbol, 1)
    file = tmp_path / f"m-0001.{suffix}"
    whole = file.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=rf"m-0001.{suffix} is not the file whose checksum is in m-0001.sha"):
            mx.FeedForward.load(tmp_path / "m", 1)
    if suffix == "params":
        with pytest.raises(FileFormatError, match=r"if the change is meant, remove m-0001.sha256"):
            mx.model.load_checkpoint(tmp_path / "m", 1)
    else:
        mx.model.load_checkpoint(tmp_path / "m", 1)  # which does not read the states


def test_files_without_checksums_are_read(tmp_path, symbol):
    """Those of MXNet, and of earlier versions."""
    save(tmp_path / "m", symbol, 1)
    (tmp_path / "m-0001.sha256").unlink()
    assert mx.FeedForward.load(tmp_path / "m", 1).optimizer_states


def test_states_may_be_removed(tmp_path, symbol):
    save(tmp_path / "m", symbol, 1)
    (tmp_path / "m-0001.states").unlink()
    assert checkpoint.load(tmp_path / "m", 1).state is None


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("had_checksums", [True, False])
@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize("renames", range(5))
def test_a_kill_between_any_two_renames(tmp_path, symbol, monkeypatch, renames, momentum, had_checksums):
    """What is there afterwards is the old checkpoint, the new one, or an error: never a mixture."""
    save(tmp_path / "m", symbol, 1)
    if not had_checksums:
        (tmp_path / "m-0001.sha256").unlink()
    done, write = [], checkpoint.write_atomically

    def counted(path, fill):
        if len(done) == renames:
            raise Killed
        write(path, fill)
        done.append(path.suffix)

    monkeypatch.setattr(checkpoint, "write_atomically", counted)
    monkeypatch.setattr(checksums, "write_atomically", counted)
    steps = [".json", ".sha256", *[".states"] * momentum, ".params", ".sha256"]
    with pytest.raises(Killed) if renames < len(steps) else nullcontext():
        save(tmp_path / "m", symbol, 2, momentum)
    assert done == steps[:renames]
    mixed = done and done[-1] == ".states"
    try:
        found = checkpoint.load(tmp_path / "m", 1)
    except FileFormatError as error:
        assert "do not belong together: saving them was interrupted" in str(error)
        assert mixed or not momentum
        return
    assert not mixed
    value = found.arg_params["fc_weight"][0, 0]
    assert value == (2 if ".params" in done else 1)
    if found.state is not None:
        assert found.state.slots["fc_weight"]["mom"][0, 0] == -value


def test_saving_again_mends_an_interrupted_one(tmp_path, symbol):
    for value in (1, 2):
        save(tmp_path / str(value), symbol, value)
    for suffix in ("symbol.json", "0001.params", "0001.sha256"):
        shutil.copy(tmp_path / f"1-{suffix}", tmp_path / f"m-{suffix}")
    shutil.copy(tmp_path / "2-0001.states", tmp_path / "m-0001.states")
    with pytest.raises(FileFormatError, match=r"m-0001.states is not the file"):
        checkpoint.load(tmp_path / "m", 1)
    save(tmp_path / "m", symbol, 3)
    assert checkpoint.load(tmp_path / "m", 1).state.slots["fc_weight"]["mom"][0, 0] == -3
    assert len((tmp_path / "m-0001.sha256").read_text().splitlines()) == 2


def test_a_damaged_file_of_checksums(tmp_path, symbol):
    save(tmp_path / "m", symbol, 1)
    (tmp_path / "m-0001.sha256").write_text("nothing\n")
    with pytest.raises(FileFormatError, match=r"m-0001.sha256, line 1: no checksum of a file: got 'nothing'"):
        checkpoint.load(tmp_path / "m", 1)
    save(tmp_path / "m", symbol, 2)
    checkpoint.load(tmp_path / "m", 1)
