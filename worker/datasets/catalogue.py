"""Every data set by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files as package_files
from io import BytesIO

import numpy as np

from sigmascope.errors import InvalidValueError
from worker.datasets.cifar import CIFAR10, CIFAR100, load_cifar
from worker.datasets.files import DataFiles, sha256
from worker.datasets.idx import CLASSES, FASHION_MNIST, MNIST, load_idx
from worker.datasets.images import Images, counted, standardised
from worker.datasets.python_stdlib import python_stdlib
from worker.datasets.shakespeare import shakespeare
from worker.datasets.teacher import Teacher, gaussian_teacher
from worker.datasets.text import Text

_BUILTIN = "mnist-builtin"
_IMAGES: Mapping[str, Callable[[DataFiles], Images]] = {
    _BUILTIN: lambda _: _builtin(),
    "gaussian-teacher": lambda _: gaussian_teacher(Teacher()),
    "mnist": partial(load_idx, MNIST),
    "fashion-mnist": partial(load_idx, FASHION_MNIST),
    "cifar10": partial(load_cifar, CIFAR10),
    "cifar100": partial(load_cifar, CIFAR100),
}
_TEXTS: Mapping[str, Callable[[DataFiles, int], Text]] = {
    "python-stdlib": lambda _, context: python_stdlib(context=context),
    "shakespeare": lambda files, context: shakespeare(files, context=context),
}
IMAGES = tuple(_IMAGES)
TEXTS = tuple(_TEXTS)
# They need neither files nor a network
OFFLINE = (_BUILTIN, "gaussian-teacher", "python-stdlib")


def load_images(name: str, files: DataFiles | None = None) -> Images:
    """The image data set called ``name``.

    Raises:
        InvalidValueError: there is none of that name, or a file of it is damaged.
        NotFoundError: a file of it is missing and cannot be downloaded.
    """
    if name not in _IMAGES:
        raise InvalidValueError(f"unknown data set of images {name!r}; choose one of {', '.join(IMAGES)}")
    return _IMAGES[name](files or DataFiles())


def load_text(name: str, files: DataFiles | None = None, *, context: int) -> Text:
    """The text called ``name``, in windows of ``context`` characters.

    Raises:
        InvalidValueError: there is none of that name, it is too short, or its file is damaged.
        NotFoundError: its file is missing and cannot be downloaded.
    """
    if name not in _TEXTS:
        raise InvalidValueError(f"unknown text {name!r}; choose one of {', '.join(TEXTS)}")
    return _TEXTS[name](files or DataFiles(), context)


def load(name: str, files: DataFiles | None = None, *, context: int) -> Images | Text:
    """The data set called ``name``; ``context`` is the length of a text's samples and nothing to images.

    Raises:
        InvalidValueError: there is none of that name, a text is too short, or a file is damaged.
        NotFoundError: a file is missing and cannot be downloaded.
    """
    if name in _IMAGES:
        return load_images(name, files)
    if name in _TEXTS:
        return load_text(name, files, context=context)
    raise InvalidValueError(f"unknown data set {name!r}; choose one of {', '.join((*IMAGES, *TEXTS))}")


def _builtin() -> Images:
    raw = (package_files("worker.datasets.builtin") / "mnist.npz").read_bytes()
    with np.load(BytesIO(raw), allow_pickle=False) as arrays:
        train, test = (
            (arrays[f"{split}_images"][:, None], arrays[f"{split}_labels"]) for split in ("train", "test")
        )
    provenance = {
        "source": "12,000 images of MNIST that ship with sigmascope",
        "extent": f"a subset: {counted(train, test)}",
        "sha256": sha256([raw]),
        "licence": MNIST.licence,
    }
    mean, std = (MNIST.mean,), (MNIST.std,)
    return standardised(train, test, classes=CLASSES, mean=mean, std=std, provenance=provenance)
