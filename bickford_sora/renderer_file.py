"""The renderer file: which renderers there are, what each offers, and who makes which model. YAML, checked as a whole.

Secrets are not in it: a credential names the environment variable that holds it.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from bickford_sora.decisions.caller import MAIN
from bickford_sora.decisions.catalogue import OnLost, OnUnknown, Unit
from bickford_sora.decisions.fields import FIELDS
from bickford_sora.decisions.prices import ANY_SIZE, PIXELS_MAX
from bickford_sora.renderers.dialects import DIALECTS, capabilities_of

FILE_BYTES_MAX = 1024 * 1024
WEIGHT_MAX = 1_000
_NAME = r"^[a-z][a-z0-9_-]{0,62}$"
_SIZE = r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$"
_SECONDS = r"^[1-9][0-9]{0,3}$"
_ENV = r"^[A-Za-z_][A-Za-z0-9_]*$"

Name = Annotated[str, Field(pattern=_NAME)]
P95_S_MAX = 7 * 24 * 3600
"""Longest time a renderer may be said to work on one output, in seconds."""
MICRO_PER_UNIT_MAX = 10**12
"""Dearest unit, in millionths: a million of the currency's units."""
WorkSeconds = Annotated[float, Field(gt=0, le=P95_S_MAX)]
Seconds = Annotated[str, Field(pattern=_SECONDS, coerce_numbers_to_str=True)]


class RendererFileInvalid(ValueError):  # noqa: N818 - the name states the cause
    """The renderer file cannot be used. The message names the file, the place, and what is wrong there."""

    code = "renderer_file_invalid"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CredentialEntry(_Entry):
    """Who we are to the renderer."""

    name: Name
    """Public name, recorded with every job."""
    env: str = Field(pattern=_ENV)
    """The environment variable that holds the secret."""


class DnsEntry(_Entry):
    """Replicas by name: every address the name has is one."""

    name: str = Field(min_length=1)
    port: int = Field(ge=1, le=65_535)
    path: str = "/v1"
    scheme: Literal["http", "https"] = "http"


class LimitsEntry(_Entry):
    """How much one renderer is given at a time."""

    in_flight_max: int | None = Field(default=None, ge=1)
    """Most jobs it has at a time."""
    requests_per_minute_max: int | None = Field(default=None, ge=1)
    """Most submissions in any 60 seconds, of each process."""
    unknown_after_s: float = Field(default=900, ge=0, le=30 * 24 * 3600)
    """How long the job of an unanswered submission is looked for, before `on_unknown` holds."""
    lost_grace_s: float = Field(default=30, ge=0, le=24 * 3600)
    """How long the renderer must say that it does not know a job, before `on_lost` holds."""
    lost_attempts_max: int = Field(default=3, ge=0, le=1_000)
    """How many lost jobs of one render `on_lost: resubmit` makes good."""
    idempotency_keys_s: float = Field(default=3_600, ge=0, le=30 * 24 * 3600)
    """How long it surely keeps an idempotency key, where it keeps any."""


class PriceEntry(_Entry):
    """What one unit costs, and from when on."""

    unit: Unit = "second"
    micro_per_unit: dict[str, Annotated[int, Field(ge=0, le=MICRO_PER_UNIT_MAX)]] = Field(min_length=1)
    """Millionths of the currency's unit, by resolution tier; `*` holds for every size."""
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    frames_per_second: int | None = Field(default=None, ge=1)
    p95_s: WorkSeconds | dict[str, WorkSeconds] | None = None
    """Of renderer seconds: within how many seconds of work 95 of 100 outputs are made, for every size or by tier."""
    effective_from: AwareDatetime | date | None = None
    """A moment, or a day, which begins at midnight UTC. None: since ever."""
    source: str | None = Field(default=None, min_length=1, max_length=500)
    """Where the figure comes from."""

    @property
    def p95_by_tier(self) -> Mapping[str, float]:
        """The seconds of work by tier; nothing where none are given."""
        if self.p95_s is None:
            return {}
        return self.p95_s if isinstance(self.p95_s, dict) else {ANY_SIZE: self.p95_s}

    @property
    def begins_at(self) -> datetime | None:
        """The moment from which on it holds, in UTC."""
        given = self.effective_from
        if given is None or isinstance(given, datetime):
            return given and given.astimezone(UTC)
        return datetime.combine(given, time(), UTC)

    @model_validator(mode="after")
    def _can_be_reckoned_with(self) -> Self:
        unknown = {*self.micro_per_unit, *self.p95_by_tier} - set(PIXELS_MAX) - {ANY_SIZE}
        if unknown:
            raise ValueError(f"tiers are {', '.join(PIXELS_MAX)} and *, not {', '.join(sorted(unknown))}")
        if (self.unit == "renderer_second") != bool(self.p95_by_tier):
            raise ValueError("a price by renderer_second needs p95_s, and no other price has it")
        return self


def _listed(given: Any) -> Any:
    """One price stands for a list of it."""
    return (given,) if isinstance(given, Mapping) else given


Prices = Annotated[
    tuple[PriceEntry, ...],
    BeforeValidator(_listed, json_schema_input_type=PriceEntry | tuple[PriceEntry, ...]),
]


class ModelEntry(_Entry):
    """What the renderer makes under a model's public name."""

    name: str = Field(min_length=1, max_length=200)
    served_as: str | None = Field(default=None, min_length=1, max_length=200)
    """The renderer's own name of it, where it differs."""
    sizes: tuple[Annotated[str, Field(pattern=_SIZE)], ...] = Field(min_length=1)
    seconds: tuple[Seconds, ...] = Field(min_length=1)
    extension_seconds: tuple[Seconds, ...] = ("4", "8", "12", "16", "20")
    fields: tuple[str, ...] = ()
    """Fields beyond the protocol that are let through."""
    prompt_chars_max: int = Field(default=32_000, ge=1, le=32_000)
    price: Prices = ()
    """One, or several of which each holds from its `effective_from` on."""

    @model_validator(mode="after")
    def _has_one_price_at_a_time(self) -> Self:
        if len({each.begins_at for each in self.price}) < len(self.price):
            raise ValueError("two prices hold from the same moment on: give each its effective_from")
        return self


