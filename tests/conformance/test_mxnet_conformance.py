"""Names, shapes, outputs, gradients and states against what MXNet 1.9.1 gave (see record.py)."""

import numpy as np
import pytest
from recorded import CASES, arrays, compare, copies

import pushgrad as mx
from pushgrad.worker.ops.operator import Step

WITH_A_MASK = ("predict_leakyrelu_rrelu",)  # MXNet lists the random slopes as an output as well


class Plain:
    """A graph computed by the operators' plain versions, in float64, node by node."""

    def __init__(self, symbol, inputs, states):
        self.symbol, self.nodes, self.states = symbol, symbol.nodes(), states
        given = {**inputs, **states}
        self.shapes = symbol.infer_all(**{name: array.shape for name, array in given.items()})
        self.entries = {(n, 0): given[n.name] for n in self.nodes if n.op is None}
        self.steps = {}

    def outputs(self, node):
        return [(node, index) for index in range(len(node.op.outputs()))]

    def forward(self, is_train):
        for node in self.nodes:
            if node.op is not None:
                inputs = [self.entries[entry] for entry in node.inputs]
                self.entries.update({entry: np.empty(self.shapes[entry]) for entry in self.outputs(node)})
                self.steps[node] = Step(is_train=is_train, count=(inputs and node.op.counted(inputs[-1])) or 1.0)
                node.op.forward(self.steps[node], inputs, [self.entries[entry] for entry in self.outputs(node)])
        return [self.entries[head].copy() for head in self.symbol.heads]

    def backward(self, heads):
        grads = {entry: np.zeros(shape) for entry, shape in self.shapes.items()}
        for head, grad in zip(self.symbol.heads, heads, strict=True):
            grads[head] += grad
        for node in reversed(self.nodes):
            if node.op is not None:
                self._backward(node, grads)
        return {n.name: grads[n, 0] for n in self.nodes if n.op is None}

    def _backward(self, node, grads):
        inputs, outputs = [[self.entries[entry] for entry in part] for part in (node.inputs, self.outputs(node))]
        parts = [np.empty_like(self.entries[entry]) for entry in node.arguments()] + [None] * len(node.auxiliaries())
        node.op.backward(self.steps[node], [grads[entry] for entry in self.outputs(node)], inputs, outputs, parts)
        for entry, part in zip(node.arguments(), parts, strict=False):
            grads[entry] += part


@pytest.mark.parametrize("case", CASES)
def test_names_and_shapes(case):
    facts = CASES[case]
    symbol = mx.sym.load_json(facts["symbol"])
    assert symbol.list_arguments() == list(facts["arguments"])
    assert symbol.list_auxiliary_states() == facts["states"]
    assert symbol.list_outputs() == facts["outputs"]
    if case not in WITH_A_MASK:
        assert symbol.get_internals().list_outputs() == facts["internals"]
    given = {name: tuple(facts["arguments"][name]) for name in facts["given"]}
    assert [list(shape) for shape in symbol.infer_shape(**given)[0]] == list(facts["arguments"].values())


@pytest.mark.parametrize("case", CASES)
def test_plain_operators(case):
    symbol = mx.sym.load_json(CASES[case]["symbol"])
    plain = Plain(symbol, copies(case, "input", np.float64), copies(case, "before", np.float64))
    compare(case, "predicted", plain.forward(is_train=False))
    if arrays(case, "output"):
        compare(case, "output", plain.forward(is_train=True))
        compare(case, "gradient", plain.backward(arrays(case, "head").values()))
        compare(case, "after", plain.states)


@pytest.mark.parametrize("case", CASES)
def test_executor(case):
    symbol = mx.sym.load_json(CASES[case]["symbol"])
    gradients = {name: np.full_like(array, np.nan) for name, array in arrays(case, "gradient").items()}
    executor = symbol.bind(
        mx.cpu(), copies(case, "input"), gradients or None, aux_states=copies(case, "before") or None
    )
    compare(case, "predicted", [output.copy() for output in executor.forward(is_train=False)])
    if arrays(case, "output"):
        compare(case, "output", executor.forward(is_train=True))
        executor.backward(list(copies(case, "head").values()))
        compare(case, "gradient", executor.grad_dict)
        compare(case, "after", executor.aux_dict)
