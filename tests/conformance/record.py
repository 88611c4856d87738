"""Record what MXNet 1.9.1 computes: python record.py, in an environment with mxnet==1.9.1 and numpy<1.24.

Writes cases.json (symbols as MXNet's JSON, names, shapes) and arrays.npz (one vector: inputs, head gradients, outputs
and gradients of all cases, one after the other) beside itself. The tests only read these files.
"""

import json
from pathlib import Path

import mxnet as mx
import numpy as np

HERE = Path(__file__).parent
RANDOM = np.random.RandomState(7)
S = mx.sym
DATA, OTHER = S.Variable("data"), S.Variable("other")


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def positive(*shape):
    return RANDOM.uniform(0.5, 2, shape).astype(np.float32)


def classes(number, *shape):
    return RANDOM.randint(0, number, shape).astype(np.float32)


def distinct(*shape):
    return RANDOM.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) / 8


def simple_cases():
    image = normal(2, 4, 7, 8)
    for i, options in enumerate(
        [
            {"kernel": (3, 3)},
            {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 2)},
            {"kernel": (2, 2), "dilate": (2, 3), "no_bias": True},
            {"kernel": (3, 3), "num_group": 2, "pad": (1, 1)},
        ]
    ):
        yield f"convolution{i}", S.Convolution(DATA, num_filter=4, name="conv", **options), {"data": image}
    yield (
        "convolution_1d",
        S.Convolution(DATA, num_filter=3, kernel=(3,), stride=(2,), pad=(1,), name="conv"),
        {"data": normal(2, 2, 9)},
    )
    yield "fc", S.FullyConnected(DATA, num_hidden=5, name="fc"), {"data": normal(3, 2, 4)}
    yield (
        "fc_last_axis",
        S.FullyConnected(DATA, num_hidden=5, flatten=False, no_bias=True, name="fc"),
        {"data": normal(3, 2, 4)},
    )
    for act_type in ("relu", "sigmoid", "tanh", "softrelu", "softsign"):
        yield f"activation_{act_type}", S.Activation(DATA, act_type=act_type), {"data": normal(3, 4) * 3}
    yield "flatten", S.Flatten(DATA), {"data": normal(2, 3, 2)}
    yield "blockgrad", S.BlockGrad(DATA) * OTHER, {"data": normal(2, 3), "other": normal(2, 3)}
    yield "identity", S.identity(DATA), {"data": normal(2, 3)}
    for i, (shape, reverse) in enumerate([((0, -1), 0), ((-3, 0, -4, 2, -1), 0), ((-1, 0), 1), ((-2, 1), 0)]):
        yield f"reshape{i}", S.Reshape(DATA, shape=shape, reverse=bool(reverse)), {"data": normal(2, 3, 4, 6)}
    for dim in (0, 1, -1):
        shapes = [[2, 3, 2], [2, 3, 2]]
        shapes[1][dim] = 4
        yield f"concat{dim}", S.Concat(DATA, OTHER, dim=dim), {"data": normal(*shapes[0]), "other": normal(*shapes[1])}


def pooling_cases():
    for pool_type in ("max", "avg", "sum"):
        for convention in ("valid", "full"):
            symbol = S.Pooling(
                DATA, kernel=(3, 2), stride=(2, 2), pad=(1, 0), pool_type=pool_type, pooling_convention=convention
            )
            yield f"pooling_{pool_type}_{convention}", symbol, {"data": distinct(2, 2, 6, 7)}
        yield (
            f"pooling_{pool_type}_global",
            S.Pooling(DATA, global_pool=True, pool_type=pool_type),
            {"data": distinct(2, 2, 3, 4)},
        )
    inside = S.Pooling(DATA, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False)
    yield "pooling_avg_inside", inside, {"data": distinct(2, 2, 6, 7)}
    yield "pooling_ties", S.Pooling(DATA, kernel=(2, 2)), {"data": np.ones((1, 1, 3, 3), np.float32)}


def arithmetic_cases():
    both = {"data": positive(2, 3), "other": positive(2, 3)}
    for name, symbol in [
        ("plus", DATA + OTHER),
        ("minus", DATA - OTHER),
        ("mul", DATA * OTHER),
        ("div", DATA / OTHER),
        ("power", DATA**OTHER),
        ("square_by_hand", DATA * DATA + OTHER),
    ]:
        yield name, symbol, both
    one = {"data": positive(2, 3)}
    for name, symbol in [
        ("plus_scalar", DATA + 1.5),
        ("minus_scalar", DATA - 1.5),
        ("rminus_scalar", 1.5 - DATA),
        ("mul_scalar", DATA * 1.5),
        ("div_scalar", DATA / 1.5),
        ("rdiv_scalar", 1.5 / DATA),
        ("power_scalar", DATA**1.5),
        ("rpower_scalar", 1.5**DATA),
        ("negative", -DATA),
    ]:
        yield name, symbol, one


