"""`client.webhooks` of the openai package, unchanged and strict, over a socket; and what it must not do."""

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from bickford_sora import webhook_signatures
from bickford_sora.decisions.deliveries import EVENT_TYPES
from bickford_sora.decisions.endpoints import ENDPOINTS_MAX
from ledger import streams
from ledger.events import EndpointDisabled
from tests.compatibility import record
from tests.http.houses import KEY, OTHER_KEY, Kit, error_of
from tests.simulator.receiver import WebhookReceiver

Served = tuple[Kit, str]
URL = "https://hooks.example/tell?token=planted-token"
ASKED: dict[str, Any] = {"event_types": ["video.completed"], "name": "Ours", "url": URL}
ENDPOINTS = "/v1/webhook_endpoints"
tried = record("clients", "openai (Python)", "webhook endpoints")
"""Marks the tests of the table of clients and routes."""


@pytest.fixture
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=f"{served[1]}/v1", max_retries=0, _strict_response_validation=True) as sdk:
        yield sdk
        for each in sdk.webhooks.list():
            sdk.webhooks.delete(each.id)


def create(kit: Kit, **fields: Any) -> dict[str, Any]:
    answer = kit.request("POST", ENDPOINTS, json={**ASKED, **fields})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


@tried
def test_create_shows_the_secret_once(sdk: openai.OpenAI) -> None:
    made = sdk.webhooks.create(event_types=["video.completed", "video.failed"], name="Ours", url=URL)
    assert made.object == "webhook_endpoint"
    assert (made.name, made.url, made.event_types) == ("Ours", URL, ["video.completed", "video.failed"])
    assert made.updated_at == made.created_at
    prefix, _, encoded = made.signing_secret.partition("_")
    assert (prefix, len(base64.b64decode(encoded, validate=True))) == ("whsec", 32)
    again = sdk.webhooks.retrieve(made.id)
    assert "signing_secret" not in again.to_dict()
    assert again.signing_secret_hint == f"…{made.signing_secret[-4:]}"
    assert again.to_dict() == {name: value for name, value in made.to_dict().items() if name != "signing_secret"}


@tried
def test_update_changes_what_is_given_and_nothing_else(served: Served, sdk: openai.OpenAI) -> None:
    made = sdk.webhooks.create(**ASKED)
    served[0].clock.now = served[0].clock.now.replace(hour=13)
    same = sdk.webhooks.update(made.id, name="Ours", url=URL, event_types=["video.completed"])
    assert same.updated_at == made.created_at
    changed = sdk.webhooks.update(made.id, name="Theirs")
    assert (changed.name, changed.url, changed.event_types) == ("Theirs", URL, ["video.completed"])
    assert changed.updated_at is not None
    assert changed.updated_at > made.created_at
    sdk.webhooks.update(made.id, event_types=["video.failed"], url="https://elsewhere.example/")
    kept = sdk.webhooks.retrieve(made.id)
    assert (kept.name, kept.url, kept.event_types) == ("Theirs", "https://elsewhere.example/", ["video.failed"])


@tried
def test_rotate_secret_shows_a_new_one(sdk: openai.OpenAI) -> None:
    made = sdk.webhooks.create(**ASKED)
    rotated = sdk.webhooks.rotate_secret(made.id)
    assert rotated.signing_secret != made.signing_secret
    kept = sdk.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    assert len({made.signing_secret, rotated.signing_secret, kept.signing_secret}) == 3
    assert sdk.webhooks.retrieve(made.id).signing_secret_hint == f"…{kept.signing_secret[-4:]}"


@tried
def test_delete(sdk: openai.OpenAI) -> None:
    made = sdk.webhooks.create(**ASKED)
    deleted = sdk.webhooks.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "webhook_endpoint.deleted")
    for call in (sdk.webhooks.retrieve, sdk.webhooks.delete, sdk.webhooks.rotate_secret):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    assert sdk.webhooks.list().data == []


