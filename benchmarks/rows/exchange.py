"""The exchange of parameters of two workers: a step is push, the servers' momentum SGD, and pull."""

from side_by_side import Program, Row, Target

PS_LITE, GLOO, ZEROMQ = "ps-lite (MXNet dist_sync)", "gloo all-reduce, no update", "bare ZeroMQ, no update"
TCP = {"PUSHGRAD_TRANSPORT": "tcp", "PUSHGRAD_INSECURE": "1"}


def rows(steps):
    """All rows; `steps` of 100 MB make a turn."""
    large = {"keys": 25, "elements": 1_000_000, "steps": steps}
    yield _row("100mb", "100 MB in 25 keys, arrays of one's own", large, [_ps_lite(), _memcpy()], (PS_LITE, 0.2))
    yield _row(
        "100mb-empty", "100 MB in 25 keys, arrays of kv.empty()", large, [_ps_lite(), _gloo(), _memcpy()],
        (PS_LITE, 0.1), (GLOO, 0.5), ours=_ours(mode="empty"),
    )  # fmt: skip
    yield _row(
        "100mb-tcp", "100 MB in 25 keys, over tcp", large, [_ps_lite(), _zeromq("tcp")],
        (PS_LITE, 1 / 3), (ZEROMQ, 1 / 0.7), ours=_ours(environ=TCP),
    )  # fmt: skip
    yield _encrypted(large)
    yield _row(
        "100mb-2-servers", "100 MB in 25 keys, 2 servers", large, [_ps_lite(servers=2)], (PS_LITE, 0.2),
        ours=_ours(servers=2),
    )  # fmt: skip
    small = {"keys": 200, "elements": 1000, "steps": 5 * steps}
    yield _row("200-keys", "200 keys of 4 KB", small, [_ps_lite()], (PS_LITE, 0.05))
    tiny = {"keys": 1, "elements": 1000, "steps": 100 * steps}
    yield _row("one-key", "one key of 4 KB", tiny, [_zeromq("ipc")], (ZEROMQ, 4.0))
    yield _beside(max(1, steps // 5))
    yield _sparse(steps)
    yield _slowed(2 * steps)


def _row(name, title, task, peers, *targets, ours=None):
    wanted = tuple(Target(label, (label,), limit) for label, limit in targets)
    return Row(f"exchange-{name}", title, (ours or _ours(), *peers), wanted, task, "step", task["steps"])


def _ours(label="pushgrad", servers=1, environ=None, script="pushgrad_exchange.py", **options):
    launch = ("-m", "pushgrad.launch", "--workers", "2", "--servers", str(servers))
    return Program(label, "pushgrad", script, launch, options, processes=2, lines=2, environ=environ or {})


def _ps_lite(servers=1):
    options = {"program": "mxnet_exchange.py", "servers": servers}
    return Program(PS_LITE, "mxnet", "mxnet_job.py", options=options, processes=2, lines=2)


def _gloo():
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    return Program(GLOO, "torch", "gloo_exchange.py", torchrun, processes=2, lines=2)


def _zeromq(transport):
    return Program(ZEROMQ, "pushgrad", "zmq_exchange.py", options={"transport": transport}, processes=2, lines=2)


def _memcpy():
    return Program("memcpy of as many bytes, once", "pushgrad", "memcpy_floor.py", processes=2)


def _encrypted(task):
    alike = Program("pushgrad, encrypted", "pushgrad", "pushgrad_encrypted.py", processes=2, lines=2)
    return Row("exchange-100mb-encrypted", "100 MB in 25 keys, over tcp, encrypted", (alike, _ours(environ=TCP)), (),
               task, "step", task["steps"])  # fmt: skip


def _slowed(steps):
    """The step of a worker that computes 10 ms while the other computes 30 ms, by how much they wait for each other."""
    task = {"elements": 100_000, "compute": 0.01, "staleness": 3, "steps": steps}
    programs = (
        _alone("dist_async", "dist_async"),
        _alone("dist_ssp, staleness 3", "dist_ssp"),
        _alone("dist_sync", "dist_sync"),
    )
    return Row(
        "exchange-slowed", "a worker's step beside one that is 3 times slower", programs, (), task, "step", steps
    )


def _alone(label, mode):
    launch = ("-m", "pushgrad.launch", "--workers", "2")
    return Program(label, "pushgrad", "pushgrad_slowed.py", launch, {"mode": mode}, processes=2)


def _beside(steps):
    """Half a second of matrix products on each worker's core, with and without a ResNet-50's exchange beside it."""
    alone = "the same without exchange"
    programs = (
        _ours(script="pushgrad_beside.py", exchange=True),
        _ours(alone, script="pushgrad_beside.py", exchange=False),
    )
    title = "161 keys of ResNet-50 (102 MB) beside 0.5 s of computing"
    return Row("exchange-beside", title, programs, (Target(alone, (alone,), 1.1),), {"steps": steps}, "step", steps)


def _sparse(steps):
    """A table of which a step touches one row in a hundred, by rows and whole."""
    whole = "the whole table"
    task = {"rows": 1_000_000, "width": 64, "touched": 10_000, "steps": max(1, steps // 2)}
    programs = (
        _ours(script="pushgrad_rows.py", by_rows=True),
        _ours(whole, script="pushgrad_rows.py", by_rows=False),
    )
    title = "a table of 1 000 000 x 64, 1 % of its rows per step"
    return Row("exchange-rows", title, programs, (), task, "step", task["steps"])
