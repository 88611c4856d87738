import numpy as np
import pytest

from pushgrad.common.messages import Error
from pushgrad.common.requests import Drop, Ok, Push, Setup, Stats
from pushgrad.common.tensor import Tensor
from pushgrad.ps.answers import Acked, Ready, Say
from pushgrad.ps.replies import Replies

SGD = {"name": "sgd", "momentum": 0.9, "wd": 0.0, "rescale_grad": 1.0, "clip_gradient": None}
TENSOR = Tensor("w", "float32", (4,), 0, 4)


def test_a_step_of_two_workers(new_client):
    client = new_client(optimizer=SGD)
    assert client.init(2.0) == [Acked(0, 1, 0, "weight", ("w", 0))]
    assert client.push(1, 1, value=3.0) == []
    assert client.pull(1, 1) == []
    replies = client.push(0, 1, value=1.0)
    assert replies == [
        Acked(0, 1, 1, "weight", ("w", 0)),
        Acked(1, 1, 1, "weight", ("w", 0)),
        Ready(1, 1, 1, "weight", ("w", 0)),
    ]
    np.testing.assert_array_equal(client.weight(), np.full(4, 2.0 - 0.5 * 4.0, np.float32))
    np.testing.assert_array_equal(client.weight("mom"), np.full(4, -2.0, np.float32))
    assert client.pull(0, 1, "mom") == [Ready(0, 1, 1, "mom", ("w", 0))]


def test_without_an_optimizer_the_sum_is_kept(new_client):
    client = new_client()
    client.init(9.0)
    for n in (1, 2):
        client.push(0, n, value=n)
        client.push(1, n, value=10)
    np.testing.assert_array_equal(client.weight(), np.full(4, 12.0, np.float32))


def test_repetitions_are_acknowledged_and_not_applied(new_client):
    client = new_client(optimizer=SGD)
    client.init(0.0)
    client.push(0, 1)
    assert client.push(0, 1, value=99.0) == []  # not complete yet, the acknowledgement will come
    client.push(1, 1)
    before = client.weight().copy()
    assert client.push(0, 1, value=99.0) == [Acked(0, 1, 1, "weight", ("w", 0))]
    assert client.init(55.0) == [Acked(0, 1, 0, "weight", ("w", 0))]
    np.testing.assert_array_equal(client.weight(), before)


def test_learning_rate_and_decay_are_scaled_per_key(new_client):
    client = new_client(workers=1, optimizer={**SGD, "momentum": 0.0, "wd": 0.1})
    client.init(1.0, lr_mult=2.0, wd_mult=0.0)
    client.push(0, 1, value=1.0, lr=0.25)
    np.testing.assert_array_equal(client.weight(), np.full(4, 0.5, np.float32))


def test_states_can_be_given(new_client):
    client = new_client(workers=1, optimizer=SGD)
    client.init(0.0)
    client.init(4.0, part="mom")
    client.push(0, 1, value=0.0)
    np.testing.assert_array_equal(client.weight(), np.full(4, np.float32(0.9) * np.float32(4.0)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"job": "other"}, "job"),
        ({"rank": 7}, "rank"),
        ({"incarnation": "older"}, "superseded"),
        ({"fit": 3}, "unknown_fit"),
    ],
)
def test_who_does_not_belong_is_refused(new_client, refused, changes, code):
    client = new_client()
    client.init()
    assert refused(lambda: client.push(0, 1, **changes)).code == code


@pytest.mark.parametrize(
    ("tensor", "code", "text"),
    [
        (Tensor("v", "float32", (4,), 0, 4), "unknown_key", "key 'v' has not been initialised"),
        (Tensor("w", "float32", (2, 2), 0, 4), "shape", "expected dtype float32 shape (4,) range 0:4"),
        (Tensor("w", "float64", (4,), 0, 4), "shape", "got dtype float64"),
        (Tensor("w", "float32", (4,), 0, 3), "shape", "range 0:3"),
        (Tensor("w", "float32", (4,), 1, 4), "unknown_key", "'w'"),
        (Tensor("w", "float32", (4,), 0, 4, 2), "malformed", "row ids must increase"),
    ],
)
def test_what_is_not_the_key_is_refused_and_nothing_written(new_client, refused, tensor, code, text):
    client = new_client(workers=1)
    client.init(1.0)
    other = TENSOR._replace(key="g")
    client.init(1.0, tensor=other)
    frames = (b"\0" * 16, b"\0" * 8) if tensor.rows else (np.zeros(tensor.hi - tensor.lo, tensor.dtype).tobytes(),)
    good = np.full(4, 7.0, np.float32).tobytes()
    push = {"n": 1, "lr": 0.1, "tensors": (other, tensor), "frames": (good, *frames)}
    error = refused(lambda: client.ask(0, Push, **push))
    assert error.code == code
    assert text in str(error)
    for entry in client.service.fits[1].ranges():
        np.testing.assert_array_equal(entry.weight, np.ones(4, np.float32))
        assert entry.ledger.pushed == [0]


