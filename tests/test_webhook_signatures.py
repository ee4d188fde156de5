"""Attacks on the verification of webhooks, and agreement with two verifiers nobody here wrote."""

import base64
import hashlib
import hmac
from collections.abc import ItemsView, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from bickford_sora import webhook_signatures
from bickford_sora.webhook_signatures import (
    WEBHOOK_BODY_BYTES_MAX,
    WEBHOOK_TOLERANCE_S,
    VerifiedWebhook,
    WebhookBodyInvalid,
    WebhookBodyTooLarge,
    WebhookError,
    WebhookEvent,
    WebhookHeaderDuplicate,
    WebhookHeaderInvalid,
    WebhookHeaderMissing,
    WebhookSecretInvalid,
    WebhookSignatureInvalid,
    WebhookTimestampFuture,
    WebhookTimestampStale,
    parse_event,
    sign,
    verify,
)
from ledger.clock import system_clock
from tests.trying import tries

# A real delivery, as published with OpenAI's own client (openai-node, tests/api-resources/webhooks.test.ts).
BODY = (
    b'{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", "created_at": 1750861210, '
    b'"type": "response.completed", "data": {"id": "resp_123"}}'
)
SECRET = "whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c="
NOW = datetime.fromtimestamp(1_750_861_210, UTC)
HEADERS = {
    "webhook-id": "wh_685c059ae39c8190af8c71ed1022a24d",
    "webhook-timestamp": "1750861210",
    "webhook-signature": "v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY=",
}
VERIFIED = VerifiedWebhook("wh_685c059ae39c8190af8c71ed1022a24d", NOW)
WRONG = "v1," + base64.b64encode(bytes(32)).decode()


def test_a_real_delivery_is_verified_and_signing_it_anew_gives_the_same_headers() -> None:
    assert verify(BODY, HEADERS, [SECRET], NOW) == VERIFIED
    assert sign(BODY, webhook_id=VERIFIED.webhook_id, sent_at=NOW, secrets=[SECRET]) == HEADERS


def test_header_names_match_in_any_case() -> None:
    assert verify(BODY, {name.title(): value for name, value in HEADERS.items()}, [SECRET], NOW) == VERIFIED


@pytest.mark.parametrize("secrets", [[SECRET, "another"], ["another", SECRET], ["another", "whsec_AAAA", SECRET]])
def test_any_secret_in_use_will_do(secrets: list[str]) -> None:
    assert verify(BODY, HEADERS, secrets, NOW) == VERIFIED


@pytest.mark.parametrize(
    "beside", [f"{WRONG} {{}}", f"{{}} {WRONG}", "v1a,c2lnbmF0dXJl {}", "{} nonsense", "v1, {}", "v1,===== {}", "{} "]
)
def test_a_right_signature_among_others_will_do(beside: str) -> None:
    headers = HEADERS | {"webhook-signature": beside.format(HEADERS["webhook-signature"])}
    assert verify(BODY, headers, [SECRET], NOW) == VERIFIED


