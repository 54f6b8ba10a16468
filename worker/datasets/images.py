"""Image data sets, as flat standardised vectors with labels."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sigmascope.errors import InvalidValueError

# Mean and standard deviation of all pixels of MNIST's training split, on the scale 0 to 1
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081


@dataclass(frozen=True, slots=True)
class Images:
    """Two splits: ``x`` of shape (images, pixels), float32, standardised; ``y`` of class indices."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int

    @property
    def features(self) -> int:
        """Pixels of an image."""
        return int(self.train_x.shape[1])

    def to(self, device: torch.device) -> Images:
        """The same data on ``device``."""
        return Images(
            self.train_x.to(device),
            self.train_y.to(device),
            self.test_x.to(device),
            self.test_y.to(device),
            classes=self.classes,
        )


def load(name: str) -> Images:
    """The data set called ``name``.

    Raises:
        InvalidValueError: there is none of that name.
    """
    if name != "mnist-builtin":
        raise InvalidValueError(f"unknown data set {name!r}; choose mnist-builtin")
    with as_file(files("worker.datasets.builtin") / "mnist.npz") as path, np.load(path) as arrays:
        splits = [_split(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in ("train", "test")]
    (train_x, train_y), (test_x, test_y) = splits
    return Images(train_x, train_y, test_x, test_y, classes=10)


def batch_indices(size: int, *, batch_size: int, step: int, seed: int) -> Tensor:
    """Indices of the images in batch ``step`` = 1, 2, ...: a function of (seed, step) alone.

    Each epoch is a fresh permutation, without the remainder that fills no batch.

    Raises:
        InvalidValueError: the batch is larger than the data set.
    """
    if batch_size > size:
        raise InvalidValueError(f"batch_size must be at most the data set's {size} images, got {batch_size}")
    epoch, position = divmod(step - 1, size // batch_size)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
    return order[position * batch_size : (position + 1) * batch_size]


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(images.reshape(len(images), -1).astype(np.float32) / 255)
    return (x - MNIST_MEAN) / MNIST_STD, torch.from_numpy(labels.astype(np.int64))