def test_one_range_twice_in_a_message_is_refused(new_client, refused):
    client = new_client(workers=1)
    client.init(1.0)
    push = {"n": 1, "lr": 0.1, "tensors": (TENSOR, TENSOR), "frames": (b"\0" * 16,) * 2}
    assert refused(lambda: client.ask(0, Push, **push)).code == "malformed"


def test_only_worker_0_initialises(new_client, refused):
    client = new_client()
    assert refused(lambda: client.init(rank=1)).code == "rank"


def test_values_of_a_snapshot_take_the_place_of_the_first_once_and_before_any_push(new_client, refused):
    client = new_client()
    assert refused(lambda: client.init(7.0, restores=True)).code == "unknown_key"
    client.init(1.0)
    assert client.init(7.0, restores=True) == [Acked(0, 1, 0, "weight", ("w", 0))]
    assert client.weight()[0] == 7.0
    client.init(1.0)  # the first one, said again
    client.init(8.0, restores=True)
    assert client.weight()[0] == 7.0
    other = new_client()
    other.init(1.0)
    other.push(0, 1)
    other.init(7.0, restores=True)  # late: a gradient for the first value has come
    assert other.weight()[0] == 1.0


def test_a_blank_weight_is_zeros_until_it_is_given(new_client, refused):
    client = new_client()
    for fields in ({"restores": True}, {"part": "mom"}):
        assert refused(lambda fields=fields: client.init(blank=True, **fields)).code == "malformed"
    assert client.init(blank=True) == [Acked(0, 1, 0, "weight", ("w", 0))]
    client.init(3.0)  # a repetition, whatever it says
    assert client.weight()[0] == 0.0
    client.init(7.0, restores=True)
    client.init(blank=True)
    assert client.weight()[0] == 7.0


def test_setup_is_harmless_twice_and_refused_when_different(new_client, refused):
    client = new_client(optimizer=SGD)
    client.init(1.0)
    client.weight("mom")[:] = 5.0
    assert client.ask(1, Setup, seq=2, mode="sync", staleness=0, optimizer=SGD) == [Say(1, Ok(seq=2))]
    assert client.weight("mom")[0] == 5.0
    other = {"seq": 3, "mode": "async", "staleness": 0, "optimizer": None}
    assert refused(lambda: client.ask(1, Setup, **other)).code == "setup"
    bad = {"seq": 3, "mode": "sync", "staleness": 0, "optimizer": {"name": "sgd", "lr_scheduler": "x"}}
    assert refused(lambda: client.ask(1, Setup, **bad)).code == "optimizer"


def test_async_needs_an_optimizer(new_client, refused):
    client = new_client(mode="async")
    client.init(1.0)
    assert refused(lambda: client.push(0, 1)).code == "setup"


def test_async_applies_at_once(new_client):
    client = new_client(mode="async", optimizer={"name": "test", "rescale_grad": 1.0})
    client.init(0.0)
    assert client.push(0, 1, value=2.0, lr=1.0) == [Acked(0, 1, 1, "weight", ("w", 0))]
    assert client.push(0, 2, value=2.0, lr=2.0) == [Acked(0, 1, 2, "weight", ("w", 0))]
    assert client.pull(0, 2) == [Ready(0, 1, 2, "weight", ("w", 0))]
    assert client.pull(1, 1) == []
    assert client.push(1, 1, value=1.0) == [Acked(1, 1, 1, "weight", ("w", 0)), Ready(1, 1, 1, "weight", ("w", 0))]
    np.testing.assert_array_equal(client.weight(), np.full(4, 5.0, np.float32))


