"""The rooms of a house over a ledger in memory, and what they stand on."""

import atexit
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from bickford_sora.api_keys import ApiKeys
from bickford_sora.approvals import Approvals
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.memory import MemoryAssetStore
from bickford_sora.audits import Audits
from bickford_sora.batches import Batches
from bickford_sora.budgets import Budgets
from bickford_sora.callers import PURPOSE, Callers
from bickford_sora.characters import Characters
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.policy import Policy, built_in
from bickford_sora.decisions.routing import IsStopped
from bickford_sora.dispatch import Dispatch
from bickford_sora.egress import Egress
from bickford_sora.endpoints import WebhookEndpoints
from bickford_sora.erasing import Erasing
from bickford_sora.erasure_list import ErasureList, Listed
from bickford_sora.erasures import Erasures
from bickford_sora.evidence.packing import Packing
from bickford_sora.four_eyes import FourEyes
from bickford_sora.http.crossing import in_thread
from bickford_sora.http.gathering import Gathering
from bickford_sora.http.house import Limits
from bickford_sora.http.tide import Tide
from bickford_sora.intake import Intake
from bickford_sora.invoices import Invoices
from bickford_sora.issued_keys import IssuedKeys
from bickford_sora.legal_holds import LegalHolds
from bickford_sora.moderation import Moderation
from bickford_sora.observations import Observations
from bickford_sora.pasts import Pasts
from bickford_sora.patience import resolve as system_resolve
from bickford_sora.policies import Policies
from bickford_sora.preparing import Desk
from bickford_sora.price_tables import PriceTables
from bickford_sora.queueing import Queueing
from bickford_sora.quoting import Quoting
from bickford_sora.recording import Recording
from bickford_sora.references import References
from bickford_sora.renderers.port import Renderer
from bickford_sora.reviews import Reviews
from bickford_sora.spend_reports import SpendReports
from bickford_sora.unknown import Unknown
from bickford_sora.webhook_intake import WebhookIntake, WebhookSource
from ledger.application import Ledger
from ledger.events.changes import Kind
from ledger.identifiers import id_maker
from ledger.keys import Keys, MemoryKeyStore
from ledger.memory import MemoryRecorder
from ledger.proof.memory import MemoryTree
from ledger.proof.proofs import Proofs
from tests.http.folded_audit import FoldedAudit
from tests.http.folded_questions import FoldedQuestions
from tests.http.folded_queue import FoldedQueue
from tests.http.folded_rows import FoldedApiKeys, FoldedEndpoints, FoldedVideos, FoldedWork
from tests.http.folded_spend import FoldedSpend

KEY = "bk_live_alpha_key"
OTHER_KEY = "bk_live_beta_key"
FOREIGN_KEY = "bk_live_foreign_key"
"""Of the project alpha of another tenant."""
ROOT_KEY = "bk_live_root_key"
"""Spans the tenant of the first two."""
FOREIGN_ROOT_KEY = "bk_live_foreign_root_key"
"""Spans that other tenant."""
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
NOW = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
BODY_BYTES_MAX = 1_000_000
APPROVAL_S = 3600.0
SOURCE_BYTES_MAX = 600_000
LINK_S = 900.0
CALL_S = 150.0
INSPECTOR = MediaInspector(limits=MediaLimits())
"""Of every house of the run: what it starts, it starts once."""
atexit.register(INSPECTOR.close)


class MemoryList(ErasureList):
    """The list of erasures, without a file."""

    def __init__(self) -> None:
        self.entries: list[Listed] = []

    def append(self, entry: Listed) -> None:
        self.entries.append(entry)

    def __iter__(self) -> Iterator[Listed]:
        return iter(self.entries)


