"""Values of an inference share memory, and no value is overwritten while somebody reads it."""

import numpy as np

import pushgrad as mx
from pushgrad.worker.execution.buffers import ValueBuffers, last_uses
from pushgrad.worker.execution.outline import Outline

S = mx.sym


def test_the_smallest_free_buffer_that_fits_is_used_again():
    buffers = ValueBuffers(np.dtype(np.float32))
    large, small = (buffers.array((name, 0), shape) for name, shape in (("large", (10, 10)), ("small", (4, 5))))
    buffers.release(("large", 0))
    buffers.release(("small", 0))
    again = buffers.array(("again", 0), (3, 4))
    assert again.shape == (3, 4) and np.shares_memory(again, small)
    assert np.shares_memory(buffers.array(("next", 0), (5, 5)), large)
    fresh = buffers.array(("fresh", 0), (2,))
    assert not np.shares_memory(fresh, large) and not np.shares_memory(fresh, small)


def test_a_view_keeps_its_input_and_heads_are_kept():
    data = S.Variable("data")
    first = S.exp(data, name="first")
    view = S.Reshape(first, shape=(-1,), name="view")
    second = S.exp(data, name="second")
    last = S.exp(view, name="last")
    outline = Outline(S.Group([last, second]), {}, np.dtype(np.float32))
    uses = {
        group[-1].name: [node.name for node, _ in entries if node.op]
        for group, entries in zip(outline.groups, last_uses(outline.groups, outline.heads), strict=True)
    }
    assert uses == {"first": [], "view": [], "second": [], "last": ["first"]}


def test_an_inference_gives_what_an_executor_with_gradients_gives():
    """Branches, views, several readers, and an output in the middle."""
    data = S.Variable("data")
    trunk = S.exp(data * 0.1)
    left = S.Flatten(S.Pooling(trunk + 1, kernel=(2, 2), stride=(2, 2), pool_type="max"))
    right = S.Reshape(S.sigmoid(trunk), shape=(0, -1))
    net = S.Group([S.concat(left, S.tanh(right), left * 2, dim=1), trunk, S.Reshape(right, shape=(0, 2, -1))])
    x = np.random.default_rng(1).standard_normal((4, 3, 6, 6)).astype(np.float32)
    plain = net.simple_bind(grad_req="write", data=x.shape)
    lean = net.simple_bind(grad_req="null", data=x.shape)
    for wanted, found in zip(plain.forward(data=x), lean.forward(data=x), strict=True):
        assert np.array_equal(wanted, found)
