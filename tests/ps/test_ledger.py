import pytest

from pushgrad.common.wire import WireError
from pushgrad.ps.ledger import Ledger


def push(ledger, rank, n, lr=0.1, gone=frozenset(), now=0.0):
    """Whether the push was new, and whether it completed a version."""
    return ledger.accept(rank, n, lr, gone) and ledger.enter(rank, n, lr, now)


def code_of(call):
    with pytest.raises(WireError) as caught:
        call()
    return caught.value.code


def test_sync_version_n_needs_every_push_n():
    ledger = Ledger(3, "sync", 0)
    assert [push(ledger, rank, 1) for rank in (2, 0, 1)] == [False, False, True]
    assert ledger.version == 1
    assert ledger.acknowledged(0, 1)
    assert not ledger.acknowledged(0, 2)


def test_a_repeated_push_is_never_new():
    ledger = Ledger(2, "sync", 0)
    assert not push(ledger, 0, 1)
    assert ledger.accept(0, 1, 0.1, set()) is False
    assert push(ledger, 1, 1)
    assert ledger.accept(0, 1, 0.1, set()) is False
    assert ledger.accept(1, 1, 0.1, set()) is False


def test_pushes_must_not_skip_or_overtake():
    ledger = Ledger(2, "sync", 0)
    assert code_of(lambda: push(ledger, 0, 2)) == "order"
    push(ledger, 0, 1)
    assert code_of(lambda: push(ledger, 0, 2)) == "order"  # step 1 is not complete
    push(ledger, 1, 1)
    assert code_of(lambda: push(ledger, 0, 4)) == "order"


def test_workers_must_agree_on_the_learning_rate_of_a_step():
    ledger = Ledger(2, "sync", 0)
    push(ledger, 0, 1, lr=0.1)
    with pytest.raises(WireError) as caught:
        ledger.accept(1, 1, 0.2, frozenset(), "w")
    assert (caught.value.code, caught.value.key) == ("learning_rate", "w")
    assert "expected 0.1 as worker 0 says, got 0.2 from worker 1" in str(caught.value)
    assert push(ledger, 1, 1, lr=0.1)
    push(ledger, 0, 2, lr=0.05)


def test_pulls_wait_for_their_version_and_expire():
    ledger = Ledger(2, "sync", 0)
    assert ledger.ready(0, 0, set())
    assert not ledger.ready(0, 1, set())
    assert code_of(lambda: ledger.ready(0, 2, set())) == "order"
    push(ledger, 0, 1)
    push(ledger, 1, 1)
    assert ledger.ready(1, 1, set())
    assert code_of(lambda: ledger.ready(1, 0, set())) == "gone"


def test_what_needs_a_worker_that_left_fails():
    ledger = Ledger(3, "sync", 0)
    push(ledger, 1, 1)
    assert code_of(lambda: push(ledger, 0, 1, gone={2})) == "left"
    assert code_of(lambda: ledger.ready(1, 1, {2})) == "left"
    assert not ledger.ready(1, 1, {1})  # worker 1 gave its gradient before it left


def test_who_is_waited_for():
    ledger = Ledger(3, "sync", 0)
    assert ledger.absent() == []
    push(ledger, 1, 1, now=5.0)
    assert ledger.absent() == [0, 2]
    assert ledger.waiting() == [1]
    push(ledger, 0, 1, now=7.0)
    assert (ledger.since, ledger.almost) == (5.0, 7.0)
    push(ledger, 2, 1, now=9.0)
    assert ledger.absent() == []


def test_async_applies_every_push_at_once():
    ledger = Ledger(2, "async", 0)
    assert push(ledger, 0, 1, lr=0.1)
    assert push(ledger, 0, 2, lr=0.2)
    assert ledger.version == 2
    assert ledger.ready(0, 2, set())
    assert ledger.ready(0, 1, set())
    assert not ledger.ready(1, 1, set())
    assert not push(ledger, 0, 2)
    assert ledger.version == 2


def test_ssp_holds_a_worker_that_is_too_far_ahead():
    ledger = Ledger(3, "ssp", 2)
    push(ledger, 2, 1)
    for n in (1, 2, 3):
        push(ledger, 0, n)
    assert ledger.ready(0, 2, set())
    assert not ledger.ready(0, 3, set())  # worker 1 is at 0
    push(ledger, 1, 1)
    assert ledger.ready(0, 3, set())
    push(ledger, 0, 4)
    assert not ledger.ready(0, 4, set())
    assert not ledger.ready(0, 4, {1})  # worker 2 is still at 1
    assert ledger.ready(0, 4, {1, 2})
