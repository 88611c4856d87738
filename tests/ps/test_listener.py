"""How a bound socket looks after the connections to it."""

import os

import zmq

from pushgrad.ps.listener import COUNT, Listener


def test_an_output_that_nobody_reads_any_more_is_no_connection_of_a_peer(tmp_path):
    """It has hung up as well; a look at it must leave nothing open, as there is one every two seconds."""
    context = zmq.Context()
    listener = Listener(context, f"ipc://{os.path.relpath(tmp_path)}/s.sock", "X", None, 1)
    reading, writing = os.pipe()
    os.close(reading)
    before = len(os.listdir("/proc/self/fd"))
    assert [listener.tend(int, look * COUNT) for look in range(3)] == [None] * 3
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(writing)
    listener.close(0)
    context.term()
