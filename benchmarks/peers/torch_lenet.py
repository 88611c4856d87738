"""LeNet in PyTorch: eager, channels_last or compile."""

import sys

import torch
from torch import nn
from turns import digits, take_turns

if sys.argv[1] == "--version":
    print(f"torch {torch.__version__}")
    sys.exit()

mode = sys.argv[3]
layout = torch.channels_last if mode == "channels_last" else torch.contiguous_format
images, labels = digits(sys.argv[1], int(sys.argv[2]))
X, y = torch.from_numpy(images).to(memory_format=layout), torch.from_numpy(labels).long()
network = nn.Sequential(
    nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10),
).to(memory_format=layout)  # fmt: skip
loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-5)


def step(data, label):
    optimizer.zero_grad()
    output = network(data)
    loss(output, label).backward()
    return output


if mode == "compile":
    step = torch.compile(step)


def epoch():
    """Shuffled batches, an update and the accuracy of each, as the others do."""
    correct = 0
    order = torch.randperm(len(X))
    for first in range(0, len(X), 100):
        rows = order[first : first + 100]
        output = step(X[rows], y[rows])
        optimizer.step()
        correct += int((output.argmax(1) == y[rows]).sum())
    return correct


take_turns(epoch)
