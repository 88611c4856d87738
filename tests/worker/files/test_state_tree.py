import json
import math

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.worker.files.state_tree import copied, flatten, unflatten

TREE = {
    "numbers": [1, -2.5, True, None, "text", 10**40],
    "lacking": [math.inf, -math.inf],
    "nested": {"a/b": np.arange(6, dtype=np.int64).reshape(2, 3), "a": {"b": np.array(1.5, np.float32)}},
    "empty": {"list": [], "dict": {}, "array": np.zeros((0, 3), np.float32)},
}


def test_a_tree_goes_through_json_and_comes_back():
    plain, arrays = flatten(TREE)
    back = unflatten(json.loads(json.dumps(plain, allow_nan=False)), arrays)
    np.testing.assert_equal(back, TREE)
    assert len(arrays) == 3, "two paths that look alike keep their arrays apart"


def test_nan_comes_back():
    assert math.isnan(unflatten(json.loads(json.dumps(flatten(math.nan)[0], allow_nan=False)), {}))


def test_numpy_numbers_and_tuples_become_plain():
    assert flatten({"a": (np.float32(0.5), np.int64(3), np.bool_(True))})[0] == {"a": [0.5, 3, True]}


def test_arrays_of_any_layout_are_stored_in_the_machines():
    _, arrays = flatten({"a": np.arange(6, dtype=">f4").reshape(2, 3).T})
    assert arrays["a"].dtype == np.float32
    assert arrays["a"].dtype.isnative
    assert arrays["a"].flags.c_contiguous
    assert arrays["a"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_copy_shares_no_array():
    tree = {"a": np.zeros(3)}
    found = copied(tree, "state")
    tree["a"][:] = 1
    assert not found["a"].any()


@pytest.mark.parametrize("bad", [object(), {1: 2}, {"$array": "x"}, b"bytes", np.array([1j]), np.array(["text"]), {1}])
def test_what_cannot_be_kept_is_named_with_its_path(bad):
    with pytest.raises(ParameterError, match=r"callback X: state/inner/0: expected dicts by names"):
        flatten({"inner": [bad]}, "callback X: state")