def test_a_secret_without_the_prefix_is_the_key_itself() -> None:
    headers = sign(BODY, webhook_id="wh_1", sent_at=NOW, secrets=["ein geheimnis, größer"])
    key = "ein geheimnis, größer".encode()
    expected = base64.b64encode(hmac.digest(key, b"wh_1.1750861210." + BODY, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert verify(BODY, headers, ["ein geheimnis, größer"], NOW).webhook_id == "wh_1"


def test_a_secret_may_lack_its_padding() -> None:
    assert verify(BODY, HEADERS, [SECRET.rstrip("=")], NOW) == VERIFIED


BARE = HEADERS["webhook-signature"].removeprefix("v1,")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"webhook-id": None}, WebhookHeaderMissing),
        ({"webhook-timestamp": None}, WebhookHeaderMissing),
        ({"webhook-signature": None}, WebhookHeaderMissing),
        ({"WEBHOOK-ID": "wh_other"}, WebhookHeaderDuplicate),
        ({"Webhook-Timestamp": "1750861210"}, WebhookHeaderDuplicate),
        ({"Webhook-Signature": WRONG}, WebhookHeaderDuplicate),
        ({"webhook-id": ""}, WebhookHeaderInvalid),
        ({"webhook-id": "wh 1"}, WebhookHeaderInvalid),
        ({"webhook-id": "wh_1\n"}, WebhookHeaderInvalid),
        ({"webhook-id": "wh_é"}, WebhookHeaderInvalid),
        ({"webhook-id": "wh_1.1750861210"}, WebhookHeaderInvalid),
        ({"webhook-id": "w" * 257}, WebhookHeaderInvalid),
        ({"webhook-timestamp": ""}, WebhookHeaderInvalid),
        ({"webhook-timestamp": "-1750861210"}, WebhookHeaderInvalid),
        ({"webhook-timestamp": "1750861210.0"}, WebhookHeaderInvalid),
        ({"webhook-timestamp": "1_750_861_210"}, WebhookHeaderInvalid),
        ({"webhook-timestamp": " 1750861210"}, WebhookHeaderInvalid),
        ({"webhook-timestamp": "1750861210\n"}, WebhookHeaderInvalid),
        ({"webhook-timestamp": "١٧٥٠٨٦١٢١٠"}, WebhookHeaderInvalid),  # digits, but not ASCII
        ({"webhook-timestamp": "9" * 5_000}, WebhookHeaderInvalid),
        ({"webhook-timestamp": "2025-06-25T14:20:10Z"}, WebhookHeaderInvalid),
        ({"webhook-timestamp": "0"}, WebhookTimestampStale),
        ({"webhook-timestamp": "99999999999"}, WebhookTimestampFuture),
        ({"webhook-timestamp": "01750861210"}, WebhookSignatureInvalid),
        ({"webhook-timestamp": "1750861211"}, WebhookSignatureInvalid),
        ({"webhook-id": "wh_2"}, WebhookSignatureInvalid),
        ({"webhook-signature": ""}, WebhookHeaderInvalid),
        ({"webhook-signature": "v1,é"}, WebhookHeaderInvalid),
        ({"webhook-signature": "x" * 4_097}, WebhookHeaderInvalid),
        ({"webhook-signature": " ".join([WRONG] * 17)}, WebhookHeaderInvalid),
        ({"webhook-signature": WRONG}, WebhookSignatureInvalid),
        ({"webhook-signature": "v1,"}, WebhookSignatureInvalid),
        ({"webhook-signature": BARE}, WebhookSignatureInvalid),
        ({"webhook-signature": f"v1a,{BARE}"}, WebhookSignatureInvalid),
        ({"webhook-signature": f"V1,{BARE}"}, WebhookSignatureInvalid),
        ({"webhook-signature": f"v1,{BARE[:-1]}"}, WebhookSignatureInvalid),
        ({"webhook-signature": f"v1,{BARE},v1,{BARE}"}, WebhookSignatureInvalid),
    ],
)
def test_a_header_that_is_not_as_it_was_sent_is_refused(
    changes: dict[str, str | None], error: type[WebhookError]
) -> None:
    headers = {name: value for name, value in (HEADERS | changes).items() if value is not None}
    with pytest.raises(WebhookError) as raised:
        verify(BODY, headers, [SECRET], NOW)
    assert type(raised.value) is error


