"""Pictures of every kind as pixels, and bytes that are no picture."""

import io
import sys
import warnings

import numpy as np
import PIL.Image
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError
from pushgrad.worker.data.images.pixels import decode, encode

RED, GREEN, BLUE = (200, 10, 20), (30, 220, 40), (50, 60, 240)
SQUARE = np.array([[RED, GREEN], [BLUE, (9, 9, 9)]], np.uint8)


def file(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(mode="RGB"):
    return PIL.Image.fromarray(SQUARE).convert(mode)


def pixels(content, mode="RGB"):
    return np.asarray(decode(content, mode, "it"))


def test_colours_grey_and_alpha():
    content = file(picture())
    np.testing.assert_array_equal(pixels(content), SQUARE)
    assert pixels(content, "RGBA")[..., 3].tolist() == [[255, 255], [255, 255]]
    weights = SQUARE @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(pixels(content, "L"), weights, atol=1)
    grey = file(picture("L"))
    np.testing.assert_array_equal(pixels(grey)[..., 0], pixels(grey)[..., 2])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_formats(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(pixels(file(picture(), kind, **options)), SQUARE)


def test_palette_with_and_without_transparency():
    palette = picture().quantize(4)
    np.testing.assert_array_equal(pixels(file(palette)), SQUARE)
    transparent = file(palette, transparency=b"\x00\xff\xff\xff")
    assert (pixels(transparent) == SQUARE).all()
    assert sorted(pixels(transparent, "RGBA")[..., 3].ravel()) == [0, 255, 255, 255]


def test_alpha_is_left_out():
    translucent = picture("RGBA")
    translucent.putalpha(0)
    np.testing.assert_array_equal(pixels(file(translucent)), SQUARE)
    assert decode(file(translucent), None, "it").mode == "RGBA"


def test_cmyk():
    content = file(PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    assert np.abs(pixels(content).astype(int) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled(kind):
    deep = np.array([[0, 0x7FFF], [0x8000, 0xFFFF]], np.uint16)
    content = file(PIL.Image.fromarray(deep), kind)
    assert pixels(content, "L").tolist() == [[0, 127], [128, 255]]
    assert pixels(content)[1, 1].tolist() == [255, 255, 255]
    assert decode(content, None, "it").mode == "L"


def test_floating_point_pixels_have_no_known_range():
    with pytest.raises(DataError, match="it: a picture of floating-point pixels"):
        decode(file(PIL.Image.new("F", (2, 2)), "TIFF"), "RGB", "it")


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, 3), (3, 2), (8, 1)])
def test_exif_orientation(orientation, turns):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(pixels(file(picture(), exif=exif)), np.rot90(SQUARE, turns))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_make_no_damaged_picture():
    for junk in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(20), b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"):
        assert pixels(file(picture(), "JPEG", exif=junk)).shape == (2, 2, 3)


def test_only_the_first_frame_of_an_animation():
    frames = [picture(), PIL.Image.new("RGB", (2, 2))]
    np.testing.assert_array_equal(pixels(file(frames[0], "GIF", save_all=True, append_images=frames[1:])), SQUARE)


def test_a_large_jpeg_is_decoded_smaller_where_little_is_wanted():
    content = file(PIL.Image.new("RGB", (800, 400), RED), "JPEG")
    assert decode(content, "RGB", "it", shorter_edge=40).size == (200, 100)
    assert decode(content, "RGB", "it", shorter_edge=300).size == (800, 400)


NOISE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    "content",
    [b"", b"not a picture", *(file(NOISE, kind)[:-400] for kind in ("PNG", "JPEG", "GIF", "BMP")), file(NOISE)[:40]],
    ids=["empty", "foreign", "png", "jpeg", "gif", "bmp", "header"],
)
def test_no_whole_picture(content):
    with pytest.raises(DataError, match=r"^photo\.x cannot be read as a picture: ."):
        decode(content, "RGB", "photo.x")


