"""A sample of every message, and ways to make them wrong, for tests of `decode` and of the processes that use it."""

import msgpack

from pushgrad.common import messages, requests
from pushgrad.common.codec import encode
from pushgrad.common.coding import Coding
from pushgrad.common.tensor import Tensor
from pushgrad.common.wire import unpack

ME = {"job": "j", "rank": 1, "incarnation": "abc", "fit": 2}
PAIR = (Tensor("w", "float32", (2, 3), 0, 6), Tensor("b", "float64", (), 0, 1))
SAMPLES = [
    messages.Hello(
        job="j", role="server", rank=None, incarnation="x", host="h", pid=1, endpoint="ipc://a", workers=2, servers=1
    ),
    messages.Gather(n=3, frames=(b"part",)),
    messages.Leave(),
    messages.Fail(reason="ValueError: no"),
    messages.Progress(
        fit=1,
        epoch=2,
        step=3,
        samples_per_second=4.5,
        metric="accuracy=0.5",
        epochs=9,
        steps=8,
        seconds_left=7.5,
    ),
    messages.Report(text="waits"),
    messages.Registered(lease=30.0),
    messages.Welcome(rank=0, lease=30.0, workers=2, servers=(("tcp://h:1", "h"),), marks=("x", "y")),
    messages.Ping(n=1),
    messages.Gathered(n=3, sizes=(3, 0), frames=(b"one",)),
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
    messages.Traffic(received=(1, 1 << 40), sent=(0, 2)),
    messages.Stalled(steps=((1, "w", 2, (0,), (1, 2)),)),
    messages.Resumable(fit=1, epoch=2, batch=3, step=40),
    requests.Init(
        **ME, part="weight", lr_mult=1.0, wd_mult=1.0, restores=True, tensors=PAIR, frames=(b"x" * 24, b"y" * 8)
    ),
    requests.Init(**ME, part="weight", lr_mult=1.0, wd_mult=0.0, blank=True, tensors=PAIR),
]


def nested(depth, kind):
    """`depth` containers, one within the other, as MessagePack."""
    return (b"\x91" if kind == "array" else b"\x81\xa1k") * depth + b"\x01"


def in_field(sample, name, value):
    """The header of `sample` with a field that is `value`, which is MessagePack already."""
    fields = unpack(encode(sample)[0])
    fields.pop(name, None)
    items = b"".join(msgpack.packb(key) + msgpack.packb(item) for key, item in fields.items())
    return bytes([0x80 | len(fields) + 1]) + items + msgpack.packb(name) + value


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
    [[[[[1]]]]],
    {"a": [{"b": [{}]}]},
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
