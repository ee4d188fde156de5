"""LiteLLM in a virtual environment of its own, made once: it pins far too much to share ours."""

import hashlib
import os
import subprocess
import sys
import venv
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from tests.authorities import environment_to_fetch

REQUIREMENT = "litellm[proxy]==1.106.2"
WANTED = "BICKFORD_TEST_LITELLM"
"""Set to anything, this tier is run; without it, it is skipped: an install takes a minute and 750 MB."""
INSTALL_TIMEOUT_S = 600.0


def programs() -> Path:
    """The folder of its `python` and `litellm`. Skips the test where the tier is not asked for or cannot be had."""
    if not os.environ.get(WANTED):
        pytest.skip(f"the LiteLLM tier is run when {WANTED} is set")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(f"{REQUIREMENT} {sys.version_info[:2]}".encode()).hexdigest()[:16]
    folder = caches / "bickford-sora-tests" / f"litellm-{name}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    with folder.with_suffix(".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not done.exists():
            venv.create(folder, clear=True, with_pip=True)
            command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENT]
            ran = subprocess.run(
                command,
                env=environment_to_fetch(),
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
                check=False,
            )
            if ran.returncode != 0:
                pytest.skip(f"{REQUIREMENT} cannot be installed: {ran.stderr[-300:]}")
            done.touch()
    return folder / "bin"
