"""Training in PyTorch: eager, channels_last or compile; under torchrun, DistributedDataParallel over gloo."""

import os

import torch
from data import examples
from torch import distributed
from torch_networks import build
from turns import take_turns, task

todo = task()
rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
network, layout = build(todo)
if world > 1:
    distributed.init_process_group("gloo")
    network = torch.nn.parallel.DistributedDataParallel(network)
images, labels = examples(todo)
X, y = torch.from_numpy(images).to(memory_format=layout), torch.from_numpy(labels).long()
loss = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-5)
shuffled = torch.Generator().manual_seed(0)  # the same order on every rank


def step(data, label):
    optimizer.zero_grad()
    output = network(data)
    loss(output, label).backward()
    return output


if todo.mode == "compile":
    step = torch.compile(step)


def epoch():
    """Shuffled batches, an update and the accuracy of each, as the others do."""
    correct = 0
    order = torch.randperm(len(X), generator=shuffled)
    for first in range(0, len(X), todo.batch):
        rows = order[first + rank : first + todo.batch : world]
        output = step(X[rows], y[rows])
        optimizer.step()
        correct += int((output.argmax(1) == y[rows]).sum())
    return correct


take_turns(f"torch {torch.__version__}", epoch)
if world > 1:
    distributed.destroy_process_group()
