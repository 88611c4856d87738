"""The networks of mx.models: parameter counts against published ones, shapes, and that each learns."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError

IMAGE = (3, 224, 224)

# name, options, shape of one image, parameters; gammas count. The docstrings of the functions name the sources.
COUNTS = [
    ("mlp", {}, (1, 28, 28), 109_386),
    ("lenet", {}, (1, 28, 28), 431_080),
    ("alexnet", {}, IMAGE, 62_378_344),
    ("alexnet", {"towers": 2}, IMAGE, 60_965_224),
    ("vgg11", {}, IMAGE, 132_863_336),
    ("vgg13", {}, IMAGE, 133_047_848),
    ("vgg16", {}, IMAGE, 138_357_544),
    ("vgg16", {"batch_norm": True}, IMAGE, 138_365_992),
    ("vgg19", {}, IMAGE, 143_667_240),
    ("googlenet", {}, IMAGE, 6_998_552),
    ("inception_bn", {}, IMAGE, 11_295_240),
    ("inception_bn_28_small", {}, (3, 28, 28), 1_652_826),
    ("resnet18", {}, IMAGE, 11_689_512),
    ("resnet18", {"version": 2}, IMAGE, 11_687_848),
    ("resnet34", {}, IMAGE, 21_797_672),
    ("resnet50", {}, IMAGE, 25_557_032),
    ("resnet50", {"version": 2}, IMAGE, 25_549_480),
    ("resnet101", {}, IMAGE, 44_549_160),
    ("resnet152", {}, IMAGE, 60_192_808),
    ("resnet20", {"num_classes": 10}, (3, 32, 32), 269_722),
    ("resnet32", {"num_classes": 10}, (3, 28, 28), 464_154),
    ("resnet56", {"num_classes": 10, "version": 2}, (3, 32, 32), 853_018),
    ("mobilenet", {}, IMAGE, 4_231_976),
    ("mobilenet", {"multiplier": 0.5}, IMAGE, 1_331_592),
    ("mobilenet_v2", {}, IMAGE, 3_504_872),
    ("efficientnet_lite0", {}, IMAGE, 4_652_008),
    ("efficientnet_lite1", {}, (3, 240, 240), 5_416_680),
    ("efficientnet_lite2", {}, (3, 260, 260), 6_092_072),
    ("efficientnet_lite3", {}, (3, 280, 280), 8_197_096),
    ("efficientnet_lite4", {}, (3, 300, 300), 13_006_568),
]


def count(symbol, **shapes):
    """Numbers in all arguments that are neither in `shapes` nor labels."""
    arguments, _, _ = symbol.infer_shape(**shapes)
    named = dict(zip(symbol.list_arguments(), arguments, strict=True))
    return sum(math.prod(shape) for name, shape in named.items() if name not in {*shapes, "softmax_label"})


@pytest.mark.parametrize(("name", "options", "image", "expected"), COUNTS)
def test_parameter_counts(name, options, image, expected):
    net = mx.models.get(name, **options)
    assert count(net, data=(2, *image)) == expected
    _, (output,), _ = net.infer_shape(data=(2, *image))
    assert output == (2, options.get("num_classes", 10 if image[0] == 1 or name.endswith("small") else 1000))


def test_every_name_has_its_count_here_and_can_be_built():
    counted = {name.rstrip("0123456789") if name not in mx.models.names() else name for name, *_ in COUNTS}
    assert counted | {"lstm_unroll"} == set(mx.models.names())
    assert set(mx.models.__all__) == {"get", "names", *mx.models.names()}


def test_the_page_has_the_same_counts():
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    written = [(row[0].strip("`"), tuple(map(int, row[2].split(" x "))), int(row[3].replace(" ", ""))) for row in rows]
    assert sorted(written) == sorted((name, image, expected) for name, _, image, expected in COUNTS)


def test_a_network_built_twice_is_the_same_text():
    for name, options in (("resnet20", {}), ("efficientnet_lite0", {}), ("lstm_unroll", {"num_classes": 9})):
        first, second = (json.loads(mx.models.get(name, **options).tojson()) for _ in range(2))
        assert first == second


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: mx.models.get("resnett"), "no model 'resnett'. Did you mean resnet?"),
        (
            lambda: mx.models.get("resnet18", depth=50),
            "model 'resnet18': depth is in the name, and given as 50 as well",
        ),
        (lambda: mx.models.get("lenet5"), "no model 'lenet5'. Did you mean lenet?"),
        (lambda: mx.models.resnet(21), "resnet: depth of a small network: expected 6 n + 2, got 21"),
        (lambda: mx.models.resnet(20, small=False), "resnet: depth: expected 18, 34, 50, 101, 152, got 20"),
        (lambda: mx.models.resnet(18, version=3), "resnet: version: expected 1 or 2, got 3"),
        (lambda: mx.models.vgg(12), "vgg: depth: expected 11, 13, 16, 19, got 12"),
        (lambda: mx.models.alexnet(towers=3), "alexnet: towers: expected 1 or 2, got 3"),
        (lambda: mx.models.mobilenet(multiplier=0), "mobilenet: multiplier"),
        (lambda: mx.models.efficientnet_lite(5), "efficientnet_lite: variant: expected 0 to 4, got 5"),
    ],
)
def test_wrong_input(call, told):
    with pytest.raises(ParameterError, match=r".*") as caught:
        call()
    assert told in str(caught.value)


SMALL = [
    ("mlp", {}, (1, 28, 28)),
    ("lenet", {}, (1, 28, 28)),
    ("googlenet", {"dropout": 0.0}, (3, 64, 64)),
    ("inception_bn", {}, (3, 64, 64)),
    ("inception_bn_28_small", {}, (3, 28, 28)),
    ("resnet18", {}, (3, 32, 32)),
    ("resnet18", {"version": 2}, (3, 32, 32)),
    ("resnet20", {}, (3, 16, 16)),
    ("resnet20", {"version": 2}, (3, 16, 16)),
    ("mobilenet", {"multiplier": 0.5}, (3, 32, 32)),
    ("mobilenet_v2", {"multiplier": 0.5}, (3, 32, 32)),
    ("efficientnet_lite0", {"image_size": 32, "dropout": 0.0}, (3, 32, 32)),
]


def executor_with_weights(net, **shapes):
    """Bound, with weights drawn; no gradient for the inputs."""
    inputs = {*shapes, "softmax_label"}
    requests = {name: "null" if name in inputs else "write" for name in net.list_arguments()}
    executor = net.simple_bind(mx.cpu(), grad_req=requests, **shapes)
    mx.random.seed(0)
    draw = mx.init.Xavier()
    for name, array in {**executor.arg_dict, **executor.aux_dict}.items():
        if name not in inputs:
            array[:] = draw(name, array.shape)
    return executor


def descend(executor, steps, rate, **inputs):
    """Plain gradient descent; the mean -log p of the labels before each step."""
    label = inputs["softmax_label"].astype(int)[..., None]
    losses = []
    for _ in range(steps):
        executor.forward(is_train=True, **inputs)
        executor.backward()
        losses.append(-np.log(np.take_along_axis(executor.outputs[0], label, -1) + 1e-9).mean())
        for name, gradient in executor.grad_dict.items():
            if executor.grad_dict[name] is not None and name not in inputs:
                executor.arg_dict[name] -= rate / label.size * gradient
    return losses


@pytest.mark.parametrize(("name", "options", "image"), SMALL)
def test_each_learns_four_images(name, options, image):
    rng = np.random.default_rng(0)
    executor = executor_with_weights(mx.models.get(name, num_classes=10, **options), data=(4, *image))
    losses = descend(executor, 5, 0.02, data=rng.normal(size=(4, *image)), softmax_label=np.arange(4.0))
    assert np.isfinite(losses).all()
    assert min(losses[2:]) < losses[0] - 0.04


@pytest.mark.parametrize(("name", "options"), [("vgg11", {"batch_norm": True}), ("alexnet", {})])
def test_wide_networks_bind_and_step(name, options):
    """Their fully connected layers are too large to train in a test: the convolutions alone are."""
    net = mx.models.get(name, num_classes=4, **options).get_internals()["flatten_output"]
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=4, name="fc"), name="softmax")
    size = 64 if name == "alexnet" else 32
    executor = executor_with_weights(net, data=(4, 3, size, size))
    inputs = {"data": np.random.default_rng(0).normal(size=(4, 3, size, size)), "softmax_label": np.arange(4.0)}
    losses = descend(executor, 3, 0.02, **inputs)
    assert losses[-1] < losses[0]


def test_lite_pads_as_tensorflow_does_where_it_cannot_be_even():
    """SAME (TensorFlow's rule): out = ceil(in / stride), the odd row of padding below and right."""
    net = mx.models.efficientnet_lite(0)
    widths = {name: a["pad_width"] for name, a in net.attr_dict().items() if "pad_width" in a}
    assert widths == {
        "stem_pad": "(0, 0, 0, 0, 0, 1, 0, 1)",
        "block1_depthwise_pad": "(0, 0, 0, 0, 0, 1, 0, 1)",
        "block3_depthwise_pad": "(0, 0, 0, 0, 1, 2, 1, 2)",
        "block5_depthwise_pad": "(0, 0, 0, 0, 0, 1, 0, 1)",
        "block11_depthwise_pad": "(0, 0, 0, 0, 1, 2, 1, 2)",
    }
    odd = mx.models.efficientnet_lite(1).attr_dict()  # 240 / 16 = 15 pixels: the last stride pads evenly
    assert [name for name, a in odd.items() if name.endswith("_depthwise_conv") and a["stride"] == "(2, 2)"][-1] == (
        "block15_depthwise_conv"
    )
    assert "block15_depthwise_pad" not in odd
    assert odd["block15_depthwise_conv"]["pad"] == "(2, 2)"


def test_inception_bn_has_the_names_of_trained_parameters():
    net = mx.models.inception_bn()
    arguments = set(net.list_arguments())
    assert {
        "conv_1_weight",
        "bn_1_gamma",
        "conv_2_red_bias",
        "conv_3a_3x3_reduce_weight",
        "conv_3c_double_3x3_1_weight",
        "conv_5b_proj_weight",
        "fc1_weight",
    } <= arguments
    assert "ch_concat_3a_chconcat_output" in net.get_internals().list_outputs()


LSTM = {"num_layers": 2, "num_hidden": 6, "num_embed": 5}


def lstm(seq_len, rows=3, **options):
    net = mx.models.lstm_unroll(7, seq_len=seq_len, **{**LSTM, **options})
    states = {f"l{i}_init_{kind}": (rows, LSTM["num_hidden"]) for i in (0, 1) for kind in "hc"}
    return executor_with_weights(net, data=(rows, seq_len), **states), list(states)


def test_lstm_counts_and_outputs():
    net = mx.models.lstm_unroll(7, seq_len=4, **LSTM)
    states = {f"l{i}_init_{kind}": (3, 6) for i in (0, 1) for kind in "hc"}
    gates = 24 * (5 + 1 + 6 + 1) + 24 * (6 + 1 + 6 + 1)
    assert count(net, data=(3, 4), **states) == 7 * 5 + gates + 7 * 6 + 7
    assert net.list_outputs() == ["softmax_output"] + [f"l{i}_last_{k}_output" for i in (0, 1) for k in "hc"]


def test_lstm_follows_its_equations():
    executor, _ = lstm(3)
    tokens = np.array([[0, 1, 2], [3, 3, 3], [6, 5, 4]])
    found = executor.forward(data=tokens)
    p = {name: array.astype(np.float64) for name, array in executor.arg_dict.items()}
    h, c = [np.zeros((3, 6))] * 2, [np.zeros((3, 6))] * 2
    for t in range(3):
        x = p["embed_weight"][tokens[:, t]]
        for i in (0, 1):
            gates = x @ p[f"l{i}_i2h_weight"].T + p[f"l{i}_i2h_bias"] + h[i] @ p[f"l{i}_h2h_weight"].T
            enter, transform, forget, leave = np.split(gates + p[f"l{i}_h2h_bias"], 4, axis=1)
            c[i] = c[i] / (1 + np.exp(-forget)) + np.tanh(transform) / (1 + np.exp(-enter))
            x = h[i] = np.tanh(c[i]) / (1 + np.exp(-leave))
        scores = np.exp(x @ p["cls_weight"].T + p["cls_bias"])
        np.testing.assert_allclose(found[0][:, t], scores / scores.sum(axis=1, keepdims=True), rtol=1e-5)
    for output, state in zip(found[1:], (h[0], c[0], h[1], c[1]), strict=True):
        np.testing.assert_allclose(output, state, rtol=1e-5, atol=1e-6)


def test_lstm_state_carries_over_pieces():
    long, _ = lstm(8)
    short, states = lstm(4)
    tokens = np.random.default_rng(0).integers(0, 7, (3, 8))
    whole = [output.copy() for output in long.forward(data=tokens)]
    first = [output.copy() for output in short.forward(data=tokens[:, :4])]
    second = short.forward(data=tokens[:, 4:], **dict(zip(states, first[1:], strict=True)))
    np.testing.assert_allclose(np.concatenate([first[0], second[0]], axis=1), whole[0], rtol=1e-5)
    for found, expected in zip(second[1:], whole[1:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_lstm_learns():
    executor, _ = lstm(4, dropout=0.1)
    tokens = np.array([[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]])
    losses = descend(executor, 30, 2.0, data=tokens, softmax_label=tokens + 1.0)
    assert losses[-1] < 0.7 * losses[0]
