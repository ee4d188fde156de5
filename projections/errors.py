"""What the projections raise, by cause.

ProjectionError
├── OtherVersion      the tables are of another version of the projection
├── RebuildRefused    a bad event, or a row the tables cannot hold: the live version stays as it is
├── RebuildRunning    another process rebuilds this projection
├── ShareLost         a process that replayed a part of the ledger was killed
├── SwapBlocked       the new version could not take the old one's place in time
├── UnknownProjection no projection has this name
└── UnprojectableEvent the database cannot make a row of an event
"""


class ProjectionError(Exception):
    """Something went wrong in a read model. The ledger is not affected."""

    code = "projection_error"

    def __str__(self) -> str:
        return super().__str__() or str(self.__doc__).partition("\n")[0]


class OtherVersion(ProjectionError):  # noqa: N818
    """The tables are of another version of the read model. Run `bickford-sora replay` first."""

    code = "other_version"


class RebuildRefused(ProjectionError):  # noqa: N818 - the word of the design
    """The ledger holds something this version cannot project. Mend the program, then rebuild again."""

    code = "rebuild_refused"

    def __init__(self, name: str, stream: str, cause: Exception | str) -> None:
        said = cause if isinstance(cause, str) else f"{error_code(cause)}: {cause}"
        super().__init__(name, stream, said)  # texts alone, so that one process can tell another
        self.name = name
        self.stream = stream
        self._said = said

    def __str__(self) -> str:
        return f"{self.name} was not rebuilt: {self.stream}: {self._said}"


class RebuildRunning(ProjectionError):  # noqa: N818
    """Another process rebuilds this projection. Wait for it, or end it."""

    code = "rebuild_running"


class ShareLost(ProjectionError):  # noqa: N818
    """A process that replayed a part of the ledger ended without a word. Rebuild again."""

    code = "share_lost"


class SwapBlocked(ProjectionError):  # noqa: N818
    """The rebuilt version is ready but could not take the old one's place. Rebuild again when it is quieter."""

    code = "swap_blocked"


class UnknownProjection(ProjectionError, LookupError):  # noqa: N818
    """No projection has this name."""

    code = "unknown_projection"


class UnprojectableEvent(ProjectionError):  # noqa: N818
    """The database cannot make a row of this event."""

    code = "unprojectable_event"

    def __init__(self, *, stream: str, version: int, cause: str) -> None:
        super().__init__(f"{stream} version {version}: {cause}")
        self.stream = stream
        self.version = version


def error_code(error: Exception) -> str:
    """A stable name for what is wrong with a stream: the error's own code, else its class."""
    return str(getattr(error, "code", type(error).__name__))
