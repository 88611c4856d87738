"""A fit in one process whose updates are rows of the executor's tables ends with the bits of one that announces."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError
from pushgrad.worker.cpu.sum_rows import add_row
from pushgrad.worker.execution import slice_layout, slice_sums
from pushgrad.worker.profiling.spans import recorder
from pushgrad.worker.store.local_store import KVStoreLocal
from pushgrad.worker.training import script_run
from pushgrad.worker.training.capture import Copies

random = np.random.default_rng(0)
X = random.normal(size=(40, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)


def network():
    hidden = mx.sym.Activation(
        mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc1"), act_type="tanh"
    )
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=2, name="fc2"), name="softmax")


def normalised():
    """With a node that couples the rows of the batch, so that steps go through no table of all calls."""
    hidden = mx.sym.BatchNorm(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc1"), name="bn")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=2, name="fc2"), name="softmax")


def fitted(name="sgd", x=X, epochs=3, fit=None, network=network, **options):
    mx.random.seed(3)
    common = {"num_epoch": epochs, "optimizer": name, "batch_size": 10, "learning_rate": 0.05, "wd": 0.001, "slices": 2}
    model = mx.FeedForward(network(), **common | options)
    return model.fit(x, Y, shuffle=False, verbose=False, **fit or {})


def bits(model):
    arrays = dict(model.arg_params)
    arrays |= {f"{name}:{state}": a for name, slots in model.optimizer_states.items() for state, a in slots.items()}
    return {name: array.tobytes() for name, array in arrays.items()}


@pytest.fixture
def pushed(monkeypatch):
    """The names of the keys that Python has pushed."""
    names, push = [], KVStoreLocal.push_gradient
    monkeypatch.setattr(
        KVStoreLocal, "push_gradient", lambda self, key, *more: (names.append(key), push(self, key, *more))[1]
    )
    return names


OPTIMIZERS = [("sgd", {}), ("sgd", {"momentum": 0.9}), ("nag", {"momentum": 0.9}), ("adam", {}), ("adamw", {})]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_updates_by_rows(name, options, monkeypatch, pushed):
    options = options | {"lr_scheduler": mx.lr_scheduler.FactorScheduler(3, 0.5)}
    walked = fitted(name, **options)
    assert not pushed
    monkeypatch.setattr(recorder, "on", True)
    called = fitted(name, **options)
    monkeypatch.setattr(recorder, "on", False)
    recorder.spans.clear()
    assert len(pushed) == 4 * 12  # keys and steps
    assert bits(walked) == bits(called)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_updates_by_rows_where_slices_meet(name, options, monkeypatch, pushed):
    walked = fitted(name, network=normalised, **options)
    assert not pushed
    monkeypatch.setattr(recorder, "on", True)
    called = fitted(name, network=normalised, **options)
    monkeypatch.setattr(recorder, "on", False)
    recorder.spans.clear()
    assert len(pushed) == 6 * 12  # keys and steps
    assert bits(walked) == bits(called)


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(slice_layout, "WORK_OF_ONE_COMPILED", 0)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_threads_share_updates_out(name, options, monkeypatch, pushed, two_threads):
    """The same bits as on one thread, however a gradient is cut into parts."""
    shared = fitted(name, slices=3, **options)
    monkeypatch.setattr(slice_sums, "PART", 16)
    cut = fitted(name, slices=3, **options)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = fitted(name, slices=3, **options)
    assert not pushed
    assert bits(shared) == bits(cut) == bits(alone)


def test_each_part_of_a_gradient_is_shared_out_once(monkeypatch, two_threads):
    monkeypatch.setattr(slice_sums, "PART", 16)
    bound = network().simple_bind(mx.cpu(), slices=2, data=(10, 6))
    seen = {name: np.zeros(array.size) for name, array in bound.grad_dict.items() if array is not None}

    def rows(name, gradient, part):
        seen[name][part] += 1
        return [add_row(gradient.reshape(-1)[part], gradient.reshape(-1)[part])]

    alone = network().simple_bind(mx.cpu(), slices=2, data=(10, 6))
    for one in (bound, alone):
        for number, array in enumerate(one.arg_arrays):
            array[...] = np.random.default_rng(number).normal(size=array.shape)
        one.arg_dict["softmax_label"][...] = 1
    bound.finish_by(rows)
    for one in (bound, alone):
        one.forward_backward()
    assert bound.threads == 2
    for name, counts in seen.items():
        assert (counts == 1).all(), name
        np.testing.assert_array_equal(bound.grad_dict[name], 2 * alone.grad_dict[name], err_msg=name)


@pytest.mark.parametrize("network", [network, normalised])
def test_a_bad_part_changes_no_parameter_on_several_threads(network, monkeypatch, two_threads):
    """Whichever thread finds it first."""
    monkeypatch.setattr(slice_sums, "PART", 16)
    x = X.copy()
    x[5, 0] = 3e38  # 3e38 * 0 in the gradient of the first layer
    x[5, 1] = np.inf
    for _ in range(20):
        mx.random.seed(3)
        model = mx.FeedForward(network(), num_epoch=1, batch_size=10, slices=2, initializer=mx.init.One())
        with pytest.raises(DataError, match="at step 1"):
            model.fit(x, Y, shuffle=False, verbose=False)
        for name, array in model.arg_params.items():
            if name.endswith("weight"):
                np.testing.assert_array_equal(array, np.ones_like(array), err_msg=name)


@pytest.mark.parametrize("network", [network, normalised])
def test_a_bad_gradient_is_refused_wherever_slices_meet(network):
    x = X.copy()
    x[17, 2] = np.nan
    with pytest.raises(DataError, match="NaN"):
        fitted(x=x, network=network)


def test_other_optimizers_are_announced_to(pushed):
    assert fitted("rmsprop").num_update == 12 and len(pushed) == 4 * 12


def test_steps_in_a_profile_and_others_take_turns(monkeypatch, pushed):
    """The count of updates, on which adam's rate depends, goes on whoever made them."""

    def switch(param):
        recorder.on = param.nbatch % 2 == 1

    monkeypatch.setattr(recorder, "on", False)
    mx.random.seed(3)
    common = {"num_epoch": 3, "optimizer": "adam", "batch_size": 10, "learning_rate": 0.05, "wd": 0.001, "slices": 2}
    model = mx.FeedForward(network(), **common).fit(X, Y, shuffle=False, verbose=False, batch_end_callback=switch)
    recorder.on = False
    recorder.spans.clear()
    assert 0 < len(pushed) < 4 * 12
    assert bits(model) == bits(fitted("adam"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_gradient_names_key_and_step(bad):
    x = X.copy()
    x[25] = bad
    with pytest.raises(DataError, match=r"gradient of key 'fc\d_\w+' at step 3 has NaN"):
        fitted(x=x)


def test_a_bad_gradient_changes_no_weight():
    """Of the key that it belongs to; as when gradients are announced, keys behind it may have been updated."""
    x = X.copy()
    x[5, 0] = 3e38  # the first layer's gradient overflows, and tanh has no slope there: 3e38 * 0
    x[5, 1] = np.inf
    mx.random.seed(3)
    model = mx.FeedForward(network(), num_epoch=1, batch_size=10, initializer=mx.init.One())
    with pytest.raises(DataError, match="at step 1"):
        model.fit(x, Y, shuffle=False, verbose=False)
    np.testing.assert_array_equal(model.arg_params["fc1_weight"], np.ones((5, 6)))


def test_what_a_snapshot_holds_is_copied_before_it_is_updated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Every snapshot is written before the next step: otherwise it depends on the disk at which steps there is one.
    write = script_run.ScriptRun.write
    monkeypatch.setattr(script_run.ScriptRun, "write", lambda run, work: (write(run, work), run.finish_writing()))
    step, asked, before = [1], [], Copies.before
    monkeypatch.setattr(Copies, "before", lambda self, key: (asked.append((step[0], key)), before(self, key)))

    def count(param):
        step[0] += 1

    kept = fitted(epochs=2, momentum=0.9, fit={"snapshot": "3steps", "batch_end_callback": count})
    assert bits(kept) == bits(fitted(epochs=2, momentum=0.9))
    # In any order: threads share the updates out.
    assert sorted(asked) == [(n, key) for n in (4, 7) for key in ("fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight")]
