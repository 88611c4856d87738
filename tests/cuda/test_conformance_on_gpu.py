"""Every recorded case of MXNet 1.9.1, computed on a GPU in float32."""

import numpy as np
import pytest
from long_after import long_after
from recorded import CASES, arrays, compare, copies

import pushgrad as mx

THIRD = list(CASES)[::3]


@pytest.fixture
def run(device):
    """Binds a case on the GPU and compares everything that was recorded of it."""

    def run(case):
        xp = device.xp
        symbol = mx.sym.load_json(CASES[case]["symbol"])
        on_gpu = {kind: {n: xp.asarray(a) for n, a in copies(case, kind).items()} for kind in ("input", "before")}
        gradients = {name: xp.full(array.shape, np.nan, np.float32) for name, array in arrays(case, "gradient").items()}
        executor = symbol.bind(mx.gpu(0), on_gpu["input"], gradients or None, aux_states=on_gpu["before"] or None)
        compare(case, "predicted", [output.get() for output in executor.forward(is_train=False)])
        if arrays(case, "output"):
            compare(case, "output", [output.get() for output in executor.forward(is_train=True)])
            executor.backward(list(copies(case, "head").values()))
            compare(case, "gradient", {n: grad.get() for n, grad in executor.grad_dict.items() if grad is not None})
            compare(case, "after", {name: state.get() for name, state in executor.aux_dict.items()})

    return run


@pytest.mark.parametrize("case", long_after(len(THIRD), [*THIRD, *(case for case in CASES if case not in THIRD)]))
def test_as_recorded(run, case):
    run(case)
