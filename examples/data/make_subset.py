"""Cut the small MNIST that ships here from a folder with the four full files.

    python examples/data/make_subset.py FOLDER

writes mnist/ beside this script: the first 6 000 training and the first 1 000 test digits, in the same file format.
The same input gives the same bytes.
"""

import argparse
import gzip
import struct
from pathlib import Path

import pushgrad as mx

HERE = Path(__file__).parent
ROWS = {"train": 6000, "t10k": 1000}
FILES = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")


def write_idx(path, array):
    """Write a uint8 array as a gzipped idx file; no name and no time inside, so that equal arrays make equal files."""
    header = bytes([0, 0, 0x08, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(header + array.tobytes())


def main():
    """Read, cut, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with train-images-idx3-ubyte.gz and its three siblings")
    folder = parser.parse_args().folder
    (HERE / "mnist").mkdir(exist_ok=True)
    for part, rows in ROWS.items():
        for name in FILES:
            target = HERE / "mnist" / f"{part}-{name}"
            write_idx(target, mx.io.read_idx(folder / f"{part}-{name}")[:rows])
            print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