def loss_cases():
    for normalization in ("null", "batch", "valid"):
        for use_ignore in (False, True):
            options = {
                "normalization": normalization,
                "use_ignore": use_ignore,
                "ignore_label": 1,
                "grad_scale": 2,
                "name": "s",
            }
            tail = f"{normalization}_{int(use_ignore)}"
            yield f"softmax_{tail}", S.SoftmaxOutput(DATA, **options), {"data": normal(4, 3), "s_label": classes(3, 4)}
            multi = S.SoftmaxOutput(DATA, multi_output=True, **options)
            yield f"softmax_multi_{tail}", multi, {"data": normal(2, 3, 2, 2), "s_label": classes(3, 2, 4)}
            kept = S.SoftmaxOutput(DATA, preserve_shape=True, **options)
            yield f"softmax_kept_{tail}", kept, {"data": normal(2, 2, 3), "s_label": classes(3, 2, 2)}
    label = {"data": normal(4, 3), "s_label": classes(3, 4)}
    yield "softmax_smooth", S.SoftmaxOutput(DATA, smooth_alpha=0.1, name="s"), label
    shares = RANDOM.dirichlet(np.ones(3), 4).astype(np.float32)
    share = {"data": normal(4, 3), "s_label": shares}
    yield "softmax_probabilities", S.SoftmaxOutput(DATA, normalization="batch", grad_scale=2, name="s"), share
    for kind in ("Linear", "Logistic", "MAE"):
        operator = getattr(S, f"{kind}RegressionOutput")
        for shape, label_shape in (((4, 1), (4,)), ((4, 3), (4, 3)), ((2, 2, 3), (2, 2, 3))):
            inputs = {"data": normal(*shape), "s_label": positive(*label_shape)}
            yield f"{kind}_{len(shape)}_{shape[1]}", operator(DATA, grad_scale=0.5, name="s"), inputs
    yield "MAE_ties", S.MAERegressionOutput(DATA, name="s"), {"data": np.ones(3, np.float32), "s_label": classes(2, 3)}


def network_cases():
    net = S.Convolution(DATA, kernel=(3, 3), num_filter=3, name="conv1")
    net = S.Pooling(S.Activation(net, act_type="tanh"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    side = S.Pooling(net, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type="avg")
    net = S.Flatten(S.Concat(net, side * 0.5))
    net = S.FullyConnected(S.Activation(S.FullyConnected(net, num_hidden=6), act_type="relu"), num_hidden=4, name="fc2")
    inputs = {"data": normal(5, 1, 8, 8), "softmax_label": classes(4, 5)}
    yield "network", S.SoftmaxOutput(net, name="softmax"), inputs


def record(symbol, given):
    """Names and shapes, and the arrays of one forward and backward pass with random parameters and head gradients."""
    shapes, out_shapes, _ = symbol.infer_shape(**{name: array.shape for name, array in given.items()})
    names = symbol.list_arguments()
    inputs = {name: given.get(name, normal(*shape)) for name, shape in zip(names, shapes, strict=False)}
    heads = [normal(*shape) for shape in out_shapes]
    arrays = {name: mx.nd.array(array) for name, array in inputs.items()}
    grads = {name: mx.nd.zeros(array.shape) for name, array in inputs.items()}
    executor = symbol.bind(mx.cpu(), arrays, grads)
    executor.forward(is_train=True)
    outputs = [array.asnumpy() for array in executor.outputs]
    executor.backward([mx.nd.array(head) for head in heads])
    facts = {
        "symbol": json.dumps(json.loads(symbol.tojson()), separators=(",", ":")),
        "arguments": {name: list(shape) for name, shape in zip(names, shapes, strict=False)},
        "outputs": symbol.list_outputs(),
        "internals": symbol.get_internals().list_outputs(),
        "given": list(given),
    }
    found = [("input", name, array) for name, array in inputs.items()]
    found += [("gradient", name, array.asnumpy()) for name, array in grads.items()]
    found += [("head", i, array) for i, array in enumerate(heads)]
    found += [("output", i, array) for i, array in enumerate(outputs)]
    facts["arrays"] = [(kind, name, array.shape) for kind, name, array in found]
    return facts, [array.ravel() for _, _, array in found]


def main():
    cases, arrays = {}, []
    for family in (simple_cases, pooling_cases, arithmetic_cases, loss_cases, network_cases):
        for name, symbol, given in family():
            cases[name], found = record(symbol, given)
            arrays += found
    (HERE / "cases.json").write_text(json.dumps(cases, separators=(",", ":")))
    np.savez_compressed(HERE / "arrays.npz", numbers=np.concatenate(arrays))
    print(f"{len(cases)} cases of MXNet {mx.__version__}")


if __name__ == "__main__":
    main()
