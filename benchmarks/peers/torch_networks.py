"""The networks of `pushgrad.models` in PyTorch, layer by layer the same."""

import torch
from torch import nn
from torch.nn import functional as F


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10),
    )  # fmt: skip


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def convolution(inputs, filters, kernel, stride=1, bias=False):
    """A convolution of padding kernel // 2, and its normalisation."""
    layer = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, bias=bias)
    return nn.Sequential(layer, nn.BatchNorm2d(filters))


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015)."""

    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.first, self.second = convolution(inputs, filters, 3, stride), convolution(filters, filters, 3)
        self.shortcut = nn.Identity() if inputs == filters else convolution(inputs, filters, 1, stride)

    def forward(self, data):
        return F.relu(self.second(F.relu(self.first(data))) + self.shortcut(data))


def resnet18():
    layers, inputs = [convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for filters in (64, 128, 256, 512):
        layers += [Residual(inputs, filters, 1 if filters == inputs else 2), Residual(filters, filters, 1)]
        inputs = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


# filters of 1x1, 3x3 reduced, 3x3, double 3x3 reduced, double 3x3, projection; those without 1x1 halve the image
INCEPTION = (
    (64, 64, 64, 64, 96, 32), (64, 64, 96, 64, 96, 64), (0, 128, 160, 64, 96, 0),
    (224, 64, 96, 96, 128, 128), (192, 96, 128, 96, 128, 128), (160, 128, 160, 128, 160, 128),
    (96, 128, 192, 160, 192, 128), (0, 128, 192, 192, 256, 0),
    (352, 192, 320, 160, 224, 128), (352, 192, 320, 192, 224, 128),
)  # fmt: skip


def rectified(inputs, filters, kernel, stride=1):
    return nn.Sequential(convolution(inputs, filters, kernel, stride, bias=True), nn.ReLU())


def halve():
    return nn.MaxPool2d(3, 2, ceil_mode=True)


class Inception(nn.Module):
    """Branches side by side (Ioffe and Szegedy 2015)."""

    def __init__(self, inputs, one, reduce3, three, reduce_double, double, projected, pool):
        super().__init__()
        stride = 1 if one else 2
        deep = [rectified(inputs, reduce3, 1), rectified(reduce3, three, 3, stride)]
        deeper = [rectified(inputs, reduce_double, 1), rectified(reduce_double, double, 3)]
        branches = [deep, [*deeper, rectified(double, double, 3, stride)]]
        if one:
            branches = [[rectified(inputs, one, 1)], *branches, [pool, rectified(inputs, projected, 1)]]
        else:
            branches.append([halve()])
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)
        self.filters = one + three + double + (projected or inputs)

    def forward(self, data):
        return torch.cat([branch(data) for branch in self.branches], 1)


def inception_bn():
    layers = [rectified(3, 64, 7, 2), halve(), rectified(64, 64, 1), rectified(64, 192, 3), halve()]
    inputs = 192
    for number, filters in enumerate(INCEPTION, 1):
        last = number == len(INCEPTION)
        layers.append(Inception(inputs, *filters, nn.MaxPool2d(3, 1, 1) if last else nn.AvgPool2d(3, 1, 1)))
        inputs = layers[-1].filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def build(task):
    """The network in the memory layout that task.mode names, and that layout."""
    layout = torch.channels_last if task.mode == "channels_last" else torch.contiguous_format
    return globals()[task.network]().to(memory_format=layout), layout
