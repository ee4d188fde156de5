"""What is pushed to others: hashes and signed notes, written once, and never a second history."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from bickford_sora import webhook_signatures
from bickford_sora.egress import Egress
from bickford_sora.pushed_folder import PushedFolder
from bickford_sora.pushing import CALL_TIMEOUT_S, LogTarget, Pushing, WebhookTarget, pushing_of
from bickford_sora.settings import Settings
from ledger.application import Ledger
from ledger.memory import MemoryRecorder
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.memory import MemoryTree
from ledger.proof.merkle import check_consistency
from ledger.proof.notes import Note
from tests.ledger.ledger_facts import NOON
from tests.ledger.proof.trees import Proven

LEDGER_ID = UUID("0190a0b0-0000-7000-8000-000000000001")
SECRET = "whsec_" + "c2VjcmV0" * 4


def new_history() -> Proven:
    recorder = MemoryRecorder()
    return Proven(Ledger(recorder), MemoryTree(recorder, LEDGER_ID))


@pytest.fixture
def proven() -> Proven:
    return new_history()


def tree_of(proven: Proven) -> MemoryTree:
    assert isinstance(proven.store, MemoryTree)
    return proven.store


def pushing(proven: Proven, folder: Path) -> Pushing:
    return Pushing(tree_of(proven), LogTarget("folder", PushedFolder(folder)))


def checkpoint_of(note: bytes | str) -> Checkpoint:
    return Checkpoint.parse(Note.parse(note))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_pushed_is_not_written_again(proven: Proven, tmp_path: Path) -> None:
    proven.grow(300)
    proven.sequencer.take()
    assert pushing(proven, tmp_path).step()
    before = {path: path.stat().st_ino for path in (tmp_path / "tile").rglob("*")}
    tree_of(proven).pushes.clear()  # a crash before it was kept how far it went
    assert pushing(proven, tmp_path).step()
    assert {path: path.stat().st_ino for path in (tmp_path / "tile").rglob("*")} == before


def test_a_push_that_fails_is_tried_again_and_says_how_far_it_lags(proven: Proven, tmp_path: Path) -> None:
    proven.grow(300)
    proven.sequencer.take()
    in_the_way = tmp_path / "pushed"
    in_the_way.write_text("a file where a folder should be")
    with capture_logs() as logs:
        assert not pushing(proven, in_the_way).step()
    assert [(each["event"], each["lag"]) for each in logs] == [("push_failed", 300)]
    in_the_way.unlink()
    assert pushing(proven, in_the_way).step()


@contextmanager
def endpoint(status: list[int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An endpoint that answers with these statuses, and what it was told."""
    told: list[tuple[dict[str, str], bytes]] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status.pop(0))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_is_signed_and_proves_that_it_goes_on(proven: Proven) -> None:
    with endpoint([204, 500, 204]) as (url, told):
        egress = Egress(allow_private=("127.0.0.0/8",))
        target = WebhookTarget(url, SECRET, egress=egress, clock=lambda: NOON)
        pushes = Pushing(tree_of(proven), target)
        proven.grow(300)
        first = proven.sequencer.take()
        assert pushes.step()
        proven.grow(5)
        second = proven.sequencer.take()
        assert not pushes.step(), "it answered 500"
        assert pushes.step()
    headers, body = told[-1]
    webhook_signatures.verify(body, headers, [SECRET], NOON)
    event = json.loads(body)
    assert (event["type"], event["data"]["old_size"], event["data"]["size"]) == ("ledger.checkpoint", 300, 305)
    assert event["data"]["checkpoint"] == second.note

    proof = [base64.b64decode(each) for each in event["data"]["consistency"]]
    check_consistency(old=300, old_root=first.root, new=305, new_root=second.root, proof=proof)


def test_a_webhook_to_a_private_address_is_refused(proven: Proven) -> None:
    proven.grow(1)
    proven.sequencer.take()
    target = WebhookTarget("https://10.0.0.1/", SECRET, egress=Egress(allow_private=()), clock=lambda: NOON)
    with capture_logs() as logs:
        assert not Pushing(tree_of(proven), target).step()
    assert [(each["event"], each["cause"]) for each in logs] == [("push_failed", "address_refused")]


def test_one_target_that_hangs_does_not_hold_up_another(proven: Proven, tmp_path: Path) -> None:
    tree, stop, folder = tree_of(proven), Event(), tmp_path / "pushed" / "checkpoints"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(
            data_dir=tmp_path,
            allow_private_addresses="127.0.0.0/8",
            checkpoint_push_folder=tmp_path / "pushed",
            checkpoint_push_url=f"http://127.0.0.1:{silent.getsockname()[1]}/",
            checkpoint_push_secret=SECRET,
        )
        threads = [
            Thread(target=each.run, args=(stop,), daemon=True) for each in pushing_of(settings, tree, lambda: NOON)
        ]
        for thread in threads:
            thread.start()
        for size in (1, 2):
            proven.grow(1)
            proven.sequencer.take()
            gives_up_at = time.monotonic() + CALL_TIMEOUT_S / 2
            while not (folder / str(size)).exists():
                assert time.monotonic() < gives_up_at
                time.sleep(0.05)
        stop.set()
    for thread in threads:  # what hung was reset with its socket
        thread.join(CALL_TIMEOUT_S)


def test_where_to_push_is_what_the_settings_say(tmp_path: Path) -> None:
    tree = MemoryTree(MemoryRecorder(), LEDGER_ID)
    settings = Settings(data_dir=tmp_path)
    assert pushing_of(settings, tree, lambda: NOON) == []
    given = {
        "checkpoint_push_folder": tmp_path,
        "checkpoint_push_url": "https://a.example",
        "checkpoint_push_secret": SECRET,
    }
    found = pushing_of(Settings(data_dir=tmp_path, **given), tree, lambda: NOON)
    assert [each.name for each in found] == ["folder", "webhook"]
