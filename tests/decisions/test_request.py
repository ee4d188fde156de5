import pytest

from bickford_sora.decisions.prices import cost, quote
from bickford_sora.decisions.request import Image, Offer, VideoRequest, create_request, pixels, remix_prompt
from bickford_sora.errors import InvalidRequest

OFFER = Offer(("sora-2", "sora-2-pro"), ("4", "8"), ("720x1280", "1280x720"), prompt_chars_max=20)


def test_defaults_are_the_protocols() -> None:
    asked = create_request({"prompt": "a cat"}, None, OFFER)
    assert (asked.model, asked.seconds, asked.size) == ("sora-2", "4", "720x1280")
    assert asked.pixels == (720, 1280)


def test_seconds_may_be_a_number_as_some_sdks_send_it() -> None:
    assert create_request({"prompt": "a cat", "seconds": 8}, None, OFFER).seconds == "8"


def test_the_prompt_and_image_never_show_in_a_repr() -> None:
    shown = repr(create_request({"prompt": "secret"}, Image(b"secret"), OFFER))
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "empty_prompt"),
        ({"prompt": " \n"}, "prompt", "empty_prompt"),
        ({"prompt": "x" * 21}, "prompt", "prompt_too_long"),
        ({"prompt": "\ud800"}, "prompt", "invalid_prompt"),
        ({"prompt": 7}, "prompt", "invalid_type"),
        ({"prompt": "a", "model": "veo"}, "model", "model_not_found"),
        ({"prompt": "a", "seconds": "5"}, "seconds", "invalid_value"),
        ({"prompt": "a", "seconds": True}, "seconds", "invalid_type"),
        ({"prompt": "a", "size": "1x1"}, "size", "invalid_value"),
        ({"prompt": "a", "size": ["720x1280"]}, "size", "invalid_type"),
        ({"prompt": "a", "sead": 1}, "sead", "unknown_parameter"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        create_request(fields, None, OFFER)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_a_remix_changes_the_prompt_and_nothing_else() -> None:
    assert remix_prompt({"prompt": "at night"}, OFFER) == "at night"
    with pytest.raises(InvalidRequest) as caught:
        remix_prompt({"prompt": "at night", "seconds": "8"}, OFFER)
    assert (caught.value.param, caught.value.code) == ("seconds", "unknown_parameter")


@pytest.mark.parametrize("size", ["", "720", "0x10", "720x", "720X1280", "720x1280x1", "-1x5"])
def test_only_a_size_has_pixels(size: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        pixels(size)


@pytest.mark.parametrize(
    ("model", "size", "micro"),
    [
        ("sora-2", "1280x720", 400_000),
        ("sora-2-pro", "1280x720", 1_200_000),
        ("sora-2-pro", "1792x1024", 2_000_000),
    ],
)
def test_list_prices(model: str, size: str, micro: int) -> None:
    quoted = quote(VideoRequest("a cat", model, "4", size))
    assert quoted is not None
    assert quoted.cost.amount_micro == micro


def test_money_is_whole_micro_units() -> None:
    assert cost(100_000, "12") == 1_200_000
