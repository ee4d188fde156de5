"""The one place where asset addresses are made, parsed and validated.

An address does not depend on where the store lies: `asset://<subject>/<first two hex digits>/<sha256>`. Subject and
hash come from closed alphabets without `.`, `/`, NUL or upper case, so a valid address cannot leave the store.
"""

import re
from dataclasses import dataclass
from typing import Self

from bickford_sora.assets.errors import AssetAddressInvalid

_SUBJECT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URI = re.compile(r"asset://(?P<subject>[^/]+)/(?P<prefix>[^/]+)/(?P<sha256>[^/]+)")


@dataclass(frozen=True, slots=True)
class AssetAddress:
    """Where an asset is stored: whose it is and the hash of its bytes.

    Attributes:
        subject: opaque id of the person or project whose erasure erases the asset.
        sha256: lower-case hex digest of the whole content.

    Raises:
        AssetAddressInvalid: either part has another format.
    """

    subject: str
    sha256: str

    def __post_init__(self) -> None:
        require_subject(self.subject)
        if not _SHA256.fullmatch(self.sha256):
            raise AssetAddressInvalid(f"not a lower-case SHA-256 hex digest: {self.sha256[:80]!r}")

    @property
    def prefix(self) -> str:
        """The folder inside the subject; keeps folders small."""
        return self.sha256[:2]

    @property
    def uri(self) -> str:
        """The address as it is recorded in the ledger."""
        return f"asset://{self.subject}/{self.prefix}/{self.sha256}"

    @classmethod
    def parse(cls, storage_uri: str) -> Self:
        """Read an address back from its only accepted spelling.

        Raises:
            AssetAddressInvalid: any other string.
        """
        match = _URI.fullmatch(storage_uri)
        if match is None:
            raise AssetAddressInvalid(f"not an asset URI: {storage_uri[:120]!r}")
        address = cls(subject=match["subject"], sha256=match["sha256"])
        if address.uri != storage_uri:
            raise AssetAddressInvalid(f"the folder does not belong to the hash: {storage_uri[:120]!r}")
        return address


def require_subject(subject: str) -> None:
    """Accept `[a-z0-9][a-z0-9-]{0,62}` and nothing else.

    Raises:
        AssetAddressInvalid: the subject has another format.
    """
    if not _SUBJECT.fullmatch(subject):
        raise AssetAddressInvalid(f"not a subject id: {subject[:80]!r}")
