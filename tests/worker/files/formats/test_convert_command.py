import sys

import numpy as np
import pytest
from click.testing import CliRunner

import pushgrad as mx
from pushgrad import cli
from pushgrad.common.errors import PushgradError

pytest.importorskip("onnx")
pytest.importorskip("safetensors")


def convert(*arguments):
    """Standard output of `pushgrad convert ARGUMENTS`; errors as they are raised."""
    result = CliRunner().invoke(cli.command, ["convert", *map(str, arguments)])
    if isinstance(result.exception, PushgradError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments):
    result = CliRunner().invoke(cli.command, ["convert", *map(str, arguments)])
    assert result.exit_code == 2
    return result.output


@pytest.fixture
def model(tmp_path):
    """A checkpoint with an auxiliary state: prefix and graph."""
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), fix_gamma=False, name="bn")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")
    shapes = {"bn_gamma": (4,), "bn_beta": (4,), "fc_weight": (3, 4), "fc_bias": (3,)}
    states = {"bn_moving_mean": np.arange(4, dtype=np.float32), "bn_moving_var": np.ones(4, np.float32)}
    rng = np.random.default_rng(0)
    arguments = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    mx.model.save_checkpoint(tmp_path / "m", 7, net, arguments, states)
    return tmp_path / "m"


def predicted(prefix, epoch=0):
    data = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    symbol, arguments, states = mx.model.load_checkpoint(prefix, epoch)
    return mx.FeedForward(symbol, arg_params=arguments, aux_params=states).predict(data)


def test_there_and_back_through_every_format(model, tmp_path):
    said = convert(f"{model}:7", tmp_path / "a.safetensors")
    assert said == f"Read checkpoint from {model}:7: 6 arrays, 23 parameters\nWrote {tmp_path}/a.safetensors\n"
    convert(tmp_path / "a.safetensors", f"{tmp_path}/b:12")
    assert (tmp_path / "b-0012.params").read_bytes() == (tmp_path / "m-0007.params").read_bytes()
    assert (tmp_path / "b-symbol.json").read_bytes() == (tmp_path / "m-symbol.json").read_bytes()
    convert(tmp_path / "b-0012.params", tmp_path / "c.onnx", "--shape", "data=1,4", "--dynamic-batch")
    assert convert(tmp_path / "c.onnx", tmp_path / "d").endswith(
        f"Wrote {tmp_path}/d-symbol.json, {tmp_path}/d-0000.params\n"
    )
    np.testing.assert_allclose(predicted(tmp_path / "d"), predicted(model, 7), rtol=1e-5)


def test_arrays_alone(tmp_path):
    arrays = {"mean_img": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}
    mx.nd.save(tmp_path / "mean.nd", arrays)
    convert(tmp_path / "mean.nd", tmp_path / "mean.safetensors")
    convert(tmp_path / "mean.safetensors", tmp_path / "again.nd")
    assert (tmp_path / "again.nd").read_bytes() == (tmp_path / "mean.nd").read_bytes()
    mx.nd.save(tmp_path / "list.nd", list(arrays.values()))
    convert(tmp_path / "list.nd", tmp_path / "list.safetensors")
    assert list(mx.formats.load_safetensors(tmp_path / "list.safetensors")) == ["0"]


def test_torch_weights_as_plain_arrays(save_torch, tmp_path):
    save_torch(tmp_path / "net.pth", {"layer.weight": np.ones((2, 3), np.float32)})
    convert(tmp_path / "net.pth", tmp_path / "net.params")
    assert mx.nd.load(tmp_path / "net.params")["layer.weight"].shape == (2, 3)
    with pytest.raises(PushgradError, match=r"layer\.weight: expected the tensors of EfficientNet-Lite0"):
        convert(tmp_path / "net.pth", tmp_path / "net")


def test_a_graph_for_arrays_without_one(model, tmp_path):
    arrays = mx.nd.load(f"{model}-0007.params")
    mx.formats.save_safetensors(tmp_path / "bare.safetensors", arrays)
    with pytest.raises(PushgradError, match=r"there are only safetensors without a graph.*--symbol FILE-symbol\.json"):
        convert(tmp_path / "bare.safetensors", tmp_path / "n")
    convert(tmp_path / "bare.safetensors", f"{tmp_path}/n:7", "--symbol", f"{model}-symbol.json")
    assert (tmp_path / "n-0007.params").read_bytes() == (tmp_path / "m-0007.params").read_bytes()
    mx.formats.save_safetensors(tmp_path / "bare.safetensors", {**arrays, "arg:other": np.ones(1, np.float32)})
    with pytest.raises(PushgradError, match="the graph has no arg:other"):
        convert(tmp_path / "bare.safetensors", tmp_path / "n", "--symbol", f"{model}-symbol.json")


def test_onnx_needs_shapes(model, tmp_path):
    with pytest.raises(PushgradError, match=r"cannot infer the shape of .*--shape data=1,3,224,224"):
        convert(f"{model}:7", tmp_path / "c.onnx")
    assert not (tmp_path / "c.onnx").exists()
    for shape in ("data", "data=", "=3", "data=1,x", "data=0,4"):
        assert "expected NAME=1,3,224,224" in refused(f"{model}:7", tmp_path / "c.onnx", "--shape", shape)


def test_advice_depends_on_the_kind_of_error_and_not_on_its_words(tmp_path):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True, name="fc")
    net = mx.sym.smooth_l1(net, name="infer the shape")
    mx.model.save_checkpoint(tmp_path / "m", 0, net, {"fc_weight": np.ones((1, 3), np.float32)}, {})
    with pytest.raises(PushgradError, match="ONNX has nothing for operator smooth_l1") as caught:
        convert(f"{tmp_path}/m:0", tmp_path / "m.onnx", "--shape", "data=1,3")
    assert caught.value.remedy is None


def test_files_of_no_known_kind(tmp_path):
    with pytest.raises(PushgradError, match=r"picture.jpg: no known kind of file: expected one of PREFIX:EPOCH, \.pth"):
        convert("picture.jpg", tmp_path / "x.nd")
    with pytest.raises(PushgradError, match=r"absent-symbol\.json is not there"):
        convert(f"{tmp_path}/absent:3", tmp_path / "x.nd")


def test_without_the_packages(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    with pytest.raises(
        PushgradError, match=r"needs the package onnx, which is not installed\. pip install '\.\[convert\]' in a clone"
    ):
        convert(f"{model}:7", tmp_path / "c.onnx", "--shape", "data=1,4")


@pytest.mark.parametrize("name", ["x.pth", "x.PT", "x.whl", "x.onxx", "x.safetensor", "x.param", "x.json", "x.v2"])
def test_a_target_whose_suffix_tells_no_format_is_refused(model, tmp_path, name):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(PushgradError, match=r"or PREFIX:EPOCH.*Write .*:0 if it is the prefix") as caught:
        convert(f"{model}:7", tmp_path / name)
    assert name in str(caught.value)
    assert ("torch files are read and not written" in str(caught.value)) == (name[:4].lower() in ("x.pt", "x.wh"))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("name", "files"), [("x", "x"), ("x-1.5", "x-1.5"), ("x.v2:0", "x.v2"), ("x.pth:0", "x.pth")])
def test_prefixes(model, tmp_path, name, files):
    convert(f"{model}:7", tmp_path / name)
    assert (tmp_path / f"{files}-0000.params").exists()
