"""One server with the simulator behind it, used as a person would: every command, from the first render to SIGTERM."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bickford_sora.cli.address import address_left

from .commands import Served, run, run_process, served, stop, wait_until_gone

pytestmark = pytest.mark.xdist_group("serving")  # they share a running server

LIFECYCLE = ["render.intent", "render.queued", "render.completed", "render.stored"]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def film(server: Served) -> Path:
    return server.folder / "kite.mp4"


@pytest.fixture(scope="module", autouse=True)
def rendered(server: Served, film: Path) -> Any:
    """A finished render, asked for and saved by the command: the server's first, whichever test comes first."""
    return server.json("render", "A kite", "--seconds", "1", "--wait", "--out", str(film))


def test_the_start_shows_the_key_it_made_and_says_it_is_no_production(server: Served) -> None:
    key = (server.data_dir / "keys" / "api.key").read_text().strip()
    assert server.announced.splitlines()[1].endswith(f"/keys/api.key: {key}")
    log = (server.folder / "serve.log").read_text()
    assert "DEVELOPMENT ONLY" in log
    assert "belong at" in log
    assert "/webhooks/simulator" in log
    assert key not in log


def test_a_render_is_waited_for_and_saved(rendered: Any, film: Path) -> None:
    assert (rendered["status"], rendered["progress"], rendered["size"]) == ("completed", 100, "160x96")
    assert film.read_bytes()[4:8] == b"ftyp"


def test_progress_is_plain_lines_without_a_terminal_and_the_answer_stands_alone(server: Served) -> None:
    done = run_process(server.data_dir, "render", "A swing", "--wait")
    assert [line.split()[-3] for line in done.stderr.splitlines()][-1] == "completed"
    assert done.stdout.splitlines()[0].startswith("id ")


def test_videos_are_listed_shown_and_downloaded(server: Served, rendered: Any, tmp_path: Path) -> None:
    listed = server.json("videos", "list", "--order", "asc", "--limit", "1")
    assert [each["id"] for each in listed["data"]] == [rendered["id"]]
    shown = server.json("videos", "show", rendered["id"])
    signed = {"url": listed["data"][0]["url"]}  # a link is new at every look
    assert {**shown, **signed} == listed["data"][0]
    assert server.run("videos", "list").splitlines()[-1].split("\t")[:2] == [rendered["id"], "completed"]
    target = tmp_path / "thumb.webp"
    server.run("videos", "download", rendered["id"], "--variant", "thumbnail", "--out", str(target))
    assert target.read_bytes()[8:12] == b"WEBP"


def test_history_tells_every_fact_with_its_cause_and_the_prompt(server: Served, rendered: Any) -> None:
    facts = server.json_lines("history", rendered["id"])
    types = [fact["type"] for fact in facts]
    assert [kind for kind in types if kind in LIFECYCLE] == LIFECYCLE
    assert facts[0]["fact"]["prompt"] == "A kite"
    assert [fact["version"] for fact in facts] == [*range(1, len(facts) + 1)]
    ids = {fact["event_id"] for fact in facts}
    assert all(fact["causation"] in ids for fact in facts if fact["actor"] == "worker")
    lines = server.run("history", rendered["id"]).splitlines()
    assert len(lines) == len(facts)
    assert "prompt=A kite" in lines[0]


def test_history_tells_what_each_fact_changed(server: Served, rendered: Any) -> None:
    facts = server.json_lines("history", rendered["id"], "--diff")
    changed = {fact["type"]: fact["changed"] for fact in facts}
    assert changed["render.intent"]["intent.prompt"] == [None, "A kite"]
    assert changed["render.allowed"]["phase"] == ["intent", "allowed"]
    assert changed["render.submission_started"]["submission.attempt"] == [None, 1]
    assert changed["render.stored"]["phase"] == ["completed", "stored"]
    assert changed["render.stored"]["assets.0.sha256"][0] is None
    assert all(fact["changed"] for fact in facts)
    lines = server.run("history", rendered["id"], "--diff").splitlines()
    assert lines[0].startswith("#1 at position ")
    assert "    phase: intent -> allowed" in lines


