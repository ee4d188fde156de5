# ruff: noqa: N818 - the names state the cause, as those of the ledger do
"""Standard Webhooks 1.0.0: is this really from the renderer, and now? Bytes in, typed answer or error out. Pure.

Only symmetric `v1` signatures (HMAC-SHA256 over `id.timestamp.body`) are checked; others beside them are ignored.

WebhookError
├── WebhookSecretInvalid        our own configuration: no secret, or one that cannot be a key
├── WebhookBodyTooLarge         more than WEBHOOK_BODY_BYTES_MAX
├── WebhookHeaderMissing        one of the three headers is not there
├── WebhookHeaderDuplicate      one of them is there twice, and readers may differ in which they take
├── WebhookHeaderInvalid        one of them does not have the form the specification gives it
├── WebhookTimestampStale       sent too long ago: perhaps a replay
├── WebhookTimestampFuture      sent too far in the future: a wrong clock, or a replay in preparation
├── WebhookSignatureInvalid     no signature matches any secret
└── WebhookBodyInvalid          rightly signed, but no event we can read
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

WEBHOOK_TOLERANCE_S = 300
"""Distance between the signed timestamp and our clock that is let pass, either way."""
WEBHOOK_BODY_BYTES_MAX = 64 * 1024
"""The specification recommends less than 20 kB."""
WEBHOOK_ID_CHARS_MAX = 256
WEBHOOK_SIGNATURES_MAX = 16
WEBHOOK_SIGNATURE_HEADER_CHARS_MAX = 4_096
WEBHOOK_SECRETS_MAX = 16

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SECRET_PREFIX = "whsec_"  # nosec B105  # noqa: S105 - the marker of a secret, not one
# No full stop in an id: `id.timestamp.body` could then be cut elsewhere and still carry a right signature.
_ID_FORM = re.compile(rf"[!-\-/-~]{{1,{WEBHOOK_ID_CHARS_MAX}}}")
_TIMESTAMP_FORM = re.compile(r"[0-9]{1,11}")
_SIGNATURE_FORM = re.compile(rf"[ -~]{{1,{WEBHOOK_SIGNATURE_HEADER_CHARS_MAX}}}")
_FORMS = {_ID: _ID_FORM, _TIMESTAMP: _TIMESTAMP_FORM, _SIGNATURE: _SIGNATURE_FORM}


class WebhookError(Exception):
    """A webhook that must not be acted upon. Its text quotes nothing of the request and no secret."""

    code = "webhook_error"

    def __init__(self, explanation: str | None = None) -> None:
        super().__init__(explanation or (self.__doc__ or "").splitlines()[0])


class WebhookSecretInvalid(WebhookError):
    """There is no usable webhook secret; configure one, `whsec_` and base64 or any other text."""

    code = "webhook_secret_invalid"


class WebhookBodyTooLarge(WebhookError):
    """The webhook's body is larger than the limit."""

    code = "webhook_body_too_large"


class WebhookHeaderMissing(WebhookError):
    """A header of Standard Webhooks is missing."""

    code = "webhook_header_missing"


class WebhookHeaderDuplicate(WebhookError):
    """A header of Standard Webhooks is there more than once."""

    code = "webhook_header_duplicate"


class WebhookHeaderInvalid(WebhookError):
    """A header of Standard Webhooks does not have its form."""

    code = "webhook_header_invalid"


class WebhookTimestampStale(WebhookError):
    """The webhook was sent longer ago than the tolerance."""

    code = "webhook_timestamp_stale"


class WebhookTimestampFuture(WebhookError):
    """The webhook's timestamp lies further ahead than the tolerance; check both clocks."""

    code = "webhook_timestamp_future"


class WebhookSignatureInvalid(WebhookError):
    """No signature of the webhook matches a secret; check that the renderer and we hold the same one."""

    code = "webhook_signature_invalid"


class WebhookBodyInvalid(WebhookError):
    """The webhook's body is no event about a job."""

    code = "webhook_body_invalid"


@dataclass(frozen=True, slots=True)
class VerifiedWebhook:
    """What the signature vouches for besides the body."""

    webhook_id: str
    """The same over all attempts to deliver one event: what a receipt is recorded under."""
    sent_at: datetime
    """Of this attempt, in UTC."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a webhook says. It is thin: the renderer is asked for the truth afterwards."""

    body_event_id: str | None
    webhook_type: str
    job_id: str


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    now: datetime,
    *,
    webhook_tolerance_s: int = WEBHOOK_TOLERANCE_S,
) -> VerifiedWebhook:
    """Check a webhook's signature over its raw body, against every secret in use.

    Header names match in any case. While a secret is being exchanged both are given. A right signature says nothing
    about whether the webhook came before: record `webhook_id` once.

    Args:
        body: exactly as received; parsing and printing it anew would change the signature.
        headers: of the request; others are ignored.
        secrets: each `whsec_` and base64, or any other text, which is then the key itself in UTF-8.
        now: aware.
        webhook_tolerance_s: see WEBHOOK_TOLERANCE_S.

    Raises:
        WebhookError: one of its kinds, see the module.
    """
    keys = _keys(secrets)
    _check_size(body)
    webhook_id, timestamp, signature = _headers(headers)
    given = _signatures(signature)
    sent_at = _check_timestamp(timestamp, now, webhook_tolerance_s)
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    if not _any_match([_signature(key, signed) for key in keys], given):
        raise WebhookSignatureInvalid
    return VerifiedWebhook(webhook_id, sent_at)


