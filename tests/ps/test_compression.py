"""Codes of gradients, and a server that takes them."""

import numpy as np
import pytest

from pushgrad.common.coding import Coding
from pushgrad.common.errors import DataError
from pushgrad.common.requests import Push
from pushgrad.common.tensor import Tensor
from pushgrad.common.wire import WireError
from pushgrad.ps.compression import decode, encode

CODINGS = [Coding("fp16"), Coding("bf16"), Coding("2bit", 0.5), Coding("topk", 0.1)]


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def through(coding, values, residual):
    code = encode(coding, values, residual)
    assert code.dtype == np.uint8 and code.nbytes == coding.nbytes(values.size)
    return decode(coding, code, values.size)


def test_2bit_gives_what_mxnet_gives():
    """Two workers push the same; recorded from MXNet 1.9.1 with threshold 0.5."""
    residual = np.zeros(8, np.float32)
    pushes = [
        ([0.3, 0.5, -0.5, 0.49, 1.2, -1.7, 0, -0.2], [0, 1, -1, 0, 1, -1, 0, 0]),
        ([0.3, 0, 0, 0.02, 0, 0, 0, -0.2], [1, 0, 0, 1, 1, -1, 0, 0]),
        ([0, 0, 0, 0, 0, 0, 0, -0.2], [0, 0, 0, 0, 0, -1, 0, -1]),
    ]
    for pushed, stored in pushes:
        found = through(Coding("2bit", 0.5), np.array(pushed, np.float32), residual)
        np.testing.assert_array_equal(found + found, stored)


def test_the_bits_of_2bit_lie_where_mxnet_has_them():
    values = np.array([1, -1, 0, 1] + [0] * 12 + [-1], np.float32)
    code = encode(Coding("2bit", 0.5), values, np.zeros(17, np.float32))
    assert code.tolist() == [0b11100011, 0, 0, 0, 0b10000000, 0, 0, 0]


@pytest.mark.parametrize("size", [1, 15, 16, 1000])
@pytest.mark.parametrize("coding", CODINGS[2:])
def test_nothing_is_lost(coding, size):
    residual, sent, given = np.zeros(size, np.float32), np.zeros(size), np.zeros(size)
    for step in range(20):
        values = np.round(draw(step, size) * 64) / np.float32(64)  # sums of these are exact
        given += values
        sent += through(coding, values, residual)
        np.testing.assert_array_equal(sent + residual, given)


def test_topk_sends_the_largest_and_of_equal_ones_the_first():
    values = np.array([1, -3, 2, -2, 2, 0, 0, 0], np.float32)
    residual = np.zeros(8, np.float32)
    np.testing.assert_array_equal(through(Coding("topk", 0.375), values, residual), [0, -3, 2, -2, 0, 0, 0, 0])
    np.testing.assert_array_equal(residual, [1, 0, 0, 0, 2, 0, 0, 0])


def test_halves_round_to_nearest_even():
    values = draw(1, 1000)
    half = through(Coding("fp16"), values, np.zeros(0, np.float32))
    np.testing.assert_array_equal(half, values.astype(np.float16).astype(np.float32))
    brain = through(Coding("bf16"), values, np.zeros(0, np.float32))
    np.testing.assert_allclose(brain, values, rtol=2**-8)
    ties = np.array([0x3F808000, 0x3F818000, 0x3F808001], np.uint32).view(np.float32)
    found = through(Coding("bf16"), ties, np.zeros(0, np.float32)).view(np.uint32)
    assert found.tolist() == [0x3F800000, 0x3F820000, 0x3F810000]


@pytest.mark.parametrize(("kind", "value"), [("fp16", 65520.0), ("fp16", -1e6), ("bf16", 3.4e38)])
def test_what_a_half_cannot_hold(kind, value):
    with pytest.raises(DataError, match=f"too large for {kind}"):
        encode(Coding(kind), np.array([0, value], np.float32), np.zeros(0, np.float32))
    assert np.isfinite(through(Coding(kind), np.array([65504.0], np.float32), np.zeros(0, np.float32))).all()


@pytest.mark.parametrize("coding", CODINGS)
def test_nothing_at_all(coding):
    assert through(coding, np.empty(0, np.float32), np.empty(0, np.float32)).size == 0


@pytest.mark.parametrize(
    ("coding", "code"),
    [
        (Coding("2bit", 0.5), [0b01000000, 0, 0, 0]),
        (Coding("2bit", 0.5), [0, 0b00001100, 0, 0]),  # a sixth number of five
        (Coding("topk", 0.4), [1, 0, 0, 0, 1, 0, 0, 0, *[0] * 8]),
        (Coding("topk", 0.4), [1, 0, 0, 0, 5, 0, 0, 0, *[0] * 8]),
        (Coding("topk", 0.4), [2, 0, 0, 0, 1, 0, 0, 0, *[0] * 8]),
    ],
)
def test_what_is_no_code(coding, code):
    with pytest.raises(WireError, match=r"2bit|topk"):
        decode(coding, np.array(code, np.uint8), 5)


TENSOR = Tensor("w", "float32", (4,), 0, 4)


def push(client, who, coding, values, tensor=TENSOR, **fields):
    code = encode(coding, np.array(values, np.float32), np.zeros(4, np.float32))
    return client.ask(who, Push, n=1, lr=0.5, coding=coding, tensors=(tensor,), frames=(code.tobytes(),), **fields)


def test_a_server_adds_up_what_the_codes_say(new_client):
    client = new_client()
    client.init(0.0)
    push(client, 0, Coding("2bit", 0.5), [1, -1, 0, 1])
    push(client, 1, Coding("fp16"), [1, 2, 3, 4])  # a service does not mind who compresses how
    np.testing.assert_array_equal(client.weight(), [1.5, 1.5, 3, 4.5])


def test_codes_where_there_can_be_none(new_client, refused):
    client = new_client()
    wide = Tensor("v", "float64", (4,), 0, 4)
    client.init(0.0)
    client.init(0.0, tensor=wide)
    assert refused(lambda: push(client, 0, Coding("fp16"), [1] * 4, wide)).code == "malformed"
    assert refused(lambda: push(client, 0, Coding("fp16"), [1] * 4, TENSOR._replace(rows=1))).code == "malformed"
    bad = {"n": 1, "lr": 0.5, "coding": Coding("2bit", 0.5), "tensors": (TENSOR,), "frames": (b"\x40\0\0\0",)}
    assert refused(lambda: client.ask(0, Push, **bad)).code == "malformed"
    client.push(0, 1, value=2.0)
    client.push(1, 1, value=0.0)
    np.testing.assert_array_equal(client.weight(), 2.0)
