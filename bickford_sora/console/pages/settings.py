"""Settings: keys and projects, budgets, prices, renderers and webhook endpoints. Each change is a fact."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, get_args

from fastapi import Query
from pydantic import BaseModel

from bickford_sora.console.acting import Act, TheAct
from bickford_sora.console.console import TheVisit, Visit
from bickford_sora.console.routing import Pages
from bickford_sora.decisions.amounts import MICRO
from bickford_sora.decisions.caller import ROLES
from bickford_sora.decisions.deliveries import EVENT_TYPES
from bickford_sora.errors import InvalidRequest
from bickford_sora.http import api_keys, webhook_endpoints
from bickford_sora.http.api_keys import ApiKey
from bickford_sora.http.budgets import Budget, budget_object
from bickford_sora.http.forms import NO_NUL
from bickford_sora.http.prices import Prices, newest_prices
from bickford_sora.http.roles import ADMINISTERS, OVERSEES, READS
from bickford_sora.http.webhook_endpoints import WebhookEndpoint
from ledger.events.governance import Role
from ledger.spend import Unit, Window

PAGE_KEYS = 50
DAY_S = 24 * 3600
NAME_CHARS_MAX = 255
WINDOWS = get_args(Window)
UNITS = get_args(Unit)

After = Annotated[str, Query(max_length=NAME_CHARS_MAX, pattern=NO_NUL)]

pages = Pages()


class KeysPage(BaseModel):
    """A page of API keys, the last issued first, and the projects they are of."""

    keys: Sequence[ApiKey]
    projects: Mapping[str, int]
    """Of the keys that are shown: how many each project has."""
    roles: Sequence[Role]
    after: str | None
    may_change: bool


class BudgetsPage(BaseModel):
    """Every budget the visitor may see, and how much of it is used."""

    budgets: Sequence[Budget]
    windows: Sequence[str]
    units: Sequence[str]
    may_change: bool


class PricesPage(BaseModel):
    """The price table that was published last."""

    prices: Prices


class ConfiguredNow(BaseModel):
    """A renderer as it is configured, without its secrets."""

    name: str
    dialect: str
    credential: str
    replicas: Sequence[str]
    drained: Sequence[str]
    in_flight_max: int | None
    requests_per_minute_max: int | None
    signs_webhooks: bool


class RenderersPage(BaseModel):
    """The renderers as they are configured now."""

    renderers: Sequence[ConfiguredNow]
    models: Sequence[str]


class EndpointsPage(BaseModel):
    """A page of webhook endpoints, newest first."""

    endpoints: Sequence[WebhookEndpoint]
    event_types: Sequence[str]
    after: str | None
    may_change: bool


class Secret(BaseModel):
    """A secret that is shown this once."""

    what: str
    id: str
    secret: str
    back: str


@pages.page("/settings", "settings_keys.html", takes=OVERSEES)
async def keys(visit: TheVisit, after: After = "") -> KeysPage:
    """API keys."""
    found = await visit.read(lambda visit: api_keys.found_page(visit.house, visit.caller, PAGE_KEYS, after or None))
    projects: dict[str, int] = {}
    for each in found.data:
        projects[each.project] = projects.get(each.project, 0) + (each.status == "active")
    last = found.last_id if found.has_more else None
    return KeysPage(keys=found.data, projects=projects, roles=ROLES, after=last, may_change=visit.may("admin"))


@pages.answer("/settings/keys", "secret.html", takes=ADMINISTERS)
async def issue(act: TheAct) -> Secret:
    """Issues a key. The answer alone shows it."""
    order = act.order
    fields = _given(act, "name", "project") | {"roles": act.texts("roles"), **_ticked(act, *_KEY_FLAGS)}
    if "expires_in_days" in act.fields:
        fields["expires_in_s"] = _whole(act, "expires_in_days") * DAY_S
    made = await order.house.crossing.run(order.house.api_keys.issue, order.caller, fields, origin=order.origin)
    told = await act.visit.read(lambda visit: api_keys.with_secret(visit.house, made))
    return Secret(what="API key", id=told.id, secret=told.secret, back="/settings")


@pages.answer("/settings/keys/{key_id}/rotate", "secret.html", takes=ADMINISTERS)
async def rotate(key_id: str, act: TheAct) -> Secret:
    """Replaces a key by a successor that may do the same. The answer alone shows it."""
    order = act.order
    fields = {"overlap_s": int(_whole(act, "overlap_hours") * 3600)}
    rotated = order.house.api_keys.rotate
    made = await order.house.crossing.run(rotated, order.caller, key_id, fields, origin=order.origin)
    told = await act.visit.read(lambda visit: api_keys.with_secret(visit.house, made))
    return Secret(what="API key", id=told.id, secret=told.secret, back="/settings")


@pages.action("/settings/keys/{key_id}/revoke", takes=ADMINISTERS)
async def revoke(key_id: str, act: TheAct) -> str:
    """Ends a key at once and for good."""
    order = act.order
    await order.house.crossing.run(order.house.api_keys.revoke, order.caller, key_id, origin=order.origin)
    return "/settings?done=revoked"


@pages.page("/settings/budgets", "settings_budgets.html", takes=READS)
async def budgets(visit: TheVisit) -> BudgetsPage:
    """Budgets, and what is left of them."""
    found = await visit.read(lambda visit: [budget_object(each) for each in visit.house.budgets.all(visit.caller)])
    may = visit.may("admin") and visit.caller.everywhere
    return BudgetsPage(budgets=found, windows=WINDOWS, units=UNITS, may_change=may)


@pages.action("/settings/budgets", takes=ADMINISTERS)
async def set_budget(act: TheAct) -> str:
    """Sets a budget, or another cap of one."""
    order = act.order
    budget_id, fields = act.text("budget_id"), _budget(act)
    await order.house.crossing.run(order.house.budgets.set, order.caller, budget_id, fields, origin=order.origin)
    return "/settings/budgets?done=set"


@pages.action("/settings/budgets/{budget_id}/remove", takes=ADMINISTERS)
async def remove_budget(budget_id: str, act: TheAct) -> str:
    """Ends a budget."""
    order = act.order
    await order.house.crossing.run(order.house.budgets.remove, order.caller, budget_id, origin=order.origin)
    return "/settings/budgets?done=removed"


@pages.page("/settings/prices", "settings_prices.html", takes=OVERSEES)
async def prices(visit: TheVisit) -> PricesPage:
    """Prices in force, and to come."""
    return PricesPage(prices=await visit.read(lambda visit: newest_prices(visit.house)))


@pages.page("/settings/renderers", "settings_renderers.html", takes=OVERSEES)
async def renderers(visit: TheVisit) -> RenderersPage:
    """Renderers."""
    return await visit.read(_renderers)


@pages.page("/settings/endpoints", "settings_endpoints.html", takes=OVERSEES)
async def endpoints(visit: TheVisit, after: After = "") -> EndpointsPage:
    """Webhook endpoints."""
    found = await visit.read(
        lambda visit: webhook_endpoints.found_page(visit.house, visit.caller, PAGE_KEYS, after or None)
    )
    last = found.last_id if found.has_more else None
    return EndpointsPage(endpoints=found.data, event_types=EVENT_TYPES, after=last, may_change=visit.may("admin"))


@pages.answer("/settings/endpoints", "secret.html", takes=ADMINISTERS)
async def create_endpoint(act: TheAct) -> Secret:
    """Has this project's events sent to a URL. The answer alone shows the signing secret."""
    order = act.order
    fields: dict[str, object] = {**_given(act, "name", "url"), "event_types": act.texts("event_types")}
    made = await order.house.crossing.run(order.house.endpoints.create, order.caller, fields, origin=order.origin)
    told = await act.visit.read(lambda visit: webhook_endpoints.with_secret(visit.house, made))
    return Secret(what="signing secret", id=told.id, secret=told.signing_secret, back="/settings/endpoints")


