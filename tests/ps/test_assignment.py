import math
import random

import pytest

import pushgrad as mx
from pushgrad.common.wire import RANGE_ELEMENTS
from pushgrad.ps.assignment import Assignment


@pytest.mark.parametrize("servers", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_parts_cover_every_key_and_the_load_is_even(servers, seed):
    generator = random.Random(seed)
    assignment, sizes = Assignment(servers, bound=1000), []
    for _ in range(60):
        sizes.append(generator.choice([0, 1, 10, 999, 1000, 1001, 50_000]))
        parts = assignment.place(sizes[-1], 4)
        assert [part.lo for part in parts] == [0, *[part.hi for part in parts[:-1]]]
        assert parts[-1].hi == sizes[-1]
        assert len({part.server for part in parts}) == (1 if sizes[-1] <= 1000 else servers)
    assert sum(assignment.load) == 4 * sum(sizes)
    assert max(assignment.load) - min(assignment.load) <= 4 * 1000 + 4 * len(sizes)


def test_small_keys_go_to_the_least_loaded_server_and_ties_to_the_first():
    assignment = Assignment(3)
    assert [assignment.place(size, 4)[0].server for size in (100, 10, 10, 20, 5)] == [0, 1, 2, 1, 2]


def test_no_part_is_longer_than_a_frame():
    parts = Assignment(2).place(5 * RANGE_ELEMENTS + 1, 4)
    assert max(part.hi - part.lo for part in parts) <= RANGE_ELEMENTS
    assert [part.server for part in parts] == sorted(part.server for part in parts)
    assert sum(part.hi - part.lo for part in parts) == 5 * RANGE_ELEMENTS + 1


def test_more_servers_than_elements():
    parts = Assignment(8, bound=1).place(3, 4)
    assert [(part.lo, part.hi) for part in parts] == [(0, 1), (1, 2), (2, 3)]


def test_rows_stay_whole_where_they_must():
    parts = Assignment(3, bound=100).place(50_000 * 70, 4, row=70)
    assert all(part.lo % 70 == part.hi % 70 == 0 and part.hi - part.lo <= RANGE_ELEMENTS for part in parts)
    assert [part.lo for part in parts] == [0, *[part.hi for part in parts[:-1]]]
    assert parts[-1].hi == 50_000 * 70


@pytest.mark.parametrize("servers", [2, 3, 4, 8])
def test_a_network_with_one_huge_layer_loads_all_servers_alike(servers):
    vgg = mx.models.get("vgg16")
    shapes = dict(zip(vgg.list_arguments(), vgg.infer_shape(data=(1, 3, 224, 224))[0], strict=True))
    assignment = Assignment(servers)
    for name, shape in shapes.items():
        if name not in ("data", "softmax_label"):
            assignment.place(math.prod(shape), 4)
    assert sum(assignment.load) == 4 * 138_357_544
    assert max(assignment.load) < 1.1 * min(assignment.load)
