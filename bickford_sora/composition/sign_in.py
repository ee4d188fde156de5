"""How people sign in by an issuer of OpenID Connect, built from the settings."""

import ssl
import time
from urllib.parse import urlsplit

from bickford_sora.decisions.requesters import Digest
from bickford_sora.oidc.code_flow import CodeFlow
from bickford_sora.oidc.issuer import Client, Issuer
from bickford_sora.oidc.people import People
from bickford_sora.settings import Settings
from ledger.clock import Clock
from ledger.identifiers import NewId

CALLBACK = "/login/oidc/callback"
"""What is registered at the issuer, behind the address of this server."""


def code_flow(settings: Settings, *, digest: Digest, new_id: NewId, clock: Clock) -> CodeFlow | None:
    """The sign-in by the issuer of the settings; None where there is none. Raises OSError as `issuer` does."""
    asked = issuer(settings)
    if asked is None:
        return None
    return CodeFlow(
        issuer=asked,
        people=People(
            asked.url,
            settings.oidc_groups,
            groups_claim=settings.oidc_groups_claim,
            name_claim=settings.oidc_name_claim,
            digest=digest,
        ),
        label=settings.oidc_label or urlsplit(asked.url).hostname or asked.url,
        redirect_uri=redirect_uri(settings),
        scopes=settings.oidc_scopes,
        session_s=settings.oidc_session_s,
        digest=digest,
        new_id=new_id,
        clock=clock,
    )


def issuer(settings: Settings) -> Issuer | None:
    """The issuer of the settings; None where there is none. Raises OSError when its certificates cannot be read."""
    if settings.oidc_issuer is None:
        return None
    assert settings.oidc_client_id is not None  # noqa: S101 - the settings see to it
    secret = settings.oidc_client_secret
    client = Client(settings.oidc_client_id, secret if secret and secret.get_secret_value() else None)
    tls = ssl.create_default_context(cafile=settings.oidc_ca_file) if settings.oidc_ca_file else None
    return Issuer(settings.oidc_issuer, client, monotonic=time.monotonic, tls=tls)


def redirect_uri(settings: Settings) -> str:
    """Where the issuer sends browsers back to."""
    return f"{settings.public_url}{CALLBACK}"
