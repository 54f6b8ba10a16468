"""Find a Chromium for the browser tests; with --install, get one when there is none.

In this order: a Chromium or Chrome on the PATH, playwright's own, Debian's package when run as root. The one
without windows goes before the others: pages open in an eighth less time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find() -> str | None:
    """Path of a browser, or None."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    if MAC.exists():
        return str(MAC)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install() -> str | None:
    """Get a browser by playwright, else by apt; its path, or None."""
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if not (path := find()) and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-q"], check=False)
        for package in (SHELL, "chromium"):  # older releases have no shell
            subprocess.run(
                ["apt-get", "install", "-y", "-q", "--no-install-recommends", package], check=False
            )
            if path := find():
                break
    return path


if __name__ == "__main__":
    found = find() or ("--install" in sys.argv and install()) or None
    if not found:
        sys.exit(
            "no Chromium found; install chromium or google-chrome, or: python -m playwright install chromium"
        )
    print(found)
