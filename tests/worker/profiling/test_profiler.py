"""Profiles: what is counted, the table, and the trace."""

import json

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker.profiling.spans import recorder

CONVOLUTION = 2 * (8 * 4 * 6 * 6) * (2 * 3 * 3)  # multiplications and additions: 4 filters of 2x3x3 on 6x6 places


def executor():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, name="bn"), act_type="tanh", name="act")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")
    return net.simple_bind(data=(8, 2, 8, 8), grad_req={"conv_weight": "write", "fc_weight": "write"}, slices=2)


def test_every_node_is_counted_once_a_pass_and_slice():
    bound = executor()
    with mx.profiler.profile() as profile:
        bound.forward_backward()
    bound.forward_backward()  # not recorded
    lines = {(line.operator, line.phase): line for line in profile.lines()}
    assert lines["Convolution", "forward"].calls == 2
    assert lines["Convolution", "forward"].work == CONVOLUTION
    assert lines["Convolution", "backward"].work == CONVOLUTION  # of the weights alone: the input wants no gradient
    assert lines["FullyConnected", "backward"].work == 2 * lines["FullyConnected", "forward"].work
    assert {op for op, _ in lines} == {"Convolution", "BatchNorm", "Activation", "FullyConnected", "SoftmaxOutput"}
    assert all(line.seconds > 0 for line in lines.values())


def test_a_chain_that_runs_as_one_kernel_is_one_line():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    bound = mx.sym.Activation(net, act_type="tanh", name="act").simple_bind(data=(8, 2, 8, 8))
    with mx.profiler.profile() as profile:
        bound.forward()
    (line,) = profile.lines()
    assert (line.operator, line.work) == ("Convolution+Activation", CONVOLUTION)


def test_the_table_has_a_row_for_each_line():
    bound = executor()
    with mx.profiler.profile() as profile:
        bound.forward_backward()
    text = str(profile)
    assert text.count("forward") == text.count("backward") == 5
    assert "GFLOP/s" in text


def test_a_fit_shows_updates(tmp_path):
    X, y = np.eye(4, dtype=np.float32).repeat(4, 0), np.arange(4, dtype=np.float32).repeat(4)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"), name="softmax")
    with mx.profiler.profile(tmp_path / "trace.json"):
        mx.FeedForward.create(net, X, y, num_epoch=1, batch_size=8, slices=1, verbose=False)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = [event["name"] for event in events]
    assert names.count("update fc_weight") == names.count("forward fc") == 2
    assert all(event["dur"] > 0 for event in events if event["ph"] == "X")


def test_the_words_of_mxnet(tmp_path):
    path = tmp_path / "profile.json"
    mx.profiler.set_config(filename=str(path), profile_all=True)
    mx.profiler.set_state("run")
    executor().forward()
    mx.profiler.dump()
    assert "Convolution" in mx.profiler.dumps()
    assert any(event.get("cat") == "Convolution" for event in json.loads(path.read_text())["traceEvents"])


def test_wrong_words():
    with pytest.raises(ParameterError, match="filname"):
        mx.profiler.set_config(filname="x")
    with pytest.raises(ParameterError, match="run or stop"):
        mx.profiler.set_state("go")


def test_one_profile_at_a_time_and_an_error_ends_it():
    with pytest.raises(ZeroDivisionError), mx.profiler.profile():
        with pytest.raises(ParameterError, match="already"):
            mx.profiler.set_state("run")
        raise ZeroDivisionError
    assert not recorder.on
