"""Every route, walked with every role and by every stranger: two tenants, two projects, and keys that span a tenant.

Who adds a route is to say here which roles it takes and what is sent to it; until then the walk fails.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.drafts import Draft
from bickford_sora.http.roles import Takes
from bickford_sora.recording import Origin
from ledger import streams
from ledger.envelope import Sealed
from ledger.events import ChangeProposed, CharacterRequested
from projections.audit import AuditEvent, Filters
from tests.http.houses import (
    FOREIGN_KEY,
    FOREIGN_ROOT_KEY,
    KEY,
    OTHER_KEY,
    ROOT_KEY,
    Kit,
    catalogue,
    error_of,
    make_kit,
)
from tests.ledger.examples import EXAMPLES

ASKS = ("requester",)
READS = ("requester", "approver", "auditor", "admin")
REVIEWS = ("approver", "admin")
APPROVES = ("approver",)
OVERSEES = ("auditor", "admin")
ADMINISTERS = ("admin",)
NOBODY = ()
"""Takes no API key."""

THEIRS = {
    "another project of the tenant": OTHER_KEY,
    "the same project of another tenant": FOREIGN_KEY,
    "the whole of another tenant": FOREIGN_ROOT_KEY,
}
"""Who is not to know of what the walk is about."""


@dataclass(frozen=True)
class Walk:
    """How a route is walked."""

    takes: tuple[str, ...]
    body: Any = None
    """Of JSON; `{video_id}` and the like stand for the ids of what is there."""
    answered: int = 200
    """The status for a key that may."""
    query: str = ""
    """Its query, in which ids stand as in the body."""
    by_link: bool = False
    """Whether a signed link may take the place of a key."""
    by_setting: bool = False
    """Whether a setting may open it to everybody."""
    of_tenant: bool = False
    """Whether the key has to span the tenant. Then another tenant's does the same to what is its own."""


