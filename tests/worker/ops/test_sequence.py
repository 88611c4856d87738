"""SequenceMask, SequenceLast, SequenceReverse; operators without inputs."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError, ShapeError
from pushgrad.worker.ops.operator import Step, lookup

LENGTHS = np.array([1.0, 3, 2])


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("rest", [(), (2,)])
@pytest.mark.parametrize("axis", [0, 1])
def test_mask_and_last(axis, rest, forward, gradcheck):
    data = draw(3, 4, *rest) if axis else draw(4, 3, *rest)
    mask = lookup("SequenceMask")(use_sequence_length=True, value=-1, axis=axis)
    last = lookup("SequenceLast")(use_sequence_length=True, axis=axis)
    expected, lasts = data.copy(), []
    for row, length in enumerate([1, 3, 2]):
        steps = expected[row] if axis else expected[:, row]
        steps[length:] = -1
        lasts.append(steps[length - 1])
    assert (forward(mask, [data, LENGTHS])[0] == expected).all()
    assert (forward(last, [data, LENGTHS])[0] == np.array(lasts)).all()
    gradcheck(mask, [data, LENGTHS], wrt=[0])
    gradcheck(last, [data, LENGTHS], wrt=[0])
    assert mask.couples_rows() is last.couples_rows() is (axis == 0)


def test_reverse(forward, gradcheck):
    op, data = lookup("SequenceReverse")(use_sequence_length=True), draw(4, 3, 2)
    (out,) = forward(op, [data, LENGTHS])
    for row, length in enumerate([1, 3, 2]):
        assert (out[:length, row] == data[:length, row][::-1]).all()
        assert (out[length:, row] == data[length:, row]).all()
    gradcheck(op, [data, LENGTHS], wrt=[0])
    with pytest.raises(ParameterError, match="SequenceReverse: parameter axis"):
        lookup("SequenceReverse")(axis=1)


def test_without_lengths(forward):
    data = draw(4, 3, 2)
    assert (forward(lookup("SequenceMask")(), [data])[0] == data).all()
    assert (forward(lookup("SequenceLast")(), [data])[0] == data[-1]).all()
    assert (forward(lookup("SequenceReverse")(), [data])[0] == data[::-1]).all()


def test_shapes_and_wrong_lengths(forward):
    op = lookup("SequenceLast")(use_sequence_length=True)
    assert op.infer_shape([(4, 3, 2), None], [None]) == ([(4, 3, 2), (3,)], [(3, 2)])
    with pytest.raises(ShapeError, match="SequenceLast: sequence_length"):
        op.infer_shape([(4, 3), (4,)], [None])
    for wrong, text in ((0, "0"), (5, "5"), (-1, "-1"), (1.5, "1.5"), (np.nan, "nan"), (np.inf, "inf")):
        message = f"SequenceLast: sequence_length: row 1: expected a whole number from 1 to 4, got {text}"
        with pytest.raises(DataError, match=message):
            forward(op, [draw(4, 3), np.array([1, wrong, 2])])


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("_zeros", {"shape": (2,)}, [0, 0]),
        ("_ones", {"shape": 2, "dtype": "float32", "ctx": "cpu(0)"}, [1, 1]),
        ("_full", {"shape": (1,), "value": 2.5}, [2.5]),
        ("_arange", {"start": 3}, [0, 1, 2]),
        ("_arange", {"start": 2, "stop": 4, "step": 0.75}, [2, 2.75, 3.5]),
        ("_arange", {"start": 2, "stop": 0, "step": -1, "repeat": 2}, [2, 2, 1, 1]),
    ],
)
def test_constants(name, options, expected):
    op = lookup(name)(**options)
    (shape,) = op.infer_shape([], [None])[1]
    out = np.full(shape, np.nan)
    op.forward(Step(), [], [out])
    assert out.tolist() == expected
    assert op.arguments() == ()


@pytest.mark.parametrize(
    "options", [{"start": 0}, {"start": 1, "stop": 2, "step": -1}, {"start": 1, "infer_range": True}]
)
def test_ranges_that_cannot_be(options):
    with pytest.raises(ParameterError, match="_arange"):
        lookup("_arange")(**options)


def test_a_state_that_starts_with_zeros_takes_the_batch_size_from_its_readers():
    data = mx.sym.Variable("data")
    begin = mx.sym._zeros(shape=(0, 3), name="begin")
    net = mx.sym.FullyConnected(data + begin, num_hidden=2, name="fc")
    assert net.list_arguments() == ["data", "fc_weight", "fc_bias"]
    for slices in (1, 2):
        executor = net.simple_bind(mx.cpu(), slices=slices, data=(4, 3))
        executor.arg_dict["fc_weight"][...] = 1
        assert executor.forward(is_train=True, data=np.ones((4, 3)))[0].tolist() == [[3, 3]] * 4
        executor.backward()
        assert executor.grad_dict["data"].tolist() == [[2, 2, 2]] * 4
