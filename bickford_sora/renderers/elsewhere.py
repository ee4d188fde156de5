"""Where a renderer's file may be fetched from when the renderer does not serve it itself, and who is shown to whom.

A renderer may send us on: its own other path, or a store of objects. Its word is trusted no further than this:
never from https to http, never to an address that is not public (unless it is the configured host itself), and the
credential goes to the configured scheme, host and port alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from bickford_sora.egress import is_public

URL_CHARS_MAX = 4_096
"""Signed URLs are long."""
_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host and port. Raises OSError when there are none."""


class NotAllowed(Exception):  # noqa: N818 - the name states the cause
    """That place is not asked. The text quotes nothing of the URL."""


@dataclass(frozen=True, slots=True)
class Place:
    """A URL that may be fetched."""

    url: str
    host: str
    own: bool
    """Whether it is where the renderer is configured to be: the only place that is shown the credential."""
    address: str | None
    """What to connect to, checked; None for the configured host, whose name is resolved as always."""


def place_of(base_url: str, asked_url: str, location: str, resolve: Resolve) -> Place:
    """Where `location`, given by the answer of `asked_url`, leads.

    Raises NotAllowed when it must not be asked.
    """
    try:
        url = urljoin(asked_url, location)
        base, asked, to = urlsplit(base_url), urlsplit(asked_url), urlsplit(url)
        origin = _origin(to)
    except ValueError:
        raise NotAllowed("not a URL") from None
    if (
        not location
        or to.scheme not in _PORTS
        or not to.hostname
        or to.username is not None
        or len(url) > URL_CHARS_MAX
    ):
        raise NotAllowed("not a URL that is fetched")
    if asked.scheme == "https" and to.scheme != "https":
        raise NotAllowed("from https to http")
    if to.hostname == base.hostname:
        return Place(url, to.hostname, own=origin == _origin(base), address=None)
    return Place(url, to.hostname, own=False, address=_public_address(to.hostname, origin[2], resolve))


def _origin(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme, 0)


def _public_address(host: str, port: int, resolve: Resolve) -> str:
    """One address of the host, all of which are public. It is connected to, so that a second answer gains nothing."""
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError):
        raise NotAllowed("the name does not resolve") from None
    if not found or not all(is_public(ip_address(each)) for each in found):
        raise NotAllowed("not a public address")
    return found[0]
