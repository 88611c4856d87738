import warnings

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, JobError, ParameterError, ShapeError
from pushgrad.worker.store.keys import KeyTable


@pytest.fixture
def kv():
    store = mx.kv.create("local")
    yield store
    store.close()


def pulled(kv, key, shape, dtype=np.float64):
    out = np.full(shape, -1, dtype)
    kv.pull(key, out=out)
    return out


def test_push_without_an_optimizer_keeps_the_sum(kv):
    kv.init(3, np.ones((2, 3)))
    np.testing.assert_array_equal(pulled(kv, 3, (2, 3)), np.ones((2, 3)))
    kv.push(3, [np.ones((2, 3)), np.full((2, 3), 2.0)])
    np.testing.assert_array_equal(pulled(kv, 3, (2, 3)), np.full((2, 3), 3.0))
    kv.push(3, np.full((2, 3), 7.0))
    np.testing.assert_array_equal(pulled(kv, 3, (2, 3)), np.full((2, 3), 7.0))


def test_lists_of_keys_and_of_devices(kv):
    kv.init(["a", "b"], [np.zeros(2), np.ones((2, 2))])
    kv.push(["a", "b"], [[np.ones(2)] * 4, np.full((2, 2), 5.0)])
    first, second, b = np.empty(2), np.empty(2), np.empty((2, 2))
    kv.pull(["a", "b"], out=[[first, second], b])
    np.testing.assert_array_equal(first, [4.0, 4.0])
    np.testing.assert_array_equal(second, [4.0, 4.0])
    np.testing.assert_array_equal(b, np.full((2, 2), 5.0))


def test_the_conformance_optimizer(kv):
    kv.set_optimizer(mx.optimizer.create("test", rescale_grad=2))
    kv.init("9", np.ones((3, 4), np.float32))
    for n in range(1, 4):
        kv.pushpull("9", np.ones((3, 4), np.float32), out=(out := np.empty((3, 4), np.float32)))
        np.testing.assert_array_equal(out, np.full((3, 4), 1 + 2 * n, np.float32))


def test_sgd_uses_the_schedule_and_the_multipliers(kv):
    kv.set_optimizer(mx.optimizer.SGD(1.0, wd=0.5, lr_scheduler=mx.lr_scheduler.FactorScheduler(1, 0.5)))
    kv.init("w", np.full(2, 4.0), lr_mult=2.0, wd_mult=0.0)
    kv.push("w", np.ones(2))
    kv.push("w", np.ones(2))
    np.testing.assert_array_equal(pulled(kv, "w", 2), np.full(2, 4.0 - 2 * 1.0 - 2 * 0.5))


def test_the_array_may_be_reused_after_push(kv):
    kv.init("w", np.zeros(3))
    array = np.ones(3)
    kv.push("w", array)
    array[:] = 9
    np.testing.assert_array_equal(pulled(kv, "w", 3), np.ones(3))
    np.testing.assert_array_equal(array, np.full(3, 9.0))


def test_rows_can_be_picked(kv):
    kv.init("w", np.arange(12.0).reshape(4, 3))
    out = np.empty((3, 3))
    kv.row_sparse_pull("w", out=out, row_ids=np.array([3, 0, 3]))
    np.testing.assert_array_equal(out, [[9, 10, 11], [0, 1, 2], [9, 10, 11]])
    with pytest.raises(ParameterError, match="row_ids"):
        kv.row_sparse_pull("w", out=out, row_ids=[4])


def test_scalars_and_empty_arrays_are_values_too(kv):
    kv.init(["s", "e"], [np.array(2.5), np.empty((0, 3))])
    kv.push(["s", "e"], [np.array(1.5), np.empty((0, 3))])
    assert pulled(kv, "s", ()) == 1.5
    assert pulled(kv, "e", (0, 3)).shape == (0, 3)


