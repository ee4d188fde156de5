import re
from html import unescape

import pytest

from bickford_sora.console.policy import PAGE_POLICY
from bickford_sora.console.static import MEDIA_TYPES
from tests.console.visits import visitor
from tests.http.houses import KEY, OTHER_KEY, Kit

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7 * 7 }} ${7*7}"
PAGE_BYTES_MAX = 150_000
SCRIPT_BYTES_MAX = 60_000


def _ids(html: str) -> list[str]:
    return re.findall(r'<tr id="(video_[0-9a-f]{32})"', html)


def test_every_page_forbids_what_it_does_not_need(kit: Kit) -> None:
    somebody = visitor(kit)
    render = f"/renders/{kit.finished()}"
    written = ("/approvals", "/new", "/new/batch", "/spend", f"{render}/lineage")
    for path in ("/login", "/renders", render, *written, "/renders/none", "/nowhere"):
        answer = somebody.get(path, accept="text/html")
        if answer.status_code == 303:
            continue
        assert answer.headers["content-security-policy"] == PAGE_POLICY, path
        assert answer.headers["cache-control"] == "private, no-store"
        assert not re.search(r"<script(?![^>]* src=)|\son[a-z]+=|\sstyle=|<style|javascript:", answer.text), path
        assert not re.search(r' (?:src|href|action)="(?!/|#)', answer.text), path


def test_a_hostile_prompt_stays_text(kit: Kit) -> None:
    video_id = kit.create(HOSTILE)
    kit.submit(video_id)
    kit.fail(video_id, message=HOSTILE)
    somebody = visitor(kit)
    for path in ("/renders", f"/renders/{video_id}", f"/renders/{video_id}/row"):
        html = somebody.get(path).text
        assert HOSTILE not in html
        assert HOSTILE in unescape(html), path
        assert "onerror=alert" not in html.replace("&#34;", '"').split("<img")[0] or "&lt;img" in html


def test_the_list_says_what_to_do_when_it_is_empty(kit: Kit) -> None:
    somebody = visitor(kit)
    assert "No renders yet" in somebody.get("/").text
    assert "No render matches" in somebody.get("/renders?model=none").text


def test_filters_combine_and_live_in_the_address(kit: Kit) -> None:
    held_back = kit.create(model="sora-2-pro")
    running = kit.create()
    kit.submit(running)
    kit.progress(running, 40)
    draft = kit.create(purpose="draft")
    somebody = visitor(kit)
    assert _ids(somebody.get("/renders").text) == [draft, running, held_back]
    assert _ids(somebody.get("/renders?state=running").text) == [running]
    assert _ids(somebody.get("/renders?state=waiting&model=sora-2").text) == [draft]
    assert _ids(somebody.get(f"/renders?q={held_back}").text) == [held_back]
    assert _ids(somebody.get("/renders?purpose=draft&cost_min=0.1&since=today").text) == [draft]
    assert _ids(somebody.get("/renders?cost_min=100").text) == []
    html = somebody.get("/renders?model=sora-2&state=waiting").text
    assert 'name="model" value="sora-2"' in html
    assert "<option selected>waiting</option>" in html
    twin = somebody.get("/renders.json?model=sora-2&state=waiting").json()
    assert [each["video_id"] for each in twin["renders"]] == [draft]


@pytest.mark.parametrize(
    "query", ["state=odd", "among=odd", "cost_min=much", "since=soon", "order=odd", "project=beta", "cost_max=1e999999"]
)
def test_a_filter_that_cannot_be_understood_is_named(kit: Kit, query: str) -> None:
    answer = visitor(kit).get(f"/renders?{query}")
    assert answer.status_code in {400, 404}
    assert query.partition("=")[0] in answer.text


def test_built_in_views_have_addresses(kit: Kit) -> None:
    html = visitor(kit).get("/renders?among=retrying").text
    for view in ("?among=retrying", "?among=held", "?among=stuck", "?order=dearest&amp;since=today"):
        assert f'href="/renders{view}"' in html
    assert '<a href="/renders?among=retrying" aria-current="page">' in html


def test_several_are_cancelled_and_deleted_and_one_that_cannot_be_hinders_no_other(kit: Kit) -> None:
    waiting, done = kit.create(), kit.finished()
    somebody = visitor(kit)
    answer = somebody.post("/renders/delete-several", **{"ids[]": [waiting, done]})
    assert answer.headers["location"] == "/renders?done=several"
    assert kit.render(waiting).deleted
    assert kit.render(done).deleted
    answer = somebody.post("/renders/delete-several", **{"ids[]": [waiting, kit.create()]})
    assert answer.headers["location"] == "/renders?done=some"


def test_a_remix_pressed_twice_is_one_render(kit: Kit) -> None:
    video_id = kit.finished()
    somebody = visitor(kit)
    sent = {"prompt": "The same at night", "idempotency_key": "pressed-once"}
    first = somebody.post(f"/renders/{video_id}/remix", **sent)
    assert first.status_code == 303, first.text
    again = somebody.post(f"/renders/{video_id}/remix", **sent)
    assert again.headers["location"] == first.headers["location"]
    made = first.headers["location"].removeprefix("/renders/").partition("?")[0]
    assert kit.render(video_id).remixes == (made,)
    assert "The render was asked for." in somebody.get(first.headers["location"]).text


