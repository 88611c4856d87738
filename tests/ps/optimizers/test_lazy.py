"""Gradients of some rows, against MXNet 1.9.1's lazy updates of row-sparse weights; others are updated as a whole."""

import numpy as np
import pytest

from pushgrad.ps.optimizer import create
from pushgrad.ps.row_sparse import RowGradient, update_rows
from pushgrad.ps.store import Entry

# Name, parameters, wd, then weight and states after 20 steps of rows {s % 3, 2 s % 4} - {3}, otherwise as in
# mxnet_values. MXNet's sparse adagrad has no weight decay.
CASES = [
    (
        "sgd",
        {"momentum": 0.9},
        0.01,
        [-0.990602851, -0.663184881, -0.421525896, -0.144842088, 0.0857679322, 0.419139594, 0.714285731, 1],
        [[0.00242922595, 0.00597329065, -0.00101502903, 0.000868489617, -0.00232480583, -0.00162944547, 0, 0]],
    ),
    (
        "adam",
        {},
        0.01,
        [-1.00020349, -0.712060869, -0.427805603, -0.143800944, 0.139081329, 0.428023368, 0.714285731, 1],
        [
            [-0.029748112, -0.0824455693, 0.0156093184, -0.0117332954, 0.0326152407, 0.0209403373, 0, 0],
            [0.00141974655, 0.00145427545, 0.000780916365, 0.000792492356, 0.00149741455, 0.00128911051, 0, 0],
        ],
    ),
    (
        "adagrad",
        {},
        0,
        [-0.998917878, -0.70598197, -0.426361114, -0.152041629, 0.128776118, 0.425721973, 0.714285731, 1],
        [[1.44350195, 1.44392598, 0.789631069, 0.79401511, 1.50561881, 1.29300094, 0, 0]],
    ),
    (
        "ftrl",
        {},
        0.01,
        [-0.276400775, -0.0473805405, -0.121076666, -0.00703753857, -0.00762397936, 0.0798434317, 0.714285731, 1],
        [
            [8.7067852, 1.50091994, 3.27848506, 0.200227201, 0.252669781, -2.44882011, 0, 0],
            [1.44350195, 1.44392598, 0.789631069, 0.79401511, 1.50561881, 1.29300094, 0, 0],
        ],
    ),
]


def steps(optimizer, update):
    entry = Entry(np.linspace(-1, 1, 8, dtype=np.float32), 0.7, 1.5, "w")
    entry.prepare(optimizer)
    for step in range(20):
        ids = np.array(sorted({step % 3, (step * 2) % 4} - {3}))
        whole = (1.2 * np.cos(1.3 * np.arange(8) + 0.9 * step)).astype(np.float32).reshape(4, 2)
        update(entry, RowGradient(ids, whole[ids]), optimizer.rate(step))
    return entry


@pytest.mark.parametrize(("name", "options", "wd", "weight", "states"), CASES, ids=[case[0] for case in CASES])
def test_as_mxnet(name, options, wd, weight, states):
    optimizer = create(name, **options, wd=wd, clip_gradient=0.4, rescale_grad=0.5)
    entry = steps(optimizer, lambda entry, gradient, lr: update_rows(entry, optimizer, [gradient], lr))
    np.testing.assert_allclose(entry.weight, weight, rtol=2e-6, atol=2e-7)
    for found, expected in zip(entry.states.values(), states, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options"), [("nag", {"momentum": 0.9}), ("adam", {"lazy_update": False}), ("lamb", {})]
)
def test_others_get_zeros_for_the_other_rows(name, options):
    optimizer = create(name, **options, wd=0.01)

    def whole(entry, gradient, lr):
        expanded = np.empty((1, 8), np.float32)
        gradient.expand(expanded[0])
        entry.apply(optimizer, expanded, lr)

    expected = steps(optimizer, whole)
    found = steps(optimizer, lambda entry, gradient, lr: update_rows(entry, optimizer, [gradient], lr))
    np.testing.assert_array_equal(found.weight, expected.weight)
