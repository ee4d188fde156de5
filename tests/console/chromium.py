"""The system's Chromium, as the tests and the pictures of the console drive it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PATIENCE_MS = 60_000
"""How long a page may take to show what is expected, be it a video or a check of the ledger, on a busy machine."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
OFF = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    # The browser takes one such list, so that ours takes the place of Playwright's, which are these.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
"""Features of the browser that are off. Its address bar makes two pages of its own for each window otherwise, which
nobody sees, and which take longer than most of ours: more than a second of a processor."""


def found() -> str | None:
    """Where it is; None where there is none, or Debian's is being installed this moment."""
    path = next((path for name in NAMES if (path := shutil.which(name))), None)
    dpkg = shutil.which("dpkg-query")
    if path is None or dpkg is None:
        return path
    asked = [dpkg, "--show", "--showformat=${db:Status-Status}", "chromium"]
    status = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return path if status in {"installed", ""} else None


@contextmanager
def chromium(path: str) -> "Iterator[Browser]":
    """A browser without a window. While it runs, this thread has an event loop, and can have no other."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415 - where there is none, tests are skipped

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", f"--disable-features={','.join(OFF)}"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            browser.close()
