"""What happens to a picture before it is a row of a batch."""

import io

import numpy as np
import PIL.Image
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, FileFormatError, ParameterError
from pushgrad.worker.data.images.preparation import Preparation

RANDOM = np.random.default_rng(5)
NOISE = RANDOM.integers(0, 256, (12, 17, 3)).astype(np.uint8)
# Red counts rows, green counts columns: where a part was cut out can be read off it.
PLACES = np.stack([*np.mgrid[:40, :60], np.zeros((40, 60))], -1).astype(np.uint8)


def row(pixels, shape, seed=None, **options):
    """One row of a batch, (channels, rows, columns)."""
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, "PNG")
    array = np.full(shape, np.nan, np.float32)
    random = None if seed is None else np.random.default_rng(seed)
    Preparation(shape, options, "it").apply(out.getvalue(), random, array, "it")
    assert np.isfinite(array).all()
    return array


def test_the_centre():
    np.testing.assert_array_equal(row(NOISE, (3, 4, 6)), NOISE[4:8, 5:11].transpose(2, 0, 1))
    np.testing.assert_array_equal(row(NOISE, (3, 12, 17)), NOISE.transpose(2, 0, 1))


def test_mean_deviation_scale_and_mirror():
    found = row(NOISE, (3, 12, 17), mean_r=10, mean_b=30, std_g=4, scale=0.5, mirror=True)
    expected = (NOISE[:, ::-1] - np.float32([10, 0, 30])) * (np.float32(0.5) / np.float32([1, 4, 1]))
    np.testing.assert_array_equal(found, expected.transpose(2, 0, 1))


def test_mean_image_belongs_to_the_picture_before_it_is_mirrored(tmp_path):
    mean = RANDOM.uniform(0, 255, (3, 12, 17)).astype(np.float32)
    mx.nd.save(tmp_path / "mean.nd", {"mean_img": mean})
    expected = NOISE.transpose(2, 0, 1) - mean
    np.testing.assert_array_equal(row(NOISE, (3, 12, 17), mean_img=tmp_path / "mean.nd"), expected)
    mirrored = row(NOISE, (3, 12, 17), mean_img=tmp_path / "mean.nd", mirror=True)
    np.testing.assert_array_equal(mirrored, expected[:, :, ::-1])
    with pytest.raises(FileFormatError, match=r"expected one array of shape \(3, 5, 5\).* got \(3, 12, 17\)"):
        row(NOISE, (3, 5, 5), mean_img=tmp_path / "mean.nd")
    with pytest.raises(FileFormatError, match=r"absent\.nd cannot be read"):
        row(NOISE, (3, 5, 5), mean_img=tmp_path / "absent.nd")
    with pytest.raises(ParameterError, match="exclude each other"):
        row(NOISE, (3, 12, 17), mean_img=tmp_path / "mean.nd", mean_r=1)


def test_one_and_four_channels():
    grey = row(NOISE, (1, 12, 17), mean_r=3)
    np.testing.assert_allclose(grey[0], NOISE @ [0.299, 0.587, 0.114] - 3, atol=1)
    np.testing.assert_array_equal(row(NOISE, (4, 12, 17), mean_a=55)[3], np.full((12, 17), 200))


@pytest.mark.parametrize("shape", [(3, 20, 20), (3, 30, 10), (3, 10, 50)])
def test_small_pictures_are_enlarged_evenly(shape):
    flat = np.full((8, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(row(flat, shape), np.full(shape, 77))


def test_resize_is_of_the_shorter_edge():
    found = row(PLACES, (3, 20, 20), resize=20)
    np.testing.assert_allclose(found[0, :, 10], np.arange(20) * 2 + 0.5, atol=1)
    np.testing.assert_allclose(found[1, 10], np.arange(20) * 2 + 10.5, atol=1)


@pytest.mark.parametrize("options", [{"resize": 256}, {}])
def test_a_sliver_does_not_grow_beyond_pillows_limit(options):
    with pytest.raises(DataError, match="it, resized from 60000 x 1, has too many pixels"):
        row(np.zeros((1, 60000, 3), np.uint8), (3, 200, 200), **options)


def test_pad():
    found = row(NOISE, (3, 16, 21), pad=2, fill_value=7)
    assert (found[:, :2] == 7).all() and (found[:, :, -2:] == 7).all()
    np.testing.assert_array_equal(found[:, 2:-2, 2:-2], NOISE.transpose(2, 0, 1))
    assert (row(NOISE, (1, 14, 19), pad=1, fill_value=9)[0, 0] == 9).all()


def test_random_parts_lie_anywhere_within():
    corners = {tuple(row(PLACES, (3, 37, 58), seed, rand_crop=True)[:2, 0, 0]) for seed in range(60)}
    assert corners == {(r, c) for r in range(4) for c in range(3)}


def test_half_of_the_pictures_are_mirrored_at_random():
    ways = [row(PLACES, (3, 40, 60), seed, rand_mirror=True)[1, 0, 0] == 59 for seed in range(60)]
    assert 20 < sum(ways) < 40


def test_random_areas_and_aspect_ratios():
    options = {"random_resized_crop": True, "min_random_area": 0.25, "max_random_area": 0.5, "inter_method": 0}
    for seed in range(20):
        found = row(PLACES, (3, 10, 10), seed, min_aspect_ratio=0.75, max_aspect_ratio=1.5, **options)
        height, width = (np.ptp(found[0]) * 10 / 9, np.ptp(found[1]) * 10 / 9)
        assert 0.15 * 2400 < height * width < 0.6 * 2400
        assert 0.6 < width / height < 1.8
    wide = row(PLACES, (3, 10, 10), 0, max_aspect_ratio=0.1, **options)
    assert 0.75 < np.ptp(wide[1]) / np.ptp(wide[0]) < 1.35


def test_a_part_that_never_fits_is_cut_from_the_centre():
    options = {"min_aspect_ratio": 9.0, "max_aspect_ratio": 9.0, "random_resized_crop": True}
    np.testing.assert_array_equal(row(PLACES, (3, 10, 10), 0, **options), row(PLACES, (3, 10, 10)))


def test_rotation_turns_around_the_centre():
    found = row(PLACES, (3, 41, 61), 3, max_rotate_angle=20, fill_value=0)
    still = row(PLACES, (3, 41, 61), 3)
    assert np.abs(found - still).max() > 10
    assert np.abs(found[:2, 20, 30] - still[:2, 20, 30]).max() <= 2


@pytest.mark.parametrize("method", range(5))
def test_interpolations(method):
    assert np.abs(row(PLACES, (3, 20, 20), resize=20, inter_method=method)[0, :, 10] - np.arange(20) * 2).max() < 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_shear_ratio": 0.1}, r"it has no option max_shear_ratio: expected one of .*rand_crop"),
        ({"resize": 0}, "resize: expected -1, or 1 or more pixels, got 0"),
        ({"pad": -1}, "pad"),
        ({"max_rotate_angle": 400}, "max_rotate_angle"),
        ({"inter_method": 9}, "inter_method"),
        ({"std_r": 0}, "std above 0"),
        ({"scale": float("nan")}, "std and scale"),
        ({"random_resized_crop": True, "min_random_area": 0}, "min_random_area"),
        ({"random_resized_crop": True, "max_aspect_ratio": 2}, "min_aspect_ratio"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ParameterError, match=message):
        row(NOISE, (3, 4, 4), **options)


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (3, 0, 4)])
def test_wrong_shapes(shape):
    with pytest.raises(ParameterError, match="data_shape"):
        Preparation(shape, {}, "it")
