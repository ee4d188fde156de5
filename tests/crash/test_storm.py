"""A short storm: processes die under load while the renderer errs, and nothing acknowledged is lost or paid twice."""

import pytest

from bickford_sora.simulator.faults import FaultKind
from tests.cli.commands import reachable_folder
from tests.crash.site import Site
from tests.crash.storm import FAULTS, ROLES, WEIGHTS, storm, told

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("machines"), pytest.mark.timeout(600)]

KILLS = 4
SEED = 354
"""One whose kills are of four kinds."""


def test_a_short_storm_loses_nothing_and_pays_nothing_twice() -> None:
    with reachable_folder() as folder:
        site = Site(folder, apis=1, is_forked=True)
        try:
            outcome = storm(site, kills=KILLS, seed=SEED, client_pause_s=1.0)
        finally:
            site.stop()
        assert outcome.is_clean, f"{told(outcome)}\n{(folder / 'site.log').read_text()[-4_000:]}"
    assert outcome.kills.total() == KILLS
    assert outcome.acknowledged > KILLS
    assert outcome.report is not None
    assert outcome.report.files > 0


def test_the_faults_of_a_storm_are_all_there_are_but_one() -> None:
    assert {each["kind"] for each in FAULTS} == set(FaultKind) - {FaultKind.RESTART}
    assert set(WEIGHTS) == set(ROLES)
    assert sum(WEIGHTS.values()) == 100
