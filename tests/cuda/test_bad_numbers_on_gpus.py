"""on_nan on GPUs: a step that is left out is as if its batch had not been there."""

import numpy as np
import pytest

import pushgrad as mx

RNG = np.random.default_rng(0)
X, Y = RNG.random((50, 1, 6, 6), np.float32), RNG.integers(0, 3, 50).astype(np.float32)
BAD = X.copy()
BAD[25, 0, 0, 0] = np.nan  # in the third of five batches
GOOD = np.r_[0:20, 30:50]


def network(grad_scale):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), act_type="tanh", name="tanh")
    return mx.sym.SoftmaxOutput(
        mx.sym.FullyConnected(mx.sym.Flatten(net, name="flat"), num_hidden=3, name="fc"),
        grad_scale=grad_scale,
        name="softmax",
    )


def train(data, labels, ctx, grad_scale=1, **options):
    mx.random.seed(3)
    return mx.FeedForward.create(
        network(grad_scale), data, labels, ctx, batch_size=10, num_epoch=1, shuffle=False, learning_rate=0.1,
        momentum=0.9, initializer=mx.init.Xavier(), eval_metric="ce", **options
    )  # fmt: skip


WAYS = [
    (1, [mx.gpu(0)], "float32"),
    (1, [mx.gpu(0)], "float16"),
    pytest.param(2, [mx.gpu(0), mx.gpu(1)], "float32", marks=pytest.mark.long),
    pytest.param(1, [mx.gpu(0), mx.cpu()], "float32", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("cupy_on_cpu", "ctx", "precision"), WAYS, indirect=["cupy_on_cpu"],
                         ids=["one", "float16", "two", "mixed"])  # fmt: skip
def test_a_step_is_left_out_or_ends_the_training(cupy_on_cpu, capsys, ctx, precision):
    exact = precision == "float32"  # a scale of the loss that was halved may round the smallest gradients otherwise
    check = np.testing.assert_array_equal if exact else lambda a, b: np.testing.assert_allclose(a, b, 1e-3, 1e-5)

    def compare(found, expected):
        for name, array in {**expected.arg_params, **expected.aux_params}.items():
            check({**found.arg_params, **found.aux_params}[name], array)

    expected = train(X[GOOD], Y[GOOD], ctx, precision=precision)
    lines = capsys.readouterr().out
    found = train(BAD, Y, ctx, on_nan="skip", precision=precision)
    compare(found, expected)
    assert found.skipped_steps == 1
    captured = capsys.readouterr()
    assert "step left out (1 so far): the gradient of key 'conv_weight' at step 3 has" in captured.err
    if exact:
        assert captured.out == lines
        stopped = train(BAD, Y, ctx, on_nan="stop", precision=precision)
        compare(stopped, train(X[:20], Y[:20], ctx, precision=precision))
        assert stopped.num_update == 2
        assert np.isnan(train(BAD, Y, ctx, on_nan="allow").arg_params["conv_weight"]).any()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy stands in for the GPU, and warns of what overflows
@pytest.mark.parametrize("cupy_on_cpu", [1], indirect=True)
def test_what_overflows_in_float16_is_left_out_of_a_store_as_well(cupy_on_cpu, capsys):
    """Compressed gradients go through a store. 4 (p - 1) times 2^16 is above 65504, until the scale has been halved."""
    options = {"precision": "float16", "kvstore": "device", "compression_params": {"type": "bf16"}}
    plain = train(X, Y, mx.gpu(0), grad_scale=4, **options)
    found = train(X, Y, mx.gpu(0), grad_scale=4, on_nan="skip", **options)
    assert plain.skipped_steps == 0 < found.skipped_steps < 5
    assert "step left out (1 so far): the gradient of key" in capsys.readouterr().err
