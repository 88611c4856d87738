"""What the tests of examples/image_app share: small networks whose answers are known, and the app's modules."""

import importlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pushgrad as mx

APP = Path(__file__).parents[2] / "examples" / "image_app"
COLOURS = ["red", "green", "blue", "yellow", "white", "black"]
RGB = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]], np.float32)


@pytest.fixture(scope="session")
def colour_networks(tmp_path_factory):
    """A folder of two networks: Nearest says which colour a picture has, Farthest which it has least."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "names.txt").write_text("".join(f"n{n:08} {name}\n" for n, name in enumerate(COLOURS)))
    mx.nd.save(folder / "mean.nd", {"mean_img": np.full((3, 224, 224), 127.5, np.float32)})
    save(folder, "Nearest", 4, "mean = [127.5, 127.5, 127.5]")
    save(folder, "Farthest", -4, 'mean = "mean.nd"')
    return folder


def save(folder, name, sign, mean):
    """A network that averages each channel and compares it with the colours, as two files and a toml."""
    mean_colour = mx.sym.Pooling(mx.sym.Variable("data"), kernel=(224, 224), pool_type="avg")
    scores = mx.sym.FullyConnected(mx.sym.Flatten(mean_colour), num_hidden=len(COLOURS), name="fc")
    directions = 2 * RGB - 1
    params = {"fc_weight": sign * directions, "fc_bias": np.zeros(len(COLOURS), np.float32)}
    mx.model.save_checkpoint(folder / name, 7, mx.sym.SoftmaxOutput(scores, name="softmax"), params, {})
    (folder / f"{name}.toml").write_text(
        f'prefix = "{name}"\nepoch = 7\nlabels = "names.txt"\nscale = {1 / 127.5}\n{mean}\n'
    )


@pytest.fixture
def app_module(colour_networks, monkeypatch):
    """Imports a module of the app as the app does, by its bare name."""
    monkeypatch.setenv("IMAGE_APP_MODELS", os.fspath(colour_networks))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # which the app lifts for its own process
    monkeypatch.syspath_prepend(APP)
    for name in ("picture", "fetch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in ("picture", "fetch"):
        sys.modules.pop(name, None)


@pytest.fixture
def image_file():
    """Makes the bytes of a picture of one colour, 64 x 48."""

    def encode(colour, kind="PNG"):
        file = io.BytesIO()
        Image.new("RGB", (64, 48), colour).save(file, kind)
        return file.getvalue()

    return encode
