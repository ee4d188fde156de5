"""What a render costs counts once, in the month in which it was asked for, whatever happens until it ends."""

from datetime import UTC, datetime

from ledger import events as e
from ledger import spend, streams
from ledger.render import Phase
from ledger.spend import Spend
from tests.workers.harness import Harness, harness

LAST_SECONDS_OF_NOVEMBER = datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC)
COST_MICRO = 400_000


def used(shop: Harness) -> Spend:
    state = spend.fold(None, shop.ledger.history(streams.spend("main")))
    assert state is not None
    return state


def test_a_render_that_ends_in_the_next_month_is_paid_for_in_the_one_it_was_asked_in() -> None:
    with harness() as shop:
        shop.clock.now = LAST_SECONDS_OF_NOVEMBER
        video_id = shop.ask()
        shop.run()
        assert shop.render(video_id).phase is Phase.STORED
        assert shop.clock.now.month == 12
        settled = [each for each in shop.ledger.history(streams.spend("main")) if isinstance(each.fact, e.SpendSettled)]
        assert [each.context.occurred_at.month for each in settled] == [12]
        spent = used(shop).used
        assert spent["tenant", "2026-11", "USD"] == spent["tenant", "2026-11-30", "USD"] == COST_MICRO
        assert ("tenant", "2026-12", "USD") not in spent


def test_a_render_that_fails_in_the_next_month_gives_back_what_the_last_one_set_aside() -> None:
    with harness() as shop:
        shop.clock.now = LAST_SECONDS_OF_NOVEMBER
        shop.mischief.scripts["status"] = ["fails"]
        shop.ask()
        shop.run()
        assert ("tenant", "2026-11", "USD") not in used(shop).used


def test_a_clock_that_jumps_back_neither_loses_nor_doubles_money() -> None:
    with harness() as shop:
        first = shop.ask()
        shop.clock.advance(-7_200)
        second = shop.ask("a blue one")
        shop.run()
        assert {shop.render(each).phase for each in (first, second)} == {Phase.STORED}
        shop.check()
        assert used(shop).used["tenant", "total", "USD"] == 2 * COST_MICRO
