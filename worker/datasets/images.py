"""Image data sets, as flat standardised vectors with labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.datasets.sampling import batch_indices, evenly_spaced

__all__ = ["Images", "RawSplit", "batch_indices", "counted", "load", "standardised"]

# pixels (images, C, H, W) and labels (images,)
RawSplit = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Images:
    """Two splits: ``x`` of shape (images, pixels), float32, standardised; ``y`` of class indices.

    A vector holds the image (C, H, W) = ``image_shape`` row by row, channel by channel. Vectors that are no
    images have shape (1, 1, features).
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int
    image_shape: tuple[int, int, int]
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """Pixels of an image, over all channels."""
        return int(self.train_x.shape[1])

    @property
    def sample_count(self) -> int:
        """N, the size of the training split."""
        return len(self.train_x)

    def to(self, device: torch.device) -> Images:
        """The same data on ``device``."""
        return replace(
            self,
            train_x=self.train_x.to(device),
            train_y=self.train_y.to(device),
            test_x=self.test_x.to(device),
            test_y=self.test_y.to(device),
        )

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Training images (B, features) and their classes (B,)."""
        indices = indices.to(self.train_x.device)
        return self.train_x[indices], self.train_y[indices]

    def test_batches(self, batch_size: int, *, limit: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The test split in order, or ``limit`` images evenly spaced in it."""
        chosen = evenly_spaced(len(self.test_x), limit=limit).to(self.test_x.device)
        for indices in torch.split(chosen, batch_size):
            yield self.test_x[indices], self.test_y[indices]


def load(name: str) -> Images:
    """The image data set called ``name``, from what needs no file: see :mod:`worker.datasets.catalogue`.

    Raises:
        InvalidValueError: there is none of that name.
        NotFoundError: it needs files.
    """
    # the catalogue imports every data set, and they import this file
    from worker.datasets import catalogue

    return catalogue.load_images(name)


def counted(train: RawSplit, test: RawSplit) -> str:
    """``60,000 training and 10,000 test images``."""
    return f"{len(train[1]):,} training and {len(test[1]):,} test images"


def standardised(
    train: RawSplit,
    test: RawSplit,
    *,
    classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    provenance: Mapping[str, str],
) -> Images:
    """Images from raw bytes: (pixel / 255 - mean) / std, one mean and std a channel."""
    _, channels, height, width = train[0].shape
    (train_x, train_y), (test_x, test_y) = (
        (_vectors(pixels, mean, std), torch.from_numpy(labels.astype(np.int64)))
        for pixels, labels in (train, test)
    )
    return Images(
        train_x,
        train_y,
        test_x,
        test_y,
        classes=classes,
        image_shape=(channels, height, width),
        provenance=provenance,
    )


def _vectors(pixels: NDArray[np.uint8], mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    # in place: 50,000 colour images are 600 MB in float32
    x = torch.from_numpy(pixels.astype(np.float32)).div_(255)
    for channel, (center, scale) in enumerate(zip(mean, std, strict=True)):
        x[:, channel].sub_(center).div_(scale)
    return x.reshape(len(x), -1)
