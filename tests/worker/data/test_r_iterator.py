"""The examples' iterator, initializer, metric and random stream together give the article's numbers.

The networks here are a few lines of float32 numpy, so that nothing else of the package is needed.
"""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx

ROOT = Path(__file__).parents[3]
DATA = ROOT / "examples" / "data"
SONAR = [
    0.488888888888889, 0.514285714285714, 0.514285714285714, 0.514285714285714, 0.514285714285714,
    0.523809523809524, 0.619047619047619, 0.695238095238095, 0.695238095238095, 0.761904761904762,
    0.828571428571429, 0.771428571428571, 0.742857142857143, 0.733333333333333, 0.771428571428571,
    0.847619047619048, 0.857142857142857, 0.838095238095238, 0.838095238095238, 0.838095238095238,
]  # fmt: skip


@pytest.fixture(scope="module")
def r_iterator():
    spec = importlib.util.spec_from_file_location("r_iterator", ROOT / "examples" / "r_iterator.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sonar():
    with (DATA / "sonar.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    X = np.array([row[:-1] for row in rows], np.float32)
    y = np.array([row[-1] == "R" for row in rows], np.float32)
    train = [*range(50), *range(99, 150)]
    test = [i for i in range(len(y)) if i not in train]
    return X[train], y[train], X[test], y[test]


def boston():
    rows = mx.io.read_csv(DATA / "boston_housing.csv", skip_header=True)
    X, y = rows[:, :-1].copy(), rows[:, -1]
    X[:, 3] += 1  # R's data.matrix turns the factor chas into the codes 1 and 2
    train = np.arange(0, len(y), 3)
    test = np.setdiff1d(np.arange(len(y)), train)
    return X[train], y[train], X[test], y[test]


class MLP:
    """Fully connected layers with tanh between them, trained by momentum SGD as MXNet does it."""

    def __init__(self, sizes, softmax, rate, batch_size):
        init = mx.init.Uniform(0.01)
        names = [
            (f"fc{i}_{part}", shape)
            for i in range(len(sizes) - 1)
            for part, shape in (("weight", (sizes[i + 1], sizes[i])), ("bias", (sizes[i + 1],)))
        ]
        self.params = [init(name, shape) for name, shape in names]
        self.momenta = [np.zeros_like(p) for p in self.params]
        self.softmax, self.rate, self.scale = softmax, np.float32(rate), np.float32(1 / batch_size)

    def forward(self, x):
        self.inputs = []
        for i in range(0, len(self.params), 2):
            self.inputs.append(x)
            x = x @ self.params[i].T + self.params[i + 1]
            x = np.tanh(x) if i + 2 < len(self.params) else x
        if not self.softmax:
            return x
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def step(self, x, label):
        output = self.forward(x)
        grad = output.copy()
        if self.softmax:
            grad[np.arange(len(label)), label.astype(int)] -= 1
        else:
            grad -= label[:, None]
        grads = []
        for i in reversed(range(0, len(self.params), 2)):
            grads = [grad.T @ self.inputs[i // 2], grad.sum(axis=0), *grads]
            grad = (grad @ self.params[i]) * (1 - self.inputs[i // 2] ** 2)
        for p, m, g in zip(self.params, self.momenta, grads, strict=True):
            m *= np.float32(0.9)
            m -= self.rate * self.scale * g
            p += m
        return output


def train(network, iterator, metric, rounds):
    values = []
    for _ in range(rounds):
        metric.reset()
        for batch in iterator:
            metric.update(batch.label, network.step(batch.data[0], batch.label[0]))
        iterator.reset()
        values.append(metric.get()[1])
    return values


def test_sonar_gives_the_articles_lines_and_table(r_iterator):
    X, y, test_x, test_y = sonar()
    mx.random.seed(0)
    iterator = r_iterator.RArrayIter(X, y, 15)
    network = MLP((60, 10, 2), True, 0.07, 15)
    values = train(network, iterator, mx.metric.create("accuracy"), 20)
    assert [float(f"{value:.15g}") for value in values] == SONAR
    chosen = network.forward(test_x).argmax(axis=1)
    table = [[int(((chosen == i) & (test_y == j)).sum()) for j in (0, 1)] for i in (0, 1)]
    assert table == [[24, 14], [36, 33]]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("rmse", {1: 16.063282524034, 2: 12.2792375712573, 25: 8.5965105183022, 50: 8.24580511500735}),
        ("mae", {1: 13.1889538083225, 2: 9.81431959337658, 25: 6.62027640889088, 50: 6.40312503493494}),
        (
            mx.metric.custom("mae", lambda label, pred: np.mean(np.abs(label - pred))),
            {1: 13.1889538083225, 50: 6.40312503493494},
        ),
    ],
    ids=["rmse", "mae", "custom"],
)
def test_boston_gives_the_articles_values(r_iterator, metric, expected):
    X, y, test_x, test_y = boston()
    mx.random.seed(0)
    iterator = r_iterator.RArrayIter(X, y, 20)
    network = MLP((13, 1), False, 2e-6, 20)
    values = train(network, iterator, mx.metric.create(metric), 50)
    for round_number, value in expected.items():
        assert values[round_number - 1] == pytest.approx(value, rel=5e-7)
    rmse = mx.metric.RMSE().measure(test_y, network.forward(test_x))
    assert rmse == pytest.approx(7.800502, abs=2e-6)


def test_first_epoch_lacks_the_first_batch_and_the_tail_is_stale(r_iterator):
    X, y = np.arange(1, 11, dtype=np.float32)[:, None], np.arange(10)
    iterator = r_iterator.RArrayIter(X, y, 4, shuffle=False)
    first = [batch.data[0][:, 0].tolist() for batch in iterator]
    assert first == [[5, 6, 7, 8], [9, 10, 7, 8]]
    iterator.reset()
    batches = list(iterator)
    assert [batch.data[0][:, 0].tolist() for batch in batches] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 7, 8]]
    assert [batch.pad for batch in batches] == [0, 0, 2]
    assert batches[-1].label[0].tolist() == [8, 9, 6, 7]


def test_reset_before_the_first_batch_keeps_the_first_epoch(r_iterator):
    iterator = r_iterator.RArrayIter(np.ones((4, 1)), np.arange(4), 2, shuffle=False)
    iterator.reset()
    assert len(list(iterator)) == 1


def test_seek_continues_as_if_never_stopped(r_iterator):
    iterator = r_iterator.RArrayIter(np.arange(7.0)[:, None], np.arange(7), 3, shuffle=False)
    whole = []
    for _ in range(2):
        whole.append([batch.label[0].tolist() for batch in iterator])
        iterator.reset()
    for epoch, batch in ((0, 1), (1, 0), (1, 2)):
        iterator.seek(epoch, batch)
        assert [b.label[0].tolist() for b in iterator] == whole[epoch][batch:]


def test_single_short_batch_and_its_shapes(r_iterator):
    iterator = r_iterator.RArrayIter(np.ones((3, 2)), np.arange(3), 10, shuffle=False, skip_first=False)
    assert iterator.provide_data == [("data", (3, 2))]
    assert iterator.provide_label == [("softmax_label", (3,))]
    assert [batch.pad for batch in iterator] == [0]
