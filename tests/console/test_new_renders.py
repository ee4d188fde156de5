"""A new render is priced and judged while it is written, as it would be asked for; a file asks for many."""

import json
from html import unescape
from typing import Any

import pytest

from bickford_sora.batches import BATCH_LINES_MAX
from bickford_sora.console.batch_files import lines_of
from bickford_sora.console.pages.batches import PAGE_BATCHES
from bickford_sora.decisions.media import File
from bickford_sora.errors import InvalidRequest
from ledger.errors import Unavailable, UnknownEventType
from projections.errors import OtherVersion
from tests.console.visits import Visitor, make_console_kit, visitor
from tests.http.houses import FOREIGN_KEY, OTHER_KEY, ROOT_KEY, Kit, catalogue, offer, png

POLICY = b"""\
version: 1
default: allow
rules:
- {id: big, effect: require_approval, when: {seconds_min: 8}, message: Long ones are looked at.}
- {id: wide, effect: deny, when: {sizes: [1280x720]}, message: Upright only.}
"""
HOSTILE = "</textarea><img src=x onerror=alert(2)>"


def _governed(kit: Kit) -> Kit:
    headers = {"content-type": "application/yaml"}
    answer = kit.request("POST", "/v1/policy", key=ROOT_KEY, content=POLICY, headers=headers)
    assert answer.status_code == 200, answer.text
    return kit


def _quoted(somebody: Visitor, **fields: Any) -> str:
    answer = somebody.post("/new/quote", page="/new", **fields)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_form_offers_what_the_catalogue_has_and_no_more() -> None:
    kit = make_console_kit(
        offers=catalogue(offer("sora-2", fields=frozenset({"seed", "generate_audio"})), offer("sora-2-pro"))
    )
    somebody = visitor(kit)
    form = somebody.get(f"/new.json?prompt={HOSTILE}&model=sora-2-pro").json()
    assert [each["name"] for each in form["models"]] == ["sora-2", "sora-2-pro"]
    assert [(each["name"], each["kind"]) for each in form["fields"]] == [
        ("generate_audio", "truth"),
        ("seed", "number"),
    ]
    html = somebody.get(f"/new?prompt={HOSTILE}&model=sora-2-pro").text
    assert HOSTILE not in html
    assert HOSTILE in unescape(html)
    assert "<option selected>sora-2-pro</option>" in html
    assert "Seed (sora-2)" in html


def test_price_and_policy_answer_while_it_is_written_and_nothing_is_asked_for(kit: Kit) -> None:
    somebody = visitor(_governed(kit))
    head = kit.ledger.head()
    assert "Write a prompt" in _quoted(somebody, prompt=" ")
    allowed = _quoted(somebody, prompt="A sea", seconds="4", purpose="draft")
    for shown in ("0.40 USD", "allows it", "Ask for it<"):
        assert shown in allowed, shown
    waits = _quoted(somebody, prompt="A sea", seconds="8")
    assert "wants an approver" in waits
    assert "an approver looks first" in waits
    denied = _quoted(somebody, prompt="A sea", size="1280x720")
    assert "denies it" in denied
    assert "Upright only." in denied
    assert "<button" not in denied
    assert "<code>seconds</code>" in _quoted(somebody, prompt="A sea", seconds="5")
    assert kit.ledger.head() == head


def test_a_reference_of_another_size_is_told_before_it_is_asked_for(kit: Kit) -> None:
    somebody = visitor(kit)
    token = somebody.token("/new")
    for width, told in ((640, "must match the requested size 720x1280"), (720, "0.40 USD")):
        files = {"input_reference": ("first.png", png(width, 1280), "image/png")}
        answer = somebody.send("POST", "/new/quote", data={"csrf": token, "prompt": "A sea"}, files=files)
        assert told in answer.text


def test_it_is_asked_for_once_however_often_the_button_is_pressed(kit: Kit) -> None:
    somebody = visitor(kit)
    sent = {"prompt": "A sea", "purpose": "final", "tags": "spring, teaser", "idempotency_key": "once"}
    first = somebody.post("/new", page="/new", **sent).headers["location"]
    assert somebody.post("/new", page="/new", **sent).headers["location"] == first
    render = kit.render(first.removeprefix("/renders/").partition("?")[0])
    assert (render.intent.purpose, render.intent.tags) == ("final", ("spring", "teaser"))


def test_who_may_not_ask_sees_no_form(kit: Kit) -> None:
    auditor = visitor(kit, kit.issue("auditor"))
    assert auditor.get("/new").status_code == 403
    assert 'href="/new"' not in auditor.get("/renders").text
    for path in ("/new", "/new/quote", "/new/batch"):
        assert auditor.post(path, prompt="A sea").status_code == 403


