"""Help, refusals and exit statuses: what needs no server."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import typer

from bickford_sora import __version__
from bickford_sora.cli.address import reachable
from bickford_sora.cli.application import COMMANDS, find_command
from bickford_sora.cli.output import progress_shown
from bickford_sora.database.pool import CHECKOUT_TIMEOUT_S
from tests.client.answers import video
from tests.renderers.fake_server import FakeServer, Reply, answering

from .commands import COMMAND, environment, run, run_process

SLOW_TO_IMPORT = ("av", "fastapi", "httpx", "psycopg", "pydantic", "uvicorn")


def test_help_names_every_command_and_waits_for_none_of_them(tmp_path: Path) -> None:
    program = f"""
import sys
from bickford_sora.cli.application import run
assert run(["--help"]) == 0
print("imported:", [name for name in {SLOW_TO_IMPORT} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(tmp_path, {}), capture_output=True, text=True, check=True
    )
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert "imported: []" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_help_it_is_listed_with(name: str) -> None:
    command = find_command(name)
    text = command.info.help if isinstance(command, typer.Typer) else command.__doc__
    assert text.startswith(COMMANDS[name].rstrip("."))


def test_version_is_ours(tmp_path: Path) -> None:
    assert run(tmp_path, "version").stdout == f"bickford-sora {__version__}\n"
    assert f'"version": "{__version__}"' in run(tmp_path, "version", "--json").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("render",),
        ("serve", "--port", "70000"),
        ("videos", "show"),
        ("audit", "--cost-micro-max", str(2**63)),
    ],
)
def test_wrong_usage_is_status_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run(tmp_path, *arguments, status=2)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_without_a_renderer_it_refuses_and_says_what_to_set(tmp_path: Path, command: str) -> None:
    told = run_process(tmp_path, command, status=1).stderr
    assert told.startswith("error (no_renderer): ")
    assert len(told.splitlines()) == 1
    assert all(word in told for word in ("OPENAI_BASE_URL", "2026-09-24", "--simulator"))
    assert not any(tmp_path.iterdir()), "a refusal leaves nothing behind"


def test_a_wrong_setting_is_named_and_its_value_is_not(tmp_path: Path) -> None:
    told = run(tmp_path, "audit", status=1, BICKFORD_WORKERS="planted-secret").stderr
    assert told.startswith("error (settings_invalid): workers: ")
    assert "planted-secret" not in told


def test_a_simulator_that_cannot_be_is_refused(tmp_path: Path) -> None:
    told = run(tmp_path, "simulator", "--port", "0", "--size", "enormous", status=1).stderr
    assert told.startswith("error (settings_invalid): ")
    assert "1280x720" in told


def test_an_unreachable_database_is_one_line(tmp_path: Path) -> None:
    url = "postgresql://planted:planted-secret@127.0.0.1:1/none?connect_timeout=1"
    told = run(tmp_path, "migrate", status=1, BICKFORD_DATABASE_URL=url).stderr
    assert told.startswith("error (database_unavailable): ")
    assert "BICKFORD_DATABASE_URL" in told
    assert "planted-secret" not in told


def test_a_ledger_that_cannot_be_reached_is_said_at_once_and_in_one_line(tmp_path: Path) -> None:
    began = time.monotonic()
    url = "postgresql://somebody:planted-secret@127.0.0.1:1/nothing"
    told = run(tmp_path, "audit", status=1, BICKFORD_DATABASE_URL=url).stderr
    assert told.startswith("error (database_unavailable): ")
    assert len(told.splitlines()) == 1
    assert time.monotonic() - began < CHECKOUT_TIMEOUT_S, "nobody waited for a connection of the pool"


def test_nobody_serving_is_said_with_how_to_serve(tmp_path: Path) -> None:
    told = run(
        tmp_path, "videos", "list", "--url", "http://127.0.0.1:1/v1", status=1, BICKFORD_API_KEY="bk_live_1"
    ).stderr
    assert told.startswith("error (unreachable): http://127.0.0.1:1/v1: ")
    assert "bickford-sora serve --simulator" in told


def test_no_api_key_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    told = run(tmp_path, "render", "A kite", "--url", "https://videos.example/v1", status=1).stderr
    assert told.startswith("error (api_key_missing): ")
    assert told.count("BICKFORD_API_KEY") == 1


def test_what_a_server_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    body = {"error": {"message": "planted \x1b[31m escape", "type": "server_error", "param": None, "code": "planted"}}
    with FakeServer(answering(400, body)) as server:
        told = run(
            tmp_path, "videos", "show", "video_1", status=1, BICKFORD_BASE_URL=server.url, BICKFORD_API_KEY="bk_live_1"
        ).stderr
    assert told.startswith("error (planted): planted ")
    assert "\x1b" not in told


def test_no_video_id_is_refused_without_a_database(tmp_path: Path) -> None:
    assert run(tmp_path, "history", "video_nonsense", status=1).stderr.startswith("error (video_not_found): ")
    assert not any(tmp_path.iterdir())


def test_an_unknown_read_model_is_wrong_usage_and_the_known_ones_are_named(tmp_path: Path) -> None:
    told = run(tmp_path, "replay", "nonsense", status=2).stderr
    assert "videos, lineage, audit, work" in told
    assert not any(tmp_path.iterdir())


def test_a_moment_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    assert "not a date and time" in run(tmp_path, "audit", "--since", "yesterday", status=2).stderr


def test_a_render_that_could_not_be_saved_is_never_asked_for(tmp_path: Path) -> None:
    with FakeServer(answering(200, video())) as server:
        settings = {"BICKFORD_BASE_URL": server.url, "BICKFORD_API_KEY": "bk_live_1"}
        run(tmp_path, "render", "A kite", "--out", str(tmp_path / "none" / "a.mp4"), status=2, **settings)
        assert not server.requests


