import dataclasses
import json
import random
import zlib

import msgpack
import pytest
from wire_messages import SAMPLES, in_field, mutate, nested

from pushgrad.common.codec import REGISTRY, Message, decode, encode
from pushgrad.common.wire import HEADER_BYTES, TENSORS, VERSION, WireError, cut, pack, shown, unpack
from pushgrad.ps.refusal import refusal


def test_every_message_has_a_sample_here():
    assert {type(sample) for sample in SAMPLES} == set(REGISTRY.values())


def test_a_version_has_the_messages_that_it_had():
    """Older processes refuse a field that they do not know, and at some later time; another version at once."""
    names = {op: [field.name for field in dataclasses.fields(cls)] for op, cls in REGISTRY.items()}
    digest = zlib.crc32(json.dumps(names, sort_keys=True).encode())
    assert (VERSION, digest) == (4, 2579344922), "raise it here, in common/wire.py and docs/protocol.md"


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
        (SAMPLES[0], {"v": 1}, "version", "protocol version: expected 4, got 1"),
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
        msgpack.packb({"v": 4}) + b"\x00",
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


@pytest.mark.parametrize("kind", ["array", "map"])
@pytest.mark.parametrize("depth", [5, 100, 500, 990, 1000, 1010, 1020, 1022, 1023, 1024, 1030, 5000])
def test_nesting_of_any_depth_anywhere_is_malformed(depth, kind):
    for sample in SAMPLES[:1] + SAMPLES[15:16] + SAMPLES[19:20]:
        for name in ("op", "v", "job", "tensors", "optimizer", "n", "extra"):
            with pytest.raises(WireError) as caught:
                decode([in_field(sample, name, nested(depth, kind)), *sample.frames])
            assert caught.value.code == "malformed"
    with pytest.raises(WireError) as caught:
        decode([nested(depth, kind)])
    assert caught.value.code == "malformed"
    assert len(str(caught.value)) < 200


def test_a_wide_header_is_refused_before_its_values_are_looked_at():
    row = b"\xdc\x10\x00" + b"\x90" * 4096  # an array of 4096 empty arrays
    with pytest.raises(WireError, match="values at one depth"):
        decode([in_field(SAMPLES[0], "job", b"\xdc\x00\x20" + row * 32)])


def test_what_is_shown_of_a_value_is_short_and_shallow():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, "x" * 10**6, b"x" * 10**6, 10**4000, tuple(range(10**5)), {str(i): deep for i in range(99)}):
        assert len(shown(value)) <= 80
    assert shown(("w", 5)) == "('w', 5)"
    while deep:  # or freeing it would recurse
        deep = deep.pop()


def test_texts_are_cut_to_bytes_that_are_utf_8():
    assert cut("abc", 2) == "ab"
    assert cut("\N{EURO SIGN}" * 9, 8) == "\N{EURO SIGN}" * 2
    assert cut("a\udc80b", 9) == "a?b"


def test_a_refusal_can_always_be_read():
    long = "\N{GRINNING FACE}\udc80" * 5000
    said = refusal(WireError("shape", long, key="k", expected=long, got=long, remedy=long), fit=1)
    assert decode(encode(said)).key == "k"


def test_a_long_header_is_refused_before_it_is_read():
    with pytest.raises(WireError) as caught:
        decode([b"\x00" * (HEADER_BYTES + 1)])
    assert caught.value.code == "too_large"


def test_no_frames_at_all():
    with pytest.raises(WireError):
        decode([])


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
