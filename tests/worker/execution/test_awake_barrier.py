"""The barrier of compute threads: all come before anybody goes on, and nobody waits for one who will not come."""

import threading
from contextlib import suppress
from threading import BrokenBarrierError

import pytest

from pushgrad.worker.execution.awake_barrier import AwakeBarrier

pytestmark = pytest.mark.timeout(60)
THREADS, ROUNDS = 3, 200


def run_all(work):
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_nobody_goes_on_before_all_have_come():
    barrier, came, seen = AwakeBarrier(THREADS), [0] * THREADS, []

    def work(number):
        for step in range(ROUNDS):
            came[number] = step + 1
            barrier.wait()
            seen.append(min(came) >= step + 1)
            barrier.wait()

    run_all(work)
    assert len(seen) == THREADS * ROUNDS and all(seen)


def test_who_waits_longer_than_it_stays_awake_is_woken():
    barrier, late = AwakeBarrier(2), threading.Event()
    other = threading.Thread(target=lambda: (late.wait(), barrier.wait()), daemon=True)
    other.start()
    # Asleep by then: far longer than anybody stays awake.
    threading.Timer(0.05, late.set).start()
    barrier.wait()
    other.join()


def test_aborting_releases_all_who_wait_and_who_come():
    barrier, released = AwakeBarrier(THREADS), []

    def work(number):
        if number == 0:
            barrier.abort()
            return
        with pytest.raises(BrokenBarrierError):
            barrier.wait()
        released.append(number)

    run_all(work)
    assert len(released) == THREADS - 1
    with pytest.raises(BrokenBarrierError):
        barrier.wait()


def test_one_party_never_waits():
    barrier = AwakeBarrier(1)
    for _ in range(3):
        barrier.wait()


def test_ctrl_c_never_comes_between_taking_the_lock_and_knowing_so(monkeypatch):
    """As it may in Condition's own `__enter__`, which is Python's."""

    def interrupted(condition):
        condition.acquire()
        raise KeyboardInterrupt

    barrier, ended = AwakeBarrier(2), []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Condition, "__enter__", interrupted)
        with suppress(KeyboardInterrupt):
            barrier.abort()

    def wait():
        with pytest.raises(BrokenBarrierError):
            barrier.wait()
        ended.append(True)

    other = threading.Thread(target=wait, daemon=True)
    other.start()
    other.join(10)
    assert ended
