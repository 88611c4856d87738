"""The page's pictures and networks, without the page: what is read, what is refused, what a network is given."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

APP = Path(__file__).parents[2] / "examples" / "image_app"


@pytest.fixture
def app(app_module):
    return app_module("picture")


@pytest.fixture
def encode(tmp_path):
    def encode(picture, kind="PNG", **options):
        picture.save(tmp_path / "picture", kind, **options)
        return (tmp_path / "picture").read_bytes()

    return encode


def png_header(width, height):
    """A PNG that claims this size; its pixels would not even be there."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_the_app_is_about_160_lines_of_python():
    assert sum(len(path.read_text().splitlines()) for path in APP.rglob("*.py")) <= 170


def test_there_are_1000_names_in_imagenets_order():
    lines = (APP / "synset.txt").read_text().splitlines()
    assert len(lines) == 1000
    assert lines == sorted(lines)
    assert lines[0] == "n01440764 tench, Tinca tinca"
    assert lines[285] == "n02124075 Egyptian cat"
    assert lines[999] == "n15075141 toilet tissue, toilet paper, bathroom tissue"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_photograph_is_read_in_rgb(app, encode, kind):
    picture = app.read(encode(Image.new("RGB", (30, 20), "red"), kind))
    assert (picture.mode, picture.size) == ("RGB", (30, 20))
    np.testing.assert_allclose(picture.getpixel((15, 10)), (255, 0, 0), atol=3)


@pytest.mark.parametrize("mode", ["L", "1", "P", "I;16", "CMYK"])
def test_other_kinds_of_pixels_become_rgb(app, encode, mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert app.read(encode(Image.new(mode, (30, 20)), kind)).mode == "RGB"


def test_transparent_parts_are_white(app, encode):
    assert app.read(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))).getpixel((1, 1)) == (255, 255, 255)


def test_a_photograph_taken_upright_stands_upright(app, encode):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    assert app.read(encode(Image.new("RGB", (40, 20)), "JPEG", exif=exif)).size == (20, 40)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        png_header(8, 8),
    ],
    ids=["empty", "text", "svg", "postscript", "no pixels"],
)
def test_what_is_no_picture_is_refused(app, data):
    with pytest.raises(app.Refused, match=r"no picture that can be read here: a JPEG"):
        app.read(data)


def test_a_picture_that_was_cut_off_is_refused(app, encode):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise))
    with pytest.raises(app.Refused, match="no picture"):
        app.read(data[: len(data) // 2])


@pytest.mark.parametrize("size", [(7100, 7100), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_they_are_unpacked(app, size):
    with pytest.raises(app.Refused, match="too big"):
        app.read(png_header(*size))


def test_too_many_bytes_are_refused(app, image_file):
    with pytest.raises(app.Refused, match="too big"):
        app.read(image_file("red").ljust(app.MAX_BYTES + 1, b"\0"))


def test_at_most_five_names_by_falling_probability(app):
    assert list(app.NETWORKS) == ["Farthest", "Nearest"]
    best = app.NETWORKS["Nearest"].top5(Image.new("RGB", (300, 200), "red"))
    assert 1 <= len(best) <= 5 and all(share >= 0.01 for _, share in best)
    assert best[0][0] == "red"
    probabilities = [share for _, share in best]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0.5 < sum(probabilities) <= 1


def test_a_mean_image_serves_like_the_means_of_channels(app):
    picture = Image.new("RGB", (300, 200), "red")
    nearest, farthest = (app.NETWORKS[name] for name in ("Nearest", "Farthest"))
    assert farthest.mean.shape == (3, 224, 224)
    assert farthest.top5(picture)[-1][0] in ("yellow", "white", "black")
    assert "red" not in [name for name, _ in farthest.top5(picture)]
    assert nearest.top5(picture)[0][0] == "red"


@pytest.mark.parametrize("size", [(500, 224), (224, 500)])
def test_only_the_square_in_the_middle_counts(app, size):
    picture = Image.new("RGB", size, "blue")
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    picture.paste("red", (left, top, left + 224, top + 224))
    assert app.NETWORKS["Nearest"].top5(picture)[0][0] == "red"


def test_16_bits_of_grey_are_scaled(app, encode):
    """Levels of 256 steps become the same levels of 1: arithmetic, and what other viewers show."""
    data = encode(Image.fromarray(np.array([[0, 256, 32768, 65535]], np.uint16)))
    assert [pixel[0] for pixel in np.asarray(app.read(data))[0]] == [0, 1, 128, 255]


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0\0\0\0\0",
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_damaged_exif_data_do_not_refuse_a_picture(app, encode, kind, exif):
    assert app.read(encode(Image.new("RGB", (30, 20)), kind, exif=exif)).size == (30, 20)