ENDPOINT = {"name": "Ours", "url": "http://127.0.0.1:9/", "event_types": ["video.completed"]}
BUDGET = {"window": "total", "scope": "project:alpha", "unit": "renders", "cap_count": 100}
VIDEO = {"id": "{video_id}"}
REVIEW = {"verdict": "approved", "clarity": 1, "continuity": 1, "brand_fit": 1, "review_time_minutes": 1}
ROUTES: dict[tuple[str, str], Walk] = {
    ("POST", "/v1/videos"): Walk(ASKS, {"prompt": "A kite", "remix_video_id": "{video_id}"}),
    ("POST", "/v1/videos/quote"): Walk(ASKS, {"prompt": "A kite", "remix_video_id": "{video_id}"}),
    ("GET", "/v1/videos"): Walk(READS),
    ("GET", "/v1/videos/{video_id}"): Walk(READS),
    ("DELETE", "/v1/videos/{video_id}"): Walk(ASKS),
    ("GET", "/v1/videos/{video_id}/content"): Walk(READS, by_link=True),
    ("HEAD", "/v1/videos/{video_id}/content"): Walk(READS, by_link=True),
    ("POST", "/v1/videos/{video_id}/remix"): Walk(ASKS, {"prompt": "A kite"}),
    ("POST", "/v1/videos/{video_id}/retry"): Walk(ASKS, answered=409),
    ("POST", "/v1/videos/{video_id}/reviews"): Walk(REVIEWS, REVIEW),
    ("GET", "/v1/videos/{video_id}/reviews"): Walk(READS),
    ("POST", "/v1/videos/edits"): Walk(ASKS, {"prompt": "A kite", "video": VIDEO}),
    ("POST", "/v1/videos/extensions"): Walk(ASKS, {"prompt": "A kite", "seconds": "4", "video": VIDEO}),
    ("POST", "/v1/videos/characters"): Walk(ASKS, {"name": "Mia"}, answered=400),
    ("GET", "/v1/videos/characters/{character_id}"): Walk(READS),
    ("GET", "/v1/videos/{video_id}/lineage"): Walk(READS),
    ("GET", "/v1/videos/{video_id}/lineage.svg"): Walk(READS),
    ("GET", "/v1/videos/{video_id}/stream"): Walk(READS),
    ("POST", "/v1/videos/batches"): Walk(ASKS, {"requests": [{"prompt": "A kite"}]}),
    ("GET", "/v1/videos/batches/{batch_id}"): Walk(READS),
    ("GET", "/v1/ledger/stream"): Walk(OVERSEES),
    ("GET", "/v1/audit/events"): Walk(OVERSEES),
    ("GET", "/v1/audit/events/{event_id}"): Walk(OVERSEES),
    ("GET", "/v1/audit/questions"): Walk(OVERSEES),
    ("GET", "/v1/audit/questions/{name}"): Walk(OVERSEES),
    ("GET", "/v1/audit/pack"): Walk(OVERSEES, query="video_id={video_id}"),
    ("GET", "/v1/ledger/checkpoint"): Walk(READS),
    ("GET", "/v1/ledger/tile/{path:path}"): Walk(READS),
    ("GET", "/v1/ledger/proof/consistency"): Walk(READS, query="from=1&to=2"),
    ("GET", "/v1/ledger/proof"): Walk(OVERSEES, query="position={position}"),
    ("GET", "/v1/videos/{video_id}/receipt"): Walk(READS),
    ("POST", "/v1/threads/{thread_id}/observations"): Walk(ASKS, {"status": "completed"}, answered=201),
    ("POST", "/v1/webhook_endpoints"): Walk(ADMINISTERS, ENDPOINT),
    ("GET", "/v1/webhook_endpoints"): Walk(OVERSEES),
    ("GET", "/v1/webhook_endpoints/{webhook_endpoint_id}"): Walk(OVERSEES),
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}"): Walk(ADMINISTERS, {"name": "Theirs"}),
    ("DELETE", "/v1/webhook_endpoints/{webhook_endpoint_id}"): Walk(ADMINISTERS),
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret"): Walk(ADMINISTERS),
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}/test"): Walk(
        ADMINISTERS, {"event_type": "video.completed"}, answered=400
    ),
    ("GET", "/v1/webhook_endpoints/{webhook_endpoint_id}/deliveries"): Walk(OVERSEES),
    ("GET", "/v1/webhook_event_types"): Walk(READS),
    ("GET", "/v1/approvals"): Walk(READS),
    ("POST", "/v1/approvals"): Walk(APPROVES, {"approvals": ["{approval_id}"], "decision": "deny", "reason": "No"}),
    ("GET", "/v1/approvals/{approval_id}"): Walk(READS),
    ("POST", "/v1/approvals/{approval_id}"): Walk(APPROVES, {"decision": "deny", "reason": "No"}),
    ("POST", "/v1/approvals/{approval_id}/start"): Walk(ASKS, answered=403),
    ("GET", "/v1/unknown"): Walk(OVERSEES),
    ("POST", "/v1/unknown/{video_id}/adopt"): Walk(ADMINISTERS, {"job_id": "job_9", "reason": "Seen"}, answered=409),
    ("POST", "/v1/unknown/{video_id}/resubmit"): Walk(ADMINISTERS, {"reason": "Urgent"}, answered=409),
    ("POST", "/v1/unknown/{video_id}/abandon"): Walk(ADMINISTERS, {"reason": "Late"}, answered=409),
    ("GET", "/v1/changes/{change_id}"): Walk(OVERSEES),
    ("POST", "/v1/changes/{change_id}"): Walk(ADMINISTERS, {"decision": "approve"}),
    ("POST", "/v1/erasures"): Walk(ADMINISTERS, {"render": "{video_id}", "reason": "Asked"}),
    ("GET", "/v1/holds"): Walk(OVERSEES),
    ("POST", "/v1/holds"): Walk(ADMINISTERS, {"scope": "tenant", "reason": "Suit"}, of_tenant=True),
    ("POST", "/v1/holds/{hold_id}/lift"): Walk(ADMINISTERS, {"reason": "Over"}, answered=404, of_tenant=True),
    ("GET", "/v1/queue"): Walk(READS),
    ("GET", "/v1/budgets"): Walk(READS),
    ("GET", "/v1/budgets/{budget_id}"): Walk(READS),
    ("PUT", "/v1/budgets/{budget_id}"): Walk(ADMINISTERS, BUDGET, of_tenant=True),
    ("DELETE", "/v1/budgets/{budget_id}"): Walk(ADMINISTERS, of_tenant=True),
    ("GET", "/v1/spend"): Walk(OVERSEES),
    ("GET", "/v1/spend/charges"): Walk(OVERSEES),
    ("GET", "/v1/spend/charges.csv"): Walk(OVERSEES),
    ("POST", "/v1/spend/reconciliations"): Walk(OVERSEES, {"invoice": "job_id,amount,currency\njob_9,1,USD\n"}),
    ("POST", "/v1/api_keys"): Walk(ADMINISTERS, {"name": "Another"}),
    ("GET", "/v1/api_keys"): Walk(OVERSEES),
    ("GET", "/v1/api_keys/{key_id}"): Walk(OVERSEES),
    ("POST", "/v1/api_keys/{key_id}/rotate"): Walk(ADMINISTERS),
    ("POST", "/v1/api_keys/{key_id}/delegate"): Walk(APPROVES, {"expires_in_s": 3600}),
    ("DELETE", "/v1/api_keys/{key_id}"): Walk(ADMINISTERS),
    ("POST", "/v1/policy"): Walk(ADMINISTERS, {}, answered=403),  # who administers one project may not, see the rest
    ("GET", "/v1/policy"): Walk(OVERSEES),
    ("GET", "/v1/policy/versions"): Walk(OVERSEES),
    ("GET", "/v1/prices"): Walk(OVERSEES),
    ("GET", "/v1/prices/{prices_hash}"): Walk(OVERSEES),
    ("POST", "/webhooks/{renderer}"): Walk(NOBODY, answered=404),
    ("GET", "/healthz"): Walk(NOBODY),
    ("GET", "/readyz"): Walk(NOBODY),
    ("GET", "/metrics"): Walk(OVERSEES, by_setting=True),
    ("GET", "/openapi.json"): Walk(NOBODY),
    ("GET", "/docs"): Walk(NOBODY),
    ("GET", "/docs/oauth2-redirect"): Walk(NOBODY),
}
"""Every route there is."""
PRICES_HASH = "c" * 64
"""Of the tenant, whatever the project."""
OF_NOBODY = {
    "{thread_id}": "thread-1",
    "{renderer}": "unknown",
    "{prices_hash}": PRICES_HASH,
    "{name}": "unused_keys",
    "{path:path}": "0/000.p/1",
}
"""Named by whoever asks: each project has its own."""
POSITION = "{position}"
"""Of a fact. Too short to be looked for in an answer."""
KEYED = {at: walk for at, walk in ROUTES.items() if walk.takes}
NAMED = {
    at: walk
    for at, walk in KEYED.items()
    if not walk.of_tenant
    and at != ("POST", "/v1/approvals")  # it answers for each of several
    and any(mark in at[1] + walk.query + json.dumps(walk.body) for mark in ("_id}", POSITION))
    and "{thread_id}" not in at[1]
}
"""The routes that are about something that exists, by their path or their body."""
PAGES = {"/v1/videos": "{video_id}", "/v1/webhook_endpoints": "{webhook_endpoint_id}", "/v1/api_keys": "{key_id}"}
"""Lists, and what a page of them can begin behind."""


