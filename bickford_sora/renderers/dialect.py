"""What one dialect of the Videos API has of its own. What all share is in `renderer.py`.

A dialect is a value: its capabilities, a few facts of its server, and the functions that write its requests. A new one
is a module with such a value and an entry in `dialects.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import JsonValue

from bickford_sora.renderers.errors import Refused
from bickford_sora.renderers.port import Capabilities, Order, Upload, Variant
from bickford_sora.renderers.transport import FilePart, KeyHeader


@dataclass(frozen=True, slots=True)
class Request:
    """A POST that asks for a job: `form` and `files` as multipart, or `json`."""

    path: str
    form: Mapping[str, str] | None = field(default=None, repr=False)
    files: tuple[FilePart, ...] = ()
    json: Mapping[str, JsonValue] | None = field(default=None, repr=False)
    names_job: bool = False
    """Whether it names a job of the renderer, which may have forgotten it."""


ReadUpload = Callable[[str, Upload], FilePart]
"""Reads a file into the form part of that name, before anything is sent. Raises Refused when it is too large."""


def no_name_inside(_: str | None) -> str | None:
    """Of a server that does not keep its files elsewhere."""
    return None


def as_answered(_: Order, job_id: str) -> str:
    """Of a server whose ids can be used as they are."""
    return job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One dialect."""

    name: str
    experimental: bool
    """Whether it was only checked against descriptions of its server."""
    capabilities: Capabilities
    request: Callable[[Order, ReadUpload], Request]
    """The request for an order within the capabilities."""
    content_params: Callable[[Variant, int], Mapping[str, str]]
    """The query by which a file of a job is asked for."""
    extra_fields: frozenset[str] = frozenset()
    """Fields beyond the protocol that a renderer's configuration may add to those of the capabilities."""
    key_header: KeyHeader = "authorization"
    absence_proves: bool = True
    """What `port.Renderer` calls so, of one process at its own address."""
    list_page_size: int | None = 100
    """The largest `limit` of a list; None: a list is not asked for in pages, and comes whole."""
    probe_path: str = "/videos"
    """What is asked to see whether the server is there."""
    refusals: frozenset[int] = frozenset()
    """Statuses, besides those that mean it everywhere, by which a submit is certainly refused."""
    tells_cost: bool = False
    """Whether `usage.cost` of its jobs is what it charged, in US dollars."""
    fails_by_status: bool = False
    """Whether a question about a failed job is answered with an error status, and the job as its body."""
    same_job: Callable[[str, str], bool] = str.__eq__
    """Whether the id that was asked for and the one in the answer name one job."""
    completed_id: Callable[[Order, str], str] = as_answered
    """The id to ask by, from the one that a new job was answered with."""
    elsewhere: Callable[[str | None], str | None] = no_name_inside
    """The URL where a file really is, from the message of a refused download."""


def job_path(job_id: str, rest: str = "") -> str:
    """The path of a job. Raises ValueError for an id that would change the path."""
    if job_id in {"", ".", ".."}:
        raise ValueError("not the id of a job")
    return f"/videos/{quote(job_id, safe='')}{rest}"


def renamed_fields(order: Order, names: Mapping[str, str]) -> dict[str, JsonValue]:
    """The fields beyond the protocol by the server's names. A seed of -1 is left out: the server takes one then."""
    given = {name: value for name, value in order.fields.items() if (name, value) != ("seed", -1)}
    return {names.get(name, name): value for name, value in given.items()}


def form_text(value: JsonValue) -> str:
    """A value as the protocol's own clients write it into a form."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def whole_seconds(order: Order) -> int:
    """The length as a number. Raises Refused for one that is not whole, which such a server cannot be asked for."""
    if not order.seconds.isdecimal():
        raise Refused("unsupported_by_renderer", terminal=True)
    return int(order.seconds)


def no_params(_: Variant, __: int) -> Mapping[str, str]:
    """Of a server whose jobs have one file."""
    return {}
