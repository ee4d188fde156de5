"""Values inside facts."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ledger.envelope import Sealed, Sha256

Step = Literal["submit", "reconcile", "follow", "store", "purge", "expire", "lapse", "deliver", "erase"]
Variant = Literal["video", "thumbnail", "spritesheet"]


class Part(BaseModel):
    """A value inside a fact."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        revalidate_instances="always",
        defer_build=True,
    )


class Money(Part):
    """An amount in millionths of a currency's unit. Money is never a float."""

    amount_micro: int
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class InputReference(Part):
    """What is known of a reference image; the picture itself is an asset."""

    storage_uri: str
    sha256: Sha256
    bytes: int = Field(ge=1)
    media_type: Literal["image/jpeg", "image/png", "image/webp"]
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    filename: Sealed | None = None


class ReviewWeights(Part):
    """What the parts of a review count towards its score."""

    clarity: float = 0.3
    continuity: float = 0.3
    brand_fit: float = 0.3
    minute: float = -0.1
    """Each minute the review took."""


class SourceVideo(Part):
    """The uploaded video that an edit or an extension starts from; the file itself is an asset."""

    storage_uri: str
    sha256: Sha256
    bytes: int = Field(ge=1)
    media_type: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    duration_ms: int = Field(ge=0)
    filename: Sealed | None = None


class Asset(Part):
    """One stored file of a render."""

    variant: Variant
    output: int = Field(default=0, ge=0)
    """Which of a render's outputs this is, from 0, where more than one was asked for."""
    storage_uri: str
    sha256: Sha256
    bytes: int = Field(ge=1)
    media_type: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    made_by: Literal["renderer", "bickford"]
    has_c2pa: bool
    duration_ms: int | None = None
    """Milliseconds, of a video."""
    frames: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    has_audio: bool | None = None


class VerdictWarning(Part):
    """What a rule warned of."""

    rule: str
    message: str


class Verdict(Part):
    """What a decision was made by and what it saw."""

    policy_hash: Sha256
    rules: tuple[str, ...] = ()
    """Ids of the rules that matched."""
    saw: dict[str, JsonValue] = Field(default_factory=dict)
    """The facts the rules looked at, none of them free text."""
    decided_by: str | None = None
    """The rule, of those that matched, that decided; None: not recorded."""
    warnings: tuple[VerdictWarning, ...] = ()


class Quote(Part):
    """What a render is expected to cost, by which price table."""

    cost: Money
    prices_hash: Sha256
    unit: str = "second"
    """What is counted: seconds, images, frames, outputs, or seconds of a renderer's work."""
    quantity_milli: int | None = Field(default=None, ge=0)
    """How many units are expected to be billed, in thousandths; None: not recorded."""
    micro_per_unit: int | None = Field(default=None, ge=0)
    """What one unit costs; None: not recorded."""
    tier: str | None = None
    """The resolution tier of that price, `*` for every size."""


class Reported(Part):
    """What a renderer says of a job it completed, as far as it says so and it can be believed."""

    duration_ms: int | None = Field(default=None, ge=1)
    """How long each of its videos is, in milliseconds."""
    frames: int | None = Field(default=None, ge=1)
    """How many each of its videos has."""
    outputs: int | None = Field(default=None, ge=1)
    """How many videos it made."""
    inference_ms: int | None = Field(default=None, ge=0)
    """How long the engine worked on the job, in milliseconds."""
    cost: Money | None = None
    """What it says it charged."""


class BatchLine(Part):
    """What was decided of one line of a batch: a render, or why there is none."""

    line: int = Field(ge=1)
    custom_id: str | None = None
    video_id: str | None = None
    status: int | None = None
    """HTTP status of the refusal."""
    code: str | None = None
    param: str | None = None
    message: Sealed | None = None
