"""CIFAR-10 and CIFAR-100 in their official binary layout: label bytes, then 3072 pixel bytes, an image."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sigmascope.errors import InvalidValueError, NotFoundError
from worker.datasets.download import Published
from worker.datasets.files import Content, DataFiles, check_content, read, sha256
from worker.datasets.images import Images, RawSplit, counted, standardised

IMAGE_SHAPE = (3, 32, 32)
PIXELS = 3072
# of the classes that a subset lacks, in its message
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """One official file.

    Args:
        name: as it is called in the archive, and in the user's folder with or without ``.gz``.
        images: how many it holds.
        sha1: of its content, as Apache MXNet publishes them; the publisher gives that of the archive alone.
    """

    name: str
    images: int
    sha1: str


@dataclass(frozen=True, slots=True)
class CifarSet:
    """One data set of this layout.

    Args:
        folders: below the user's data folder, for all official files; the first one there counts.
        subset: the folder for a part of them, under the same names, each as long as the user likes.
        archive: the official download.
        inside: folder within the archive.
        train, test: files of the two splits.
        label_bytes: before the pixels; the last of them is the label.
        mean, std: of the training split's pixels, by channel, on the scale 0 to 1.
    """

    folders: tuple[str, ...]
    subset: str
    archive: Published
    inside: str
    train: tuple[Batch, ...]
    test: Batch
    label_bytes: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


HOST = "https://www.cs.toronto.edu/~kriz"
LICENCE = "none stated; Krizhevsky (2009), Learning multiple layers of features from tiny images"
CIFAR10 = CifarSet(
    folders=("cifar-10-batches-bin", "cifar-10"),
    subset="cifar-10-subset",
    # both checksums as given on the publisher's page
    archive=Published("cifar-10-binary.tar.gz", HOST, "md5:c32a1d4ab5d03f1284b67883e8d87530"),
    inside="cifar-10-batches-bin",
    train=(
        Batch("data_batch_1.bin", 10_000, "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
        Batch("data_batch_2.bin", 10_000, "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
        Batch("data_batch_3.bin", 10_000, "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
        Batch("data_batch_4.bin", 10_000, "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
        Batch("data_batch_5.bin", 10_000, "26e2849e66a845b7f1e4614ae70f4889ae604628"),
    ),
    test=Batch("test_batch.bin", 10_000, "67eb016db431130d61cd03c7ad570b013799c88c"),
    label_bytes=1,
    classes=10,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
)
CIFAR100 = CifarSet(
    folders=("cifar-100-binary", "cifar-100"),
    subset="cifar-100-subset",
    archive=Published("cifar-100-binary.tar.gz", HOST, "md5:03b5dce01913d631647c71ecec9e9cb8"),
    inside="cifar-100-binary",
    train=(Batch("train.bin", 50_000, "e207cd2e05b73b1393c74c7f5e7bea451d63e08e"),),
    test=Batch("test.bin", 10_000, "8fb6623e830365ff53cf14adec797474f5478006"),
    label_bytes=2,
    classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
)


def load_cifar(source: CifarSet, files: DataFiles) -> Images:
    """The data set, or the part of it that the user's folder for a subset holds, or the official download.

    The provenance says whether it is a subset, and how many images it has.

    Raises:
        NotFoundError: a file is missing and cannot be downloaded.
        InvalidValueError: a file is damaged.
    """
    whole = _whole(source, files)
    subset = None if whole else _subset(source, files)
    train, test = whole or subset or _from_archive(source, files)
    splits = _split(source, train), _split(source, [test])
    extent = counted(*splits)
    if subset:
        extent = f"a subset: {extent}"
        check_subset(splits[0], ", ".join(content.source for content in train), classes=source.classes)
        check_subset(splits[1], test.source, classes=source.classes)
    provenance = {
        "source": ", ".join(content.source for content in (*train, test)),
        "extent": extent,
        "sha256": sha256([content.data for content in (*train, test)]),
        "licence": LICENCE,
    }
    mean, std = source.mean, source.std
    return standardised(*splits, classes=source.classes, mean=mean, std=std, provenance=provenance)


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


def check_subset(split: RawSplit, source: str, *, classes: int) -> None:
    """What can be told of a part of the data that has no published checksum.

    Raises:
        InvalidValueError: an image is black all over, as the zeros of a file that was never filled are, or a
            class has no image.
    """
    pixels, labels = split
    black = len(pixels) - int(np.count_nonzero(pixels.any(axis=(1, 2, 3))))
    if black:
        raise InvalidValueError(
            f"{source} is corrupt: {black} of {len(pixels)} images hold nothing but zeros; {_REMEDY}"
        )
    absent = sorted(set(range(classes)) - set(labels.tolist()))
    if absent:
        listed = ", ".join(map(str, absent[:SHOWN])) + (", ..." if len(absent) > SHOWN else "")
        raise InvalidValueError(
            f"{source} is no subset to train on: of {classes} classes {len(absent)} have no image "
            f"({listed}); take at least one of each"
        )


_REMEDY = "fetch it again, or remove it to have the data set downloaded"


def _split(source: CifarSet, contents: Sequence[Content]) -> RawSplit:
    parts = [parse_cifar(c, label_bytes=source.label_bytes, classes=source.classes) for c in contents]
    return np.concatenate([pixels for pixels, _ in parts]), np.concatenate([labels for _, labels in parts])


def _whole(source: CifarSet, files: DataFiles) -> tuple[list[Content], Content] | None:
    """All official files, out of one of the user's folders; None when no folder has any of them."""
    batches = (*source.train, source.test)
    for folder in source.folders:
        found = {batch.name: path for batch in batches if (path := files.find([folder], batch.name))}
        if not found:
            continue
        absent = [batch.name for batch in batches if batch.name not in found]
        if absent:
            raise NotFoundError(
                f"{found.popitem()[1].parent} lacks {', '.join(absent)}: put them there, plain or gzipped, "
                f"or call the folder {source.subset} to train on a part of the data"
            )
        *train, test = (_official(source, batch, found[batch.name]) for batch in batches)
        return train, test
    return None


