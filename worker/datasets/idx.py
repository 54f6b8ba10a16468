"""MNIST and Fashion-MNIST: four files in LeCun's IDX layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigmascope.errors import InvalidValueError
from worker.datasets.download import Published
from worker.datasets.files import Content, DataFiles, check_content, read, sha256
from worker.datasets.images import Images, RawSplit, counted, standardised

CLASSES = 10
SIDE = 28
SPLITS = ("train", "t10k")


@dataclass(frozen=True, slots=True)
class IdxSet:
    """One data set of this layout.

    Args:
        folder: below the user's data folder.
        host: URL of the publisher's folder.
        md5: published checksums of the gzipped files.
        content_md5: checksums of the unpacked files, so that it counts for nothing how they were packed.
        mean, std: of all pixels of the training split, on the scale 0 to 1.
    """

    folder: str
    host: str
    md5: Mapping[str, str]
    content_md5: Mapping[str, str]
    mean: float
    std: float
    licence: str


MNIST = IdxSet(
    folder="mnist",
    host="https://ossci-datasets.s3.amazonaws.com/mnist",
    md5={
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    content_md5={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    mean=0.1307,
    std=0.3081,
    licence="CC BY-SA 3.0",
)
FASHION_MNIST = IdxSet(
    folder="fashion-mnist",
    host="https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    md5={
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    # as MindSpore publishes them
    content_md5={
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    mean=0.2860,
    std=0.3530,
    licence="MIT",
)


def load_idx(source: IdxSet, files: DataFiles) -> Images:
    """The data set out of the user's folder or a download.

    Raises:
        NotFoundError: a file is missing and cannot be downloaded.
        InvalidValueError: a file is damaged.
    """
    contents = {name: _content(source, files, name) for name in source.md5}
    # what is wrong with the numbers says more than a wrong checksum
    train, test = (_split(contents, split) for split in SPLITS)
    for name, content in contents.items():
        check_content(content, f"md5:{source.content_md5[name]}", remedy=_REMEDY)
    images = contents["train-images-idx3-ubyte"]
    provenance = {
        "source": images.source,
        "extent": counted(train, test),
        "sha256": sha256([content.data for content in contents.values()]),
        "licence": source.licence,
    }
    mean, std = (source.mean,), (source.std,)
    return standardised(train, test, classes=CLASSES, mean=mean, std=std, provenance=provenance)


def parse_idx(content: Content, *, dimensions: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an unpacked IDX file.

    Raises:
        InvalidValueError: the header is not that of such a file, or its length is not what the header says.
    """
    data, start = content.data, 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes((0, 0, 8, dimensions)):
        raise InvalidValueError(
            f"{content.source} is no IDX file of {dimensions} dimensions: expected a header of {start} bytes "
            f"that starts with 0000080{dimensions}, found {len(data)} bytes that start with "
            f"{data[:4].hex() or 'nothing'}; {_REMEDY}"
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, offset=4))
    expected = start + int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise InvalidValueError(
            f"{content.source} is truncated or corrupt: its header says {shape}, which takes {expected} "
            f"bytes, and it holds {len(data)}; {_REMEDY}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


_REMEDY = "fetch it again, or remove it to have it downloaded"


def _content(source: IdxSet, files: DataFiles, name: str) -> Content:
    path = files.find([source.folder], name)
    if path is None:
        published = Published(f"{name}.gz", source.host, f"md5:{source.md5[name]}")
        path = files.fetch(published, folder=source.folder, missing=f"{source.folder}/{name}")
    return read(path, remedy=_REMEDY)


def _split(contents: Mapping[str, Content], split: str) -> RawSplit:
    of_images, of_labels = contents[f"{split}-images-idx3-ubyte"], contents[f"{split}-labels-idx1-ubyte"]
    images, labels = parse_idx(of_images, dimensions=3), parse_idx(of_labels, dimensions=1)
    if images.shape[1:] != (SIDE, SIDE) or len(images) != len(labels) or not len(images):
        raise InvalidValueError(
            f"{of_images.source} and {of_labels.source} do not belong together: expected {SIDE} x {SIDE} "
            f"images with as many labels, found shapes {images.shape} and {labels.shape}; {_REMEDY}"
        )
    if labels.max() >= CLASSES:
        raise InvalidValueError(
            f"{of_labels.source} is corrupt: expected labels below {CLASSES}, found {labels.max()}; {_REMEDY}"
        )
    return images[:, None], labels
