"""Images that are multiplied side by side get the bits that each would get alone."""

import numpy as np
import pytest

from pushgrad.common.call_table import Table
from pushgrad.worker.cpu.convolution_pointwise import PointwiseKernel
from pushgrad.worker.cpu.image_products import image_product_rows, pixel_sum_rows
from pushgrad.worker.cpu.matmul import matmul, product_row
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.operator import Step

COUNTS = [1, 2, 3, 5, 9, 23]


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def inside(shape):
    """Some channels and pixels of a larger array of sevens, and that array."""
    room = np.full((shape[0], shape[1] + 2, shape[2] + 3), 7, np.float32)
    return room[:, 1:-1, 2:-1], room


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("pixels", [1, 17, 33, 49, 60, 64, 81, 121, 300])
@pytest.mark.parametrize("turned", [False, True])
def test_products(count, pixels, turned):
    images, out_room = inside((count, 21, pixels))
    images[...] = normal(1, *images.shape)
    out, out_room = inside((count, 35, pixels))
    matrix = normal(2, 21, 35).T if turned else normal(2, 35, 21)
    first = np.repeat(normal(3, 35)[:, None], 16, axis=1)
    for given in ((None, False), (first, True)):
        expected = np.empty(out.shape, np.float32)
        for image, made in zip(images, expected, strict=True):
            matmul(matrix, image, made, *given)
        Table(image_product_rows(matrix, images, out, *given)).run()
        np.testing.assert_array_equal(out, expected)
    out[...] = 7
    assert (out_room == 7).all()  # nothing was written around the results


@pytest.mark.parametrize("pixels", [16, 32, 36, 49, 81])
def test_small_images_share_a_product(pixels):
    matrix, images = normal(4, 8, 5), normal(5, 4, 5, pixels)
    assert len(image_product_rows(matrix, images, normal(6, 4, 8, pixels))) == 1


@pytest.mark.parametrize("pixels", [64, 144, 196, 784])
def test_images_that_fill_their_panels_are_left_alone(pixels):
    matrix, images = normal(4, 8, 5), normal(5, 4, 5, pixels)
    assert len(image_product_rows(matrix, images, normal(6, 4, 8, pixels))) == 4


@pytest.mark.parametrize("pixels", [16, 49])
def test_a_single_image_is_not_copied(pixels):
    matrix, images, out = normal(4, 8, 5), normal(5, 1, 5, pixels), normal(6, 1, 8, pixels)
    (row,) = image_product_rows(matrix, images, out)
    assert row.function is product_row(matrix, images[0], out[0]).function


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("pixels", [1, 16, 33, 49, 85, 128, 129, 256, 300])
def test_sums_over_pixels(count, pixels):
    check_sums(count, pixels, 35, 21)


@pytest.mark.parametrize("columns", [1, 16, 250, 256, 257, 530])
@pytest.mark.parametrize("rows", [1, 13, 70])
def test_sums_of_any_shape(rows, columns):
    check_sums(7, 49, rows, columns)


def check_sums(count, pixels, rows, columns):
    """Sums are those of a product per image, each of which adds to the ones before."""
    (left, _), (right, _) = inside((count, rows, pixels)), inside((count, columns, pixels))
    left[...], right[...] = normal(7, *left.shape), normal(8, *right.shape)
    expected = np.empty((rows, columns), np.float32)
    for i in range(count):
        matmul(left[i], right[i].T, expected, adds=i > 0)
    room = np.full((rows + 2, columns + 3), 7, np.float32)
    total = room[1:-1, 1:-2]
    made = pixel_sum_rows(left, right, total)
    assert len(made) == (1 if pixels <= 128 else count)
    Table(made).run()
    np.testing.assert_array_equal(total, expected)
    total[...] = 7
    assert (room == 7).all()


@pytest.mark.parametrize("filters", [10, 100])
@pytest.mark.parametrize("groups", [1, 2])
def test_parts_of_forward_have_the_bits_of_the_whole(filters, groups):
    """Parts are some pixels of all images, or some filters."""
    kernel = PointwiseKernel(Convolution(kernel=(1, 1), num_filter=filters, num_group=groups), "relu")
    inputs = [normal(9, 5, 12, 7, 7), normal(10, filters, 12 // groups, 1, 1), normal(11, filters)]
    whole, parts = (np.full((5, filters, 7, 7), np.nan, np.float32) for _ in range(2))
    kernel.forward(Step(), inputs, [whole])
    for part in kernel.forward_stages(Step(), inputs, [parts], 3)[0]:
        Table(part).run()
    np.testing.assert_array_equal(parts, whole)