def test_ssp_parks_the_pull_of_a_worker_too_far_ahead(new_client):
    client = new_client(mode="ssp", staleness=1, optimizer={"name": "test", "rescale_grad": 1.0})
    client.init(0.0)
    client.push(0, 1)
    assert client.pull(0, 1) == [Ready(0, 1, 1, "weight", ("w", 0))]
    client.push(0, 2)
    assert client.pull(0, 2) == []
    assert Ready(0, 1, 2, "weight", ("w", 0)) in client.push(1, 1)
    client.push(0, 3)
    assert client.pull(0, 3) == []
    assert client.service.worker_left(1) == [Ready(0, 1, 3, "weight", ("w", 0))]


def test_a_worker_that_left_fails_what_needs_it(new_client, refused):
    client = new_client(workers=3)
    client.init(1.0)
    client.push(0, 1)
    client.pull(0, 1)
    errors = [reply.message for reply in client.service.worker_left(2)]
    assert {(error.code, error.key, error.n) for error in errors} == {("left", "w", 1)}
    assert all(isinstance(error, Error) and "worker 2 left the job before step 1" in error.text for error in errors)
    assert refused(lambda: client.push(1, 1)).code == "left"
    assert refused(lambda: client.push(2, 1)).code == "left"


def test_what_does_not_need_the_worker_goes_on(new_client):
    client = new_client(workers=2)
    client.init(1.0)
    client.push(1, 1)
    assert client.service.worker_left(1) == []
    assert client.push(0, 1) == [Acked(0, 1, 1, "weight", ("w", 0)), Acked(1, 1, 1, "weight", ("w", 0))]
    assert client.pull(0, 1) == [Ready(0, 1, 1, "weight", ("w", 0))]


def test_a_fit_is_freed_when_all_workers_have_dropped_it(new_client):
    client = new_client()
    client.init(1.0)
    client.ask(0, Drop, seq=5)
    assert 1 in client.service.fits
    client.ask(0, Drop, seq=5)
    client.ask(1, Drop, seq=5)
    assert client.service.fits == {}
    assert client.ask(1, Drop, seq=6) == [Say(1, Ok(seq=6))]


def test_statistics_count(new_client):
    client = new_client(optimizer=SGD)
    client.init(1.0)
    client.push(0, 1)
    client.now = 2.5
    client.push(1, 1)
    client.pull(0, 1)
    (reply,) = client.ask(1, Stats, seq=9)
    found = reply.message
    assert (found.entries, found.pushes, found.pulls, found.stalls) == (1, (1, 1), (1, 0), (0.0, 2.5))
    assert found.bytes == 16 * (1 + 1 + 2)  # weight, momentum, two gradient slots


def test_who_a_step_waits_for_is_told(new_client):
    client = new_client(workers=3)
    client.init(1.0)
    assert client.service.waits(100.0, 10.0) == []
    client.now = 100.0
    client.push(2, 1)
    assert client.service.waits(109.0, 10.0) == []
    assert client.service.waits(130.0, 10.0) == ["fit 1 step 1 waits for worker 0, 1, 30 s"]


def test_replies_are_kept_once_and_made_when_they_can_be_sent(new_client):
    client = new_client(workers=1)
    tensors = [Tensor(f"k{i}", "float32", (4,), 0, 4) for i in range(3)]
    sent, room = [], [0]

    def send(message):
        room[0] -= 1
        if room[0] < 0:
            return False
        sent.append(message)
        return True

    replies = Replies(client.service)
    for tensor in tensors:
        for reply in client.init(0.0, tensor=tensor) + client.push(0, 1, value=5.0, tensor=tensor):
            replies.add(reply)
        for _ in range(3):
            for reply in client.pull(0, 1, tensor=tensor):
                replies.add(reply)
    assert not replies.flush(send)
    assert sent == []
    room[0] = 10
    assert replies.flush(send)
    assert not replies
    first, ack, values = sent
    assert [first.n, ack.n, len(ack.ranges)] == [0, 1, 3]
    assert [tensor.key for tensor in values.tensors] == ["k0", "k1", "k2"]
    np.testing.assert_array_equal(np.frombuffer(values.frames[2], np.float32), np.full(4, 5.0))


def test_an_answer_whose_version_is_no_more_is_an_error(new_client):
    client = new_client(workers=1)
    client.init(0.0)
    client.push(0, 1)
    replies, sent = Replies(client.service), []
    for reply in client.pull(0, 1):
        replies.add(reply)
    client.push(0, 2)
    replies.flush(lambda message: sent.append(message) or True)
    assert [(message.code, message.key, message.n) for message in sent] == [("gone", "w", 1)]
