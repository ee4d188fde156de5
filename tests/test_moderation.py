"""Asking a moderation server: what it flags, and that every kind of silence means it did not look."""

import json
import time
from typing import Any

import pytest

from bickford_sora import moderation
from bickford_sora.decisions.rules.guardrails import may_name
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.egress import Egress
from bickford_sora.moderation import Image, Moderation
from tests.renderers.fake_server import FakeServer, Reply, answering

CLEAN = {"results": [{"flagged": False, "categories": {"sexual": False, "violence": False}}]}
FLAGGED = {"results": [{"flagged": True, "categories": {"sexual": False, "violence": True}}]}


def look(
    *servers: FakeServer, names: str = "audience", image: Image | None = None, key: str = "", tenant: str = "main"
) -> dict[str, bool]:
    guards = "".join(
        f"  {name}: {{enabled: true, detector: {{kind: moderations, url: '{server.url}', model: m{key},"
        " categories: [sexual, violence]}}\n"
        for name, server in zip(names.split(), servers, strict=True)
    )
    policy = read_policy(f"version: 1\ndefault: allow\nguardrails:\n{guards}".encode())
    asker = Moderation(Egress(allow_private=("127.0.0.0/8",)), {"MODERATION_KEY": "sk-moderation"})
    return asker.look(policy.document.guardrails, "A cat", image, tenant=tenant)


def body(request: bytes) -> Any:
    return json.loads(request.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (CLEAN, {"sexual": False, "violence": False}),
        (FLAGGED, {"sexual": False, "violence": True}),
        ({"results": [*CLEAN["results"], *FLAGGED["results"]]}, {"sexual": False, "violence": True}),
        ({"results": [{"categories": {"violence": False}}]}, {"violence": False}),
        ({"results": [{"categories": {"violence": "no", "sexual": None}}]}, {}),
    ],
)
def test_what_is_flagged_is_told_by_category(answer: object, found: dict[str, bool]) -> None:
    with FakeServer(answering(200, answer)) as server:
        assert look(server) == found
        assert body(server.requests[0]) == {"model": "m", "input": "A cat"}
        assert server.requests[0].startswith(b"POST /v1/moderations ")
        assert b"authorization" not in server.requests[0].lower()


@pytest.mark.parametrize(
    "reply",
    [
        answering(500),
        answering(302, location="https://example.com"),
        answering(200, b"not json"),
        answering(200, []),
        answering(200, {"results": []}),
        answering(200, {"results": [{"categories": []}]}),
        answering(200, b"[" * 300_000),
        Reply(reset=True),
    ],
    ids=["error", "redirect", "no json", "list", "no results", "no categories", "too large", "reset"],
)
def test_without_a_proper_answer_nobody_looked(reply: Reply) -> None:
    with FakeServer(reply) as server:
        assert look(server) == {}


def test_a_server_that_is_slow_did_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moderation, "MODERATION_S", 0.3)
    with (
        FakeServer(Reply([b"HTTP/1.1 200 OK\r\n", b"x"], pause_s=30.0)) as slow,
        FakeServer(answering(200, CLEAN)) as next_,
    ):
        began = time.monotonic()
        assert look(slow, next_, names="audience characters") == {}
        assert time.monotonic() - began < 15
        assert next_.requests == []


def test_a_key_is_shown_to_the_server_it_is_for() -> None:
    with FakeServer(answering(200, CLEAN)) as server:
        look(server, key=", api_key_env: MODERATION_KEY")
        assert b"authorization: bearer sk-moderation" in server.requests[0].lower()


def test_the_servers_own_key_is_not_shown_to_a_server_of_another_tenants_choice() -> None:
    with FakeServer(answering(200, CLEAN)) as server:
        assert look(server, key=", api_key_env: MODERATION_KEY", tenant="acme") == {}, "nobody looked"
        assert server.requests == []
        assert look(server, key=", api_key_env: MODERATION_ACME__KEY", tenant="acme") != {}


@pytest.mark.parametrize(
    ("tenant", "variable", "may"),
    [
        ("main", "MODERATION_KEY", True),
        ("main", "MODERATION_ACME__KEY", True),
        ("acme", "MODERATION_ACME__KEY_2", True),
        ("acme", "MODERATION_KEY", False),
        ("acme", "MODERATION_ACME_KEY", False),
        ("a", "MODERATION_A_B__KEY", False),
        ("a-b", "MODERATION_A_B__KEY", True),
        ("a", "MODERATION_A__B__KEY", False),
        ("a--b", "MODERATION_A__B__KEY", True),
        ("a", "MODERATION_A___KEY", False),
        ("a-", "MODERATION_A___KEY", True),
    ],
)
def test_a_variable_is_of_one_tenant_whatever_tenants_are_called(*, tenant: str, variable: str, may: bool) -> None:
    assert may_name(tenant, variable) is may


def test_equal_questions_are_asked_once() -> None:
    with FakeServer(answering(200, CLEAN)) as server:
        look(server, server, names="audience characters")
        assert len(server.requests) == 1


def test_of_two_servers_either_may_flag_and_both_must_look() -> None:
    with FakeServer(answering(200, CLEAN)) as clean, FakeServer(answering(200, FLAGGED)) as flagging:
        assert look(clean, flagging, names="audience characters") == {"sexual": False, "violence": True}
    with FakeServer(answering(200, CLEAN)) as clean, FakeServer(answering(500)) as silent:
        assert look(clean, silent, names="audience characters") == {}
    with FakeServer(answering(200, FLAGGED)) as flagging, FakeServer(answering(500)) as silent:
        assert look(flagging, silent, names="audience characters") == {"violence": True}


def test_a_reference_image_is_shown_for_faces_and_for_nothing_else() -> None:
    image = Image(b"\x89PNG", "image/png")
    with FakeServer(answering(200, CLEAN)) as server:
        look(server, server, names="audience faces", image=image)
        first, second = map(body, server.requests)
        assert first["input"] == "A cat"
        assert second["input"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    with FakeServer(answering(200, CLEAN)) as server:
        assert look(server, names="faces") == {}
        assert server.requests == []


def test_nobody_gets_another_secret_by_naming_it() -> None:
    with FakeServer(answering(200, CLEAN)) as server, pytest.raises(ValueError, match="should match pattern"):
        look(server, key=", api_key_env: BICKFORD_MASTER_KEY")
