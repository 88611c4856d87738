"""A stand-in for the parameter server: a scheduler that reports what workers tell it, and servers that wait for it.

As a program it is the scheduler or a server, by DMLC_ROLE; workers of the tests import it for `join`, `leave`, `tell`.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time

_link = None


def _connect():
    address = (os.environ["DMLC_PS_ROOT_URI"], int(os.environ["DMLC_PS_ROOT_PORT"]))
    while True:
        with contextlib.suppress(ConnectionRefusedError):  # after a restart all processes are started at once
            return socket.create_connection(address).makefile("rw")
        time.sleep(0.01)


def tell(event, **fields):
    """Let the scheduler report an event; returns once it is in the pipe."""
    global _link
    _link = _link or _connect()
    rank = int(os.environ["DMLC_WORKER_ID"])
    print(json.dumps({"event": event, "role": "worker", "rank": rank, **fields}), file=_link, flush=True)
    assert _link.readline() == "ok\n"


def join():
    tell("joined", pid=os.getpid(), host="here")


def leave():
    tell("left")


def wait_for_all():
    """Block until every worker has joined."""
    global _link
    _link = _link or _connect()
    print("all", file=_link, flush=True)
    assert _link.readline() == "ok\n"


def _scheduler():
    status = os.fdopen(int(os.environ["PUSHGRAD_STATUS_FD"]), "w")
    lock, all_joined = threading.Lock(), threading.Event()
    joined, left = set(), set()
    workers = int(os.environ["DMLC_NUM_WORKER"])

    def serve(link):
        for line in link:
            if line == "all\n":
                all_joined.wait()
            else:
                event = json.loads(line)
                with lock:
                    print(line, end="", file=status, flush=True)
                    {"joined": joined, "left": left}.get(event["event"], set()).add(event["rank"])
                if len(joined) == workers:
                    all_joined.set()
            print("ok", file=link, flush=True)
            if len(left) == workers and os.environ.get("FAKE_LINGER") is None:
                os._exit(0)

    if os.environ.get("FAKE_SILENT"):
        signal.pause()
    listener = socket.create_server(("127.0.0.1", int(os.environ["DMLC_PS_ROOT_PORT"])))
    print(json.dumps({"event": "listening", "port": listener.getsockname()[1]}), file=status, flush=True)
    while True:
        link = listener.accept()[0].makefile("rw")
        threading.Thread(target=serve, args=(link,), daemon=True).start()


if __name__ == "__main__":
    if os.environ.get("FAKE_BROKEN") == os.environ["DMLC_ROLE"]:
        sys.exit("broken on purpose")
    if os.environ["DMLC_ROLE"] == "scheduler":
        _scheduler()
    with contextlib.suppress(ConnectionError):
        _connect().read()  # ends with the scheduler
