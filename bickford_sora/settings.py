"""Every setting, with its unit and default. The only place that reads the environment.

docs/reference/settings.md is held to this list by a test.
"""

import json
import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bickford_sora.buckets import BUCKET_SCHEMES
from ledger.events.changes import Kind
from ledger.events.governance import Role

_ISSUER = re.compile(r"(?:https://[^/?#@]+|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?)(?:/[^?#]*)?")
PAUSE_S_MAX = 3600.0
"""Longest lease or pause that can be set, in seconds. What is due later is taken for a wrong clock's doing
(`projections.leases.AHEAD_S_MAX`)."""
POLL_INTERVAL_S_MAX = 540.0
"""The same of the first pause between two questions, which grows to six times as much."""
SYSTEM_DATA_DIR = Path("/var/lib/bickford-sora")


def default_data_dir() -> Path:
    """Where local state lies when nothing is said: a system folder for root, else one in the user's home."""
    if os.geteuid() == 0:
        return SYSTEM_DATA_DIR
    return Path.home() / ".local" / "share" / "bickford-sora"


class RendererSettings(BaseModel):
    """One renderer that can be used."""

    model_config = ConfigDict(frozen=True)

    name: str
    dialect: str = "openai"
    base_url: str
    """Where its `/videos` routes are, usually ending in `/v1`."""
    credential: str
    """Public name of the credential, recorded with every job."""
    api_key: SecretStr
    webhook_secrets: tuple[SecretStr, ...] = ()


class OidcGroup(BaseModel):
    """What the members of one group of the OpenID Connect issuer may do, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str = Field(min_length=1, max_length=255)
    """As the issuer names it, to the letter."""
    tenant: str = Field(default="main", pattern=r"^[a-z][a-z0-9-]{0,30}$")
    project: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    roles: tuple[Role, ...] = Field(min_length=1)
    spans_tenant: bool = False
    """Whether what an auditor or an admin may read or manage is the whole tenant's."""

    @model_validator(mode="after")
    def _spans_with_a_role_for_it(self) -> Self:
        if self.spans_tenant and not {"auditor", "admin"}.intersection(self.roles):
            raise ValueError("a group spans the tenant as 'auditor' or 'admin'")
        return self


