import math
import threading

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError


@pytest.fixture(autouse=True)
def seed_zero():
    mx.random.seed(0)
    yield
    mx.random.seed(0)


def test_values_of_the_facts():
    np.testing.assert_allclose(mx.random.uniform(shape=2), [0.5488135, 0.5928446], atol=5e-8)
    mx.random.seed(0)
    np.testing.assert_allclose(mx.random.normal(shape=2), [2.212206, 1.163079], atol=5e-7)


def test_uniform_is_one_draw_per_value_scaled_in_float32():
    draws = np.random.RandomState(0).randint(0, 2**32, size=6, dtype=np.uint32)
    u = draws.astype(np.float32) / np.float32(2**32)
    low, high = np.float32(-0.07), np.float32(0.07)
    values = mx.random.uniform(-0.07, 0.07, (2, 3))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values.reshape(-1), u * (high - low) + low)


def polar_one_by_one(count, generator):
    f = np.float32
    saved, out = None, []
    while len(out) < count:
        if saved is not None:
            out.append(saved)
            saved = None
            continue
        while True:
            x, y = (f(2) * (f(int(generator.randint(0, 2**32, dtype=np.uint32))) / f(2**32)) - f(1) for _ in range(2))
            square = x * x + y * y
            if square <= 1 and square != 0:
                break
        factor = np.sqrt(f(-2) * f(math.log(square)) / square)
        out.append(y * factor)
        saved = x * factor
    return np.array(out, np.float32)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 500])
def test_normal_takes_exactly_the_draws_of_a_loop(count):
    generator = np.random.RandomState(0)
    expected = polar_one_by_one(count, generator)
    np.testing.assert_array_equal(mx.random.normal(0, 1, (count,)), expected)
    following = np.float32(int(generator.randint(0, 2**32, dtype=np.uint32))) / np.float32(2**32)
    assert mx.random.uniform()[0] == following


def test_values_of_libstdcxx():
    """From a C++ program: std::mt19937(127), uniform_real_distribution<float>(-0.07, 0.07), normal(0.5, 0.01)."""
    mx.random.seed(1)
    np.testing.assert_array_equal(
        mx.random.uniform(-0.07, 0.07, 3), np.float32([0.00333666801, -0.0622980855, -0.064405188])
    )
    np.testing.assert_array_equal(mx.random.normal(0.5, 0.01, 3), np.float32([0.487563074, 0.503743827, 0.510470688]))


def test_shape_scale_and_location():
    values = mx.random.normal(3.0, 0.5, (100, 100))
    assert values.shape == (100, 100)
    assert abs(values.mean() - 3) < 0.02
    assert abs(values.std() - 0.5) < 0.02
    assert mx.random.uniform().shape == (1,)
    assert mx.random.uniform(shape=(0, 3)).shape == (0, 3)


def test_scale_zero_draws_nothing():
    np.testing.assert_array_equal(mx.random.normal(2.0, 0.0, 3), [2, 2, 2])
    assert mx.random.uniform()[0] == np.float32(0.5488135)


def test_values_stay_below_high():
    draws = np.array([2**32 - 1], np.uint32)
    stream = mx.random.MersenneTwister(0)
    stream._twister = type("T", (), {"randint": staticmethod(lambda *a, **k: draws)})()
    assert stream.uniform(0.0, 1.0, (1,))[0] < 1


def test_seed_and_current_seed():
    first = mx.random.uniform(shape=5)
    mx.random.seed(np.int64(0))
    np.testing.assert_array_equal(mx.random.uniform(shape=5), first)
    mx.random.seed(-1)
    assert mx.random.current_seed() == 2**32 - 1
    mx.random.seed(7)
    assert mx.random.current_seed() == 7
    assert not np.array_equal(mx.random.uniform(shape=5), first)


def test_bad_arguments():
    for call in (
        lambda: mx.random.seed("zero"),
        lambda: mx.random.seed(1.5),
        lambda: mx.random.uniform(shape=-1),
        lambda: mx.random.uniform(shape=(2, 1.5)),
        lambda: mx.random.normal(0, -1, 2),
    ):
        with pytest.raises(ParameterError):
            call()


def test_threads_share_one_stream_without_losing_draws():
    parts = []
    threads = [threading.Thread(target=lambda: parts.append(mx.random.uniform(shape=1000))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mx.random.seed(0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(mx.random.uniform(shape=8000)))
