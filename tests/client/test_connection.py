"""Which server the helper functions talk to, and whom the key is shown to."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import bickford_sora
from bickford_sora import SoraVideoUnauthorized, aio, list_sora_videos
from bickford_sora.client.connection import default_connection, serve_file
from tests.renderers.fake_server import FakeServer, answering

EMPTY_PAGE = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BICKFORD_BASE_URL", "BICKFORD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BICKFORD_DATA_DIR", str(tmp_path))


def leave_key(data_dir: Path) -> None:
    (data_dir / "keys").mkdir()
    (data_dir / "keys" / "api.key").write_text("bk_live_made_here\n")


def test_the_environment_goes_before_a_local_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve_file(tmp_path).write_text(json.dumps({"base_url": "http://127.0.0.1:4711/v1"}))
    leave_key(tmp_path)
    monkeypatch.setenv("BICKFORD_BASE_URL", "https://videos.example/v1/")
    monkeypatch.setenv("BICKFORD_API_KEY", "bk_live_given")
    found = default_connection()
    assert (found.base_url, found.api_key.get_secret_value()) == ("https://videos.example/v1", "bk_live_given")


def test_a_local_server_is_found_with_its_key(tmp_path: Path) -> None:
    serve_file(tmp_path).write_text(json.dumps({"base_url": "http://127.0.0.1:4711/v1"}))
    leave_key(tmp_path)
    found = default_connection()
    assert (found.base_url, found.api_key.get_secret_value()) == ("http://127.0.0.1:4711/v1", "bk_live_made_here")
    assert "bk_live" not in repr(found)


@pytest.mark.parametrize("left", ["", "{", "[]", '{"base_url": 1}'])
def test_a_damaged_trace_of_a_server_is_no_trace(tmp_path: Path, left: str) -> None:
    serve_file(tmp_path).write_text(left)
    leave_key(tmp_path)
    assert default_connection().base_url == "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize("url", ["https://videos.example/v1", "http://127.0.0.1.example/v1", "http://10.0.0.7:8000/v1"])
def test_the_key_made_here_is_never_shown_to_another_machine(tmp_path: Path, url: str) -> None:
    leave_key(tmp_path)
    with pytest.raises(SoraVideoUnauthorized) as caught:
        default_connection(url)
    assert caught.value.code == "api_key_missing"


def test_the_helper_functions_work_in_both_worlds(
    monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., FakeServer]
) -> None:
    server = scripted(answering(200, EMPTY_PAGE))
    monkeypatch.setenv("BICKFORD_BASE_URL", server.url)
    monkeypatch.setenv("BICKFORD_API_KEY", "bk_live_given")
    assert list_sora_videos(limit=3).data == ()
    assert asyncio.run(aio.list_sora_videos(limit=3)).data == ()
    assert [b"bearer bk_live_given" in request.lower() for request in server.requests] == [True, True]


def test_every_public_name_can_be_imported_and_is_listed_in_order() -> None:
    assert bickford_sora.__all__ == sorted(bickford_sora.__all__, key=lambda name: (name.lower() == name, name))
    for name in bickford_sora.__all__:
        assert getattr(bickford_sora, name) is not None
    with pytest.raises(AttributeError):
        _ = bickford_sora.no_such_name
