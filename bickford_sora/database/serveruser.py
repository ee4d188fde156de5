"""Which user the server runs as, and whether that user gets to the data."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bickford_sora.database.errors import FolderOwnerError, FolderUnreachableError, ServerUserMissingError

# PostgreSQL refuses to run as root; these exist on nearly every machine, so none is created.
USERS_FOR_ROOT = ("postgres", "nobody")


class Identity(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that change the user of a child."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user the server runs as; `switched` when it is not the user we run as."""

    name: str
    user_id: int
    group_id: int
    switched: bool

    def identity(self) -> Identity:
        """Return what `subprocess.Popen` needs to run a child as this user."""
        if not self.switched:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def give(self, folder_fd: int) -> None:
        """Make this user the owner of one open folder of ours, and of nothing above or below it."""
        if self.switched:
            os.fchown(folder_fd, self.user_id, self.group_id)


def choose_server_user(cluster: Path) -> ServerUser:
    """Return the user for the server whose data lie, or will lie, in `cluster`.

    Ourselves, unless we are root: then the owner of an existing cluster, else the first of `USERS_FOR_ROOT`.

    Raises:
        FolderOwnerError: the cluster belongs to another user, and we are not root.
        ServerUserMissingError: we are root and no such user exists.
    """
    own_id = os.geteuid()
    owner_id = cluster.stat().st_uid if cluster.exists() else None
    if own_id != 0:
        if owner_id not in (None, own_id):
            raise FolderOwnerError(
                f"{cluster} belongs to user {owner_id}, and this process runs as user {own_id}. "
                "Run as its owner, or choose another BICKFORD_DATA_DIR."
            )
        return ServerUser(_name_of(own_id), own_id, os.getegid(), switched=False)
    if owner_id:
        return ServerUser(_name_of(owner_id), owner_id, cluster.stat().st_gid, switched=True)
    return _user_for_root()


def require_reachable(folder: Path, user: ServerUser) -> None:
    """Check that `user` may pass through `folder` and everything above it. Nothing is changed.

    Raises:
        FolderUnreachableError: names the first folder that is closed to the user.
    """
    if not user.switched:
        return
    resolved = folder.resolve()
    for step in (*reversed(resolved.parents), resolved):
        if not _may_pass(step.stat(), user):
            raise FolderUnreachableError(
                f"{step} is closed to the user {user.name!r}, and PostgreSQL must run as that user because it refuses "
                f"root. Choose another BICKFORD_DATA_DIR, or open the folder yourself: chmod o+x {step}"
            )


def _may_pass(status: os.stat_result, user: ServerUser) -> bool:
    if status.st_uid == user.user_id:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.group_id:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _user_for_root() -> ServerUser:
    for name in USERS_FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid, switched=True)
    raise ServerUserMissingError(
        f"PostgreSQL refuses to run as root and none of the users {', '.join(USERS_FOR_ROOT)} exists. "
        "Start as an ordinary user, or set BICKFORD_DATABASE_URL."
    )


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:  # a container may run under an id without a name
        return str(user_id)