class SettableClock:
    """A clock that moves a millisecond at every look, so that ids are in the order of their making."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def seconds(self) -> float:
        """Where a monotonic clock is wanted."""
        return self.now.timestamp()


def _resolve(host: str, port: int) -> Sequence[str]:
    """No name leaves the house: one that says so is private, any other public."""
    if re.fullmatch(r"[0-9a-fx.:]+", host):
        return system_resolve(host, port)
    return ["10.0.0.1"] if host.endswith(".internal") else ["93.184.215.14"]


def _callers(ledger: Ledger, keys: Keys, clock: SettableClock) -> Callers:
    return Callers(
        {
            KEY: "alpha",
            OTHER_KEY: "beta",
            FOREIGN_KEY: "acme/alpha",
            ROOT_KEY: "default",
            FOREIGN_ROOT_KEY: "acme/default",
        },
        digest=keys.digest,
        spanning=[ROOT_KEY, FOREIGN_ROOT_KEY],
        issued=IssuedKeys(ledger, clock),
    )


@dataclass
class Ground:
    """What the rooms of a house stand on."""

    clock: SettableClock
    recorder: MemoryRecorder
    ledger: Ledger
    keys: Keys
    recording: Recording
    assets: MemoryAssetStore
    egress: Egress
    four_eyes: FourEyes
    policies: Policies
    renderer: Renderer | None
    secrets: Iterator[int]
    """Bytes of the secrets that are made."""
    waits: list[float]
    """For how long somebody was ready to wait for a read model."""

    def new_secret(self, length: int) -> bytes:
        """The next bytes."""
        return bytes(next(self.secrets) for _ in range(length))

    def wait(self, timeout_s: float) -> bool:
        """Every read model is always up to date."""
        self.waits.append(timeout_s)
        return True

    def wait_for_facts(self, timeout_s: float) -> int:
        """It lacks none."""
        return int(not self.wait(timeout_s))


def make_ground(
    clock: SettableClock,
    policy: Policy | None,
    four_eyes: Sequence[Kind],
    offered: Catalogue,
    renderer: Renderer | None,
) -> Ground:
    recorder = MemoryRecorder(clock)
    ledger = Ledger(recorder)
    keys = Keys(b"m" * 32, MemoryKeyStore())
    recording = Recording(ledger, clock=clock, new_id=id_maker(clock))
    second_admin = FourEyes(recording=recording, keys=keys, kinds=four_eyes, approval_s=APPROVAL_S)
    return Ground(
        clock=clock,
        recorder=recorder,
        ledger=ledger,
        keys=keys,
        recording=recording,
        assets=MemoryAssetStore(read_chunk_bytes_max=256),
        egress=Egress(allow_private=("127.0.0.0/8",), resolve=_resolve),
        four_eyes=second_admin,
        policies=Policies(
            recording, built_in=policy or built_in(), models=lambda: offered.routes, four_eyes=second_admin
        ),
        renderer=renderer,
        secrets=itertools.cycle(range(251)),
        waits=[],
    )


def make_desk(ground: Ground, offered: Catalogue, is_stopped: IsStopped, *, repeats_answers: bool) -> Desk:
    return Desk(
        recording=ground.recording,
        keys=ground.keys,
        references=References(
            assets=ground.assets,
            inspector=INSPECTOR,
            keys=ground.keys,
            egress=ground.egress,
            reference_bytes_max=500_000,
            source_bytes_max=SOURCE_BYTES_MAX,
        ),
        policies=ground.policies,
        moderation=Moderation(ground.egress, {"MODERATION_KEY": "sk-moderation"}),
        approval_s=APPROVAL_S,
        catalogue=lambda: offered,
        is_stopped=is_stopped,
        repeats_answers=repeats_answers,
    )


def asking(ground: Ground, desk: Desk) -> dict[str, Any]:
    """The rooms where videos and characters are asked for, and what becomes of them is told."""
    intake = Intake(desk)
    sources = {"openai": WebhookSource("openai-default", (WEBHOOK_SECRET,)), "silent": WebhookSource("none", ())}
    webhooks = WebhookIntake(ground.recording, sources.get, tenant="main", webhook_tolerance_s=300)
    return {
        "intake": intake,
        "quoting": Quoting(desk),
        "batches": Batches(ground.recording, ground.keys, intake),
        "receiving": Gathering(webhooks.receive),
        "deciding": Gathering(in_thread(intake.ask_all)),
        "observations": Observations(ground.recording, ground.keys),
        "unknown": Unknown(
            recording=ground.recording,
            keys=ground.keys,
            query=FoldedWork(ground.ledger),
            renderer=lambda _name, _credential, _replica: ground.renderer,
            catalogue=desk.catalogue,
        ),
        "characters": Characters(
            recording=ground.recording,
            keys=ground.keys,
            references=desk.references,
            catalogue=desk.catalogue,
            renderer=lambda _name, _credential: ground.renderer,
            call_s=CALL_S,
        ),
        "reviews": Reviews(ground.recording, ground.keys),
        "approvals": Approvals(recording=ground.recording, keys=ground.keys, query=FoldedVideos(ground.ledger)),
        "endpoints": WebhookEndpoints(
            recording=ground.recording,
            keys=ground.keys,
            dispatch=Dispatch(ground.egress, ground.keys),
            query=FoldedEndpoints(ground.ledger),
            new_secret=ground.new_secret,
        ),
    }


def administration(ground: Ground) -> dict[str, Any]:
    """The rooms of who may do what, at what cost, and for how long it is kept."""
    recording, keys, four_eyes = ground.recording, ground.keys, ground.four_eyes
    spend = FoldedSpend(ground.ledger)
    erasures = Erasures(recording=recording, keys=keys, assets=ground.assets, kept=MemoryList())
    return {
        "callers": _callers(ground.ledger, keys, ground.clock),
        "four_eyes": four_eyes,
        "policies": ground.policies,
        "price_tables": PriceTables(recording, tenant="main"),
        "budgets": Budgets(recording, four_eyes),
        "spend_reports": SpendReports(recording, spend),
        "invoices": Invoices(recording, keys, spend, FoldedAudit(ground.ledger), lambda: True),
        "erasing": Erasing(erasures=erasures, four_eyes=four_eyes),
        "legal_holds": LegalHolds(recording=recording, keys=keys, four_eyes=four_eyes),
        "api_keys": ApiKeys(
            recording=recording,
            keys=keys,
            digest=lambda secret: keys.digest(PURPOSE, secret.encode()),
            query=FoldedApiKeys(ground.ledger),
            four_eyes=four_eyes,
            new_secret=ground.new_secret,
        ),
    }


def looking(ground: Ground) -> dict[str, Any]:
    """The rooms where what was recorded is looked at and proved."""
    ledger = ground.ledger
    tree = MemoryTree(ground.recorder, UUID(int=1))
    return {
        "videos": FoldedVideos(ledger),
        "pasts": Pasts(ledger, ground.clock),
        "audits": Audits(
            ledger=ledger,
            keys=ground.keys,
            query=FoldedAudit(ledger),
            questions=FoldedQuestions(ledger),
            clock=ground.clock,
            wait_for_words=None,
        ),
        "proofs": Proofs(tree, ground.recorder),
        "packs": Packing(
            ledger=ledger,
            rows_at=lambda positions: [row for at in positions for row in ground.recorder.read(at - 1, limit=1)],
            tree=tree,
            verifiers=tuple,
            keys=ground.keys,
            operator="main",
            built_in=built_in(None).compiled,
            clock=ground.clock,
        ),
        "queueing": Queueing(FoldedQueue(ledger), dict, ground.clock),
        "audited": ledger.head,
        "tide": Tide(ledger.head),
    }


def read_model_waits(ground: Ground) -> dict[str, Any]:
    models = ("work", "api_keys", "videos", "endpoints")
    return {
        **{f"wait_for_{model}": ground.wait for model in models},
        **dict.fromkeys(("wait_for_audit", "wait_for_questions", "wait_for_spend"), ground.wait_for_facts),
    }


def limits_of(given: dict[str, Any]) -> Limits:
    usual: dict[str, Any] = {
        "body_bytes_max": BODY_BYTES_MAX,
        "source_bytes_max": SOURCE_BYTES_MAX,
        "projection_wait_s": 2.0,
        "poll_after_ms": 1234,
    }
    return Limits(**{**usual, **given})
