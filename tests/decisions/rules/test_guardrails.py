"""Each guardrail with each detector; none without; exceptions that are approved."""

import pytest

from bickford_sora.decisions.rules.guardrails import GuardrailsEntry
from bickford_sora.decisions.rules.reading import PolicyInvalid
from tests.decisions.rules.seeing import PROMPT, outcome, policy

WORDS = "{kind: words, words: [Mickey Mouse, Batman]}"
MODERATIONS = "{kind: moderations, url: 'https://mod.example/v1', model: m, categories: [sexual, violence]}"
ATTESTATION = "{kind: attestation, name: cleared}"
NAMES = tuple(GuardrailsEntry.model_fields)
READS_TEXT = tuple(name for name in NAMES if name != "faces")


def on(name: str, detector: str, more: str = "") -> str:
    """A policy with one guardrail."""
    return f"guardrails: {{{name}: {{enabled: true, detector: {detector}{more}}}}}"


@pytest.mark.parametrize("name", READS_TEXT)
@pytest.mark.parametrize(
    "prompt",
    [
        "Batman flies",
        "BATMAN!",
        "mickey  mouse",
        "Mickey-Mouse",
        "Bat\u200bman",
        "\uff22\uff41\uff54\uff4d\uff41\uff4e",
    ],
)
def test_words_are_found_however_they_are_written(name: str, prompt: str) -> None:
    found = outcome(on(name, WORDS), prompt=prompt)
    assert (found.effect, found.decided_by) == ("deny", f"guardrails.{name}")
    assert found.message is not None
    assert f"Guardrail {name} of the policy denies this render." in found.message


@pytest.mark.parametrize("prompt", ["A batmanlike suit", "mickey and a mouse", PROMPT])
def test_words_are_whole_words(prompt: str) -> None:
    assert outcome(on("characters", WORDS), prompt=prompt).effect == "allow"


def test_words_are_looked_for_in_every_text_but_the_one_that_says_what_not_to_show() -> None:
    assert outcome(on("characters", WORDS), fields={"style": "batman comic"}).effect == "deny"
    assert outcome(on("characters", WORDS), fields={"negative_prompt": "batman"}).effect == "allow"


def test_a_phrase_does_not_reach_from_one_text_into_the_next() -> None:
    assert outcome(on("characters", WORDS), prompt="mickey", fields={"style": "mouse"}).effect == "allow"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("moderation", "effect"),
    [
        ({"sexual": False, "violence": False}, "allow"),
        ({"sexual": False, "violence": True}, "deny"),
        ({"sexual": False}, "deny"),
        ({}, "deny"),
    ],
    ids=["clean", "flagged", "one not looked at", "not looked at"],
)
def test_moderations_violate_when_flagged_and_when_nobody_looked(
    name: str, moderation: dict[str, bool], effect: str
) -> None:
    assert outcome(on(name, MODERATIONS), moderation=moderation, has_reference=True).effect == effect


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("attested", "effect"), [({"cleared"}, "allow"), ({"other"}, "deny"), (set(), "deny")])
def test_an_attestation_has_to_be_given_by_its_name(name: str, attested: set[str], effect: str) -> None:
    found = outcome(on(name, ATTESTATION), attestations=frozenset(attested), has_reference=True)
    assert found.effect == effect


def test_a_missing_attestation_is_asked_for_by_name() -> None:
    told = outcome(on("music", ATTESTATION)).message
    assert told is not None
    assert told.endswith("Vouch that it is without copyrighted music, by the attestation cleared.")


@pytest.mark.parametrize("name", NAMES)
def test_a_guardrail_without_a_detector_cannot_be_switched_on(name: str) -> None:
    with pytest.raises(PolicyInvalid, match="it has no detector, so it cannot be enabled"):
        policy(f"guardrails: {{{name}: {{enabled: true}}}}")


@pytest.mark.parametrize("name", READS_TEXT)
def test_a_guardrail_that_is_off_finds_nothing(name: str) -> None:
    off = f"guardrails: {{{name}: {{detector: {WORDS}}}}}"
    assert outcome(off, prompt="Batman").effect == "allow"


def test_faces_are_looked_for_only_where_there_is_an_image() -> None:
    assert outcome(on("faces", ATTESTATION), has_reference=False).effect == "allow"
    assert outcome(on("faces", ATTESTATION), has_reference=True).effect == "deny"


def test_words_do_not_see_faces() -> None:
    with pytest.raises(PolicyInvalid, match="a list of words does not see faces"):
        policy(on("faces", WORDS))


EXCEPTED = ", exception: {approved_by: Legal 2026-11, projects: [adult], requesters: [req-9]}"


@pytest.mark.parametrize(
    ("who", "effect"),
    [
        ({"project": "adult"}, "allow"),
        ({"requester": "req-9"}, "allow"),
        ({"project": "other"}, "deny"),
    ],
)
def test_an_approved_exception_from_the_audience_is_made_and_named(who: dict[str, str], effect: str) -> None:
    found = outcome(on("audience", WORDS, EXCEPTED), prompt="Batman", **who)
    assert found.effect == effect
    assert found.rules == (("guardrails.audience.exception",) if effect == "allow" else ("guardrails.audience",))


def test_an_exception_is_not_named_where_it_was_not_needed() -> None:
    assert outcome(on("audience", WORDS, EXCEPTED), project="adult").rules == ()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "audience"])
def test_no_other_guardrail_knows_an_exception(name: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"exception: there is no such key"):
        policy(on(name, ATTESTATION, EXCEPTED))


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        ("{projects: [adult]}", "approved_by is missing"),
        ("{approved_by: Legal}", "name the projects or requesters"),
    ],
)
def test_an_exception_names_who_approved_it_and_for_whom(exception: str, reason: str) -> None:
    with pytest.raises(PolicyInvalid, match=reason):
        policy(on("audience", WORDS, f", exception: {exception}"))


def test_a_guardrail_may_hold_instead() -> None:
    held = outcome(on("real_people", ATTESTATION, ", effect: require_approval, on_hold: refuse"))
    assert (held.effect, held.on_hold) == ("require_approval", "refuse")
    with pytest.raises(PolicyInvalid, match="on_hold belongs to require_approval alone"):
        policy(on("music", ATTESTATION, ", on_hold: wait"))


def test_the_words_of_its_author_are_told() -> None:
    told = outcome(on("music", ATTESTATION, ", message: Ask the music desk.")).message
    assert told == "Guardrail music of the policy denies this render. Ask the music desk."
