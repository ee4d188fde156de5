"""What a session asks of the server, so that a machine that is lost is noticed."""

from typing import LiteralString

KEEPALIVES: LiteralString = (
    "set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '3', false)"
)
"""Columns of a select: the server lets go of what a lost machine held after 25 s. Nothing over a Unix socket."""
