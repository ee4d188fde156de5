"""What a client asks of its webhook endpoints, checked, and the facts it leads to. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bickford_sora.decisions.deliveries import EVENT_TYPES
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.wrong import VALUE_CHARS_SHOWN_MAX
from bickford_sora.errors import Conflicting, InvalidRequest
from ledger.endpoints import Endpoint
from ledger.envelope import Fact, Sealed
from ledger.events import (
    EndpointCreated,
    EndpointDeleted,
    EndpointEnabled,
    EndpointSecretRotated,
    EndpointUpdated,
)

ENDPOINTS_MAX = 20
"""Webhook endpoints of one project.

Counted in the read model: requests at the very same time may pass it by a few, which harms nobody.
"""
NAME_CHARS_MAX = 255
SECRET_BYTES = 32
"""Randomness of a signing secret (Standard Webhooks: 24 to 64 bytes)."""
HINT_CHARS = 4
"""Last characters of a secret that are shown afterwards."""
OLD_SECRET_S = 24 * 3600.0
"""How long a delivery is signed with the old secret as well, when that is asked for, in seconds (webhooks API)."""

_FIELDS = frozenset({"name", "url", "event_types"})
_KEEP_OLD = "keep_old_secret_active_for_24_hours"


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of an endpoint a client sent; None: it did not."""

    name: str | None = None
    url: str | None = field(default=None, repr=False)
    event_types: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A signing secret, ready to be recorded, and what is shown of it afterwards."""

    sealed: Sealed
    hint: str

    @staticmethod
    def hint_of(secret: str) -> str:
        """The last characters, as they are shown."""
        return f"…{secret[-HINT_CHARS:]}"


def secret_of(key: bytes) -> str:
    """A signing secret as Standard Webhooks writes it: `whsec_` and base64."""
    assert len(key) == SECRET_BYTES  # noqa: S101 - a programmer's mistake
    return f"whsec_{base64.b64encode(key).decode()}"


def read_new(fields: Mapping[str, object]) -> Asked:
    """The endpoint a client wants. Raises InvalidRequest naming what is wrong or missing."""
    asked = read_change(fields)
    for name in ("event_types", "name", "url"):
        if getattr(asked, name) is None:
            raise InvalidRequest(
                f"Missing required parameter: {name!r}.", code="missing_required_parameter", param=name
            )
    return asked


def read_change(fields: Mapping[str, object]) -> Asked:
    """What a client wants to change of an endpoint. Raises InvalidRequest naming what is wrong."""
    _refuse_unknown(fields, _FIELDS)
    name, url, event_types = (fields.get(each) for each in ("name", "url", "event_types"))
    return Asked(
        None if name is None else _text(name, "name", NAME_CHARS_MAX),
        None if url is None else _text(url, "url", None),
        None if event_types is None else _event_types(event_types),
    )


def read_rotation(fields: Mapping[str, object]) -> bool:
    """Whether the old secret stays in use for a day. Raises InvalidRequest."""
    _refuse_unknown(fields, frozenset({_KEEP_OLD}))
    keep = fields.get(_KEEP_OLD, False)
    if not isinstance(keep, bool):
        raise InvalidRequest(f"{_KEEP_OLD!r} is true or false.", code="invalid_value", param=_KEEP_OLD)
    return keep


def read_test(fields: Mapping[str, object]) -> str:
    """The event type to send as a sample. Raises InvalidRequest."""
    _refuse_unknown(fields, frozenset({"event_type"}))
    if fields.get("event_type") is None:
        raise InvalidRequest(
            "Missing required parameter: 'event_type'.", code="missing_required_parameter", param="event_type"
        )
    return _event_type(fields["event_type"], "event_type")


def created(
    stream: str,
    asked: Mapping[str, Sealed],
    event_types: tuple[str, ...],
    secret: SealedSecret,
    *,
    endpoint_id: str,
    project: str,
    requester: str,
) -> Draft:
    """A new endpoint; `asked` holds its sealed name and url."""
    fact = EndpointCreated(
        endpoint_id=endpoint_id,
        project=project,
        requester=requester,
        name=asked["name"],
        url=asked["url"],
        event_types=event_types,
        secret=secret.sealed,
        secret_hint=secret.hint,
    )
    return Draft(((stream, fact),), {stream: 0})


def updated(endpoint: Endpoint, changes: Mapping[str, Sealed], event_types: tuple[str, ...] | None) -> Draft:
    """Changes an endpoint; `changes` holds its sealed name or url as far as they are different.

    A change, even to what it was, also enables an endpoint that was disabled: its owner has looked at it.
    """
    facts: list[Fact] = []
    types = None if event_types == endpoint.event_types else event_types
    if changes or types is not None:
        facts.append(EndpointUpdated(name=changes.get("name"), url=changes.get("url"), event_types=types))
    if endpoint.disabled is not None:
        facts.append(EndpointEnabled(reason="updated"))
    return _on(endpoint, *facts)


def rotated(endpoint: Endpoint, secret: SealedSecret, now: datetime, *, keep_old: bool) -> Draft:
    """A new secret. One that was kept from an earlier rotation is not used any more: there are two at most."""
    until = now + timedelta(seconds=OLD_SECRET_S) if keep_old else None
    return _on(endpoint, EndpointSecretRotated(secret=secret.sealed, secret_hint=secret.hint, old_secret_until=until))


def deleted(endpoint: Endpoint) -> Draft:
    """Removes the endpoint. Deleting twice changes nothing."""
    return NOTHING if endpoint.deleted else _on(endpoint, EndpointDeleted())


def check_room(there_are: int) -> None:
    """Raises Conflicting when a project has as many endpoints as it may have."""
    if there_are >= ENDPOINTS_MAX:
        raise Conflicting(
            f"A project has at most {ENDPOINTS_MAX} webhook endpoints. Delete one first.", code="too_many_endpoints"
        )


def _on(endpoint: Endpoint, *facts: Fact) -> Draft:
    return Draft(tuple((endpoint.stream, fact) for fact in facts), {endpoint.stream: endpoint.version})


def _refuse_unknown(fields: Mapping[str, object], known: frozenset[str]) -> None:
    for name in fields:
        if name not in known:
            shown = name[:VALUE_CHARS_SHOWN_MAX]
            raise InvalidRequest(f"Unknown parameter: {shown!r}.", code="unknown_parameter", param=shown)


def _text(value: object, name: str, chars_max: int | None) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InvalidRequest(f"{name!r} is text that can be read.", code="invalid_value", param=name)
    if chars_max is not None and len(value) > chars_max:
        raise InvalidRequest(f"{name!r} has at most {chars_max} characters.", code="invalid_value", param=name)
    return value


def _event_types(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidRequest(
            "'event_types' is a list with at least one event type.", code="invalid_value", param="event_types"
        )
    return tuple(dict.fromkeys(_event_type(each, "event_types") for each in value))


def _event_type(value: object, param: str) -> str:
    if not isinstance(value, str) or value not in EVENT_TYPES:
        raise InvalidRequest(
            f"Invalid event type. Supported event types are: {', '.join(EVENT_TYPES)}.",
            code="invalid_value",
            param=param,
        )
    return value
