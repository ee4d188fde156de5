"""The ledger's queries, one a file, named by what they answer."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def query(name: str, package: str = __name__) -> LiteralString:
    """The text of `<name>.sql` in `package`. It ships with the program and takes nothing from outside."""
    return files(package).joinpath(f"{name}.sql").read_text("utf-8")
