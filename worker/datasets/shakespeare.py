"""char-rnn's Shakespeare: 1,115,394 characters of his plays."""

from __future__ import annotations

from sigmascope.errors import InvalidValueError
from worker.datasets.download import Published
from worker.datasets.files import DataFiles, read, sha256
from worker.datasets.text import Text, from_string

FOLDER = "tinyshakespeare"
LENGTH = 1_115_394
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
PUBLISHED = Published(
    "input.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare",
    f"sha256:{SHA256}",
)


def shakespeare(files: DataFiles, *, context: int) -> Text:
    """The text out of the user's folder or a download.

    Raises:
        NotFoundError: it is missing and cannot be downloaded.
        InvalidValueError: it is not the published text, or shorter than the context needs.
    """
    path = files.find([FOLDER], PUBLISHED.name)
    if path is None:
        path = files.fetch(PUBLISHED, folder=FOLDER, missing=f"{FOLDER}/{PUBLISHED.name}")
    content = read(path, remedy=_REMEDY)
    found = sha256([content.data])
    if found != SHA256:
        raise InvalidValueError(
            f"{content.source} is truncated or corrupt: expected {LENGTH} bytes with SHA-256 {SHA256}, found "
            f"{len(content.data)} with {found}; {_REMEDY}"
        )
    provenance = {
        "source": content.source,
        "extent": f"{LENGTH:,} characters",
        "sha256": found,
        "licence": "public domain",
    }
    return from_string(content.data.decode("ascii"), context=context, provenance=provenance)


_REMEDY = "fetch it again, or remove it to have it downloaded"
