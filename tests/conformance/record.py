"""Record what MXNet 1.9.1 computes: python record.py, in an environment with mxnet==1.9.1 and numpy<1.24.

Writes cases.json (symbols as MXNet's JSON, names, shapes) and arrays.npz (one vector: inputs, states, head gradients,
outputs and gradients of all cases, one after the other) beside itself. The tests only read these files. Cases come from
the modules cases_*.py: functions that yield a name, a symbol (or the text of an old file) and the inputs that matter.
Cases whose names begin with predict_ are not trained, since training is random or has no gradient to speak of.
"""

import importlib
import json
import os
from pathlib import Path

import draws
import numpy as np

os.environ["MXNET_SUBGRAPH_BACKEND"] = "NONE"  # no fused operators: each as its own name says
os.environ["MXNET_STORAGE_FALLBACK_LOG_VERBOSE"] = "0"

import mxnet as mx

HERE = Path(__file__).parent
WITHOUT_GRADIENT = ("ids", "rois")  # inputs for which MXNet refuses to compute one


def states_of(symbol, shapes, given):
    """Auxiliary states as given, or as a new network has them: means 0, variances 1."""
    names = symbol.list_auxiliary_states()
    fresh = {name: np.full(shape, name.endswith("var"), np.float32) for name, shape in zip(names, shapes, strict=True)}
    return {name: given.get(name, array) for name, array in fresh.items()}


def run(symbol, inputs, states, heads):
    """Arrays by kind: predicted and trained outputs, gradients, and the states afterwards."""
    arrays = {name: mx.nd.array(array) for name, array in inputs.items()}
    kept = {name: mx.nd.array(array) for name, array in states.items()}
    wanted = [name for name in inputs if name not in WITHOUT_GRADIENT and heads is not None]
    grads = {name: mx.nd.zeros(inputs[name].shape) for name in wanted}
    executor = symbol.bind(mx.cpu(), arrays, grads, aux_states=kept)
    found = {"predicted": [array.asnumpy() for array in executor.forward(is_train=False)]}
    if heads is not None:
        found["output"] = [array.asnumpy() for array in executor.forward(is_train=True)]
        executor.backward([mx.nd.array(head) for head in heads])
        found["gradient"] = {name: array.asnumpy() for name, array in grads.items()}
        found["after"] = {name: array.asnumpy() for name, array in kept.items()}
    return found


def worth_recording(found):
    """`found` without what says nothing new: predictions that equal the outputs of training."""
    outputs = found.get("output", ())
    if outputs and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found["predicted"], outputs, strict=True)):
        return {kind: arrays for kind, arrays in found.items() if kind != "predicted"}
    return found


def listed(found):
    """(kind, name or number, array) of everything."""
    for kind, arrays in found.items():
        pairs = arrays.items() if isinstance(arrays, dict) else enumerate(arrays)
        yield from ((kind, name, np.asarray(array, np.float32)) for name, array in pairs)


def record(case, symbol, given):
    """Names and shapes, and the arrays of one forward and backward pass with random parameters and head gradients."""
    text = symbol if isinstance(symbol, str) else symbol.tojson()
    symbol = mx.sym.load_json(text)
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    known = {name: array.shape for name, array in given.items() if name in names}
    shapes, out_shapes, state_shapes = symbol.infer_shape(**known)
    needed = zip(names, shapes, strict=True)
    inputs = {name: given[name] if name in given else draws.normal(*shape) for name, shape in needed}
    heads = None if case.startswith("predict_") else [draws.normal(*shape) for shape in out_shapes]
    before = states_of(symbol, state_shapes, given)
    found = {"input": inputs, "before": before, "head": heads or []}
    found.update(worth_recording(run(symbol, inputs, before, heads)))
    facts = {
        "symbol": json.dumps(json.loads(text), separators=(",", ":")),
        "arguments": dict(zip(names, map(list, shapes), strict=True)),
        "outputs": symbol.list_outputs(),
        "states": states,
        "internals": symbol.get_internals().list_outputs(),
        "given": list(known),
        "arrays": [(kind, name, array.shape) for kind, name, array in listed(found)],
    }
    return facts, [array.ravel() for _, _, array in listed(found)]


def all_cases():
    """Every case of every module, each family with random numbers of its own."""
    for path in sorted(HERE.glob("cases_*.py")):
        for family in importlib.import_module(path.stem).FAMILIES:
            draws.restart(family.__name__)
            with mx.name.NameManager():  # counts from 0 again
                yield from list(family())


def main():
    cases, arrays = {}, []
    for name, symbol, given in all_cases():
        assert name not in cases, name
        cases[name], found = record(name, symbol, given)
        arrays += found
    lines = [f"{json.dumps(name)}:{json.dumps(facts, separators=(',', ':'))}" for name, facts in cases.items()]
    (HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    np.savez_compressed(HERE / "arrays.npz", numbers=np.concatenate(arrays))
    print(f"{len(cases)} cases of MXNet {mx.__version__}")


if __name__ == "__main__":
    main()
