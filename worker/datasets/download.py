"""Downloads by pooch: into a cache, checked, with a progress bar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from sigmascope.errors import InvalidValueError

TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Published:
    """A file as its publisher offers it.

    Args:
        name: of the file, below ``host``.
        host: URL of the folder.
        checksum: of the file as downloaded, ``md5:...`` or ``sha256:...``.
    """

    name: str
    host: str
    checksum: str


class _Bar:
    """The progress bar that pooch asks for, drawn by rich."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None)

    @property
    def total(self) -> float | None:
        """Bytes to come; None: unknown."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, size: float) -> None:
        self._progress.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        """``size`` bytes have come."""
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        """Pooch counts again."""
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """The end; ``download`` clears the screen."""


def download(url: str, published: Published, folder: Path) -> Path:
    """``url`` in ``folder``, taken from there when it is already there unharmed.

    The file appears under its name only after its checksum agreed.

    Raises:
        InvalidValueError: the checksum disagrees; the message has both.
        OSError: the host cannot be reached, or the folder not written.
    """
    columns = TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn()
    with Progress(*Progress.get_default_columns()[1:2], *columns, console=Console(stderr=True)) as progress:
        downloader = pooch.HTTPDownloader(progressbar=_Bar(progress, published.name), timeout=TIMEOUT_SECONDS)
        try:
            path: str = pooch.retrieve(
                url,
                known_hash=published.checksum,
                fname=published.name,
                path=folder,
                downloader=downloader,
            )
        except ValueError as error:
            # errors of the connection are OSErrors, and some of them ValueErrors too
            if isinstance(error, OSError):
                raise
            raise InvalidValueError(
                f"{url} is not the published {published.name}: {error} Try again, or use another mirror."
            ) from error
    return Path(path)
