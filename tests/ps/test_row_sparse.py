"""Gradients by rows: at a service without sockets, against the dense update."""

import numpy as np
import pytest

from pushgrad.common.requests import Attach, Init, Pull, Push
from pushgrad.common.tensor import Tensor
from pushgrad.ps.answers import Ready
from pushgrad.ps.ledger import PARKED
from pushgrad.ps.optimizer import SGD, from_description
from pushgrad.ps.replies import Replies
from pushgrad.ps.row_sparse import summed_rows, update_rows
from pushgrad.ps.store import Entry

MOMENTUM = {"name": "sgd", "momentum": 0.9, "wd": 0.1, "rescale_grad": 0.5, "clip_gradient": None}
RANGE = Tensor("w", "float32", (10, 3), 6, 30)  # rows 2 to 9


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def push(client, who, n, ids, rows, **fields):
    tensor = RANGE._replace(rows=len(ids))
    frames = (np.array(ids, "<i8").tobytes(), rows.astype("<f4").tobytes())
    return client.ask(who, Push, n=n, lr=0.5, tensors=(tensor,), frames=frames, **fields)


def pull(client, who, n, ids):
    frames = (np.array(ids, "<i8").tobytes(),)
    return client.ask(who, Pull, n=n, part="weight", tensors=(RANGE._replace(rows=len(ids)),), frames=frames)


def value(client, part="weight"):
    return client.service.fits[1].store.entries["w", RANGE.lo].part(part).reshape(8, 3)


@pytest.fixture
def table(new_client):
    """A client of two workers whose range is initialised by ones."""

    def make(**options):
        client = new_client(**{"optimizer": MOMENTUM, **options})
        client.init(1.0, tensor=RANGE)
        return client

    return make


def dense(given):
    whole = np.zeros((8, 3), np.float32)
    for ids, rows in given:
        whole[np.array(ids, int) - 2] = rows
    return whole


def test_all_rows_give_the_bits_of_the_dense_update(table):
    by_rows, whole = table(), table()
    for n in (1, 2, 3):
        for who in (0, 1):
            gradient = draw([n, who], 8, 3)
            push(by_rows, who, n, range(2, 10), gradient)
            whole.ask(who, Push, n=n, lr=0.5, tensors=(RANGE,), frames=(gradient.tobytes(),))
    for part in ("weight", "mom"):
        np.testing.assert_array_equal(value(by_rows, part), value(whole, part))


def test_rows_that_nobody_pushes_stay_as_they_are(table):
    client = table()
    rows = [draw(1, 2, 3), draw(2, 3, 3)]
    push(client, 0, 1, [2, 5], rows[0])
    push(client, 1, 1, [5, 6, 9], rows[1])
    expected = Entry(np.ones(24, np.float32))
    expected.prepare(from_description(MOMENTUM))
    both = np.stack([dense([([2, 5], rows[0])]), dense([([5, 6, 9], rows[1])])])
    expected.apply(from_description(MOMENTUM), both.reshape(2, -1), 0.5)
    touched = [0, 3, 4, 7]
    for part in ("weight", "mom"):
        np.testing.assert_array_equal(value(client, part)[touched], expected.part(part).reshape(8, 3)[touched])
    np.testing.assert_array_equal(value(client)[[1, 2, 5, 6]], 1.0)  # no weight decay either
    push(client, 0, 2, [3], draw(3, 1, 3))
    before = value(client).copy()
    push(client, 1, 2, [], draw(3, 0, 3))
    np.testing.assert_array_equal(value(client)[touched], before[touched])  # momentum does not go on


def test_one_worker_by_rows_and_one_with_all(table):
    client, whole = table(), table()
    rows, rest = draw(1, 2, 3), draw(2, 8, 3)
    push(client, 0, 1, [3, 4], rows)
    client.ask(1, Push, n=1, lr=0.5, tensors=(RANGE,), frames=(rest.tobytes(),))
    whole.ask(0, Push, n=1, lr=0.5, tensors=(RANGE,), frames=(dense([([3, 4], rows)]).tobytes(),))
    whole.ask(1, Push, n=1, lr=0.5, tensors=(RANGE,), frames=(rest.tobytes(),))
    np.testing.assert_array_equal(value(client), value(whole))


def test_without_an_optimizer_the_sum_is_kept(table):
    client = table(optimizer=None)
    for n in (1, 2):
        push(client, 0, n, [2 + n], np.full((1, 3), 4.0))
        push(client, 1, n, [2 + n, 9], np.full((2, 3), 5.0))
    np.testing.assert_array_equal(value(client), dense([([4], 9.0), ([9], 5.0)]))


def test_a_push_said_again_counts_once(table):
    client = table()
    push(client, 0, 1, [3], np.ones((1, 3)))
    push(client, 0, 1, [4], np.ones((1, 3)))
    push(client, 1, 1, [3], np.ones((1, 3)))
    before = value(client).copy()
    assert before[1, 0] != 1.0 and before[2, 0] == 1.0
    push(client, 1, 1, [3], np.ones((1, 3)))
    np.testing.assert_array_equal(value(client), before)


def test_asynchronous_pushes_are_applied_one_by_one(table):
    client, other = table(mode="async"), table(mode="async")
    for who, ids in ((0, [2, 4]), (1, [4])):
        push(client, who, 1, ids, np.ones((len(ids), 3)))
        other.ask(who, Push, n=1, lr=0.5, tensors=(RANGE,), frames=(dense([(ids, 1.0)]).tobytes(),))
    np.testing.assert_array_equal(value(client)[2], value(other)[2])
    np.testing.assert_array_equal(value(client)[1], 1.0)


