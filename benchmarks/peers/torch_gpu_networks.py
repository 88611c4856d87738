"""ResNet-50 in PyTorch, layer by layer that of `pushgrad.models`, beside the networks of torch_networks."""

import torch
import torch_networks
from torch import nn
from torch.nn import functional as F
from torch_networks import convolution

STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))  # blocks, filters within, stride of the first block


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 beside a shortcut; the 3x3 strides (He et al. 2015, as torchvision has it)."""

    def __init__(self, inputs, narrow, stride):
        super().__init__()
        wide = 4 * narrow
        self.first, self.second = convolution(inputs, narrow, 1), convolution(narrow, narrow, 3, stride)
        self.third = convolution(narrow, wide, 1)
        self.shortcut = nn.Identity() if inputs == wide else convolution(inputs, wide, 1, stride)

    def forward(self, data):
        inner = F.relu(self.second(F.relu(self.first(data))))
        return F.relu(self.third(inner) + self.shortcut(data))


def resnet50():
    layers, inputs = [convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for blocks, narrow, stride in STAGES:
        for number in range(blocks):
            layers.append(Bottleneck(inputs, narrow, 1 if number else stride))
            inputs = 4 * narrow
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def build(name, mode):
    """The network in the memory layout that `mode` names, and that layout."""
    layout = torch.channels_last if mode == "channels_last" else torch.contiguous_format
    make = resnet50 if name == "resnet50" else getattr(torch_networks, name)
    return make().to(memory_format=layout), layout
