"""sgld: MXNet's drift, and noise with the moments of a normal distribution, the same however a key is cut."""

import math

import numpy as np
import pytest

from pushgrad.ps.optimizer import SGLD, create
from pushgrad.ps.philox import cosine_of_quarters, logarithm, philox
from pushgrad.ps.store import Entry

from .mxnet_values import COMMON
from .test_beside_mxnet import trained


class Quiet(SGLD):
    def deviation(self, lr):
        return 0.0


def test_without_noise_it_is_mxnets_drift():
    # MXNet 1.9.1's SGLD with its `normal` replaced by zeros, learning_rate=0.05, otherwise as in mxnet_values.
    expected = [-0.992566168, -0.58606565, -0.204408526, 0.19506079, 0.591597915, 1.0018326]
    np.testing.assert_allclose(trained(Quiet(0.05, **COMMON)).weight, expected, rtol=1e-6)


def noise(n, key="w", seed=0, steps=1, lo=0):
    entry = Entry(np.zeros(n), key=key, lo=lo)
    optimizer = create("sgld", seed=seed)
    for _ in range(steps):
        entry.weight[:] = 0
        entry.apply(optimizer, np.zeros((1, n)), 0.25)
    return entry.weight


def test_the_noise_is_normal():
    drawn = noise(200_000) / 0.5  # the rate's root
    for power, moment in [(1, 0), (2, 1), (3, 0), (4, 3)]:  # variances of the estimates: 1, 2, 15, 96 by n
        assert abs((drawn**power).mean() - moment) < 4 * math.sqrt({1: 1, 2: 2, 3: 15, 4: 96}[power] / drawn.size)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01


def test_it_depends_on_seed_key_update_and_element_alone():
    whole = noise(1000)
    np.testing.assert_array_equal(np.concatenate([noise(300), noise(700, lo=300)]), whole)
    for other in (noise(1000, key="v"), noise(1000, seed=1), noise(1000, steps=2)):
        assert abs(np.corrcoef(whole, other)[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        # The known answers that come with the authors' Random123 library (kat_vectors, philox4x32 10).
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ],
)
def test_philox_has_the_known_answers(counter, key, words):
    assert list(philox(*(np.uint64(word) for word in (*key, *counter)))) == words


def test_logarithm_and_cosine():
    rng = np.random.default_rng(0)
    for value in (*rng.random(300), *2.0 ** -rng.uniform(0, 32, 300), 2.0**-32, 1 - 2.0**-32, 1.0):
        assert logarithm(value) == pytest.approx(math.log(value), rel=4e-16, abs=0)
    for turn in (*rng.uniform(0, 4, 300), 0.0, 1.0, 2.0, 3.0, 4 - 2.0**-30):
        assert cosine_of_quarters(turn) == pytest.approx(math.cos(math.pi / 2 * turn), abs=1e-15)
