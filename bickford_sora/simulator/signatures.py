"""How the servers that call back sign what they send."""

import base64
import binascii
import hashlib
import hmac

_SECRET_PREFIX = "whsec_"  # nosec B105  # noqa: S105 - the marker of a secret, not one


def check_secret(secret: str) -> None:
    """Whether something can be signed with it.

    Raises:
        ValueError: when it is empty or starts with ``whsec_`` and is not base64.
    """
    if not _key(secret):
        raise ValueError("webhooks need a secret to be signed with")


def standard_signature(secret: str, *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Standard Webhooks v1: ``v1,<base64>`` over ``id.timestamp.body`` (videos-api.md 2.1, 2.3)."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def openrouter_signature(secret: str, *, timestamp: int, body: bytes) -> str:
    """OpenRouter's: ``t=<s>,v1=<hex>`` over ``timestamp,body``, as receivers in the field check it; not documented."""
    signed = f"{timestamp},".encode() + body
    return f"t={timestamp},v1={hmac.digest(secret.encode(), signed, hashlib.sha256).hex()}"


def _key(secret: str) -> bytes:
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret that starts with whsec_ goes on in base64") from error