def test_the_past_is_shown_as_it_was(server: Served, rendered: Any) -> None:
    first, *_, last = server.json_lines("history", rendered["id"])
    then = str(first["position"])
    assert server.json("videos", "show", rendered["id"], "--as-of", then)["status"] == "queued"
    now = server.json("videos", "show", rendered["id"], "--as-of", str(last["position"]))
    assert (now["status"], now["prompt"], now["url"]) == ("completed", "A kite", None)
    listed = server.json("videos", "list", "--as-of", first["recorded_at"])["data"]
    assert [(each["id"], each["status"]) for each in listed] == [(rendered["id"], "queued")]
    spent = server.json("spend", "--as-of", then)
    assert sum(each["renders"] for each in spent["data"]) == 0
    alone = server.json("videos", "lineage", rendered["id"], "--as-of", then)["data"]
    assert [each["id"] for each in alone] == [rendered["id"]]
    for arguments, code in (
        (("videos", "show", rendered["id"], "--as-of", "999999999"), "as_of_out_of_range"),
        (("videos", "list", "--as-of", "soon"), "invalid_value"),
        (("videos", "show", "video_" + "0" * 32, "--as-of", then), "video_not_found"),
    ):
        assert run(server.data_dir, *arguments, status=1).stderr.splitlines()[-1].startswith(f"error ({code}): ")
    run(server.data_dir, "spend", "--as-of", then, "--url", "http://127.0.0.1:9/v1", status=2)


def test_what_was_erased_is_said_to_be(server: Served, rendered: Any) -> None:
    video = server.json("render", "A secret garden", "--wait")
    intent = server.json_lines("history", video["id"])[0]["fact"]
    with server.books() as books:
        books.keys.destroy(requester=intent["requester"], subject=video["id"])
    assert server.json_lines("history", video["id"])[0]["fact"]["prompt"] == "(erased)"


def test_an_endpoint_is_created_listed_told_and_deleted(server: Served) -> None:
    made = server.json("endpoints", "create", "https://hooks.example/", "--name", "ours", "--event", "video.failed")
    assert made["signing_secret"].startswith("whsec_")
    (listed,) = server.json("endpoints", "list")["data"]
    assert (listed["id"], listed["event_types"]) == (made["id"], ["video.failed"])
    assert "signing_secret" not in listed
    assert server.run("endpoints", "list").split("\t")[:3] == [made["id"], "enabled", "ours"]
    assert server.json("endpoints", "deliveries", made["id"])["data"] == []
    assert server.run("endpoints", "delete", made["id"]) == f"deleted {made['id']}\n"
    told = run(server.data_dir, "endpoints", "deliveries", made["id"], status=1).stderr
    assert told.startswith("error (webhook_endpoint_not_found): ")
    assert "'bickford-sora endpoints list'" in told
    assert "videos list" not in told


def test_a_video_is_reviewed(server: Served, rendered: Any) -> None:
    grades = ("--clarity", "0.9", "--continuity", "0.85", "--brand-fit", "1", "--minutes", "0.7")
    said = server.json("review", rendered["id"], "--verdict", "approved", *grades, "--notes", "As briefed")
    assert (said["score"], said["notes"]) == (0.755, "As briefed")
    assert server.json("review", rendered["id"])["data"] == [said]
    assert server.run("review", rendered["id"]).split("\t")[1:3] == ["approved", "0.755"]
    assert server.json("videos", "show", rendered["id"])["review"] == {
        "verdict": "approved",
        "score": 0.755,
        "reviews": 1,
    }
    told = run(server.data_dir, "review", rendered["id"], "--clarity", "1", status=1).stderr
    assert told.startswith("error (missing_required_parameter): ")
    told = run(server.data_dir, "review", rendered["id"], "--verdict", "approved", status=1).stderr
    assert told.startswith("error (missing_required_parameter): ")


def test_a_key_is_issued_used_rotated_and_revoked(server: Served) -> None:
    made = server.json("keys", "issue", "Film team", "--project", "film", "--role", "requester", "--role", "auditor")
    assert (made["name"], made["project"], made["roles"]) == ("Film team", "film", ["requester", "auditor"])
    told = run(server.data_dir, "keys", "list", status=1, BICKFORD_API_KEY=made["secret"][:-1]).stderr
    assert told.startswith("error (invalid_api_key): ")
    used = run(server.data_dir, "videos", "list", "--json", BICKFORD_API_KEY=made["secret"]).stdout
    assert '"data": []' in used
    told = run(server.data_dir, "keys", "issue", "Mine", status=1, BICKFORD_API_KEY=made["secret"]).stderr
    assert told.startswith("error (role_missing): ")
    rotated = run(server.data_dir, "keys", "rotate", made["id"], "--overlap-hours", "0")
    assert "not shown again" in rotated.stderr
    (new, old) = server.json("keys", "list", "--limit", "2")["data"]
    assert (old["id"], old["status"], new["replaces"]) == (made["id"], "expired", made["id"])
    assert "secret" not in new
    assert server.run("keys", "revoke", new["id"]) == f"revoked {new['id']}\n"
    assert server.run("keys", "list", "--limit", "1").split("\t")[:3] == [new["id"], "revoked", "Film team"]


