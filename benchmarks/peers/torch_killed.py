"""As pushgrad_killed.py, for torchrun: DistributedDataParallel over gloo, with a checkpoint every 20 steps."""

import os
import signal
import sys
import time
from pathlib import Path

import torch
from data import digits
from torch import distributed
from torch_networks import lenet

KILL, LAST, EVERY = 45, 60, 20

began, folder, age = time.time(), Path(sys.argv[2]), float(sys.argv[3])
checkpoint, killed = folder / "checkpoint.pt", folder / "killed"
distributed.init_process_group("gloo")
rank, world = distributed.get_rank(), distributed.get_world_size()
network = torch.nn.parallel.DistributedDataParallel(lenet())
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
loss = torch.nn.CrossEntropyLoss()
images, labels = digits(sys.argv[1], LAST * 100)
X, y = torch.from_numpy(images), torch.from_numpy(labels).long()
done = 0
if checkpoint.exists():
    state = torch.load(checkpoint)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    done = state["step"]
for step in range(done + 1, LAST + 1):
    rows = slice((step - 1) * 100 + rank, step * 100, world)
    optimizer.zero_grad()
    loss(network(X[rows]), y[rows]).backward()
    optimizer.step()
    if step % EVERY == 0 and rank == 0:
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
        torch.save(state, folder / "checkpoint.new")
        (folder / "checkpoint.new").rename(checkpoint)
    if step == KILL and rank == world - 1 and not killed.exists():
        time.sleep(max(0.0, began + age - time.time()))
        killed.write_text(repr(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)
    if step == KILL + 1 and rank == 0:
        (folder / "new").write_text(repr(time.time()))
distributed.destroy_process_group()
