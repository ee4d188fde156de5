# What contributors run. `pip install -e ".[dev]" -c constraints.txt` comes first.

# every test
test *arguments:
    pytest {{arguments}}

# style, types, architecture, spelling, dead code, dependencies, security
check:
    ruff format --check .
    ruff check .
    mypy
    lint-imports
    codespell
    vulture
    deptry .
    bandit --quiet --configfile pyproject.toml --recursive bickford_sora ledger projections

# the main job, told as a story
demo *arguments:
    bickford-sora demo {{arguments}}

# write the generated files again
generate:
    python -m tests.tools.generate_synchronous_client

# pin exact versions (needs uv)
pin:
    uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-annotate --no-header --quiet --output-file constraints.txt
