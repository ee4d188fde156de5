import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bickford_sora.decisions.media import File, Reference, Source
from bickford_sora.decisions.request import (
    ParsedRequest,
    create_request,
    edit_request,
    extension_request,
    pixels,
    remix_request,
)
from bickford_sora.errors import InvalidRequest, Unsupported

VIDEO_ID = "video_" + "1" * 32


def test_what_is_not_given_stays_open() -> None:
    assert create_request({"prompt": "a cat"}, {}) == ParsedRequest("create", "a cat")


def test_seconds_may_be_a_number_as_some_sdks_send_it() -> None:
    assert create_request({"prompt": "a cat", "seconds": 8}, {}).seconds == "8"


def test_prompt_files_and_free_text_never_show_in_a_repr() -> None:
    fields = {"prompt": "secret", "negative_prompt": "secret", "input_reference": {"image_url": "https://secret"}}
    assert "secret" not in repr(create_request(fields, {}))
    assert "secret" not in repr(edit_request({"prompt": "secret"}, {"video": File(b"secret", "secret.mp4")}))


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "empty_prompt"),
        ({"prompt": " \n"}, "prompt", "empty_prompt"),
        ({"prompt": "\ud800"}, "prompt", "invalid_prompt"),
        ({"prompt": 7}, "prompt", "invalid_type"),
        ({"prompt": "a", "seconds": True}, "seconds", "invalid_type"),
        ({"prompt": "a", "size": ["720x1280"]}, "size", "invalid_type"),
        ({"prompt": "a", "sead": 1}, "sead", "unknown_parameter"),
        ({"prompt": "a", "remix_video_id": 7}, "remix_video_id", "invalid_type"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        create_request(fields, {})
    assert (caught.value.param, caught.value.code) == (param, code)


def test_a_remix_changes_the_prompt_and_nothing_else_of_the_protocol() -> None:
    asked = remix_request(VIDEO_ID, {"prompt": "at night"}, {})
    assert (asked.operation, asked.source) == ("remix", Source(VIDEO_ID, param="video_id"))
    with pytest.raises(InvalidRequest) as caught:
        remix_request(VIDEO_ID, {"prompt": "at night", "seconds": "8"}, {})
    assert (caught.value.param, caught.value.code) == ("seconds", "unknown_parameter")


def test_a_create_that_names_a_video_to_remix_is_a_remix() -> None:
    asked = create_request({"prompt": "at night", "remix_video_id": VIDEO_ID}, {})
    assert (asked.operation, asked.source) == ("remix", Source(VIDEO_ID, param="remix_video_id"))
    with pytest.raises(InvalidRequest) as caught:
        create_request({"prompt": "at night", "remix_video_id": VIDEO_ID}, {"input_reference": File(b"x", "a")})
    assert (caught.value.param, caught.value.code) == ("input_reference", "parameters_conflict")


def test_an_extension_says_how_long_the_new_segment_is() -> None:
    with pytest.raises(InvalidRequest) as caught:
        extension_request({"prompt": "on", "video": {"id": VIDEO_ID}}, {})
    assert (caught.value.param, caught.value.code) == ("seconds", "missing_required_parameter")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": "a"}, "video", "missing_required_parameter"),
        ({"prompt": "a", "video": VIDEO_ID}, "video", "invalid_type"),
        ({"prompt": "a", "video": [VIDEO_ID]}, "video", "invalid_type"),
        ({"prompt": "a", "video": "[" * 100_000}, "video", "invalid_type"),
        ({"prompt": "a", "video": {}}, "video.id", "missing_required_parameter"),
        ({"prompt": "a", "video": {"id": 7}}, "video.id", "invalid_type"),
        ({"prompt": "a", "video": {"id": VIDEO_ID, "x": 1}}, "video.x", "unknown_parameter"),
        ({"prompt": "a", "video": {"id": VIDEO_ID}, "size": "1x1"}, "size", "unknown_parameter"),
    ],
)
def test_what_is_wrong_with_a_source_is_named(fields: dict[str, object], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        edit_request(fields, {})
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize("size", ["", "720", "0x10", "720x", "720X1280", "720x1280x1", "-1x5"])
def test_only_a_size_has_pixels(size: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        pixels(size)


@given(st.binary(max_size=100))
def test_a_data_url_is_the_file_it_holds(content: bytes) -> None:
    plain = "data:image/png," + "".join(f"%{byte:02x}" for byte in content)
    coded = "DATA:;base64," + base64.b64encode(content).decode()
    for url in (plain, coded):
        asked = create_request({"prompt": "a", "input_reference": {"image_url": url}}, {})
        assert asked.reference == Reference(File(content))


def test_a_file_id_is_refused_by_its_own_name() -> None:
    with pytest.raises(Unsupported) as caught:
        create_request({"prompt": "a", "input_reference": {"file_id": "file_1"}}, {})
    assert (caught.value.param, caught.value.code) == ("input_reference.file_id", "unsupported_parameter")


FIELDS = {
    "seed": (7, "7"),
    "n": (2, "2"),
    "fps": (24, "24"),
    "num_frames": (96, "96"),
    "steps": (30, "30"),
    "generate_audio": (True, "true"),
    "negative_prompt": ("blur", "blur"),
    "style": ("film", "film"),
    "lora": ({"name": "noir", "scale": 0.5}, '{"name":"noir","scale":0.5}'),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_beyond_the_protocol_is_the_same_as_text_and_as_json(name: str) -> None:
    typed, text = FIELDS[name]
    one, other = (create_request({"prompt": "a", name: value}, {}).fields for value in (typed, text))
    assert one == other
    assert set(one) == {name}


def test_a_field_known_by_two_names_is_one_field() -> None:
    assert create_request({"prompt": "a", "num_inference_steps": "30"}, {}).fields == {"steps": 30}
    with pytest.raises(InvalidRequest) as caught:
        create_request({"prompt": "a", "num_inference_steps": 30, "steps": 30}, {})
    assert caught.value.code == "duplicate_parameter"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("seed", "1.5", "invalid_type"),
        ("seed", 2**63, "invalid_value"),
        ("seed", "9" * 5_000, "invalid_type"),
        ("n", 0, "invalid_value"),
        ("n", 11, "invalid_value"),
        ("n", True, "invalid_type"),
        ("fps", 0, "invalid_value"),
        ("num_frames", -1, "invalid_value"),
        ("steps", "many", "invalid_type"),
        ("generate_audio", "yes", "invalid_type"),
        ("generate_audio", 1, "invalid_type"),
        ("negative_prompt", "x" * 8_001, "invalid_value"),
        ("style", ["film"], "invalid_type"),
        ("lora", {"name": "x" * 2_001}, "invalid_value"),
    ],
)
def test_a_field_out_of_its_bounds_is_refused_by_name(name: str, value: object, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        create_request({"prompt": "a", name: value}, {})
    assert (caught.value.param, caught.value.code) == (name, code)


def test_null_is_not_given() -> None:
    assert create_request({"prompt": "a", "seed": None, "size": None}, {}) == create_request({"prompt": "a"}, {})


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.booleans(), max_size=4), st.text(max_size=20))
def test_text_in_a_form_means_what_json_means(chosen: Mapping[str, bool], name: str) -> None:
    typed = {"prompt": "a", **{each: FIELDS[each][0] for each in chosen}}
    text = {"prompt": "a", **{each: FIELDS[each][1] for each in chosen}}
    source = {"id": name}
    assert edit_request({**typed, "video": source}, {}) == edit_request({**text, "video": json.dumps(source)}, {})
