"""Purpose, tags and attestations: by field or by header, on every way to ask for a render, and on the record."""

from typing import Any

import pytest

from bickford_sora.decisions.declared import ATTESTATIONS_MAX, TAGS_MAX

from .houses import Kit, make_kit

FIELDS = {"purpose": "draft", "tags": ["spring", "launch", "launch"], "attestations": ["no-faces"]}
HEADERS = {
    "Bickford-Purpose": "draft",
    "Bickford-Tags": "spring, launch,launch",
    "Bickford-Attestations": "no-faces",
}


def declared(kit: Kit, video_id: str) -> tuple[Any, ...]:
    intent = kit.render(video_id).intent
    return intent.purpose, intent.tags, intent.attestations


def post(kit: Kit, path: str = "/v1/videos", **options: Any) -> Any:
    answer = kit.request("POST", path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


WAYS: list[dict[str, Any]] = [
    {"json": {"prompt": "A cat", **FIELDS}},
    {"json": {"prompt": "A cat", **FIELDS, "tags": "spring,launch"}},
    {"json": {"prompt": "A cat"}, "headers": HEADERS},
    {"data": {"prompt": "A cat", "purpose": "draft", "tags": "launch, spring", "attestations[]": ["no-faces"]}},
    {"files": {"prompt": (None, "A cat"), "purpose": (None, "draft")}, "headers": HEADERS},
]


@pytest.mark.parametrize("way", WAYS, ids=["fields", "text", "headers", "form", "multipart and headers"])
def test_what_was_declared_is_on_record_however_it_was_sent(way: dict[str, Any]) -> None:
    kit = make_kit()
    assert declared(kit, post(kit, **way)["id"]) == ("draft", ("launch", "spring"), ("no-faces",))


def test_a_field_goes_before_its_header_and_alone() -> None:
    kit = make_kit()
    made = post(kit, json={"prompt": "A cat", "purpose": "final", "tags": []}, headers=HEADERS)
    assert declared(kit, made["id"]) == ("final", (), ("no-faces",))


def test_remixes_and_retries_declare_too() -> None:
    kit = make_kit()
    source = kit.finished()
    remix = post(kit, f"/v1/videos/{source}/remix", json={"prompt": "B"}, headers=HEADERS)["id"]
    assert declared(kit, remix) == ("draft", ("launch", "spring"), ("no-faces",))
    kit.fail(remix)
    assert declared(kit, post(kit, f"/v1/videos/{remix}/retry")["id"]) == declared(kit, remix)


def test_the_headers_of_a_batch_are_those_of_its_lines() -> None:
    kit = make_kit()
    lines = [{"prompt": "A"}, {"prompt": "B", "purpose": "final"}]
    batch = post(kit, "/v1/videos/batches", json={"requests": lines}, headers=HEADERS)
    first, second = (declared(kit, each["video_id"]) for each in batch["data"])
    assert (first[0], second[0], second[1]) == ("draft", "final", ("launch", "spring"))


WRONG: list[tuple[dict[str, object], str]] = [
    ({"purpose": "test"}, "purpose"),
    ({"purpose": ""}, "purpose"),
    ({"tags": ["Spring"]}, "tags.0"),
    ({"tags": "a,,b"}, "tags.0"),
    ({"tags": ["a", 1]}, "tags"),
    ({"tags": {"a": 1}}, "tags"),
    ({"tags": ["x" * 64]}, "tags.0"),
    ({"tags": [f"t{number}" for number in range(TAGS_MAX + 1)]}, "tags"),
    ({"attestations": [f"t{number}" for number in range(ATTESTATIONS_MAX + 1)]}, "attestations"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
def test_a_wrong_field_is_named(fields: dict[str, object], param: str) -> None:
    answer = make_kit().request("POST", "/v1/videos", json={"prompt": "A cat", **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("header", "value"),
    [("Bickford-Purpose", "other"), ("Bickford-Tags", "UPPER"), ("Bickford-Attestations", "a b")],
)
def test_a_wrong_header_is_named(header: str, value: str) -> None:
    answer = make_kit().request("POST", "/v1/videos", json={"prompt": "A cat"}, headers={header: value})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, header)
    assert answer.json()["error"]["code"] == "invalid_value"


def test_a_key_is_bound_to_what_was_declared_too() -> None:
    kit = make_kit()
    headers = {"Idempotency-Key": "once"}
    made = post(kit, json={"prompt": "A cat", "purpose": "draft"}, headers=headers)
    again = post(kit, json={"prompt": "A cat"}, headers={**headers, "Bickford-Purpose": "draft"})
    assert again["id"] == made["id"]
    other = kit.request("POST", "/v1/videos", json={"prompt": "A cat", "purpose": "final"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
