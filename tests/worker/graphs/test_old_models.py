"""Old graphs that only a model's parameters explain: the convention of pooling, the states of CuDNNBatchNorm."""

import json

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.graphs.old_models import settle_pooling, settle_states, variance


def branches(pool, **options):
    """Half the size two ways, by convolution and by pooling without padding, and both together."""
    data = mx.sym.Variable("data")
    conv = mx.sym.Convolution(data, kernel=(3, 3), stride=(2, 2), pad=(1, 1), num_filter=4, name="conv")
    pooled = pool(data, kernel=(3, 3), stride=(2, 2), **options)
    return mx.sym.FullyConnected(mx.sym.Concat(conv, pooled), num_hidden=2, name="fc")


def as_text(symbol, version, **attrs):
    """The symbol's JSON as if another version had written it."""
    document = json.loads(symbol.tojson())
    document["attrs"] = {"mxnet_version": ["int", version]}
    for node in document["nodes"]:
        node["attrs"] = {key: text for key, text in node.get("attrs", {}).items() if key != "pooling_convention"} | (
            attrs if node["op"] == "Pooling" else {}
        )
    return json.dumps(document)


def conventions(symbol):
    return [node.op.pooling_convention for node in symbol.nodes() if node.op and node.op.op_name() == "Pooling"]


WEIGHTS = {"conv_weight": (4, 3, 3, 3), "conv_bias": (4,), "fc_bias": (2,)}


@pytest.mark.parametrize("shapes", [{}, {"data": (1, 3, 8, 8)}])
@pytest.mark.parametrize("version", [800, 10901])
def test_branches_that_meet_decide(shapes, version):
    """Only rounding up lets both halves of an even picture be of one size, whatever that size is."""
    net = mx.sym.load_json(as_text(branches(mx.sym.Pooling), version))
    assert conventions(net) == ["full" if version == 800 else "valid"]
    settled = settle_pooling(net, {**WEIGHTS, **shapes})
    assert conventions(settled) == ["full"]
    assert settled.list_arguments() == net.list_arguments() and settled.list_outputs() == net.list_outputs()
    assert settled.infer_shape(data=(1, 3, 8, 8))[1] == [(1, 2)]


@pytest.mark.parametrize(("width", "expected"), [(3 * 3, "valid"), (4 * 4, "full")])
def test_the_width_of_a_weight_decides(width, expected):
    net = mx.sym.Pooling(mx.sym.Variable("data"), kernel=(2, 2), stride=(2, 2))
    net = mx.sym.FullyConnected(net, num_hidden=2, name="fc")
    for version in (800, 10901):
        loaded = mx.sym.load_json(as_text(net, version))
        settled = settle_pooling(loaded, {"data": (1, 1, 7, 7), "fc_weight": (2, width)})
        assert conventions(settled) == [expected]


def test_what_cannot_be_decided_stays():
    net = mx.sym.load_json(as_text(branches(mx.sym.Pooling), 10901))
    chain = mx.sym.load_json(as_text(mx.sym.Pooling(mx.sym.Variable("data"), kernel=(2, 2)), 10901))
    assert settle_pooling(chain, {}) is chain  # nothing has to meet
    foreign = {**WEIGHTS, "conv_weight": (4, 3, 5, 5)}
    assert settle_pooling(net, foreign) is net  # fits with neither
    stated = mx.sym.load_json(as_text(branches(mx.sym.Pooling), 10901, pooling_convention="valid"))
    assert settle_pooling(stated, WEIGHTS) is stated  # the file says so
    whole = mx.sym.load_json(as_text(branches(mx.sym.Pooling, global_pool=True), 10901))
    assert settle_pooling(whole, WEIGHTS) is whole


def test_a_guess_is_marked_until_it_is_settled():
    net = mx.sym.load_json(as_text(branches(mx.sym.Pooling, pad=(1, 1)), 800))
    again = mx.sym.load_json(net.tojson())
    assert conventions(again) == ["full"]
    shapes = {**WEIGHTS, "data": (1, 3, 8, 8)}
    settled = settle_pooling(again, shapes)
    assert conventions(settled) == ["valid"]
    assert "__assumed__" in again.tojson() and "__assumed__" not in settled.tojson()


def old_batch_norm():
    nodes = [{"op": "null", "name": name, "inputs": []} for name in ("data", "bn_gamma", "bn_beta")]
    parameters = {"eps": "0.001", "momentum": "0.9"}
    nodes.append({"op": "CuDNNBatchNorm", "name": "bn", "param": parameters, "inputs": [[0, 0], [1, 0], [2, 0]]})
    return mx.sym.load_json(json.dumps({"nodes": nodes, "heads": [[3, 0]]}))


def test_cudnn_batch_norm_becomes_batch_norm():
    net, spread = old_batch_norm(), np.array([0.25, 4, 1e-9], np.float32)
    states = {"bn_moving_mean": np.zeros(3, np.float32), "bn_moving_inv_var": (spread + 1e-3) ** -0.5}
    settled, found = settle_states(net, states)
    assert settled.list_auxiliary_states() == list(found) == ["bn_moving_mean", "bn_moving_var"]
    np.testing.assert_allclose(found["bn_moving_var"], spread, rtol=1e-4, atol=1e-7)
    attributes = settled.attr_dict()["bn"]
    assert attributes == {"eps": "0.001", "momentum": "0.9", "fix_gamma": "False"}
    assert '"CuDNNBatchNorm"' not in settled.tojson()


def test_values_that_are_no_inverse_are_variances():
    large = np.array([0.1, 200], np.float32)
    assert variance(large, 1e-3) is large
    assert variance(np.zeros(2, np.float32), 1e-3).tolist() == [0, 0]
    assert variance(np.zeros(0, np.float32), 1e-3).size == 0


def test_networks_of_today_are_left_alone():
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn")
    states = {"bn_moving_mean": np.zeros(3), "bn_moving_var": np.ones(3)}
    settled, found = settle_states(net, states)
    assert settled is net and found == states


@pytest.mark.parametrize("version", [800, 10901])
def test_loading_a_model_settles_both(tmp_path, version):
    """A checkpoint as cuDNN trained it when pooling rounded up, without a word about that in its graph."""
    net = mx.sym.CuDNNBatchNorm(mx.sym.Variable("data"), name="bn")
    net = branches(lambda data, **options: mx.sym.Pooling(data, name="pool", **options))(data=net)
    shapes = {"bn_gamma": (3,), "bn_beta": (3,), **WEIGHTS}
    weights = {f"arg:{name}": np.ones(shape, np.float32) for name, shape in shapes.items()}
    weights["arg:fc_weight"] = np.ones((2, 7 * 14 * 14), np.float32)  # of pictures of 28 x 28
    states = {"aux:bn_moving_mean": np.zeros(3, np.float32), "aux:bn_moving_inv_var": np.full(3, 0.5, np.float32)}
    (tmp_path / "old-symbol.json").write_text(as_text(net, version))
    mx.nd.save(tmp_path / "old-0039.params", weights | states)
    symbol, _, aux_params = mx.model.load_checkpoint(tmp_path / "old", 39)
    assert conventions(symbol) == ["full"]
    assert list(aux_params) == symbol.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    np.testing.assert_allclose(aux_params["bn_moving_var"], 4 - 1e-3, rtol=1e-5)
