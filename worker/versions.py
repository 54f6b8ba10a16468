"""What runs are computed with."""

from __future__ import annotations

import platform
from importlib.metadata import version

PACKAGES = ("sigmascope", "torch", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
