"""Compute threads: runs within runs, runs side by side, and what they leave behind."""

import threading
import weakref

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import pushgrad as mx
from pushgrad.common import desk
from pushgrad.common.call_table import Row, Table, in_python
from pushgrad.worker import compute_threads
from pushgrad.worker.compute_threads import ComputeThreads, Inbox
from pushgrad.worker.cpu.compiled_claims import finish, wait

pytestmark = pytest.mark.timeout(30)

PATIENCE = 20  # seconds after which something that should happen at once is taken to hang


def bound(symbol, **shapes):
    """An executor of two slices on two threads."""
    executor = symbol.simple_bind(mx.cpu(), slices=2, **shapes)
    assert executor.threads == 2
    return executor


def layer(name):
    return mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name=name)


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def in_a_thread(function):
    """What `function` returns, called in a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return found[0]


@pytest.mark.parametrize("called", [lambda function: function(), in_a_thread])
def test_an_operator_in_python_may_run_another_executor(register, called):
    inner = bound(layer("inner"), data=(4, 3))
    inner.arg_dict["inner_weight"][...] = 2 * np.eye(3)
    register("nested", lambda data: called(lambda: inner.forward(data=data)[0].copy()))
    outer = bound(mx.sym.Custom(layer("outer"), op_type="nested"), data=(4, 3))
    outer.arg_dict["outer_weight"][...] = np.eye(3)
    data = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert np.array_equal(outer.forward(data=data)[0], 2 * data)


def test_two_threads_run_executors_at_the_same_time(register):
    both = threading.Barrier(2)

    def meet(data):
        both.wait(PATIENCE)  # broken if one of the two is let in only after the other
        return data

    register("meeting", meet)
    executors = [bound(mx.sym.Custom(layer("fc"), op_type="meeting"), data=(4, 3)) for _ in range(2)]
    threads = [threading.Thread(target=executor.forward, daemon=True) for executor in executors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not both.broken and not any(thread.is_alive() for thread in threads)


def test_tasks_of_a_run_within_a_run_are_side_by_side_on_every_thread():
    threads, done = ComputeThreads(), []

    def outer():
        barrier = threading.Barrier(3)
        threads.run([lambda: barrier.wait(PATIENCE)] * 3)
        done.append(threading.current_thread())

    threads.run([outer, outer])
    assert len(set(done)) == 2 and threading.current_thread() in done


def test_an_error_comes_back_and_the_threads_go_on():
    threads = ComputeThreads()
    seen = []

    def fail():
        raise ValueError("on purpose")

    for _ in range(2):
        with pytest.raises(ValueError, match="on purpose"):
            threads.run([lambda: seen.append(1), fail, lambda: seen.append(2)])
    assert sorted(seen) == [1, 1, 2, 2]


def test_the_next_run_has_the_same_threads():
    threads, seen = ComputeThreads(), []
    for _ in range(2):
        names = ["", "", ""]

        def note(i, names=names):
            names[i] = threading.current_thread().name

        threads.run([lambda i=i, note=note: note(i) for i in range(3)])
        seen.append(names)
    assert seen[0] == seen[1] and len(set(seen[0])) == 3


def seen_by(tasks):
    """A list, and so many tasks that add their threads to it."""
    seen = []
    return seen, [lambda: seen.append(threading.current_thread())] * tasks


def test_threads_that_nobody_wants_end():
    threads, (seen, tasks) = ComputeThreads(patience=0.001), seen_by(4)
    threads.run(tasks)
    for thread in set(seen) - {threading.current_thread()}:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    threads.run(tasks)  # with new ones
    assert len(seen) == 8


def test_a_run_that_takes_a_thread_which_is_about_to_end_does_not_hang():
    threads, (seen, tasks) = ComputeThreads(patience=0), seen_by(3)
    for _ in range(500):
        threads.run(tasks)
    assert len(seen) == 1500


def test_threads_are_as_many_as_were_wanted_at_once():
    threads, (seen, tasks) = ComputeThreads(), seen_by(20)
    for size in range(2, 20):  # each size of its own once had threads of its own, which stayed
        threads.run(tasks[:size])
    assert len(set(seen)) == 19


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_has_one_thread_until_the_last_run_has_ended():
    threads, started, found = ComputeThreads(), threading.Event(), {}
    first_has_ended = threading.Event()

    def second():
        started.set()
        assert first_has_ended.wait(PATIENCE)
        found["second goes on"] = blas_threads()

    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=threads.run, args=([second],), daemon=True)

        def first():
            other.start()
            assert started.wait(PATIENCE)
            found["both"] = blas_threads()

        threads.run([first])
        first_has_ended.set()
        other.join(PATIENCE)
        found["none"] = blas_threads()
    assert found == {"both": {1}, "second goes on": {1}, "none": {2}}


def counting(rows=3):
    """A number, and a table of so many rows that each count it up."""
    number = np.zeros(1, np.int64)
    return number, Table([Row(finish, (number,))] * rows)


def unguarded(work):
    work()


def walk(threads, tables, guard=unguarded):
    threads.walk(tables, guard, blas=False)


def test_tables_are_walked_side_by_side_as_often_as_asked():
    threads, (numbers, tables) = ComputeThreads(), zip(*(counting() for _ in range(3)), strict=True)
    for _ in range(300):
        walk(threads, tables)
    assert [int(number[0]) for number in numbers] == [900] * 3


def test_a_table_that_stops_goes_on_in_python_on_its_own_thread():
    threads, seen = ComputeThreads(), []
    rows = [in_python(lambda: seen.append(threading.current_thread()))] * 2
    for _ in range(3):
        walk(threads, [Table(rows), Table(rows), Table(rows)])
    assert len(seen) == 18 and len(set(seen)) == 3 and threading.current_thread() in seen


def test_an_error_of_a_table_comes_back_and_the_threads_go_on():
    threads, (number, table), guarded = ComputeThreads(), counting(), []
    failing = Table([in_python(lambda: int("on purpose"))])

    def guard(work):
        guarded.append(threading.current_thread())
        work()

    for _ in range(2):
        with pytest.raises(ValueError, match="on purpose"):
            walk(threads, [table, failing, table], guard)
        walk(threads, [table] * 2, guard)
    assert number[0] == 3 * 2 * 4 and len(set(guarded)) == 2  # all of the caller's, and what Python does for others


def test_tables_and_tasks_take_turns():
    threads, (number, table), (seen, tasks) = ComputeThreads(), counting(), seen_by(2)
    for _ in range(100):
        walk(threads, [Table([]), table])
        threads.run(tasks)
    assert number[0] == 300 and len(seen) == 200 and len(set(seen)) == 2


def test_a_thread_that_sleeps_is_woken_for_a_table():
    threads, (number, table) = ComputeThreads(), counting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk, "AWAKE", 0)
        for _ in range(20):
            walk(threads, [table, table])
    assert number[0] == 120


def test_nothing_is_kept_alive_by_a_thread_that_waits():
    threads, (_, table) = ComputeThreads(), counting()
    gone = weakref.ref(table)
    walk(threads, [Table([]), table])
    del table
    assert gone() is None


def test_threads_that_nobody_wants_end_after_tables_as_well():
    threads, seen = ComputeThreads(patience=0.001), []
    walk(threads, [Table([]), Table([in_python(lambda: seen.append(threading.current_thread()))])])
    seen[0].join(PATIENCE)
    assert not seen[0].is_alive()


def test_an_interrupted_walk_leaves_its_threads_to_themselves():
    threads, entered, ended = ComputeThreads(), threading.Event(), threading.Event()
    pause = threading.Event()

    def slow():
        entered.set()
        pause.wait(PATIENCE)
        ended.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute_threads, "LINGER", 0.01)
        patch.setattr(Inbox, "_settled", lambda inbox: (entered.wait(PATIENCE), interrupt())[1])
        with pytest.raises(KeyboardInterrupt):
            walk(threads, [Table([]), Table([in_python(slow)])])
    number, table = counting()
    walk(threads, [table, table])  # does not wait for the thread that is busy
    assert number[0] == 6 and not ended.is_set()
    pause.set()
    assert ended.wait(PATIENCE)


def test_an_interrupted_walk_waits_for_what_its_threads_write():
    threads, began, released, ended = ComputeThreads(), threading.Event(), threading.Event(), threading.Event()

    def slow():
        began.set()
        released.wait(PATIENCE)
        ended.wait(0.1)  # longer than it takes to raise
        ended.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inbox, "_settled", lambda inbox: (began.wait(PATIENCE), interrupt())[1])
        with pytest.raises(KeyboardInterrupt):
            threads.walk([Table([]), Table([in_python(slow)])], unguarded, False, released.set)
    assert ended.is_set()


def test_others_are_released_if_the_first_is_interrupted_before_its_work_begins():
    """Python may raise KeyboardInterrupt wherever it enters a function, before a guard's own `try`."""
    threads, numbers, released = ComputeThreads(), np.zeros(2, np.int64), threading.Event()
    waits = Table([Row(wait, (numbers[:1], numbers[1:], 1))])

    def guard(work):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        work()

    with pytest.raises(KeyboardInterrupt):
        threads.walk([Table([]), waits], guard, False, lambda: numbers.fill(1))
    with pytest.raises(KeyboardInterrupt):
        threads.run([interrupt, lambda: released.wait(PATIENCE)], released.set)
    assert numbers[0] and released.is_set()


def test_a_thread_ends_whose_start_is_interrupted(monkeypatch):
    threads, started, start = ComputeThreads(), [], threading.Thread.start

    def interrupted(thread):
        start(thread)
        started.append(thread)
        interrupt()

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            threads.run([lambda: None] * 2)
    started[0].join(PATIENCE)
    assert not started[0].is_alive()


def interrupt():
    raise KeyboardInterrupt
