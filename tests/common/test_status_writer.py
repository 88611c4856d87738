"""The pipe from the scheduler to its launcher, when nobody reads it."""

import json
import os
import threading

from pushgrad.common.status_writer import StatusWriter


def lines_of(fd):
    with os.fdopen(fd, "rb") as file:
        return [json.loads(line) for line in file]


def test_a_full_pipe_never_blocks_and_lasting_events_come_all_the_same():
    reading, writing = os.pipe()
    status = StatusWriter(writing)
    for step in range(5000):  # several times what a pipe holds
        status.tell("progress", rank=step % 2, step=step, metric="x" * 60)
        if step % 1000 == 0:
            status.tell("left", role="worker", rank=step // 1000)
    assert len(status._waiting) <= 2 + 5, "progress replaces older progress"
    found = []
    reader = threading.Thread(target=lambda: found.extend(lines_of(reading)))
    reader.start()
    status.finish(30.0)
    os.close(writing)
    reader.join()
    assert [event["rank"] for event in found if event["event"] == "left"] == [0, 1, 2, 3, 4]
    assert [event["step"] for event in found[-2:]] == [4998, 4999], "the newest progress of each worker"
    assert len(found) < 5000


def test_a_line_longer_than_the_pipe_comes_whole():
    reading, writing = os.pipe()
    status = StatusWriter(writing)
    status.tell("aborted", reason="x" * 300_000)
    found = []
    reader = threading.Thread(target=lambda: found.extend(lines_of(reading)))
    reader.start()
    status.finish(30.0)
    os.close(writing)
    reader.join()
    assert len(found) == 1 and len(found[0]["reason"]) == 300_000


def test_nobody_who_reads_costs_the_end_a_moment_only():
    reading, writing = os.pipe()
    status = StatusWriter(writing)
    for _ in range(5000):
        status.tell("left", rank=1, text="x" * 60)
    status.finish(0.05)
    os.close(reading)
    status.flush()
    assert status.fd is None
    os.close(writing)
