"""Make the MNIST subset that ships with sigmascope from the four official IDX files.

    python tools/make_builtin_mnist.py FOLDER_OF_IDX_FILES

1,000 training and 200 test images of each digit, drawn with a fixed seed, in a compressed .npz of uint8.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TARGET = Path(__file__).parent.parent / "worker" / "datasets" / "builtin" / "mnist.npz"
HEADER = {3: 16, 1: 8}


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array in an IDX file, gzipped or plain."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = np.frombuffer(raw, ">i4", dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=HEADER[dimensions]).reshape(shape)


def draw(labels: NDArray[np.uint8], per_digit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of ``per_digit`` images of each digit, in random order."""
    chosen = [rng.choice(np.flatnonzero(labels == digit), per_digit, replace=False) for digit in range(10)]
    return rng.permutation(np.concatenate(chosen))


def main(folder: Path) -> None:
    """Write the subset."""
    rng = np.random.default_rng(1998)
    arrays: dict[str, NDArray[np.uint8]] = {}
    for split, prefix, per_digit in (("train", "train", 1000), ("test", "t10k", 200)):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", 3)
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 1)
        chosen = draw(labels, per_digit, rng)
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images[chosen], labels[chosen]
    np.savez_compressed(TARGET, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
