"""Lineage over HTTP: what was made from what, and what each step changed, in JSON and as a picture."""

from typing import Any
from xml.etree import ElementTree as ET

import httpx

from tests.http.houses import FOREIGN_KEY, KEY, OTHER_KEY, Kit, error_of

NASTY = "<script>alert('x')</script> & \"quotes\" \x01 ]]> " + "w" * 80


def asked(kit: Kit, video_id: str, *, key: str = KEY, **params: Any) -> httpx.Response:
    return kit.request("GET", f"/v1/videos/{video_id}/lineage", key=key, params=params)


def lineage(kit: Kit, video_id: str, **params: Any) -> list[dict[str, Any]]:
    answer = asked(kit, video_id, **params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def remix(kit: Kit, source: str, prompt: str, **fields: str) -> str:
    answer = kit.request("POST", f"/v1/videos/{source}/remix", json={"prompt": prompt, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def finish(kit: Kit, video_id: str) -> str:
    kit.submit(video_id, job_id=f"job_{video_id}")
    kit.complete(video_id)
    kit.store(video_id)
    return video_id


def test_a_family_is_told_from_the_first_video_on_with_what_each_step_changed(kit: Kit) -> None:
    first = finish(kit, kit.create("A calm sea"))
    middle = finish(kit, remix(kit, first, "A rough sea"))
    left, right = remix(kit, middle, "A storm"), remix(kit, middle, "A rough sea")
    beside = remix(kit, first, "A lake")
    found = lineage(kit, middle)
    assert [(each["id"], each["depth"], each["source_video_id"]) for each in found] == [
        (first, -1, None),
        (middle, 0, first),
        (left, 1, middle),
        (right, 1, middle),
    ]
    assert [each["prompt"] for each in found] == ["A calm sea", "A rough sea", "A storm", "A rough sea"]
    changes = [[(c["field"], c["before"], c["after"]) for c in each["changes"]] for each in found]
    assert changes[:3] == [[], [("prompt", "A calm sea", "A rough sea")], [("prompt", "A rough sea", "A storm")]]
    assert changes[3] == [], "it was asked for again as it was"
    assert beside in [each["id"] for each in lineage(kit, first)]
    assert beside not in [each["id"] for each in found], "neither ancestor nor descendant"


def test_a_family_as_of_then_has_nobody_who_came_later(kit: Kit) -> None:
    first = finish(kit, kit.create())
    alone = asked(kit, first)
    remix(kit, first, "A rough sea")
    again = asked(kit, first, as_of=alone.headers["bickford-as-of"])
    assert again.json() == alone.json() != asked(kit, first).json()


def test_what_was_erased_or_deleted_keeps_its_place_without_its_words(kit: Kit) -> None:
    first = finish(kit, kit.create("A calm sea"))
    second = finish(kit, remix(kit, first, "A rough sea"))
    third = remix(kit, second, "A storm")
    kit.request("DELETE", f"/v1/videos/{second}")
    kit.keys.destroy(requester=kit.render(first).intent.requester, subject=first)
    told = {each["id"]: each for each in lineage(kit, third)}
    assert [(told[each]["prompt"], told[each]["gone"]) for each in (first, second, third)] == [
        (None, "erased"),
        (None, "deleted"),
        ("A storm", None),
    ]
    assert told[second]["deleted"]
    assert told[third]["changes"] == [{"field": "prompt", "before": None, "after": "A storm", "gone": "deleted"}]
    assert error_of(asked(kit, second))[3] == "video_not_found", "the deleted one itself is no longer known"
    picture = kit.request("GET", f"/v1/videos/{third}/lineage.svg").text
    assert "(erased)" in picture
    assert "(deleted)" in picture
    assert "A rough sea" not in picture


def test_a_lineage_is_of_its_project(kit: Kit) -> None:
    video_id = finish(kit, kit.create())
    for stranger in (OTHER_KEY, FOREIGN_KEY):
        assert error_of(asked(kit, video_id, key=stranger))[3] == "video_not_found"


def test_the_picture_is_well_formed_whatever_the_prompts_say(kit: Kit) -> None:
    first = finish(kit, kit.create(NASTY))
    for _ in range(3):
        remix(kit, first, NASTY + "!")
    answer = kit.request("GET", f"/v1/videos/{first}/lineage.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    root = ET.fromstring(answer.text)  # noqa: S314 - our own answer
    texts = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(text.startswith("video_") for text in texts) == 4
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert any(text.startswith("<script>alert('x')</script> &") and text.endswith("…") for text in texts)
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    boxes = {
        tuple(float(part) for part in each.attrib["transform"].removeprefix("translate(").rstrip(")").split())
        for each in root.iter("{http://www.w3.org/2000/svg}g")
    }
    assert len(boxes) == 4, "no box covers another"
    assert all(0 <= x < width and 0 <= y < height for x, y in boxes)
