"""The command line: one file a command or group of commands. `application.py` lists them."""

import gc
import sys


def main() -> None:
    """The command `bickford-sora`: exit status 0 if all went well, 1 if not, 2 for wrong usage, 130 for Ctrl-C."""
    gc.disable()  # until the command is imported: what imports make stays, and looking through it takes a tenth of them
    from bickford_sora.cli.application import run  # noqa: PLC0415 - whoever imports one command does not want them all

    sys.exit(run(sys.argv[1:]))
