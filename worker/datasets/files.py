"""Where the files of a data set come from: a folder of the user's, or a checked download."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sigmascope.errors import InvalidValueError, NotFoundError
from worker.datasets.download import Published, download

# The setting that names the folder; messages speak of it
DATA_DIR_SETTING = "SIGMASCOPE_DATA_DIR"


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, unpacked, and where it was read."""

    data: bytes
    source: str


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The places to look for files, in this order.

    Args:
        data_dir: folder with one folder a data set, its files gzipped or plain; None: there is none.
        cache_dir: where downloads are kept; None: nothing is downloaded.
        mirror: URL to download from in place of the publishers' hosts.
    """

    data_dir: Path | None = None
    cache_dir: Path | None = None
    mirror: str | None = None

    def find(self, folders: Sequence[str], name: str) -> Path | None:
        """The file ``name``, plain or with ``.gz``, in the first of the ``folders`` that has it."""
        if self.data_dir is None:
            return None
        candidates = (
            self.data_dir / folder / f"{name}{ending}" for folder in folders for ending in ("", ".gz")
        )
        return next((path for path in candidates if path.is_file()), None)

    def fetch(self, published: Published, *, folder: str, missing: str) -> Path:
        """``published`` out of the cache, downloaded and checked when it is not there.

        ``missing`` is the path below the data folder that was looked for before.

        Raises:
            NotFoundError: downloads are off, or the host cannot be reached; the message names both ways.
            InvalidValueError: what was downloaded is not what was published.
        """
        url = f"{(self.mirror or published.host).rstrip('/')}/{published.name}"
        if self.cache_dir is None:
            raise NotFoundError(f"{self._absence(missing)}, or allow the download from {url}")
        try:
            return download(url, published, self.cache_dir / folder)
        except OSError as error:
            raise NotFoundError(
                f"{self._absence(missing)}, or make {url} reachable; the download failed: {error}"
            ) from error

    def _absence(self, missing: str) -> str:
        if self.data_dir is None:
            return f"{missing} is missing: set {DATA_DIR_SETTING} to a folder that has it, plain or gzipped"
        path = self.data_dir / missing
        return f"{path} is missing: put it there, plain or gzipped ({DATA_DIR_SETTING} is {self.data_dir})"


def read(path: Path, *, remedy: str) -> Content:
    """The bytes of a file, unpacked when it ends in ``.gz``.

    Raises:
        InvalidValueError: it cannot be read, or its gzip stream is damaged or cut short.
    """
    try:
        data = path.read_bytes()
        return Content(gzip.decompress(data) if path.suffix == ".gz" else data, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidValueError(f"{path} cannot be read: {error}; {remedy}") from error


def check_content(content: Content, checksum: str, *, remedy: str) -> None:
    """InvalidValueError unless the unpacked bytes have the published ``md5:...`` or ``sha1:...``."""
    kind, _, expected = checksum.partition(":")
    found = hashlib.new(kind, content.data, usedforsecurity=False).hexdigest()
    if found != expected:
        raise InvalidValueError(
            f"{content.source} is corrupt: expected {kind.upper()} {expected} of its content, found {found}; "
            f"{remedy}"
        )


def sha256(parts: Sequence[bytes]) -> str:
    """SHA-256 of the unpacked files one after the other: the data's own name, wherever they came from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
