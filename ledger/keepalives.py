"""What server and client ask of a connection, so that a machine that is lost, or a server that hangs, is noticed."""

import os
from typing import LiteralString, TypeVar

from psycopg import OperationalError, ProgrammingError
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGconn

Answer = TypeVar("Answer")

KEEPALIVES: LiteralString = (
    "set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '3', false)"
)
"""Columns of a select: the server lets go of what a lost machine held after 25 s. Nothing over a Unix socket."""
CONNECT_TIMEOUT_S = 5
"""How long a host has for an answer to a new connection, in seconds; then the address's next host is asked."""
UNANSWERED_S = 30
"""How long what was sent may stay unconfirmed by the other machine, in seconds; then the connection is broken.

The system's own limit is a quarter of an hour, and two hours where nothing was sent: so long nobody would look for a
primary elsewhere. A server that computes confirms what it gets; one that reads nothing of it for so long, and has
no room for more, is given up as well.
"""


def noticing(address: str) -> str:
    """This libpq address, and what notices a lost machine where neither it nor libpq's environment says anything of it.

    What a service file says of it is passed over: libpq reads that last.
    """
    wanted = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": UNANSWERED_S * 1000,
    }
    if "PGCONNECT_TIMEOUT" in os.environ:
        del wanted["connect_timeout"]
    try:
        said = conninfo_to_dict(address)
    except ProgrammingError:  # whoever connects is told
        return address
    return make_conninfo(address, **{name: value for name, value in wanted.items() if name not in said})


class Silent(OperationalError):  # noqa: N818 - it is a state of the database
    """The database said nothing for as long as was waited."""


def heeded(pgconn: PGconn, steps: PQGen[Answer], *, interval: float, silence_s_max: float) -> PQGen[Answer]:
    """The same steps of an exchange with the server, each of whose waits is looked up from every `interval` seconds.

    Raises Silent when there is no sign for `silence_s_max`; the connection is closed then, since the answer may still
    come. Looks are counted and not the time: a process that was paused has not waited meanwhile.
    """
    looks = 0
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            looks = 0 if ready else looks + 1
            if looks * interval >= silence_s_max:
                pgconn.finish()
                raise Silent(f"the database says nothing for {silence_s_max:g} s")
            wanted = steps.send(ready)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