def test_a_failed_render_is_asked_for_again(kit: Kit) -> None:
    video_id = kit.create()
    kit.submit(video_id)
    kit.fail(video_id)
    somebody = visitor(kit)
    assert f'action="/renders/{video_id}/retry"' in somebody.get(f"/renders/{video_id}").text
    made = somebody.post(f"/renders/{video_id}/retry").headers["location"]
    assert f"/renders/{video_id}" in somebody.get(made).text


def test_a_review_is_taken(kit: Kit) -> None:
    video_id = kit.finished()
    grades = {"clarity": "0.9", "continuity": "0.8", "brand_fit": "1", "review_time_minutes": "2"}
    answer = visitor(kit).post(f"/renders/{video_id}/review", verdict="approved", **grades)
    assert answer.headers["location"] == f"/renders/{video_id}?done=reviewed"
    assert kit.render(video_id).approved


def test_the_page_of_a_render_shows_what_was_decided_and_every_fact(kit: Kit) -> None:
    video_id = kit.finished()
    somebody = visitor(kit)
    page = somebody.get(f"/renders/{video_id}.json").json()
    assert [each["type"] for each in page["timeline"]] == [
        "render.intent",
        "render.allowed",
        "spend.reserved",
        "render.submission_started",
        "render.queued",
        "render.completed",
        "spend.settled",
        "render.stored",
    ]
    assert page["decided"]["outcome"] == "allowed"
    assert page["decided"]["decided_by"] == "allow-offered"
    assert page["spent"] == {
        "currency": "USD",
        "reserved_micro": 400_000,
        "settled_micro": 400_000,
        "released_micro": 0,
        "adjusted_micro": 0,
    }
    html = somebody.get(f"/renders/{video_id}").text
    assert page["files"][0]["sha256"] in html
    assert f'src="/files/{video_id}/video"' in html


def test_nobody_writes_into_the_timeline_of_another_projects_render(kit: Kit) -> None:
    video_id = kit.finished()
    seen = {"video_id": video_id, "status": "failed"}
    for key in (KEY, OTHER_KEY):
        answer = kit.request("POST", "/v1/threads/ours/observations", key=key, json=seen)
        assert answer.status_code == 201
    somebody = visitor(kit)
    for now_or_then in ("", f"?as_of={kit.ledger.head()}"):
        timeline = somebody.get(f"/renders/{video_id}.json{now_or_then}").json()["timeline"]
        mine = kit.house.callers.authenticate({"api-key": KEY}).key_id
        assert [each["actor"] for each in timeline if each["type"] == "caller.recorded"] == [mine]


def test_every_line_of_the_timeline_leads_to_how_it_was_then(kit: Kit) -> None:
    video_id = kit.finished()
    somebody = visitor(kit)
    for line in somebody.get(f"/renders/{video_id}.json").json()["timeline"]:
        then = somebody.get(f"/renders/{video_id}.json?as_of={line['position']}").json()
        assert then["as_of"] == line["position"]
        assert then["timeline"][-1]["position"] == line["position"]
        assert then["actions"] == []
    assert "As it was at position" in somebody.get(f"/renders/{video_id}?as_of=2").text


def test_a_raw_fact_is_for_those_who_oversee(kit: Kit) -> None:
    video_id = kit.finished()
    event_id = visitor(kit).get(f"/renders/{video_id}.json").json()["timeline"][0]["event_id"]
    assert "A calm sea" in visitor(kit).get(f"/facts/{event_id}").text
    requester = visitor(kit, kit.issue("requester"))
    assert requester.get(f"/facts/{event_id}").status_code == 403
    assert "the whole fact" not in requester.get(f"/renders/{video_id}").text


def test_a_file_is_played_in_parts_by_whoever_is_signed_in(kit: Kit) -> None:
    video_id = kit.finished(b"0123456789" * 10)
    somebody = visitor(kit)
    part = somebody.get(f"/files/{video_id}/video", range="bytes=10-14")
    assert (part.status_code, part.content) == (206, b"01234")
    assert somebody.get(f"/files/{video_id}/odd").status_code == 400


def test_the_first_page_is_small(kit: Kit) -> None:
    for number in range(50):
        kit.create(f"A prompt of some length, as people write them, with number {number} at its end; " * 3)
    somebody = visitor(kit)
    html = somebody.get("/renders").text
    loads = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', html))
    sizes = {each: len(somebody.get(each).content) for each in loads}
    assert {each.partition("?")[0].removeprefix("/static/") for each in loads} == {*MEDIA_TYPES}
    assert len(html.encode()) + sum(sizes.values()) < PAGE_BYTES_MAX, sizes
    assert max(sizes.values()) < SCRIPT_BYTES_MAX


def test_files_are_kept_by_browsers_until_they_change(kit: Kit) -> None:
    somebody = visitor(kit)
    (address,) = set(re.findall(r'"(/static/console.css[^"]+)"', somebody.get("/renders").text))
    assert "immutable" in somebody.get(address).headers["cache-control"]
    assert somebody.get("/static/console.css").headers["cache-control"] == "no-cache"
    for name in ("htmx-LICENSE.txt", "../console.py", "%2e%2e%2fconsole.py"):
        assert somebody.get(f"/static/{name}").status_code == 404, name
