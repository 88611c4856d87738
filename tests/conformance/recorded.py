"""What MXNet 1.9.1 gave for each case of cases.json (see record.py), to be compared with."""

import json
from functools import cache
from pathlib import Path

import numpy as np

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


def arrays(case, kind):
    return recorded_arrays()[case].get(kind, {})


def copies(case, kind, dtype=np.float32):
    return {name: array.astype(dtype) for name, array in arrays(case, kind).items()}


def compare(case, kind, found):
    for name, expected in arrays(case, kind).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5, err_msg=f"{kind} {name}")
