"""Pictures from strangers, read with limits, and the networks that classify them."""

import io
import os
import tomllib
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import pushgrad as mx

FOLDER = Path(os.environ.get("IMAGE_APP_MODELS", Path(__file__).parents[2] / "out" / "models"))
MAX_BYTES, MAX_PIXELS = 10 * 2**20, 50_000_000
LEAST = 0.01  # of probability: what is less likely is no guess
TOO_BIG = f"This picture is too big: {MAX_BYTES >> 20} MB and {MAX_PIXELS // 10**6} megapixels are the most."
Image.MAX_IMAGE_PIXELS = None  # the limit above is lower than Pillow's, and an error where Pillow warns


class Refused(Exception):
    """What was given is no picture for this page; the text is for the visitor."""


def read(data):
    """The picture in these bytes: upright, in RGB, white where transparent. Refused if too big, or no known format."""
    try:
        picture = Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP", "GIF", "BMP"])  # no pixels yet
        if len(data) > MAX_BYTES or picture.width * picture.height > MAX_PIXELS:
            raise Refused(TOO_BIG)
        with suppress(Exception):  # a picture whose EXIF data are damaged is shown as it lies
            ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode == "I;16":  # convert would clip these levels instead of scaling them
            picture = picture.point(lambda level: level / 256, "L")
        picture = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        raise Refused("This is no picture that can be read here: a JPEG, PNG, WEBP, GIF or BMP file.") from None
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


class Network:
    """A checkpoint, the names of its classes, and what it expects: (pixel - mean) * scale, RGB, 224 x 224."""

    def __init__(self, prefix, epoch, labels, mean, scale=1.0):
        self.model = mx.FeedForward.load(FOLDER / prefix, epoch)
        lines = (FOLDER / labels).read_text().splitlines()  # n02123045 tabby, tabby cat
        self.labels = [line.partition(" ")[2].partition(",")[0] for line in lines]
        self.mean = mx.nd.load(FOLDER / mean)["mean_img"] if isinstance(mean, str) else np.reshape(mean, (3, 1, 1))
        self.scale = scale

    def top5(self, picture):
        """The best names with their probabilities of 1 % or more, at most five, for the square in the middle."""
        pixels = np.asarray(ImageOps.fit(picture, (224, 224)), np.float32).transpose(2, 0, 1)
        probabilities = self.model.predict((pixels - self.mean)[np.newaxis] * self.scale)[0]
        best = [index for index in np.argsort(-probabilities)[:5] if probabilities[index] >= LEAST]
        return [(self.labels[index], float(probabilities[index])) for index in best]


NETWORKS = {file.stem: Network(**tomllib.loads(file.read_text())) for file in sorted(FOLDER.glob("*.toml"))}