def test_foreign_bytes_are_shown():
    with pytest.raises(DataError, match=r"its 13 bytes are of no known format \(they begin with b'not a pi'\)"):
        decode(b"not a picture", "RGB", "it")


@pytest.mark.parametrize("limit", [500, 1599])
def test_pillows_limit_of_pixels_is_an_error(monkeypatch, limit):
    """Above twice the limit Pillow raises by itself, below it only warns."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        with pytest.raises(DataError, match=f"it has too many pixels: expected at most {limit}, got "):
            decode(file(NOISE), "RGB", "it")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1600)
    assert decode(file(NOISE), "RGB", "it").size == (40, 40)


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(DataError, match=r"without Pillow\. pip install '\.\[images\]' in a clone"):
        decode(b"", "RGB", "it")


def test_quality():
    assert len(encode(NOISE, ".jpg", 10)) < len(encode(NOISE, ".jpg", 95)) == len(encode(NOISE, ".JPEG"))
    assert len(encode(PIL.Image.new("L", (99, 99)), ".png", 0)) > len(encode(PIL.Image.new("L", (99, 99)), ".png", 9))
    for suffix, quality in ((".jpg", 0), (".jpg", 101), (".png", 10)):
        with pytest.raises(ParameterError, match="quality of"):
            encode(NOISE, suffix, quality)
    with pytest.raises(ParameterError, match=r"expected \.jpg or .*, got '\.gif'"):
        encode(NOISE, ".gif")


def test_pixels_in_records_have_blue_first_unless_told():
    packed = mx.recordio.pack_img((0, 3, 7, 0), SQUARE, quality=3, img_fmt=".png", channels="RGB")
    np.testing.assert_array_equal(pixels(mx.recordio.unpack(packed)[1]), SQUARE)
    header, found = mx.recordio.unpack_img(packed)
    assert header == (0, 3, 7, 0)
    np.testing.assert_array_equal(found, SQUARE[..., ::-1])
    np.testing.assert_array_equal(mx.recordio.unpack_img(packed, channels="RGB")[1], SQUARE)
    assert mx.recordio.pack_img((0, 3, 7, 0), SQUARE[..., ::-1], 3, ".png") == packed
    assert mx.recordio.unpack_img(packed, iscolor=0)[1].shape == (2, 2)


def test_grey_and_alpha_in_records():
    grey = SQUARE[..., :1]
    header, found = mx.recordio.unpack_img(mx.recordio.pack_img((0, [1, 2], 7, 0), grey, 95, ".png"))
    np.testing.assert_array_equal(found, grey[..., 0])
    assert header.label.tolist() == [1, 2]
    alpha = np.dstack([SQUARE, np.full((2, 2), 77, np.uint8)])
    packed = mx.recordio.pack_img((0, 0, 0, 0), alpha, 3, ".png")
    np.testing.assert_array_equal(mx.recordio.unpack_img(packed)[1], alpha)
    np.testing.assert_array_equal(mx.recordio.unpack_img(packed, 1)[1], SQUARE)


def test_wrong_pixels():
    with pytest.raises(DataError, match=r"got float32 \(2, 2\)"):
        mx.recordio.pack_img((0, 0, 0, 0), np.zeros((2, 2), np.float32))
    with pytest.raises(ParameterError, match="expected 'BGR' or 'RGB'"):
        mx.recordio.pack_img((0, 0, 0, 0), SQUARE, channels="rgb")
    with pytest.raises(ParameterError, match="expected -1, 0 or 1"):
        mx.recordio.unpack_img(b"", 2)
    with pytest.raises(DataError, match="the record with id 7 cannot be read"):
        mx.recordio.unpack_img(mx.recordio.pack((0, 0, 7, 0), b"junk"))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\xff\xff\xff\x7f\x08\0\0\0",
        b"Exif\0\0",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_data_do_not_refuse_a_picture(kind, exif):
    """Where warnings are errors, too."""
    out = io.BytesIO()
    PIL.Image.new("RGB", (8, 6), "red").save(out, kind, exif=exif)
    assert decode(out.getvalue(), "RGB", "x").size == (8, 6)
