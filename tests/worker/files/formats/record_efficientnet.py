"""Makes data/efficientnet_lite0_logits.npy: what PyTorch computes for the four pictures of test_efficientnet.py.

Run in two steps, since torch and this package need not live together: `python record_efficientnet.py pictures FILE`
with scikit-image and scikit-learn writes the network's inputs; `python record_efficientnet.py logits FILE WEIGHTS` with
torch and the package efficientnet-lite-pytorch reads them.
"""

import sys
from pathlib import Path

import numpy as np

LOGITS = Path(__file__).with_name("recorded") / "efficientnet_lite0_logits.npy"


def pictures():
    """A cat, a cup of espresso, a rocket and a daisy: the central square, every so many pixels, as (4, 3, 224, 224)."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    images = [data.chelsea(), data.coffee(), data.rocket(), load_sample_image("flower.jpg")]
    return np.stack([(square(image).transpose(2, 0, 1) - np.float32(127)) / 128 for image in images])


def square(image):
    side = min(image.shape[:2])
    top, left = ((extent - side) // 2 for extent in image.shape[:2])
    steps = np.arange(224) * side // 224
    return image[top + steps][:, left + steps].astype(np.float32)


def logits(inputs, weights):
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    with torch.no_grad():
        return network(torch.from_numpy(inputs)).numpy()


if __name__ == "__main__":
    if sys.argv[1] == "pictures":
        np.save(sys.argv[2], pictures())
    else:
        np.save(LOGITS, logits(np.load(sys.argv[2]), sys.argv[3]))
