"""What a batch of somebody's own iterator may be, and how MXNet's way of writing one is taken."""

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError

X = np.arange(48, dtype=np.float32).reshape(12, 4) / 48
Y = (np.arange(12) % 3).astype(np.float32)


def network():
    layer = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(layer, name="softmax")


class Own(mx.io.DataIter):
    """Three batches of 4 rows; `change(number, batch)` may spoil one."""

    def __init__(self, change=lambda number, batch: batch):
        super().__init__(4)
        self.change, self.at = change, 0
        self.provide_data = [("data", (4, 4))]
        self.provide_label = [("softmax_label", (4,))]

    def reset(self):
        self.at = 0

    def next(self):
        if self.at == 3:
            raise StopIteration
        rows = slice(4 * self.at, 4 * self.at + 4)
        self.at += 1
        return self.change(self.at - 1, mx.io.DataBatch([X[rows]], [Y[rows]]))


def fit(iterator):
    mx.random.seed(1)
    return mx.FeedForward.create(network(), iterator, num_epoch=1, verbose=False)


def second(**changed):
    """The second batch of an epoch, with other fields."""
    return lambda number, batch: mx.io.DataBatch(**{**vars(batch), **changed}) if number == 1 else batch


BAD = {
    "pad": (second(pad=5), r"Own, batch 1: pad: expected a whole number from 0 to 4, the batch_size, got 5"),
    "negative pad": (second(pad=-1), r"Own, batch 1: pad: expected a whole number from 0 to 4"),
    "pad in words": (second(pad="1"), r"Own, batch 1: pad: expected a whole number .*got '1'"),
    "no label": (second(label=[]), r"Own, batch 1: label: expected 1 arrays \(softmax_label\), got 0"),
    "label None": (second(label=None), r"Own, batch 1: label: expected 1 arrays \(softmax_label\), got 0"),
    "too large": (second(data=[X[:5]]), r"Own, batch 1: data: expected shape \(4, 4\), got \(5, 4\). Fill a short"),
    "too short": (second(data=[X[:3]]), r"Own, batch 1: data: expected shape \(4, 4\), got \(3, 4\). Fill a short"),
    "other shape": (second(data=[X[:4, :2]]), r"Own, batch 1: data: expected shape \(4, 4\), got \(4, 2\)"),
    "other order": (second(data=[np.ones((4, 2, 2))]), r"Own, batch 1: data: expected shape \(4, 4\), got \(4, 2, 2\)"),
    "lists": (second(data=[[[1, 2, 3, 4]] * 4]), r"Own, batch 1: data: expected an array of shape \(4, 4\), got list"),
    "bare array": (second(data=X[:4]), r"Own, batch 1: data: expected a list of arrays, got ndarray of shape \(4, 4\)"),
    "extra array": (second(data=[X[:4], X[:4]]), r"Own, batch 1: data: expected 1 arrays \(data\), got 2"),
    "extra label": (second(label=[Y[:4], Y[:4]]), r"Own, batch 1: label: expected 1 arrays \(softmax_label\), got 2"),
    "words": (second(data=[np.full((4, 4), "a")]), r"Own, batch 1: data: expected numbers, got elements of type <U1"),
    "tuple": (lambda number, batch: (batch.data, batch.label), r"Own, batch 0: expected a DataBatch\(.*got tuple"),
    "array": (lambda number, batch: batch.data[0], r"Own, batch 0: expected a DataBatch\(.*got ndarray of shape"),
    "nothing": (lambda number, batch: None, r"Own, batch 0: expected a DataBatch\(.*got NoneType"),
    "beyond float32": (
        second(data=[np.full((4, 4), 1e39)]),
        r"Own, batch 1: data has values beyond the range of float",
    ),
    "large ids": (
        second(data=[np.full((4, 4), 2**24 + 1)]),
        r"Own, batch 1: data: 16777217 at \(0, 0\): expected whole",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_batch_is_named_with_its_iterator(case):
    change, message = BAD[case]
    with pytest.raises(DataError, match=message):
        fit(Own(change))


@pytest.mark.parametrize("case", ["pad", "too large", "bare array", "tuple"])
def test_predict_and_score_look_as_well(case):
    change, message = BAD[case]
    model = fit(Own())
    for use in (model.predict, model.score):
        with pytest.raises(DataError, match=message):
            use(Own(change))


def test_predict_looks_at_labels_that_it_does_not_need():
    model = fit(Own())
    with pytest.raises(DataError, match=r"Own, batch 1: label: expected a list of arrays, got ndarray of shape \(4,\)"):
        model.predict(Own(second(label=Y[:4])))


def test_predict_needs_no_labels():
    assert fit(Own()).predict(Own(second(label=[]))).shape == (12, 3)


@pytest.mark.parametrize(
    "batch",
    [
        {"data": (X[4:8],), "label": (Y[4:8],)},
        {"label": [Y[4:8, np.newaxis]]},
        {"pad": None},
        {"pad": np.int64(0)},
        {"data": [X[4:8].astype(np.float64)], "label": [Y[4:8].astype(np.int32)]},
    ],
    ids=["tuples of arrays", "labels (n, 1)", "pad None", "numpy's pad", "other types"],
)
def test_what_is_as_good(batch):
    found, wanted = fit(Own(second(**batch))), fit(Own())
    np.testing.assert_array_equal(found.predict(X), wanted.predict(X))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("provide_data", [("data", 4)], r"Own.provide_data: expected a list of \(name, shape\)"),
        ("provide_data", [], r"Own.provide_data: expected a list of \(name, shape\)"),
        ("provide_data", {"data": (4, 4)}, r"Own.provide_data: expected a list of \(name, shape\)"),
        ("provide_data", [("data", (5, 4))], r"Own: shape of data: expected \(4, ...\), its batch_size first, got"),
        ("provide_label", ["softmax_label"], r"Own.provide_label: expected a list of \(name, shape\)"),
        ("provide_label", [("data", (4,))], r"Own: two arrays are called data\. Each needs its own name"),
        ("batch_size", None, r"Own: shape of data: expected \(None, ...\), its batch_size first"),
    ],
)
def test_what_an_iterator_says_of_itself(name, value, message):
    iterator = Own()
    setattr(iterator, name, value)
    with pytest.raises(DataError, match=message):
        fit(iterator)


