"""What a bucket adds to the contract: parts, versions, a bucket that is not there, and a folder that moves into one."""

import hashlib
import sys
from itertools import count
from pathlib import Path
from typing import IO, Any

import obstore
import pytest
from obstore.store import GCSStore, MemoryStore, S3Store

from bickford_sora.assets.address import AssetAddress
from bickford_sora.assets.bucket import BucketAssetStore
from bickford_sora.assets.errors import AssetDamaged, AssetLocked, AssetStoreUnavailable
from bickford_sora.assets.local import LocalAssetStore
from bickford_sora.assets.opening import open_assets
from bickford_sora.assets.port import AssetStore
from bickford_sora.buckets import BucketUnusable, open_store
from bickford_sora.doctor.machine import check_assets
from bickford_sora.settings import Settings
from ledger.clock import system_clock
from tests.buckets import Bucket, under_versions

pytestmark = pytest.mark.xdist_group("asset_store")  # they share a server

CONTENT = bytes(range(256)) * (5 << 12)  # 5 MiB and no more is what S3 takes as a part
LARGE = CONTENT + b"one part more"
URI = AssetAddress("anna", hashlib.sha256(LARGE).hexdigest()).uri
KEY = URI.removeprefix("asset://")
prefixes = count()


@pytest.fixture
def prefix() -> str:
    return f"alone-{next(prefixes)}"


@pytest.fixture
def store(bucket: Bucket, prefix: str, tmp_path: Path) -> BucketAssetStore:
    return BucketAssetStore(open_store(bucket.url(prefix)), spool=tmp_path, part_bytes=len(CONTENT))


def put(store: AssetStore, content: bytes = LARGE) -> str:
    return store.put("anna", [content[:1000], content[1000:]], bytes_max=len(LARGE)).storage_uri


def opened(tmp_path: Path, url: str | None) -> AssetStore:
    return open_assets(Settings(data_dir=tmp_path, assets_url=url), clock=system_clock)


def test_a_large_file_is_sent_in_parts_and_once(store: BucketAssetStore, bucket: Bucket, prefix: str) -> None:
    assert put(store) == URI
    sent = bucket.client.head_object(Bucket=bucket.name, Key=f"{prefix}/{KEY}")
    assert sent["ETag"].endswith('-2"'), "it came in two parts"
    bucket.mark(f"{prefix}/{KEY}")
    assert put(store) == URI
    assert bucket.is_marked(f"{prefix}/{KEY}"), "it was written over"
    assert b"".join(store.open(URI, 7, len(LARGE) - 3)) == LARGE[7:-3]


def test_changed_bytes_are_found_and_not_overwritten(store: BucketAssetStore, bucket: Bucket, prefix: str) -> None:
    for content in (b"short", LARGE):
        uri = put(store, content)
        bucket.put(f"{prefix}/{uri.removeprefix('asset://')}", b"planted by somebody")
        with pytest.raises(AssetDamaged, match="has the hash"):
            put(store, content)
        assert b"".join(store.open(uri)) == b"planted by somebody"


