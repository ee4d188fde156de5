"""Addresses inside the console."""

import re
from urllib.parse import urlencode

_OURS = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")
"""A path of this server: no scheme, no host, no backslash, no control character."""
HOME = "/renders"


def inside(address: object) -> str:
    """The address if it leads to this server, else the first page: nobody is sent elsewhere from here."""
    return address if isinstance(address, str) and _OURS.fullmatch(address) else HOME


def sign_in(back: str) -> str:
    """Where somebody signs in, to come back to `back`."""
    return f"/login?{urlencode({'next': inside(back)})}"
