"""`bickford-sora keys`: who may do what with a running server."""

from typing import Annotated, Any, cast
from urllib.parse import quote

import typer

from bickford_sora.cli.options import After, Json, Limit, Url
from bickford_sora.cli.output import moment, note, print_fields, print_json, print_table
from bickford_sora.cli.talking import server

keys = typer.Typer(help="Work with the API keys of a running server.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="Public id of the key.", metavar="ID")]
ExpiresInDays = Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it is not accepted any more.")]
_PLACE = "/api_keys"
_DAY_S = 24 * 3600
_HOUR_S = 3600


@keys.command()
def issue(
    name: Annotated[str, typer.Argument(help="What to call it.", metavar="NAME")],
    *,
    role: Annotated[
        list[str] | None, typer.Option(help="requester, approver, auditor or admin; may be repeated.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Its project; else that of the key in use.")] = None,
    spans_tenant: Annotated[
        bool, typer.Option("--spans-tenant", help="An auditor or admin of every project of the tenant.")
    ] = False,
    may_assert_requester: Annotated[
        bool, typer.Option("--may-assert-requester", help="Believe it when it says on whose behalf it asks.")
    ] = False,
    expires_in_days: ExpiresInDays = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Issue an API key and show it, this once."""
    asked: dict[str, Any] = {
        "name": name,
        "roles": role or ["requester"],
        "project": project,
        "spans_tenant": spans_tenant,
        "may_assert_requester": may_assert_requester,
        "expires_in_s": expires_in_days and expires_in_days * _DAY_S,
    }
    with server(url) as client:
        made = client.ask("POST", _PLACE, json={name: value for name, value in asked.items() if value is not None})
    _show(made, as_json=as_json)


@keys.command("list")
def list_(
    *,
    limit: Limit = 20,
    after: After = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List API keys, the last issued first."""
    with server(url) as client:
        page: dict[str, Any] = client.ask("GET", _PLACE, params={"limit": limit, "after": after})
    if as_json:
        print_json(page)
        return
    columns = ("id", "status", "name", "project", "roles", "spans tenant", "issued", "expires")
    rows = (
        (
            *(each[name] for name in ("id", "status", "name", "project")),
            " ".join(each["roles"]),
            "yes" if each["spans_tenant"] else "no",
            moment(each["created_at"]),
            moment(each["expires_at"]),
        )
        for each in page["data"]
    )
    print_table(columns, rows)
    if page["has_more"]:
        note(f"There are more: --after {page['last_id']}")


@keys.command()
def rotate(
    key_id: KeyId,
    *,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=720, help="Hours the old key is accepted beside the new one; 0: it ends at once.")
    ] = 24,
    expires_in_days: ExpiresInDays = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Replace an API key and show the new one, this once."""
    asked: dict[str, Any] = {"overlap_s": overlap_hours * _HOUR_S}
    if expires_in_days is not None:
        asked["expires_in_s"] = expires_in_days * _DAY_S
    with server(url) as client:
        made = client.ask("POST", f"{_PLACE}/{quote(key_id, safe='')}/rotate", json=asked)
    _show(made, as_json=as_json)


@keys.command()
def revoke(key_id: KeyId, *, as_json: Json = False, url: Url = None) -> None:
    """Revoke an API key: it is refused at once and for good."""
    with server(url) as client:
        revoked = client.ask("DELETE", f"{_PLACE}/{quote(key_id, safe='')}")
    if as_json:
        print_json(revoked)
    else:
        print(f"revoked {key_id}")


def _show(made: object, *, as_json: bool) -> None:
    key = cast("dict[str, Any]", made)
    if as_json:
        print_json(key)
        return
    moments = {name: moment(key[name]) for name in ("created_at", "expires_at", "revoked_at")}
    print_fields({**key, **moments, "roles": " ".join(key["roles"])})
    note("Keep the secret now: it is not shown again.")
