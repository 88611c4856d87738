import pytest
import zmq

from pushgrad.common.channel import FRAMES, dealer, receive, router, send
from pushgrad.common.errors import JobError
from pushgrad.common.pulse import PREFIX, Pulse
from pushgrad.common.status_writer import StatusWriter


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made


@pytest.fixture
def pair(context):
    server, endpoint = router(context, "tcp://127.0.0.1:0", "X", None, queued=8, frame_bytes=2 << 20)
    client = dealer(context, endpoint, b"me", None, queued=8)
    client.connect(endpoint)
    assert client.poll(5000, zmq.POLLOUT)
    yield server, client
    server.close()
    client.close()


def test_nobody_is_no_reason_to_wait_or_to_drop_silently(context, pair):
    server, _ = pair
    assert receive(server) is None
    assert not send(server, [b"nobody", b"x"])
    lonely = dealer(context, "tcp://127.0.0.1:1", b"you", None)
    lonely.connect("tcp://127.0.0.1:1")
    assert not send(lonely, [b"x"])
    lonely.close()


def test_what_a_peer_does_not_read_is_bounded(pair):
    server, client = pair
    assert send(client, [b"here"])
    assert server.poll(5000)
    receive(server)
    sent = 0
    while send(server, [b"me", bytes(1 << 20)]) and sent < 200:
        sent += 1
    assert 8 <= sent < 60  # our queue, theirs, and the kernel's buffers
    assert client.poll(5000)
    assert len(receive(client)[0]) == 1 << 20


def test_frames_without_number_are_cut_to_too_many(pair):
    server, client = pair
    assert send(client, [b""] * (FRAMES + 500))
    assert server.poll(5000)
    assert len(receive(server)) == FRAMES
    assert send(client, [b"next"])
    assert server.poll(5000)
    assert [bytes(frame) for frame in receive(server)] == [b"me", b"next"]


def test_who_connects_anew_under_its_name_takes_its_place(context, pair):
    server, _ = pair
    endpoint = server.get_string(zmq.LAST_ENDPOINT)
    again = dealer(context, endpoint, b"me", None)
    again.connect(endpoint)
    assert again.poll(5000, zmq.POLLOUT)
    assert send(again, [b"it is me"])
    assert server.poll(5000)
    receive(server)
    assert send(server, [b"me", b"welcome back"])
    assert again.poll(5000)
    again.close()


def test_a_port_that_is_taken_names_its_variable(context, pair):
    taken = pair[0].get_string(zmq.LAST_ENDPOINT).rstrip("\0")
    with pytest.raises(JobError, match="DMLC_PS_ROOT_PORT: cannot listen at"):
        router(context, taken, "DMLC_PS_ROOT_URI", None)


def test_a_pulse_sends_back_what_it_gets(context):
    server, endpoint = router(context, "tcp://127.0.0.1:0", "X", None)
    pulse = Pulse(endpoint, b"worker-1", None)
    while not send(server, [PREFIX + b"worker-1", b"ping"]):
        server.poll(10)
    assert server.poll(5000)
    assert [bytes(frame) for frame in receive(server)] == [b"pulse:worker-1", b"ping"]
    pulse.close()
    assert not pulse.thread.is_alive()
    server.close()


def test_status_lines_are_whole_and_a_closed_pipe_is_no_error():
    import json
    import os

    reading, writing = os.pipe()
    status = StatusWriter(writing)
    status.tell("listening", port=5)
    status.tell("progress", metric="\n\N{SNOWMAN}")
    lines = os.read(reading, 1000).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"event": "listening", "port": 5},
        {"event": "progress", "metric": "\n\N{SNOWMAN}"},
    ]
    os.close(reading)
    status.tell("done")
    status.tell("done")
    os.close(writing)
    StatusWriter(None).tell("nothing")