class AsInMXNet(mx.io.DataIter):
    """MXNet's own protocol: iter_next, getdata, getlabel and getpad; DataDesc in place of pairs."""

    def __init__(self):
        super().__init__()
        self.batch_size, self.at = 5, -1

    @property
    def provide_data(self):
        return [mx.io.DataDesc("data", (5, 4), np.float32, layout="NC")]

    @property
    def provide_label(self):
        return [mx.io.DataDesc(name="softmax_label", shape=(5,))]

    def reset(self):
        self.at = -1

    def iter_next(self):
        self.at += 1
        return self.at < 3

    def rows(self):
        return np.arange(5 * self.at, 5 * self.at + 5) % 12

    def getdata(self):
        return [X[self.rows()]]

    def getlabel(self):
        return [Y[self.rows()]]

    def getpad(self):
        return max(0, 5 * self.at + 5 - 12)


def test_mxnets_protocol():
    """The same training and predictions as of an NDArrayIter over the same rows."""
    found, wanted = fit(AsInMXNet()), fit(mx.io.NDArrayIter(X, Y, 5))
    np.testing.assert_array_equal(found.predict(AsInMXNet()), wanted.predict(X))
    assert found.predict(AsInMXNet()).shape == (12, 3)


def test_every_iterator_can_be_asked_in_both_ways():
    iterator = mx.io.NDArrayIter(X, Y, 5)
    places, pads = [], []
    while iterator.iter_next():
        assert iterator.getdata()[0].shape == (5, 4)
        assert iterator.getlabel()[0].tolist() == Y[iterator.getindex()].tolist()
        places += iterator.getindex().tolist()
        pads.append(iterator.getpad())
    assert (places[:12], pads) == (list(range(12)), [0, 0, 3])
    with pytest.raises(DataError, match=r"NDArrayIter: there is no batch\. Call iter_next first"):
        iterator.getdata()


def test_an_iterator_that_defines_neither():
    class Empty(mx.io.DataIter):
        pass

    with pytest.raises(NotImplementedError, match="Empty defines neither next nor iter_next"):
        Empty().next()
    with pytest.raises(NotImplementedError, match="Empty does not define reset"):
        Empty().reset()


def test_descriptions_are_pairs():
    described = mx.io.DataDesc("data", [2, 3])
    name, shape = described
    assert (name, shape) == (described.name, described.shape) == ("data", (2, 3))
    assert repr(described) == "DataDesc[data,(2, 3),float32,NCHW]"
