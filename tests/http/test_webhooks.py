import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bickford_sora.errors import NotFound, Unauthorized
from bickford_sora.webhook_intake import Webhook, WebhookIntake, WebhookSource
from bickford_sora.webhook_signatures import WEBHOOK_BODY_BYTES_MAX
from ledger import streams
from ledger.events import WebhookReceived
from tests.http.houses import NOW, WEBHOOK_SECRET, Kit, error_of, sha256, webhook

PATH = "/webhooks/openai"


def post(kit: Kit, body: bytes, headers: Any, path: str = PATH) -> Any:
    return kit.request("POST", path, key=None, content=body, headers=headers)


def test_a_signed_webhook_is_recorded_with_the_job_it_is_about(kit: Kit) -> None:
    body, headers = webhook("wh_7")
    answer = post(kit, body, headers)
    assert (answer.status_code, answer.json()) == (200, {"status": "recorded"})
    (event,) = kit.ledger.read(0)
    assert event.stream == streams.webhook("openai", "openai-default", "wh_7")
    assert event.fact == WebhookReceived(
        renderer="openai",
        webhook_event_id="wh_7",
        body_event_id="evt_1",
        webhook_type="video.completed",
        job_id="job_1",
        job_stream=streams.job("openai", "openai-default", "job_1"),
        sent_at=NOW.replace(microsecond=0),
        body_sha256=sha256(body),
    )
    assert (event.context.actor, event.context.tenant) == ("webhook", "main")


def test_a_webhook_that_comes_again_is_acknowledged_and_nothing_else_happens(kit: Kit) -> None:
    body, headers = webhook("wh_7")
    post(kit, body, headers)
    body, headers = webhook("wh_7", sent_at=NOW + timedelta(seconds=100))  # a later attempt has a new timestamp
    assert post(kit, body, headers).json() == {"status": "duplicate"}
    assert kit.ledger.head() == 1


def without(name: str) -> tuple[bytes, dict[str, str]]:
    body, headers = webhook()
    return body, {key: value for key, value in headers.items() if key != name}


FORGERIES: dict[str, tuple[tuple[bytes, Any], tuple[int, str]]] = {
    "signed with another secret": (webhook(secret="whsec_b3RoZXItb3RoZXI="), (401, "webhook_signature_invalid")),
    "another body": ((b'{"type":"video.completed"}', webhook()[1]), (401, "webhook_signature_invalid")),
    "another id": ((webhook()[0], {**webhook()[1], "webhook-id": "wh_2"}), (401, "webhook_signature_invalid")),
    "no signature": (without("webhook-signature"), (400, "webhook_header_missing")),
    "no id": (without("webhook-id"), (400, "webhook_header_missing")),
    "id twice": (
        (webhook()[0], [*webhook()[1].items(), ("webhook-id", "wh_2")]),
        (400, "webhook_header_duplicate"),
    ),
    "stale": (webhook(sent_at=NOW - timedelta(seconds=302)), (400, "webhook_timestamp_stale")),
    "from the future": (webhook(sent_at=NOW + timedelta(seconds=302)), (400, "webhook_timestamp_future")),
    "no event": (webhook(body=b"[]"), (400, "webhook_body_invalid")),
    "not JSON": (webhook(body=b"\xff"), (400, "webhook_body_invalid")),
    "garbage headers": (
        (b"{}", [(b"webhook-id", b"\xff"), (b"webhook-timestamp", b"x"), (b"webhook-signature", b"\xfe")]),
        (400, "webhook_header_invalid"),
    ),
    "too large": ((b"x" * (WEBHOOK_BODY_BYTES_MAX + 1), webhook()[1]), (413, "request_too_large")),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_or_broken_webhook_is_refused_and_leaves_no_trace(kit: Kit, name: str) -> None:
    (body, headers), (status, code) = FORGERIES[name]
    assert error_of(post(kit, body, headers)) == (status, "invalid_request_error", None, code)
    assert kit.ledger.head() == 0


@pytest.mark.parametrize("renderer", ["unknown", "silent", "%00", "x" * 1000])
def test_a_webhook_of_a_renderer_that_sends_none_is_not_found(kit: Kit, renderer: str) -> None:
    body, headers = webhook()
    answer = post(kit, body, headers, f"/webhooks/{renderer}")
    assert error_of(answer) == (404, "invalid_request_error", "renderer", "renderer_not_found")
    assert kit.ledger.head() == 0


def test_the_sender_is_told_to_try_again_while_the_ledger_is_away(kit: Kit) -> None:
    kit.recorder.close()
    answer = post(kit, *webhook())
    assert error_of(answer) == (503, "server_error", None, "ledger_unavailable")
    assert answer.headers["retry-after"] == "1"


class Unreadable(dict[str, str]):
    """Headers on which the check itself fails."""

    def items(self) -> Any:
        raise ZeroDivisionError


def test_of_those_that_come_together_each_has_its_own_answer(kit: Kit) -> None:
    source = WebhookSource("openai-default", (WEBHOOK_SECRET,))
    intake = WebhookIntake(kit.recording, {"openai": source}.get, tenant="main", webhook_tolerance_s=300)
    (body, headers), (other, forged) = webhook("wh_1"), webhook("wh_2", secret="whsec_b3RoZXItb3RoZXI=")
    good, again, late = Webhook("openai", headers, body), Webhook("openai", headers, body), webhook("wh_3")
    sent = [
        Webhook("openai", forged, other),
        good,
        Webhook("unknown", headers, body),
        Webhook("openai", Unreadable(), body),
        again,
        Webhook("openai", late[1], late[0]),
    ]
    outcomes = asyncio.run(intake.receive(sent))
    kinds = [each if isinstance(each, str) else type(each) for each in outcomes]
    assert kinds == [Unauthorized, "recorded", NotFound, ZeroDivisionError, "duplicate", "recorded"]
    assert kit.ledger.head() == 2
