"""Names, shapes, outputs and gradients against what MXNet 1.9.1 gave (see record.py)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.ops.operator import Step

HERE = Path(__file__).parent
CASES = json.loads((HERE / "cases.json").read_text())


@cache
def recorded_arrays():
    """The recorded arrays of each case, by kind and name."""
    with np.load(HERE / "arrays.npz", allow_pickle=False) as file:
        numbers = file["numbers"]
    found, position = {}, 0
    for case, facts in CASES.items():
        kinds = found.setdefault(case, {})
        for kind, name, shape in facts["arrays"]:
            size = int(np.prod(shape))
            kinds.setdefault(kind, {})[name] = numbers[position : position + size].reshape(shape)
            position += size
    assert position == numbers.size
    return found


def arrays(case):
    return recorded_arrays()[case]


def interpret(symbol, values, heads):
    """Outputs and gradients by the operators' plain versions, in float64, node by node."""
    nodes = symbol.nodes()
    shapes = symbol.infer_all(**{name: array.shape for name, array in values.items()})
    entries = {(n, 0): values[n.name].astype(np.float64) for n in nodes if n.op is None}
    steps = {}
    for node in nodes:
        if node.op is not None:
            inputs = [entries[entry] for entry in node.inputs]
            entries[node, 0] = np.empty(shapes[node, 0])
            steps[node] = Step(is_train=True, count=node.op.counted(inputs[-1]) or 1.0)
            node.op.forward(steps[node], inputs, [entries[node, 0]])
    grads = {entry: np.zeros(shape) for entry, shape in shapes.items()}
    for head, grad in zip(symbol.heads, heads, strict=True):
        grads[head] += grad
    for node in reversed(nodes):
        if node.op is not None:
            inputs = [entries[entry] for entry in node.inputs]
            parts = [np.empty_like(array) for array in inputs]
            node.op.backward(steps[node], [grads[node, 0]], inputs, [entries[node, 0]], parts)
            for entry, part in zip(node.inputs, parts, strict=True):
                grads[entry] += part
    return [entries[head] for head in symbol.heads], {n.name: grads[n, 0] for n in nodes if n.op is None}


def compare(case, outputs, gradients):
    recorded = arrays(case)
    for index, expected in recorded["output"].items():
        np.testing.assert_allclose(outputs[index], expected, rtol=2e-5, atol=2e-6, err_msg=f"output {index}")
    for name, expected in recorded["gradient"].items():
        np.testing.assert_allclose(gradients[name], expected, rtol=2e-5, atol=5e-6, err_msg=f"gradient of {name}")


@pytest.mark.parametrize("case", CASES)
def test_names_and_shapes(case):
    facts = CASES[case]
    symbol = mx.sym.load_json(facts["symbol"])
    assert symbol.list_arguments() == list(facts["arguments"])
    assert symbol.list_outputs() == facts["outputs"]
    assert symbol.get_internals().list_outputs() == facts["internals"]
    given = {name: tuple(facts["arguments"][name]) for name in facts["given"]}
    assert [list(shape) for shape in symbol.infer_shape(**given)[0]] == list(facts["arguments"].values())


@pytest.mark.parametrize("case", CASES)
def test_plain_operators(case):
    recorded = arrays(case)
    compare(case, *interpret(mx.sym.load_json(CASES[case]["symbol"]), recorded["input"], recorded["head"].values()))


@pytest.mark.parametrize("case", CASES)
def test_executor(case):
    recorded = arrays(case)
    symbol = mx.sym.load_json(CASES[case]["symbol"])
    gradients = {name: np.full_like(array, np.nan) for name, array in recorded["input"].items()}
    values = {name: array.copy() for name, array in recorded["input"].items()}
    executor = symbol.bind(mx.cpu(), values, gradients)
    executor.forward(is_train=True)
    executor.backward([head.copy() for head in recorded["head"].values()])
    compare(case, executor.outputs, executor.grad_dict)
