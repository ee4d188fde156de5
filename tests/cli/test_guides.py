"""The guides' commands, as they stand there and in their order, against a running server."""

import csv
import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fences

from .commands import Served, run, served

pytestmark = pytest.mark.xdist_group("watch")  # they share a running server

REFUSED = {"One sea too many": "insufficient_quota"}
"""What a guide says is refused, by what is in the command, and how."""


UNKNOWN_WITHIN_S = 20.0

FILE = re.compile(r"[a-z]+\.csv")


def write_invoice(folder: Path) -> None:
    """What a vendor bills for the charges: five cents more for the first one."""
    charges = list(csv.DictReader((folder / "charges.csv").read_text("utf-8").splitlines()))
    lines = [f"{each['ResourceId']},{'0.45' if each is charges[0] else each['BilledCost']},USD" for each in charges]
    (folder / "invoice.csv").write_text("\n".join(["video_id,amount,currency", *lines]), "utf-8")


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def told(server: Served, guide: str, folder: Path) -> dict[str, str]:
    """What each command of a guide answered, by the command."""
    page = (ROOT / "docs" / "guides" / guide).read_text("utf-8")
    answers: dict[str, str] = {}
    for number, line in enumerate(line for block in fences(page, "sh") for line in block.splitlines()):
        if "invoice.csv" in line:
            write_invoice(folder)
        program, *arguments = (FILE.sub(lambda name: str(folder / name[0]), word) for word in shlex.split(line))
        assert program == "bickford-sora"
        refused = next((code for part, code in REFUSED.items() if part in line), None)
        said = run(server.data_dir, *arguments, status=1 if refused else 0)
        assert refused is None or refused in said.stderr, line
        answers[f"{number}: {line}"] = said.stdout
    return answers


def test_the_guide_to_budgets_does_what_it_says(server: Served, tmp_path: Path) -> None:
    answers = told(server, "budgets.md", tmp_path)
    lists = [answer for command, answer in answers.items() if command.endswith("budgets list")]
    before, after = ([line.split("\t") for line in each.splitlines()] for each in lists)
    assert [row[0] for row in before] == ["company", "films-in-flight"]
    assert [row[5] for row in before] == ["0.00 USD", "0 renders"]
    assert len((tmp_path / "charges.csv").read_text().splitlines()) == 3
    (quoted,) = [answer for command, answer in answers.items() if command.endswith("--quote")]
    assert "company\ttenant\tmonth" in quoted
    assert quoted.endswith(
        "49.20 USD\t48.80 USD\nfilms-in-flight\tproject:default\tin_flight\tin_flight\t2 renders\t1 renders\n"
    )
    compared, adjusted = (
        [line.split("\t") for line in answer.splitlines()]
        for command, answer in answers.items()
        if "invoice.csv" in command
    )
    assert [(row[0], *row[4:7]) for row in compared] == [
        ("matched", "0.4 USD", "0.4 USD", ""),
        ("differs", "0.45 USD", "0.4 USD", "0.05 USD"),
    ]
    assert adjusted == compared, "it tells what it corrected"
    assert [row[5] for row in after] == ["0.40 USD", "0 renders"]
    for name in ("company", "films-in-flight"):  # other guides have no such budgets
        run(server.data_dir, "budgets", "remove", name)


def test_the_guide_to_audits_does_what_it_says(server: Served, tmp_path: Path) -> None:
    answers = told(server, "audit.md", tmp_path)

    def answer(command: str) -> list[list[str]]:
        (found,) = [text for line, text in answers.items() if line.endswith(command)]
        return [line.split("\t") for line in found.splitlines()]

    kite = next(text for line, text in answers.items() if " render " in line).partition("video_")[2].split()[0]
    assert f"video_{kite}" in [row[4] for row in answer('--text "red kite"')]
    assert {row[2] for row in answer("audit --type render.intent")} == {"render.intent"}
    assert [row[0] for row in answer("audit --from 1 --to 5")] == ["1", "2", "3", "4", "5"]
    assert [row[0] for row in answer("audit questions")] == [
        row.rpartition(" ")[2] for row in answers if " ask " in row
    ]
    stored = answer("--order desc --limit 5")
    assert [int(row[0]) for row in stored] == sorted((int(row[0]) for row in stored), reverse=True)
    shown = json.loads(run(server.data_dir, "audit", "--type", "render.stored", "--json").stdout.splitlines()[-1])
    in_full = json.loads(run(server.data_dir, "audit", "show", shown["event_id"], "--json").stdout)
    assert in_full["fact"]["assets"][0]["sha256"]
    assert in_full["causes"][0]["type"] == "render.completed"
    found = run(server.data_dir, "audit", "--sha256", in_full["fact"]["assets"][0]["sha256"], "--json").stdout
    assert json.loads(found)["event_id"] == shown["event_id"]
    lines = run(server.data_dir, "audit", "show", shown["event_id"]).stdout.splitlines()
    assert any(line.split() == ["type", "render.stored"] for line in lines)
    refused = run(server.data_dir, "audit", "show", "nonsense", status=1).stderr
    assert refused.startswith("error (fact_not_found): ")
    assert "search_off" in run(server.data_dir, "audit", "--text", "x", status=1, BICKFORD_FULL_TEXT_SEARCH="0").stderr


def unanswered(server: Served, prompt: str) -> str:
    """A render of which nobody knows whether the renderer took it."""
    server.next_answer_is_lost(prompt)
    video_id = str(server.json("render", prompt)["id"])
    gives_up_at = time.monotonic() + UNKNOWN_WITHIN_S
    while video_id not in [each["id"] for each in server.json("unknown", "list")["data"]]:
        assert time.monotonic() < gives_up_at
        time.sleep(0.05)
    return video_id


def test_the_guide_to_unknown_outcomes_does_what_it_says(server: Served) -> None:
    page = (ROOT / "docs" / "guides" / "unknown.md").read_text("utf-8")
    (commands,) = fences(page, "sh")
    asked = {what: unanswered(server, f"{what} this kite") for what in ("adopt", "resubmit", "abandon")}
    job = server.job_of("adopt this kite")
    became = {}
    for line in commands.splitlines():
        _, _, what, *_ = shlex.split(line)
        named = line.replace("VIDEO", asked.get(what, "")).replace("JOB", job)
        became[what] = run(server.data_dir, *shlex.split(named)[1:]).stdout
    assert all(video_id in became["list"] for video_id in asked.values())
    assert job in became["adopt"]
    assert "failed" in became["abandon"]
    for what in ("adopt", "resubmit"):
        server.run("watch", asked[what])
    assert server.json("unknown", "list")["data"] == []
    assert "nothing_unknown" in run(server.data_dir, *shlex.split(named)[1:], status=1).stderr
    elsewhere = run(server.data_dir, "unknown", "abandon", "video_" + "0" * 32, "--reason", "x", status=1).stderr
    assert "'bickford-sora unknown list'" in elsewhere
    assert "'bickford-sora videos list'" not in elsewhere  # it lists everything, and would be looked through in vain