def _official(source: CifarSet, batch: Batch, path: Path) -> Content:
    content = read(path, remedy=_REMEDY)
    expected = batch.images * (source.label_bytes + PIXELS)
    # a wrong length says more than a wrong checksum
    if len(content.data) != expected:
        raise InvalidValueError(
            f"{content.source} is truncated or corrupt: expected {expected} bytes, {batch.images} images, "
            f"found {len(content.data)}; {_REMEDY}, or call the folder {source.subset} if it is a part"
        )
    check_content(content, f"sha1:{batch.sha1}", remedy=_REMEDY)
    return content


def _subset(source: CifarSet, files: DataFiles) -> tuple[list[Content], Content] | None:
    """The files of the user's folder for a subset; None when it has none.

    Raises:
        NotFoundError: it has a training or a test file alone.
    """
    train = [path for batch in source.train if (path := files.find([source.subset], batch.name))]
    test = files.find([source.subset], source.test.name)
    if train and test:
        return [read(path, remedy=_REMEDY) for path in train], read(test, remedy=_REMEDY)
    if train or test:
        absent = f"{source.test.name}" if train else " or ".join(batch.name for batch in source.train)
        folder = (train[0] if train else test or Path()).parent
        raise NotFoundError(f"{folder} lacks {absent}: put it there, plain or gzipped")
    return None


def _from_archive(source: CifarSet, files: DataFiles) -> tuple[list[Content], Content]:
    missing = f"{source.folders[0]}/{source.train[0].name} (with {source.test.name})"
    path = files.fetch(source.archive, folder=source.inside, missing=missing)
    found = _members(path, [f"{source.inside}/{batch.name}" for batch in (*source.train, source.test)])
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
