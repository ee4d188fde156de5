from datetime import timedelta

import pytest

from bickford_sora.http.ranges import Unsatisfiable, is_unchanged, requested_range
from tests.http.houses import NOW, Kit, error_of, sha256

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


def test_a_range_means_nothing_to_head(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    for asked in ("bytes=0-9", "bytes=5000-"):
        answer = kit.request("HEAD", f"/v1/videos/{video_id}/content", headers={"range": asked})
        assert (answer.status_code, answer.headers["content-length"]) == (200, "1000")
        assert "content-range" not in answer.headers


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=0-1, -1",
        "bytes=9-0",
        "lines=0-1",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        b"bytes=\xd9\xa1-\xd9\xa2",
    ],
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


def test_tags_may_come_in_several_lines(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    raw = [("if-none-match", '"other"'), ("if-none-match", f'"{sha256(CONTENT)}"')]
    assert kit.request("GET", f"/v1/videos/{video_id}/content", headers=raw).status_code == 304


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_wants_another_version_is_told_that_there_is_none(kit: Kit, method: str) -> None:
    video_id = kit.finished(CONTENT)
    etag = f'"{sha256(CONTENT)}"'
    for named, status in (('"other"', 412), (f"W/{etag}", 412), (f'"other", {etag}', 200), ("*", 200)):
        answer = kit.request(method, f"/v1/videos/{video_id}/content", headers={"if-match": named})
        assert answer.status_code == status
    refused = kit.request("GET", f"/v1/videos/{video_id}/content", headers={"if-match": '"other"'})
    assert error_of(refused) == (412, "invalid_request_error", "If-Match", "precondition_failed")


def test_a_range_of_another_version_is_answered_with_the_whole_file(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    path, etag = f"/v1/videos/{video_id}/content", f'"{sha256(CONTENT)}"'
    for named, status in ((etag, 206), ('"old"', 200), (f"W/{etag}", 200), ("Sat, 21 Nov 2026 00:00:00 GMT", 200)):
        answer = kit.request("GET", path, headers={"range": "bytes=0-9", "if-range": named})
        assert answer.status_code == status


def test_each_output_has_its_number(kit: Kit) -> None:
    video_id = kit.finished(CONTENT, others=(b"second", b"third"))
    answers = [
        kit.request("GET", f"/v1/videos/{video_id}/content", params={"variant": variant})
        for variant in ("video", "0", "1", "2")
    ]
    assert [each.content for each in answers] == [CONTENT, CONTENT, b"second", b"third"]
    missing = kit.request("GET", f"/v1/videos/{video_id}/content", params={"variant": "3"})
    assert error_of(missing) == (404, "invalid_request_error", "variant", "variant_not_found")


@pytest.mark.parametrize("variant", ["-1", "1.0", "100", "", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_number_of_an_output_is_refused(kit: Kit, variant: str) -> None:
    video_id = kit.finished(CONTENT)
    answer = kit.request("GET", f"/v1/videos/{video_id}/content", params={"variant": variant})
    assert error_of(answer) == (400, "invalid_request_error", "variant", "invalid_value")


def test_a_video_whose_retention_ended_is_gone_and_stays_completed(kit: Kit) -> None:
    video_id = kit.finished(CONTENT, expires_at=NOW + timedelta(hours=1))
    path = f"/v1/videos/{video_id}"
    before = kit.request("GET", path).json()
    assert before["expires_at"] == int((NOW + timedelta(hours=1)).timestamp())
    assert before["url"] is not None
    kit.expire(video_id)
    answer = kit.request("GET", f"{path}/content")
    assert error_of(answer) == (410, "invalid_request_error", "video_id", "content_gone")
    after = kit.request("GET", path).json()
    assert after == {**before, "url": None}
    assert kit.request("GET", "/v1/videos").json()["data"] == [after]
    remixed = kit.request("POST", f"{path}/remix", json={"prompt": "At night"})
    assert error_of(remixed)[::3] == (410, "source_expired")
    assert kit.request("DELETE", path).json()["deleted"] is True
    assert kit.request("GET", path).status_code == 404


def test_a_range_of_another_version_is_no_range() -> None:
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
