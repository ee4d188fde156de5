"""How the open-source engines read a request: fields of known types, any size, and unknown fields without a word."""

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from bickford_sora.simulator.bodies import Fields, FileField
from bickford_sora.simulator.intake import read_truth, read_whole
from bickford_sora.simulator.problems import Problem, invalid
from bickford_sora.simulator.scene import FRAME_RATE_MAX, FRAMES_MAX, SECONDS_MAX
from bickford_sora.simulator.settings import SimulatorSettings, parse_size
from bickford_sora.simulator.sources import fitted, read_clip

Kind = Literal["text", "whole", "number", "truth", "object", "file"]
Kinds = Mapping[str, Kind]
"""The fields a server's request model has, and what each is."""

SAMPLING: Kinds = {
    "seed": "whole",
    "fps": "whole",
    "num_frames": "whole",
    "num_inference_steps": "whole",
    "negative_prompt": "text",
    "guidance_scale": "number",
}
"""What all of them take beyond the protocol, by these names."""
_BOUNDS = {"fps": (1, FRAME_RATE_MAX), "num_frames": (1, FRAMES_MAX)}
"""Those of the simulator: the engines allow more than can be drawn."""


def read_typed(fields: Fields, kinds: Kinds, *, status: int = 400) -> Fields:
    """The fields that the server knows, in their types; others, and empty ones, are ignored, as it ignores them.

    Raises:
        Problem: with `status`, for one of another type.
    """
    known = {name: given for name, given in fields.items() if name in kinds and given is not None and given != ""}
    try:
        return {name: _read_one(name, kinds[name], given) for name, given in known.items()}
    except Problem as problem:
        raise Problem(status, problem.message, code=problem.code, param=problem.param) from problem


def _read_one(name: str, kind: Kind, given: Any) -> Any:
    match kind:
        case "whole":
            least, most = _BOUNDS.get(name, (None, None))
            return read_whole(name, given, least=least, most=most)
        case "number":
            return _read_number(name, given)
        case "truth":
            return read_truth(name, given)
        case "object":
            return _read_object(name, given)
        case "text":
            return _read_text(name, given)
        case "file":
            return given if isinstance(given, FileField) else None


def _read_number(name: str, given: Any) -> float:
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid(f"'{name}' must be a number.", param=name) from error
    if not math.isfinite(number) or number < 0:
        raise invalid(f"'{name}' must be a number of at least 0.", param=name)
    return number


def _read_text(name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise invalid(f"'{name}' must be a string.", param=name)
    return given


def _read_object(name: str, given: Any) -> dict[str, Any]:
    """The engines take objects in forms as a string of JSON."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise invalid(f"'{name}' is not valid JSON.", param=name) from error
    if not isinstance(given, dict):
        raise invalid(f"'{name}' must be a JSON object.", param=name)
    return given


def read_size(fields: Fields, settings: SimulatorSettings) -> str:
    """The size asked for, else the first on offer, which stands for the model's own.

    Raises:
        Problem: 400 when it is not written like 1280x720.
    """
    size = str(fields.get("size") or settings.sizes[0])
    try:
        parse_size(size)
    except ValueError as error:
        raise invalid(f"Invalid size: {error}.", param="size") from error
    return size


def read_seconds(fields: Fields) -> int:
    """The length asked for, else 4.

    Raises:
        Problem: 400 when it is no whole number of at least 1.
    """
    return read_whole("seconds", fields.get("seconds") or 4, least=1, most=SECONDS_MAX)


def first_frame_of_image(content: bytes, size: str, settings: SimulatorSettings, *, param: str) -> bytes:
    """A reference image as the first frame, whatever size it has.

    Raises:
        Problem: 400 when it is no image.
    """
    return fitted(content, size, bytes_max=settings.reference_bytes_max, param=param)


def first_frame_of_video(content: bytes, size: str, settings: SimulatorSettings, *, param: str) -> bytes:
    """The start of a reference video as the first frame.

    Raises:
        Problem: 400 when it is no MP4 file that can be decoded.
    """
    clip = read_clip(content, bytes_max=settings.source_bytes_max, param=param)
    return fitted(clip.first_frame, size, bytes_max=settings.source_bytes_max, param=param)


def extras_of(fields: Fields, beyond: Kinds) -> dict[str, Any]:
    """The fields beyond the protocol."""
    return {name: given for name, given in fields.items() if name in beyond}
