"""The built-in data are real, balanced and reproducible."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import worker.datasets.builtin
from sigmascope.errors import InvalidValueError
from worker.datasets.images import batch_indices, load


def test_the_built_in_mnist() -> None:
    data = load("mnist-builtin")
    assert data.train_x.shape == (10_000, 784)
    assert data.test_x.shape == (2_000, 784)
    assert torch.bincount(data.train_y).tolist() == [1000] * 10
    assert torch.bincount(data.test_y).tolist() == [200] * 10
    assert data.train_x.mean().item() == pytest.approx(0, abs=0.02)
    assert data.train_x.std().item() == pytest.approx(1, abs=0.02)
    folder = Path(worker.datasets.builtin.__file__).parent
    assert (folder / "mnist.npz").stat().st_size < 3_000_000
    assert "Share Alike 3.0" in (folder / "LICENSE-MNIST.txt").read_text()


def test_real_digits_can_be_told_apart() -> None:
    # Nearest class mean: 82 % on MNIST, 10 % on noise
    data = load("mnist-builtin")
    means = torch.stack([data.train_x[data.train_y == digit].mean(0) for digit in range(10)])
    guess = torch.cdist(data.test_x, means).argmin(1)
    assert (guess == data.test_y).float().mean().item() > 0.78


def test_batches_are_a_function_of_seed_and_step_and_cover_an_epoch() -> None:
    first = [batch_indices(100, batch_size=32, step=step, seed=1) for step in (1, 2, 3, 4)]
    again = batch_indices(100, batch_size=32, step=3, seed=1)
    assert torch.equal(first[2], again)
    assert len(torch.cat(first[:3]).unique()) == 96
    assert not torch.equal(first[0], first[3])
    assert not torch.equal(first[0], batch_indices(100, batch_size=32, step=1, seed=2))


def test_bad_names_and_sizes() -> None:
    with pytest.raises(InvalidValueError, match=r"'imagenet'.*mnist-builtin"):
        load("imagenet")
    with pytest.raises(InvalidValueError, match=r"100 images, got 101"):
        batch_indices(100, batch_size=101, step=1, seed=0)
