"""The policy file on disk."""

from collections.abc import Collection
from pathlib import Path

from bickford_sora.decisions.rules.evaluation import CompiledPolicy
from bickford_sora.decisions.rules.reading import POLICY_BYTES_MAX, PolicyInvalid, Problem, read_policy


def read_policy_file(path: Path, *, models: Collection[str] | None = None) -> CompiledPolicy:
    """The policy in a file, checked. Raises PolicyInvalid. `models`: what renderers offer, as in `read_policy`."""
    try:
        with path.open("rb") as file:
            content = file.read(POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise PolicyInvalid([Problem(None, "", error.strerror or "cannot be read")]) from None
    return read_policy(content, models=models)
