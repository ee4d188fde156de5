"""Many requests from a file, and following without polling, as a shell would."""

import json
from pathlib import Path

import pytest

from .commands import Served

pytestmark = pytest.mark.xdist_group("shared_server")

LINES = [
    {"prompt": "A kite", "custom_id": "first"},
    {"prompt": "A boat", "seconds": "77"},
    {"prompt": "A train"},
]


@pytest.fixture
def server(shared_server: Served) -> Served:
    return shared_server


def test_a_batch_file_is_rendered_saved_and_taken_up_again(server: Served, tmp_path: Path) -> None:
    file, results, folder = tmp_path / "batch.jsonl", tmp_path / "results.jsonl", tmp_path / "videos"
    file.write_text("\n".join(map(json.dumps, LINES)))
    command = ("render", "--batch", str(file), "--out", str(results), "--out-dir", str(folder), "--json")
    told = json.loads(server.run(*command, status=1))
    assert [line["status"] for line in told] == ["completed", None, "completed"]
    assert told[1]["error"]["param"] == "seconds"
    assert [json.loads(line) for line in results.read_text().splitlines()] == told
    assert sorted(path.stem for path in folder.iterdir()) == sorted(each["video_id"] for each in (told[0], told[2]))
    again = json.loads(server.run(*command, status=1))
    assert [line["video_id"] for line in again] == [line["video_id"] for line in told], "nothing is made twice"


def test_a_csv_file_is_a_batch_too(server: Served, tmp_path: Path) -> None:
    file = tmp_path / "batch.csv"
    file.write_text("prompt,seconds,custom_id\nA heron,,row-1\n")
    told = json.loads(server.run("render", "--batch", str(file), "--json"))
    assert (told[0]["custom_id"], told[0]["error"]) == ("row-1", None)


def test_watch_follows_a_video_to_its_end(server: Served) -> None:
    asked = json.loads(server.run("render", "A lighthouse", "--json"))
    watched = json.loads(server.run("watch", asked["id"], "--json"))
    assert (watched["id"], watched["status"]) == (asked["id"], "completed")
