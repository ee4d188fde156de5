"""What a process that stops waits for."""

import threading
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from bickford_sora import background
from bickford_sora.background import Background
from bickford_sora.composition.books import open_books
from bickford_sora.settings import Settings


class Hung:
    """A push whose one call goes on for hours."""

    name = "bucket"

    def __init__(self) -> None:
        self.called, self.let_go = threading.Event(), threading.Event()

    def run(self, _: threading.Event) -> None:
        self.called.set()
        self.let_go.wait(60.0)


def test_a_stopping_process_leaves_a_push_that_does_not_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = Hung()
    monkeypatch.setattr(background, "pushing_of", lambda *_: [hung])
    monkeypatch.setattr(background, "PUSH_STOP_S", 0.2, raising=False)
    with open_books(settings) as books:
        with Background(books, None):
            assert hung.called.wait(20.0)
            began = time.monotonic()
        assert time.monotonic() - began < 20.0
        (left,) = [each for each in threading.enumerate() if each.name == "pushing to bucket"]
        assert left.daemon, "or the interpreter would wait for it"
        hung.let_go.set()
        left.join(20.0)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path, database_url=SecretStr(database_url))
