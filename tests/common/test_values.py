"""Values on their way back from workers: what comes out is what went in, and never code."""

import math
import pickle

import msgpack
import numpy as np
import pytest

from pushgrad.common.errors import FileFormatError, ParameterError
from pushgrad.common.results import Result
from pushgrad.common.values import decode, encode

VALUES = [
    None, True, 0, -(1 << 63), (1 << 64) - 1, 1 << 64, -(10**30), 0.1, math.inf, "", "ä\ud800", b"\0",
    [], (), {}, [1, (2, [3])], {"a": {1: (None,), (1, 2): b"x"}}, {"int": "0x1"}, {"array": [1]},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values(value):
    found = decode(encode(value))
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("dtype", ["float32", ">i2", "bool", "complex128", "float16", "U3", "M8[s]"])
def test_arrays(dtype):
    array = np.zeros((2, 3), dtype)
    array[1] = 1
    (found,) = decode(encode([array[:, ::-1]]))
    assert found.dtype == array.dtype and found.shape == (2, 3) and (found == array).all() and found.flags.writeable
    number = decode(encode(array[1, 1]))
    assert number == array[1, 1] and type(number) is type(array[1, 1])
    assert decode(encode(np.empty((0, 4), dtype))).shape == (0, 4)


class Model:
    """What can only be pickled."""


LOOP = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "value, told",
    [
        ({"a": [1, Model()]}, r"the value\['a'\]\[1\] is a Model, which workers cannot return: expected None, numbers"),
        ({Model(): 1}, "a key of the value is a Model"),
        (np.array([Model()]), "the value is a ndarray"),
        (np.zeros(2, "f4,i4"), "the value is a ndarray"),
        ({1, 2}, "the value is a set"),
        (LOOP, "the value cannot be returned: maximum recursion depth"),
    ],
)
def test_what_is_no_value(value, told):
    with pytest.raises(ParameterError, match=told):
        encode(value)


@pytest.mark.parametrize(
    "plain",
    [
        {"array": ["O", [1], b"12345678"]}, {"array": ["V8", [1], b"12345678"]}, {"array": ["f4", [3], b"1234"]},
        {"array": ["nonsense", [1], b""]}, {"array": ["f4", [-2], b""]}, {"array": 3}, {"code": "print()"},
        {"int": "x"}, {"int": 3}, {"dict": [[1]]}, {"dict": [[[], 1]]}, {"tuple": 3}, {}, {"int": "1", "tuple": []},
        msgpack.ExtType(1, b""),
    ],
    ids=repr,
)  # fmt: skip
def test_nonsense_is_refused(plain):
    with pytest.raises(FileFormatError, match="this is no value"):
        decode(msgpack.packb(plain))


def test_neither_pickles_nor_what_was_cut_short():
    data = encode({"a": [1.5, "text"], "b": np.arange(3)})
    for broken in (pickle.dumps(3), b"", *(data[:length] for length in range(len(data)))):
        with pytest.raises(FileFormatError):
            decode(broken)


def test_results():
    assert Result.decode(Result(value=(1, "a")).encode()) == Result((1, "a"))
    assert Result.decode(Result(error="Traceback: \ud800").encode()).error == "Traceback: ?"
    for broken in (b"", b"value", b"other\n\xc0"):
        with pytest.raises(FileFormatError):
            Result.decode(broken)