class RendererEntry(_Entry):
    """One renderer: a service with one credential and one or more replicas."""

    name: Name
    dialect: str
    credential: CredentialEntry
    replicas: tuple[str, ...] = ()
    """Base URLs, usually ending in `/v1`."""
    dns: DnsEntry | None = None
    drained: tuple[str, ...] = ()
    """Replicas that get no new jobs; those they have are followed to their end."""
    webhook_secret_env: str | None = Field(default=None, pattern=_ENV)
    limits: LimitsEntry = LimitsEntry()
    idempotency_keys: bool = False
    """Whether two submissions with one idempotency key make one job."""
    on_unknown: OnUnknown = "hold"
    """What becomes of a submission of which nobody can find out whether it was taken."""
    on_lost: OnLost | None = None
    """What becomes of a render whose job it forgot. None: `resubmit` where all its prices are 0, `hold` elsewhere."""
    models: tuple[ModelEntry, ...] = Field(min_length=1)

    @property
    def is_free(self) -> bool:
        """Whether everything it makes is known to cost nothing."""
        prices = [model.price for model in self.models]
        return all(prices) and not any(sum(each.micro_per_unit.values()) for price in prices for each in price)

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.dialect not in DIALECTS:
            raise ValueError(f"dialects are {', '.join(DIALECTS)}, not {self.dialect}")
        if bool(self.replicas) == (self.dns is not None):
            raise ValueError("give either replicas or dns")
        if unknown := {name for model in self.models for name in model.fields} - FIELDS:
            raise ValueError(f"there are no fields {', '.join(sorted(unknown))}; known are {', '.join(sorted(FIELDS))}")
        for model in self.models:
            capabilities_of(self.dialect, frozenset(model.fields))
        return self


class StepEntry(_Entry):
    """One renderer of a route."""

    renderer: Name
    weight: int = Field(default=1, ge=0, le=1_000_000)


class RouteEntry(_Entry):
    """Who makes a model: asked in this order, or drawn by weight."""

    choice: Literal["order", "weight"] = "order"
    on_unknown: OnUnknown | None = None
    """In place of what its renderers say, for this model."""
    on_lost: OnLost | None = None
    """As `on_unknown`."""
    renderers: tuple[StepEntry, ...] = Field(min_length=1)


class RendererFile(_Entry):
    """The whole file."""

    renderers: tuple[RendererEntry, ...] = Field(min_length=1)
    routes: dict[str, RouteEntry] = Field(default_factory=dict)
    """By model. A model without a route is made by every renderer that has it, in their order."""
    weights: dict[str, Annotated[int, Field(ge=1, le=WEIGHT_MAX)]] = Field(default_factory=dict)
    """By project, of another tenant as `tenant/project`: how many turns it has in the queue where others have one.

    A project without a weight has one.
    """

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        known = {each.name: {model.name for model in each.models} for each in self.renderers}
        if len(known) < len(self.renderers):
            raise ValueError("two renderers have the same name")
        for model, route in self.routes.items():
            for step in route.renderers:
                if model not in known.get(step.renderer, ()):
                    raise ValueError(f"the route of {model!r} names {step.renderer!r}, which does not offer it")
        if len(self.weights_by_place) < len(self.weights):
            raise ValueError("two weights are of the same project")
        return self

    @property
    def weights_by_place(self) -> dict[str, int]:
        """The weights by `tenant/project`: projects of two tenants may have one name."""
        return {name if "/" in name else f"{MAIN}/{name}": weight for name, weight in self.weights.items()}


def read_renderer_file(path: Path) -> RendererFile:
    """The renderer file, checked. Raises RendererFileInvalid."""
    try:
        content = path.read_bytes()
        if len(content) > FILE_BYTES_MAX:
            raise RendererFileInvalid(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        return RendererFile.model_validate(yaml.safe_load(content))
    except OSError as error:
        raise RendererFileInvalid(f"{path}: {error.strerror}") from None
    except RecursionError:
        raise RendererFileInvalid(f"{path}: nested too deeply") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise RendererFileInvalid(f"{path}{place}: not YAML: {getattr(error, 'problem', 'unreadable')}") from None
    except ValidationError as error:
        raise RendererFileInvalid(f"{path}: {_told(error)}") from None


def secret_of(entry: RendererEntry, environment: Mapping[str, str]) -> SecretStr:
    """The credential's secret. Raises RendererFileInvalid when its variable is not set."""
    return _variable(entry.credential.env, entry.name, environment)


def webhook_secrets_of(entry: RendererEntry, environment: Mapping[str, str]) -> tuple[SecretStr, ...]:
    """What its webhooks are signed with. Raises RendererFileInvalid when the variable is not set."""
    if entry.webhook_secret_env is None:
        return ()
    listed = _variable(entry.webhook_secret_env, entry.name, environment).get_secret_value()
    return tuple(SecretStr(each) for each in listed.split())


def _variable(name: str, renderer: str, environment: Mapping[str, str]) -> SecretStr:
    if name not in environment:
        raise RendererFileInvalid(f"renderer {renderer!r}: the environment variable {name} is not set")
    return SecretStr(environment[name])


def _told(error: ValidationError) -> str:
    """Every place that is wrong, and how."""
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors()[:5])
