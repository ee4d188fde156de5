import re
from datetime import timedelta

import pytest

from bickford_sora.stops import Stops
from ledger import streams
from ledger.events import RendererResumed, RendererStopped, RenderSubmissionStarted, RenderSubmissionUnknown
from tests.console.visits import Visitor, visitor
from tests.http.houses import FOREIGN_ROOT_KEY, NOW, OTHER_KEY, ROOT_KEY, Kit

HOSTILE = "<script>alert(1)</script>"


def test_the_page_says_what_its_twin_says(kit: Kit) -> None:
    waiting = kit.create()
    root = visitor(kit, ROOT_KEY)
    page, html = root.get("/health.json").json(), root.get("/health").text
    assert [each["name"] for each in page["read_models"]] == ["videos", "audit"]
    assert [each["is_well"] for each in page["read_models"]] == [True, False]
    assert [each["video_id"] for each in page["queued"]] == [waiting]
    (renderer,) = page["renderers"]
    assert [each["down_for_s"] for each in renderer["replicas"]] == [0.0, 8.0]
    for told in (waiting, "left alone for 8 s", "invalid_event", "Ready"):
        assert told in html, told
    assert "sk-secret" not in html + str(page)


def test_what_keeps_the_server_from_serving_is_said(kit: Kit) -> None:
    kit.problems.append(f"the database does not answer: {HOSTILE}")
    html = visitor(kit, ROOT_KEY).get("/health").text
    assert "This server is not ready" in html
    assert HOSTILE not in html


def test_a_read_model_is_rebuilt_by_an_admin_of_the_tenant_alone(kit: Kit) -> None:
    root, of_a_project, auditor = visitor(kit, ROOT_KEY), visitor(kit), visitor(kit, kit.issue("auditor"))
    assert 'action="/health/rebuild/audit"' in root.get("/health").text
    for each in (of_a_project, auditor):
        assert "/health/rebuild/" not in each.get("/health").text
        assert each.post("/health/rebuild/audit", "/health").status_code == 403
        seen = each.get("/health.json").json()
        assert (seen["parked"], seen["renderers"][0]["replicas"]) == ([], [])
    assert visitor(kit, FOREIGN_ROOT_KEY).post("/health/rebuild/audit", "/health").status_code == 403
    assert root.post("/health/rebuild/odd").status_code == 404
    assert root.post("/health/rebuild/audit").status_code == 303
    rebuilt = {each["name"]: each["rebuild"] for each in root.get("/health.json").json()["read_models"]}
    assert rebuilt["audit"]["command"] == "bickford-sora replay audit --json"
    assert rebuilt["audit"]["status"] == 0
    assert rebuilt["videos"] is None


def test_a_stopped_renderer_is_asked_again_when_an_admin_of_the_tenant_says_so(kit: Kit) -> None:
    stops = Stops(kit.recording, tenant="main")
    stops.stop(
        RendererStopped(renderer="openai", credential="openai-default", model="sora-2-pro", code="model_not_found")
    )
    root, of_a_project = visitor(kit, ROOT_KEY), visitor(kit)
    assert root.get("/health.json").json()["renderers"][0]["stopped"] == ["sora-2-pro"]
    assert 'action="/health/resume/openai"' in root.get("/health").text
    assert "/health/resume/" not in of_a_project.get("/health").text
    assert of_a_project.post("/health/resume/openai", "/health").status_code == 403
    assert root.post("/health/resume/odd").status_code == 404
    assert root.post("/health/resume/openai").headers["location"] == "/health?done=resumed"
    assert root.get("/health.json").json()["renderers"][0]["stopped"] == []
    resumed = kit.ledger.history(streams.renderer("openai"))[-1]
    assert (type(resumed.fact), resumed.context.actor) == (RendererResumed, _key_id(root))


def _key_id(visitor: Visitor) -> str:
    found = re.search(r"<dt>Key</dt><dd><code>([^<]+)</code>", visitor.get("/renders").text)
    assert found
    return found[1]


def test_deliveries_to_an_endpoint_are_shown_to_its_project_alone(kit: Kit) -> None:
    fields = {"name": HOSTILE, "url": "https://hooks.example/x", "event_types": ["video.completed"]}
    assert kit.request("POST", "/v1/webhook_endpoints", json=fields).status_code == 200
    html = visitor(kit).get("/health").text
    assert "https://hooks.example/x" in html
    assert HOSTILE not in html
    assert "https://hooks.example/x" not in visitor(kit, OTHER_KEY).get("/health").text


@pytest.fixture
def doubtful(kit: Kit) -> str:
    """A render of which nobody knows whether the renderer took it."""
    video_id = kit.create()
    place = {"renderer": "openai", "credential": "openai-default", "replica": "http://one"}
    kit.record(
        video_id,
        RenderSubmissionStarted(attempt=1, fingerprint="0" * 64, deadline_at=NOW + timedelta(minutes=1), **place),
        RenderSubmissionUnknown(attempt=1, code="renderer_no_answer"),
    )
    return video_id


def test_the_page_is_for_those_who_oversee(kit: Kit) -> None:
    requester = visitor(kit, kit.issue("requester"))
    for path in ("/health", "/unknown", "/health.json"):
        assert requester.get(path).status_code == 403


@pytest.mark.parametrize("key", [OTHER_KEY, FOREIGN_ROOT_KEY])
def test_a_doubt_is_nobody_elses(kit: Kit, doubtful: str, key: str) -> None:
    other = visitor(kit, key)
    assert "Nothing is in doubt" in other.get("/unknown").text
    assert other.post(f"/unknown/{doubtful}/abandon", "/unknown", reason="Why not").status_code == 404


def test_an_admin_decides_a_doubt_and_an_auditor_only_sees_it(kit: Kit, doubtful: str) -> None:
    auditor, admin = visitor(kit, kit.issue("auditor")), visitor(kit)
    html = auditor.get("/unknown").text
    assert doubtful in html
    assert "Give up" not in html
    assert auditor.post(f"/unknown/{doubtful}/abandon", "/unknown", reason="Mine").status_code == 403
    assert admin.post(f"/unknown/{doubtful}/abandon", "/unknown").status_code == 400
    answer = admin.post(f"/unknown/{doubtful}/abandon", "/unknown", reason="The renderer lost it")
    assert answer.headers["location"] == "/unknown?done=abandoned"
    assert kit.render(doubtful).ended
    assert admin.get("/unknown.json").json()["renders"] == []