@tried
def test_list_pages_newest_first(sdk: openai.OpenAI) -> None:
    made = [sdk.webhooks.create(**{**ASKED, "name": f"{number}"}).id for number in range(5)]
    assert [each.id for each in sdk.webhooks.list(limit=2)] == made[::-1]
    page = sdk.webhooks.list(limit=2).to_dict()
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", made[4], made[3], True)
    sdk.webhooks.delete(made[3])
    assert [each.id for each in sdk.webhooks.list(after=made[3])] == made[2::-1]
    with pytest.raises(openai.NotFoundError):
        sdk.webhooks.list(after="we_" + "0" * 32)


@tried
def test_event_types(sdk: openai.OpenAI) -> None:
    listed = sdk.webhooks.event_types.list()
    assert (listed.object, tuple(listed.data)) == ("list", EVENT_TYPES)


@tried
def test_a_test_sends_a_signed_sample_and_tells_the_status(sdk: openai.OpenAI, served: Served) -> None:
    with WebhookReceiver() as receiver:
        made = sdk.webhooks.create(**{**ASKED, "url": receiver.url})
        receiver.answers = [204, 503]
        for event_type, status in zip(("video.completed", "video.failed"), (204, 503), strict=True):
            result = sdk.webhooks.test(made.id, event_type=event_type)  # type: ignore[arg-type]
            assert (result.webhook_endpoint_id, result.event_type) == (made.id, event_type)
            assert (result.object, result.status_code, result.success) == ("webhook_endpoint.test", status, True)
        first, second = receiver.received
    for sent in (first, second):
        webhook_signatures.verify(sent.body, sent.headers, [made.signing_secret], served[0].clock.now)
    assert first.webhook_id != second.webhook_id
    assert sdk.webhooks.retrieve(made.id).updated_at == made.updated_at
    assert b'"type":"video.completed"' in first.body
    stream = streams.endpoint("main", made.id)
    assert [event.fact.TYPE for event in served[0].ledger.history(stream)] == ["endpoint.created"]


def test_a_test_without_an_answer_is_a_bad_request(sdk: openai.OpenAI) -> None:
    made = sdk.webhooks.create(**{**ASKED, "url": "http://127.0.0.1:1/"})
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.webhooks.test(made.id, event_type="video.completed")
    assert (refused.value.code, refused.value.param) == ("webhook_test_failed", "url")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"event_types": None}, "event_types", "missing_required_parameter"),
        ({"event_types": []}, "event_types", "invalid_value"),
        ({"event_types": ["batch.completed"]}, "event_types", "invalid_value"),
        ({"event_types": "video.completed"}, "event_types", "invalid_value"),
        ({"event_types": [1]}, "event_types", "invalid_value"),
        ({"name": ""}, "name", "invalid_value"),
        ({"name": "a\nb"}, "name", "invalid_value"),
        ({"name": "a" * 256}, "name", "invalid_value"),
        ({"name": 1}, "name", "invalid_value"),
        ({"url": None}, "url", "missing_required_parameter"),
        ({"url": "ftp://hooks.example/"}, "url", "invalid_webhook_url"),
        ({"url": "http://hooks.example/"}, "url", "invalid_webhook_url"),
        ({"url": "https://user:pass@hooks.example/"}, "url", "invalid_webhook_url"),
        ({"url": "https://10.0.0.1/"}, "url", "invalid_webhook_url"),
        ({"url": "https://2852039166/"}, "url", "invalid_webhook_url"),
        ({"url": "https://[::1]/"}, "url", "invalid_webhook_url"),
        ({"url": "https://metadata.internal/"}, "url", "invalid_webhook_url"),
        ({"secret": "whsec_mine"}, "secret", "unknown_parameter"),
    ],
)
def test_a_bad_endpoint_is_refused_and_the_field_named(kit: Kit, fields: dict[str, Any], param: str, code: str) -> None:
    answer = kit.request("POST", ENDPOINTS, json={**ASKED, **fields})
    assert error_of(answer) == (400, "invalid_request_error", param, code)
    assert kit.ledger.head() == 0


@pytest.mark.parametrize("route", ["", "/rotate_secret", "/test"])
@pytest.mark.parametrize("body", [b"[]", b"{", b'{"x": 1}', b'{"event_type": 1}', b'{"event_types": [{}]}'])
def test_a_bad_change_is_refused(kit: Kit, route: str, body: bytes) -> None:
    made = create(kit)
    head = kit.ledger.head()
    answer = kit.request("POST", f"{ENDPOINTS}/{made['id']}{route}", content=body)
    assert error_of(answer)[0] == 400
    assert kit.ledger.head() == head


