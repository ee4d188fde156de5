"""What a client asks for, checked as strictly as the hosted API does (videos-api.md 1.1)."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from bickford_sora.simulator.bodies import Fields, FileField
from bickford_sora.simulator.problems import invalid
from bickford_sora.simulator.scene import FRAME_RATE_MAX, FRAMES_MAX
from bickford_sora.simulator.settings import SimulatorSettings
from bickford_sora.simulator.sources import Clip, read_offered_clip, read_reference, read_source

PROMPT_CHARS_MAX = 32_000
NAME_CHARS_MAX = 80
OUTPUTS_MAX = 10
_CREATE_FIELDS = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
_EDIT_FIELDS = frozenset({"prompt", "video", "model"})
_EXTEND_FIELDS = _EDIT_FIELDS | {"seconds"}
_CHARACTER_FIELDS = frozenset({"name", "video"})
_REMIX_FIELDS = frozenset({"prompt"})
_WHOLE = frozenset({"seed", "steps", "num_inference_steps", "fps", "num_frames", "n"})
_BOUNDS = {"fps": (1, FRAME_RATE_MAX), "num_frames": (1, FRAMES_MAX), "n": (1, OUTPUTS_MAX)}


@dataclass(frozen=True)
class CreateRequest:
    """A create call that may be accepted. What is None is the renderer's own choice."""

    prompt: str
    model: str
    seconds: str
    """As answers show it."""
    size: str
    reference: bytes | None = field(default=None, repr=False)
    """An image of exactly `size`, which becomes the first frame."""
    seed: int | None = None
    frame_rate: int | None = None
    frames: int | None = None
    """How many frames; then `seconds` does not count."""
    outputs: int = 1
    has_audio: bool = True
    extras: dict[str, Any] = field(default_factory=dict)
    """The fields beyond the protocol, by the names and with the values they were understood by."""


@dataclass(frozen=True)
class SourceRequest:
    """An edit or extension that may be accepted, once its source is."""

    prompt: str
    source: Clip | str
    """The clip, or the id of the video."""
    model: str
    seconds: str | None
    """Of an extension: the new segment's."""


@dataclass(frozen=True)
class CharacterRequest:
    """A character that may be made."""

    name: str


def check_create(fields: Fields, settings: SimulatorSettings) -> CreateRequest:
    """The request these fields make. Decodes the reference image: call it from a worker thread.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _CREATE_FIELDS.union(settings.extra_fields))
    size = _choice(fields, "size", settings.sizes, default="720x1280")
    extras = {name: read_extra(name, fields[name]) for name in settings.extra_fields if name in fields}
    reference = fields.get("input_reference")
    return CreateRequest(
        prompt=read_prompt(fields),
        model=_choice(fields, "model", settings.models, default="sora-2"),
        seconds=_choice(fields, "seconds", settings.seconds, default="4"),
        size=size,
        reference=read_reference(reference, size, bytes_max=settings.reference_bytes_max),
        seed=extras.get("seed"),
        frame_rate=extras.get("fps"),
        frames=extras.get("num_frames"),
        outputs=extras.get("n", 1),
        has_audio=extras.get("generate_audio", True),
        extras=extras,
    )


def check_edit(fields: Fields, settings: SimulatorSettings) -> SourceRequest:
    """The edit these fields ask for. Decodes an uploaded video: call it from a worker thread.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _EDIT_FIELDS)
    model = _choice(fields, "model", settings.models, default="sora-2")
    return SourceRequest(read_prompt(fields), read_source(fields.get("video"), settings), model, None)


def check_extend(fields: Fields, settings: SimulatorSettings) -> SourceRequest:
    """As `check_edit`, of an extension, which says how long its new segment is.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _EXTEND_FIELDS)
    if fields.get("seconds") is None:
        raise invalid("Missing required parameter: 'seconds'.", param="seconds", code="missing_required_parameter")
    seconds = _choice(fields, "seconds", settings.extension_seconds, default="")
    model = _choice(fields, "model", settings.models, default="sora-2")
    return SourceRequest(read_prompt(fields), read_source(fields.get("video"), settings), model, seconds)


def check_character(fields: Fields, settings: SimulatorSettings) -> CharacterRequest:
    """The character these fields ask for. Decodes the video: call it from a worker thread.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _CHARACTER_FIELDS)
    name, video = fields.get("name"), fields.get("video")
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_CHARS_MAX:
        raise invalid(f"'name' must have 1 to {NAME_CHARS_MAX} characters.", param="name")
    if not isinstance(video, FileField):
        raise invalid("'video' must be a file.", param="video")
    read_offered_clip(video.content, settings)
    return CharacterRequest(name)


def check_remix(fields: Fields) -> str:
    """The new prompt.

    Raises:
        Problem: 400 naming the first field that is not acceptable.
    """
    _refuse_unknown(fields, _REMIX_FIELDS)
    return read_prompt(fields)


def read_extra(name: str, given: Any) -> Any:
    """A field beyond the protocol; texts of forms have become numbers and truth values.

    Raises:
        Problem: 400 when it is of the wrong type, or more than the simulator can draw.
    """
    if name == "generate_audio":
        return read_truth(name, given)
    if name not in _WHOLE:
        return given
    least, most = _BOUNDS.get(name, (None, None))
    return read_whole(name, given, least=least, most=most)


def read_truth(name: str, given: Any) -> bool:
    """True or false, in JSON or as the protocol's clients write it into a form.

    Raises:
        Problem: 400 when it is neither.
    """
    truth = {"true": True, "false": False}.get(given.lower()) if isinstance(given, str) else given
    if not isinstance(truth, bool):
        raise invalid(f"'{name}' must be true or false.", param=name)
    return truth


def read_whole(name: str, given: Any, *, least: int | None = None, most: int | None = None) -> int:
    """A whole number within bounds.

    Raises:
        Problem: 400 when it is none.
    """
    try:
        number = int(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid(f"'{name}' must be a whole number.", param=name) from error
    if (least is not None and number < least) or (most is not None and number > most):
        raise invalid(f"'{name}' must be {least} to {most}.", param=name)
    return number


def read_prompt(fields: Fields) -> str:
    """The prompt.

    Raises:
        Problem: 400 when it is missing, no text, empty or longer than 32,000 characters.
    """
    prompt = fields.get("prompt")
    if prompt is None:
        raise invalid("Missing required parameter: 'prompt'.", param="prompt", code="missing_required_parameter")
    if not isinstance(prompt, str):
        raise invalid("Invalid type for 'prompt': expected a string.", param="prompt", code="invalid_type")
    if not 1 <= len(prompt) <= PROMPT_CHARS_MAX:
        raise invalid(f"'prompt' must have 1 to {PROMPT_CHARS_MAX} characters.", param="prompt")
    return prompt


def _refuse_unknown(fields: Fields, known: AbstractSet[str]) -> None:
    for name in fields:
        if name not in known:
            raise invalid(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def _choice(fields: Fields, name: str, allowed: tuple[str, ...], *, default: str) -> str:
    value = fields.get(name)
    if value is None:
        value = default if default in allowed else allowed[0]
    if not isinstance(value, str):
        raise invalid(f"Invalid type for '{name}': expected a string.", param=name, code="invalid_type")
    if value not in allowed:
        choices = ", ".join(f"'{choice}'" for choice in allowed)
        raise invalid(f"Invalid value: '{value}'. Supported values are: {choices}.", param=name)
    return value
