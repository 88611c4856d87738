"""Handwritten digits: the article's LeNet (or a perceptron) on MNIST.

python examples/mnist.py
launch --workers 2 --servers 2 examples/mnist.py
python examples/mnist.py --gpus 0,1
python examples/mnist.py --data FOLDER      MNIST's idx files, or train.csv and test.csv from Kaggle
"""

import csv
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import click
import numpy as np
from digits import load

import pushgrad as mx

EMBEDDED = Path(__file__).parent / "data" / "mnist"


def lenet():
    """Two convolutions and two fully connected layers, as in the article (after LeCun et al. 1998).

    data (N, 1, 28, 28) -> probabilities (N, 10).
    """
    data = mx.symbol.Variable("data")
    conv1 = mx.symbol.Convolution(data, kernel=(5, 5), num_filter=20)
    tanh1 = mx.symbol.Activation(conv1, act_type="tanh")
    pool1 = mx.symbol.Pooling(tanh1, pool_type="max", kernel=(2, 2), stride=(2, 2))
    conv2 = mx.symbol.Convolution(pool1, kernel=(5, 5), num_filter=50)
    tanh2 = mx.symbol.Activation(conv2, act_type="tanh")
    pool2 = mx.symbol.Pooling(tanh2, pool_type="max", kernel=(2, 2), stride=(2, 2))
    flatten = mx.symbol.Flatten(pool2)
    fc1 = mx.symbol.FullyConnected(flatten, num_hidden=500)
    tanh3 = mx.symbol.Activation(fc1, act_type="tanh")
    fc2 = mx.symbol.FullyConnected(tanh3, num_hidden=10)
    return mx.symbol.SoftmaxOutput(fc2)


def mlp():
    """A perceptron of 784-128-64-10: data (N, 1, 28, 28) -> probabilities (N, 10)."""
    layer = mx.symbol.Flatten(mx.symbol.Variable("data"))
    for size in (128, 64):
        layer = mx.symbol.Activation(mx.symbol.FullyConnected(layer, num_hidden=size), act_type="relu")
    return mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(layer, num_hidden=10))


def contexts(_context, _option, text):
    """The GPUs of a list such as 0,1; None without a list, which leaves the choice to launch.

    Raises BadParameter, which click shows to the user, if it is not a list of numbers.
    """
    indices = text.split(",") if text else []
    if not all(index.strip().isdecimal() for index in indices):
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 0,1")
    return [mx.gpu(int(index)) for index in indices] or None


def drawable(_context, _option, path):
    """The path of a picture, or None; BadParameter if it could not be drawn, which should not show after a training."""
    if path and not find_spec("matplotlib"):
        raise click.BadParameter("needs matplotlib: pip install matplotlib")
    return path


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False),
    default=EMBEDDED,
    show_default=True,
    help="A folder with MNIST's idx files, or train.csv and test.csv from Kaggle.",
)
@click.option("--network", type=click.Choice(["lenet", "mlp"]), default="lenet", show_default=True)
@click.option("--num-epochs", default=5, show_default=True)
@click.option("--batch-size", default=100, show_default=True, help="Examples per step over the whole job.")
@click.option("--learning-rate", default=0.05, show_default=True)
@click.option("--momentum", default=0.9, show_default=True)
@click.option("--wd", default=1e-5, show_default=True, help="Weight decay.")
@click.option(
    "--scale", default=0.07, show_default=True, help="Initial weights are uniform in +-scale; the article: 0.01."
)
@click.option(
    "--gpus",
    "ctx",
    metavar="LIST",
    callback=contexts,
    help="GPUs of this process, such as 0,1 [default: those that launch dealt].",
)
@click.option("--slices", type=int, help="Parts that a batch is cut into [default: all compute threads].")
@click.option("--limit", type=int, help="Train on the first so many digits only.")
@click.option("--seed", default=0, show_default=True)
@click.option("--save", metavar="PREFIX", help="Write PREFIX-symbol.json and PREFIX-0001.params after each epoch.")
@click.option("--submission", metavar="FILE", help="Write predictions of the test digits as Kaggle wants them.")
@click.option(
    "--picture", metavar="FILE", callback=drawable, help="Draw the learning curve and some test digits as PNG."
)
def main(data, network, num_epochs, batch_size, learning_rate, momentum, wd, scale, ctx, slices, limit, seed, save,
         submission, picture):  # fmt: skip
    """Train on MNIST, or on the 6 000 digits that come with the examples."""
    digits = load(data, limit)
    mx.random.seed(seed)
    history, started = mx.callback.Logger(), perf_counter()
    model = mx.FeedForward.create(
        {"lenet": lenet, "mlp": mlp}[network](),
        digits.train_images,
        digits.train_labels,
        ctx=ctx,
        num_epoch=num_epochs,
        batch_size=batch_size,
        slices=slices,
        learning_rate=learning_rate,
        momentum=momentum,
        wd=wd,
        initializer=mx.init.Uniform(scale),
        eval_data=None if digits.test_labels is None else (digits.test_images, digits.test_labels),
        batch_end_callback=mx.callback.log_train_metric(100, history),
        epoch_end_callback=mx.callback.do_checkpoint(save) if save else None,
    )
    seconds = perf_counter() - started
    # All workers have the same network now, so that one of them can do the rest.
    if mx.rank() != 0:
        return
    speed = num_epochs * len(digits.train_labels) / seconds
    print(f"Trained {num_epochs} epochs in {seconds:.1f} s ({speed:.0f} digits/s)")
    predicted = model.predict(digits.test_images).argmax(axis=1)
    if digits.test_labels is not None:
        print(f"Test-accuracy={np.mean(predicted == digits.test_labels):.15g}")
    if submission:
        write_submission(submission, predicted)
        print(f"Predictions of {len(predicted)} digits written to {submission}")
    if picture:
        from picture import draw  # not at the top: only pictures need matplotlib

        draw(picture, history, digits, predicted)
        print(f"Picture written to {picture}")


def write_submission(path, predicted):
    """Write a csv file with the columns ImageId (from 1) and Label; `predicted` is (digits,)."""
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "Label"])
        writer.writerows(enumerate(predicted.tolist(), 1))


if __name__ == "__main__":
    main()
