from bickford_sora.renderers.dialects import DIALECTS
from tests.docs.pages import REFERENCE, codes, rows, sections

PAGE = sections((REFERENCE / "renderers.md").read_text("utf-8"), 2)


def yes(truth: bool) -> str:
    return "yes" if truth else "no"


def test_every_dialect_is_described_with_its_standing() -> None:
    described = {codes(row[0])[0]: row[1] for row in rows(PAGE["Dialects"])}
    assert described == {name: "experimental" if each.experimental else "supported" for name, each in DIALECTS.items()}


def test_what_each_can_do_is_as_the_program_has_it() -> None:
    described = {codes(name)[0]: cells for name, *cells in rows(PAGE["What each can do"])}
    assert described == {
        name: [
            each.capabilities.remix,
            yes(each.capabilities.edits and each.capabilities.extensions and each.capabilities.characters),
            yes(each.capabilities.lists),
            yes(each.capabilities.cancels),
            yes(each.capabilities.deletes),
            yes(each.capabilities.variants == {"video", "thumbnail", "spritesheet"}),
            yes(each.absence_proves),
            yes(each.capabilities.recognises("create", ())),
        ]
        for name, each in DIALECTS.items()
    }


def test_fields_beyond_the_protocol_are_as_the_program_has_them() -> None:
    described = {codes(row[0])[0]: set(codes(row[1])) for row in rows(PAGE["Fields beyond the protocol"])}
    assert described == {name: each.capabilities.fields | each.extra_fields for name, each in DIALECTS.items()}
