"""Outputs whose axis 0 is not the example, in predict and in metrics: mxnet#6495.

What is right does not depend on the batch size: it is what the network gives for all examples at once.
"""

import numpy as np
import pytest

import pushgrad as mx

S = mx.sym
RNG = np.random.default_rng(0)
X = RNG.integers(0, 10, (16, 5)).astype(np.float32)
LABEL = RNG.integers(0, 7, (16, 5)).astype(np.float32)
PARAMS = {
    "words_weight": RNG.standard_normal((10, 6)).astype(np.float32),
    "fc_weight": RNG.standard_normal((7, 6)).astype(np.float32),
    "fc_bias": RNG.standard_normal(7).astype(np.float32),
}
SCORES = PARAMS["words_weight"][X.astype(int)] @ PARAMS["fc_weight"].T + PARAMS["fc_bias"]  # (16, 5, 7), numpy's
SOFTMAX = np.exp(SCORES) / np.exp(SCORES).sum(axis=-1, keepdims=True)
SIZES = pytest.mark.parametrize("size", [1, 3, 6, 16])


def words():
    return S.Embedding(S.Variable("data"), input_dim=10, output_dim=6, name="words")


def tokens(data):
    return S.FullyConnected(S.Reshape(data, shape=(-1, 6)), num_hidden=7, name="fc")


def predicted(symbol, size):
    needed = {name: PARAMS[name] for name in symbol.list_arguments() if name in PARAMS}
    return mx.FeedForward(symbol, arg_params=needed).predict(X, batch_size=size)


@SIZES
def test_a_row_for_each_token(size):
    found = predicted(tokens(words()), size)
    assert found.shape == (80, 7)
    np.testing.assert_allclose(found, SCORES.reshape(80, 7), rtol=1e-4, atol=1e-5)


@SIZES
def test_time_first(size):
    found = predicted(S.SwapAxis(words(), dim1=0, dim2=1), size)
    np.testing.assert_array_equal(found, PARAMS["words_weight"][X.astype(int)].transpose(1, 0, 2))


@SIZES
def test_rows_of_tokens_time_first(size):
    found = predicted(tokens(S.SwapAxis(words(), dim1=0, dim2=1)), size)
    np.testing.assert_allclose(found, SCORES.transpose(1, 0, 2).reshape(80, 7), rtol=1e-4, atol=1e-5)


def test_an_output_without_examples_is_there_for_every_batch():
    table = words()
    rows, mean = predicted(S.Group([table, S.mean(table)]), 8)
    assert rows.shape == (16, 5, 6) and mean.shape == (2,)
    np.testing.assert_allclose(mean, [rows[:8].mean(), rows[8:].mean()], rtol=1e-4, atol=1e-6)


def losses():
    """The same loss in three orders of its rows, and what the iterator's label goes through."""
    label, time_first = S.Variable("softmax_label"), S.SwapAxis(words(), dim1=0, dim2=1)
    turned = S.Reshape(S.transpose(label), shape=(-1,))
    return {
        "tokens": S.SoftmaxOutput(tokens(words()), name="softmax"),
        "time first": S.SoftmaxOutput(tokens(time_first), turned, name="softmax"),
        "preserve_shape": S.SoftmaxOutput(
            S.FullyConnected(words(), num_hidden=7, name="fc", flatten=False), name="softmax", preserve_shape=True
        ),
        "multi_output": S.SoftmaxOutput(
            S.transpose(S.FullyConnected(words(), num_hidden=7, name="fc", flatten=False), axes=(0, 2, 1)),
            name="softmax", multi_output=True,
        ),
    }  # fmt: skip


@SIZES
@pytest.mark.parametrize("kind", losses())
def test_metrics_compare_what_the_loss_compares(kind, size):
    model = mx.FeedForward(losses()[kind], arg_params=PARAMS)
    it = mx.io.NDArrayIter(X, LABEL, batch_size=size)
    entropy = -np.log(np.take_along_axis(SOFTMAX, LABEL.astype(int)[..., None], axis=-1)).mean()
    expected = {
        "accuracy": (SOFTMAX.argmax(axis=-1) == LABEL).mean(),
        "cross-entropy": entropy,
        "perplexity": np.exp(entropy),
        "top_k_accuracy_3": (np.argsort(-SOFTMAX, axis=-1)[..., :3] == LABEL[..., None]).any(axis=-1).mean(),
    }
    found = model.score(it, eval_metric=["accuracy", "ce", "perplexity", "top_k_accuracy_3"])
    assert found == {name: pytest.approx(value, rel=1e-5) for name, value in expected.items()}


def test_training_metrics_of_one_batch_are_the_score():
    for net in losses().values():
        log = mx.callback.Logger()
        model = mx.FeedForward(net, arg_params=PARAMS, num_epoch=1, learning_rate=0.0)
        it = mx.io.NDArrayIter(X, LABEL, batch_size=16)
        model.fit(
            it, eval_metric=["accuracy", "ce"], epoch_end_callback=mx.callback.log_train_metric(9, log), verbose=False
        )
        assert dict(log.train) == pytest.approx(model.score(it, eval_metric=["accuracy", "ce"]), rel=1e-6)


def test_custom_metrics_see_the_iterators_labels_and_the_networks_outputs():
    seen = []
    model = mx.FeedForward(losses()["time first"], arg_params=PARAMS)
    model.score(mx.io.NDArrayIter(X, LABEL, batch_size=6), eval_metric=lambda *given: seen.append(given) or 0.0)
    ((label, output),) = seen
    np.testing.assert_array_equal(label, LABEL)
    np.testing.assert_allclose(output, SOFTMAX.transpose(1, 0, 2).reshape(80, 7), rtol=1e-4, atol=1e-6)


def dropped():
    return S.Dropout(S.Variable("data"), p=0.5, mode="always", name="drop")


def test_dropout_that_is_always_there_draws_anew_for_every_batch_and_call():
    ones = np.ones((8, 64), np.float32)
    mx.random.seed(3)
    model = mx.FeedForward(dropped(), arg_params={"none": np.zeros(1)}, allow_extra_params=True)
    first, second = model.predict(ones, batch_size=4), model.predict(ones, batch_size=4)
    masks = [*first.reshape(2, -1), *second.reshape(2, -1)]
    for index, mask in enumerate(masks):
        assert 0.3 < (mask == 0).mean() < 0.7
        assert not any(np.array_equal(mask, other) for other in masks[:index])
    mx.random.seed(3)
    np.testing.assert_array_equal(model.predict(ones, batch_size=4), first)
