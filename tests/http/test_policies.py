"""Publishing a policy, and what it does to requests."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.policy import Policy, Refusal
from bickford_sora.decisions.request import create_request
from bickford_sora.decisions.rules.reading import read_policy
from bickford_sora.decisions.rules.seen import Seen
from bickford_sora.errors import Denied, InvalidRequest, Unauthorized
from bickford_sora.http.policy_warnings import WARNINGS, WARNINGS_CHARS_MAX, warning_headers
from bickford_sora.policies import Policies
from bickford_sora.recording import Origin
from ledger import streams
from ledger.events import PolicyPublished, RenderAllowed, RenderDenied, RenderIntent, Verdict, VerdictWarning
from tests.renderers.fake_server import FakeServer, Reply, answering

from .houses import FOREIGN_ROOT_KEY, KEY, ROOT_KEY, Kit, error_of, make_kit

HEAD = "version: 1\ndefault: allow\n"
NO_PRO = f"{HEAD}rules:\n- {{id: no-pro, effect: deny, when: {{models: [sora-2-pro]}}, message: Use sora-2.}}\n"


def publish(kit: Kit, text: str, status: int = 200) -> Any:
    answer = kit.request(
        "POST", "/v1/policy", key=ROOT_KEY, content=text.encode(), headers={"content-type": "application/yaml"}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def governed(text: str, **how: Any) -> Kit:
    kit = make_kit(**how)
    publish(kit, HEAD + text)
    return kit


def denied(kit: Kit, path: str = "/v1/videos", **body: Any) -> tuple[int, str]:
    """Status and code of a refusal."""
    answer = kit.request("POST", path, json={"prompt": "A cat", **body})
    return answer.status_code, answer.json()["error"]["code"]


def asked(kit: Kit, path: str = "/v1/videos", **body: Any) -> Any:
    answer = kit.request("POST", path, json={"prompt": "A cat", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_built_in_policy_is_in_force_until_one_is_published() -> None:
    kit = make_kit()
    built_in = kit.request("GET", "/v1/policy").json()
    assert (built_in["version"], built_in["published_at"], built_in["published_by"]) == (0, None, None)
    assert "allow-offered" in built_in["text"]
    assert kit.request("GET", "/v1/policy/versions").json()["data"] == []


def test_a_policy_is_in_force_as_soon_as_it_is_published() -> None:
    kit = make_kit()
    asked(kit, model="sora-2-pro")
    made = publish(kit, NO_PRO)
    assert made["version"] == 1
    assert kit.request("GET", "/v1/policy").json() == made == {**made, "text": NO_PRO}
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat", "model": "sora-2-pro"})
    assert error_of(answer) == (403, "permission_error", None, "policy_denied")
    assert answer.json()["error"]["message"] == "Rule no-pro of the policy denies this render. Use sora-2."
    asked(kit)


def test_publishing_what_is_in_force_changes_nothing() -> None:
    kit = make_kit()
    assert publish(kit, NO_PRO) == publish(kit, NO_PRO)
    publish(kit, HEAD)
    assert publish(kit, NO_PRO)["version"] == 3
    listed = kit.request("GET", "/v1/policy/versions", params={"limit": 2}).json()["data"]
    assert [each["version"] for each in listed] == [3, 2]


@pytest.mark.parametrize(
    ("text", "param", "reason"),
    [
        ("version: [", "policy", "line 1: not YAML"),
        (f"{HEAD}rules:\n- {{id: a, effect: deny}}\n- {{id: a, effect: deny}}\n", "rules.1.id", "line 5: rules.1.id:"),
        (NO_PRO.replace("sora-2-pro", "sora-9"), "rules.0.when.models.0", "no renderer offers the model 'sora-9'"),
    ],
)
def test_a_wrong_policy_is_refused_and_the_old_one_stays(text: str, param: str, reason: str) -> None:
    kit = make_kit()
    publish(kit, NO_PRO)
    error = publish(kit, text, status=400)["error"]
    assert (error["code"], error["param"]) == ("policy_invalid", param)
    assert reason in error["message"]
    assert kit.request("GET", "/v1/policy").json()["version"] == 1
    assert denied(kit, model="sora-2-pro") == (403, "policy_denied")


def test_a_policy_that_is_too_large_is_refused() -> None:
    assert publish(make_kit(), "#" * 100_000, status=413)["error"]["code"] == "request_too_large"


def test_the_verdict_names_policy_rules_and_what_they_saw() -> None:
    kit = governed(
        "rules:\n- {id: spring, effect: warn, when: {tags: [spring]}}\n"
        "- {id: long, effect: deny, when: {seconds_min: 8}}"
    )
    kit.request("POST", "/v1/videos", json={"prompt": "A cat", "seconds": "8", "tags": ["spring"]})
    fact = next(event.fact for event in kit.ledger.read(0) if isinstance(event.fact, RenderDenied))
    verdict = fact.verdict
    assert verdict.policy_hash == kit.request("GET", "/v1/policy").json()["policy_hash"]
    assert (verdict.decided_by, verdict.rules) == ("long", ("spring", "long"))
    assert [each.rule for each in verdict.warnings] == ["spring"]
    assert (verdict.saw["seconds"], verdict.saw["tags"], verdict.saw["project"]) == (8, ["spring"], "alpha")
    assert verdict.saw["prompt_chars"] == 5
    assert "A cat" not in str(verdict)


def test_warnings_come_in_a_header_and_again_with_the_same_key() -> None:
    kit = governed("rules: [{id: tagged, effect: warn, when: {tags: [x]}, message: 'Say \"why\", été.'}]\nadvice: true")
    body = {"json": {"prompt": "A cat", "tags": ["x"]}, "headers": {"Idempotency-Key": "k"}}
    told = kit.request("POST", "/v1/videos", **body).headers[WARNINGS]
    assert told.startswith('tagged=%"Rule tagged of the policy warns about this render. Say %22why%22, %c3%a9t%c3%a9."')
    assert 'advice.short="The prompt is short' in told
    assert kit.request("POST", "/v1/videos", **body).headers[WARNINGS] == told
    assert WARNINGS not in governed("").request("POST", "/v1/videos", json={"prompt": "A cat"}).headers


def test_a_header_of_warnings_has_a_limit() -> None:
    kit = make_kit()
    render = kit.render(kit.create())
    assert render.allowed is not None
    many = tuple(VerdictWarning(rule=f"r{number}", message="\\" * 500) for number in range(20))
    verdict = render.allowed.verdict.model_copy(update={"warnings": many})
    object.__setattr__(render, "allowed", render.allowed.model_copy(update={"verdict": verdict}))
    assert 1_000 < len(warning_headers(render)[WARNINGS]) <= WARNINGS_CHARS_MAX


def test_a_render_that_needs_approval_says_which_rule_and_what_to_do() -> None:
    kit = governed("rules:\n- {id: ask, effect: require_approval, on_hold: refuse, message: Ask Ann.}")
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat"})
    assert error_of(answer)[::3] == (403, "approval_required")
    assert "Rule ask of the policy asks for approval of this render. Ask Ann." in answer.json()["error"]["message"]


def test_a_limit_on_cost_says_what_it_costs() -> None:
    kit = governed("rules:\n- {id: dear, effect: deny, when: {cost_micro_min: 400000}, message: Ask for less.}")
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat"})
    assert error_of(answer)[::3] == (403, "render_cost_exceeded")
    told = "This render costs 0.40 USD. Rule dear of the policy denies this render. Ask for less."
    assert answer.json()["error"]["message"] == told


CHOICE = """
purposes:
  draft: {model: sora-2, size: 1280x720, seconds: 4}
  final: {model: sora-2-pro, size: 1280x720, seconds: 12}
