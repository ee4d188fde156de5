"""What can go wrong between us and PostgreSQL, one tree by cause.

```
DatabaseSetupError
├── BinariesError
│   ├── PostgresNotFoundError
│   └── PostgresMajorMissingError
├── FolderError
│   ├── FolderUnreachableError
│   ├── FolderOwnerError
│   └── SocketFolderUnsafeError
├── ServerError
│   ├── ServerUserMissingError
│   ├── ClusterCreationError
│   ├── ServerBusyError
│   └── ServerStartError
├── SessionsSharedError
└── MigrationError
    ├── MigrationFolderError
    ├── MigrationChangedError
    ├── MigrationMissingError
    ├── DatabaseNewerError
    └── MigrationFailedError
```

Every message says the cause and then the next action.
"""

from typing import ClassVar


class DatabaseSetupError(Exception):
    """The database cannot be used as things stand; the message says why and what to do."""

    code: ClassVar[str] = "database_setup"


class BinariesError(DatabaseSetupError):
    """No usable PostgreSQL programs."""

    code = "postgres_binaries"


class PostgresNotFoundError(BinariesError):
    """No PostgreSQL of a supported version was found on this machine."""

    code = "postgres_not_found"


class PostgresMajorMissingError(BinariesError):
    """The data folder belongs to a major version of PostgreSQL that is not installed."""

    code = "postgres_major_missing"


class FolderError(DatabaseSetupError):
    """A folder the server needs cannot be used."""

    code = "database_folder"


class FolderUnreachableError(FolderError):
    """A folder on the way to the data is closed to the user the server runs as."""

    code = "database_folder_unreachable"


class FolderOwnerError(FolderError):
    """The data folder belongs to somebody else."""

    code = "database_folder_owner"


class SocketFolderUnsafeError(FolderError):
    """The folder for the socket exists, but somebody else could have put it there."""

    code = "socket_folder_unsafe"


class ServerError(DatabaseSetupError):
    """The server could not be created or started."""

    code = "database_server"


class ServerUserMissingError(ServerError):
    """Started as root on a machine without a user the server could run as."""

    code = "server_user_missing"


class ClusterCreationError(ServerError):
    """`initdb` failed."""

    code = "cluster_creation_failed"


class ServerBusyError(ServerError):
    """Another process held a lock of the data folder for longer than the timeout."""

    code = "database_server_busy"


class ServerStartError(ServerError):
    """The server did not answer in time, or exited while starting."""

    code = "database_server_start_failed"


class SessionsSharedError(DatabaseSetupError):
    """A pooler between us and PostgreSQL gives each transaction another session."""

    code = "database_sessions_shared"


class MigrationError(DatabaseSetupError):
    """The schema and the program's migrations do not fit together."""

    code = "migration"


class MigrationFolderError(MigrationError):
    """The program's own migration files are misnamed or misnumbered."""

    code = "migration_folder"


class MigrationChangedError(MigrationError):
    """A migration was edited after it had been applied."""

    code = "migration_changed"


class MigrationMissingError(MigrationError):
    """The database skipped a migration that lies before one it has applied."""

    code = "migration_missing"


class DatabaseNewerError(MigrationError):
    """The database has a migration this version of the program does not know."""

    code = "database_newer"


class MigrationFailedError(MigrationError):
    """PostgreSQL refused a migration; its transaction was rolled back."""

    code = "migration_failed"
