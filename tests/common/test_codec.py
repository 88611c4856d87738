import random

import msgpack
import pytest

from pushgrad.common import messages, requests
from pushgrad.common.codec import REGISTRY, Message, decode, encode
from pushgrad.common.coding import Coding
from pushgrad.common.tensor import Tensor
from pushgrad.common.wire import HEADER_BYTES, TENSORS, WireError, pack, unpack

ME = {"job": "j", "rank": 1, "incarnation": "abc", "fit": 2}
PAIR = (Tensor("w", "float32", (2, 3), 0, 6), Tensor("b", "float64", (), 0, 1))
SAMPLES = [
    messages.Hello(
        job="j", role="server", rank=None, incarnation="x", host="h", pid=1, endpoint="ipc://a", workers=2, servers=1
    ),
    messages.Gather(n=3, frames=(b"part",)),
    messages.Leave(),
    messages.Fail(reason="ValueError: no"),
    messages.Progress(fit=1, epoch=2, step=3, samples_per_second=4.5, metric="accuracy=0.5"),
    messages.Report(text="waits"),
    messages.Registered(lease=30.0),
    messages.Welcome(rank=0, lease=30.0, workers=(("x", "h"), ("y", "h")), servers=(("tcp://h:1", "h"),)),
    messages.Ping(n=1),
    messages.Gathered(n=3, workers=2, frames=(b"one", b"")),
    messages.Left(),
    messages.Gone(rank=1),
    messages.Abort(role="worker", rank=None, host="h", reason="killed"),
    messages.Stop(),
    messages.Error(code="shape", text="key 'w'", expected="(2, 3)", got="(3,)", fit=1, key="w", lo=0, n=4),
    requests.Setup(**ME, seq=1, mode="sync", staleness=0, optimizer={"name": "sgd", "wd": 0.1, "clip_gradient": None}),
    requests.Drop(**ME, seq=2),
    requests.Stats(**ME, seq=3),
    requests.Init(**ME, part="weight", lr_mult=1.0, wd_mult=0.0, tensors=PAIR, frames=(b"x" * 24, b"y" * 8)),
    requests.Push(**ME, n=5, lr=0.1, tensors=PAIR, frames=(b"x" * 24, b"y" * 8)),
    requests.Push(**ME, n=5, lr=0.1, shared=True, tensors=PAIR),
    requests.Attach(**ME, seq=4, pid=7, fd=3, bytes=4096, nonce="0f" * 16, places=(64, 512), tensors=PAIR),
    requests.Push(
        **ME, n=5, lr=0.1, tensors=(Tensor("w", "float32", (4, 3), 0, 12, 2),), frames=(b"i" * 16, b"v" * 24)
    ),
    requests.Push(**ME, n=5, lr=0.1, coding=Coding("2bit", 0.5), tensors=PAIR[:1], frames=(b"x" * 4,)),
    requests.Push(**ME, n=5, lr=0.1, coding=Coding("fp16"), tensors=PAIR[:1], frames=(b"x" * 12,)),
    requests.Pull(**ME, n=5, part="weight", tensors=PAIR),
    requests.Pull(**ME, n=5, part="weight", tensors=(Tensor("w", "float32", (4, 3), 0, 12, 1),), frames=(b"i" * 8,)),
    requests.Ok(seq=1),
    requests.Statistics(seq=3, entries=1, bytes=2, pushes=(1, 2), pulls=(3, 4), stalls=(0.5, 0.0)),
    requests.Ack(fit=1, n=2, part="weight", ranges=(("w", 0), ("b", 0))),
    requests.Values(fit=1, n=2, part="weight", version=2, tensors=PAIR, frames=(b"x" * 24, b"y" * 8)),
    messages.Unreachable(server=1),
    messages.Standing(where="step 2", waits=True, collective=True, fits=(1,), pending=((1, "w"),)),
    messages.Stalled(steps=((1, "w", 2, (0,), (1, 2)),)),
]


def test_every_message_has_a_sample_here():
    assert {type(sample) for sample in SAMPLES} == set(REGISTRY.values())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.op)
def test_what_is_encoded_is_decoded(sample):
    assert decode(encode(sample)) == sample
    assert decode([memoryview(frame) for frame in encode(sample)]) == sample


def header(sample, **changes):
    fields = unpack(encode(sample)[0])
    fields.update(changes)
    return [pack({key: value for key, value in fields.items() if value is not ...}), *sample.frames]


