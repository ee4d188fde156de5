"""Reads as of a position or moment of the ledger: the query parameter `as_of`. Not in the protocol."""

from typing import Annotated

from fastapi import Query, Response

from bickford_sora.pasts import AS_OF_CHARS_MAX, Past

AsOf = Annotated[
    str | None,
    Query(
        max_length=AS_OF_CHARS_MAX,
        description="The state as it was then: a position in the ledger, or a moment in ISO 8601. Not in the protocol.",
    ),
]
POSITION = "bickford-as-of"
"""The header that names the position an answer is as of: asked for by it, the answer is the same for ever."""


def told(response: Response, past: Past) -> None:
    """Says in an answer which past it shows."""
    response.headers[POSITION] = str(past.position)
