"""Whom clients in tests trust: one authority instead of all.

Each client of httpx, and of what is made of it, reads every authority there is, which takes 20 to 40 milliseconds of a
processor. Nothing that a test calls has a certificate of theirs.
"""

import os
from pathlib import Path

import certifi

VARIABLE = "SSL_CERT_FILE"
_KEPT = "BICKFORD_TEST_SSL_CERT_FILE"
"""What the variable was, for processes that fetch something."""
_END = "-----END CERTIFICATE-----\n"


def trust_one_authority(folder: Path) -> None:
    """Has this process, and those it starts, read the first authority only. The file stays in the folder."""
    first, end, _ = Path(certifi.where()).read_text(encoding="ascii").partition(_END)
    file = folder / "authority.pem"
    file.write_text(first + end, encoding="ascii")
    file.chmod(0o644)
    os.environ[_KEPT] = os.environ.get(VARIABLE, "")
    os.environ[VARIABLE] = str(file)


def environment_to_fetch() -> dict[str, str]:
    """This process's environment with the authorities there were: for what is fetched from elsewhere."""
    kept = os.environ.get(_KEPT, "")
    found = {name: value for name, value in os.environ.items() if name not in (VARIABLE, _KEPT)}
    return {**found, VARIABLE: kept} if kept else found
