"""The page of a pack: each render's story with the positions it is read from, then what it rests on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from bickford_sora.decisions.amounts import units
from bickford_sora.evidence.gathering import Evidence
from bickford_sora.evidence.html import Html, document, element, fields, table
from bickford_sora.evidence.texts import Texts
from ledger.envelope import Event, Fact
from ledger.events import (
    Asset,
    Money,
    Quote,
    RenderAllowed,
    RenderApprovalRequested,
    RenderApproved,
    RenderCancelled,
    RenderDenied,
    RenderFailed,
    RenderIntent,
    RenderRerouted,
    RenderStored,
    SpendAdjusted,
    SpendReleased,
    SpendSettled,
    Verdict,
)

CHECKED_BY = "python -I verify_ledger.py facts.jsonl receipts --part --public-key log.key"
"""The command that checks a pack, run in its folder."""
_SHOWN_ABOVE = ("verdict.", "quote.", "video_id")
"""Fields that a history does without: the sections in front of it tell them."""
TEXT_CHARS_MAX = 400
"""Longest value of a history's table; the facts beside the page have all of it."""
_IN_WORDS: Mapping[type[Fact], str] = {
    RenderCancelled: "cancelled",
    RenderDenied: "denied",
    RenderFailed: "failed",
    RenderStored: "completed, its files are stored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a pack is of, in words."""

    title: str
    ledger_id: str
    made_at: datetime
    parked: int
    """Facts of the tenant that nobody could look through for those that belong in it."""
    covered: str
    """Which checkpoint covers it, or that none does."""
    opened: bool
    """Whether sealed texts are opened in it."""


def page(evidence: Evidence, about: About, texts: Texts) -> str:
    """The page, as HTML that opens offline."""
    body = [
        element("h1", about.title),
        fields(_heading(evidence, about)),
        element("div", _how_to_check(), class_="note"),
    ]
    for events in evidence.renders.values():
        body += _render(events, evidence, texts)
    body += _others(evidence, texts)
    body += _published("Policies in force", "Policy", evidence.policies)
    body += _published("Prices in force", "Price table", evidence.prices)
    style = files("bickford_sora.evidence").joinpath("style.css").read_text("utf-8")
    return document(about.title, style, body)


def _heading(evidence: Evidence, about: About) -> Iterator[tuple[str, str]]:
    yield "Ledger", about.ledger_id
    yield "Facts", f"{len(evidence.events)} in facts.jsonl, about {_counted(len(evidence.renders), 'render')}"
    if about.parked:
        left_out = f"{_counted(about.parked, 'fact')} of the tenant, which the version that made this could not read"
        yield "Not looked through", f"{left_out}: some of them may belong here"
    yield "Checkpoint", about.covered
    yield "Made", moment(about.made_at)
    sealed = "opened here; in the facts they stay sealed" if about.opened else "sealed, here and in the facts"
    yield "Prompts and other texts", sealed


def _how_to_check() -> list[Html]:
    return [
        element("strong", "Check it yourself. "),
        element("span", "Unpack the archive and run, in its folder:"),
        element("pre", CHECKED_BY),
        element(
            "span",
            "It needs Python 3.11 and nothing else. Compare the public key and the checkpoint with those you got from"
            " elsewhere. It proves what was recorded and when, not that a renderer told the truth.",
        ),
    ]


def _render(events: Sequence[Event], evidence: Evidence, texts: Texts) -> Iterator[Html]:
    """One render: what was asked, what was decided, what came of it, and every fact."""
    stream = events[0].stream
    yield element("h2", f"video_{stream.rpartition(':')[2]}")
    yield fields([("Outcome", _outcome(events)), *_asked(events, texts)])
    decided = [*_decided(events, texts)]
    if decided:
        yield element("h3", "Decision")
        yield fields(decided)
    money = [*_money(events, evidence)]
    if money:
        yield element("h3", "Price")
        yield fields(money)
    assets = [asset for event in events if isinstance(event.fact, RenderStored) for asset in event.fact.assets]
    if assets:
        yield element("h3", "Files")
        yield fields(map(_asset, assets))
    yield element("h3", "Every fact")
    yield _history(events, texts)


def _asked(events: Sequence[Event], texts: Texts) -> Iterator[tuple[str, str]]:
    for event in events:
        if isinstance(event.fact, RenderIntent):
            intent = event.fact
            yield "Asked", f"{moment(event.context.occurred_at)}, at position {event.position}"
            yield "By", f"{intent.requester}, with the key {event.context.actor}, in the project {intent.project}"
            yield "For", f"{intent.operation}: {intent.model}, {intent.seconds} s, {intent.size}"
            yield "Prompt", texts.text(intent.prompt)


def _outcome(events: Sequence[Event]) -> str:
    for event in reversed(events):
        words = _IN_WORDS.get(type(event.fact))
        if words:
            return f"{words} ({moment(event.context.occurred_at)}, position {event.position})"
    return "not ended in these facts"


def _decided(events: Sequence[Event], texts: Texts) -> Iterator[tuple[str, str]]:
    for event in events:
        fact, at = event.fact, f"{moment(event.context.occurred_at)}, position {event.position}"
        if isinstance(fact, RenderAllowed | RenderApprovalRequested | RenderDenied):
            words = {RenderAllowed: "allowed", RenderApprovalRequested: "held for an approver", RenderDenied: "denied"}
            yield "Verdict", f"{words[type(fact)]} ({at})"
            yield from _verdict(fact.verdict)
        if isinstance(fact, RenderApproved):
            reason = f": {texts.text(fact.reason)}" if fact.reason else ""
            yield "Approved", f"by {fact.approver} ({at}){reason}"
        if isinstance(fact, RenderDenied) and fact.approver:
            yield "Denied by", f"{fact.approver} ({at})"


def _verdict(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "By the policy", verdict.policy_hash
    yield "Rules that matched", ", ".join(verdict.rules) or "none"
    if verdict.decided_by:
        yield "Decided by", verdict.decided_by
    for warning in verdict.warnings:
        yield "Warned", f"{warning.rule}: {warning.message}"
    saw = [f"{name} = {value}" for name, value in verdict.saw.items() if value not in (None, [], {}, "")]
    yield "It saw", "; ".join(saw) or "nothing"


def _money(events: Sequence[Event], evidence: Evidence) -> Iterator[tuple[str, str]]:
    for event in events:
        fact = event.fact
        if isinstance(fact, RenderAllowed | RenderApprovalRequested | RenderRerouted) and fact.quote:
            yield "Quoted", f"{_quote(fact.quote)} (position {event.position})"
            yield "By the price table", fact.quote.prices_hash
    video_id = f"video_{events[0].stream.rpartition(':')[2]}"
    words = {SpendSettled: "Settled", SpendReleased: "Released", SpendAdjusted: "Corrected by"}
    for event in evidence.events:
        fact = event.fact
        if isinstance(fact, SpendSettled | SpendReleased | SpendAdjusted) and fact.video_id == video_id:
            yield words[type(fact)], f"{_amount(fact.cost)} (position {event.position})"


def _quote(quote: Quote) -> str:
    if quote.quantity_milli is None or quote.micro_per_unit is None:
        return _amount(quote.cost)
    each = Money(amount_micro=quote.micro_per_unit, currency=quote.cost.currency)
    return f"{_amount(quote.cost)}: {quote.quantity_milli / 1000:g} x {quote.unit} at {_amount(each)}"


def _amount(cost: Money | None) -> str:
    return "no price" if cost is None else f"{units(cost.amount_micro)} {cost.currency}"


def _asset(asset: Asset) -> tuple[str, str]:
    return asset.variant, f"SHA-256 {asset.sha256}, {asset.bytes:,} bytes, {asset.media_type}, at {asset.storage_uri}"


def _history(events: Sequence[Event], texts: Texts) -> Html:
    return table(
        ("Position", "Recorded", "Fact, and by whom", "What it says"),
        [
            (
                str(event.position),
                "" if event.recorded_at is None else moment(event.recorded_at),
                f"{event.fact.TYPE}\n{event.context.actor}",
                "; ".join(
                    f"{name} = {value[:TEXT_CHARS_MAX]}"
                    for name, value in texts.fields(event.fact)
                    if not name.startswith(_SHOWN_ABOVE)
                ),
            )
            for event in events
        ],
    )


def _others(evidence: Evidence, texts: Texts) -> list[Html]:
    """The facts outside the renders' own streams. Published texts have places of their own."""
    found = [event for event in evidence.events if not event.stream.startswith(("render:", "policy:", "prices:"))]
    return [element("h2", "Other facts"), _history(found, texts)] if found else []


def _published(title: str, what: str, texts: Mapping[str, str]) -> list[Html]:
    each = [
        element("details", [element("summary", f"{what} {digest}"), element("pre", text)])
        for digest, text in texts.items()
    ]
    return [element("h2", title), *each] if each else []


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def moment(when: datetime) -> str:
    """A moment for people, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