def test_only_the_wanted_rows_are_sent(table):
    client = table()
    value(client)[:] = draw(1, 8, 3)
    answers = Replies(client.service)
    for wanted in ([2, 8], []):
        for reply in [*pull(client, 0, 0, wanted), *pull(client, 0, 0, wanted)]:  # asked for twice, answered once
            answers.add(reply)
        sent = []
        assert answers.flush(lambda message: sent.append(message) or True)  # noqa: B023
        (message,) = sent
        assert message.tensors == (RANGE._replace(rows=len(wanted)),)
        ids, rows = (np.frombuffer(frame, kind) for frame, kind in zip(message.frames, ("<i8", "<f4"), strict=True))
        assert ids.tolist() == wanted
        np.testing.assert_array_equal(rows.reshape(-1, 3), value(client)[np.array(wanted, int) - 2])
    client.pull(0, 0, tensor=RANGE)
    assert client.service.value(Ready(0, 1, 0, "weight", ("w", RANGE.lo)))[1] == RANGE


def test_pulls_of_different_rows_that_wait_get_each_its_own(table):
    client = table()
    waiting = [[3, 9], [2], []]
    assert [pull(client, 0, 1, ids) for ids in waiting] == [[], [], []]
    push(client, 0, 1, [3], np.ones((1, 3)))
    answers = Replies(client.service)
    for reply in push(client, 1, 1, [3], np.ones((1, 3))):
        if reply.rank == 0:
            answers.add(reply)
    sent = []
    assert answers.flush(lambda message: sent.append(message) or True)
    got = [np.frombuffer(ids, "<i8").tolist() for message in sent[1:] for ids in message.frames[::2]]
    rows = [np.frombuffer(data, "<f4").reshape(-1, 3) for message in sent[1:] for data in message.frames[1::2]]
    assert got == waiting
    for ids, found in zip(waiting, rows, strict=True):
        np.testing.assert_array_equal(found, value(client)[np.array(ids, int) - 2])


def test_pulls_that_wait_are_bounded(table, refused):
    client = table()
    for row in range(2, 8):
        for other in range(row + 1, 10):
            if sum(map(len, client.service.fits[1].store.entries["w", RANGE.lo].ledger.parked.values())) < PARKED:
                pull(client, 0, 1, [row, other])
    assert "at most 16" in str(refused(lambda: pull(client, 0, 1, [8])))
    pull(client, 0, 1, [2, 3])  # a repetition waits already


def test_a_worker_that_asks_for_rows_and_takes_none_costs_no_more_than_a_bound(table, monkeypatch):
    monkeypatch.setattr("pushgrad.ps.replies.ROWS_WAITING", 40)
    client = table()
    answers = Replies(client.service)
    for first in range(2, 9):
        for reply in pull(client, 0, 0, [first, 9]):
            answers.add(reply)
    assert len(answers.ready) == 2
    assert {item.code for item in answers.messages} == {"order"}


@pytest.mark.parametrize("ids", [[1], [10], [3, 3], [4, 3], [-1], [3, 2**63 - 1, -(2**62), 5]])
def test_ids_that_are_not_rows_in_order(table, refused, ids):
    client = table()
    assert refused(lambda: push(client, 0, 1, ids, np.ones((len(ids), 3)))).code == "malformed"
    assert refused(lambda: pull(client, 0, 0, ids)).code == "malformed"
    push(client, 0, 1, [3], np.ones((1, 3)))  # nothing of the refused one is there
    push(client, 1, 1, [3], np.ones((1, 3)))
    np.testing.assert_array_equal(value(client)[2], 1.0)


def test_rows_where_there_can_be_none(new_client, refused):
    client = new_client(optimizer=MOMENTUM)
    within = Tensor("v", "float32", (10, 3), 0, 4)
    client.init(1.0, tensor=within)
    frames = (np.array([0], "<i8").tobytes(), bytes(12))
    sparse, whole = within._replace(rows=1), Tensor("u", "float32", (10, 3), 0, 30, 1)
    client.init(1.0, tensor=whole._replace(rows=None))
    assert refused(lambda: client.ask(0, Push, n=1, lr=0.5, tensors=(sparse,), frames=frames)).code == "unsupported"
    first = {"part": "weight", "lr_mult": 1.0, "wd_mult": 1.0}
    assert refused(lambda: client.ask(0, Init, tensors=(sparse,), frames=frames, **first)).code == "malformed"
    assert refused(lambda: client.ask(0, Push, n=1, lr=0.5, tensors=(whole,), shared=True)).code == "malformed"
    place = {"seq": 1, "pid": 1, "fd": 0, "bytes": 0, "nonce": "n", "places": (64,)}
    assert refused(lambda: client.ask(0, Attach, tensors=(sparse,), **place)).code == "malformed"


def test_ids_that_come_twice_are_summed():
    ids, rows = np.array([7, 1, 7, 3, 1, 7]), draw(1, 6, 2)
    found = summed_rows(ids, rows)
    assert found.ids.tolist() == [1, 3, 7]
    expected = np.zeros((8, 2), np.float32)
    np.add.at(expected, ids, rows)
    np.testing.assert_array_equal(found.rows, expected[[1, 3, 7]])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_float64_and_no_rows_at_all(momentum):
    entry = Entry(np.ones(6))
    sgd = SGD(momentum=momentum)
    entry.prepare(sgd)
    update_rows(entry, sgd, [summed_rows(np.empty(0, np.int64), np.empty((0, 3)))] * 2, 0.1)
    np.testing.assert_array_equal(entry.weight, 1.0)
    update_rows(entry, sgd, [summed_rows(np.array([1]), np.ones((1, 3)))], 0.25)
    np.testing.assert_array_equal(entry.weight, [1.0, 1.0, 1.0, 0.75, 0.75, 0.75])
    assert entry.version == 2
