"""Replicas: a job stays with its process, new ones go where there is room, and nobody who is away is asked for ever."""

import weakref
from dataclasses import dataclass
from typing import Any, cast

import pytest

from bickford_sora.renderers.fleet import DOWN_FIRST_S, REPLICAS_UNREACHABLE, Fleet, Vacancy, Wait
from bickford_sora.renderers.port import Renderer

ONE, TWO = "http://gpu-1/v1", "http://gpu-2/v1"


@dataclass(frozen=True)
class Known:
    name: str = "gpu"
    credential: str = "key"
    replicas: tuple[str, ...] = (ONE, TWO)
    drained: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Opened:
    name: str
    credential: str
    replica: str


class Stage:
    def __init__(self, **known: Any) -> None:
        self.now = 1000.0
        self.fleet: Fleet[Known] = Fleet(
            lambda known, replica: cast("Renderer", Opened(known.name, known.credential, replica)),
            monotonic=lambda: self.now,
        )
        self.fleet.configure([Known(**known)])

    def chosen(self, **options: Any) -> str:
        found = self.fleet.choose("gpu", "key", **options)
        assert found is not None
        return REPLICAS_UNREACHABLE if isinstance(found, Wait) else found.replica


def test_new_jobs_are_shared() -> None:
    stage = Stage()
    assert sorted(stage.chosen() for _ in range(4)) == [ONE, ONE, TWO, TWO]


def test_a_drained_replica_gets_nothing_new_and_keeps_what_it_has() -> None:
    stage = Stage(drained=frozenset({ONE}))
    assert {stage.chosen() for _ in range(4)} == {TWO}
    found = stage.fleet.at("gpu", "key", ONE)
    assert found is not None
    assert found.replica == ONE


def test_a_replica_that_is_no_longer_listed_is_still_asked_about_its_jobs() -> None:
    stage = Stage()
    stage.fleet.configure([Known(replicas=(TWO,))])
    found = stage.fleet.at("gpu", "key", ONE)
    assert found is not None
    assert found.replica == ONE


def test_what_needs_one_replica_goes_there_and_nowhere_else() -> None:
    stage = Stage()
    assert {stage.chosen(replica=TWO) for _ in range(3)} == {TWO}


def test_a_replica_that_is_away_is_left_alone_longer_each_time_and_asked_again() -> None:
    stage = Stage(replicas=(ONE,))
    renderer = stage.fleet.choose("gpu", "key")
    assert renderer is not None
    assert not isinstance(renderer, Wait)
    stage.fleet.unreachable(renderer)
    assert stage.chosen() == REPLICAS_UNREACHABLE
    assert stage.fleet.health()[0].down_for_s == pytest.approx(DOWN_FIRST_S)
    stage.now += DOWN_FIRST_S
    assert stage.chosen() == ONE
    stage.fleet.unreachable(renderer)
    stage.now += DOWN_FIRST_S
    assert stage.chosen() == REPLICAS_UNREACHABLE, "the second time it is longer"
    stage.now += DOWN_FIRST_S
    stage.fleet.reached(renderer)
    assert stage.chosen() == ONE


def test_the_others_are_asked_while_one_is_away() -> None:
    stage = Stage()
    renderer = stage.fleet.at("gpu", "key", ONE)
    assert renderer is not None
    stage.fleet.unreachable(renderer)
    assert {stage.chosen() for _ in range(3)} == {TWO}


def test_what_may_begin_now_is_known_before_anything_is_chosen() -> None:
    stage = Stage(replicas=(ONE,))
    assert stage.fleet.vacancy("gpu", "key") == Vacancy()
    renderer = stage.fleet.at("gpu", "key", ONE)
    assert renderer is not None
    stage.fleet.unreachable(renderer)
    assert stage.fleet.vacancy("gpu", "key") == Vacancy(0, REPLICAS_UNREACHABLE)
    assert stage.fleet.vacancy("other", "key") == Vacancy()
    stage.fleet.configure([Known(replicas=(ONE, TWO))])
    assert stage.fleet.vacancy("gpu", "key") == Vacancy(), "the other one is there, and nothing limits it"


def test_what_was_opened_as_it_is_configured_no_more_is_let_go_of_and_the_others_are_kept() -> None:
    stage = Stage()
    kept, changed = Known(name="kept"), Known()
    stage.fleet.configure([kept, changed])
    of_kept, of_changed = (weakref.ref(stage.fleet.at(each.name, "key", ONE)) for each in (kept, changed))
    for address in range(3):  # as a name that leads to other machines every now and then
        stage.fleet.configure([kept, Known(replicas=(ONE, f"http://10.0.0.{address}/v1"))])
        assert stage.fleet.at("gpu", "key", ONE) is not None
    assert of_changed() is None
    assert stage.fleet.at("kept", "key", ONE) is of_kept()


def test_an_unknown_renderer_is_nobody() -> None:
    stage = Stage()
    assert stage.fleet.choose("other", "key") is None
    assert stage.fleet.at("other", "key", ONE) is None
    assert stage.fleet.first("other", "key") is None
