import numpy as np
import pytest

from pushgrad.common.errors import RemoteError
from pushgrad.common.messages import Error
from pushgrad.common.requests import Ack, Ok, Pull, Push, Stats, Values
from pushgrad.common.tensor import Tensor
from pushgrad.worker.store.flight import Flight
from pushgrad.worker.store.outbox import Outbox
from pushgrad.worker.store.pulls import CopyRequest, PullRequest
from pushgrad.worker.store.pushes import DataPush, Delivery, SharedPush
from pushgrad.worker.store.requests import CallRequest

KINDS = {"push": DataPush, "pull": PullRequest}
TENSOR = Tensor("w", "float32", (2,), 0, 2)


class Client:
    """An outbox and one flight."""

    def __init__(self):
        self.outbox, self.flight = Outbox("j", 1, "me"), Flight()

    def ask(self, kind, key="w", size=2, flight=None, **fields):
        flight = flight or self.flight
        flight.launch()
        array = np.full(size, 7.0, np.float32)
        self.outbox.add(KINDS[kind](flight, 1, Tensor(key, "float32", (size,), 0, size), array, **fields))
        return array

    def sent(self):
        """Everything that leaves now."""
        found = []
        while self.outbox:
            found.append(self.outbox.message(self.outbox.take()))
        return found

    def keys(self):
        return [(message.op, [tensor.key for tensor in message.tensors]) for message in self.sent()]

    def ack(self, *keys, n=1, part="weight"):
        self.outbox.answer(Ack(fit=1, n=n, part=part, ranges=tuple((key, 0) for key in keys)))

    def values(self, key="w", n=1, value=3.0, size=2):
        tensor, data = Tensor(key, "float32", (size,), 0, size), np.full(size, value, "<f4").tobytes()
        message = Values(fit=1, n=n, part="weight", version=n, tensors=(tensor,), frames=(data,))
        self.outbox.answer(message)


def test_a_push_and_its_pull_leave_together_and_are_answered_apart():
    client = Client()
    client.ask("push", n=1, lr=0.5)
    out = client.ask("pull", n=1)
    push, pull = client.sent()
    assert isinstance(push, Push)
    assert (push.rank, push.incarnation, push.fit, push.n, push.lr) == (1, "me", 1, 1, 0.5)
    assert np.frombuffer(push.frames[0], np.float32).tolist() == [7.0, 7.0]
    assert isinstance(pull, Pull)
    client.values(value=4.0)
    assert out.tolist() == [4.0, 4.0]
    assert not client.outbox.idle
    client.ack("w")
    assert client.outbox.idle
    client.flight.wait()


def test_the_next_push_waits_for_the_acknowledgement_and_the_values():
    client = Client()
    for n in (1, 2):
        client.ask("push", n=n)
        client.ask("pull", n=n)
    assert [message.n for message in client.sent()] == [1, 1]
    client.ack("w")
    assert client.sent() == []
    client.values()
    assert [(message.op, message.n) for message in client.sent()] == [("push", 2), ("pull", 2)]


def test_urgent_requests_leave_first_and_small_ones_together():
    client = Client()
    client.ask("push", "late", n=1, priority=-5)
    client.ask("push", "big", 200_000, n=1, priority=-1)
    client.ask("push", "soon", n=1, priority=-2)
    client.ask("push", "other step", n=2, priority=-3)
    client.ask("push", "first", n=1, priority=0)
    assert client.keys() == [
        ("push", ["first"]),
        ("push", ["big"]),
        ("push", ["soon", "late"]),
        ("push", ["other step"]),
    ]


def test_what_could_not_be_sent_stays_first():
    client = Client()
    client.ask("push", "a", n=1)
    client.ask("push", "b", n=1)
    client.outbox.put_back(client.outbox.take())
    assert client.keys() == [("push", ["a", "b"])]


