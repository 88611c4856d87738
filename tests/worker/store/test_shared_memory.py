"""The distributed store on one host: values lie in memory that all processes share, if that can be."""

import json

import pytest

SCRIPT = """
    import json, resource, zlib
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    if LIMITED and kv.rank == LIMITED - 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    kv.set_optimizer(mx.optimizer.SGD(0.1, momentum=0.9))
    keys, shape = ["a", "b"], (300, 200)
    kv.init(keys, [np.ones(shape, np.float32)] * 2)
    made = [kv.empty(key) for key in keys]
    out = [np.empty(shape, np.float32) for _ in keys]
    in_place = kv.value("a") is not None
    for n in range(5):
        for index, array in enumerate(made):
            array[:] = np.random.default_rng([kv.rank, n, index]).normal(size=shape)
        kv.push(keys, made)
        kv.pull(keys, out)
        if in_place:
            assert all(np.array_equal(kv.value(key), array) for key, array in zip(keys, out))
            assert kv.empty("a").ctypes.data != made[0].ctypes.data
    kv.push("a", out[0])
    out[0][:] = np.nan  # the caller may reuse what empty() has not made
    kv.pull(keys, out)
    kv.close()
    print(json.dumps([in_place, [zlib.crc32(array.tobytes()) for array in out]]))
"""


def results(job, limited=0):
    job.start(SCRIPT.replace("LIMITED", str(limited)))
    job.succeed()
    found = [json.loads(job.out(f"worker{rank}").splitlines()[-1]) for rank in (0, 1)]
    assert found[0] == found[1]
    return found[0]


@pytest.fixture(scope="module")
def shared(new_shared_job):
    """What a job finds whose values lie in shared memory."""
    in_place, found = results(new_shared_job(2, 2))
    assert in_place
    return found


@pytest.mark.long
def test_shared_memory_has_the_bits_of_the_wire(new_job, shared):
    in_place, wired = results(new_job(2, 2, PUSHGRAD_TRANSPORT="ipc"))
    assert not in_place
    assert shared == wired


@pytest.mark.long
@pytest.mark.parametrize("limited", [1])
def test_without_memory_to_share_values_travel_through_sockets(new_job, shared, limited):
    job = new_job(2, 2)
    in_place, found = results(job, limited)
    assert not in_place
    assert "memory cannot be shared" in job.err("worker0")
    assert found == shared
