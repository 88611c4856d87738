"""A training on GPUs that ends in its midst goes on from its snapshot with the same bits."""

import itertools

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.training import script_run


class Killed(Exception):
    pass


def network():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), act_type="relu", name="relu")
    net = mx.sym.Dropout(mx.sym.Flatten(net, name="flat"), p=0.3, name="drop")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Two epochs of five steps, in what is a new process to the snapshots."""
    monkeypatch.setenv("PUSHGRAD_SNAPSHOT_DIR", str(tmp_path / "kept"))
    generator = np.random.default_rng(0)
    data, labels = generator.random((50, 1, 6, 6), np.float32), generator.integers(0, 3, 50).astype(np.float32)
    write = script_run.ScriptRun.write
    monkeypatch.setattr(script_run.ScriptRun, "write", lambda run, work: (write(run, work), run.finish_writing()))

    def run(kill=None, **options):
        monkeypatch.setattr(script_run, "_fits", itertools.count(1))
        monkeypatch.setattr(script_run, "_runs", {})
        mx.random.seed(3)

        def die(param):
            if param.model.num_update == kill:
                raise Killed

        return mx.FeedForward.create(
            network(), data, labels, batch_size=10, num_epoch=2, learning_rate=0.1, momentum=0.9,
            initializer=mx.init.Xavier(), batch_end_callback=[mx.callback.log_train_metric(2), die], **options
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    ("cupy_on_cpu", "ctx", "precision"),
    [
        (1, [mx.gpu(0)], "float32"),
        (1, [mx.gpu(0)], "float16"),
        (2, [mx.gpu(0), mx.gpu(1)], "float32"),
        (1, [mx.gpu(0), mx.cpu()], "float32"),
    ],
    indirect=["cupy_on_cpu"],
    ids=["one", "float16", "two", "mixed"],
)
def test_the_bits_and_lines_of_an_undisturbed_training(cupy_on_cpu, train, capsys, ctx, precision):
    given = {"ctx": ctx, "precision": precision}
    whole = train(**given)
    expected = capsys.readouterr().out.splitlines()
    with pytest.raises(Killed):
        train(kill=8, snapshot="3steps", **given)
    capsys.readouterr()
    model = train(resume="auto", **given)
    for kind in ("arg_params", "aux_params"):
        for name, array in getattr(whole, kind).items():
            assert array.tobytes() == getattr(model, kind)[name].tobytes(), name
    assert capsys.readouterr().out.splitlines() == expected[-3:]  # after step 6: batches 2 and 4, and the epoch's end
