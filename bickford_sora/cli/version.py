"""`bickford-sora version`."""

import platform

from bickford_sora import __version__
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import print_json


def version(*, as_json: Json = False) -> None:
    """Show the version."""
    if as_json:
        print_json({"name": "bickford-sora", "version": __version__, "python": platform.python_version()})
    else:
        print(f"bickford-sora {__version__}")
