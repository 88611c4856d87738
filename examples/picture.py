"""A picture of a training: the learning curve, and test digits with the network's predictions."""

import matplotlib
import numpy as np

matplotlib.use("Agg")  # draws into files; must come before pyplot, which would look for a display
from matplotlib import pyplot as plt

RIGHT, WRONG = "#1b7837", "#b2182b"


def draw(path, history, digits, predicted, shown=24):
    """Write a PNG: accuracy over epochs on the left, `shown` test digits on the right, mistakes first and in red.

    `history` is an mx.callback.Logger, `predicted` (test digits,). `shown` is a multiple of 4, the number of rows.
    """
    figure = plt.figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    _curve(left.subplots(), history)
    _digits(right.subplots(4, shown // 4), digits, predicted)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _curve(axes, history):
    for label, series in (("training", history.train), ("test", history.eval)):
        values = [value for _, value in series]
        if values:
            axes.plot(range(1, len(values) + 1), values, marker="o", label=f"{label}: {values[-1]:.4f}")
    axes.set(xlabel="epoch", ylabel="accuracy", title="Learning curve")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")


def _digits(grid, digits, predicted):
    labels = predicted if digits.test_labels is None else digits.test_labels
    mistakes = np.flatnonzero(predicted != labels)[: grid.size // 3]
    others = np.setdiff1d(np.arange(len(predicted)), mistakes)[: grid.size - len(mistakes)]
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index in zip(grid.flat, [*mistakes, *others], strict=False):
        right = predicted[index] == labels[index]
        axes.imshow(digits.test_images[index, 0], cmap="gray_r")
        title = f"{predicted[index]:.0f}" if right else f"{predicted[index]:.0f} (is {labels[index]:.0f})"
        axes.set_title(title, fontsize=8, color=RIGHT if right else WRONG)
