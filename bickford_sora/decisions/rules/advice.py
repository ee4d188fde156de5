"""Advice on prompts, after the hosted API's guide: name shot, subject, action, setting and light. It only ever warns.

The lists are short and English; they look for a sign of each part, not for its quality.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from bickford_sora.decisions.rules.wording import Wording, WordList, word_list, wording

PROMPT_WORDS_MIN = 8
"""Fewer words than this are too few to say what is to be seen."""


def _signs(words: str, *phrases: str) -> WordList:
    return word_list([*words.split(), *phrases])


PARTS: Mapping[str, WordList] = MappingProxyType(
    {
        "shot": _signs(
            "shot shots closeup macro aerial overhead drone handheld camera tracking dolly pan pans tilt tilts zoom "
            "zooms pov angle lens framing timelapse panorama",
            "close up",
            "wide view",
            "point of view",
            "time lapse",
            "bird s eye",
        ),
        "subject": _signs(
            "he she they it i we a an two three four five several many person people man men woman women child "
            "children boy girl baby crowd team dog dogs cat cats bird birds horse fish animal animals car cars train "
            "boat ship plane robot robots cup product bottle phone flower flowers tree trees logo hand hands"
        ),
        "action": _signs(
            "walks runs flies jumps dances sits stands looks turns moves opens closes falls rises floats swims drives "
            "rides holds lifts throws catches plays sings talks speaks smiles laughs cries eats drinks cooks pours "
            "spins rolls drifts glows burns melts grows appears rests sleeps waits pans tilts zooms"
        ),
        "setting": _signs(
            "in on at inside outside indoors outdoors under above beside near behind through across along around over "
            "underwater background studio room street city forest beach desert mountain field kitchen office"
        ),
        "light": _signs(
            "light lights lighting lit backlit sunlight sun sunny sunrise sunset dawn dusk morning noon evening night "
            "moonlight moonlit golden neon candle candlelight lamp lamps shadow shadows bright dim dark glow glowing "
            "overcast softbox daylight twilight firelight"
        ),
    }
)
"""By part of a prompt, the words that are a sign of it. An action is also any word that ends in -ing."""

_NO_ACTIONS = _signs(
    "morning evening lighting building ceiling king ring thing nothing something anything everything string spring "
    "wing during clothing painting setting framing tracking glowing"
)
"""Words in -ing that are no action."""


def advice(prompt: str) -> Iterator[tuple[str, str]]:
    """What could be better about a prompt: the advice's name and its text."""
    written = wording([prompt])
    if len(written.words) < PROMPT_WORDS_MIN:
        yield "advice.short", "The prompt is short: describe shot, subject, action, setting and light."
    for part, signs in PARTS.items():
        if not written.has(signs) and not (part == "action" and _acts(written)):
            yield f"advice.{part}", f"The prompt names no {part}: say it, or the renderer invents one."


def _acts(written: Wording) -> bool:
    return any(word.endswith("ing") and word not in _NO_ACTIONS.words for word in written.known)
