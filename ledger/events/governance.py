"""Who governs, and what callers wrote down."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from ledger.envelope import Fact, Moment, Sealed, Sha256

Role = Literal["requester", "approver", "auditor", "admin"]
"""What an API key is for: asking for renders, approving held ones, reading what was done, managing."""


class PolicyPublished(Fact):
    """These rules are in force from here on."""

    TYPE: ClassVar[str] = "policy.published"
    policy_hash: Sha256
    text: str


class PricesPublished(Fact):
    """These prices are in force from here on."""

    TYPE: ClassVar[str] = "prices.published"
    prices_hash: Sha256
    text: str


class RendererConfigured(Fact):
    """A renderer can be used, in this way. Names its credential, never the secret."""

    TYPE: ClassVar[str] = "renderer.configured"
    SCHEMA: ClassVar[int] = 2
    renderer: str
    dialect: str
    credential: str
    replicas: tuple[str, ...] = Field(min_length=1)
    models: tuple[str, ...] = ()
    """By their public names."""
    configuration_hash: Sha256 | None = None
    """Keyed hash of everything that is configured of it, its secret included."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 named no models and could not tell one configuration from another."""
        return fields if schema == 1 else super().upcast(schema, fields)


class RendererStopped(Fact):
    """A renderer refused us, or charged far beyond a quote: it is asked for nothing more until somebody looked."""

    TYPE: ClassVar[str] = "renderer.stopped"
    renderer: str
    credential: str
    model: str | None = None
    """The public name of the model it refused or charged for; None: the credential was refused, and so everything."""
    code: str
    http_status: int | None = None


class RendererResumed(Fact):
    """An operator says that a stopped renderer can be asked again."""

    TYPE: ClassVar[str] = "renderer.resumed"
    renderer: str
    credential: str


class KeyIssued(Fact):
    """An API key exists."""

    TYPE: ClassVar[str] = "key.issued"
    SCHEMA: ClassVar[int] = 2
    key_id: str
    project: str
    requester: str
    digest: Sha256
    """Keyed hash of the key."""
    name: Sealed | None = None
    """What its owner calls it."""
    roles: tuple[Role, ...] = Field(min_length=1)
    spans_tenant: bool = False
    """Whether what it may read or manage is the whole tenant's; what it writes stays in its project."""
    may_assert_requester: bool = False
    """Whether it is believed when it says on whose behalf it asks."""
    expires_at: Moment | None = None
    """From when on it is not accepted any more; None: it has no end."""
    replaces: str | None = None
    """The key it was made to replace."""

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 knew one kind of key, which asked for renders and had neither name nor end."""
        return {"roles": ("requester",), **fields} if schema == 1 else super().upcast(schema, fields)


class KeyRotated(Fact):
    """An API key has a successor; it is accepted beside it for a while."""

    TYPE: ClassVar[str] = "key.rotated"
    key_id: str
    project: str
    new_key_id: str
    expires_at: Moment
    """From when on the old key is not accepted any more."""


class KeyDelegated(Fact):
    """An approver lets another key approve in its place for a while."""

    TYPE: ClassVar[str] = "key.delegated"
    key_id: str
    """The key that may approve."""
    project: str
    delegated_by: str
    """Public id of the approver's key."""
    expires_at: Moment


class KeyRevoked(Fact):
    """An API key is no longer accepted."""

    TYPE: ClassVar[str] = "key.revoked"
    SCHEMA: ClassVar[int] = 2
    key_id: str
    project: str | None = None

    @classmethod
    def upcast(cls, schema: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Schema 1 did not say of which project the key was."""
        return fields if schema == 1 else super().upcast(schema, fields)


class CallerRecorded(Fact):
    """A caller wrote down what it saw, in its own thread. It never moves a lifecycle."""

    TYPE: ClassVar[str] = "caller.recorded"
    thread_id: Sealed
    project: str
    video_id: str | None = None
    status: str | None = None
    progress: int | None = None
    model: str | None = None
    seconds: str | None = None
    size: str | None = None
    prompt: Sealed | None = None
    remix_video_id: str | None = None
    input_reference: Sealed | None = None
    """The caller's metadata, as JSON."""
    storage_uri: Sealed | None = None
    webhook_event_id: str | None = None
