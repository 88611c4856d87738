"""From a folder of pictures to a trained network: the pictures are packed into RecordIO files, which training reads.

python examples/folder_of_images.py
launch --workers 2 examples/folder_of_images.py     each worker decodes only the pictures that it trains on
python examples/folder_of_images.py --pictures FOLDER --size 64     your own pictures, a folder per class
"""

from pathlib import Path

import click
import numpy as np
from digits import load

import pushgrad as mx

EMBEDDED = Path(__file__).parent / "data" / "mnist"


def write_pictures(folder, count):
    """Write the first `count` of the embedded digits as PNG files, in a folder for each digit."""
    from PIL import Image  # the extra `images` of pushgrad

    digits = load(EMBEDDED, count)
    for number, (image, label) in enumerate(zip(digits.train_images, digits.train_labels, strict=True)):
        place = folder / f"digit {label:.0f}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image[0] * 255).astype(np.uint8)).save(place / f"{number:05}.png")


def network(classes):
    """Two convolutions and two fully connected layers: pictures (N, channels, H, W) -> probabilities (N, classes)."""
    layer = mx.symbol.Variable("data")
    for filters in (16, 32):
        layer = mx.symbol.Convolution(layer, kernel=(5, 5), num_filter=filters)
        layer = mx.symbol.Activation(layer, act_type="relu")
        layer = mx.symbol.Pooling(layer, pool_type="max", kernel=(2, 2), stride=(2, 2))
    layer = mx.symbol.FullyConnected(mx.symbol.Flatten(layer), num_hidden=128)
    layer = mx.symbol.FullyConnected(mx.symbol.Activation(layer, act_type="relu"), num_hidden=classes)
    return mx.symbol.SoftmaxOutput(layer, name="softmax")


def pack_once(pictures, prefix, count):
    """Have rank 0 make PREFIX_train.rec and PREFIX_val.rec while the others wait; returns the names of the classes."""
    if mx.rank() == 0:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        if pictures is None:
            pictures = prefix.parent / f"{count}-digits"
            write_pictures(pictures, count)
        mx.recordio.pack_folder(prefix, pictures, train_ratio=0.9, encoding=".png")
    if mx.num_workers() > 1:
        store = mx.kv.create("dist_sync")  # for its barrier: every worker waits until the files are there
        store.barrier()
        store.close()
    return Path(f"{prefix}_classes.txt").read_text().splitlines()


@click.command()
@click.option("--pictures", type=click.Path(exists=True, file_okay=False), help="A folder of class folders.")
@click.option("--prefix", default="out/pictures", show_default=True, help="Of the packed files.", type=Path)
@click.option("--count", default=2000, show_default=True, help="Digits to use where no pictures are given.")
@click.option("--size", default=28, show_default=True, help="Rows and columns that the network sees.")
@click.option("--channels", default=1, show_default=True, help="1 for grey, 3 for colours.")
@click.option("--num-epochs", default=4, show_default=True)
@click.option("--batch-size", default=50, show_default=True, help="Pictures per step over the whole job.")
@click.option("--learning-rate", default=0.05, show_default=True)
@click.option("--slices", type=int, help="Parts that a batch is cut into [default: all compute threads].")
@click.option("--seed", default=0, show_default=True)
@click.option("--save", metavar="PREFIX", help="Write the trained network.")
def main(pictures, prefix, count, size, channels, num_epochs, batch_size, learning_rate, slices, seed, save):
    """Train a small network on a folder of pictures, by default one made of the embedded digits."""
    classes = pack_once(pictures, prefix, count)
    mx.random.seed(seed)
    # Each iterator reads a part of the files, so its batch is this worker's share of the global one.
    mine = {"num_parts": mx.num_workers(), "part_index": mx.rank()}
    shape = (channels, size, size)
    with (
        mx.io.ImageRecordIter(
            f"{prefix}_train.rec", shape, batch_size // mx.num_workers(), f"{prefix}_train.idx",
            shuffle=True, rand_crop=True, resize=size + 2, scale=1 / 255, **mine,
        ) as train,
        mx.io.ImageRecordIter(
            f"{prefix}_val.rec", shape, batch_size // mx.num_workers(), f"{prefix}_val.idx", scale=1 / 255, **mine
        ) as validation,
    ):  # fmt: skip
        model = mx.FeedForward.create(
            network(len(classes)),
            train,
            eval_data=validation,
            num_epoch=num_epochs,
            learning_rate=learning_rate,
            momentum=0.9,
            initializer=mx.init.Uniform(0.07),
            slices=slices,
        )
    if save:
        model.save(save)


if __name__ == "__main__":
    main()
