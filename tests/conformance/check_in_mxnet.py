"""Read pushgrad's JSON in MXNet: python check_in_mxnet.py FOLDER, in an environment with mxnet==1.9.1 and numpy<1.24.

write_json.py fills the folder. Every recorded case must have the same names, outputs, gradients and states when MXNet
reads it from pushgrad's file, and every network the names, shapes and outputs that pushgrad found. Prints what
disagrees and ends with status 1, or with the numbers of cases and networks.
"""

import json
import sys
from pathlib import Path

import draws
import numpy as np
import record

mx = record.mx


def recorded_arrays(cases):
    """Each case with its arrays by kind and name, as they were recorded."""
    with np.load(record.HERE / "arrays.npz") as file:
        numbers = file["numbers"]
    position = 0
    for case, facts in cases.items():
        kinds = {}
        for kind, name, shape in facts["arrays"]:
            size = int(np.prod(shape))
            kinds.setdefault(kind, {})[name] = numbers[position : position + size].reshape(shape)
            position += size
        yield case, facts, kinds


def differing(what, found, expected, rtol=1e-4, atol=1e-5):
    """A line for each array that differs."""
    found, expected = (dict(enumerate(part)) if isinstance(part, list) else part for part in (found, expected))
    for name, array in found.items():
        if name in expected and not np.allclose(array, expected[name], rtol=rtol, atol=atol, equal_nan=True):
            worst = np.abs(array - expected[name]).max()
            yield f"{what} {name} differs by {worst:.2g}"


def check_case(path, facts, arrays):
    """What is wrong with one case."""
    symbol = mx.sym.load(str(path))
    names = {"outputs": symbol.list_outputs(), "states": symbol.list_auxiliary_states()}
    names["arguments"] = symbol.list_arguments()
    yield from (f"{kind} are {found}" for kind, found in names.items() if found != list(facts[kind]))
    heads = list(arrays["head"].values()) if "output" in arrays else None
    found = record.run(symbol, arrays["input"], arrays.get("before", {}), heads)
    for kind in ("predicted", "output", "gradient", "after"):
        yield from differing(kind, found.get(kind, []), arrays.get(kind, {}))


def check_network(path, facts, outputs):
    """What is wrong with one network."""
    symbol = mx.sym.load(str(path))
    names = (symbol.list_arguments(), symbol.list_outputs(), symbol.list_auxiliary_states())
    shapes = symbol.infer_shape(**{name: tuple(shape) for name, shape in facts["given"].items()})
    for kind, name, shape in zip(("arguments", "outputs", "states"), names, shapes, strict=True):
        pairs = list(zip(name, map(list, shape), strict=True))
        if pairs != list(facts[kind].items()):
            yield f"{kind} are {[pair for pair in pairs if pair[1] != facts[kind].get(pair[0])]}"
    drawn = (
        {name: draws.parameter(name, shape) for name, shape in facts[kind].items()} for kind in ("arguments", "states")
    )
    inputs, states = drawn
    both = mx.sym.Group([symbol, symbol.get_internals()[facts["scores"]]])
    found = record.run(both, inputs, states, None)["predicted"]
    yield from differing("output", found, outputs, rtol=1e-3, atol=1e-4)


def problems(name, check, *arguments):
    """The lines of one check, or the error that ended it, with the name before them."""
    try:
        return [f"{name}: {line}" for line in check(*arguments)]
    except mx.MXNetError as error:
        return [f"{name}: {str(error).strip().splitlines()[-1]}"]


def main():
    folder, wrong = Path(sys.argv[1]), []
    cases = json.loads((record.HERE / "cases.json").read_text())
    networks = json.loads((folder / "networks.json").read_text())
    for case, facts, arrays in recorded_arrays(cases):
        wrong += problems(case, check_case, folder / "cases" / f"{case}.json", facts, arrays)
    with np.load(folder / "outputs.npz") as file:
        for name, facts in networks.items():
            outputs = [file[key] for key in file if key.startswith(f"{name}/")]
            wrong += problems(name, check_network, folder / "networks" / f"{name}.json", facts, outputs)
    print("\n".join(wrong) or f"{len(cases)} cases and {len(networks)} networks agree with MXNet {mx.__version__}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
