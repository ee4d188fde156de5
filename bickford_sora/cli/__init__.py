"""The command line: one file a command or group of commands. `application.py` lists them."""

import gc
import os
import signal
import sys

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main() -> None:
    """The command `bickford-sora`: exit status 0 if all went well, 1 if not, 2 for wrong usage, 130 for Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)  # `run` takes it back: while modules load there is nothing to clean up
    gc.disable()  # until the command is imported: what imports make stays, and looking through it takes a tenth of them
    from bickford_sora.cli.application import run  # noqa: PLC0415 - whoever imports one command does not want them all

    sys.exit(run(sys.argv[1:]))


def leave(_number: int, _frame: object) -> None:
    """Ends the process at once. An interruption in the middle of an import would be a traceback of that import."""
    os._exit(INTERRUPTED)
