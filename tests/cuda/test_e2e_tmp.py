import numpy as np
import pytest

import pushgrad as mx


def lenet():
    data = mx.sym.Variable("data")
    c1 = mx.sym.Convolution(data, kernel=(3, 3), num_filter=4, name="c1")
    t1 = mx.sym.Activation(c1, act_type="tanh")
    p1 = mx.sym.Pooling(t1, pool_type="max", kernel=(2, 2), stride=(2, 2))
    f = mx.sym.Flatten(p1)
    d = mx.sym.Dropout(f, p=0.3, name="drop")
    f1 = mx.sym.Activation(mx.sym.FullyConnected(d, num_hidden=16, name="f1"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(f1, num_hidden=3, name="f2"), name="softmax")


def bn():
    data = mx.sym.Variable("data")
    c1 = mx.sym.Convolution(data, kernel=(3, 3), num_filter=4, name="c1")
    t1 = mx.sym.Activation(mx.sym.BatchNorm(c1, fix_gamma=False, name="bn"), act_type="relu")
    f1 = mx.sym.FullyConnected(mx.sym.Flatten(t1), num_hidden=3, name="f1")
    return mx.sym.SoftmaxOutput(f1, name="softmax", normalization="valid")


def train(net, ctx, **kw):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 1, 10, 10)).astype(np.float32)
    y = (X.sum((1, 2, 3)) > 0).astype(np.float32) + (X[:, 0, 0, 0] > 0)
    mx.random.seed(3)
    lines = []
    m = mx.FeedForward.create(
        net,
        X,
        y,
        ctx=ctx,
        num_epoch=3,
        batch_size=20,
        learning_rate=0.1,
        momentum=0.9,
        wd=1e-3,
        initializer=mx.init.Xavier(),
        eval_data=(X, y),
        eval_metric=["accuracy", "ce"],
        verbose=True,
        slices=1,
        **kw,
    )
    return m, m.predict(X)


@pytest.mark.parametrize("cupy_on_cpu", [2], indirect=True)
@pytest.mark.parametrize("make", [lenet, bn])
def test_fit(cupy_on_cpu, make, capsys):
    a, pa = train(make(), mx.cpu())
    out_a = capsys.readouterr().out
    b, pb = train(make(), mx.gpu(0))
    out_b = capsys.readouterr().out
    print(out_a, out_b)
    for n in a.arg_params:
        np.testing.assert_allclose(b.arg_params[n], a.arg_params[n], rtol=1e-4, atol=1e-5, err_msg=n)
    for n in a.aux_params:
        np.testing.assert_allclose(b.aux_params[n], a.aux_params[n], rtol=1e-4, atol=1e-5, err_msg=n)
    np.testing.assert_allclose(pb, pa, rtol=1e-4, atol=1e-5)
    assert [l.split("=")[0] for l in out_a.splitlines()] == [l.split("=")[0] for l in out_b.splitlines()]


@pytest.mark.parametrize("cupy_on_cpu", [2], indirect=True)
def test_two(cupy_on_cpu):
    a, pa = train(lenet(), mx.cpu())
    b, pb = train(lenet(), [mx.gpu(0), mx.gpu(1)], work_load_list=[1, 3])
    for n in a.arg_params:
        np.testing.assert_allclose(b.arg_params[n], a.arg_params[n], rtol=1e-4, atol=1e-5, err_msg=n)
    np.testing.assert_allclose(pb, pa, rtol=1e-4, atol=1e-5)
