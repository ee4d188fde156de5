"""Signed links: one file, a short time, nobody's key."""

from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.houses import KEY, LINK_S, NOW, OTHER_KEY, Kit, error_of, make_kit, sha256
from tests.trying import tries

CONTENT = b"0123456789" * 100
SHARED = make_kit()
VIDEO_ID = SHARED.finished(CONTENT, others=(b"second",))
OTHER_VIDEO_ID = SHARED.finished(b"another file")


def link(kit: Kit, video_id: str) -> str:
    """The link of a video, without the server's address."""
    url = kit.request("GET", f"/v1/videos/{video_id}").json()["url"]
    assert url.startswith("http://house/v1/videos/")
    return str(url.removeprefix("http://house"))


def read(kit: Kit, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    return kit.request(method, path, key=None, headers={name.replace("_", "-"): text for name, text in headers.items()})


def test_a_link_is_read_without_a_key_as_the_file_itself_is(kit: Kit) -> None:
    path = link(kit, kit.finished(CONTENT))
    whole = read(kit, path)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, CONTENT, "video/mp4")
    part = read(kit, path, range="bytes=10-19")
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    head = read(kit, path, "HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "1000")
    assert read(kit, path, if_none_match=f'"{sha256(CONTENT)}"').status_code == 304


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_shared_cache_may_keep_what_a_link_gives(kit: Kit, method: str) -> None:
    path = link(kit, kit.finished(CONTENT))
    assert read(kit, path, method).headers["cache-control"] == "private, no-cache"
    kit.clock.now += timedelta(seconds=LINK_S)
    assert read(kit, path, method).headers["cache-control"] == "no-store"


def test_a_link_ends(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    path = link(kit, video_id)
    kit.clock.now += timedelta(seconds=LINK_S - 2)
    assert read(kit, path).status_code == 200
    kit.clock.now += timedelta(seconds=2)
    assert error_of(read(kit, path)) == (403, "invalid_request_error", None, "link_expired")
    assert read(kit, link(kit, video_id)).status_code == 200


def test_a_link_is_judged_by_itself_whoever_shows_a_key_with_it(kit: Kit) -> None:
    path = link(kit, kit.finished(CONTENT))
    for key in (KEY, OTHER_KEY, "not a key"):
        assert kit.request("GET", path, key=key).status_code == 200
        assert kit.request("GET", f"{path}0", key=key).status_code == 403


def test_a_link_says_nothing_of_whose_it_is(kit: Kit) -> None:
    query = parse_qs(urlsplit(link(kit, kit.finished(CONTENT))).query)
    assert set(query) == {"variant", "expires", "signature"}
    assert query["variant"] == ["video"]
    assert abs(int(query["expires"][0]) - (NOW.timestamp() + LINK_S)) < 2


def test_a_link_to_a_deleted_video_finds_nothing(kit: Kit) -> None:
    video_id = kit.finished(CONTENT)
    path = link(kit, video_id)
    kit.request("DELETE", f"/v1/videos/{video_id}")
    assert error_of(read(kit, path))[::3] == (404, "video_not_found")


def test_a_link_to_an_expired_video_says_that_it_is_gone(kit: Kit) -> None:
    video_id = kit.finished(CONTENT, expires_at=NOW)
    path = link(kit, video_id)
    kit.expire(video_id)
    assert error_of(read(kit, path))[::3] == (410, "content_gone")


def test_links_lead_to_the_configured_address() -> None:
    kit = make_kit(public_url="https://sora.example")
    url = kit.request("GET", f"/v1/videos/{kit.finished()}").json()["url"]
    assert url.startswith("https://sora.example/v1/videos/video_")


def test_the_link_maker_works_outside_of_any_request() -> None:
    kit = make_kit(public_url="https://sora.example")
    video_id = kit.finished(CONTENT)
    url = kit.house.links.video("main", "alpha", video_id)
    assert url is not None
    assert read(kit, url.removeprefix("https://sora.example")).content == CONTENT
    assert make_kit().house.links.video("main", "alpha", video_id) is None


def test_a_list_has_the_links_too(kit: Kit) -> None:
    stored, unfinished = kit.finished(CONTENT), kit.create()
    urls = {each["id"]: each["url"] for each in kit.request("GET", "/v1/videos").json()["data"]}
    assert urls[unfinished] is None
    assert read(kit, urls[stored].removeprefix("http://house")).content == CONTENT


@pytest.mark.parametrize(
    ("tenant", "project"), [("main", "beta"), ("mainalph", "a"), ("mai", "nalpha"), ("alpha", "main")]
)
def test_a_link_signed_for_another_owner_does_not_open(tenant: str, project: str) -> None:
    url = SHARED.house.links.reached_at("http://house").video(tenant, project, VIDEO_ID)
    assert url is not None
    assert error_of(read(SHARED, url.removeprefix("http://house")))[::3] == (403, "link_invalid")


@pytest.mark.parametrize("variant", ["thumbnail", "spritesheet", "0", "1"])
def test_a_link_opens_its_variant_only(variant: str) -> None:
    altered = link(SHARED, VIDEO_ID).replace("variant=video", f"variant={variant}")
    assert error_of(read(SHARED, altered))[::3] == (403, "link_invalid")


def test_each_output_can_be_linked() -> None:
    url = SHARED.house.links.reached_at("http://house/").file("main", "alpha", VIDEO_ID, "1")
    assert url is not None
    assert read(SHARED, url.removeprefix("http://house")).content == b"second"


def test_a_link_opens_its_video_only() -> None:
    altered = link(SHARED, VIDEO_ID).replace(VIDEO_ID, OTHER_VIDEO_ID)
    assert error_of(read(SHARED, altered))[::3] == (403, "link_invalid")


@pytest.mark.parametrize("path", ["nothing", "video_" + "0" * 32])
def test_a_link_to_what_never_was_looks_like_an_altered_one(path: str) -> None:
    altered = link(SHARED, VIDEO_ID).replace(VIDEO_ID, path)
    assert error_of(read(SHARED, altered))[::3] == (403, "link_invalid")


@settings(max_examples=tries(300), deadline=None)
@given(st.data())
def test_any_altered_byte_refuses(data: st.DataObject) -> None:
    """Whatever byte of video id, variant, expiry or signature is changed, dropped or added: no file."""
    url = SHARED.house.links.reached_at("http://house").video("main", "alpha", VIDEO_ID)
    assert url is not None
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    parts = {"video_id": VIDEO_ID, **query}
    name = data.draw(st.sampled_from(sorted(parts)))
    text = parts[name]
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(
        st.text(st.characters(codec="utf-8", exclude_characters="/?#", exclude_categories=["Cc"]), max_size=1)
    )
    dropped = data.draw(st.integers(0, 1))
    parts[name] = text[:at] + put + text[at + dropped :]
    if parts[name] == text:
        return
    video_id = parts.pop("video_id")
    answer = SHARED.request("GET", f"/v1/videos/{quote(video_id)}/content", key=None, params=parts)
    assert answer.status_code in {400, 403, 404}, (name, text, answer.status_code)
    assert CONTENT not in answer.content
    assert error_of(answer)


@pytest.mark.parametrize("missing", ["expires", "signature"])
def test_half_a_link_opens_nothing(missing: str) -> None:
    url = urlsplit(link(SHARED, VIDEO_ID))
    kept = {name: values[0] for name, values in parse_qs(url.query).items() if name != missing}
    answer = SHARED.request("GET", url.path, key=None, params=kept)
    assert error_of(answer)[::3] == ((401, "invalid_api_key") if missing == "signature" else (403, "link_invalid"))