def test_everything_unanswered_is_said_again_and_stray_answers_are_ignored():
    client = Client()
    client.ask("push", "a", n=1)
    client.ask("push", "b", n=1)
    client.sent()
    client.ack("a")
    client.outbox.again()
    assert client.keys() == [("push", ["b"])]
    client.outbox.again()
    client.ack("b")  # the answer to the first saying; the second need not leave any more
    assert client.sent() == []
    client.ack("a", "b")
    client.values("a")
    client.outbox.answer(Error(code="gone", text="no more", fit=1, key="a", lo=0, n=1))
    client.flight.wait()


def test_an_error_fails_the_flight_it_belongs_to():
    client, other = Client(), Flight()
    client.ask("push", "a", n=1)
    client.ask("push", "b", n=1, flight=other)
    client.ask("push", "b", n=2, flight=other)
    client.sent()
    client.outbox.answer(Error(code="shape", text="key 'b'", expected="x", got="y", fit=1, key="b", n=1))
    with pytest.raises(RemoteError, match="key 'b': expected x, got y") as caught:
        other.wait()
    assert (caught.value.code, caught.value.key) == ("shape", "b")
    client.outbox.forget(other)
    client.ack("a")
    client.flight.wait()
    assert client.outbox.idle
    with pytest.raises(RemoteError):
        other.launch()


def test_an_error_about_the_worker_itself_is_raised():
    client = Client()
    with pytest.raises(RemoteError, match="another process"):
        client.outbox.answer(Error(code="superseded", text="another process is worker 1"))


def test_calls_are_matched_by_their_number():
    client, answers = Client(), {}
    for seq in (5, 6):
        client.flight.launch()
        message = Stats(job="j", rank=1, incarnation="me", fit=1, seq=seq)
        client.outbox.add(CallRequest(client.flight, message, answers))
    assert [message.seq for message in client.sent()] == [5, 6]
    client.outbox.answer(Ok(seq=6))
    assert answers == {6: Ok(seq=6)}
    client.outbox.answer(Error(code="unknown_fit", text="fit 1", fit=1, seq=5))
    with pytest.raises(RemoteError, match="fit 1"):
        client.flight.wait()


def test_values_of_another_shape_are_an_error():
    client = Client()
    client.ask("pull", n=1)
    client.sent()
    client.values(size=3)
    with pytest.raises(RemoteError, match="server sent"):
        client.flight.wait()


def test_nothing_arrives_twice():
    client = Client()
    first = client.ask("pull", n=1)
    client.ask("pull", n=2)
    client.sent()
    client.values(n=1)
    client.values(n=1, value=9.0)
    assert first.tolist() == [3.0, 3.0]
    assert [message.n for message in client.sent()] == [2]


def shared_push(client, n, place, gradient):
    client.flight.launch()
    delivery = Delivery(place, gradient)
    client.outbox.add(SharedPush(client.flight, 1, TENSOR, place, n=n, lr=0.5, delivery=delivery))


def test_a_shared_push_lays_its_gradient_down_when_it_leaves_and_never_again():
    client, place = Client(), np.zeros(2, np.float32)
    first, second = np.full(2, 1.0, np.float32), np.full(2, 2.0, np.float32)
    shared_push(client, 1, place, first)
    shared_push(client, 2, place, second)
    assert place.tolist() == [0.0, 0.0]
    (push,) = client.sent()
    assert (push.shared, push.frames, place.tolist()) == (True, (), [1.0, 1.0])
    place[:] = 9.0  # the server is summing up in there
    client.outbox.again()
    assert [message.n for message in client.sent()] == [1]
    assert place.tolist() == [9.0, 9.0]
    client.ack("w")
    assert [message.n for message in client.sent()] == [2]
    assert place.tolist() == [2.0, 2.0]


def test_a_copy_waits_for_the_push_before_it_and_sends_nothing():
    client, value, out = Client(), np.full(2, 5.0, np.float32), np.zeros(2, np.float32)
    client.ask("push", n=1)
    client.flight.launch()
    client.outbox.add(CopyRequest(client.flight, 1, TENSOR, out, source=value))
    assert [message.op for message in client.sent()] == ["push"]
    value[:] = 6.0
    assert out.tolist() == [0.0, 0.0]
    client.ack("w")
    assert out.tolist() == [6.0, 6.0]
    assert client.outbox.idle
    client.flight.wait()
