"""What others keep, in a folder or a bucket: one contract, and what an object lock adds to it."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from structlog.testing import capture_logs

from bickford_sora import pushed_bucket
from bickford_sora.buckets import BucketUnusable
from bickford_sora.cli.problems import explained
from bickford_sora.pushed_bucket import PushedBucket
from bickford_sora.pushed_folder import PushedFolder
from bickford_sora.pushed_log import PushedLog, open_pushed
from bickford_sora.pushing import LogTarget, Pushing, pushing_of
from bickford_sora.settings import Settings
from ledger.memory import MemoryRecorder
from ledger.proof.errors import Diverged, NotCovered
from ledger.proof.memory import MemoryTree
from ledger.proof.merkle import root
from ledger.proof.notes import NOTE_BYTES_MAX
from ledger.proof.tiles import TILE_BYTES, Tile, TileNodes
from tests.buckets import Bucket, bucket_under_lock
from tests.ledger.ledger_facts import NOON
from tests.test_pushing import LEDGER_ID, checkpoint_of, new_history, tree_of

pytestmark = pytest.mark.xdist_group("pushed_log")  # they share a server

FULL = Tile(0, 0)
PARTIAL = Tile(0, 1, 3)
Opened = Callable[[], PushedLog]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with bucket_under_lock() as found:
        yield found


@pytest.fixture
def credentials(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)


prefixes = count()


@pytest.fixture(params=["folder", "memory", "s3"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens one and the same place again and again, which is empty at first."""
    if request.param == "s3":
        request.getfixturevalue("credentials")
        url = request.getfixturevalue("bucket").url(f"prefix-{next(prefixes)}")
        return lambda: open_pushed(url)
    if request.param == "folder":
        return lambda: PushedFolder(tmp_path)
    store = MemoryStore()
    return lambda: PushedBucket(store)


def pushing(history: MemoryTree, log: PushedLog) -> Pushing:
    return Pushing(history, LogTarget("others", log))


