"""As torch_killed.py, for torchft over gloo: each worker is a replica group of its own, and the one that lives goes on.

The process that is started runs the lighthouse, at which they meet, and starts a killed worker again.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

KILL, LAST, WORKERS = 45, 60, 2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def supervise():
    """Run lighthouse and workers until the first new step."""
    place = f"127.0.0.1:{free_port()}"
    meet = ["torchft_lighthouse", "--min_replicas", "1", "--join_timeout_ms", "1000", "--bind", place]
    lighthouse = subprocess.Popen([Path(sys.executable).with_name(meet[0]), *meet[1:]], stderr=subprocess.DEVNULL)
    environ = {**os.environ, "TORCHFT_LIGHTHOUSE": f"http://{place}", "WORLD_SIZE": "1", "RANK": "0"}

    def start(number):
        here = {"REPLICA": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        return subprocess.Popen([sys.executable, *sys.argv], env=environ | here)

    workers = [start(number) for number in range(WORKERS)]
    try:
        while not (folder / "new").exists():
            time.sleep(0.05)
            for number, worker in enumerate(workers):
                if worker.poll() == -signal.SIGKILL:
                    workers[number] = start(number)
                elif worker.poll():
                    sys.exit(worker.poll())
    finally:
        for process in (*workers, lighthouse):
            process.kill()


def train(number):
    import torch
    from data import digits
    from torch import distributed
    from torch_networks import lenet
    from torchft import DistributedDataParallel, Manager, Optimizer, ProcessGroupGloo

    store = distributed.TCPStore("127.0.0.1", int(os.environ["MASTER_PORT"]), is_master=True, wait_for_workers=False)
    network = lenet()
    inner = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def load(state):
        network.load_state_dict(state["network"])
        inner.load_state_dict(state["optimizer"])

    manager = Manager(
        pg=ProcessGroupGloo(timeout=timedelta(seconds=10)),
        load_state_dict=load,
        state_dict=lambda: {"network": network.state_dict(), "optimizer": inner.state_dict()},
        min_replica_size=1,
        replica_id=f"worker{number}",
        store_addr="127.0.0.1",
        store_port=store.port,
        rank=0,
        world_size=1,
        timeout=timedelta(seconds=30),
    )
    model, optimizer = DistributedDataParallel(manager, network), Optimizer(manager, inner)
    loss = torch.nn.CrossEntropyLoss()
    images, labels = digits(sys.argv[1], LAST * 100)
    X, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    while (step := manager.current_step()) < LAST:
        rows = slice(step * 100 + number, (step + 1) * 100, WORKERS)
        optimizer.zero_grad()
        loss(model(X[rows]), y[rows]).backward()
        optimizer.step()
        done, killed = manager.current_step(), folder / "killed"
        if done == KILL and number == WORKERS - 1 and not killed.exists():
            time.sleep(max(0.0, began + age - time.time()))
            killed.write_text(repr(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)
        if done == KILL + 1 and step == KILL and number == 0:
            (folder / "new").write_text(repr(time.time()))
    manager.shutdown()


began, folder, age = time.time(), Path(sys.argv[2]), float(sys.argv[3])
if "REPLICA" in os.environ:
    train(int(os.environ["REPLICA"]))
else:
    supervise()