def test_a_failed_render_is_status_1_with_the_reason_and_the_video(tmp_path: Path) -> None:
    failed = video(status="failed", error={"code": "moderation", "message": "Not this"})
    with FakeServer(answering(200, video()), answering(200, failed)) as server:
        settings = {"BICKFORD_BASE_URL": server.url, "BICKFORD_API_KEY": "bk_live_1"}
        said = run(tmp_path, "render", "A kite", "--wait", "--json", status=1, **settings)
    assert json.loads(said.stdout)["error"]["code"] == "moderation"
    assert (
        said.stderr.splitlines()[-1]
        == "error (moderation): Not this. Ask again with 'bickford-sora videos retry video_1'."
    )


def terminal(columns: int) -> dict[str, str]:
    return {"FORCE_COLOR": "1", "COLUMNS": str(columns)}


def test_on_a_narrow_terminal_a_row_goes_on_indented_and_nothing_is_cut(tmp_path: Path) -> None:
    body = {"object": "list", "data": [video(id=f"video_{'0' * 32}")], "first_id": None, "last_id": None}
    with FakeServer(answering(200, {**body, "has_more": False})) as server:
        settings = {"BICKFORD_BASE_URL": server.url, "BICKFORD_API_KEY": "bk_live_1", **terminal(60)}
        lines = run(tmp_path, "videos", "list", **settings).stdout.splitlines()
    assert max(map(len, lines[2:])) <= 60
    assert lines[2].startswith(f"video_{'0' * 32}  queued")
    assert lines[3].startswith("    ")
    assert "720x1280" in lines[3]


def test_on_a_terminal_columns_are_aligned_and_no_id_is_cut(tmp_path: Path) -> None:
    videos = [video(id=f"video_{'0' * 120}{n}", model="[bold]m[/]" * n) for n in (1, 2)]
    page = {"object": "list", "data": videos, "first_id": None, "last_id": None, "has_more": False}
    with FakeServer(answering(200, page)) as server:
        settings = {"BICKFORD_BASE_URL": server.url, "BICKFORD_API_KEY": "bk_live_1", **terminal(300)}
        lines = run(tmp_path, "videos", "list", **settings).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [each["id"] for each in videos]
    assert lines[1].index("720x1280") == lines[2].index("720x1280")
    assert "[bold]m[/]" in lines[1]


def test_on_a_terminal_progress_is_a_bar(tmp_path: Path) -> None:
    with FakeServer(answering(200, video()), answering(200, video(status="completed", progress=100))) as server:
        settings = {"BICKFORD_BASE_URL": server.url, "BICKFORD_API_KEY": "bk_live_1", "FORCE_COLOR": "1"}
        said = run(tmp_path, "render", "A kite", "--wait", **settings)
    assert "━" in said.stderr
    assert "━" not in said.stdout


@pytest.mark.parametrize("steps", [(), (0,), (7,), (0, 50_000), (0, 50_000, 100_000)])
def test_a_bar_moves_before_its_pace_can_be_told(
    steps: Sequence[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in terminal(120).items():
        monkeypatch.setenv(name, value)
    with progress_shown("replay", unit="events") as progress:
        for done in steps:
            progress(done, 100_000)
    said = capsys.readouterr().err
    assert "replay" in said
    assert ("/s" in said) is (len(steps) > 2)  # of two steps that took a while


@pytest.mark.parametrize(
    ("listening", "reached"),
    [
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("http://[::]:8000", "http://[::1]:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://192.168.0.7:8000", "http://192.168.0.7:8000"),
    ],
)
def test_a_server_on_every_address_is_reached_on_this_one(listening: str, reached: str) -> None:
    assert reachable(listening) == reached


def test_an_address_that_is_none_is_said_so(tmp_path: Path) -> None:
    told = run(tmp_path, "videos", "list", "--url", "localhost", status=1, BICKFORD_API_KEY="bk_live_1").stderr
    assert told.startswith("error (connection_invalid): ")


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell's background jobs, and so their children, are told to ignore it; a handler of ours is not inherited."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_is_status_130_without_a_traceback(tmp_path: Path) -> None:
    with FakeServer(Reply([], pause_s=30)) as server:
        settings = {"BICKFORD_BASE_URL": server.url, "BICKFORD_API_KEY": "bk_live_1"}
        process = subprocess.Popen(
            [*COMMAND, "videos", "list"],
            env=environment(tmp_path, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not server.requests and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in told


@pytest.mark.usefixtures("ctrl_c_is_heard")
@pytest.mark.parametrize("module", ["typer", "bickford_sora.cli.application", "bickford_sora.cli.serve", "pydantic"])
def test_ctrl_c_while_modules_load_is_status_130_and_nothing_else(module: str, tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
class Interrupter:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(100_000))
sys.meta_path.insert(0, Interrupter())
sys.argv[1:] = ["serve"]
from bickford_sora.cli import main
main()
"""
    given = {"BICKFORD_DATABASE_URL": "postgresql://127.0.0.1:9/none"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(tmp_path, given), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_while_waiting_says_that_the_render_goes_on(tmp_path: Path) -> None:
    with FakeServer(answering(200, video()), Reply([], pause_s=30)) as server:
        settings = {"BICKFORD_BASE_URL": server.url, "BICKFORD_API_KEY": "bk_live_1"}
        process = subprocess.Popen(
            [*COMMAND, "render", "A kite", "--wait"],
            env=environment(tmp_path, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while len(server.requests) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"videos show {video()['id']}" in told