def test_every_line_of_a_batch_has_its_result_and_others_do_not_see_it(kit: Kit) -> None:
    somebody = visitor(kit)
    text = f"prompt,seconds,custom_id\nA sea,4,shot-1\n{HOSTILE},77,shot-2\n"
    where = somebody.post("/new/batch", page="/new/batch", text=text, idempotency_key="b").headers["location"]
    assert somebody.post("/new/batch", page="/new/batch", text=text, idempotency_key="b").headers["location"] == where
    shown = somebody.get(f"{where}.json").json()
    first, second = shown["batch"]["data"]
    assert (first["custom_id"], first["status"], second["custom_id"]) == ("shot-1", "queued", "shot-2")
    assert (shown["done"], shown["batch"]["counts"]["refused"]) == (1, 1)
    html = somebody.get(where).text
    assert f'href="/renders/{first["video_id"]}"' in html
    assert second["error"]["message"] in unescape(html)
    assert visitor(kit, FOREIGN_KEY).get(where).status_code == 404
    assert somebody.post("/new/batch", page="/new/batch").status_code == 400


def test_a_file_is_read_as_json_lines_or_as_a_table() -> None:
    lines = "\n".join(json.dumps({"prompt": each, "custom_id": each}) for each in ("a", "b"))
    table = "\ufeffprompt,custom_id,seconds\na,a,\n\nb,b,\n"
    for text in (lines, table):
        assert [(each.fields, each.custom_id) for each in lines_of(File(text.encode()))] == [
            ({"prompt": "a"}, "a"),
            ({"prompt": "b"}, "b"),
        ]


def test_no_more_is_read_of_a_file_than_a_batch_may_have() -> None:
    rest = b"no object\n" * 10
    table = b"prompt\n" + b"a\n" * (BATCH_LINES_MAX + 1) + b"a,b,c\n"
    for content in (b'{"prompt": "a"}\n' * (BATCH_LINES_MAX + 1) + rest, table):
        assert len(lines_of(File(content))) == BATCH_LINES_MAX + 1


def test_a_lost_answer_of_the_ledger_is_told_as_not_known(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = visitor(kit)
    token = somebody.token("/new")

    def lost(*_: object, **__: object) -> None:
        raise Unavailable("the connection broke")

    monkeypatch.setattr(type(kit.house.intake), "ask", lost)
    answer = somebody.send("POST", "/new", data={"csrf": token, "prompt": "A sea", "idempotency_key": "once"})
    assert answer.status_code == 503
    assert "It is not known whether it was recorded" in answer.text
    assert ">Back<" not in answer.text


def test_a_read_model_of_another_version_is_told_as_that(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = visitor(kit)

    def older(*_: object, **__: object) -> None:
        raise OtherVersion

    monkeypatch.setattr(type(kit.house.intake), "ask", older)
    monkeypatch.setattr(type(kit.house.quoting), "quote", older)
    form = {"csrf": somebody.token("/new"), "prompt": "A sea", "idempotency_key": "once"}
    looked, asked = (somebody.send("POST", path, data=form) for path in ("/new/quote", "/new"))
    assert (looked.status_code, asked.status_code) == (503, 503)
    assert "of another version than the program" in looked.text
    assert looked.headers["retry-after"] == "60"
    assert "It is not known whether it was recorded" in asked.text


def test_a_fact_that_cannot_be_read_is_told_as_that(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = visitor(kit)

    def newer(*_: object, **__: object) -> None:
        raise UnknownEventType("render:main:1 version 3")

    monkeypatch.setattr(type(kit.house.quoting), "quote", newer)
    form = {"csrf": somebody.token("/new"), "prompt": "A sea", "idempotency_key": "once"}
    looked = somebody.send("POST", "/new/quote", data=form)
    assert looked.status_code == 500
    assert "cannot be read by this version" in looked.text


def test_a_look_whose_answer_is_lost_changed_nothing(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = visitor(kit)
    token = somebody.token("/new")

    def lost(*_: object, **__: object) -> None:
        raise Unavailable("the connection broke")

    monkeypatch.setattr(type(kit.house.quoting), "quote", lost)
    answer = somebody.send("POST", "/new/quote", data={"csrf": token, "prompt": "A sea"})
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.text


def test_batches_are_listed_with_their_progress_to_who_reads_their_project(kit: Kit) -> None:
    somebody, other = visitor(kit), visitor(kit, OTHER_KEY)
    assert "No batch was sent yet" in somebody.get("/batches").text
    for number in range(PAGE_BATCHES + 1):
        text = f"prompt,seconds\nA sea {number},4\nA storm,99\n"
        where = somebody.post("/new/batch", page="/new/batch", text=text).headers["location"]
    shown = somebody.get("/batches.json").json()
    assert len(shown["batches"]) == PAGE_BATCHES
    newest = shown["batches"][0]
    assert where == f"/batches/{newest['batch_id']}"
    assert (newest["counts"]["total"], newest["counts"]["refused"], newest["done"]) == (2, 1, 1)
    assert f'href="{where}"' in somebody.get("/batches").text
    assert len(somebody.get(f"/batches.json?after={shown['after']}").json()["batches"]) == 1
    assert other.get("/batches.json").json()["batches"] == []


@pytest.mark.parametrize(
    "content", [b"prompt\n\xff", b"prompt\na,b\n", b'prompt\n"a', b"prompt\na\0b\n", b'{"prompt":']
)
def test_a_file_that_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest):
        lines_of(File(content))