def test_a_video_of_nobody_has_no_history(server: Served) -> None:
    told = run(server.data_dir, "history", f"video_{'0' * 32}", status=1).stderr
    assert told.startswith("error (video_not_found): ")


def test_audit_finds_facts_by_video_type_actor_and_time(server: Served, rendered: Any) -> None:
    about = server.json_lines("audit", "--render", rendered["id"])
    assert {"render.intent", "job.claimed", "render.stored"} <= {each["type"] for each in about}
    intents = server.json_lines("audit", "--type", "render.intent", "--actor", about[0]["actor"])
    assert intents[0]["video_id"] == rendered["id"]
    later = server.json_lines("audit", "--since", about[-1]["recorded_at"], "--until", "2999-01-01", "--limit", "3")
    assert later
    lines = server.run("audit", "--render", rendered["id"]).splitlines()
    assert [line.split("\t")[2] for line in lines] == [each["type"] for each in about]
    assert all(each["recorded_at"] >= about[-1]["recorded_at"] for each in later)
    assert len(later) <= 3


def test_audit_finds_facts_by_stream_and_by_the_request_they_came_of(server: Served, rendered: Any) -> None:
    intent, *_ = server.json_lines("history", rendered["id"])
    own = server.json_lines("audit", "--stream", intent["stream"])
    assert [each["event_id"] for each in own] == [
        each["event_id"] for each in server.json_lines("history", rendered["id"])
    ]
    request_id = f"req_{intent['correlation'].replace('-', '')}"
    caused = server.json_lines("audit", "--request-id", request_id)
    assert {"render.intent", "spend.reserved", "render.stored"} <= {each["type"] for each in caused}
    assert {each["correlation"] for each in caused} == {intent["correlation"]}
    told = run(server.data_dir, "audit", "--request-id", "req_1", status=1).stderr
    assert "A request id is req_ and 32 hex digits." in told


def test_a_fact_is_shown_by_the_position_that_tables_name_it_by(server: Served, rendered: Any) -> None:
    queued = server.json_lines("history", rendered["id"])[3]
    shown = server.json("audit", "show", str(queued["position"]))
    assert shown == server.json("audit", "show", queued["event_id"])
    assert shown["id"] == queued["event_id"]
    for place in ("0", "99999", "9" * 30):
        assert "error (fact_not_found)" in run(server.data_dir, "audit", "show", place, status=1).stderr


def test_a_history_is_told_as_of_then(server: Served, rendered: Any) -> None:
    facts = server.json_lines("history", rendered["id"])
    then = facts[3]["position"]
    assert server.json_lines("history", rendered["id"], "--as-of", str(then)) == facts[:4]
    assert server.json_lines("history", rendered["id"], "--as-of", facts[3]["recorded_at"])[-1]["position"] >= then
    changes = server.run("history", rendered["id"], "--diff", "--as-of", str(then)).splitlines()
    assert [line for line in changes if line.startswith("#")][-1].startswith(f"#4 at position {then}")
    before = run(server.data_dir, "history", rendered["id"], "--as-of", str(facts[0]["position"] - 1), status=1).stderr
    assert f"As of position {facts[0]['position'] - 1} the ledger has no video with this id." in before


def test_replay_rebuilds_every_read_model_while_serving(server: Served, rendered: Any) -> None:
    before = _without_links(server.json("videos", "list"))
    replayed = server.json("replay")
    assert [each["name"] for each in replayed["rebuilt"]] == [
        "videos",
        "lineage",
        "audit",
        "work",
        "endpoints",
        "api_keys",
        "spend",
        "search",
    ]
    assert replayed["events"] > 5
    assert _without_links(server.json("videos", "list")) == before
    assert "videos version" in server.run("replay", "videos")


def _without_links(page: Any) -> Any:
    """A page of the list but for its links: each is signed anew, until a moment of its own."""
    return {**page, "data": [{**video, "url": None} for video in page["data"]]}


