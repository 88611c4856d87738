"""A script that trains a perceptron on Sonar in PyTorch, whole but for its imports."""

import torch
from data import sonar
from torch import nn
from turns import take_turns, task

BATCH, EPOCHS = 15, 20
images, labels = sonar(task().data)


def script():
    torch.manual_seed(0)
    X, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    network = nn.Sequential(nn.Linear(60, 10), nn.Tanh(), nn.Linear(10, 2))
    optimizer, loss = torch.optim.SGD(network.parameters(), lr=0.07, momentum=0.9), nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        correct = 0
        for rows in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            output = network(X[rows])
            loss(output, y[rows]).backward()
            optimizer.step()
            correct += int((output.argmax(1) == y[rows]).sum())
    with torch.inference_mode():
        return network(X).argmax(1)


take_turns(f"torch {torch.__version__}", script)
