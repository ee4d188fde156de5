"""The packages of npm that the Node tests need, installed once, outside the checkout."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import environment_to_fetch

SCRIPTS = Path(__file__).parent / "node"
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "vercel-ai-sdk" / "bickford-sora.mjs"
INSTALL_TIMEOUT_S = 300.0
SCRIPT_TIMEOUT_S = 240.0
INSTALL = ("install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def run_script(name: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """What a script of this folder prints, parsed. Skips the test where there is no Node or no way to its packages."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    with tempfile.TemporaryDirectory(dir=_installed(npm), prefix="run-") as folder:  # packages are looked for upwards
        for script in (*SCRIPTS.glob("*.mjs"), EXAMPLE):
            shutil.copy(script, folder)
        ran = subprocess.run(
            [node, str(Path(folder, name)), *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=SCRIPT_TIMEOUT_S,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.strip().rpartition("\n")[2])
    return told


def _installed(npm: str) -> Path:
    """The folder the packages are in. Skips where they cannot be had; on CI that is a failure."""
    listed = (SCRIPTS / "package.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "bickford-sora-tests" / f"node-{hashlib.sha256(listed).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    with (folder / "lock").open("w") as lock:
        flock(lock, LOCK_EX)  # workers of one run wait for the one that installs
        if not done.exists():
            (folder / "package.json").write_bytes(listed)
            ran = subprocess.run(
                [npm, *INSTALL],
                cwd=folder,
                env=environment_to_fetch(),
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
                check=False,
            )
            if ran.returncode != 0:
                assert not os.environ.get("CI"), ran.stderr
                pytest.skip(f"npm cannot install the packages: {ran.stderr[-300:]}")
            done.touch()
    return folder
