"""Which checkpoint is the latest, and SaveBest, of whose checkpoints one stays."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError, ParameterError
from pushgrad.worker.files import checkpoint
from pushgrad.worker.files.latest_checkpoint import latest_epoch, remove
from pushgrad.worker.training.callback import EpochEnd

NETWORK = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"))
PARAMS = {"fc_weight": np.ones((2, 3), np.float32), "fc_bias": np.zeros(2, np.float32)}


@pytest.fixture
def prefix(tmp_path):
    """A prefix with checkpoints of the epochs 2, 9999 and 10000, and another one whose name begins like it."""
    for epoch in (2, 9999, 10000):
        checkpoint.save(tmp_path / "net", epoch, NETWORK, PARAMS, {}, checkpoint.TrainingState({}, {"step": epoch}))
    checkpoint.save(tmp_path / "net-best", 20000, NETWORK, PARAMS, {})
    return tmp_path / "net"


def damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("epoch", [None, "latest"])
def test_the_highest_number_is_the_latest(prefix, epoch):
    model = mx.FeedForward.load(prefix, epoch)
    assert (model.begin_epoch, model.num_update) == (10000, 10000)
    np.testing.assert_array_equal(mx.model.load_checkpoint(prefix, epoch)[1]["fc_weight"], PARAMS["fc_weight"])


@pytest.mark.parametrize("suffix", ["params", "states"])
def test_one_that_is_damaged_is_named_and_left_out(prefix, suffix, capsys):
    damage(prefix.with_name(f"net-10000.{suffix}"))
    assert mx.FeedForward.load(prefix).begin_epoch == 9999
    assert f"checkpoint refused: {prefix}-10000.{suffix} is not the file whose checksum" in capsys.readouterr().err


def test_one_whose_params_were_not_written_yet_does_not_count(prefix):
    prefix.with_name("net-10000.params").unlink()
    assert latest_epoch(prefix) == 9999


def test_files_without_checksums_count(prefix):
    for path in prefix.parent.glob("*.sha256"):
        path.unlink()
    assert latest_epoch(prefix) == 10000


def test_none_at_all(prefix, tmp_path):
    assert latest_epoch(tmp_path / "other") is None
    with pytest.raises(FileFormatError, match=r"no whole checkpoint .*other-\*\.params"):
        mx.FeedForward.load(tmp_path / "other")
    with pytest.raises(ParameterError, match='or "latest"'):
        mx.FeedForward.load(prefix, "last")


def test_what_is_removed_leaves_the_graph(prefix):
    remove(prefix, 2)
    remove(prefix, 3)
    assert latest_epoch(prefix) == 10000
    names = sorted(path.name for path in prefix.parent.glob("net-*") if "0002" in path.name)
    assert names == []
    assert prefix.with_name("net-symbol.json").exists()


def test_the_best_epochs_checkpoint_stays(tmp_path):
    model = mx.FeedForward(NETWORK, num_epoch=4)
    model.arg_params = PARAMS
    saving = mx.callback.SaveBest(tmp_path / "best")
    saving.fit_begin(model)
    kept = []
    for epoch, accuracy in enumerate([0.5, 0.75, 0.75, float("nan"), 0.8], 1):
        saving.epoch_end(EpochEnd(epoch, {"accuracy": 1.0}, {"accuracy": accuracy}, model, {"accuracy": True}))
        kept.append([path.name for path in sorted(tmp_path.glob("*.params"))])
    first, second, last = (["best-0001.params"], ["best-0002.params"], ["best-0005.params"])
    assert kept == [first, second, second, second, last]
    assert mx.FeedForward.load(tmp_path / "best").begin_epoch == 5
