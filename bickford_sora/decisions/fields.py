"""Fields beyond the protocol: what clients send by `extra_body` to engines that understand more than a prompt.

Here they are only well formed. Whether a renderer is given one is its offer's `fields`; all others are refused.
"""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from bickford_sora.errors import InvalidRequest

SEED_MAX = 2**63 - 1
STEPS_MAX = 1_000
FPS_MAX = 240
FRAMES_MAX = 20_000
OUTPUTS_MAX = 10
"""The most outputs of one request that any known engine makes."""
NEGATIVE_PROMPT_CHARS_MAX = 8_000
"""Longest in characters. With a prompt of 32,000 and everything else it must fit into one fact."""
NAME_CHARS_MAX = 2_000
"""Longest style or LoRA in characters."""

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")


def _integer(value: object) -> object:
    """A form's text as the number it stands for."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value


def _truth(value: object) -> object:
    """A form's text as the truth it stands for."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _lora(value: object) -> object:
    """An object as one line of JSON, which is how engines read it from a form; numbers in brackets are text."""
    if isinstance(value, str):
        try:
            parsed = orjson.loads(value)
        except ValueError:
            return value
        value = parsed if isinstance(parsed, dict) else value
    if not isinstance(value, dict):
        return value
    return orjson.dumps({name: _number(each) for name, each in value.items()}, option=orjson.OPT_SORT_KEYS).decode()


def _number(value: object) -> object:
    if isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value))
    return float(str(value)) if is_number else value


Integer = BeforeValidator(_integer)


class BeyondProtocol(BaseModel):
    """The fields beyond the protocol; None: not given."""

    model_config = ConfigDict(strict=True, frozen=True)

    seed: Annotated[int, Field(ge=-1, le=SEED_MAX), Integer] | None = None
    """-1: of the engine's choice."""
    negative_prompt: Annotated[str, Field(max_length=NEGATIVE_PROMPT_CHARS_MAX)] | None = None
    steps: Annotated[int, Field(ge=1, le=STEPS_MAX), Integer] | None = None
    fps: Annotated[int, Field(ge=1, le=FPS_MAX), Integer] | None = None
    num_frames: Annotated[int, Field(ge=1, le=FRAMES_MAX), Integer] | None = None
    n: Annotated[int, Field(ge=1, le=OUTPUTS_MAX), Integer] | None = None
    """Outputs."""
    lora: Annotated[str, Field(max_length=NAME_CHARS_MAX), BeforeValidator(_lora)] | None = None
    style: Annotated[str, Field(max_length=NAME_CHARS_MAX)] | None = None
    generate_audio: Annotated[bool, BeforeValidator(_truth)] | None = None

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {"num_inference_steps": "steps"}

    def given(self) -> dict[str, JsonValue]:
        """What was given, by name, in the order of the names."""
        return dict(sorted(self.model_dump(exclude_none=True).items()))


FIELDS = frozenset(BeyondProtocol.model_fields)
"""Names of all fields beyond the protocol."""
SENT_AS = FIELDS | frozenset(BeyondProtocol.OTHER_NAMES)
"""Names that clients send them by."""


def renamed(sent: Mapping[str, object]) -> dict[str, object]:
    """The fields by their own names. Raises InvalidRequest when one is given by both of its names."""
    fields: dict[str, object] = {}
    for name, value in sent.items():
        own = BeyondProtocol.OTHER_NAMES.get(name, name)
        if own in fields:
            raise InvalidRequest(
                f"{name!r} and {own!r} are the same parameter.", code="duplicate_parameter", param=name
            )
        fields[own] = value
    return fields


def plain(fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Those that are no free text: what facts and rules may show."""
    return {name: value for name, value in fields.items() if not isinstance(value, str)}


def texts(fields: Mapping[str, JsonValue]) -> dict[str, str]:
    """Those that are free text, and are sealed wherever they are kept."""
    return {name: value for name, value in fields.items() if isinstance(value, str)}
