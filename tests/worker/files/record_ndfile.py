"""Makes data/mxnet_*.nd with MXNet 1.9.1: `python record_ndfile.py`. test_ndfile.py says what is in them."""

from pathlib import Path

import mxnet as mx
import numpy as np

FOLDER = Path(__file__).with_name("recorded")
TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")


def dense():
    """One array of every element type that this version can make, by name."""
    numbers = np.arange(6).reshape(2, 3)
    return {name: mx.nd.array(numbers % 2 if name == "bool" else numbers, dtype=name) for name in TYPES}


def sparse():
    rows = mx.nd.sparse.row_sparse_array((np.array([[1.0, 2], [3, 4]]), [1, 3]), shape=(5, 2))
    compressed = mx.nd.sparse.csr_matrix((np.array([1.0, 2, 3]), [0, 2, 1], [0, 2, 2, 3]), shape=(3, 4))
    return {"rows": rows, "csr": compressed, "none": mx.nd.sparse.zeros("row_sparse", (3, 2))}


if __name__ == "__main__":
    mx.nd.save(str(FOLDER / "mxnet_dense.nd"), dense())
    mx.nd.save(str(FOLDER / "mxnet_sparse.nd"), sparse())
    mx.nd.save(str(FOLDER / "mxnet_list.nd"), [mx.nd.array([1.5, -2]), mx.nd.ones((2, 1, 2))])
    with mx.util.np_shape(True):
        mx.nd.save(str(FOLDER / "mxnet_shapes.nd"), {"scalar": mx.nd.array(3.0), "empty": mx.nd.zeros((0, 3))})
    # MXNet's Python side gives bfloat16 as the 16 bits of each element, the upper half of a float32.
    halves = (np.float32([1.5, -2, 3.140625]).view(np.uint32) >> 16).astype(np.uint16)
    bfloat16 = np.dtype([("bfloat16", np.uint16)])
    mx.nd.save(str(FOLDER / "mxnet_bfloat16.nd"), {"b": mx.nd.array(halves.view(bfloat16), dtype=bfloat16)})
