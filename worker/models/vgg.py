"""VGG: stacks of 3x3 convolutions with a pooling after each stack."""

from __future__ import annotations

from ...common.errors import ParameterError
from ..symbols import sym
from ..symbols.symbol import Symbol

# depth -> convolutions in each of the five stacks
_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_FILTERS = (64, 128, 256, 512, 512)


def vgg(depth: int = 16, num_classes: int = 1000, batch_norm: bool = False) -> Symbol:
    """Simonyan and Zisserman (2014), configurations A, B, D and E: data (N, 3, 224, 224) -> softmax (N, num_classes).

    Parameters: 132 863 336 (11), 133 047 848 (13), 138 357 544 (16), 143 667 240 (19), as torchvision lists them;
    138 365 992 (16) with `batch_norm` after each convolution, gammas and betas counted. Layers have the authors' names:
    conv1_1, ..., fc6, fc7, fc8. Raises ParameterError for another depth.
    """
    if depth not in _CONVOLUTIONS:
        raise ParameterError("vgg: depth", expected=", ".join(map(str, _CONVOLUTIONS)), got=repr(depth))
    net = sym.Variable("data")
    for stage, (count, filters) in enumerate(zip(_CONVOLUTIONS[depth], _FILTERS, strict=True), 1):
        for index in range(1, count + 1):
            place = f"{stage}_{index}"
            net = sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=filters, name=f"conv{place}")
            net = sym.BatchNorm(net, fix_gamma=False, eps=1e-5, name=f"bn{place}") if batch_norm else net
            net = sym.Activation(net, act_type="relu", name=f"relu{place}")
        net = sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{stage}")
    net = sym.Flatten(net, name="flatten")
    for layer in (6, 7):
        net = sym.FullyConnected(net, num_hidden=4096, name=f"fc{layer}")
        net = sym.Dropout(sym.Activation(net, act_type="relu", name=f"relu{layer}"), p=0.5, name=f"drop{layer}")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=num_classes, name="fc8"), name="softmax")
