"""The family of a video in the browser: each behind its source, with what its step changed."""

from html import unescape
from typing import Any

from bickford_sora.console.differences import WORDS_MAX, differences
from tests.console.visits import visitor
from tests.http.houses import FOREIGN_KEY, OTHER_KEY, Kit

HOSTILE = "A calm <script>alert(1)</script> sea"


def _remix(kit: Kit, video_id: str, prompt: str) -> str:
    made: str = kit.request("POST", f"/v1/videos/{video_id}/remix", json={"prompt": prompt}).json()["id"]
    return made


def _ids(member: dict[str, Any]) -> Any:
    return [member["video_id"], [_ids(each) for each in member["made"]]]


def test_the_family_stands_each_behind_its_source(kit: Kit) -> None:
    first = kit.finished()
    left, right = _remix(kit, first, "A calm lake"), _remix(kit, first, HOSTILE)
    somebody = visitor(kit)
    for asked_about in (first, left):
        page = somebody.get(f"/renders/{asked_about}/lineage.json").json()
        assert page["first"]["video_id"] == first
        assert left in str(page["first"]["made"])
    assert _ids(somebody.get(f"/renders/{first}/lineage.json").json()["first"]) == [first, [[left, []], [right, []]]]
    html = somebody.get(f"/renders/{first}/lineage").text
    assert "<del>sea</del><ins>lake</ins>" in html
    assert f'src="/files/{first}/thumbnail"' in html
    assert html.count('aria-current="true"') == 1
    assert HOSTILE not in html
    assert HOSTILE in unescape(html)
    assert f'href="/renders/{first}/lineage"' in somebody.get(f"/renders/{first}").text


def test_it_is_shown_as_it_was_then(kit: Kit) -> None:
    first = kit.finished()
    then = kit.ledger.head()
    _remix(kit, first, "A calm lake")
    somebody = visitor(kit)
    assert somebody.get(f"/renders/{first}/lineage.json").json()["count"] == 2
    assert somebody.get(f"/renders/{first}/lineage.json?as_of={then}").json()["count"] == 1
    assert f"As it was at position {then}" in somebody.get(f"/renders/{first}/lineage?as_of={then}").text


def test_words_that_were_deleted_are_not_shown(kit: Kit) -> None:
    first = kit.finished()
    made = _remix(kit, first, "A calm lake")
    assert kit.request("DELETE", f"/v1/videos/{first}").status_code == 200
    html = visitor(kit).get(f"/renders/{made}/lineage").text
    assert "A calm sea" not in html
    assert "the words were deleted" in html


def test_others_are_told_of_no_such_video(kit: Kit) -> None:
    first = kit.finished()
    for key in (OTHER_KEY, FOREIGN_KEY):
        assert visitor(kit, key).get(f"/renders/{first}/lineage").status_code == 404


def test_differences_put_together_again_are_both_texts() -> None:
    for before, after in (("a b c", "a x c d"), ("", "a"), ("a " * WORDS_MAX, "b"), ("same", "same")):
        pieces = differences(before, after)
        assert "".join(each.text for each in pieces if each.kind != "come") == before
        assert "".join(each.text for each in pieces if each.kind != "gone") == after