"""


@pytest.mark.parametrize(
    ("body", "made", "chosen"),
    [
        ({"purpose": "final"}, ("sora-2-pro", "1280x720", "12"), ("model", "size", "seconds")),
        ({"purpose": "draft"}, ("sora-2", "1280x720", "4"), ("model", "size", "seconds")),
        ({"purpose": "final", "model": "sora-2"}, ("sora-2", "1280x720", "12"), ("size", "seconds")),
        ({"purpose": "final", "size": "720x1280"}, ("sora-2-pro", "720x1280", "12"), ("model", "seconds")),
        ({"purpose": "final", "seconds": "8"}, ("sora-2-pro", "1280x720", "8"), ("model", "size")),
        ({}, ("sora-2", "720x1280", "4"), ()),
    ],
)
def test_a_purpose_chooses_what_the_request_leaves_open(
    body: dict[str, str], made: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    kit = governed(CHOICE)
    video = asked(kit, **body)
    assert (video["model"], video["size"], video["seconds"]) == made
    assert kit.render(video["id"]).intent.chosen_by_policy == chosen


def test_a_size_that_the_model_named_does_not_have_is_not_forced_on_it() -> None:
    kit = governed("purposes: {final: {model: sora-2-pro, size: 1024x1792, seconds: 20}}")
    video = asked(kit, purpose="final", model="sora-2")
    assert (video["size"], video["seconds"]) == ("720x1280", "4")
    assert kit.render(video["id"]).intent.chosen_by_policy == ()


def finished(kit: Kit, path: str = "/v1/videos", **body: Any) -> str:
    """The id of a video that was asked for and is stored."""
    video_id = str(asked(kit, path, **body)["id"])
    kit.submit(video_id, job_id=f"job_{video_id}")
    kit.complete(video_id)
    kit.store(video_id)
    return video_id


def test_remixes_go_so_deep() -> None:
    kit = governed("remixes: {depth_max: 2}")
    video_id = finished(kit)
    for _ in range(2):
        video_id = finished(kit, f"/v1/videos/{video_id}/remix", prompt="Another")
    assert denied(kit, f"/v1/videos/{video_id}/remix") == (403, "policy_denied")


def test_a_remix_changes_so_much() -> None:
    kit = governed("remixes: {changes_max: 1}")
    source = finished(kit, prompt="A cat", tags=["x"])
    finished(kit, f"/v1/videos/{source}/remix", prompt="A dog")
    fact = [event.fact for event in kit.ledger.read(0) if isinstance(event.fact, RenderAllowed)][-1]
    assert (fact.verdict.saw["changes"], fact.verdict.saw["remix_depth"]) == (1, 1)


def test_cadence_counts_a_purpose_within_a_lineage() -> None:
    kit = governed("purposes: {draft: {renders_per_hour_max: 3}}")
    first = finished(kit, purpose="draft")
    second = finished(kit, f"/v1/videos/{first}/remix", purpose="draft")
    finished(kit, f"/v1/videos/{first}/remix", purpose="final")
    finished(kit, f"/v1/videos/{second}/remix", purpose="draft")
    for source in (first, second):
        assert denied(kit, f"/v1/videos/{source}/remix", purpose="draft") == (403, "policy_denied")
    finished(kit, f"/v1/videos/{second}/remix", purpose="final")
    finished(kit, purpose="draft")
    kit.clock.now += timedelta(hours=1)
    finished(kit, f"/v1/videos/{second}/remix", purpose="draft")


def test_an_interval_is_kept_within_a_lineage() -> None:
    kit = governed("purposes: {draft: {interval_s_min: 60}}")
    first = finished(kit, purpose="draft")
    assert denied(kit, f"/v1/videos/{first}/remix", purpose="draft") == (403, "policy_denied")
    kit.clock.now += timedelta(seconds=60)
    asked(kit, f"/v1/videos/{first}/remix", purpose="draft")


CALLER = Caller("main", "alpha", "req-1", "key_1")
GOVERNOR = Caller("main", "alpha", "req-2", "key_2", roles=frozenset({"admin"}), spans_tenant=True)


def ask(kit: Kit, fields: dict[str, Any]) -> bool:
    """Whether a create was accepted, without HTTP."""
    request, origin = create_request(fields, {}), Origin("main", "key_1")
    try:
        kit.house.intake.ask(CALLER, request, kit.house.intake.terms(origin, "create", request))
    except Denied:
        return False
    return True


@dataclass(frozen=True)
class Interrupted(Policy):
    """A policy that lets something else happen between what it saw and what is recorded, once."""

    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def decide(self, seen: Seen, currency: str | None = None) -> tuple[Verdict, Refusal | None]:
        decided = super().decide(seen, currency)
        if self.meanwhile:
            self.meanwhile.pop()()
        return decided


def test_a_cadence_holds_when_a_lineage_is_joined_at_two_places_at_once() -> None:
    """Both remixes see one draft of two; neither writes the stream that the other one does."""
    drafts = read_policy(f"{HEAD}purposes: {{draft: {{renders_per_hour_max: 3}}}}".encode())
    policy = Interrupted(drafts)
    kit = make_kit(policy=policy)
    first = finished(kit, purpose="draft")
    second = finished(kit, f"/v1/videos/{first}/remix", purpose="draft")
    policy.meanwhile.append(lambda: asked(kit, f"/v1/videos/{second}/remix", purpose="draft"))
    assert denied(kit, f"/v1/videos/{first}/remix", purpose="draft") == (403, "policy_denied")


def test_no_create_is_decided_by_a_policy_that_was_replaced_before_it() -> None:
    """200 creates race with policies that are published; the order of the ledger tells which one each relied on."""
    kit = make_kit()
    texts = [f"{HEAD}rules: [{{id: r{number}, effect: warn}}]\n" for number in range(12)]
    begin = threading.Barrier(7)

    def create(_: int) -> None:
        begin.wait()
        for _ in range(34):
            ask(kit, {"prompt": "A cat", "purpose": "draft"})

    def govern() -> None:
        begin.wait()
        for text in texts:
            kit.house.policies.publish(GOVERNOR, text.encode(), Origin("main", "key_1"))

    with ThreadPoolExecutor(7) as pool:
        for done in [pool.submit(govern), *(pool.submit(create, number) for number in range(6))]:
            done.result()
    in_force, decided = kit.house.policies.built_in.compiled.hash, 0
    for event in kit.ledger.read(0, limit=10_000):
        if isinstance(event.fact, PolicyPublished):
            in_force = event.fact.policy_hash
        elif isinstance(event.fact, RenderAllowed | RenderDenied):
            assert event.fact.verdict.policy_hash == in_force
            decided += 1
    assert decided == 204


def test_a_choice_is_made_anew_by_the_policy_that_decides() -> None:
    """Another process published meanwhile: what the old policy chose must not be decided by the new one."""
    kit = governed(CHOICE)
    other = Policies(
        kit.recording,
        built_in=kit.house.policies.built_in,
        models=lambda: ["sora-2", "sora-2-pro"],
        four_eyes=kit.nobody_else,
    )
    other.publish(GOVERNOR, (HEAD + CHOICE.replace("sora-2-pro", "sora-2")).encode(), Origin("main", "key_2"))
    video = asked(kit, purpose="final")
    assert video["model"] == "sora-2"
    assert kit.render(video["id"]).version == 2


def test_nothing_is_left_of_a_decision_by_a_policy_that_was_replaced() -> None:
    kit = governed(CHOICE)
    other = Policies(kit.recording, built_in=kit.house.policies.built_in, models=list, four_eyes=kit.nobody_else)
    other.publish(GOVERNOR, HEAD.encode(), Origin("main", "key_2"))
    asked(kit, purpose="final")
    assert sum(isinstance(event.fact, RenderIntent) for event in kit.ledger.read(0)) == 1


def test_a_policy_that_this_process_cannot_read_decides_nothing() -> None:
    kit = make_kit()
    kit.create()
    kit.append(streams.policy("main"), PolicyPublished(policy_hash="a" * 64, text="version: 7"))
    assert denied(kit) == (503, "policy_unreadable")


def test_two_who_publish_at_once_are_both_on_record() -> None:
    kit = make_kit()
    with ThreadPoolExecutor(4) as pool:
        wanted = [f"{HEAD}rules: [{{id: r{number}, effect: warn}}]".encode() for number in range(8)]
        list(pool.map(lambda text: kit.house.policies.publish(GOVERNOR, text, Origin("main", "key_1")), wanted))
    assert [each.version for each in kit.house.policies.versions("main")] == [*range(1, 9)]
    with pytest.raises(InvalidRequest):
        kit.house.policies.publish(GOVERNOR, b"no", Origin("main", "key_1"))


GUARDED = """
guardrails:
  audience: {{enabled: true, detector: {{kind: moderations, url: '{}', model: m, categories: [sexual]}}}}
