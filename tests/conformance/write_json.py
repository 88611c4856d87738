"""Write what MXNet shall read back: python write_json.py FOLDER. See check_in_mxnet.py.

For every recorded case the JSON that pushgrad makes of it, in FOLDER/cases; for the networks of mx.models theirs, in
FOLDER/networks, with the names and shapes that pushgrad infers (networks.json) and the outputs that it computes
(outputs.npz) from parameters that draws.parameter makes anew on the other side.
"""

import json
import sys
from pathlib import Path

import numpy as np

import pushgrad as mx

HERE = Path(__file__).parent
SMALL = (1, 3, 64, 64)
NETWORKS = {
    "mlp": ({}, (3, 784)),
    "lenet": ({}, (3, 1, 28, 28)),
    "alexnet": ({"num_classes": 10}, (1, 3, 96, 96)),
    "alexnet_two_towers": ({"num_classes": 10, "towers": 2}, (1, 3, 96, 96)),
    "vgg11": ({"num_classes": 10}, (1, 3, 32, 32)),
    "vgg16": ({"num_classes": 10, "batch_norm": True}, (1, 3, 32, 32)),
    "googlenet": ({}, SMALL),
    "inception_bn": ({}, SMALL),
    "inception_bn_28_small": ({"num_classes": 10}, (2, 3, 28, 28)),
    "resnet18": ({}, SMALL),
    "resnet20": ({"num_classes": 10}, (2, 3, 32, 32)),
    "resnet50": ({"version": 2}, SMALL),
    "mobilenet": ({"multiplier": 0.5}, SMALL),
    "mobilenet_v2": ({}, SMALL),
    "efficientnet_lite0": ({}, SMALL),
    "lstm_unroll": ({"num_classes": 7, "seq_len": 4, "num_layers": 1, "num_hidden": 8, "num_embed": 5}, (3, 4)),
}
STATES = {"lstm_unroll": {"l0_init_h": (3, 8), "l0_init_c": (3, 8)}}


def write_cases(folder):
    folder.mkdir(parents=True)
    for case, facts in json.loads((HERE / "cases.json").read_text()).items():
        mx.sym.load_json(facts["symbol"]).save(folder / f"{case}.json")


def described(symbol, **inputs):
    """Names with their shapes, in order."""
    names = (symbol.list_arguments(), symbol.list_outputs(), symbol.list_auxiliary_states())
    shapes = symbol.infer_shape(**inputs)
    parts = zip(("arguments", "outputs", "states"), names, shapes, strict=True)
    return {kind: dict(zip(name, shape, strict=True)) for kind, name, shape in parts}


def scores(symbol):
    """The name of what goes into the softmax, which tells more than probabilities of 0 and 1."""
    (name,) = {n.inputs[0][0].name for n in symbol.nodes() if n.op and n.op.op_name() == "SoftmaxOutput"}
    return f"{name}_output"


def computed(symbol, facts, parameter):
    """The outputs in inference and the scores, from drawn parameters."""
    arguments = {name: parameter(name, shape) for name, shape in facts["arguments"].items()}
    states = {name: parameter(name, shape) for name, shape in facts["states"].items()}
    both = mx.sym.Group([symbol, symbol.get_internals()[facts["scores"]]])
    return both.bind(mx.cpu(), arguments, aux_states=states or None).forward()


def write_networks(folder, parameter, names=tuple(NETWORKS)):
    (folder / "networks").mkdir(parents=True)
    facts, outputs = {}, {}
    for name in names:
        options, shape = NETWORKS[name]
        symbol = mx.models.get(name.removesuffix("_two_towers"), **options)
        symbol.save(folder / "networks" / f"{name}.json")
        given = {"data": shape, **STATES.get(name, {})}
        facts[name] = {"given": given, "scores": scores(symbol), **described(symbol, **given)}
        found = enumerate(computed(symbol, facts[name], parameter))
        outputs.update({f"{name}/{number}": array for number, array in found})
    (folder / "networks.json").write_text(json.dumps(facts))
    np.savez_compressed(folder / "outputs.npz", **outputs)


if __name__ == "__main__":
    import draws

    write_cases(Path(sys.argv[1]) / "cases")
    write_networks(Path(sys.argv[1]), draws.parameter)
