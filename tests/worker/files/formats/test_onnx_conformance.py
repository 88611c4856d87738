"""Every recorded case of MXNet whose operators ONNX has, exported, run by onnxruntime, and read back."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import GraphError

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

RECORDS = runpy.run_path(str(Path(__file__).parents[3] / "conformance" / "test_mxnet_conformance.py"))
CASES, arrays = RECORDS["CASES"], RECORDS["arrays"]


def singles(case, kind):
    return {name: np.asarray(value, np.float32) for name, value in arrays(case, kind).items()}


def exported(case, path):
    """Write the case's network with everything but its data as parameters; the shapes of MXNet's outputs."""
    symbol, inputs = mx.sym.load_json(CASES[case]["symbol"]), singles(case, "input")
    data = "data" if "data" in inputs else next(iter(inputs))
    params = {name: value for name, value in {**inputs, **singles(case, "before")}.items() if name != data}
    mx.formats.export_onnx(symbol, params, {data: inputs[data].shape}, path)
    return {data: inputs[data]}


def run_by_onnxruntime(path, feed):
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {item.name: feed[item.name] for item in session.get_inputs()})


def run_here(path, feed):
    symbol, arguments, states = mx.formats.import_onnx(path)
    given = {name: feed[name] for name in symbol.list_arguments() if name not in arguments}
    executor = symbol.bind(mx.cpu(), {**given, **arguments}, None, aux_states=states or None)
    return executor.forward(is_train=False)


@pytest.mark.parametrize("case", CASES)
def test_the_same_outputs_or_a_clear_refusal(case, tmp_path):
    path = tmp_path / "case.onnx"
    try:
        feed = exported(case, path)
    except GraphError as error:
        assert "ONNX has nothing for operator" in str(error)
        return  # the test below counts these
    expected = arrays(case, "predicted") or arrays(case, "output")
    there, here = run_by_onnxruntime(path, feed), run_here(path, feed)
    for index, values in expected.items():
        for found in (there[int(index)], here[int(index)]):
            assert found.shape == values.shape
            np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-4)


def test_most_cases_are_compared(tmp_path):
    """Refused is what ONNX lacks: no more than a tenth of the cases."""
    refused = 0
    for case in CASES:
        try:
            exported(case, tmp_path / "case.onnx")
        except GraphError:
            refused += 1
    assert refused < len(CASES) / 10
