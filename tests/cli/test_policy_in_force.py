"""Publishing, explaining and backtesting a policy against a running server, as a shell would."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.events import RenderDenied

from .commands import Served, run, served

pytestmark = pytest.mark.xdist_group("policy")  # they share a running server

SHORT = "version: 1\ndefault: allow\nrules: [{id: short, effect: deny, when: {seconds_min: 4}, message: Ask for 1.}]\n"
OPEN = "version: 1\ndefault: allow\n"
WAIT_S = 60.0
"""For a total to follow, on a busy machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def refused(server: Served, *arguments: str) -> str:
    """What a command says on standard error that ends with status 1."""
    return run(server.data_dir, *arguments, status=1).stderr


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("policies") / "short.yaml"
    file.write_text(SHORT)
    return str(file)


@pytest.fixture(scope="module")
def ids(server: Served, short: str) -> dict[str, str]:
    """A render from before the policy was published, one that it allowed and one that it denied."""
    before = server.json("render", "A kite")["id"]
    assert "allow-offered" in server.run("policy", "show")
    assert server.run("policy", "publish", short).startswith("version 1 is in force, policy hash ")
    allowed = server.json("render", "A boat", "--seconds", "1")["id"]
    assert "policy_denied" in refused(server, "render", "A boat")
    with server.books() as books:
        denied = next(each.stream for each in books.ledger.read(0) if isinstance(each.fact, RenderDenied))
    return {"before": before, "allowed": allowed, "denied": f"video_{denied.rpartition(':')[2]}"}


@pytest.mark.usefixtures("ids")
def test_the_policy_in_force_is_shown(server: Served) -> None:
    assert server.run("policy", "show") == SHORT
    assert [each["version"] for each in server.json("policy", "show", "--versions")["data"]] == [1]
    assert server.run("policy", "show", "--versions").startswith("1\t")


def test_a_decision_is_explained(server: Served, ids: dict[str, str]) -> None:
    explained = server.json("policy", "explain", ids["allowed"])
    assert (explained["was"], explained["decided_by"], explained["rules"]) == ("allowed", "policy.default", [])
    assert explained["decides_the_same_again"] is True
    assert server.json("policy", "explain", ids["before"])["decided_by"] == "allow-offered"
    told = server.run("policy", "explain", ids["denied"])
    assert "short: Rule short of the policy denies this render. Ask for 1.\n" in told
    assert "seconds = 4\n" in told


def test_another_policy_is_tried_on_what_was_asked(
    server: Served, short: str, ids: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "open.yaml"
    file.write_text(OPEN)
    report = server.json("policy", "backtest", str(file))
    assert report["total"]["intents"] == 3
    assert report["flips"] == [{"was": "denied", "would_be": "allowed", "intents": 1}]
    assert [each["video_id"] for each in report["flipped"]] == [ids["denied"]]
    assert report["total"]["was_cost_micro"] == {"USD": 500_000}
    assert report["total"]["would_cost_micro"] == {"USD": 900_000}
    assert server.json("policy", "backtest", str(file), "--project", "nobodys")["total"]["intents"] == 0
    assert server.json("policy", "backtest", str(file), "--tenant", "acme")["total"]["intents"] == 0
    shown = server.run("policy", "backtest", short)
    assert "allowed -> denied: 1\n" in shown
    assert ids["before"] in shown


def test_what_cannot_be_used_is_refused_with_its_reason(server: Served, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1")
    for command in ("publish", "backtest"):
        assert "policy_invalid" in refused(server, "policy", command, str(wrong))
    assert "video_not_found" in refused(server, "policy", "explain", "video_" + "0" * 32)
    assert "video_not_found" in refused(server, "policy", "explain", "nonsense")


def test_what_a_render_is_for_is_told_with_the_command(server: Served) -> None:
    server.run("policy", "publish", str(_written(server, OPEN)))
    server.json("render", "A kite", "--purpose", "final", "--tag", "spring", "--tag", "sea")
    gives_up_at = time.monotonic() + WAIT_S
    while "final" not in server.run("spend", "--by", "purpose"):
        assert time.monotonic() < gives_up_at
    assert [line.split("\t")[0] for line in server.run("spend", "--by", "tag").splitlines()][:2] == ["sea", "spring"]


def _written(server: Served, policy: str) -> Path:
    file = server.folder / "open.yaml"
    file.write_text(policy)
    return file