def sign(body: bytes, *, webhook_id: str, sent_at: datetime, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers that let a receiver verify `body`, with one signature for each secret.

    Raises:
        WebhookSecretInvalid: there is no secret, or one that cannot be a key.
        ValueError: the id does not have the form `verify` takes.
    """
    if not _ID_FORM.fullmatch(webhook_id):
        raise ValueError("a webhook id is visible ASCII without a full stop")
    timestamp = str(int(sent_at.timestamp()))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = " ".join(f"v1,{_signature(key, signed).decode()}" for key in _keys(secrets))
    return {_ID: webhook_id, _TIMESTAMP: timestamp, _SIGNATURE: signatures}


class _Job(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: Annotated[str, StringConstraints(strict=True, pattern=r"^[!-~]{1,512}$")]


class _Event(BaseModel):
    """The thin body of an event (videos-api.md 2.1)."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: Annotated[str, StringConstraints(strict=True, pattern=r"^[!-~]{1,256}$")] | None = None
    type: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
    data: _Job


def parse_event(body: bytes) -> WebhookEvent:
    """Read the body of a verified webhook.

    Raises:
        WebhookBodyTooLarge: more than WEBHOOK_BODY_BYTES_MAX.
        WebhookBodyInvalid: no JSON object with a type and the id of a job.
    """
    _check_size(body)
    try:
        event = _Event.model_validate_json(body)
    except ValidationError:
        raise WebhookBodyInvalid from None
    return WebhookEvent(event.id, event.type, event.data.id)


def _check_size(body: bytes) -> None:
    if len(body) > WEBHOOK_BODY_BYTES_MAX:
        raise WebhookBodyTooLarge


def _keys(secrets: Sequence[str]) -> list[bytes]:
    if not 1 <= len(secrets) <= WEBHOOK_SECRETS_MAX:
        raise WebhookSecretInvalid
    return [_key(secret) for secret in secrets]


def _key(secret: str) -> bytes:
    encoded = secret.startswith(_SECRET_PREFIX)
    key = _from_base64(secret.removeprefix(_SECRET_PREFIX)) if encoded else secret.encode()
    # anybody can sign with an empty key
    if not key:
        raise WebhookSecretInvalid
    return key


def _from_base64(text: str) -> bytes:
    """Some issuers leave out the padding."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _headers(headers: Mapping[str, str]) -> Iterator[str]:
    """The values of the three headers, in the order of `_FORMS`."""
    given: dict[str, str] = {}
    # through items(), because the multi-valued mappings of HTTP libraries show a repeated header only there
    for key, value in headers.items():
        name = key.lower()
        if name in given:
            raise WebhookHeaderDuplicate(f"the header {name} is there more than once")
        if name in _FORMS:
            given[name] = value
    for name, form in _FORMS.items():
        if name not in given:
            raise WebhookHeaderMissing(f"the header {name} is missing")
        if not form.fullmatch(given[name]):
            raise WebhookHeaderInvalid(f"the header {name} does not have its form")
        yield given[name]


def _signatures(header: str) -> list[bytes]:
    """The `v1` signatures, still in base64."""
    parts = header.split(" ")
    if len(parts) > WEBHOOK_SIGNATURES_MAX:
        raise WebhookHeaderInvalid(f"the header {_SIGNATURE} holds too many signatures")
    return [part.removeprefix("v1,").encode() for part in parts if part.startswith("v1,")]


def _check_timestamp(timestamp: str, now: datetime, tolerance_s: int) -> datetime:
    age_s = now.timestamp() - int(timestamp)
    if age_s > tolerance_s:
        raise WebhookTimestampStale
    if age_s < -tolerance_s:
        raise WebhookTimestampFuture
    return datetime.fromtimestamp(int(timestamp), UTC)


def _signature(key: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256))


def _any_match(expected: Sequence[bytes], given: Sequence[bytes]) -> bool:
    """Compares every pair in constant time, so that neither content nor place of a match shows in the time taken."""
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]
    return any(matches)