@pages.answer("/settings/endpoints/{endpoint_id}/rotate", "secret.html", takes=ADMINISTERS)
async def rotate_endpoint(endpoint_id: str, act: TheAct) -> Secret:
    """Makes a new signing secret. The answer alone shows it."""
    order = act.order
    fields = {"keep_old_secret_active_for_24_hours": "keep_old" in act.fields}
    rotated = order.house.endpoints.rotate_secret
    made = await order.house.crossing.run(rotated, order.caller, endpoint_id, fields, origin=order.origin)
    told = await act.visit.read(lambda visit: webhook_endpoints.with_secret(visit.house, made))
    return Secret(what="signing secret", id=told.id, secret=told.signing_secret, back="/settings/endpoints")


@pages.action("/settings/endpoints/{endpoint_id}/test", takes=ADMINISTERS)
async def test_endpoint(endpoint_id: str, act: TheAct) -> str:
    """Sends a sample event now."""
    order = act.order
    fields = {"event_type": act.text("event_type")}
    await order.house.calling.run(order.house.endpoints.test, order.caller, endpoint_id, fields)
    return "/settings/endpoints?done=tested"


@pages.action("/settings/endpoints/{endpoint_id}/delete", takes=ADMINISTERS)
async def delete_endpoint(endpoint_id: str, act: TheAct) -> str:
    """Removes an endpoint."""
    order = act.order
    await order.house.crossing.run(order.house.endpoints.delete, order.caller, endpoint_id, origin=order.origin)
    return "/settings/endpoints?done=endpoint-removed"


