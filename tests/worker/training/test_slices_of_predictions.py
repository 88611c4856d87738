"""A prediction is cut into slices for threads alone, where they gain by it."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.execution import slice_layout
from pushgrad.worker.training import prediction


@pytest.mark.parametrize(("least", "cut"), [(3e6, [(0, 6)]), (0, [(0, 2), (2, 4), (4, 6)])])
def test_small_ones_are_one_slice(monkeypatch, least, cut):
    found, bind = [], prediction.bind_share

    def bound(symbol, placement, request, parts, *others, **options):
        found.append(parts)
        return bind(symbol, placement, request, parts, *others, **options)

    monkeypatch.setattr(slice_layout, "WORK_OF_ONE_COMPILED", least)
    monkeypatch.setattr(prediction, "thread_count", lambda: 3)
    monkeypatch.setattr(prediction, "bind_share", bound)
    X, y = np.eye(6, 4, dtype=np.float32), np.arange(6) % 2
    model = mx.mlp(X, y, hidden_node=3, out_node=2, out_activation="softmax", num_epoch=1, batch_size=6, verbose=False)
    assert model.predict(X, batch_size=6).shape == (6, 2)
    assert found == [cut]