def test_parts_that_the_bucket_dropped_for_those_of_another_are_no_failure(
    store: BucketAssetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_object = obstore.put

    def put_second(bucket: S3Store, key: str, file: IO[bytes], **options: Any) -> None:
        """Azure, for whoever commits a block list after another: the blocks it names are gone (InvalidBlockList)."""
        put_object(bucket, key, file, **options)
        raise obstore.exceptions.GenericError("InvalidBlockList")

    monkeypatch.setattr(obstore, "put", put_second)
    assert put(store) == URI
    assert b"".join(store.open(URI)) == LARGE
    with pytest.raises(AssetStoreUnavailable, match="InvalidBlockList"):
        put(store, b"sent in one request")


def test_nothing_is_left_in_the_spool_folder(store: BucketAssetStore, tmp_path: Path) -> None:
    put(store)
    assert [*tmp_path.iterdir()] == []


def test_a_full_disk_is_a_failure_of_storage(tmp_path: Path) -> None:
    store = BucketAssetStore(MemoryStore(), spool=tmp_path / "gone", part_bytes=10)
    (tmp_path / "gone").rmdir()
    with pytest.raises(AssetStoreUnavailable, match="spool"):
        put(store)


def test_a_missing_bucket_is_unavailable_rather_than_empty(bucket: Bucket, tmp_path: Path) -> None:
    store = opened(tmp_path, "s3://nobody-made-this-bucket/prefix")
    for question in (store.size, store.exists, store.open, store.delete, store.is_locked):
        with pytest.raises(AssetStoreUnavailable):
            question(URI)
    with pytest.raises(AssetStoreUnavailable):
        store.forget("anna")
    with pytest.raises(AssetStoreUnavailable):
        put(store)


def test_a_server_that_is_away_is_unavailable(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(AssetStoreUnavailable, match="error sending request"):
        opened(tmp_path, bucket.url("prefix")).size(URI)


def test_what_a_bucket_with_versions_would_keep_is_not_called_deleted(
    store: BucketAssetStore, bucket: Bucket, prefix: str
) -> None:
    with under_versions(bucket):
        kept = put(store, b"of a bucket with versions")
    plain = put(store, b"of one without")
    assert (store.is_locked(kept), store.is_locked(plain)) == (True, False)
    for attempt in (lambda: store.delete(kept), lambda: store.forget("anna")):
        with pytest.raises(AssetLocked):
            attempt()
    assert b"".join(store.open(kept)) == b"of a bucket with versions"


def test_the_doctor_names_versions_and_a_missing_bucket(bucket: Bucket, prefix: str, tmp_path: Path) -> None:
    with under_versions(bucket):
        kept = check_assets(Settings(data_dir=tmp_path, assets_url=bucket.url(prefix)), system_clock)
    assert (kept.state, "versions" in kept.found) == ("warning", True)
    missing = check_assets(Settings(data_dir=tmp_path, assets_url="s3://nobody-made-this-bucket"), system_clock)
    assert (missing.state, "BICKFORD_ASSETS_URL" in missing.advice) == ("problem", True)


def test_a_folder_that_was_copied_into_a_bucket_is_read_by_the_same_addresses(
    bucket: Bucket, prefix: str, tmp_path: Path
) -> None:
    folder = LocalAssetStore(tmp_path / "assets", clock=system_clock)
    uris = [put(folder, b"a video"), put(folder, b"its thumbnail")]
    for path in filter(Path.is_file, (tmp_path / "assets").rglob("*")):
        bucket.put(f"{prefix}/{path.relative_to(tmp_path / 'assets')}", path.read_bytes())
    moved = opened(tmp_path, bucket.url(prefix))
    assert [b"".join(moved.open(uri)) for uri in uris] == [b"a video", b"its thumbnail"]
    assert put(moved, b"a video") == uris[0]
    assert moved.forget("anna") == 2


def test_a_folder_may_be_named_by_its_address(tmp_path: Path) -> None:
    uri = put(opened(tmp_path, f"file://{tmp_path}/else%20where"))
    assert (tmp_path / "else where" / KEY).is_file()
    assert not opened(tmp_path, None).exists(uri)


@pytest.mark.parametrize("url", ["gs://bucket/prefix", "az://container/prefix"])
def test_other_clouds_are_opened_without_being_called(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert isinstance(opened(tmp_path, url), BucketAssetStore)


def test_a_version_of_google_says_nothing_of_a_lock(tmp_path: Path) -> None:
    store = BucketAssetStore(GCSStore("bucket", skip_signature=True), spool=tmp_path)
    assert not store.is_locked(URI)


@pytest.mark.parametrize("url", ["bucket", "http://bucket/x", "s3://", "file://relative", "file:/folder"])
def test_another_address_is_no_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give s3://BUCKET/PREFIX"):
        opened(tmp_path, url)


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(BucketUnusable, match=r"pip install 'bickford-sora\[s3\]'"):
        opened(tmp_path, "s3://bucket")
