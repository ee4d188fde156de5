"""The prices of a running server, as a shell sees them."""

import pytest

from .commands import Served, run

pytestmark = pytest.mark.xdist_group("shared_server")


def test_the_prices_a_server_published_are_shown_and_found_again_by_their_hash(shared_server: Served) -> None:
    table = shared_server.json("prices")
    assert {each["model"] for each in table["data"]} == {"sora-2", "sora-2-pro"}
    assert shared_server.json("prices", "--hash", table["prices_hash"]) == table
    said = shared_server.run("prices")
    assert "sora-2-pro\tsimulator\t1024p\t500000\tUSD\tsecond\t" in said
    assert len(said.splitlines()) == sum(len(each["micro_per_unit"]) for each in table["data"])
    assert "prices_not_found" in run(shared_server.data_dir, "prices", "--hash", "0" * 64, status=1).stderr
