"""The three packages of this distribution, and what happens when another one has a package of the same name."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import bickford_sora
from bickford_sora import PackageClash, check_siblings


def test_another_distributions_package_of_that_name_is_named_at_the_first_import(tmp_path: Path) -> None:
    other = tmp_path / "ledger"
    other.mkdir()
    (other / "__init__.py").write_text("")
    root = Path(bickford_sora.__file__).parent.parent
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]; import bickford_sora"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert "PackageClash" in last
    assert str(other) in last


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageClash, match="ledger"):
        check_siblings(tmp_path / "bickford_sora" / "__init__.py")


def test_everything_the_packages_hold_is_in_the_wheel(tmp_path: Path) -> None:
    root = Path(bickford_sora.__file__).parent.parent
    if not (root / "pyproject.toml").is_file():
        pytest.skip("this is no checkout: there is nothing to make a wheel of")
    (wheel,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    folders = (root / name for name in ("bickford_sora", "ledger", "projections"))
    held = {path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {str(path.relative_to(root)) for path in held} - packed == set()
    for part in ("static/htmx.js", "static/htmx-LICENSE.txt", "static/console.css", "templates/base.html"):
        assert f"bickford_sora/console/{part}" in packed
    assert "projections/sql/renders/page.sql" in packed


def test_public_names_are_sorted_and_there() -> None:
    assert list(bickford_sora.__all__) == sorted(bickford_sora.__all__)
    assert all(getattr(bickford_sora, name) is not None for name in bickford_sora.__all__)


def test_importing_the_package_costs_no_framework() -> None:
    program = "import sys, bickford_sora; print(sorted({'fastapi', 'psycopg', 'av', 'httpx'} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
