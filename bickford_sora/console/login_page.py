"""The page of signing in, with the ways in that are open."""

from typing import Annotated

from fastapi import Query, Request, Response

from bickford_sora.console import rendering
from bickford_sora.console.console import console_of

NEXT_CHARS_MAX = 2_048

Next = Annotated[str, Query(alias="next", max_length=NEXT_CHARS_MAX)]
"""Where somebody wanted to go."""


def login_page(
    request: Request, leads_to: str, *, problem: str = "", signed_out: bool = False, status: int = 200
) -> Response:
    """The page; it leads to `leads_to`, a path of ours, and says what the problem was."""
    console = console_of(request)
    return rendering.bare(
        request,
        "login.html",
        status,
        leads_to=leads_to,
        problem=problem,
        signed_out=signed_out,
        issuer=console.sign_in.label if console.sign_in else None,
        takes_api_keys=console.takes_api_keys,
    )
