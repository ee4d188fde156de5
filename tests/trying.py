"""How often a property is tried: a part in every run, all of it on demand, and very often at night.

pytest --hypothesis-profile=thorough
pytest --hypothesis-profile=long --timeout=0 tests/fuzz
"""

from hypothesis import settings

LONG = "long"
"""The profile for nights."""
LONG_TIMES = 200
"""How many times as many examples it tries."""
ORDINARY = "untimed"
"""The profile of a run that names none."""
ORDINARY_SHARE = 4
"""One in so many examples is tried then: the others take a run longer than they find."""
ORDINARY_MIN = 10
"""As many are tried in any case, where a property has as many."""
THOROUGH = "thorough"
"""The profile that tries the examples that tests name, as before something is released."""
UNNAMED = 100
"""Examples of a property that names no number."""


def tries(examples: int) -> int:
    """How many of these examples this run tries."""
    profile = settings.get_current_profile_name()
    if profile == LONG:
        return examples * LONG_TIMES
    if profile == THOROUGH:
        return examples
    return max(examples // ORDINARY_SHARE, min(examples, ORDINARY_MIN))


def register_profiles() -> None:
    """Makes the profiles known, and the ordinary one the one that holds. No example has a limit of time.

    A busy machine is slow now and then, and that is no failure.
    """
    settings.register_profile(LONG, deadline=None, max_examples=UNNAMED * LONG_TIMES)
    settings.register_profile(THOROUGH, deadline=None, max_examples=UNNAMED)
    settings.register_profile(ORDINARY, deadline=None, max_examples=UNNAMED // ORDINARY_SHARE)
    settings.load_profile(ORDINARY)
