"""Ranges in shared memory: the same results as over the wire, and nothing that a wrong request could break."""

import numpy as np
import pytest

from pushgrad.common.requests import Attach, Ok, Push
from pushgrad.common.segment import ALIGN, Segment
from pushgrad.common.tensor import Tensor
from pushgrad.ps.answers import Acked, Say
from pushgrad.ps.blocks import block_at, block_bytes, lay_out

SGD = {"name": "sgd", "momentum": 0.9, "wd": 0.0, "rescale_grad": 1.0, "clip_gradient": None}
HALVES = (Tensor("w", "float32", (2, 50), 0, 60), Tensor("w", "float32", (2, 50), 60, 100))


@pytest.fixture
def segment():
    made = Segment.create(ALIGN + block_bytes(100, 4, 2))
    yield made
    made.settle()


def attach(client, segment, rank=0, tensors=HALVES, places=(ALIGN, ALIGN), **fields):
    pid, fd, nbytes, nonce = segment.ticket
    known = {"seq": 9, "pid": pid, "fd": fd, "bytes": nbytes, "nonce": nonce}
    return client.ask(rank, Attach, tensors=tensors, places=places, **{**known, **fields})


@pytest.fixture
def client_with_both_halves(new_client):
    def make(**kwargs):
        client = new_client(optimizer=SGD, **kwargs)
        for tensor in HALVES:
            client.init(2.0, tensor=tensor)
        return client

    return make


def gradients(rank, n):
    return np.random.default_rng([rank, n]).normal(size=100).astype(np.float32)


def test_both_ways_give_the_same_bits(segment, client_with_both_halves):
    shared, wired = client_with_both_halves(), client_with_both_halves()
    assert attach(shared, segment) == [Say(0, Ok(seq=9))]
    block = block_at(segment, ALIGN, 100, "float32", 2)
    np.testing.assert_array_equal(block.value, np.full(100, 2.0, np.float32))
    for n in (1, 2, 3):
        for rank in (0, 1):
            block.gradients[rank, :100] = gradients(rank, n)
            replies = shared.ask(rank, Push, n=n, lr=0.5, shared=True, tensors=HALVES)
            for tensor in HALVES:
                data = gradients(rank, n)[tensor.lo : tensor.hi].tobytes()
                wired.ask(rank, Push, n=n, lr=0.5, tensors=(tensor,), frames=(data,))
        assert [reply for reply in replies if isinstance(reply, Acked)] == [
            Acked(rank, 1, n, "weight", ("w", tensor.lo)) for tensor in HALVES for rank in (0, 1)
        ]
        ranges = wired.service.fits[1].store.entries.values()
        np.testing.assert_array_equal(block.value, np.concatenate([entry.weight for entry in ranges]))


def test_blank_ranges_take_what_worker_0_writes_and_others_keep_their_values(segment, new_client):
    client = new_client(optimizer=SGD)
    client.init(blank=True, tensor=HALVES[0])
    client.init(2.0, tensor=HALVES[1])
    value = block_at(segment, ALIGN, 100, "float32", 2).value
    value[:60] = 5.0  # before or after they move
    attach(client, segment)
    np.testing.assert_array_equal(value, np.float32([5.0] * 60 + [2.0] * 40))
    for rank in (0, 1):
        client.push(rank, 1, value=1.0, tensor=HALVES[0])
    np.testing.assert_array_equal(value, np.float32([4.0] * 60 + [2.0] * 40))


def test_a_worker_may_still_send_values_over_the_wire(segment, client_with_both_halves):
    client = client_with_both_halves()
    attach(client, segment)
    for rank in (0, 1):
        client.push(rank, 1, value=1.0, tensor=HALVES[1])
    value = block_at(segment, ALIGN, 100, "float32", 2).value
    np.testing.assert_array_equal(value, np.float32([2.0] * 60 + [1.0] * 40))


def test_repeating_it_is_harmless_and_moving_again_is_not_allowed(segment, client_with_both_halves, refused):
    client = client_with_both_halves()
    attach(client, segment)
    assert attach(client, segment) == [Say(0, Ok(seq=9))]
    other = Segment.create(segment.ticket.nbytes)
    assert refused(lambda: attach(client, other)).code == "order"
    other.settle()
    late = client_with_both_halves()
    late.push(0, 1, tensor=HALVES[0])
    assert refused(lambda: attach(late, segment)).code == "order"


def test_what_cannot_be_shared_is_refused_and_stays_as_it_was(segment, client_with_both_halves, refused):
    client = client_with_both_halves()
    for wrong in ({"nonce": "00" * 16}, {"fd": 10**6}, {"bytes": 1 << 40}, {"places": (ALIGN, 8)}):
        assert refused(lambda wrong=wrong: attach(client, segment, **wrong)).code == "segment"
    for wrong in ({"places": (ALIGN, 2 * ALIGN)}, {"places": (ALIGN, 1 << 40)}):
        assert refused(lambda wrong=wrong: attach(client, segment, **wrong)).code == "segment"
    assert refused(lambda: attach(client, segment, places=(ALIGN,))).code == "malformed"
    assert refused(lambda: attach(client, segment, rank=1)).code == "rank"
    assert refused(lambda: client.ask(0, Push, n=1, lr=0.5, shared=True, tensors=HALVES)).code == "segment"
    client.push(0, 1, tensor=HALVES[0])
    assert client.push(1, 1, tensor=HALVES[0])


def test_loose_modes_stay_on_the_wire(segment, client_with_both_halves, refused):
    client = client_with_both_halves(mode="async")
    assert refused(lambda: attach(client, segment)).code == "segment"


def test_blocks_lie_behind_each_other_on_cache_lines():
    places, end = lay_out([(10, 4), (0, 8), (100, 8)], 3)
    assert places == [64, 64 + 4 * 64, 64 + 4 * 64]
    assert end == places[2] + 4 * 832