def test_the_value_itself_is_updated_in_place(kv):
    kv.set_optimizer(mx.optimizer.SGD(0.5, momentum=0.9))
    kv.init("w", np.ones((2, 2), np.float32))
    weight = kv.value("w")
    kv.push_gradient("w", np.ones((2, 2), np.float32), 1, 0.5)
    kv.wait()
    np.testing.assert_array_equal(weight, np.full((2, 2), 0.5, np.float32))
    np.testing.assert_array_equal(kv.states(["w"])[0]["mom"], np.full((2, 2), -0.5, np.float32))


def test_states_can_be_given_back(kv):
    kv.set_optimizer(mx.optimizer.SGD(0.5, momentum=0.5))
    kv.init("w", np.zeros(2, np.float32))
    kv.init_states({"w": {"mom": np.array([2.0, 4.0], np.float32)}})
    kv.push("w", np.zeros(2, np.float32))
    np.testing.assert_array_equal(pulled(kv, "w", 2, np.float32), [1.0, 2.0])
    with pytest.raises(ParameterError, match="'speed'"):
        kv.init_states({"w": {"speed": np.zeros(2, np.float32)}})


class OnlyDLPack:
    """An array of some other library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_arrays_of_other_libraries_go_through_dlpack(kv):
    kv.init("w", OnlyDLPack(np.zeros((2, 3), np.float32)))
    kv.push("w", OnlyDLPack(np.full((2, 3), 2.0, np.float32)))
    target = np.zeros((2, 3), np.float32)
    kv.pull("w", out=OnlyDLPack(target))
    np.testing.assert_array_equal(target, np.full((2, 3), 2.0))


def test_views_and_other_orders_are_copied_right(kv):
    kv.init("w", np.zeros((2, 3)))
    kv.push("w", np.arange(12.0).reshape(4, 3)[::2])
    out = np.zeros((3, 2))
    kv.pull("w", out=out.T)
    np.testing.assert_array_equal(out.T, [[0, 1, 2], [6, 7, 8]])
    kv.push("w", np.asfortranarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    np.testing.assert_array_equal(pulled(kv, "w", (2, 3)), [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda kv: kv.push(9, np.ones(2)), ParameterError, "key 9 has not been initialised"),
        (lambda kv: kv.init(1, np.ones(2)), ParameterError, "key 1 has been initialised already"),
        (lambda kv: kv.init("x", np.ones(2)), ParameterError, "int and str keys cannot be mixed"),
        (lambda kv: kv.init(True, np.ones(2)), ParameterError, "expected an int or a str"),
        (lambda kv: kv.init(2, np.ones(2, np.float16)), ParameterError, "key 2: dtype"),
        (lambda kv: kv.init(2, np.array(["a"])), ParameterError, "key 2: dtype"),
        (lambda kv: kv.push(1, np.ones(3)), ShapeError, "key 1: expected shape (2,) float64, got (3,) float64"),
        (lambda kv: kv.push(1, np.ones(2, complex)), ShapeError, "got (2,) complex128"),
        (lambda kv: kv.pull(1, np.ones(2, np.int64)), ShapeError, "expected shape (2,) float64, got (2,) int64"),
        (
            lambda kv: kv.init(2, [np.ones(2), np.ones(2)]),
            ParameterError,
            "value of key 2: expected one array, got a list of 2",
        ),
        (lambda kv: kv.pull(1, np.ones((2, 1))), ShapeError, "key 1"),
        (lambda kv: kv.pull(1, [1.0, 2.0]), DataError, "out cannot be written"),
        (lambda kv: kv.push([1, 2], np.ones(2)), ParameterError, "expected a list of 2"),
        (lambda kv: kv.push([1, 2], [np.ones(2)]), ParameterError, "expected a list of 2, got 1"),
        (
            lambda kv: kv.push(1, np.array([1.0, np.nan])),
            DataError,
            "worker 0: the gradient of key 1 at step 1 has NaN",
        ),
        (lambda kv: kv.push(1, np.array([1.0, np.inf])), DataError, "at step 1 has an infinite value"),
        (lambda kv: kv.push_gradient(1, np.ones(2), 2, 0.1), ParameterError, "step of a push: expected 1, got 2"),
        (lambda kv: kv.pull_weight(1, np.ones(4)[::2]), ShapeError, "contiguous"),
        (lambda kv: kv.set_optimizer("sgdd"), ParameterError, "Did you mean sgd?"),
    ],
)
def test_what_is_wrong_is_named(kv, call, kind, text):
    kv.init(1, np.zeros(2))
    with pytest.raises(kind) as caught:
        call(kv)
    assert text in str(caught.value)
    np.testing.assert_array_equal(pulled(kv, 1, 2), np.zeros(2))


def test_other_types_are_converted(kv):
    kv.init("w", np.zeros((2, 2), np.float32))
    kv.push("w", np.array([[1.5, 2], [3, 4]]))  # float64
    kv.push("w", [np.eye(2, dtype=np.int32), np.eye(2, dtype=np.float16)])
    found = kv.pull("w", out=np.zeros((2, 2)))
    np.testing.assert_array_equal(found, 2 * np.eye(2))
    with pytest.raises(DataError, match="infinite value"), warnings.catch_warnings(action="error"):
        kv.push("w", np.full((2, 2), 1e300))


def test_without_out_pull_returns_new_arrays(kv):
    kv.init(["a", "b"], [np.ones(2, np.float32), np.zeros((1, 3))])
    a, b = kv.pull(["a", "b"])
    assert (a.dtype, a.tolist(), b.dtype, b.tolist()) == (np.float32, [1, 1], np.float64, [[0, 0, 0]])
    a[:] = 7
    np.testing.assert_array_equal(kv.pull("a"), [1, 1])


def test_a_list_of_one_array_is_that_array(kv):
    """As in MXNet 1.9.1, where the shape stays (2, 3)."""
    kv.init("a", [np.ones((2, 3), np.float32)])
    kv.init(["b", "c"], [[np.ones(2)], [1.0, 2.0]])
    assert [kv.pull(key).shape for key in "abc"] == [(2, 3), (2,), (2,)]


def test_int_values_are_summed_but_not_optimised(kv):
    kv.init("n", np.zeros(2, np.int64))
    kv.push("n", [np.array([1, 2]), np.array([3, 4])])
    np.testing.assert_array_equal(pulled(kv, "n", 2, np.int64), [4, 6])
    kv.set_optimizer("sgd")
    with pytest.raises(ParameterError, match="float"):
        kv.push("n", np.array([1, 2]))


def test_unknown_stores_are_refused_and_the_known_listed():
    with pytest.raises(ParameterError, match="local or device or dist_sync or dist_async or dist_ssp, got 'foo'"):
        mx.kv.create("foo")
    with pytest.raises(JobError, match="outside of a job"):
        mx.kv.create("dist_sync")


def test_a_local_store_knows_where_it_is(kv):
    assert (kv.rank, kv.num_workers, kv.type) == (0, 1, "local")
    kv.barrier()
    assert kv.session.gather(b"x") == [b"x"]
    kv.init("w", np.zeros((3, 2), np.float32))
    assert (kv.empty("w").shape, kv.empty("w").dtype) == ((3, 2), np.float32)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("local_allreduce_cpu", "local"), ("local_update_cpu", "local"), ("LOCAL_allreduce_device", "device")],
)
def test_mxnet_s_other_names_for_local_stores(name, kind):
    assert mx.kv.create(name).type == kind


def test_keys_that_equal_a_known_one_are_others():
    class Name(str):
        __slots__ = ()

        def __str__(self):  # as of a member of an Enum
            return f"Name.{self:s}"

    keys, zeros, name = KeyTable(), np.zeros(2, np.float32), Name("w")
    first, second = keys.new("w", zeros), keys.new(name, zeros)
    for _ in range(2):  # the second time, they have been looked up
        assert keys[name] is second
        assert keys["w"] is first
    numbers = KeyTable()
    one = numbers.new(1, zeros)
    assert numbers[1] is one
    with pytest.raises(ParameterError, match="an int or a str"):
        numbers[True]
