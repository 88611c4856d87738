"""Counters that another thread watches."""

import threading

import pytest

from pushgrad.common.counter import Counter

pytestmark = pytest.mark.timeout(30)


def test_watching_ends_when_the_number_changes():
    counter, seen = Counter(), []

    def follow():
        for number in range(100):
            while counter.read() == number:
                counter.watch(number)
            seen.append(number)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    for number in range(100):
        counter.up()
        while len(seen) <= number:
            counter.watch(number + 1)  # for a while: nobody else counts
    thread.join()
    assert seen == list(range(100)) and counter.read() == 100


def test_a_number_that_has_changed_before_is_seen_at_once():
    counter = Counter()
    counter.up()
    counter.watch(0)
    assert counter.read() == 1
