"""How far workers get ahead of each other, with real servers.

Weights count: element r is how many steps of worker r the server has applied, as the pulled value itself says. The last
worker is slow: it is held until the others have come as far as they can, so that nothing here depends on time.
"""

import json
import os

import pytest

STEPS = 8
HELD = """
    import json, sys
    import numpy as np
    import pushgrad as mx

    kind, staleness, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    kv = mx.kv.create(kind, staleness=staleness)
    kv.set_optimizer(mx.optimizer.create("test"))
    others, slow = kv.num_workers - 1, kv.rank == kv.num_workers - 1
    mine, out, seen = np.eye(kv.num_workers, dtype=np.float32)[kv.rank], np.zeros(kv.num_workers, np.float32), []
    kv.init("w", out)
    for n in range(1, steps + 1):
        if slow:  # its step n - 1 lets each of the others push up to number n + staleness, and not further
            limit = (*[min(n + staleness, steps)] * others, n - 1)
            while (pushes := kv.stats()[0].pushes) != limit:
                assert all(pushed <= most for pushed, most in zip(pushes, limit)), (pushes, limit)
        kv.push("w", mine)
        kv.pull("w", out=out)
        seen.append(out.astype(int).tolist())
    kv.barrier()
    print(json.dumps(seen))
"""


def seen_by_all(job):
    """Of each worker, the counts that it saw after each of its steps."""
    job.succeed()
    return [json.loads(job.out(f"worker{rank}")) for rank in range(job.workers)]


@pytest.mark.parametrize(("workers", "staleness"), [(2, 0), (2, 2), (3, 1), (3, 3)])
def test_ssp_lets_a_worker_get_so_far_ahead_and_no_further(new_job, workers, staleness):
    *others, slow = seen_by_all(new_job(workers, 1).start(HELD, "dist_ssp", staleness, STEPS))
    for seen in others:
        of_slow = [counts[-1] for counts in seen]
        assert of_slow[:-1] == [max(0, n - staleness) for n in range(1, STEPS)]
        assert of_slow[-1] >= STEPS - staleness
        assert all(n - min(counts) <= staleness for n, counts in enumerate(seen, 1))
    for n, counts in enumerate(slow, 1):  # it never waits, and has the others' steps that were there before its own
        assert counts[-1] == n
        assert all(min(n + staleness, STEPS) <= count <= min(n + staleness + 1, STEPS) for count in counts[:-1])


@pytest.mark.parametrize("workers", [2, 3])
def test_sync_is_in_lock_step(new_job, workers):
    for seen in seen_by_all(new_job(workers, 1).start(HELD, "dist_sync", 0, STEPS)):
        assert seen == [[n] * workers for n in range(1, STEPS + 1)]


FREE = """
    import json, sys
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_async")
    kv.set_optimizer(mx.optimizer.create("test"))
    others, slow = kv.num_workers - 1, kv.rank == kv.num_workers - 1
    mine, out, seen = np.eye(kv.num_workers, dtype=np.float32)[kv.rank], np.zeros(kv.num_workers, np.float32), []
    kv.init("w", out)
    for rank in range(others if slow else 0):
        open(f"done{rank}").read()  # a named pipe: opens when worker `rank` has taken its last step
    for n in range(int(sys.argv[1])):
        kv.push("w", mine)
        kv.pull("w", out=out)
        seen.append(out.astype(int).tolist())
    if not slow:
        open(f"done{kv.rank}", "w").close()
    kv.barrier()
    print(json.dumps(seen))
"""


def test_async_waits_for_nobody(new_job):
    job = new_job(3, 1)
    for rank in range(2):
        os.mkfifo(job.folder / f"done{rank}")
    *others, slow = seen_by_all(job.start(FREE, STEPS))
    for rank, seen in enumerate(others):
        assert [counts[rank] for counts in seen] == list(range(1, STEPS + 1))
        assert [counts[-1] for counts in seen] == [0] * STEPS
    assert slow == [[STEPS, STEPS, n] for n in range(1, STEPS + 1)]
