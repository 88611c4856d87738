"""Fine-tuning: a network that knows the digits 0 to 4 learns 5 to 9 from 200 of them, with its first layers fixed.

python examples/finetune.py
launch --workers 2 examples/finetune.py

Prints the accuracy on unseen digits 5 to 9 of the fine-tuned network, and of one that learned from the 200 alone.
"""

import tempfile
from pathlib import Path

import click
import numpy as np
from digits import load

import pushgrad as mx

EMBEDDED = Path(__file__).parent / "data" / "mnist"
FIXED = ["conv*"]  # the first layers find strokes, and strokes are the same in all digits


def part(images, labels, first):
    """Images (n, 1, 28, 28) and labels (n,) of the five digits from `first` on, labelled 0 to 4."""
    chosen = (labels >= first) & (labels < first + 5)
    return images[chosen], labels[chosen] - first


def with_new_head(symbol):
    """The same network up to its last hidden layer, followed by a new last layer.

    It has a new name, so the old layer's parameters are ignored and those of the new one are initialised.
    """
    features = symbol.get_internals()["tanh3_output"]
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(features, num_hidden=5, name="new"), name="softmax")


def train(network, X, y, epochs, **options):
    """A FeedForward trained on X (n, 1, 28, 28) and y (n,), always from the same seed."""
    mx.random.seed(0)
    return mx.FeedForward.create(
        network,
        X,
        y,
        num_epoch=epochs,
        batch_size=50,
        learning_rate=0.05,
        momentum=0.9,
        initializer=mx.init.Xavier(),
        **options,
    )


@click.command()
@click.option("--examples", default=200, show_default=True, help="How many of the digits 5 to 9 may be seen.")
@click.option("--num-epochs", default=4, show_default=True, help="Of the first training; fine-tuning takes twice that.")
@click.option("--save", metavar="PREFIX", help="Where the first network goes [default: a temporary folder].")
def main(examples, num_epochs, save):
    """Train on five digits, fine-tune on the other five."""
    digits = load(EMBEDDED)
    with tempfile.TemporaryDirectory() as folder:
        prefix = save or f"{folder}/first"
        first = train(mx.models.lenet(5), *part(digits.train_images, digits.train_labels, 0), num_epochs, slices=2)
        first.save(prefix)  # rank 0 writes; the others have the same parameters in memory
        if mx.rank() == 0:
            symbol, arg_params, aux_params = mx.model.load_checkpoint(prefix, num_epochs)
        else:
            symbol, arg_params, aux_params = first.symbol, first.arg_params, first.aux_params

    X, y = (array[:examples] for array in part(digits.train_images, digits.train_labels, 5))
    tuned = train(
        with_new_head(symbol),
        X,
        y,
        2 * num_epochs,
        slices=2,
        arg_params=arg_params,
        aux_params=aux_params,
        allow_extra_params=True,
        fixed_param_names=FIXED,
    )
    scratch = train(mx.models.lenet(5), X, y, 2 * num_epochs, slices=2, verbose=False)
    unseen = part(digits.test_images, digits.test_labels, 5)
    accuracy, without = tuned.score(*unseen), scratch.score(*unseen)
    if mx.rank() == 0:
        same = all(np.array_equal(tuned.arg_params[n], arg_params[n]) for n in arg_params if n.startswith("conv"))
        print(f"Fixed layers unchanged: {same}")
        print(f"Test-accuracy={accuracy:.15g} fine-tuned, {without:.15g} from {len(y)} digits alone")


if __name__ == "__main__":
    main()
