"""Text data sets, read a character at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from sigmascope.errors import InvalidValueError
from worker.datasets.sampling import evenly_spaced

# Of the text, in order: the first part trains, the rest tests, as in nanoGPT
TRAIN_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Text:
    """Two consecutive parts of a text, as indices into ``vocabulary`` (uint8).

    A sample is a window of ``context`` characters and the window one further; training windows start
    anywhere, test windows do not overlap.
    """

    train: Tensor
    test: Tensor
    vocabulary: str
    context: int
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """V, the number of different characters."""
        return len(self.vocabulary)

    @property
    def sample_count(self) -> int:
        """N, the number of training windows."""
        return len(self.train) - self.context

    def to(self, device: torch.device) -> Text:
        """The same data on ``device``."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Characters (B, T) of the windows that start at ``indices``, and those that follow each, (B, T)."""
        return self._windows(self.train, indices)

    def test_batches(self, batch_size: int, *, limit: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The test windows in order, or ``limit`` of them evenly spaced."""
        count = (len(self.test) - 1) // self.context
        starts = evenly_spaced(count, limit=limit) * self.context
        for chosen in torch.split(starts, batch_size):
            yield self._windows(self.test, chosen)

    def decode(self, indices: Tensor) -> str:
        """The characters of a vector of indices."""
        return "".join(self.vocabulary[index] for index in indices.tolist())

    def _windows(self, text: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        starts = starts.to(text.device)
        window = text[starts[:, None] + torch.arange(self.context + 1, device=text.device)].long()
        return window[:, :-1], window[:, 1:]


def from_string(text: str, *, context: int, provenance: Mapping[str, str]) -> Text:
    """A text split into 90 % for training and 10 % for testing; its vocabulary is its sorted characters.

    Raises:
        InvalidValueError: a split is shorter than one window, the context is below 1, or the text has more
            than 256 different characters.
    """
    if context < 1:
        raise InvalidValueError(f"context must be at least 1 character, got {context}")
    vocabulary = "".join(sorted(set(text)))
    if len(vocabulary) > 256:
        raise InvalidValueError(
            f"the text has {len(vocabulary)} different characters; at most 256 are read: map it to ASCII"
        )
    train_length = int(TRAIN_SHARE * len(text))
    _check_length(min(train_length, len(text) - train_length), text, context)
    codes = torch.from_numpy(_encode(text, vocabulary))
    return Text(codes[:train_length], codes[train_length:], vocabulary, context, provenance)


def _encode(text: str, vocabulary: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    alphabet = np.frombuffer(vocabulary.encode("utf-32-le"), np.uint32)
    return np.searchsorted(alphabet, points).astype(np.uint8)


def _check_length(shorter: int, text: str, context: int) -> None:
    if shorter < context + 1:
        raise InvalidValueError(
            f"a text of {len(text)} characters is too short for a context of {context}: its test tenth of "
            f"{shorter} must hold {context + 1}; use a longer text or a context of at most {shorter - 1}"
        )
