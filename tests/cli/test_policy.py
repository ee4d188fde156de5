"""`bickford-sora policy`."""

import json
from pathlib import Path

import pytest

from bickford_sora.policy_file import read_policy_file
from tests.docs.pages import REFERENCE, ROOT

from .commands import run

TEAM = ROOT / "docs" / "examples" / "policies" / "team.yaml"
WRONG = "version: 1\ndefault: allow\nrules:\n- id: it\n  effect: deny\n  when: {hours: noon}\n- {id: it}\n"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    return file


def test_a_policy_in_order_is_named_by_its_hash(tmp_path: Path) -> None:
    found = read_policy_file(TEAM).hash
    assert run(tmp_path, "policy", "lint", str(TEAM)).stdout == f"{TEAM}: in order, 5 rules, policy hash {found}\n"
    said = json.loads(run(tmp_path, "policy", "lint", str(TEAM), "--json").stdout)
    assert said == {"file": str(TEAM), "policy_hash": found, "problems": []}


def test_a_wrong_policy_is_told_of_by_line(tmp_path: Path, wrong: Path) -> None:
    told = run(tmp_path, "policy", "lint", str(wrong), status=1).stderr
    assert "policy_invalid" in told
    assert "line 6: rules.0.when.hours: hours are written as 9-17 or 22-6; line 7: rules.1: effect is missing" in told
    said = json.loads(run(tmp_path, "policy", "lint", str(wrong), "--json", status=1).stdout)
    assert [(each["line"], each["place"]) for each in said["problems"]] == [(6, "rules.0.when.hours"), (7, "rules.1")]


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    assert "No such file" in run(tmp_path, "policy", "lint", str(tmp_path / "none.yaml"), status=1).stderr


def test_models_that_no_renderer_offers_are_told_of(tmp_path: Path) -> None:
    renderers = ROOT / "docs" / "examples" / "renderers" / "vllm-omni-pool.yaml"
    told = run(tmp_path, "policy", "lint", str(TEAM), "--renderers", str(renderers), status=1).stderr
    assert "no renderer offers the model 'sora-2-pro'" in told


def test_the_schema_is_the_published_one(tmp_path: Path) -> None:
    assert run(tmp_path, "policy", "schema").stdout == (REFERENCE / "policy.schema.json").read_text("utf-8")
