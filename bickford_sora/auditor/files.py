"""The auditor's program as a file to hand out."""

from importlib.resources import files

VERIFIER = "verify_ledger.py"


def verifier() -> bytes:
    """The program, byte for byte as it is in this package."""
    return files("bickford_sora.auditor").joinpath(VERIFIER).read_bytes()
