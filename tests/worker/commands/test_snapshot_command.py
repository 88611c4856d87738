import numpy as np
import pytest
from click.testing import CliRunner

import pushgrad as mx
from pushgrad.worker.commands.snapshot import snapshot


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder of a training of two epochs, and its model."""
    folder = tmp_path_factory.mktemp("kept")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), name="softmax")
    draw = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUSHGRAD_SNAPSHOT_DIR", str(folder))
        patch.setattr("sys.argv", ["some/train.py"])
        model = mx.FeedForward.create(
            net, draw.random((8, 3), np.float32), np.array([0, 1] * 4), num_epoch=2, batch_size=4, momentum=0.9,
            snapshot="1000steps", verbose=False, kvstore="local",
        )  # fmt: skip
    from pushgrad.worker.training import script_run

    script_run.run_in(folder).finish_writing()
    return folder, model


def called(*arguments, code=0):
    answer = CliRunner().invoke(snapshot, [str(argument) for argument in arguments])
    assert answer.exit_code == code, answer.output
    return answer.output


def test_list(kept):
    line = called("list", kept[0]).splitlines()[-1].split()
    assert line[0].startswith("000001-fit")
    assert line[0].endswith("-end")
    assert line[3:] == ["ended", "4", "train.py"]


def test_show(kept):
    (path,) = kept[0].glob("*-end")
    for text in (called("show", kept[0]), called("show", path)):
        assert '"script": "train.py"' in text
        assert "arg_params/fc_weight" in text
        assert "2 x 3" in text


def test_verify(kept, tmp_path):
    import shutil

    assert called("verify", kept[0]).endswith("-end: good\n")
    (path,) = shutil.copytree(kept[0], tmp_path / "copy").glob("*-end")
    (path / "state.params").write_bytes((path / "state.params").read_bytes()[:-1])
    assert f"{path}/state.params" in called("verify", tmp_path / "copy", code=1)
    (path / "state.json").write_text("{")
    assert "damaged" in called("list", tmp_path / "copy")


def test_a_checkpoint_is_made_of_it(kept, tmp_path):
    assert called("to-checkpoint", kept[0], tmp_path / "net") == f"saved {tmp_path}/net-0002.params\n"
    model = mx.FeedForward.load(str(tmp_path / "net"), 2)
    assert model.num_update == 4
    for name, array in kept[1].arg_params.items():
        np.testing.assert_array_equal(model.arg_params[name], array)
        np.testing.assert_array_equal(model.optimizer_states[name]["mom"], kept[1].optimizer_states[name]["mom"])


def test_a_folder_without_snapshots(tmp_path):
    answer = CliRunner().invoke(snapshot, ["list", str(tmp_path)])
    assert "there are no snapshots in" in str(answer.exception)
