"""Each optimizer against what MXNet 1.9.1's own made of the same weights and gradients."""

import numpy as np
import pytest

from pushgrad.ps.optimizer import create
from pushgrad.ps.store import Entry
from pushgrad.worker.training.lr_scheduler import FactorScheduler

from .mxnet_values import CASES, COMMON, LR_MULT, WD_MULT

STEPS = 20


def gradient(step):
    return (1.2 * np.cos(1.3 * np.arange(6) + 0.9 * step)).astype(np.float32)


def made(name, options):
    options = dict(options)
    if options.pop("schedule", False):
        options |= {"learning_rate": 0.01, "lr_scheduler": FactorScheduler(step=6, factor=0.5)}
    return create(name, **options, **COMMON)


def trained(optimizer, dtype=np.float32):
    entry = Entry(np.linspace(-1, 1, 6, dtype=np.float32).astype(dtype), LR_MULT, WD_MULT, "w")
    entry.prepare(optimizer)
    for step in range(STEPS):
        entry.apply(optimizer, gradient(step)[None].astype(dtype), optimizer.rate(step))
    return entry


@pytest.mark.parametrize(("name", "options", "weight", "states"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_as_mxnet(name, options, weight, states):
    entry = trained(made(name, options))
    np.testing.assert_allclose(entry.weight, weight, rtol=2e-6, atol=2e-7)
    assert len(states) == len(entry.states)
    for found, expected in zip(entry.states.values(), states, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)
