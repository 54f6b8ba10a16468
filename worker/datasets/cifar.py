"""CIFAR-10 and CIFAR-100 in their official binary layout: label bytes, then 3072 pixel bytes, an image."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sigmascope.errors import InvalidValueError
from worker.datasets.download import Published
from worker.datasets.files import Content, DataFiles, read, sha256
from worker.datasets.images import Images, RawSplit, standardised

IMAGE_SHAPE = (3, 32, 32)
PIXELS = 3072


@dataclass(frozen=True, slots=True)
class CifarSet:
    """One data set of this layout.

    Args:
        folders: below the user's data folder, the first one there counts; a subset is welcome.
        archive: the official download.
        inside: folder within the archive.
        train: files of the training split; in the user's folder one of them is enough.
        label_bytes: before the pixels; the last of them is the label.
        mean, std: of the training split's pixels, by channel, on the scale 0 to 1.
    """

    folders: tuple[str, ...]
    archive: Published
    inside: str
    train: tuple[str, ...]
    test: str
    label_bytes: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


HOST = "https://www.cs.toronto.edu/~kriz"
LICENCE = "none stated; Krizhevsky (2009), Learning multiple layers of features from tiny images"
CIFAR10 = CifarSet(
    folders=("cifar-10-batches-bin", "cifar-10", "cifar-10-subset"),
    # both checksums as given on the publisher's page
    archive=Published("cifar-10-binary.tar.gz", HOST, "md5:c32a1d4ab5d03f1284b67883e8d87530"),
    inside="cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test="test_batch.bin",
    label_bytes=1,
    classes=10,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
)
CIFAR100 = CifarSet(
    folders=("cifar-100-binary", "cifar-100", "cifar-100-subset"),
    archive=Published("cifar-100-binary.tar.gz", HOST, "md5:03b5dce01913d631647c71ecec9e9cb8"),
    inside="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    label_bytes=2,
    classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
)


def load_cifar(source: CifarSet, files: DataFiles) -> Images:
    """The data set, or the part of it that the user's folder holds, or the official download.

    Raises:
        NotFoundError: a file is missing and cannot be downloaded.
        InvalidValueError: a file is damaged.
    """
    train, test = _from_folder(source, files) or _from_archive(source, files)
    provenance = {
        "source": ", ".join(content.source for content in (*train, test)),
        "sha256": sha256([content.data for content in (*train, test)]),
        "licence": LICENCE,
    }
    return standardised(
        _split(source, train),
        _split(source, [test]),
        classes=source.classes,
        mean=source.mean,
        std=source.std,
        provenance=provenance,
    )


def parse_cifar(content: Content, *, label_bytes: int, classes: int) -> RawSplit:
    """Pixels (images, 3, 32, 32) and labels of one file.

    Raises:
        InvalidValueError: the length is not that of whole images, or a label is too large.
    """
    record = label_bytes + PIXELS
    if not content.data or len(content.data) % record:
        raise InvalidValueError(
            f"{content.source} is truncated: expected a multiple of {record} bytes, an image each, found "
            f"{len(content.data)}; {_REMEDY}"
        )
    records = np.frombuffer(content.data, np.uint8).reshape(-1, record)
    labels = records[:, label_bytes - 1]
    if labels.max() >= classes:
        raise InvalidValueError(
            f"{content.source} is corrupt: expected labels below {classes}, found {labels.max()}; {_REMEDY}"
        )
    return records[:, label_bytes:].reshape(-1, *IMAGE_SHAPE), labels


_REMEDY = "fetch it again, or remove it to have the data set downloaded"


def _split(source: CifarSet, contents: Sequence[Content]) -> RawSplit:
    parts = [parse_cifar(c, label_bytes=source.label_bytes, classes=source.classes) for c in contents]
    return np.concatenate([pixels for pixels, _ in parts]), np.concatenate([labels for _, labels in parts])


def _from_folder(source: CifarSet, files: DataFiles) -> tuple[list[Content], Content] | None:
    """The user's files, all from one folder; None when no folder has a training and the test file."""
    for folder in source.folders:
        train = [path for name in source.train if (path := files.find([folder], name))]
        test = files.find([folder], source.test)
        if train and test:
            return [read(path, remedy=_REMEDY) for path in train], read(test, remedy=_REMEDY)
    return None


def _from_archive(source: CifarSet, files: DataFiles) -> tuple[list[Content], Content]:
    missing = f"{source.folders[0]}/{source.train[0]} (with {source.test})"
    path = files.fetch(source.archive, folder=source.inside, missing=missing)
    found = _members(path, [f"{source.inside}/{name}" for name in (*source.train, source.test)])
    return found[:-1], found[-1]


def _members(archive: Path, names: Sequence[str]) -> list[Content]:
    """Files of an archive, read in memory: nothing of it is written to disk."""
    with tarfile.open(archive, "r:gz") as tar:
        found = {
            member.name: file.read()
            for member in tar
            if member.name in names and (file := tar.extractfile(member))
        }
    absent = sorted(set(names) - set(found))
    if absent:
        raise InvalidValueError(f"{archive} holds no {', '.join(absent)}; {_REMEDY}")
    return [Content(found[name], f"{archive}:{name}") for name in names]
