"""Signed links: a file of a video without an API key, for a short time.

A link names the video, the variant and the second it ends, and carries an HMAC over them and over tenant and project.
It does not name the project, and the tenant only where that is not the server's own. It opens one file and nothing
else, as often as somebody wants it until it ends. Whoever has it can read that file, so it is made anew at each look
and lives for minutes.
"""

import hmac
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlencode

from bickford_sora.errors import LinkRefused
from bickford_sora.finding import unknown_video
from ledger import streams
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.keys import Keys
from ledger.render import Render

PURPOSE = "content link"
EXPIRES_DIGITS_MAX = 12
"""Of the second a link ends; more are not looked at."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a link carries beside its path and variant, as it came."""

    expires: str | None
    signature: str = field(repr=False)
    tenant: str | None = None
    """Whose video it is; None: of the server's own tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Makes links and checks them. Safe to use from several threads."""

    ledger: Ledger
    keys: Keys = field(repr=False)
    clock: Clock
    tenant: str
    """Whose links do not name it."""
    link_s: float
    """How long a link can be used, in seconds."""
    base_url: str | None = None
    """Where this server is reached, without a path; None: not known, and no link can be made."""

    def reached_at(self, base_url: str) -> Self:
        """These links for somebody who reached the server there; a configured address goes first."""
        return self if self.base_url is not None else replace(self, base_url=base_url.rstrip("/"))

    def video(self, tenant: str, project: str, video_id: str) -> str | None:
        """A link to a video's file, which has to be stored; None where the server does not know its own address."""
        return self.file(tenant, project, video_id, "video")

    def file(self, tenant: str, project: str, video_id: str, variant: str) -> str | None:
        """A link to one of a video's files; None as in `video`."""
        if self.base_url is None:
            return None
        expires = int(self.clock().timestamp() + self.link_s)
        signature = self._signature(tenant, project, video_id, variant, expires)
        said = {"variant": variant, "expires": expires, "signature": signature}
        query = urlencode(said if tenant == self.tenant else {**said, "tenant": tenant})
        return f"{self.base_url}/v1/videos/{video_id}/content?{query}"

    def render(self, video_id: str, variant: str, sent: Signature) -> Render:
        """The render whose file a link opens.

        Raises LinkRefused when the link was altered or has ended, NotFound when the video was deleted.
        """
        expires = _unix_second(sent.expires)
        tenant = self.tenant if sent.tenant is None else sent.tenant
        if expires is None or not streams.is_video_id(video_id) or not streams.is_tenant(tenant):
            raise _invalid()
        if expires <= self.clock().timestamp():
            # Said before the signature is looked at: nothing is learned from it that the link does not say itself.
            raise LinkRefused("This link has ended. Ask for the video again for a new one.", code="link_expired")
        render = self.ledger.render(streams.render(tenant, video_id))
        project = render.intent.project if render else ""
        expected = self._signature(tenant, project, video_id, variant, expires)
        matches = hmac.compare_digest(expected.encode(), sent.signature.encode("utf-8", "surrogatepass"))
        if render is None or not matches:
            raise _invalid()
        if render.deleted:
            raise unknown_video("video_id")
        return render

    def _signature(self, tenant: str, project: str, video_id: str, variant: str, expires: int) -> str:
        return self.keys.digest(PURPOSE, _joined(tenant, project, video_id, variant, str(expires)))


def _joined(*parts: str) -> bytes:
    """The parts, each behind its length: no two lists of parts are joined to the same bytes."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(8, "big") + part for part in encoded)


def _unix_second(text: str | None) -> int | None:
    """A second as `file` writes it; None for any other spelling of a number, too."""
    if text is None or len(text) > EXPIRES_DIGITS_MAX or not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if str(int(text)) == text else None


def _invalid() -> LinkRefused:
    return LinkRefused(
        "This link is not one of this server's, or it was altered. Ask for the video again for a new one.",
        code="link_invalid",
    )