_KEY_FLAGS = ("spans_tenant", "may_assert_requester")


def _given(act: Act, *names: str) -> dict[str, object]:
    """Fields that were filled in."""
    return {name: act.fields[name] for name in names if name in act.fields}


def _ticked(act: Act, *names: str) -> dict[str, object]:
    """Boxes: one that is not ticked is not sent."""
    return {name: name in act.fields for name in names}


def _whole(act: Act, name: str) -> int:
    try:
        return int(act.text(name))
    except ValueError:
        raise InvalidRequest("Write a whole number.", code="invalid_value", param=name) from None


def _budget(act: Act) -> dict[str, object]:
    unit = act.text("unit")
    fields = {**_given(act, "scope", "window"), "unit": unit, **_ticked(act, "hard")}
    if unit == "money":
        fields["cap"] = {"amount_micro": _micro(act), "currency": act.text("currency")}
    else:
        fields["cap_count"] = _whole(act, "amount")
    if "thresholds" in act.fields:
        fields["thresholds"] = _percents(act)
    return fields


def _micro(act: Act) -> int:
    try:
        return int(Decimal(act.text("amount")) * MICRO)
    except (ArithmeticError, ValueError):
        raise InvalidRequest("Write an amount such as 250.00.", code="invalid_value", param="amount") from None


def _percents(act: Act) -> list[int]:
    try:
        return [int(each) for each in act.text("thresholds").replace("%", "").split(",")]
    except ValueError:
        raise InvalidRequest("Write percentages such as 50, 80.", code="invalid_value", param="thresholds") from None


# What follows runs in the synchronous world, behind the crossing.


def _renderers(visit: Visit) -> RenderersPage:
    operations = visit.console.operations
    return RenderersPage(
        renderers=[
            ConfiguredNow(
                name=each.name,
                dialect=each.dialect,
                credential=each.credential,
                replicas=each.replicas if visit.runs_this else (),
                drained=sorted(each.drained) if visit.runs_this else (),
                in_flight_max=each.in_flight_max,
                requests_per_minute_max=each.requests_per_minute_max,
                signs_webhooks=bool(each.webhook_secrets),
            )
            for each in operations.renderers()
        ],
        models=sorted(visit.console.catalogue().routes),
    )
