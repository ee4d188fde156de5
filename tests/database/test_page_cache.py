"""The server's memory for pages follows that of the machine, or of the container."""

from pathlib import Path

import pytest

from bickford_sora.database import page_cache


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(64 << 20, "128MB"), (4 << 30, "256MB"), (8 << 30, "512MB")],
    ids=["little", "4 GiB", "8 GiB"],
)
def test_a_container_has_a_part_of_what_it_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, expected: str
) -> None:
    _machine_has(monkeypatch, 64 << 30)
    said = tmp_path / "memory.max"
    said.write_text(f"{limit}\n", encoding="ascii")
    assert page_cache.setting(said) == expected


@pytest.mark.parametrize("said", ["max\n", None], ids=["no limit", "no container"])
def test_a_large_machine_does_not_give_more_than_the_server_has_use_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    _machine_has(monkeypatch, 64 << 30)
    if said is not None:
        (tmp_path / "memory.max").write_text(said, encoding="ascii")
    assert page_cache.setting(tmp_path / "memory.max") == "1024MB"


def _machine_has(monkeypatch: pytest.MonkeyPatch, memory_bytes: int) -> None:
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": memory_bytes // 4096}
    monkeypatch.setattr(page_cache.os, "sysconf", sizes.__getitem__)