@pytest.mark.parametrize(
    ("route", "fields", "param"),
    [
        ("rotate_secret", {"keep_old_secret_active_for_24_hours": 1}, "keep_old_secret_active_for_24_hours"),
        ("test", {}, "event_type"),
    ],
)
def test_a_bad_order_names_the_field(kit: Kit, route: str, fields: dict[str, Any], param: str) -> None:
    answer = kit.request("POST", f"{ENDPOINTS}/{create(kit)['id']}/{route}", json=fields)
    assert (error_of(answer)[0], error_of(answer)[2]) == (400, param)


def test_an_endpoint_is_asked_for_in_json(kit: Kit) -> None:
    answer = kit.request("POST", ENDPOINTS, data={"name": "ours"})
    assert error_of(answer) == (400, "invalid_request_error", "Content-Type", "unsupported_content_type")


def test_a_project_has_so_many_endpoints_and_no_more(kit: Kit) -> None:
    made = [create(kit)["id"] for _ in range(ENDPOINTS_MAX)]
    refused = kit.request("POST", ENDPOINTS, json=ASKED)
    assert error_of(refused) == (409, "invalid_request_error", None, "too_many_endpoints")
    assert refused.headers["x-should-retry"] == "false"
    assert kit.request("POST", ENDPOINTS, json=ASKED, key=OTHER_KEY).status_code == 200
    kit.request("DELETE", f"{ENDPOINTS}/{made[0]}")
    create(kit)


def test_another_project_sees_and_changes_nothing(kit: Kit) -> None:
    made = create(kit)
    place = f"{ENDPOINTS}/{made['id']}"
    tries = [
        ("GET", place, None),
        ("POST", place, {"name": "mine"}),
        ("DELETE", place, None),
        ("POST", f"{place}/rotate_secret", {}),
        ("POST", f"{place}/test", {"event_type": "video.completed"}),
        ("GET", f"{place}/deliveries", None),
        ("GET", f"{ENDPOINTS}?after={made['id']}", None),
    ]
    for method, path, body in tries:
        answer = kit.request(method, path, key=OTHER_KEY, json=body)
        assert error_of(answer)[::3] == (404, "webhook_endpoint_not_found"), path
    assert kit.request("GET", ENDPOINTS, key=OTHER_KEY).json()["data"] == []
    assert kit.request("GET", ENDPOINTS, key=None).status_code == 401
    assert kit.request("GET", place).json()["name"] == "Ours"


@pytest.mark.parametrize("endpoint_id", ["we_", "we_" + "g" * 32, "video_" + "0" * 32, "%00", "a" * 500])
def test_an_id_that_is_none_is_not_found(kit: Kit, endpoint_id: str) -> None:
    assert kit.request("GET", f"{ENDPOINTS}/{endpoint_id}").status_code == 404


def test_neither_secret_nor_url_nor_name_is_in_the_ledger_in_the_clear(kit: Kit) -> None:
    made = create(kit, name="Planted name")
    rotated = kit.request("POST", f"{ENDPOINTS}/{made['id']}/rotate_secret").json()
    kit.request("POST", f"{ENDPOINTS}/{made['id']}", json={"url": f"{URL}2"})
    stored = b"".join(row.state for row in kit.recorder.read(0))
    for secret in (made["signing_secret"], rotated["signing_secret"], "planted-token", "Planted name"):
        assert secret.encode() not in stored


def test_an_update_enables_an_endpoint_that_was_disabled(kit: Kit) -> None:
    made = create(kit)
    stream = streams.endpoint("main", made["id"])
    kit.append(stream, EndpointDisabled(reason="gone_410"))
    shown = kit.request("GET", f"{ENDPOINTS}/{made['id']}").json()
    assert shown["disabled_reason"] == "gone_410"
    updated = kit.request("POST", f"{ENDPOINTS}/{made['id']}", json={"name": "Ours"}).json()
    assert updated["disabled_reason"] is None
    types = [event.fact.TYPE for event in kit.ledger.history(stream)]
    assert types == ["endpoint.created", "endpoint.disabled", "endpoint.enabled"]