"""


@pytest.mark.parametrize(("flagged", "status"), [(False, 200), (True, 403), (None, 403)])
def test_a_moderation_server_is_asked_and_must_have_looked(flagged: bool | None, status: int) -> None:
    reply = Reply(reset=True) if flagged is None else answering(200, {"results": [{"categories": {"sexual": flagged}}]})
    with FakeServer(reply) as server:
        kit = governed(GUARDED.format(server.url))
        answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat"})
        assert answer.status_code == status
        fact = next(event.fact for event in kit.ledger.read(0) if isinstance(event.fact, RenderAllowed | RenderDenied))
        assert fact.verdict.saw["moderation"] == ({} if flagged is None else {"sexual": flagged})
        assert b"A cat" in server.requests[0]


def test_another_tenants_policy_names_no_key_of_the_server() -> None:
    kit = make_kit()
    text = HEAD + GUARDED.format("https://theirs.example").replace("model: m", "model: m, api_key_env: MODERATION_KEY")
    answer = kit.request("POST", "/v1/policy", key=FOREIGN_ROOT_KEY, content=text.encode())
    place = "guardrails.audience.detector.api_key_env"
    assert error_of(answer) == (400, "invalid_request_error", place, "policy_invalid")
    theirs = text.replace("MODERATION_KEY", "MODERATION_ACME__KEY")
    assert kit.request("POST", "/v1/policy", key=FOREIGN_ROOT_KEY, content=theirs.encode()).status_code == 200
    assert kit.request("POST", "/v1/policy", key=ROOT_KEY, content=text.encode()).status_code == 200


def test_an_attestation_in_the_request_satisfies_its_guardrail() -> None:
    kit = governed("guardrails: {music: {enabled: true, detector: {kind: attestation, name: music-cleared}}}")
    assert denied(kit) == (403, "policy_denied")
    asked(kit, attestations=["music-cleared"])


def test_a_policy_is_published_by_an_admin_of_the_whole_tenant_alone() -> None:
    kit = make_kit()
    for key in (KEY, kit.issue("admin")):
        answer = kit.request("POST", "/v1/policy", key=key, content=HEAD.encode())
        assert error_of(answer)[::3] == (403, "role_missing")
    assert kit.house.policies.versions("main") == []
    spanning = kit.issue("admin", by=ROOT_KEY, spans_tenant=True)
    assert kit.request("POST", "/v1/policy", key=spanning, content=HEAD.encode()).json()["version"] == 1


REVIEW = {"verdict": "approved", "clarity": 1, "continuity": 1, "brand_fit": 1, "review_time_minutes": 1}


def review(kit: Kit, video_id: str, verdict: str) -> None:
    answer = kit.request("POST", f"/v1/videos/{video_id}/reviews", json={**REVIEW, "verdict": verdict})
    assert answer.status_code == 200, answer.text


def test_a_final_waits_for_an_approved_draft_in_its_lineage() -> None:
    kit = governed("rules: [{id: draft-first, effect: deny, when: {purposes: [final], has_approved_draft: false}}]")
    assert denied(kit, purpose="final") == (403, "policy_denied")
    first = finished(kit, purpose="draft")
    second = finished(kit, f"/v1/videos/{first}/remix", purpose="draft")
    assert denied(kit, f"/v1/videos/{second}/remix", purpose="final") == (403, "policy_denied")
    review(kit, first, "approved")
    asked(kit, f"/v1/videos/{second}/remix", purpose="final")
    review(kit, first, "rejected")
    assert denied(kit, f"/v1/videos/{second}/remix", purpose="final") == (403, "policy_denied")


def test_what_is_published_with_a_key_that_is_revoked_meanwhile_is_not_in_force() -> None:
    kit = make_kit()
    secret = kit.issue("admin", by=ROOT_KEY, spans_tenant=True)
    caller = kit.house.callers.authenticate({"api-key": secret})
    origin = Origin("main", caller.key_id)
    assert kit.house.policies.publish(caller, HEAD.encode(), origin).version == 1
    assert kit.request("DELETE", f"/v1/api_keys/{caller.key_id}", key=ROOT_KEY).status_code == 200
    with pytest.raises(Unauthorized):
        kit.house.policies.publish(caller, NO_PRO.encode(), origin)
    assert [each.version for each in kit.house.policies.versions("main")] == [1]
