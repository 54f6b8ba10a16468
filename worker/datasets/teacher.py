"""A synthetic task: Gaussian vectors, labelled by a fixed random teacher."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from worker.datasets.files import sha256
from worker.datasets.images import Images


@dataclass(frozen=True, slots=True)
class Teacher:
    """x ~ N(0, I) and the class argmax_c a_c . x, with a_c ~ N(0, I) drawn once.

    The inputs have no structure at all: whatever appears in a spectrum comes from the labels and from SGD.
    """

    features: int = 256
    classes: int = 10
    train: int = 10_000
    test: int = 2_000
    seed: int = 0


def gaussian_teacher(teacher: Teacher) -> Images:
    """The data of ``teacher``, a function of its fields alone."""
    generator = torch.Generator().manual_seed(teacher.seed)
    weights = torch.randn(teacher.features, teacher.classes, generator=generator)
    x = torch.randn(teacher.train + teacher.test, teacher.features, generator=generator)
    y = (x @ weights).argmax(1)
    parameters = ", ".join(f"{name} {value}" for name, value in asdict(teacher).items())
    return Images(
        x[: teacher.train],
        y[: teacher.train],
        x[teacher.train :],
        y[teacher.train :],
        classes=teacher.classes,
        image_shape=(1, 1, teacher.features),
        provenance={
            "source": f"drawn: Gaussian teacher with {parameters}",
            "extent": f"{teacher.train:,} training and {teacher.test:,} test vectors",
            "sha256": sha256([x.numpy().tobytes(), y.numpy().tobytes()]),
            "licence": "none needed",
        },
    )