@pytest.mark.parametrize(
    ("sample", "changes", "code", "text"),
    [
        (SAMPLES[0], {"v": 1}, "version", "protocol version: expected 2, got 1"),
        (SAMPLES[0], {"v": True}, "version", "protocol version"),
        (SAMPLES[0], {"op": "explode"}, "unknown_op", "'explode'"),
        (SAMPLES[0], {"op": ["hello"]}, "unknown_op", "message op"),
        (SAMPLES[0], {"pid": ...}, "malformed", "hello: field pid is missing"),
        (SAMPLES[0], {"color": "red"}, "malformed", "hello: unknown field: got 'color'"),
        (SAMPLES[0], {"pid": -1}, "malformed", "hello: field pid"),
        (SAMPLES[0], {"pid": True}, "malformed", "hello: field pid"),
        (SAMPLES[0], {"host": "h" * 300}, "malformed", "hello: field host"),
        (SAMPLES[4], {"samples_per_second": float("nan")}, "malformed", "samples_per_second"),
        (SAMPLES[4], {"samples_per_second": float("inf")}, "malformed", "samples_per_second"),
        (SAMPLES[19], {"n": 0}, "malformed", "push: field n"),
        (SAMPLES[19], {"tensors": []}, "malformed", "push: field tensors"),
        (SAMPLES[19], {"tensors": [["w", "float16", [2, 3], 0, 6, None]]}, "malformed", "float32"),
        (SAMPLES[19], {"tensors": [["w", "float32", [2, 3], 0, 7, None]]}, "malformed", "key 'w'"),
        (SAMPLES[19], {"tensors": [["w", "float32", [2, 3], 4, 4, None]]}, "malformed", "key 'w'"),
        (SAMPLES[19], {"tensors": [["w", "float32", [1 << 22], 0, 1 << 22, None]]}, "malformed", "at most"),
        (SAMPLES[19], {"tensors": [["w", "float32", [2, 3], 0, 6, 3]]}, "malformed", "rows"),
        (SAMPLES[19], {"tensors": [["w", "float32", [2, 3], 0, 6, None]] * (TENSORS + 1)}, "malformed", "tensors"),
        (SAMPLES[19], {"tensors": [["w", "float32", [2, 3], 0, 5, None]]}, "frames", "expected 1, got 2"),
    ],
)
def test_bad_headers_are_named(sample, changes, code, text):
    with pytest.raises(WireError) as caught:
        decode(header(sample, **changes))
    assert caught.value.code == code
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([b"x" * 23, b"y" * 8], "push: frame 1: expected 24 bytes, got 23 bytes"),
        ([b"x" * 24], "push: frames after the header: expected 2, got 1"),
        ([b"x" * 24, b"y" * 8, b""], "push: frames after the header: expected 2, got 3"),
    ],
)
def test_frames_must_have_the_size_that_the_header_says(frames, text):
    with pytest.raises(WireError, match="push: frame") as caught:
        decode([encode(SAMPLES[19])[0], *frames])
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x81" * 100_000,  # maps within maps
        b"\x91" * 2_000 + b"\x01",
        msgpack.packb([1, 2]),
        msgpack.packb({1: 2}),
        msgpack.packb({"v": msgpack.ExtType(5, b"x")}),
        msgpack.packb({"v": 1}) + b"\x00",
        b"\xdf\xff\xff\xff\xff",  # a map that claims four billion entries
        b"\xdb\xff\xff\xff\xff",  # a text that claims four gigabytes
        b"\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\x81\xa1v\xa1\xff",  # not UTF-8
    ],
    ids=lambda data: data[:8].hex() or "nothing",
)
def test_what_is_no_header_is_malformed(data):
    with pytest.raises(WireError) as caught:
        decode([data])
    assert caught.value.code in ("malformed", "version")


def test_a_long_header_is_refused_before_it_is_read():
    with pytest.raises(WireError) as caught:
        decode([b"\x00" * (HEADER_BYTES + 1)])
    assert caught.value.code == "too_large"


def test_no_frames_at_all():
    with pytest.raises(WireError):
        decode([])


ODD = [
    None,
    True,
    -1,
    0,
    1 << 63,
    1 << 64,
    1.5,
    float("nan"),
    float("-inf"),
    "",
    "x" * 5000,
    b"",
    [],
    {},
    [[]],
    {"a": {}},
]


def mutate(generator, sample):
    """Frames of `sample` with a few things wrong: bytes, fields, lengths, frames."""
    fields, frames = unpack(encode(sample)[0]), [bytes(frame) for frame in sample.frames]
    for _ in range(generator.randint(0, 2)):
        name = generator.choice([*fields, "extra"])
        if generator.random() < 0.3:
            fields.pop(name, None)
        else:
            fields[name] = generator.choice(ODD)
    if frames and generator.random() < 0.3:
        frames[generator.randrange(len(frames))] = bytes(generator.randrange(40))
    if generator.random() < 0.2:
        frames.append(b"more")
    try:
        data = bytearray(msgpack.packb(fields))
    except OverflowError:  # MessagePack has no such number either
        data = bytearray(encode(sample)[0])
    for _ in range(generator.choice([0, 0, 1, 3])):
        where = generator.randrange(len(data) + 1)
        data[where : where + generator.randint(0, 2)] = generator.randbytes(generator.randint(0, 2))
    return [bytes(data), *frames]


@pytest.mark.parametrize("seed", range(10))
def test_mutated_messages_are_valid_or_a_wire_error(seed):
    generator = random.Random(seed)
    outcomes = {"valid": 0, "refused": 0}
    for _ in range(1000):
        sample = generator.choice(SAMPLES)
        try:
            found = decode(mutate(generator, sample))
        except WireError as error:
            outcomes["refused"] += 1
            assert len(str(error)) < 10_000
        else:
            outcomes["valid"] += 1
            assert isinstance(found, Message)
            assert decode(encode(found)) == found
    assert outcomes["valid"] > 50
    assert outcomes["refused"] > 300
