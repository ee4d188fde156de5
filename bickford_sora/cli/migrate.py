"""`bickford-sora migrate`."""

from importlib.resources import files

from bickford_sora.cli.looking import quiet_settings
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import print_json
from bickford_sora.composition.books import database, open_books
from bickford_sora.database.migrations import migrate as bring_up_to_date
from ledger.silence import connect
from ledger.sql import query


def migrate(*, as_json: Json = False) -> None:
    """Update the database's schema, and say what protects it."""
    settings = quiet_settings()
    with database(settings) as url:
        applied = [str(each) for each in bring_up_to_date(url, files("ledger.migrations"), schema="ledger")]
        single_role = _may_change_facts(url)
        with open_books(settings) as opened:
            stale = opened.projector.ensure()
    if as_json:
        print_json({"applied": applied, "rebuild": stale, "protected_by": "triggers" if single_role else "privileges"})
        return
    print(f"applied {', '.join(applied)}" if applied else "the schema is up to date")
    for name in stale:
        print(f"the read model {name!r} is of another version: run 'bickford-sora replay {name}'")
    print(_SINGLE_ROLE if single_role else _OWN_ROLE)


_SINGLE_ROLE = (
    "One database role does everything here, so only triggers refuse to change a recorded fact. For more, let one role "
    "own the schema 'ledger', and serve with another one that may not update, delete from or truncate its tables."
)
_OWN_ROLE = "This database role may not change recorded facts: privileges refuse it, and triggers as well."


def _may_change_facts(url: str) -> bool:
    with connect(url) as connection:
        row = connection.execute(query("may_change_facts")).fetchone()
    return bool(row and row[0])
