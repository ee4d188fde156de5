"""What server and client ask of a connection, so that a machine that is lost is noticed."""

import os
from typing import LiteralString

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

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
