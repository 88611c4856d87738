import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.dropout import Dropout
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.philox import philox4x32, splitmix64

# Known answers of Philox4x32-10, published with Random123 (kat_vectors).
KNOWN = [
    ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        (0xA4093822, 0x299F31D0),
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_known_answers(counter, key, expected):
    words = philox4x32([np.array([word], np.uint64) for word in counter], key)
    assert [int(word[0]) for word in words] == expected


def test_splitmix_known_answers():
    """The first numbers of SplitMix64 from state 1234567, as its reference prints them."""
    gamma, state, numbers = 0x9E3779B97F4A7C15, 1234567, []
    for _ in range(3):
        numbers.append(splitmix64(state))
        state = (state + gamma) % 2**64
    assert numbers == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_any_part_of_a_stream_can_be_made_alone():
    stream = Step(seed=5, fit=2, number=7, node=11).random_stream()
    whole = stream.bits(0, 50)
    for first, count in ((0, 1), (3, 9), (8, 4), (49, 1), (13, 0)):
        assert (stream.bits(first, count) == whole[first : first + count]).all()
    far = stream.bits(2**35 + 1, 3)
    assert far.dtype == np.uint32 and not (far == whole[1:4]).any()


@pytest.mark.parametrize("change", [{"seed": 6}, {"fit": 3}, {"number": 8}, {"node": 12}])
def test_streams_differ(change):
    place = {"seed": 5, "fit": 2, "number": 7, "node": 11}
    same, other = (Step(**place).random_stream().bits(0, 64), Step(**{**place, **change}).random_stream().bits(0, 64))
    assert (same == Step(**place).random_stream().bits(0, 64)).all()
    assert not (same == other).any()


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 2, 2)])
@pytest.mark.parametrize("options", [{"p": 0.3}, {"p": 0.5, "axes": (0,)}, {"p": 0.0}, {"p": 0.7, "mode": "always"}])
def test_gradients(options, shape, gradcheck):
    array = np.random.default_rng(0).normal(size=shape)
    gradcheck(Dropout(**options), [array], step=Step(is_train=True, seed=3, number=2, node=9))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_keeps_the_mean(p, forward):
    (out,) = forward(Dropout(p=p), [np.ones((200, 500), np.float32)], Step(is_train=True))
    assert set(np.unique(out).tolist()) == {0.0, float(np.float32(1 / (1 - p)))}
    deviation = (p / (1 - p) / out.size) ** 0.5
    assert abs(out.mean(dtype=np.float64) - 1) < 5 * deviation


def test_slices_make_the_mask_of_the_whole(forward):
    op, data = Dropout(p=0.5), np.ones((7, 3, 5))
    (whole,) = forward(op, [data], Step(is_train=True, node=4))
    for first, last in ((0, 3), (3, 4), (4, 7)):
        (part,) = forward(op, [data[first:last]], Step(is_train=True, node=4, first_row=first))
        assert (part == whole[first:last]).all()


def test_one_decision_along_axes(forward):
    (out,) = forward(Dropout(p=0.5, axes=(0, 2)), [np.ones((4, 30, 5))], Step(is_train=True, first_row=8))
    assert (out == out[:1, :, :1]).all()
    assert 0 < (out == 0).mean() < 1


def test_identity_without_training(forward, backward):
    op, data = Dropout(p=0.5), np.random.default_rng(0).normal(size=(4, 5))
    out = forward(op, [data], Step(is_train=False))
    assert (out[0] == data).all()
    assert (backward(op, [data], out, [data], Step(is_train=False))[0] == data).all()
    assert not (forward(Dropout(p=0.5, mode="always"), [data], Step(is_train=False))[0] == data).all()


def test_dropped_nan_is_gone(forward):
    (out,) = forward(Dropout(p=0.5), [np.full((20, 20), np.nan)], Step(is_train=True))
    assert 0 < np.isnan(out).mean() < 1


def test_wrong_parameters():
    for p in (1.0, -0.1, "x", float("nan")):
        with pytest.raises(ParameterError, match="Dropout: parameter p"):
            Dropout(p=p)
    with pytest.raises(ShapeError, match="Dropout: axes"):
        Dropout(axes=(2,)).mask_shape((3, 4))