@pytest.fixture
def trickling() -> Iterator[str]:
    """A server whose answers come a byte at a time, for as long as anybody reads."""

    class Trickle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.send_header("last-modified", "Sun, 22 Nov 2026 12:00:00 GMT")
            self.send_header("etag", '"x"')
            self.end_headers()
            with suppress(OSError):
                for _ in range(1000):
                    self.wfile.write(b".")
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Trickle) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_bucket_that_trickles_keeps_no_push_for_long(
    trickling: str, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", trickling)
    monkeypatch.setattr(pushed_bucket, "CALL_S_MAX", 0.5)
    log = PushedBucket.at("s3://others/log")
    began = time.monotonic()
    with pytest.raises(OSError, match=r"s3|S3"):
        log.newest()
    assert time.monotonic() - began < 20, "not the 50 s that all of it takes"


def test_nothing_was_pushed_yet(opened: Opened) -> None:
    log = opened()
    assert (log.newest(), [*log.checkpoints()]) == (None, [])
    with pytest.raises(NotCovered):
        log.tile(FULL)


def test_it_leads_to_every_checkpoint(opened: Opened) -> None:
    history = new_history()
    assert pushing(tree_of(history), opened()).step(), "there is nothing to push yet"
    for facts in (99, 1, 400):
        history.grow(facts)
        history.sequencer.take()
        assert pushing(tree_of(history), opened()).step()
    log = opened()
    notes = [*log.checkpoints()]
    assert [checkpoint_of(each).size for each in notes] == [99, 100, 500], "by size, not by name"
    assert log.newest() == notes[-1]
    for each in map(checkpoint_of, notes):
        assert root(TileNodes(log.tile, each.size), each.size) == each.root


def test_the_same_may_be_pushed_again_and_by_somebody_else(opened: Opened) -> None:
    tiles = [(FULL, b"f" * TILE_BYTES), (PARTIAL, b"p" * 96)]
    for _ in range(2):
        opened().push(259, "note", tiles)
    assert [*opened().checkpoints()] == [b"note"]
    assert opened().tile(Tile(0, 0, 2)) == b"f" * 64, "of the full tile, where there is one"


def test_tiles_come_before_the_checkpoint_that_needs_them(opened: Opened) -> None:
    def dies() -> Iterator[tuple[Tile, bytes]]:
        yield FULL, b"f" * TILE_BYTES
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        opened().push(256, "note", dies())
    assert opened().tile(FULL) == b"f" * TILE_BYTES
    assert (opened().newest(), [*opened().checkpoints()]) == (None, [])


@pytest.mark.parametrize("other", [b"x" * TILE_BYTES, b"f", b"f" * (TILE_BYTES + 1)])
def test_a_tile_that_is_there_and_is_another_stays(opened: Opened, other: bytes) -> None:
    opened().push(256, "note", [(FULL, b"f" * TILE_BYTES)])
    with pytest.raises(Diverged):
        opened().push(512, "next", [(FULL, other)])
    assert opened().tile(FULL) == b"f" * TILE_BYTES
    assert [*opened().checkpoints()] == [b"note"]


def test_a_checkpoint_that_is_there_and_is_another_stays(opened: Opened) -> None:
    opened().push(1, "one", [])
    with pytest.raises(Diverged):
        opened().push(1, "another", [])
    assert ([*opened().checkpoints()], opened().newest()) == ([b"one"], b"one")


@pytest.mark.parametrize("facts", [300, 200, 500])
def test_a_second_history_is_refused_and_logged(opened: Opened, facts: int) -> None:
    first, second = new_history(), new_history()
    for history, size in ((first, 300), (second, facts)):
        history.grow(size)
        history.sequencer.take()
    assert pushing(tree_of(first), opened()).step()
    with capture_logs() as logs:
        assert not pushing(tree_of(second), opened()).step()
    assert [(each["event"], each["log_level"]) for each in logs] == [("push_refused", "error")]
    assert [checkpoint_of(each).size for each in opened().checkpoints()] == [300]


def test_a_checkpoint_that_is_too_long_is_not_read_to_its_end(opened: Opened) -> None:
    opened().push(1, "a" * (NOTE_BYTES_MAX + 5), [])
    assert [len(each) for each in opened().checkpoints()] == [NOTE_BYTES_MAX + 1]


def test_nobody_removes_or_replaces_what_an_object_lock_keeps(bucket: Bucket, credentials: None) -> None:
    log = open_pushed(bucket.url("locked"))
    log.push(1, "one", [(PARTIAL, b"p" * 96)])
    log.push(2, "two", [])
    with pytest.raises(Diverged):
        log.push(2, "another", [])
    assert bucket.versions("locked/") == {
        "tile/0/001.p/3": [b"p" * 96],
        "checkpoints/1": [b"one"],
        "checkpoints/2": [b"two"],
        "checkpoint": [b"one", b"two"],
    }
    bucket.put("locked/checkpoints/1", b"forged")
    assert bucket.remove_all("locked/") == ["AccessDenied"] * 6
    assert bucket.versions("locked/")["checkpoints/1"] == [b"one", b"forged"], "one that is put over it hides nothing"


def test_what_is_there_is_not_written_again(bucket: Bucket, credentials: None) -> None:
    history = new_history()
    history.grow(300)
    history.sequencer.take()
    for _ in range(2):
        assert pushing(tree_of(history), open_pushed(bucket.url("again"))).step()
        tree_of(history).pushes.clear()  # a crash before it was kept how far it went
    written = {name: len(versions) for name, versions in bucket.versions("again/").items()}
    assert [name for name, versions in written.items() if versions > 1] == ["checkpoint"]


def test_a_bucket_that_is_not_there_is_tried_again(credentials: None) -> None:
    history = new_history()
    history.grow(3)
    history.sequencer.take()
    with capture_logs() as logs:
        assert not pushing(tree_of(history), open_pushed("s3://no-such-bucket")).step()
    assert [(each["event"], each["lag"], "\n" in each["cause"]) for each in logs] == [("push_failed", 3, False)]
    with pytest.raises(OSError, match="404"):
        open_pushed("s3://no-such-bucket").checkpoints()


def test_a_bucket_is_pushed_to_where_the_settings_say_so(bucket: Bucket, credentials: None, tmp_path: Path) -> None:
    tree = MemoryTree(MemoryRecorder(), LEDGER_ID)
    settings = Settings(data_dir=tmp_path, checkpoint_push_folder=tmp_path, checkpoint_push_bucket=bucket.url(""))
    found = pushing_of(settings, tree, lambda: NOON)
    assert [each.name for each in found] == ["folder", "bucket"]


@pytest.mark.parametrize("url", ["https://bucket.example", "file:///etc", "memory:///", "s3:/bucket://"])
def test_an_address_that_is_no_buckets_is_refused(url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, checkpoint_push_bucket=url)
    with pytest.raises(BucketUnusable, match="s3://BUCKET/PREFIX"):
        pushing_of(settings, MemoryTree(MemoryRecorder(), LEDGER_ID), lambda: NOON)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(BucketUnusable) as refused:
        open_pushed("s3://bucket")
    assert explained(refused.value).startswith("error (bucket_unusable): A bucket needs the extra bickford-sora[s3]")
