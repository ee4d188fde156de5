"""A command for a shell, forked as in forking.py: `python forked.py FD ARGUMENTS...`; FD is where to ask.

It imports next to nothing, and takes a fiftieth of what a fresh command takes to start.
"""

import json
import os
import socket
import sys


def main() -> int:
    """The command's exit status, when it has ended; its outputs are this process's own."""
    command = {"module": "bickford_sora", "arguments": sys.argv[2:], "leads": False}
    asked = json.dumps({**command, "environment": dict(os.environ)}).encode()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, socket.socket(fileno=int(sys.argv[1])) as forker:
        with theirs:
            socket.send_fds(forker, [asked], [1, 2, theirs.fileno()])
            if forker.recv(1) != b"+":
                return 1
        ours.recv(64)  # its process
        status = int(ours.recv(64))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
