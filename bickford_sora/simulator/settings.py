"""What can be set on a simulator."""

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bickford_sora.simulator.scene import check_shape

FlavourName = Literal["openai", "vllm_omni", "sglang", "litellm", "azure", "fastvideo", "trtllm", "openrouter"]
"""The servers it can stand in for; see `flavours`."""
_SIZE = re.compile(r"([0-9]{2,4})x([0-9]{2,4})")


class SimulatorSettings(BaseModel):
    """Everything one simulator is told; the defaults are the hosted API's rules at the speed of a demo.

    Raises:
        ValueError: for a size or length no film can be made of, or a webhook address without a secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535, description="0 takes a free port")
    api_key: str = Field(default="sk-simulator", min_length=1, repr=False)

    flavour: FlavourName = Field(default="openai", description="whose variant of the protocol is spoken")
    extra_fields: tuple[str, ...] = Field(
        default=(), description="fields beyond the protocol that are accepted where a flavour has none of its own"
    )
    models: tuple[str, ...] = Field(min_length=1, default=("sora-2", "sora-2-pro"))
    seconds: tuple[str, ...] = Field(min_length=1, default=("4", "8", "12"))
    sizes: tuple[str, ...] = Field(min_length=1, default=("720x1280", "1280x720", "1024x1792", "1792x1024"))

    render_time_s: float = Field(default=2.0, ge=0, description="from accepted to completed, at least")
    frame_rate: int = Field(default=24, ge=1, le=60)
    seed: int = Field(default=0, description="of the pictures and of faults that strike with a probability")
    poll_after_ms: int = Field(default=500, ge=1, description="the interval suggested to pollers")
    asset_lifetime_s: float = Field(default=3600, ge=0, description="how long files can be had after completion")
    jobs_max: int = Field(default=10_000, ge=1, description="further creates are answered 429")
    in_flight_max: int | None = Field(default=None, ge=1, description="unfinished jobs; more are answered 429")
    idempotency_keys: bool = Field(
        default=False, description="a second call with the same Idempotency-Key is answered with the first one's job"
    )
    finishing_s: float = Field(
        default=0, ge=0, description="how long a job is still in progress at its end, but past stopping"
    )
    cloud_url: str | None = Field(
        default=None, description="where the sglang flavour says that it has put its files, instead of serving them"
    )
    inference_time_s: float | None = Field(
        default=None, ge=0, description="how long flavours that say so say that they worked; else `render_time_s`"
    )
    usd_per_s: float = Field(
        default=0.1, ge=0, description="what the openrouter flavour says that a second of video cost"
    )
    outputs_max: int = Field(
        default=10, ge=1, le=10, description="how many videos the sglang flavour makes at most, without a word"
    )
    extension_seconds: tuple[str, ...] = Field(min_length=1, default=("4", "8", "12", "16", "20"))
    source_bytes_max: int = Field(default=512 * 1024 * 1024, ge=1)
    reference_bytes_max: int = Field(default=20 * 1024 * 1024, ge=1)
    media_cached_max: int = Field(default=32, ge=1, description="scenes whose files are kept for equal requests")

    webhook_url: str | None = None
    webhook_secret: str | None = Field(default=None, repr=False, description="whsec_ and base64, or any text")
    webhook_attempts_max: int = Field(default=4, ge=1)
    webhook_backoff_s: float = Field(default=0.2, ge=0, description="before the second attempt; doubles each time")
    webhook_timeout_s: float = Field(default=10, gt=0)

    @property
    def worked_s(self) -> float:
        """How long a job is said to have taken, in seconds."""
        return self.render_time_s if self.inference_time_s is None else self.inference_time_s

    @model_validator(mode="after")
    def _can_be_obeyed(self) -> Self:
        for size in self.sizes:
            width, height = parse_size(size)
            for seconds in self.seconds:
                check_shape(width=width, height=height, seconds=int(seconds), frame_rate=self.frame_rate)
        if self.webhook_url is not None and not self.webhook_secret:
            raise ValueError("webhooks need a secret to be signed with")
        return self


def parse_size(size: str) -> tuple[int, int]:
    """Width and height of a size like ``1280x720``, in pixels.

    Raises:
        ValueError: when it is not written so.
    """
    sides = _SIZE.fullmatch(size)
    if sides is None:
        raise ValueError(f"a size is written like 1280x720, not {size!r}")
    return int(sides[1]), int(sides[2])
