"""Losses: operators whose gradient comes from a label."""

import mxnet as mx
import numpy as np
from draws import RANDOM, classes, normal, positive

S = mx.sym
DATA = S.Variable("data")


def softmax_output():
    for normalization in ("null", "batch", "valid"):
        for use_ignore in (False, True):
            options = {"normalization": normalization, "use_ignore": use_ignore, "ignore_label": 1}
            options |= {"grad_scale": 2, "name": "s"}
            tail = f"{normalization}_{int(use_ignore)}"
            flat = S.SoftmaxOutput(DATA, **options)
            yield f"softmaxoutput_{tail}", flat, {"data": normal(4, 3), "s_label": classes(3, 4)}
            multi = S.SoftmaxOutput(DATA, multi_output=True, **options)
            yield f"softmaxoutput_multi_{tail}", multi, {"data": normal(2, 3, 2, 2), "s_label": classes(3, 2, 4)}
            kept = S.SoftmaxOutput(DATA, preserve_shape=True, **options)
            yield f"softmaxoutput_kept_{tail}", kept, {"data": normal(2, 2, 3), "s_label": classes(3, 2, 2)}
    label = {"data": normal(4, 3), "s_label": classes(3, 4)}
    yield "softmaxoutput_smooth", S.SoftmaxOutput(DATA, smooth_alpha=0.1, name="s"), label
    shares = RANDOM.dirichlet(np.ones(3), 4).astype(np.float32)
    share = {"data": normal(4, 3), "s_label": shares}
    yield "softmaxoutput_probabilities", S.SoftmaxOutput(DATA, normalization="batch", grad_scale=2, name="s"), share
    ignored = {"data": normal(3, 4), "s_label": np.array([-1, 2, -1], np.float32)}
    default = S.SoftmaxOutput(DATA, use_ignore=True, normalization="valid", name="s")
    yield "softmaxoutput_default_ignored", default, ignored
    smooth = S.SoftmaxOutput(DATA, use_ignore=True, smooth_alpha=0.2, grad_scale=0.5, name="s")
    yield "softmaxoutput_smooth_ignored", smooth, ignored


def regressions():
    for kind in ("Linear", "Logistic", "MAE"):
        operator = getattr(S, f"{kind}RegressionOutput")
        for shape, label_shape in (((4, 1), (4,)), ((4, 3), (4, 3)), ((2, 2, 3), (2, 2, 3))):
            inputs = {"data": normal(*shape), "s_label": positive(*label_shape)}
            yield f"{kind}_{len(shape)}_{shape[1]}", operator(DATA, grad_scale=0.5, name="s"), inputs
    yield "MAE_ties", S.MAERegressionOutput(DATA, name="s"), {"data": np.ones(3, np.float32), "s_label": classes(2, 3)}


def make_loss():
    numbers = {"data": positive(4, 3) - 1}
    for normalization in ("null", "batch", "valid"):
        options = {"normalization": normalization, "grad_scale": 2}
        yield f"makeloss_{normalization}", S.MakeLoss(S.square(DATA), **options), numbers
    yield "makeloss_threshold", S.MakeLoss(S.square(DATA), normalization="valid", valid_thresh=0.2), numbers
    head = S.Variable("label")
    by_hand = S.MakeLoss(0 - S.sum(head * S.log_softmax(DATA), axis=1), name="loss")
    inputs = {"data": normal(3, 4), "label": np.eye(4, dtype=np.float32)[[0, 2, 3]]}
    yield "makeloss_cross_entropy", S.Group([by_hand, S.BlockGrad(S.softmax(DATA))]), inputs


def svm_output():
    for linear in (False, True):
        inputs = {"data": normal(4, 3) * 2, "s_label": classes(3, 4)}
        yield f"svmoutput_{int(linear)}", S.SVMOutput(DATA, use_linear=linear, name="s"), inputs
        options = {"margin": 0.3, "regularization_coefficient": 0.7, "use_linear": linear, "name": "s"}
        yield f"svmoutput_options_{int(linear)}", S.SVMOutput(DATA, **options), inputs


def several():
    first = S.SoftmaxOutput(S.FullyConnected(DATA, num_hidden=3, name="a"), name="s")
    second = S.LinearRegressionOutput(S.FullyConnected(DATA, num_hidden=2, name="b"), name="t")
    inputs = {"data": normal(4, 2), "s_label": classes(3, 4), "t_label": normal(4, 2)}
    yield "two_losses", S.Group([first, second]), inputs


FAMILIES = (softmax_output, regressions, make_loss, svm_output, several)