def named(routes: dict[tuple[str, str], Walk]) -> Any:
    return pytest.mark.parametrize("at", routes, ids=" ".join)


class OneTurn:
    """Every fact, asked for once: then the streams are over."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._audit = kit.house.audits.query

    def events(self, tenant: str, filters: Filters, /, **bounds: Any) -> list[AuditEvent]:
        self._kit.house.tide.closing.set()
        return self._audit.events(tenant, filters, **bounds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._audit, name)


@dataclass
class Town:
    """A house in which the project alpha of the tenant main has one of everything."""

    kit: Kit = field(default_factory=make_kit)
    ids: dict[str, str] = field(default_factory=dict)
    _by_role: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kit = self.kit
        kit.house.price_tables.publish(Catalogue(catalogue().routes, PRICES_HASH, "[]"))
        kit.app.state.house = kit.house = replace(kit.house, audits=replace(kit.house.audits, query=OneTurn(kit)))
        self.ids = {
            **OF_NOBODY,
            "{video_id}": kit.finished(),
            "{batch_id}": kit.request("POST", "/v1/videos/batches", json={"requests": [{"prompt": "a"}]}).json()["id"],
            "{character_id}": self._character(),
            "{approval_id}": self._approval(),
            "{change_id}": self._change(),
            "{webhook_endpoint_id}": kit.request("POST", "/v1/webhook_endpoints", json=ENDPOINT).json()["id"],
            "{budget_id}": kit.request("PUT", "/v1/budgets/ours_1", key=ROOT_KEY, json=BUDGET).json()["id"],
            "{key_id}": kit.request("POST", "/v1/api_keys", json={"name": "Ours"}).json()["id"],
            "{event_id}": self._fact(),
        }
        self.ids[POSITION] = str(kit.ledger.history(streams.render("main", self.ids["{video_id}"]))[0].position)
        kit.checkpoint()

    @property
    def never(self) -> dict[str, str]:
        """Ids of the same form, of what never was."""
        zeros = {
            mark: each.rpartition("_")[0] + "_" + "0" * len(each.rpartition("_")[2]) for mark, each in self.ids.items()
        }
        return {**zeros, **OF_NOBODY, POSITION: "1000000"}

    def key(self, role: str) -> str:
        """A key of the project that has this one role."""
        if role not in self._by_role:
            self._by_role[role] = self.kit.issue(role)
        return self._by_role[role]

    def ask(self, at: tuple[str, str], key: str | None, ids: dict[str, str] | None = None) -> httpx.Response:
        """One request to a route, about what is there."""
        method, path = at
        body = json.dumps(ROUTES[at].body)
        path += f"?{ROUTES[at].query}" if ROUTES[at].query else ""
        for mark, each in (self.ids if ids is None else ids).items():
            path, body = path.replace(mark, each), body.replace(mark, each)
        self.kit.house.tide.closing.clear()
        options: dict[str, Any] = {"json": json.loads(body)} if body != "null" else {}
        return self.kit.request(method, path, key=key, **options)

    def tells(self, answer: httpx.Response) -> list[str]:
        """What an answer tells of what is there."""
        return [mark for mark, each in self.ids.items() if mark not in {*OF_NOBODY, POSITION} and each in answer.text]

    def _fact(self) -> str:
        """A fact about one of its renders."""
        return next(str(each.event_id) for each in self.kit.ledger.read(0) if each.stream.startswith("render"))

    def _approval(self) -> str:
        """A render that waits for an approver."""
        held = b"version: 1\ndefault: allow\nrules:\n- {id: long, effect: require_approval, when: {seconds_min: 12}}"
        self.kit.request("POST", "/v1/policy", key=ROOT_KEY, content=held, headers={"content-type": "application/yaml"})
        return streams.approval_id(self.kit.create(seconds="12"))

    def _change(self) -> str:
        """A change of its keys that an admin proposed."""
        example = EXAMPLES["change.proposed"]
        assert isinstance(example, ChangeProposed)
        change_id = streams.change_id("c" * 64)
        until = self.kit.clock() + timedelta(days=1)
        change = {"change_id": change_id, "kind": "keys", "subject": "alpha", "expires_at": until}
        stream = streams.change("main", change_id)
        fact = example.model_copy(update=change)
        self.kit.recording.append(Draft(((stream, fact),), {stream: 0}), Origin("main", "key_1"))
        return change_id

    def _character(self) -> str:
        character_id = streams.character_id(self.kit.recording.new_id())
        name = self.kit.keys.seal("Mia", requester="req-1", subject=character_id, field="character.requested.name")
        example = EXAMPLES["character.requested"]
        assert isinstance(example, CharacterRequested)
        fact = example.model_copy(update={"character_id": character_id, "project": "alpha", "name": Sealed(name)})
        stream = streams.character("main", character_id)
        self.kit.recording.append(Draft(((stream, fact),), {stream: 0}), Origin("main", "key_1"))
        return character_id


@pytest.fixture(scope="module")
def town() -> Town:
    """Shared by the tests that change nothing in it."""
    return Town()


def served(routes: Iterable[BaseRoute]) -> Iterator[tuple[tuple[str, str], Route]]:
    for route in routes:
        if not isinstance(route, Route):  # a router that was included
            yield from served(route.original_router.routes)  # type: ignore[attr-defined]
            continue
        methods = set(route.methods or ())
        for method in methods if isinstance(route, APIRoute) else methods - {"HEAD"}:
            yield (method, route.path), route


def taken(dependant: Dependant) -> Iterator[Takes]:
    """What a route says that it takes."""
    if isinstance(dependant.call, Takes):
        yield dependant.call
    for each in dependant.dependencies:
        yield from taken(each)


def test_the_walk_knows_every_route(town: Town) -> None:
    assert {at for at, _ in served(town.kit.app.routes)} == set(ROUTES)


def test_every_route_names_the_roles_it_takes(town: Town) -> None:
    for at, route in served(town.kit.app.routes):
        said = list(taken(route.dependant)) if isinstance(route, APIRoute) else []
        walk = ROUTES[at]
        expected = [Takes(walk.takes)] if walk.takes and not (walk.by_link or walk.by_setting) else []
        assert said == expected, at


@named(KEYED)
def test_without_a_key_nobody_is_let_in(town: Town, at: tuple[str, str]) -> None:
    head = town.kit.ledger.head()
    answer = town.ask(at, None)
    assert answer.status_code == 401
    assert not town.tells(answer)
    assert town.kit.ledger.head() == head


@named({at: walk for at, walk in ROUTES.items() if not walk.takes})
def test_what_takes_no_key_tells_of_nothing(town: Town, at: tuple[str, str]) -> None:
    answer = town.ask(at, None)
    assert answer.status_code == ROUTES[at].answered
    assert not town.tells(answer)


@named(KEYED)
def test_a_role_that_a_route_does_not_take_is_refused(town: Town, at: tuple[str, str]) -> None:
    for role in {*READS} - {*ROUTES[at].takes}:
        key = town.key(role)
        head = town.kit.ledger.head()
        answer = town.ask(at, key)
        assert error_of(answer) == (403, "permission_error", None, "role_missing"), role
        assert answer.headers["x-should-retry"] == "false"
        assert answer.json() == town.ask(at, key, town.never).json(), "and tells nothing of what exists"
        assert town.kit.ledger.head() == head


@named(KEYED)
def test_every_role_that_a_route_takes_is_enough(town: Town, at: tuple[str, str]) -> None:
    changes_nothing = at[0] in {"GET", "HEAD"}
    for role in ROUTES[at].takes:
        town = town if changes_nothing else Town()
        spans = {"by": ROOT_KEY, "spans_tenant": True} if ROUTES[at].of_tenant else {}
        answer = town.ask(at, town.key(role) if changes_nothing else town.kit.issue(role, **spans))
        assert answer.status_code == ROUTES[at].answered, (role, answer.text)


@named(NAMED)
@pytest.mark.parametrize("who", THEIRS)
def test_what_is_anothers_is_as_if_it_had_never_been(town: Town, at: tuple[str, str], who: str) -> None:
    head = town.kit.ledger.head()
    there, never = (town.ask(at, THEIRS[who], ids) for ids in (town.ids, town.never))
    assert there.status_code == never.status_code == 404
    assert there.text.replace(there.headers["x-request-id"], "") == never.text
    assert town.kit.ledger.head() == head, "nothing was changed, and nothing is on record of it"


@pytest.mark.parametrize("who", THEIRS)
def test_no_page_begins_behind_what_is_anothers(town: Town, who: str) -> None:
    for path, mark in PAGES.items():
        there, never = (
            town.kit.request("GET", path, key=THEIRS[who], params={"after": ids[mark]})
            for ids in (town.ids, town.never)
        )
        assert there.status_code == 404
        assert there.json() == never.json()


@pytest.mark.parametrize("who", THEIRS)
def test_no_list_and_no_stream_tells_of_what_is_anothers(town: Town, who: str) -> None:
    for at in KEYED:
        if at[0] == "GET" and at not in NAMED and "{" not in at[1]:
            path = f"{at[1]}?after=0" if at[1] == "/v1/ledger/stream" else f"{at[1]}?{ROUTES[at].query}"
            town.kit.house.tide.closing.clear()
            answer = town.kit.request("GET", path, key=THEIRS[who])
            assert answer.status_code == 200
            assert not town.tells(answer), at
    town.kit.house.tide.closing.clear()
    own = town.kit.request("GET", "/v1/ledger/stream?after=0")
    assert "{video_id}" in town.tells(own), "the owner is told: what is looked for can be found"


@pytest.mark.parametrize("who", THEIRS)
def test_a_batch_reaches_nothing_of_anothers(town: Town, who: str) -> None:
    errors = []
    for ids in (town.ids, town.never):
        body = {"requests": [{"prompt": "a", "remix_video_id": ids["{video_id}"]}]}
        answer = town.kit.request("POST", "/v1/videos/batches", key=THEIRS[who], json=body)
        errors.append(answer.json()["data"][0]["error"])
    assert errors[0] == errors[1]
    assert errors[0]["code"] == "video_not_found"


@pytest.mark.parametrize("role", ["auditor", "admin"])
def test_who_spans_the_tenant_reads_all_its_projects(town: Town, role: str) -> None:
    key = town.kit.issue(role, by=ROOT_KEY, project="gamma", spans_tenant=True)
    for at, walk in KEYED.items():
        if at[0] == "GET" and role in walk.takes:
            answer = town.ask(at, key)
            assert answer.status_code == 200, at
    for path, mark in PAGES.items():
        assert mark in town.tells(town.kit.request("GET", path, key=key, params={"limit": 100}))
    town.kit.house.tide.closing.clear()
    assert "{video_id}" in town.tells(town.kit.request("GET", "/v1/ledger/stream?after=0", key=key))


@named({at: walk for at, walk in NAMED.items() if walk.takes in (ASKS, REVIEWS)})
def test_who_spans_the_tenant_changes_no_render_of_another_project(town: Town, at: tuple[str, str]) -> None:
    key = town.kit.issue("requester", "auditor", "admin", by=ROOT_KEY, project="gamma", spans_tenant=True)
    head = town.kit.ledger.head()
    assert town.ask(at, key).status_code == 404
    assert town.kit.ledger.head() == head


def test_who_spans_nothing_reads_its_own_project_alone(town: Town) -> None:
    key = town.kit.issue("auditor", "admin", by=OTHER_KEY)
    assert town.ask(("GET", "/v1/videos/{video_id}"), key).status_code == 404
    assert town.ask(("GET", "/v1/videos/{video_id}"), town.kit.issue("auditor", by=KEY)).status_code == 200
