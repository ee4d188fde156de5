import pytest

from bickford_sora.http.ranges import Unsatisfiable, is_unchanged, requested_range
from tests.http.houses import Kit, error_of, sha256

CONTENT = b"0123456789" * 100


def test_a_stored_video_is_sent_whole(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", headers={"accept": "application/binary"})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == "1000"
    assert answer.headers["etag"] == f'"{sha256(CONTENT)}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"


def test_head_describes_the_file_without_it(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    answer = kit.request("HEAD", f"/v1/videos/{video_id}/content")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "1000")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=990-", 990, 999),
        ("bytes=-5", 995, 999),
        ("bytes=-5000", 0, 999),
        ("bytes=500-5000", 500, 999),
    ],
)
def test_a_range_is_sent_in_part(kit: Kit, asked: str, first: int, last: int) -> None:
    video_id = kit.finished(CONTENT)
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/1000"
    assert answer.headers["content-length"] == str(last + 1 - first)


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_the_file_is_told_its_size(kit: Kit, asked: str) -> None:
    video_id = kit.finished(CONTENT)
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", headers={"range": asked})
    assert error_of(answer) == (416, "invalid_request_error", "Range", "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */1000"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=9-0", "lines=0-1", "bytes=", "bytes=-", "bytes=a-b", b"bytes=\xd9\xa1-\xd9\xa2"]
)
def test_a_range_that_cannot_be_read_is_ignored(kit: Kit, asked: str | bytes) -> None:
    video_id = kit.finished(CONTENT)
    raw = [(b"range", asked.encode() if isinstance(asked, str) else asked)]
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", headers=raw)
    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_a_client_that_has_the_file_is_not_sent_it_again(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    etag = f'"{sha256(CONTENT)}"'
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", headers={"if-none-match": f'"other", W/{etag}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


def test_a_range_of_another_version_gets_the_whole_file() -> None:
    assert requested_range("bytes=0-1", '"old"', etag='"new"', size_bytes=10) is None
    assert requested_range("bytes=0-1", '"new"', etag='"new"', size_bytes=10) == range(2)
    assert requested_range("bytes=5-5", None, etag='"new"', size_bytes=6) == range(5, 6)
    assert not is_unchanged('"old"', '"new"')
    assert is_unchanged("*", '"new"')
    with pytest.raises(Unsatisfiable):
        requested_range("bytes=6-", None, etag='"new"', size_bytes=6)


def test_content_before_completion_is_not_ready(kit: Kit) -> None:
    video_id = kit.create()
    kit.submit(video_id)
    kit.complete(video_id)
    answer = kit.request("GET", f"/v1/videos/{video_id}/content")
    assert error_of(answer) == (400, "invalid_request_error", "video_id", "video_not_completed")


def test_content_of_a_failed_render_will_never_come(kit: Kit) -> None:
    video_id = kit.create()
    kit.fail(video_id)
    answer = kit.request("GET", f"/v1/videos/{video_id}/content")
    assert error_of(answer) == (409, "invalid_request_error", "video_id", "video_failed")
    assert answer.headers["x-should-retry"] == "false"


def test_an_unknown_variant_is_refused_by_name_and_a_missing_one_is_not_found(kit: Kit) -> None:
    video_id = kit.finished()
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", params={"variant": "trailer"})
    assert error_of(answer) == (400, "invalid_request_error", "variant", "invalid_value")
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", params={"variant": "thumbnail"})
    assert error_of(answer) == (404, "invalid_request_error", "variant", "variant_not_found")


def test_a_file_that_is_gone_from_storage_is_gone_for_good(kit: Kit) -> None:
    video_id = kit.finished()
    kit.assets.delete(kit.render(video_id).assets[0].storage_uri)
    for method in ("GET", "HEAD"):
        answer = kit.request(method, f"/v1/videos/{video_id}/content")
        assert answer.status_code == 410
    assert error_of(kit.request("GET", f"/v1/videos/{video_id}/content"))[3] == "content_gone"
