"""Embeddings whose tables stay in the store while they are trained."""

import json
import zlib

import numpy as np
import pytest
from long_after import long_after

import pushgrad as mx
from pushgrad.worker.training.sparse_embeddings import find_lookups

VOCABULARY, LENGTH = 12, 5


def words():
    """Sentences in which every word occurs in each batch of 12, some twice, and whether they hold more even ones."""
    random = np.random.default_rng(4)
    X = np.stack([random.permutation(VOCABULARY)[:LENGTH] for _ in range(48)]).astype(np.float32)
    X[::12, :] = np.arange(LENGTH)
    X[1::12, :] = np.arange(LENGTH, 2 * LENGTH)
    X[2::12, :] = VOCABULARY - 1 - np.arange(LENGTH) % 2
    return X, ((X % 2 == 0).sum(axis=1) > LENGTH / 2).astype(np.float32)


def network(sparse, weight=None):
    data = mx.sym.Variable("data")
    table = {"weight": weight} if weight is not None else {}
    net = mx.sym.Embedding(data, input_dim=VOCABULARY, output_dim=3, sparse_grad=sparse, name="words", **table)
    net = mx.sym.FullyConnected(net, num_hidden=2, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def train(sparse, **options):
    X, y = words()
    mx.random.seed(7)
    defaults = {"num_epoch": 3, "batch_size": 12, "learning_rate": 0.2, "momentum": 0.9, "wd": 0.01, "shuffle": False}
    return mx.FeedForward.create(
        network(sparse), X, y, **{**defaults, "initializer": mx.init.Uniform(0.5), "verbose": False, **options}
    )


@pytest.mark.parametrize("slices", [1, 2, 4])
def test_rows_that_all_take_part_get_the_bits_of_the_dense_path(slices):
    X, y = words()
    assert all(set(X[i : i + 12].ravel()) == set(range(VOCABULARY)) for i in range(0, 48, 12))
    by_rows, whole = (train(sparse, slices=slices, eval_data=(X, y)) for sparse in (True, False))
    for name, array in whole.arg_params.items():
        np.testing.assert_array_equal(by_rows.arg_params[name], array)
        np.testing.assert_array_equal(by_rows.optimizer_states[name]["mom"], whole.optimizer_states[name]["mom"])
    np.testing.assert_array_equal(by_rows.predict(X), whole.predict(X))
    assert by_rows.score(X, y) == whole.score(X, y) > 0.7


def test_rows_that_no_example_looks_up_stay_as_they_were_drawn():
    X, y = words()
    keep = (X < 8).all(axis=1)
    mx.random.seed(7)
    model = mx.FeedForward.create(
        network(True), X[keep], y[keep], num_epoch=2, batch_size=int(keep.sum()), learning_rate=0.1, wd=0.1,
        momentum=0.9, initializer=mx.init.One(), verbose=False,
    )  # fmt: skip
    np.testing.assert_array_equal(model.arg_params["words_weight"][8:], 1.0)
    assert (model.arg_params["words_weight"][:8] != 1.0).all()


def test_training_goes_on_from_a_checkpoint(tmp_path):
    train(True, num_epoch=1).save(str(tmp_path / "net"))
    again = mx.FeedForward.load(
        str(tmp_path / "net"), 1, num_epoch=3, batch_size=12, learning_rate=0.2, momentum=0.9, wd=0.01
    )
    X, y = words()
    again.fit(X, y, shuffle=False, verbose=False)
    np.testing.assert_array_equal(again.arg_params["words_weight"], train(True).arg_params["words_weight"])


def test_an_id_outside_of_the_table():
    X, y = words()
    X[5, 2] = VOCABULARY
    with pytest.raises(mx.PushgradError, match=r"Embedding: data: row 5.*0 to 11.*got 12"):
        mx.FeedForward.create(network(True), X, y, num_epoch=1, batch_size=12, shuffle=False, verbose=False)


def test_tables_that_cannot_stay_in_the_store_are_learned_whole():
    table = mx.sym.Variable("table")
    shared = network(True, weight=table)
    both = mx.sym.Group([shared, mx.sym.BlockGrad(table)])
    assert find_lookups(shared, ["data"], ["table"])
    assert not find_lookups(both, ["data"], ["table"])  # somebody else reads it
    assert not find_lookups(shared, ["data"], [])  # it is fixed
    assert not find_lookups(shared, [], ["table"])  # the ids are computed
    assert not find_lookups(network(False), ["data"], ["words_weight"])


def test_two_tables_beside_each_other():
    X, y = words()
    one = mx.sym.Embedding(
        mx.sym.Variable("data"), mx.sym.Variable("left"), input_dim=VOCABULARY, output_dim=3, sparse_grad=True
    )
    other = one(left=mx.sym.Variable("right"))  # the same operator, on another table
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(one * other, num_hidden=2), name="softmax")
    start = {name: np.full((VOCABULARY, 3), value, np.float32) for name, value in (("left", 0.5), ("right", 0.25))}
    trained = mx.FeedForward.create(
        net, X, y, num_epoch=1, batch_size=12, learning_rate=0.1, arg_params=start, verbose=False
    ).arg_params
    assert (trained["left"] != 0.5).any() and (trained["right"] != 0.25).any()
    assert not np.array_equal(trained["left"] - 0.5, trained["right"] - 0.25)


JOB = """
    import json, zlib
    import numpy as np
    import pushgrad as mx

    X, y = (np.array(value, np.float32) for value in json.loads('''DATA'''))
    data = mx.sym.Variable("data")
    net = mx.sym.Embedding(data, input_dim=12, output_dim=3, sparse_grad=True, name="words")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=2, name="fc"), name="softmax")
    mx.random.seed(7)
    model = mx.FeedForward.create(
        net, X, y, num_epoch=3, batch_size=12, learning_rate=0.2, momentum=0.9, wd=0.01, shuffle=False, slices=4,
        initializer=mx.init.Uniform(0.5), eval_data=(X, y), verbose=False,
    )
    print(json.dumps({name: zlib.crc32(array.tobytes()) for name, array in model.arg_params.items()}))
"""


@pytest.mark.parametrize(("workers", "servers", "ipc"), long_after(1, [(2, 1, True), (4, 2, False)]))
def test_a_job_has_the_bits_of_one_process(new_job, workers, servers, ipc):
    X, y = words()
    script = JOB.replace("DATA", json.dumps([X.tolist(), y.tolist()]))
    job = new_job(workers, servers, ipc=ipc).start(script)
    job.succeed()
    expected = {name: zlib.crc32(array.tobytes()) for name, array in train(True, slices=4).arg_params.items()}
    for rank in range(workers):
        assert json.loads(job.out(f"worker{rank}")) == expected
