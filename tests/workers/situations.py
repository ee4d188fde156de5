"""What stories of the failure table begin with, where that is more than a render that is asked for."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from bickford_sora import webhook_signatures
from bickford_sora.decisions.catalogue import OnUnknown, Recovery
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.webhook_intake import Webhook, WebhookIntake, WebhookSource
from ledger.events import WebhookReceived
from ledger.identifiers import id_maker
from ledger.render import Phase
from tests.gateways import WEBHOOK_SECRET
from tests.workers.failure_table import Given
from tests.workers.harness import FragileRecording, Harness
from tests.workers.recoveries import again


def without_list(rule: OnUnknown) -> Callable[[Harness], None]:
    """The renderer lists nothing, so that a rule decides about unknown outcomes."""

    def given(shop: Harness) -> None:
        shop.renderer.capabilities = replace(CAPABILITIES, lists=False)
        shop.renderer.recovery = Recovery(on_unknown=rule)

    return given


def two_renderers(shop: Harness) -> None:
    """The route goes on to another renderer."""
    shop.another()


def late_answer(shop: Harness) -> None:
    """The first request is held on its way until a rule has had a second job made, and that video is stored."""
    without_list("resubmit")(shop)

    def meanwhile() -> None:
        shop.run(until=lambda: shop.render(shop.accepted[0]).phase is Phase.STORED)

    shop.mischief.hooks["on its way"] = meanwhile


def told(shop: Harness) -> None:
    """The renderer tells of its job by webhook, and again until that is acknowledged; it is recorded once."""
    recording = FragileRecording(shop.ledger, clock=shop.clock, new_id=id_maker(shop.clock))
    recording.mischief = shop.mischief
    source = WebhookSource("mem", (WEBHOOK_SECRET,))
    intake = WebhookIntake(recording, {"memory": source}.get, tenant="main", webhook_tolerance_s=300)

    def sent() -> None:
        said = {"id": "evt_1", "type": "video.completed", "created_at": 1, "data": {"id": "job-1"}}
        body = json.dumps(said).encode()
        headers = webhook_signatures.sign(body, webhook_id="msg_1", sent_at=shop.clock(), secrets=[WEBHOOK_SECRET])
        [answer] = asyncio.run(intake.receive([Webhook("memory", headers, body)]))
        if isinstance(answer, Exception):
            raise answer

    again(shop, sent)
    facts = [event.fact for event in shop.ledger.read(0)]
    assert sum(isinstance(fact, WebhookReceived) for fact in facts) == 1, "one webhook-id, however often"


def told_by_webhook(shop: Harness) -> None:
    """The webhook comes when the job is first asked about."""
    shop.mischief.hooks["status"] = lambda: told(shop)


SITUATIONS: Mapping[Given, Callable[[Harness], None]] = MappingProxyType(
    {
        "nothing": lambda _: None,
        "no list: resubmit": without_list("resubmit"),
        "no list: fail": without_list("fail"),
        "two renderers": two_renderers,
        "answer comes late": late_answer,
        "told by webhook": told_by_webhook,
    }
)
