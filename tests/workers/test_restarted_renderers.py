"""A renderer pool is killed and restarted in the middle of ten renders: real processes, the script of the docs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "restart-renderers" / "run.py"
TIMEOUT_S = 180.0


@pytest.mark.slow
def test_ten_renders_outlive_the_kill_of_both_their_renderers_and_no_client_sees_it(database_url: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BICKFORD_", "OPENAI_"))}
    told = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**kept, "BICKFORD_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("was killed, and started again") == 2
    assert re.search(r"^[1-9]\d* jobs were forgotten, and submitted again$", told.stdout, re.MULTILINE)
    assert "10 of 10 were completed and downloaded: ['completed']" in told.stdout