def test_migrate_has_nothing_to_do_and_says_what_protects_the_ledger(server: Served, rendered: Any) -> None:
    assert server.json("migrate") == {"applied": [], "rebuild": [], "protected_by": "triggers"}
    assert "only triggers refuse to change a recorded fact" in server.run("migrate")


def test_a_remix_names_its_source_and_the_source_names_the_remix(server: Served, rendered: Any) -> None:
    remix = server.json("videos", "remix", rendered["id"], "At night", "--wait")
    assert (remix["status"], remix["remixed_from_video_id"]) == ("completed", rendered["id"])
    last = server.json_lines("history", rendered["id"])[-1]
    assert (last["type"], last["fact"]["remix_video_id"]) == ("render.remixed", remix["id"])


def test_a_lineage_is_a_tree(server: Served, rendered: Any) -> None:
    made = server.json("videos", "remix", rendered["id"], "A red kite", "--wait")
    found = server.json("videos", "lineage", made["id"])["data"]
    assert [(each["id"], each["depth"]) for each in found] == [(rendered["id"], -1), (made["id"], 0)]
    first, second = server.run("videos", "lineage", made["id"]).splitlines()
    assert first.startswith(rendered["id"])
    assert second.startswith(f"└─ * {made['id']}  remix, completed")
    assert second.endswith("prompt: 'A kite' -> 'A red kite'")


def test_what_did_not_fail_is_not_retried(server: Served, rendered: Any) -> None:
    told = run(server.data_dir, "videos", "retry", rendered["id"], status=1).stderr
    assert told.startswith("error (")


def test_a_retry_is_a_new_render_caused_by_the_failure(server: Served) -> None:
    server.next_job_fails("A kite in a storm")
    failed = server.refused("render", "A kite in a storm", "--seconds", "1", "--wait")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "moderation_blocked")
    again = server.json("videos", "retry", failed["id"], "--wait")
    assert (again["status"], again["prompt"], again["seconds"]) == ("completed", "A kite in a storm", "1")
    intent, verdict, *_ = server.json_lines("history", again["id"])
    end = server.json_lines("history", failed["id"])[-1]
    assert end["type"] == "render.failed"
    assert (intent["causation"], intent["fact"]["retry_of_video_id"]) == (end["event_id"], failed["id"])
    assert verdict["type"] == "render.allowed"


def test_a_second_simulator_on_the_same_folder_is_refused(server: Served) -> None:
    told = run(server.data_dir, "serve", "--simulator", "--port", "0", status=1).stderr
    assert told.startswith("error (simulator_running): ")


def test_a_second_server_leaves_the_address_of_the_first(server: Served) -> None:
    left = server.data_dir / "serve.json"
    before = left.read_text()
    with address_left(server.data_dir, "http://127.0.0.1:1/v1"):
        assert "127.0.0.1:1/" in left.read_text()
    assert left.read_text() == before


def test_nowhere_to_download_to_is_wrong_usage(server: Served, rendered: Any, tmp_path: Path) -> None:
    target = tmp_path / "none" / "a.mp4"
    run(server.data_dir, "videos", "download", rendered["id"], "--out", str(target), status=2)


def test_no_fact_found_is_said(server: Served) -> None:
    assert run(server.data_dir, "audit", "--type", "render.nonsense").stderr.startswith("No fact matches.")


def test_an_idempotency_key_makes_repeating_safe(server: Served) -> None:
    asked = ("render", "A gate", "--idempotency-key", "gate-1")
    assert server.json(*asked)["id"] == server.json(*asked)["id"]


def test_a_deleted_video_is_gone_and_its_history_stays(server: Served) -> None:
    video = server.json("render", "A door", "--wait")
    assert server.json("videos", "delete", video["id"])["deleted"] is True
    assert run(server.data_dir, "videos", "show", video["id"], status=1).stderr.startswith("error (video_not_found)")
    assert "render.deleted" in [fact["type"] for fact in server.json_lines("history", video["id"])]


def test_a_taken_port_is_one_line(server: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = run_process(server.data_dir, "serve", "--no-workers", "--port", port, status=1).stderr
    assert "error (address_in_use): " in told


def test_sigterm_drains_and_leaves_no_trace(database_url: str) -> None:
    with served(BICKFORD_DATABASE_URL=database_url) as running:  # to make a server of its own takes seconds
        left = running.data_dir / "serve.json"
        assert left.exists()
        assert stop(running.process) == 0
        wait_until_gone(left)
