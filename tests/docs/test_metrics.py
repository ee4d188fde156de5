"""The page of metrics, the dashboard and the alert rules are held to what is told."""

import json
import re

import pytest
import yaml

from bickford_sora.counts import Counts
from bickford_sora.metrics import Metrics
from ledger.proof.sequencer import Standing
from projections.backlog import Waiting
from projections.positions import Lag
from projections.spend import Total
from tests.docs.pages import REFERENCE, ROOT, codes, rows, sections

DEPLOY = ROOT / "docs" / "deploy"
PAGE = sections((REFERENCE / "metrics.md").read_text("utf-8"), 2)
NAME = re.compile(r"\bbickford_[a-z_]+")
SUFFIXES = re.compile(r"_(?:bucket|sum|count)$")


def everything() -> Metrics:
    """Numbers of which there is one of each."""
    counts = Counts()
    counts.answered("GET", "/v1/videos", 200, 0.1)
    counts.webhook("recorded")
    counts.appended(1, 0.1)
    counts.worked("submit", "done", 0.1)
    counts.called("openai", "POST", "200", 0.1)
    counts.delivered("2xx")
    counts.watch_pool(lambda: {"pool_size": 3, "pool_available": 1, "requests_waiting": 0})
    return Metrics(
        lambda: [Lag("videos", 1, 1, 1, 0, 0.0, parked=0, skipped=0, gaps=0, rebuilding=False)],
        lambda: Standing(1, 1, 1, 1.0),
        backlog=lambda: [Waiting("reconcile", None, 1, 0.0, 1)],
        stopped=lambda: [("openai", "sora-2")],
        spend=lambda _: [Total("films", "USD", 1, 4, 1, 1, 0, 0, 0)],
        counts=counts,
    )


WHOSE = ("main", None)


def told() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Each metric's kind and labels, by its name."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for family in everything()._families(WHOSE):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels if label != "le"}
        found[name] = (family.type, tuple(sorted(labels)))
    return found


def test_every_metric_is_described_and_no_other() -> None:
    described = {
        codes(row[0])[0]: (row[1], tuple(sorted(codes(row[2])))) for text in PAGE.values() for row in rows(text)
    }
    assert described == told()


def test_what_is_told_can_be_read_as_prometheus_reads_it() -> None:
    text = everything().text(WHOSE).decode()
    heads = re.findall(r"^# TYPE (\S+)", text, flags=re.MULTILINE)
    assert len(heads) == len(set(heads))


def test_alert_rules_name_metrics_that_exist_and_say_what_to_do() -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    assert len(rules) > 10
    for rule in rules:
        _check(rule["expr"])
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_dashboard_names_metrics_that_exist() -> None:
    board = json.loads((DEPLOY / "grafana.json").read_text("utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(expressions) > 10
    for expression in expressions:
        _check(expression)


def _check(expression: str) -> None:
    known = told()
    named = NAME.findall(expression)
    assert named, expression
    for name in named:
        kind, _ = known.get(SUFFIXES.sub("", name), known.get(name, ("none", ())))
        assert kind != "none", f"{name} is not told"
        assert (kind == "histogram") == bool(SUFFIXES.search(name)), name


@pytest.mark.parametrize("label", ["step", "projection", "renderer", "outcome"])
def test_labels_that_rules_select_by_are_those_of_the_metrics(label: str) -> None:
    for name, selected in re.findall(r"(bickford_[a-z_]+)\{([^}]*)\}", (DEPLOY / "alerts.yml").read_text("utf-8")):
        if f"{label}=" in selected or f"{label}!" in selected:
            assert label in told()[SUFFIXES.sub("", name)][1], name
