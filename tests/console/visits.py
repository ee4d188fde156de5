"""The console over a house in memory, and somebody who visits it with a browser's manners."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import httpx
import orjson
from fastapi import FastAPI
from pydantic import SecretStr

from bickford_sora.cli.deciding import as_document
from bickford_sora.configuration import ConfiguredRenderer
from bickford_sora.console.app import with_console
from bickford_sora.console.attempts import Attempts
from bickford_sora.console.commands import Commands, Ended
from bickford_sora.console.console import Console
from bickford_sora.console.operations import Operations
from bickford_sora.console.sessions import Sessions
from bickford_sora.decisions.rules.backtest import compare
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.past_decisions import PastDecisions, Question
from bickford_sora.renderers.fleet import ReplicaHealth
from bickford_sora.stops import Stops
from ledger.application import Ledger
from ledger.envelope import Event
from ledger.render import Phase
from projections.backlog import Waiting
from projections.positions import Lag, Parked
from projections.renders import Found, RenderRow, Wanted
from projections.story import Story
from projections.videos import Video, rows
from projections.work import rows as work_rows
from tests.http.houses import KEY, NOW, Kit, make_kit

HOST = "http://house"


class FoldedRenders:
    """The read models' answers, folded from the ledger at every question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def page(self, wanted: Wanted, *, after: str | None = None, limit: int = 50) -> Found:
        found = [each for each in self._rows(wanted.tenant, wanted.project) if _matches(each, wanted)]
        if wanted.order == "dearest":
            found = [each for each in found if each.cost_micro > 0]
            found.sort(key=lambda each: (each.cost_micro, each.video_id), reverse=True)
            shown = int(after or 0)
            page = found[shown : shown + limit]
            return Found(tuple(page), str(shown + limit) if len(found) > shown + limit else None)
        found = [each for each in found if after is None or each.video_id < after]
        page = found[:limit]
        return Found(tuple(page), page[-1].video_id if len(found) > limit else None)

    def some(self, tenant: str, project: str | None, video_ids: Sequence[str]) -> Found:
        return Found(tuple(each for each in self._rows(tenant, project) if each.video_id in video_ids), None)

    def _rows(self, tenant: str, project: str | None) -> list[RenderRow]:
        events = self._ledger.read(0, limit=10_000)
        found = [self._row(stream, events) for stream in {e.stream for e in events if e.stream.startswith("render:")}]
        mine = [each for each in found if each.tenant == tenant and project in (None, each.project)]
        return sorted(mine, key=lambda each: each.video_id, reverse=True)

    def _row(self, stream: str, events: Sequence[Event]) -> RenderRow:
        story = Story(stream, self._ledger.history(stream))
        ((_, (_, *columns)),) = rows(story)
        video = Video(*columns)
        of_spend = [each.fact for each in events if each.stream.startswith("spend:")]
        spend = [each for each in of_spend if getattr(each, "video_id", None) == video.video_id]
        reserved = next((each for each in spend if each.TYPE == "spend.reserved"), None)
        items = [row for table, row in work_rows(story) if table == "items"]
        step, due_at = (items[0][4], items[0][5]) if items else (None, None)
        shared = {name: getattr(video, name) for name in RenderRow.__slots__ if hasattr(video, name)}
        return RenderRow(
            **{
                **shared,
                "phase": Phase(video.phase),
                "purpose": getattr(reserved, "purpose", None),
                "tags": getattr(reserved, "tags", ()),
                **_money(spend),
                "step": step,
                "retry_at": due_at if step in {"submit", "follow", "store"} else None,
            }
        )


def _money(facts: Sequence[Any]) -> dict[str, Any]:
    amounts = [(each.TYPE, money) for each in facts for money in _amounts(each)]
    sign = {"spend.reserved": 1, "spend.released": -1, "spend.adjusted": 1}
    return {
        "cost_micro": sum(sign.get(kind, 0) * money.amount_micro for kind, money in amounts),
        "currency": next((money.currency for _, money in amounts), None),
        "settled": any(kind == "spend.settled" for kind, _ in amounts),
    }


def _amounts(fact: Any) -> list[Any]:
    found = [getattr(fact, name, None) for name in ("cost", "amount", "money")]
    return [each for each in found if each is not None]


def _matches(row: RenderRow, wanted: Wanted) -> bool:
    small = {
        None: True,
        "held": row.phase is Phase.HELD,
        "retrying": row.retry_at is not None,
        "stuck": row.step == "reconcile"
        or (row.step is not None and wanted.stuck_before is not None and row.created_at < wanted.stuck_before),
    }[wanted.among]
    phases = wanted.phases or [each for each in Phase if each is not Phase.DENIED]
    equal = all(
        asked is None or asked == has
        for asked, has in (
            (wanted.requester, row.requester),
            (wanted.model, row.model),
            (wanted.renderer, row.renderer),
            (wanted.video_id, row.video_id),
            (wanted.purpose, row.purpose),
        )
    )
    in_time = (wanted.since is None or row.created_at >= wanted.since) and (
        wanted.until is None or row.created_at < wanted.until
    )
    return (
        small
        and equal
        and in_time
        and row.phase in phases
        and (row.deleted_at is not None) == wanted.deleted
        and (wanted.tag is None or wanted.tag in row.tags)
        and (wanted.cost_micro_min is None or row.cost_micro >= wanted.cost_micro_min)
        and (wanted.cost_micro_max is None or row.cost_micro <= wanted.cost_micro_max)
    )


def no_parts(arguments: Sequence[str], most_s: float) -> Iterator[bytes]:
    """Commands none of which says anything."""
    raise OSError(f"no {arguments} in {most_s}")


