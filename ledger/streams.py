"""The only maker of stream ids.

A stream id is `category:part[:part]`. Parts we make ourselves have a fixed format; every string that comes from
outside (a webhook id, an idempotency key, a renderer's job id) enters as the SHA-256 of its length-prefixed parts, so
that an id is bounded (`STREAM_CHARS_MAX`) and two different inputs never share one.
"""

import hashlib
import re
from uuid import UUID

from ledger.errors import InvalidStream

STREAM_CHARS_MAX = 128
"""Longest stream id in characters; the database refuses longer ones."""
TENANT_CHARS_MAX = 31

_TENANT = re.compile(rf"[a-z][a-z0-9-]{{0,{TENANT_CHARS_MAX - 1}}}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_BATCH = re.compile(r"batch_([0-9a-f]{32})")
_VIDEO = re.compile(r"video_([0-9a-f]{32})")
_ENDPOINT = re.compile(r"we_([0-9a-f]{32})")
_API_KEY = re.compile(r"key_[0-9a-f]{16}")
_CHANGE = re.compile(r"change_[0-9a-f]{32}")
_HOLD = re.compile(r"hold_[0-9a-f]{32}")
_CHARACTER = re.compile(r"char_([0-9a-f]{32})")


def video_id(render: UUID) -> str:
    """The id clients see for a render: `video_` and the UUIDv7 in hex."""
    return f"video_{render.hex}"


def is_video_id(text: str) -> bool:
    """Whether `text` has the form of our video ids; says nothing about whether it exists."""
    return _VIDEO.fullmatch(text) is not None


def render(tenant: str, video: str) -> str:
    """The stream of one render's lifecycle. The tenant is part of the id, so no other tenant can name it."""
    match = _VIDEO.fullmatch(video)
    if match is None:
        raise InvalidStream(f"not a video id: {video[:80]!r}")
    return f"render:{_tenant(tenant)}:{match[1]}"


def webhook(renderer: str, credential: str, webhook_event_id: str) -> str:
    """The receipt of one webhook: has a version 1 and nothing else."""
    return f"webhook:{_digest(renderer, credential, webhook_event_id)}"


def idempotency(tenant: str, project: str, key: str) -> str:
    """The binding of one Idempotency-Key of a project: has a version 1 and nothing else."""
    return f"idempotency:{_tenant(tenant)}:{_digest(project, key)}"


def spend(tenant: str) -> str:
    """What a tenant has set aside and spent, and its caps: every cap is decided on this one head."""
    return f"spend:{_tenant(tenant)}"


def job(renderer: str, credential: str, job_id: str) -> str:
    """The claim on one renderer's job: has a version 1 and nothing else."""
    return f"job:{_digest(renderer, credential, job_id)}"


def submission(renderer: str, credential: str, fingerprint: str) -> str:
    """The turn of equal submissions to one credential: at most one is open at a time."""
    return f"submission:{_digest(renderer, credential, fingerprint)}"


def renderer(name: str) -> str:
    """The configuration history of one renderer."""
    return f"renderer:{_name(name)}"


def approval_id(video_id: str) -> str:
    """The public id of the approval that a video needs: there is one at most, so that it leads back to the video."""
    return f"approval_{video_id.removeprefix('video_')}"


def approved_video_id(approval_id: str) -> str | None:
    """The video an approval is about; None for what is no id of an approval."""
    video = f"video_{approval_id.removeprefix('approval_')}"
    return video if approval_id.startswith("approval_") and is_video_id(video) else None


def review_id(unique: UUID) -> str:
    """A new public id of a review."""
    return f"review_{unique.hex}"


def policy(tenant: str) -> str:
    """The policies of a tenant, in the order they came into force."""
    return f"policy:{_tenant(tenant)}"


def prices(tenant: str) -> str:
    """The price tables of a tenant, in the order they came into force."""
    return f"prices:{_tenant(tenant)}"


def change_id(digest: str) -> str:
    """The public id of a change that takes four eyes, from its keyed hash: the same change is found again."""
    return f"change_{digest[:32]}"


def is_change_id(text: str) -> bool:
    """Whether `text` has the form of a change's id; says nothing about whether it exists."""
    return _CHANGE.fullmatch(text) is not None


def change(tenant: str, change_id: str) -> str:
    """A change that takes four eyes: proposed, approved, made."""
    if not is_change_id(change_id):
        raise ValueError("not the id of a change")
    return f"change:{_tenant(tenant)}:{change_id.removeprefix('change_')}"


def is_key_id(text: str) -> bool:
    """Whether `text` has the form of our API keys' public ids; says nothing about whether it exists."""
    return _API_KEY.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` can name a tenant."""
    return _TENANT.fullmatch(text) is not None


def key(tenant: str, key_id: str) -> str:
    """The history of one API key, named by its public id."""
    return f"key:{_tenant(tenant)}:{_digest(key_id)}"


def thread(tenant: str, thread_id: str) -> str:
    """What a caller recorded under its own thread id (`caller.recorded`)."""
    return f"thread:{_tenant(tenant)}:{_digest(thread_id)}"


def endpoint_id(endpoint: UUID) -> str:
    """The id clients see for a webhook endpoint: `we_` and the UUIDv7 in hex."""
    return f"we_{endpoint.hex}"


def is_endpoint_id(text: str) -> bool:
    """Whether `text` has the form of our endpoint ids; says nothing about whether it exists."""
    return _ENDPOINT.fullmatch(text) is not None


def endpoint(tenant: str, endpoint_id: str) -> str:
    """The history of one webhook endpoint. The tenant is part of the id, so no other tenant can name it."""
    match = _ENDPOINT.fullmatch(endpoint_id)
    if match is None:
        raise InvalidStream(f"not an endpoint id: {endpoint_id[:80]!r}")
    return f"endpoint:{_tenant(tenant)}:{match[1]}"


def batch_id(digits: str) -> str:
    """The id clients see for a batch: `batch_` and 32 hex digits."""
    return f"batch_{digits}"


def is_batch_id(text: str) -> bool:
    """Whether `text` has the form of our batch ids; says nothing about whether it exists."""
    return _BATCH.fullmatch(text) is not None


def batch(tenant: str, batch_id: str) -> str:
    """The lines of one batch. The tenant is part of the id, so no other tenant can name it."""
    match = _BATCH.fullmatch(batch_id)
    if match is None:
        raise InvalidStream(f"not a batch id: {batch_id[:80]!r}")
    return f"batch:{_tenant(tenant)}:{match[1]}"


def delivery(tenant: str, endpoint_id: str, event_id: str) -> str:
    """The telling of one endpoint of one event: scheduled once, however often that is tried."""
    return f"delivery:{_tenant(tenant)}:{_digest(endpoint_id, event_id)}"


def character_id(character: UUID) -> str:
    """The id clients see for a character: `char_` and the UUIDv7 in hex."""
    return f"char_{character.hex}"


def is_character_id(text: str) -> bool:
    """Whether `text` has the form of our character ids; says nothing about whether it exists."""
    return _CHARACTER.fullmatch(text) is not None


def character(tenant: str, character_id: str) -> str:
    """The history of one character. The tenant is part of the id, so no other tenant can name it."""
    match = _CHARACTER.fullmatch(character_id)
    if match is None:
        raise InvalidStream(f"not a character id: {character_id[:80]!r}")
    return f"character:{_tenant(tenant)}:{match[1]}"


def answer(tenant: str, project: str, key_id: str, request_hash: str) -> str:
    """The answers to one request without an Idempotency-Key, by one API key, that could not be delivered."""
    return f"answer:{_tenant(tenant)}:{_digest(project, key_id, request_hash)}"


def requester(tenant: str, requester: str) -> str:
    """The erasure of a requester, named by its opaque id: decided, and carried out."""
    return f"requester:{_tenant(tenant)}:{_digest(requester)}"


def hold_id(unique: UUID) -> str:
    """A new public id of a legal hold."""
    return f"hold_{unique.hex}"


def is_hold_id(text: str) -> bool:
    """Whether `text` has the form of a hold's id; says nothing about whether it exists."""
    return _HOLD.fullmatch(text) is not None


def holds(tenant: str) -> str:
    """The legal holds of a tenant: what removes anything is decided on this one head."""
    return f"holds:{_tenant(tenant)}"


def log_key() -> str:
    """The keys that sign checkpoints of the whole ledger, of whichever tenant its facts are."""
    return "log_key:checkpoints"


def category(stream: str) -> str:
    """The first part of a stream id, for example `render`."""
    return stream.partition(":")[0]


def tenant_of(stream: str) -> str:
    """The tenant in the id of a stream that has one: the second part."""
    return stream.split(":")[1]


def _tenant(tenant: str) -> str:
    if _TENANT.fullmatch(tenant) is None:
        raise InvalidStream(f"a tenant is a lower-case letter and up to 30 of a-z, 0-9 and '-': {tenant[:80]!r}")
    return tenant


def _name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise InvalidStream(f"a name is a lower-case letter and up to 62 of a-z, 0-9, '_' and '-': {name[:80]!r}")
    return name


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()
