"""Characters: asked of the renderer once each, whatever happens to the answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
import openai
import pytest
from openai.types.video_create_character_response import VideoCreateCharacterResponse
from openai.types.video_get_character_response import VideoGetCharacterResponse

from bickford_sora.http.serving import ServerThread
from bickford_sora.renderers.errors import Refused, UnknownOutcome
from bickford_sora.renderers.openai import CAPABILITIES
from bickford_sora.renderers.port import Capabilities, Character, Content, Deletion, JobNews, Order, Upload, Variant
from ledger import characters, streams
from ledger.errors import Unavailable
from tests.http.films import mp4
from tests.http.houses import CALL_S, KEY, OTHER_KEY, Kit, catalogue, error_of, make_kit, offer

FILM = mp4(64, 48)


@dataclass
class Maker:
    """A renderer that makes characters, or does what its script says."""

    name: str = "openai"
    credential: str = "openai-default"
    replica: str = "http://renderer/v1"
    capabilities: Capabilities = CAPABILITIES
    absence_proves: bool = True
    script: list[Exception] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    """What happens while it works."""
    asked: list[tuple[str, bytes, str]] = field(default_factory=list)

    def create_character(self, name: str, video: Upload, *, idempotency_key: str) -> Character:
        opened = video.open()
        self.asked.append((name, opened if isinstance(opened, bytes) else b"".join(opened), idempotency_key))
        self.meanwhile()
        if self.script:
            raise self.script.pop(0)
        return Character(f"cameo_{len(self.asked)}", name, None)

    def submit(self, order: Order) -> JobNews:
        raise NotImplementedError

    def status(self, job_id: str) -> JobNews:
        raise NotImplementedError

    def jobs(self) -> Iterator[JobNews]:
        raise NotImplementedError

    def content(self, job_id: str, variant: Variant, output: int = 0) -> Any:
        raise NotImplementedError(Content)

    def probe(self) -> None:
        raise NotImplementedError

    def delete(self, job_id: str) -> Deletion:
        raise NotImplementedError


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def kit(maker: Maker) -> Kit:
    return make_kit(renderer=maker)


def ask(kit: Kit, name: str = "Mia", *, film: bytes = FILM, api_key: str = KEY, **headers: str) -> httpx.Response:
    return kit.request(
        "POST",
        "/v1/videos/characters",
        key=api_key,
        data={"name": name},
        files={"video": ("mia.mp4", film, "video/mp4")},
        headers={each.replace("_", "-"): text for each, text in headers.items()},
    )


def types(kit: Kit) -> list[str]:
    return [event.fact.TYPE for event in kit.ledger.read(0)]


def state(kit: Kit, character_id: str) -> characters.Character:
    found = characters.fold(None, kit.ledger.history(streams.character("main", character_id)))
    assert found is not None
    return found


def test_a_character_is_made_by_one_call_and_is_what_the_sdk_expects(kit: Kit, maker: Maker) -> None:
    answer = ask(kit)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"id", "object", "name", "created_at", "status", "error"}
    assert body["id"].startswith("char_")
    assert (body["object"], body["name"], body["status"], body["error"]) == ("character", "Mia", "created", None)
    assert VideoCreateCharacterResponse.model_validate(body, strict=True).id == body["id"]
    assert [(name, content) for name, content, _ in maker.asked] == [("Mia", FILM)]
    assert types(kit) == ["character.requested", "character.created"]
    seen = kit.request("GET", f"/v1/videos/characters/{body['id']}")
    assert seen.json() == body
    assert VideoGetCharacterResponse.model_validate(seen.json(), strict=True).name == "Mia"


def test_the_openai_package_makes_and_retrieves_one(kit: Kit) -> None:
    with (
        ServerThread(kit.app) as server,
        openai.OpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0, _strict_response_validation=True) as sdk,
    ):
        made = sdk.videos.create_character(name="Mia", video=("mia.mp4", FILM, "video/mp4"))
        assert made.id is not None
        seen = sdk.videos.get_character(made.id)
        with pytest.raises(openai.NotFoundError):
            sdk.with_options(api_key=OTHER_KEY).videos.get_character(made.id)
    assert (seen.id, seen.name, seen.created_at) == (made.id, "Mia", made.created_at)


def test_it_is_on_record_before_the_renderer_is_called(kit: Kit, maker: Maker) -> None:
    seen: list[list[str]] = []
    maker.meanwhile = lambda: seen.append(types(kit))
    ask(kit)
    assert seen == [["character.requested"]]


def test_the_facts_hold_the_renderers_id_and_no_name(kit: Kit) -> None:
    found = state(kit, ask(kit, "Mia Secret").json()["id"])
    assert found.outcome is not None
    assert found.outcome.model_dump() == {
        "renderer": "openai",
        "credential": "openai-default",
        "replica": "http://renderer/v1",
        "renderer_character_id": "cameo_1",
    }
    assert "Secret" not in "".join(event.fact.model_dump_json() for event in kit.ledger.read(0))
    assert b"".join(kit.assets.open(found.requested.source_video.storage_uri)) == FILM


def test_an_erased_name_is_null_and_the_rest_stays(kit: Kit) -> None:
    before = ask(kit).json()
    kit.keys.destroy(requester=state(kit, before["id"]).requested.requester, subject=before["id"])
    assert kit.request("GET", f"/v1/videos/characters/{before['id']}").json() == {**before, "name": None}


def test_another_projects_character_is_not_found(kit: Kit) -> None:
    character_id = ask(kit).json()["id"]
    for path, key in ((character_id, OTHER_KEY), ("char_" + "0" * 32, KEY), ("nothing", KEY), ("content", KEY)):
        answer = kit.request("GET", f"/v1/videos/characters/{path}", key=key)
        assert error_of(answer) == (404, "invalid_request_error", "character_id", "character_not_found")


def test_where_no_renderer_makes_characters_nothing_is_recorded(maker: Maker) -> None:
    unable = catalogue(offer(capabilities=replace(CAPABILITIES, characters=False)))
    kit = make_kit(renderer=maker, offers=unable)
    assert error_of(ask(kit)) == (400, "invalid_request_error", None, "unsupported_by_renderer")
    assert (kit.ledger.head(), maker.asked) == (0, [])


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"json": {"name": "Mia"}}, ("video", "file_required")),
        ({"json": {"name": "Mia", "video": {"id": "video_1"}}}, ("video", "file_required")),
        ({"data": {"name": "Mia", "video[id]": "video_1"}}, ("video", "file_required")),
        ({"data": {"name": "Mia"}, "files": {"video": ("a", b"no film", "video/mp4")}}, ("video", "invalid_video")),
        ({"files": {"video": ("a.mp4", FILM, "video/mp4")}}, ("name", "missing_required_parameter")),
        ({"json": {"name": 7}}, ("name", "invalid_type")),
        ({"data": {"name": " "}, "files": {"video": ("a.mp4", FILM)}}, ("name", "invalid_value")),
        ({"data": {"name": "m" * 81}, "files": {"video": ("a.mp4", FILM)}}, ("name", "invalid_value")),
        ({"data": {"name": "Mia", "age": "7"}, "files": {"video": ("a.mp4", FILM)}}, ("age", "unknown_parameter")),
        ({"data": {"name": "Mia"}, "files": {"image": ("a.mp4", FILM)}}, ("image", "unknown_parameter")),
    ],
)
def test_what_cannot_become_a_character_is_refused_by_name(
    kit: Kit, maker: Maker, sent: dict[str, Any], error: tuple[str, str]
) -> None:
    answer = kit.request("POST", "/v1/videos/characters", **sent)
    assert error_of(answer) == (400, "invalid_request_error", *error)
    assert (kit.ledger.head(), maker.asked) == (0, [])


def test_the_longest_name_is_taken(kit: Kit) -> None:
    assert ask(kit, "m" * 80).status_code == 200


# --- when the answer does not come --------------------------------------------------------------


def test_an_unknown_outcome_is_not_repeated_and_can_be_looked_at_later(kit: Kit, maker: Maker) -> None:
    maker.script = [UnknownOutcome("renderer_no_answer")]
    answer = ask(kit)
    assert error_of(answer) == (503, "server_error", None, "character_unknown")
    assert answer.headers["x-should-retry"] == "false"
    assert types(kit) == ["character.requested", "character.unknown"]
    character_id = next(word for word in answer.json()["error"]["message"].split() if word.startswith("char_"))
    later = kit.request("GET", f"/v1/videos/characters/{character_id.rstrip(',')}")
    assert (later.status_code, later.json()["status"]) == (200, "unknown")


def test_a_death_during_the_call_leaves_an_unknown_outcome_after_the_deadline(kit: Kit, maker: Maker) -> None:
    def dies() -> None:
        raise KeyboardInterrupt

    maker.meanwhile = dies
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever the event loop makes of it
        ask(kit, idempotency_key="k")
    maker.meanwhile = lambda: None
    (event,) = [each for each in kit.ledger.read(0) if each.fact.TYPE == "character.requested"]
    path = f"/v1/videos/characters/{event.fact.model_dump()['character_id']}"
    assert kit.request("GET", path).json()["status"] == "in_progress"
    waits = ask(kit, idempotency_key="k")
    assert error_of(waits)[::3] == (503, "character_in_progress")
    assert "x-should-retry" not in waits.headers
    kit.clock.now += timedelta(seconds=CALL_S)
    assert kit.request("GET", path).json()["status"] == "unknown"
    assert error_of(ask(kit, idempotency_key="k"))[::3] == (503, "character_unknown")
    assert len(maker.asked) == 1


def test_an_outcome_that_cannot_be_recorded_is_unknown_to_the_client(kit: Kit, maker: Maker) -> None:
    append = kit.recording.append

    def away(*_: object, **__: object) -> None:
        raise Unavailable("the database does not answer")

    maker.meanwhile = lambda: setattr(kit.recording, "append", away)
    answer = ask(kit)
    setattr(kit.recording, "append", append)  # noqa: B010 - the method's type stays as it is
    assert error_of(answer)[::3] == (503, "character_unknown")
    assert answer.headers["x-should-retry"] == "false"


def test_a_request_that_could_not_be_recorded_was_not_sent(kit: Kit, maker: Maker) -> None:
    kit.recorder.close()
    assert error_of(ask(kit))[::3] == (503, "ledger_unavailable")
    assert maker.asked == []


def test_what_the_renderer_refuses_is_told_in_its_words(kit: Kit, maker: Maker) -> None:
    maker.script = [Refused("renderer_request_invalid", terminal=True, http_status=400, message="No faces in videos.")]
    answer = ask(kit)
    assert error_of(answer) == (400, "invalid_request_error", None, "character_refused")
    assert "No faces in video." in answer.json()["error"]["message"]
    assert types(kit) == ["character.requested", "character.refused"]
    (event, _) = kit.ledger.read(0)
    character_id = event.fact.model_dump()["character_id"]
    seen = kit.request("GET", f"/v1/videos/characters/{character_id}").json()
    assert (seen["status"], seen["error"]["code"]) == ("failed", "renderer_request_invalid")
    assert not kit.assets.exists(state(kit, character_id).requested.source_video.storage_uri)


def test_a_busy_renderer_made_nothing_and_may_be_asked_again(kit: Kit, maker: Maker) -> None:
    maker.script = [Refused("renderer_rate_limited", terminal=False, http_status=429)]
    answer = ask(kit)
    assert error_of(answer)[::3] == (503, "character_not_made")
    assert answer.headers["retry-after"] == "1"
    assert ask(kit).status_code == 200


# --- Idempotency-Key ----------------------------------------------------------------------------


def test_one_key_makes_one_character(kit: Kit, maker: Maker) -> None:
    first, again = ask(kit, idempotency_key="k"), ask(kit, idempotency_key="k")
    assert first.json() == again.json()
    assert len(maker.asked) == 1
    assert ask(kit).json()["id"] != first.json()["id"]


def test_a_key_is_bound_to_its_request_and_route(kit: Kit, maker: Maker) -> None:
    ask(kit, idempotency_key="k")
    assert error_of(ask(kit, "Ben", idempotency_key="k"))[::3] == (422, "idempotency_key_reused")
    assert error_of(ask(kit, film=mp4(64, 48, 5), idempotency_key="k"))[::3] == (422, "idempotency_key_reused")
    created = kit.request("POST", "/v1/videos", json={"prompt": "sea"}, headers={"Idempotency-Key": "k"})
    assert error_of(created)[::3] == (422, "idempotency_key_reused")
    assert len(maker.asked) == 1


def test_two_at_once_with_one_key_make_one_call(kit: Kit, maker: Maker) -> None:
    inner: list[httpx.Response] = []
    seal = kit.keys.seal

    def overtaken(*arguments: Any, **more: Any) -> Any:
        setattr(kit.keys, "seal", seal)  # noqa: B010 - the method's type stays as it is
        inner.append(ask(kit, idempotency_key="k"))
        return seal(*arguments, **more)

    setattr(kit.keys, "seal", overtaken)  # noqa: B010 - the same
    outer = ask(kit, idempotency_key="k")
    assert outer.json() == inner[0].json()
    assert len(maker.asked) == 1
    assert types(kit).count("character.requested") == 1
    assert len(kit.assets._contents) == 1
