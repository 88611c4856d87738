"""The networks of `pushgrad.models` in PyTorch, layer by layer the same."""

import torch
from data import LSTM, VOCABULARY
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


class LanguageModel(nn.Module):
    """Tokens (N, steps) -> logits (N, vocabulary, steps)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, LSTM.embedded)
        self.lstm = nn.LSTM(LSTM.embedded, LSTM.hidden, LSTM.layers, batch_first=True)
        self.classes = nn.Linear(LSTM.hidden, VOCABULARY)

    def forward(self, tokens):
        return self.classes(self.lstm(self.embedding(tokens.long()))[0]).transpose(1, 2)


def lstm():
    return LanguageModel()


def filtered(inputs, filters, kernel, stride=1, groups=1, activation=nn.ReLU):
    """A convolution, in groups or not, its normalisation and its activation, if any."""
    layer = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(filters), *([activation()] if activation else []))


def mobilenet():
    """Howard et al. 2017."""
    layers, inputs = [filtered(3, 32, 3, 2)], 32
    for filters, stride in (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *((512, 1),) * 5,
        (1024, 2),
        (1024, 1),
    ):
        layers += [filtered(inputs, inputs, 3, stride, inputs), filtered(inputs, filters, 1)]
        inputs = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


class Inverted(nn.Module):
    """Widen, filter each channel, narrow; the input is added where its shape is the same (Sandler et al. 2018)."""

    def __init__(self, inputs, filters, kernel, stride, expansion):
        super().__init__()
        wide = inputs * expansion
        widened = [] if expansion == 1 else [filtered(inputs, wide, 1, activation=nn.ReLU6)]
        each = filtered(wide, wide, kernel, stride, wide, nn.ReLU6)
        self.layers = nn.Sequential(*widened, each, filtered(wide, filters, 1, activation=None))
        self.adds = stride == 1 and inputs == filters

    def forward(self, data):
        return self.layers(data) + data if self.adds else self.layers(data)


# repeats, kernel, stride of the first block, expansion, filters
LITE = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip


def efficientnet_lite0():
    layers, inputs = [filtered(3, 32, 3, 2, activation=nn.ReLU6)], 32
    for repeats, kernel, first, expansion, filters in LITE:
        for stride in (first, *(1,) * (repeats - 1)):
            layers.append(Inverted(inputs, filters, kernel, stride, expansion))
            inputs = filters
    layers += [filtered(inputs, 1280, 1, activation=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(1280, 1000))


def build(task):
    """The network in the memory layout that task.mode names, and that layout."""
    layout = torch.channels_last if task.mode == "channels_last" else torch.contiguous_format
    return globals()[task.network]().to(memory_format=layout), layout