class Settings(BaseSettings):
    """Read from the environment; every field can be given in code instead."""

    model_config = SettingsConfigDict(env_prefix="BICKFORD_", frozen=True, extra="ignore", populate_by_name=True)

    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder of everything local: database, assets, keys."""
    database_url: SecretStr | None = None
    """PostgreSQL 15 or newer, as libpq reads it. Unset: the embedded server in `data_dir`."""
    database_pool_max: int = Field(default=20, ge=4)
    """Most connections of one process."""
    master_key: SecretStr | None = None
    """32 bytes in base64 that wrap every key. Unset: made once in `data_dir`/keys/master.key."""

    assets_url: str | None = None
    """Where stored files lie: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`, with the extra
    `s3`, or `file:///FOLDER`. Unset: `data_dir`/assets."""

    api_key: SecretStr | None = None
    """The bootstrap API key. Unset: made once in `data_dir`/keys/api.key and printed at the first start."""
    api_keys: SecretStr | None = None
    """More keys, as `project=key` separated by commas. Each project sees its own videos only."""
    public_url: str | None = None
    """Where renderers reach us, for their webhooks, for example https://videos.example.com."""

    console_api_keys: bool = True
    """Whether people sign in to the console by API key."""
    oidc_issuer: str | None = None
    """The OpenID Connect issuer people sign in by, as it names itself to the letter. Unset: by API key alone."""
    oidc_label: str | None = Field(default=None, min_length=1, max_length=60)
    """What people call it. Unset: its host."""
    oidc_client_id: str | None = Field(default=None, min_length=1)
    """Us, as the issuer knows us."""
    oidc_client_secret: SecretStr | None = None
    """Unset: a public client."""
    oidc_scopes: Annotated[tuple[str, ...], NoDecode] = ("openid", "email")
    """What is asked for, separated by commas."""
    oidc_groups_claim: str = Field(default="groups", min_length=1)
    """The claim of ID tokens that lists somebody's groups."""
    oidc_name_claim: str = Field(default="email", min_length=1)
    """The claim by whose value somebody is a requester."""
    oidc_groups: Annotated[tuple[OidcGroup, ...], NoDecode] = ()
    """What groups may do: a JSON list of objects as `OidcGroup`."""
    oidc_session_s: int = Field(default=4 * 3600, ge=60, le=12 * 3600)
    """How long somebody stays signed in before the issuer is asked again, in seconds."""
    oidc_ca_file: Path | None = None
    """Certificates, in PEM, of the authorities that the issuer's is from. Unset: the usual ones."""

    renderers_file: Path | None = None
    """The renderer file, in YAML. Set, it takes the place of `OPENAI_*`, models, seconds and sizes."""
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key")
    )
    """Credential of the renderer named `openai`."""
    openai_base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_BASE_URL", "openai_base_url")
    )
    """Base URL of the renderer named `openai`: any server that speaks the Videos API."""
    openai_webhook_secret: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_WEBHOOK_SECRET", "openai_webhook_secret")
    )
    """Secrets its webhooks are signed with, separated by spaces; any of them may match."""

    models: Annotated[tuple[str, ...], NoDecode] = ("sora-2", "sora-2-pro")
    """Models that may be asked for, separated by commas; `sora-2` is the default, else the first."""
    seconds: Annotated[tuple[str, ...], NoDecode] = ("4", "8", "12")
    """Lengths that may be asked for, in seconds, separated by commas; 4 is the default, else the first."""
    sizes: Annotated[tuple[str, ...], NoDecode] = ("720x1280", "1280x720", "1024x1792", "1792x1024")
    """Sizes in pixels that may be asked for, separated by commas; 720x1280 is the default, else the first."""
    render_cost_max_micro: int | None = Field(default=None, ge=0)
    """Until a policy is published: most a render may cost, in millionths of the prices' currency. Unset: no cap."""

    approval_s: float = Field(default=7 * 24 * 3600.0, ge=1)
    """How long a held render waits for an approver, in seconds; then it is denied."""
    four_eyes: Annotated[tuple[Kind, ...], NoDecode] = ()
    """What takes a second admin, separated by commas: `policy`, `budgets` (raising or removing a cap), `keys` (an
    admin's), `erasures` (also lifting a hold)."""
    time_zone: ZoneInfo = ZoneInfo("UTC")
    """In which days and months of budgets begin, for example Europe/Berlin."""

    prompt_chars_max: int = Field(default=32_000, ge=1)
    body_bytes_max: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest request body in bytes."""
    reference_bytes_max: int = Field(default=20 * 1024 * 1024, ge=1024)
    """Largest reference image in bytes."""
    source_bytes_max: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Largest source video of an edit or an extension in bytes; its body may be larger than others by so much."""
    repeats_answers: bool = True
    """Whether an answer that could not be delivered is given to the SDKs' repetition of a request without a key."""
    asset_bytes_max: int = Field(default=4 * 1024 * 1024 * 1024, ge=1024)
    """Largest file taken from a renderer in bytes."""
    webhook_tolerance_s: int = Field(default=300, ge=1)
    """How far a webhook's timestamp may be from our clock, in seconds (Standard Webhooks)."""
    full_text_search: bool = True
    """Whether the words of prompts and errors are indexed, so that an audit finds them; off: none of them lies open."""
    projection_wait_s: float = Field(default=2.0, ge=0)
    """How long a list waits for the read model to reach the ledger's head, in seconds."""
    metrics_public: bool = False
    """Whether `/metrics` is read without an API key."""

    otlp_url: str | None = None
    """Where traces go, by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; needs the extra `otel`."""
    traceparent_to_renderers: bool = False
    """Whether renderers are told the trace that a call belongs to (W3C Trace Context)."""

    checkpoint_interval_s: float = Field(default=60.0, ge=1)
    """Time between two checkpoints while facts are recorded, in seconds: for so long a change could go unseen."""
    checkpoint_push_folder: Path | None = None
    """A folder that others own: checkpoints and tiles are pushed here. Unset: to no folder."""
    checkpoint_push_bucket: str | None = None
    """A bucket that others own, as `s3://BUCKET/PREFIX`, `gs://` or `az://`; needs the extra `s3`. Unset: to none."""
    checkpoint_push_url: SecretStr | None = None
    """An endpoint of others that is told of checkpoints, by signed webhooks. Unset: none is."""
    checkpoint_push_secret: SecretStr | None = None
    """What those webhooks are signed with: `whsec_` and base64 (Standard Webhooks)."""

    allow_private_addresses: Annotated[tuple[str, ...], NoDecode] = ()
    """Networks or addresses that may be called although they are not public, separated by commas."""

    review_weight_clarity: float = Field(default=0.3, ge=0, le=10)
    """What clarity counts towards the score of a review, as the next two."""
    review_weight_continuity: float = Field(default=0.3, ge=0, le=10)
    review_weight_brand_fit: float = Field(default=0.3, ge=0, le=10)
    review_weight_minute: float = Field(default=-0.1, ge=-10, le=0)
    """What each minute of the review counts."""

    workers: int = Field(default=8, ge=1, le=64)
    """Work items of one renderer that one process handles at a time; of all together twice as many."""
    lease_s: float = Field(default=120.0, gt=0, le=PAUSE_S_MAX)
    """How long a work item is reserved for the worker that took it, in seconds."""
    poll_interval_s: float = Field(default=5.0, gt=0, le=POLL_INTERVAL_S_MAX)
    """Time between two questions about a job that has just begun, in seconds; webhooks make it sooner."""
    poll_fallback_s: float = Field(default=30.0, gt=0, le=PAUSE_S_MAX)
    """Least time between two questions about a job whose renderer's webhooks arrive, in seconds."""
    requests_per_minute_max: int | None = Field(default=None, ge=1)
    """Requests one API key may make a minute, counted by each process for itself. Unset: no limit."""
    queue_renders_max: int = Field(default=100_000, ge=1)
    """Renders that may wait to be submitted, of all tenants."""
    queue_tenant_renders_max: int | None = Field(default=None, ge=1)
    """Renders that may wait to be submitted, of one tenant. Unset: as many as of all."""
    queue_project_renders_max: int = Field(default=20_000, ge=1)
    """Renders that may wait to be submitted, of one project."""
    requests_max: int = Field(default=1_500, ge=1)
    """Requests one process answers at a time; more are told to come back (503 `overloaded`)."""
    bodies_bytes_max: int = Field(default=512 * 1024 * 1024, ge=1024 * 1024)
    """Request bodies one process holds at a time, all together, in bytes."""
    spool_free_bytes_min: int = Field(default=1024 * 1024 * 1024, ge=0)
    """Free space below which nothing more is downloaded into `data_dir`/spool, nor kept from there, in bytes."""
    link_s: float = Field(default=900.0, ge=1)
    """How long the signed link in a video's `url` can be used, in seconds."""
    asset_retention_s: float | None = Field(default=None, ge=1)
    """How long our copy of a video is kept once it is stored, in seconds. Unset: for good."""
    prompt_retention_s: float | None = Field(default=None, ge=1)
    """How long prompts and other words are kept from when a render was asked for, in seconds. Unset: for good."""
    erasures_file: Path | None = None
    """The list of erasures, kept apart from the database. Unset: `data_dir`/erasures.jsonl."""
    segments_folder: Path | None = None
    """Folder of the files of closed segments, which every process reads. Unset: `data_dir`/segments."""
    poll_after_ms: int = Field(default=1000, ge=10)
    """What clients are told to wait between polls, in milliseconds (`openai-poll-after-ms`)."""
    submit_timeout_s: float = Field(default=60.0, gt=0)
    """Longest wait for a renderer's answer to a submission, in seconds."""
    reconcile_grace_s: float = Field(default=30.0, ge=0)
    """After the deadline, how long the renderer's list may lag behind, in seconds."""
    submission_attempts_max: int = Field(default=10, ge=1)
    """Submissions of one render before it is failed."""
    retry_after_max_s: float = Field(default=900.0, gt=0, le=PAUSE_S_MAX)
    """Longest wait a renderer's retry-after is followed for, in seconds."""
    render_deadline_s: float = Field(default=6 * 3600.0, gt=0)
    """After this many seconds a render without an end is failed by the watchdog."""
    download_timeout_s: float = Field(default=60.0, gt=0)
    """Longest silence of a download, in seconds."""
    store_attempts_max: int = Field(default=8, ge=1)
    """Downloads of one video before its file is given up as lost."""
    settlement_factor_max: float = Field(default=10.0, gt=1)
    """Times its quote a render may be settled at before its renderer is stopped until an operator has looked."""

    log_json: bool | None = None
    """Log as JSON lines. Unset: when standard error is not a terminal."""
    log_level: str = "info"

    @field_validator("allow_private_addresses", "four_eyes", "models", "oidc_scopes", "seconds", "sizes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allow_private_addresses")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each, strict=False)
        return value

    @field_validator("assets_url")
    @classmethod
    def _store(cls, value: str | None) -> str | None:
        if not value:
            return None
        scheme, _, place = value.partition("://")
        if not place or scheme not in BUCKET_SCHEMES | {"file"} or (scheme == "file" and not place.startswith("/")):
            raise ValueError("give s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///FOLDER")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _https(cls, value: str | None) -> str | None:
        if value and _ISSUER.fullmatch(value) is None:
            raise ValueError("an issuer begins with https:// (or http://localhost) and has no query")
        return value or None

    @field_validator("openai_base_url", "public_url")
    @classmethod
    def _no_trailing_slash(cls, value: str | None) -> str | None:
        if value and not value.lower().startswith(("http://", "https://")):
            raise ValueError("an address begins with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("oidc_groups", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        try:
            return json.loads(value or "[]") if isinstance(value, str) else value
        except ValueError:
            raise ValueError("give a JSON list of objects") from None

    @model_validator(mode="after")
    def _people_can_sign_in(self) -> Self:
        if self.oidc_issuer is None:
            if not self.console_api_keys:
                raise ValueError("without BICKFORD_OIDC_ISSUER nobody could sign in: set it, or console_api_keys")
            return self
        needed = {
            "BICKFORD_OIDC_CLIENT_ID": self.oidc_client_id,
            "BICKFORD_OIDC_GROUPS": self.oidc_groups,
            "BICKFORD_PUBLIC_URL": self.public_url,
        }
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise ValueError(f"BICKFORD_OIDC_ISSUER needs {', '.join(missing)}")
        return self

    @staticmethod
    def environment() -> Mapping[str, str]:
        """Where the renderer file's secrets and those of moderation servers are looked for."""
        return os.environ

    def renderers(self) -> tuple[RendererSettings, ...]:
        """The renderers named in the environment: at most the one made from `OPENAI_*`."""
        if self.openai_base_url is None or self.renderers_file is not None:
            return ()
        secrets = (self.openai_webhook_secret.get_secret_value() if self.openai_webhook_secret else "").split()
        return (
            RendererSettings(
                name="openai",
                base_url=self.openai_base_url,
                credential="openai-default",
                api_key=self.openai_api_key or SecretStr(""),
                webhook_secrets=tuple(SecretStr(secret) for secret in secrets),
            ),
        )


class ClientSettings(BaseSettings):
    """What a client of a server reads from the environment."""

    model_config = SettingsConfigDict(env_prefix="BICKFORD_", frozen=True, extra="ignore")

    base_url: str | None = None
    """The server to talk to, ending in `/v1`. Unset: the one that runs on `data_dir`, else http://127.0.0.1:8000/v1."""
    api_key: SecretStr | None = None
    """The API key to show. Unset: the one a server on this machine made in `data_dir`/keys/api.key."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder of the server that runs here."""
