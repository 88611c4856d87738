"""A worker written from docs/protocol.md alone: it imports nothing of pushgrad."""

CLIENT = """
    import os, socket, sys
    import msgpack, numpy as np, zmq

    JOB, WORKERS, SERVERS = "test", int(os.environ["DMLC_NUM_WORKER"]), int(os.environ["DMLC_NUM_SERVER"])
    ME = os.urandom(8).hex()
    context, poller = zmq.Context(), zmq.Poller()

    def connect(endpoint, identity):
        dealer = context.socket(zmq.DEALER)
        dealer.routing_id, dealer.linger = identity.encode(), 1000
        dealer.connect(endpoint)
        poller.register(dealer, zmq.POLLIN)
        return dealer

    def say(dealer, op, *frames, **fields):
        dealer.send_multipart([msgpack.packb({"v": 4, "op": op, **fields}), *frames])

    def hear(wanted, timeout=20_000):
        while True:
            ready = poller.poll(timeout)
            assert ready, f"no {wanted}"
            for dealer, _ in ready:
                header, *frames = dealer.recv_multipart()
                message = msgpack.unpackb(header)
                if message["op"] == "ping":
                    dealer.send(header)
                elif message["op"] in ("abort", "error"):
                    sys.exit(str(message))
                elif message["op"] == wanted:
                    return message, frames

    root = os.environ["DMLC_PS_ROOT_URI"] + "-" + os.environ["DMLC_PS_ROOT_PORT"]
    scheduler = connect(f"ipc://{os.environ['PUSHGRAD_JOB_DIR']}/scheduler-{root}.sock", f"worker-{ME}")
    say(scheduler, "hello", job=JOB, role="worker", rank=None, incarnation=ME, host=socket.gethostname(),
        pid=os.getpid(), workers=WORKERS, servers=SERVERS)
    welcome, _ = hear("welcome")
    rank = welcome["rank"]
    server = connect(welcome["servers"][0][0], f"worker-{rank}-{ME}")
    who = {"job": JOB, "rank": rank, "incarnation": ME, "fit": 1}
    tensors = [["w", "float32", [2, 3], 0, 6, None]]

    if rank == 0:
        sgd = {"name": "sgd", "momentum": 0.5, "wd": 0.0, "rescale_grad": 1.0, "clip_gradient": None}
        say(server, "setup", **who, seq=1, mode="sync", staleness=0, optimizer=sgd)
        hear("ok")
        say(server, "init", np.ones(6, "<f4").tobytes(), **who, part="weight", lr_mult=1, wd_mult=1, tensors=tensors)
        hear("ack")
    say(scheduler, "gather", b"", n=1)
    hear("gathered")
    for n in range(1, 4):
        gradient = np.full(6, rank + 1, "<f4").tobytes()
        for _ in range(2):  # saying it twice does no harm
            say(server, "push", gradient, **who, n=n, lr=0.25, tensors=tensors)
        say(server, "pull", **who, n=n, part="weight", tensors=tensors)
        values, (data,) = hear("values")
        assert values["version"] == n
    print(np.frombuffer(data, "<f4").tolist())
    say(scheduler, "gather", str(rank).encode(), n=2)
    print(hear("gathered")[1])
    say(scheduler, "leave")
    hear("left")
"""


def test_a_client_written_from_the_protocol_page_trains_a_key(new_job):
    assert "pushgrad" not in CLIENT
    assert len([line for line in CLIENT.splitlines() if line.strip()]) <= 80
    job = new_job(2, 1).start(CLIENT)
    job.succeed()
    weight, momentum = 1.0, 0.0
    for _ in range(3):
        momentum = 0.5 * momentum - 0.25 * (1 + 2)
        weight += momentum
    for rank in range(2):
        assert job.out(f"worker{rank}").splitlines() == [str([weight] * 6), "[b'01']"]