class FakedCommands:
    """Answers as the commands do, of the ledger in memory. Called at once: a page sees how they ended."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def __call__(self, arguments: Sequence[str], on_line: Callable[[str], None], text: str, most_s: float) -> Ended:
        assert most_s > 0
        head = self._kit.ledger.head()
        match arguments:
            case ["verify", *_]:
                on_line(f"verify {head} of {head} facts")
                found = {"facts": head, "covered": head, "checkpoints": 1, "findings": [], "held": True}
                return Ended(0, orjson.dumps(found))
            case ["replay", name, *_]:
                rebuilt = [{"name": name, "version": 1, "position": head}]
                return Ended(0, orjson.dumps({"rebuilt": rebuilt, "events": head, "took_s": 0.1}))
            case ["policy", "backtest", *_]:
                past = PastDecisions(self._kit.ledger, self._kit.keys)
                asked = Question(arguments[arguments.index("--tenant") + 1])
                report = compare(read_policy(text.encode()), past.recorded(asked, lambda *_: None))
                return Ended(0, orjson.dumps(as_document(report)))
        raise OSError("no such command")

    def parts(self, arguments: Sequence[str], most_s: float) -> Iterator[bytes]:
        """A line for each fact, as `export` writes them."""
        assert most_s > 0
        if "2000-01-01T00:00:00+00:00" in arguments:
            raise RuntimeError("it ended with 1")
        assert arguments[:3] == ("export", "--out", "-")
        for event in self._kit.ledger.read(0):
            yield orjson.dumps({"type": event.fact.TYPE}) + b"\n"


def operations_of(kit: Kit) -> Operations:
    """One renderer with two replicas, and two read models, one of which is behind."""
    head, stops = kit.ledger.head, Stops(kit.recording, tenant="main")
    renderer = ConfiguredRenderer(
        name="openai",
        dialect="openai",
        credential="openai-default",
        api_key=SecretStr("sk-secret"),
        replicas=("http://one", "http://two"),
        in_flight_max=4,
    )
    return Operations(
        tenant="main",
        versions={"videos": 1, "audit": 1},
        lag=lambda: [
            Lag("videos", 1, head(), head(), 0, 0.0, 0, 0, 0, rebuilding=False),
            Lag("audit", 1, head() - 1, head(), 1, 42.0, 1, 0, 1, rebuilding=False),
        ],
        parked=lambda: [Parked("audit", "render:main:0", 1, "invalid_event", NOW, None)],
        backlog=lambda: [Waiting("submit", "openai", 3, 12.0)],
        renderers=lambda: (renderer,),
        replicas=lambda: [
            ReplicaHealth("openai", "http://one", drained=False, down_for_s=0.0),
            ReplicaHealth("openai", "http://two", drained=False, down_for_s=8.0),
        ],
        stopped=lambda name: [model for _, model in stops.record(name).stopped],
        resume=lambda each, origin: stops.resume(each.name, each.credential, origin),
    )


def console_of(kit: Kit, **given: Any) -> Console:
    """The console of a kit's house."""
    faked = FakedCommands(kit)
    return Console(
        **{
            "house": kit.house,
            "clock": kit.clock,
            "sessions": Sessions(digest=kit.keys.digest, new_id=kit.house.new_id),
            "renders": FoldedRenders(kit.ledger),
            "attempts": Attempts(kit.clock.seconds),
            "exchanges_in_vain": Attempts(kit.clock.seconds),
            "operations": operations_of(kit),
            "commands": Commands(faked, faked.parts, kit.clock, start=lambda work: work()),
            "catalogue": kit.house.characters.catalogue,
            **given,
        }
    )


@functools.cache
def _app() -> FastAPI:
    """One application for all houses: the framework takes a fifth of a second to make its routes ready."""
    kit = make_kit()
    return with_console(kit.app, console_of(kit))


def make_console_kit(**given: Any) -> Kit:
    """A house in memory with its console. One at a time is open."""
    kit = make_kit(**given)
    app = _app()
    app.state.house, app.state.console = kit.house, console_of(kit)
    return replace(kit, app=app)


@dataclass
class Visitor:
    """Somebody with a browser: keeps cookies, sends where a form was, and follows no redirect by itself."""

    kit: Kit
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self, key: str = KEY, **fields: str) -> httpx.Response:
        """Signs in by the form."""
        return self.send("POST", "/login", data={"api_key": key, **fields})

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Opens a page."""
        return self.send("GET", path, headers=headers)

    def post(self, path: str, page: str = "/renders", **fields: Any) -> httpx.Response:
        """Sends a form of a page, with the token the page has."""
        return self.send("POST", path, data={"csrf": self.token(page), **fields})

    def token(self, page: str = "/renders") -> str:
        """The token that a page's forms bring back."""
        found = re.search(r'<meta name="csrf" content="([0-9a-f]+)">', self.get(page).text)
        assert found, page
        return found[1]

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, as a browser on a page of ours sends it."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        manners = {"origin": HOST, "sec-fetch-site": "same-origin", **({"cookie": cookie} if cookie else {})}
        headers = {**manners, **options.pop("headers", {})}

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.kit.app), base_url=HOST) as client:
                return await client.request(method, path, headers=headers, **options)

        answer = anyio.run(ask)
        for said in answer.headers.get_list("set-cookie"):
            self._keep(said)
        return answer

    def _keep(self, said: str) -> None:
        name, _, value = said.partition(";")[0].partition("=")
        self.cookies.pop(name, None)
        if "Max-Age=0" not in said:
            self.cookies[name] = value


def visitor(kit: Kit, key: str = KEY) -> Visitor:
    """Somebody who is signed in."""
    found = Visitor(kit)
    assert found.sign_in(key).status_code == 303
    return found
