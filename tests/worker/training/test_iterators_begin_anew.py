"""fit, predict, score and evaluation begin at an iterator's beginning, as in MXNet: mxnet#1917, #9912, #8370."""

import numpy as np
import pytest

import pushgrad as mx

ROWS = 60
X = np.random.default_rng(0).standard_normal((ROWS, 4)).astype(np.float32)
Y = (np.arange(ROWS) % 3).astype(np.float32)
OPTIONS = {"batch_size": 20, "num_epoch": 2, "learning_rate": 0.1}


def network():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def iterator(**options):
    return mx.io.NDArrayIter(X, Y, batch_size=20, **options)


@pytest.fixture
def model():
    mx.random.seed(1)
    return mx.FeedForward.create(network(), X, Y, verbose=False, **OPTIONS)


def test_one_iterator_for_evaluation_score_and_predict(model):
    it = iterator()
    logger = mx.callback.Logger()
    mx.FeedForward(network(), **OPTIONS).fit(
        X, Y, eval_data=it, epoch_end_callback=mx.callback.log_train_metric(99, logger), verbose=False
    )
    assert len(logger.eval) == 2 and all(np.isfinite(value) for _, value in logger.eval)
    expected = model.score(X, Y)
    assert model.score(it) == expected == model.score(it)
    assert np.array_equal(model.predict(it), model.predict(X))
    assert np.array_equal(model.predict(it), model.predict(X))


def test_a_part_used_iterator_begins_anew(model):
    it = iterator()
    next(it)
    assert model.predict(it).shape == (ROWS, 3)
    next(iterator())
    it = iterator()
    next(it), next(it)
    assert model.score(it) == model.score(X, Y)


@pytest.mark.parametrize(("handle", "rows"), [("pad", 50), ("discard", 40), ("roll_over", 40)])
def test_every_pass_gives_the_same(model, handle, rows):
    it = mx.io.NDArrayIter(X[:50], Y[:50], batch_size=20, last_batch_handle=handle)
    expected = model.predict(X[:rows])
    for _ in range(2):
        assert np.array_equal(model.predict(it), expected)
        assert model.score(it) == (expected.argmax(axis=1) == Y[:rows]).mean()


class Stream(mx.io.DataIter):
    """Has no `seek`."""

    def __init__(self):
        self.inner, self.batch_size, self.seen = iterator(), 20, 0
        self.provide_data, self.provide_label = self.inner.provide_data, self.inner.provide_label

    def next(self):
        self.seen += 1
        return self.inner.next()

    def reset(self):
        self.inner.reset()


@pytest.mark.parametrize("make", [iterator, Stream, lambda: iterator(shuffle=True, seed=3)])
def test_a_fit_on_a_part_used_iterator_trains_on_all(make):
    models = []
    for used in (0, 2, 3):
        it = make()
        for _ in range(used):
            next(it)
        mx.random.seed(1)
        models.append(mx.FeedForward(network(), **{**OPTIONS, "batch_size": None}).fit(it, verbose=False))
        assert models[-1].num_update == 6
    for other in models[1:]:
        assert np.array_equal(other.arg_params["fc_weight"], models[0].arg_params["fc_weight"])


def test_two_fits_with_one_shuffled_iterator_have_the_same_order():
    it = iterator(shuffle=True, seed=3)
    weights = []
    for _ in range(2):
        mx.random.seed(1)
        weights.append(mx.FeedForward(network(), **OPTIONS).fit(it, verbose=False).arg_params["fc_weight"])
    assert np.array_equal(*weights)


def test_an_early_stop_leaves_the_iterator_at_a_beginning():
    it = iterator()
    mx.FeedForward(network(), **OPTIONS).fit(it, epoch_end_callback=lambda *_: False, verbose=False)
    assert len(list(it)) == 3