class MultiValued(Mapping[str, str]):
    """Headers as HTTP libraries keep them: looking up gives the first value, only items() shows them all."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self._pairs if key == name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def items(self) -> ItemsView[str, str]:
        pairs: Any = self._pairs
        return pairs


def test_a_second_id_cannot_hide_in_a_multi_valued_mapping() -> None:
    assert verify(BODY, MultiValued(*HEADERS.items()), [SECRET], NOW) == VERIFIED
    with pytest.raises(WebhookHeaderDuplicate):
        verify(BODY, MultiValued(*HEADERS.items(), ("webhook-id", "wh_fresh")), [SECRET], NOW)


@pytest.mark.parametrize(
    ("offset_s", "error"),
    [
        (WEBHOOK_TOLERANCE_S, None),
        (-WEBHOOK_TOLERANCE_S, None),
        (WEBHOOK_TOLERANCE_S + 0.001, WebhookTimestampStale),
        (-WEBHOOK_TOLERANCE_S - 0.001, WebhookTimestampFuture),
    ],
)
def test_the_tolerance_holds_both_ways(offset_s: float, error: type[WebhookError] | None) -> None:
    now = NOW + timedelta(seconds=offset_s)
    if error is None:
        assert verify(BODY, HEADERS, [SECRET], now) == VERIFIED
        return
    with pytest.raises(error):
        verify(BODY, HEADERS, [SECRET], now)
    assert verify(BODY, HEADERS, [SECRET], now, webhook_tolerance_s=WEBHOOK_TOLERANCE_S + 1) == VERIFIED


@pytest.mark.parametrize("body", [BODY + b" ", BODY.replace(b" ", b""), BODY.replace(b"123", b"124"), b""])
def test_a_changed_body_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookSignatureInvalid):
        verify(body, HEADERS, [SECRET], NOW)


def test_a_signature_cannot_be_moved_to_another_cut_of_the_same_text() -> None:
    """`a` + `.` + `1750861210.{…}` signs the same bytes as `a.1750861210` + `.` + `{…}`."""
    body = b"1750861210." + BODY
    headers = sign(body, webhook_id="wh_1", sent_at=NOW, secrets=[SECRET])
    moved = headers | {"webhook-id": "wh_1.1750861210"}
    with pytest.raises(WebhookHeaderInvalid):
        verify(BODY, moved, [SECRET], NOW)


def test_bodies_are_bounded_before_anything_is_computed() -> None:
    whole = b"x" * WEBHOOK_BODY_BYTES_MAX
    headers = sign(whole, webhook_id="wh_1", sent_at=NOW, secrets=[SECRET])
    assert verify(whole, headers, [SECRET], NOW).webhook_id == "wh_1"
    for refuse in (lambda: verify(whole + b"x", headers, [SECRET], NOW), lambda: parse_event(whole + b"x")):
        with pytest.raises(WebhookBodyTooLarge):
            refuse()


@pytest.mark.parametrize(
    "secrets", [[], [""], ["whsec_"], ["whsec_*not base64*"], ["whsec_ä"], [SECRET, ""], [SECRET] * 17]
)
def test_a_configuration_that_anybody_could_sign_for_is_an_error_and_no_refusal(secrets: list[str]) -> None:
    with pytest.raises(WebhookSecretInvalid) as raised:
        verify(BODY, HEADERS, secrets, NOW)
    assert "not base64" not in f"{raised.value!r}"


def test_every_error_has_a_code_of_its_own_and_quotes_nothing() -> None:
    kinds = WebhookError.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds) == 9
    documented = webhook_signatures.__doc__ or ""
    assert [kind.__name__ for kind in kinds if kind.__name__ not in documented] == []
    with pytest.raises(WebhookSignatureInvalid) as raised:
        verify(BODY + b"planted", HEADERS, [SECRET], NOW)
    assert "planted" not in f"{raised.value!r}"
    assert SECRET not in f"{raised.value!r}"


@pytest.mark.parametrize("webhook_id", ["", "a.b", "a b", "ä", "x" * 257])
def test_nothing_is_signed_that_could_not_be_verified(webhook_id: str) -> None:
    with pytest.raises(ValueError, match="webhook id"):
        sign(BODY, webhook_id=webhook_id, sent_at=NOW, secrets=[SECRET])


ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1, max_size=64)
keys = st.binary(min_size=24, max_size=64)


def as_secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@settings(max_examples=tries(50), deadline=None)
@given(webhook_id=ids, key=keys, text=st.text(), offset_s=st.integers(-290, 290))
def test_what_we_sign_others_verify_and_what_they_sign_we_verify(
    webhook_id: str, key: bytes, text: str, offset_s: int
) -> None:
    now = system_clock()
    sent_at = now + timedelta(seconds=offset_s)
    ours = sign(text.encode(), webhook_id=webhook_id, sent_at=sent_at, secrets=[as_secret(key)])
    Webhook(as_secret(key)).verify(text, ours, json_parse=False)
    theirs = ours | {"webhook-signature": Webhook(as_secret(key)).sign(webhook_id, sent_at, text)}
    assert verify(text.encode(), theirs, [as_secret(key)], now).webhook_id == webhook_id


@settings(max_examples=tries(50), deadline=None)
@given(
    key=keys,
    given=st.fixed_dictionaries(
        {"webhook-id": ids, "webhook-timestamp": st.text(max_size=20), "webhook-signature": st.text(max_size=80)}
    ),
    body=st.binary(max_size=100),
)
def test_made_up_headers_are_never_verified(key: bytes, given: dict[str, str], body: bytes) -> None:
    with pytest.raises(WebhookError):
        verify(body, given, [as_secret(key)], system_clock())


@settings(max_examples=tries(50), deadline=None)
@given(key=keys, other=keys, body=st.text(max_size=50), flipped=st.integers(0, 31), bit=st.integers(0, 7))
def test_a_signature_with_one_bit_changed_is_refused_here_and_there(
    key: bytes, other: bytes, body: str, flipped: int, bit: int
) -> None:
    now = system_clock()
    headers = sign(body.encode(), webhook_id="wh_1", sent_at=now, secrets=[as_secret(key)])
    raw = bytearray(base64.b64decode(headers["webhook-signature"].removeprefix("v1,")))
    raw[flipped] ^= 1 << bit
    changed = headers | {"webhook-signature": "v1," + base64.b64encode(raw).decode()}
    with pytest.raises(WebhookSignatureInvalid):
        verify(body.encode(), changed, [as_secret(key), as_secret(other)], now)
    with pytest.raises(WebhookVerificationError):
        Webhook(as_secret(key)).verify(body, changed, json_parse=False)


@pytest.mark.parametrize("secrets", [[SECRET], ["another secret", SECRET], [SECRET, "another secret"]])
def test_openais_client_verifies_what_we_sign(secrets: list[str]) -> None:
    headers = sign(BODY, webhook_id="wh_1", sent_at=system_clock(), secrets=secrets)
    with OpenAI(api_key="unused", webhook_secret=SECRET) as client:
        client.webhooks.verify_signature(BODY, headers)


def test_an_event_names_its_job() -> None:
    assert parse_event(BODY) == WebhookEvent("evt_685c059ae3a481909bdc86819b066fb6", "response.completed", "resp_123")
    assert parse_event(b'{"type":"video.failed","data":{"id":"video_1"}}') == WebhookEvent(
        None, "video.failed", "video_1"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"type":"video.failed"}',
        b'{"type":"video.failed","data":[]}',
        b'{"type":"video.failed","data":{"id":7}}',
        b'{"type":"video.failed","data":{"id":""}}',
        b'{"type":"video.failed","data":{"id":"a b"}}',
        b'{"type":"video.failed","data":{"id":"a\\n"}}',
        b'{"type":"video.failed","data":{"id":"' + b"x" * 513 + b'"}}',
        b'{"type":"","data":{"id":"video_1"}}',
        b'{"type":"video failed","data":{"id":"video_1"}}',
        b'{"type":7,"data":{"id":"video_1"}}',
        b'{"id":7,"type":"video.failed","data":{"id":"video_1"}}',
        b"[" * 60_000,
    ],
)
def test_a_body_that_names_no_job_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookBodyInvalid):
        parse_event(body)
