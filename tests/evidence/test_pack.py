"""The evidence pack: it says what was decided, proves it with nothing but itself, and nothing in it can come alive."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest

from bickford_sora.decisions.policy import built_in
from bickford_sora.evidence.gathering import Evidence, gather
from bickford_sora.evidence.pack import files_of, write_pack
from bickford_sora.evidence.page import CHECKED_BY
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Context, Decision, Fact, Sealed
from ledger.events import (
    Asset,
    Money,
    PolicyPublished,
    PricesPublished,
    Quote,
    RenderApprovalRequested,
    RenderApproved,
    RenderIntent,
    RenderStored,
    SpendSettled,
    Verdict,
)
from ledger.keys import KEY_BYTES, Keys, MemoryKeyStore
from ledger.mapper import RecordedRow
from ledger.memory import MemoryRecorder
from ledger.proof.checkpoints import origin_of
from ledger.proof.memory import MemoryTree
from ledger.proof.notes import Signer
from ledger.proof.sequencer import Sequencer
from tests.ledger.ledger_facts import NOON, new_id

ALIVE = '<script>alert(1)</script><img src="http://elsewhere.test/x.png">'
"""A text that would like to be markup."""
PROMPT = f"a heron in the fog {ALIVE}"
TENANT = "main"
LEDGER_ID = UUID(int=5)
VIDEO = streams.video_id(new_id())
POLICY = f"version: 1\n# </pre>{ALIVE}\ndefault: allow\n"
POLICY_HASH, PRICES_HASH = "a" * 64, "b" * 64
COST = Money(amount_micro=400_000, currency="USD")


class World:
    """A ledger in memory with one render, its approval, its price and its files; and the tree over it."""

    def __init__(self) -> None:
        self.recorder = MemoryRecorder(lambda: NOON)
        self.ledger = Ledger(self.recorder)
        self.keys = Keys(bytes(KEY_BYTES), MemoryKeyStore())
        self.tree = MemoryTree(self.recorder, LEDGER_ID)
        self.signer = Signer(origin_of(LEDGER_ID), bytes(32))
        for stream, facts in self._facts().items():
            context = Context(tenant=TENANT, actor=f"key_1{ALIVE}", occurred_at=NOON)
            self.ledger.append(
                Decision.of([(stream, each) for each in facts], heads={}, context=context, new_id=new_id)
            )

    def sealed(self, text: str, field: str) -> Sealed:
        return self.keys.seal(text, requester="key_1", subject=VIDEO, field=field)

    def sign(self) -> None:
        """Takes a checkpoint of what there is."""
        Sequencer(self.tree, clock=lambda: NOON, signer=lambda _: self.signer, interval_s=60).take()

    def rows_at(self, positions: Sequence[int]) -> list[RecordedRow]:
        return [row for position in positions for row in self.recorder.read(position - 1, limit=1)]

    def evidence(self, *positions: int) -> Evidence:
        policy = built_in().compiled
        return gather(
            self.ledger, self.rows_at, positions or range(3, 8), tenant=TENANT, operator=TENANT, built_in=policy
        )

    def pack(self, path: Path, *, keys: Keys | None = None) -> Mapping[str, bytes]:
        """Writes an archive, and returns what is in it."""
        files = files_of(
            self.evidence(),
            title=f"Evidence on {VIDEO}",
            tree=self.tree,
            verifiers=[self.signer.verifier],
            keys=keys,
            made_at=NOON,
        )
        write_pack(path, files, NOON)
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def _facts(self) -> dict[str, list[Fact]]:
        quote = Quote(cost=COST, prices_hash=PRICES_HASH, quantity_milli=4_000, micro_per_unit=100_000)
        asset = Asset(
            variant="video",
            storage_uri="asset://films/1",
            sha256="c" * 64,
            bytes=1_234_567,
            media_type="video/mp4",
            width=1280,
            height=720,
            made_by="renderer",
            has_c2pa=False,
        )
        return {
            streams.policy(TENANT): [PolicyPublished(policy_hash=POLICY_HASH, text=POLICY)],
            streams.prices(TENANT): [PricesPublished(prices_hash=PRICES_HASH, text="[]")],
            streams.render(TENANT, VIDEO): [
                RenderIntent(
                    video_id=VIDEO,
                    project="films",
                    requester="key_1",
                    model="sora-2",
                    seconds="4",
                    size="1280x720",
                    prompt=self.sealed(PROMPT, "render.intent.prompt"),
                ),
                RenderApprovalRequested(
                    approval_id=streams.approval_id(VIDEO),
                    verdict=Verdict(policy_hash=POLICY_HASH, rules=("four-eyes",), saw={"model": f"x{ALIVE}"}),
                    expires_at=NOON + timedelta(hours=1),
                    renderer="vllm",
                    credential="main",
                    quote=quote,
                ),
                RenderApproved(
                    approval_id=streams.approval_id(VIDEO),
                    approver="key_2",
                    reason=self.sealed("it is for the spring film", "render.approved.reason"),
                ),
                RenderStored(assets=(asset,)),
            ],
            streams.spend(TENANT): [SpendSettled(video_id=VIDEO, cost=COST)],
        }


@pytest.fixture
def world() -> World:
    return World()


class Seen(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def said(page: bytes) -> Seen:
    return Seen(page.decode())


def test_the_page_tells_what_was_asked_decided_approved_charged_and_stored(world: World, tmp_path: Path) -> None:
    world.sign()
    text = said(world.pack(tmp_path / "pack.zip")["index.html"]).text
    for expected in (
        VIDEO,
        "create: sora-2, 4 s, 1280x720",
        "held for an approver",
        "four-eyes",
        POLICY_HASH,
        "by key_2",
        "0.40 USD: 4 x second at 0.10 USD",
        PRICES_HASH,
        "Settled\n0.40 USD",
        "c" * 64,
        "1,234,567 bytes",
        "of 7 facts",
        "covers all of it",
    ):
        assert expected in text


def test_texts_stay_sealed_unless_they_are_asked_for(world: World, tmp_path: Path) -> None:
    sealed, opened = world.pack(tmp_path / "1.zip"), world.pack(tmp_path / "2.zip", keys=world.keys)
    assert not any(b"heron" in content or b"spring film" in content for content in sealed.values())
    assert "(sealed)" in said(sealed["index.html"]).text
    text = said(opened["index.html"]).text
    assert PROMPT in text
    assert "it is for the spring film" in text
    assert b"heron" not in opened["facts.jsonl"]
    world.keys.destroy(requester="key_1")
    erased = world.pack(tmp_path / "3.zip", keys=world.keys)
    assert "(erased)" in said(erased["index.html"]).text


def test_the_page_loads_nothing_and_runs_nothing(world: World, tmp_path: Path) -> None:
    page = said(world.pack(tmp_path / "pack.zip", keys=world.keys)["index.html"])
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "img", "link", "iframe", "object", "form", "a", "base", "svg"})
    names = {name for _, attributes in page.elements for name in attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "class", "scope"}
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
    assert "url(" not in page.text
    assert "@import" not in page.text
    assert page.text.count(ALIVE) > 3  # it is all there, as text


def test_the_policy_and_the_prices_that_decided_are_in_it_word_for_word(world: World, tmp_path: Path) -> None:
    pack = world.pack(tmp_path / "pack.zip")
    assert pack[f"policies/{POLICY_HASH}.yaml"] == POLICY.encode()
    assert pack[f"prices/{PRICES_HASH}.json"] == b"[]"
    types = [json.loads(line)["type"] for line in pack["facts.jsonl"].splitlines()]
    assert types[:2] == ["policy.published", "prices.published"]


def test_it_is_checked_by_the_command_it_names_with_nothing_but_itself(world: World, tmp_path: Path) -> None:
    world.sign()
    pack = world.pack(tmp_path / "pack.zip")
    folder = unpacked(tmp_path)
    assert CHECKED_BY in pack["README.txt"].decode()
    done = check(folder)
    assert done.returncode == 0, done.stdout
    assert "holds: 7 of 7 facts are what was recorded at their positions (facts.jsonl)" in done.stdout
    facts = folder / "facts.jsonl"
    facts.write_bytes(facts.read_bytes().replace(b"1234567", b"1234568"))
    done = check(folder)
    assert done.returncode == 1
    assert "line 6, position 6: the payload is not the one that was recorded" in done.stdout


def test_what_no_checkpoint_covers_is_said_and_has_no_receipt(world: World, tmp_path: Path) -> None:
    pack = world.pack(tmp_path / "1.zip")
    assert "none was signed yet" in said(pack["index.html"]).text
    assert not any(name.startswith("receipts/") for name in pack)
    world.sign()
    context = Context(tenant=TENANT, actor="key_1", occurred_at=NOON)
    later = SpendSettled(video_id=VIDEO, cost=COST)
    heads = {streams.spend(TENANT): 1}
    world.ledger.append(Decision.of([(streams.spend(TENANT), later)], heads=heads, context=context, new_id=new_id))
    late = world.evidence(7, 8)
    files = dict(
        files_of(late, title="late", tree=world.tree, verifiers=[world.signer.verifier], keys=None, made_at=NOON)
    )
    assert "1 of these facts are behind it" in said(files["index.html"]).text
    assert [name for name in files if name.startswith("receipts/")] == ["receipts/0000000007.tlog-proof"]


def test_nothing_is_overwritten_and_nothing_is_left_half_written(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        write_pack(path, iter([("a", b"")]), NOON)
    assert path.read_text() == "mine"

    def failing() -> Iterator[tuple[str, bytes]]:
        yield "a", b""
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - any
        write_pack(tmp_path / "other.zip", failing(), datetime(2026, 1, 1))  # noqa: DTZ001 - only written down
    assert [each.name for each in tmp_path.iterdir()] == ["pack.zip"]


def unpacked(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "pack.zip") as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command that a pack names."""
    arguments = [sys.executable, "-S", *CHECKED_BY.split()[1:]]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
