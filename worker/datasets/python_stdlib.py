"""Text that every installation has: sources of Python's own standard library."""

from __future__ import annotations

import platform
import sysconfig
from pathlib import Path

from sigmascope.errors import NotFoundError
from worker.datasets.files import read, sha256
from worker.datasets.text import Text, from_string

# Large single files that Python 3.11 to 3.14 all have, 1.7 MB together
MODULES = (
    "argparse",
    "ast",
    "configparser",
    "dataclasses",
    "difflib",
    "doctest",
    "enum",
    "inspect",
    "ipaddress",
    "mailbox",
    "optparse",
    "pdb",
    "pickle",
    "pickletools",
    "platform",
    "pydoc",
    "shutil",
    "smtplib",
    "statistics",
    "subprocess",
    "tarfile",
    "threading",
    "typing",
)


def python_stdlib(*, context: int) -> Text:
    """The modules one after the other, in ASCII: the text differs between versions of Python.

    Raises:
        NotFoundError: this Python came without its sources.
        InvalidValueError: the context is longer than a split of the text.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    text = "\n".join(_source(folder / f"{module}.py") for module in MODULES)
    provenance = {
        "source": f"standard library of Python {platform.python_version()}: {', '.join(MODULES)}",
        "extent": f"{len(text):,} characters",
        "sha256": sha256([text.encode("ascii")]),
        "licence": "PSF-2.0",
    }
    return from_string(text, context=context, provenance=provenance)


def _source(path: Path) -> str:
    if not path.is_file():
        raise NotFoundError(
            f"{path} is missing: this Python came without the sources of its standard library; install them, "
            "or choose the data set shakespeare"
        )
    return (
        read(path, remedy="repair this Python")
        .data.decode("utf-8")
        .encode("ascii", "replace")
        .decode("ascii")
    )
