# ruff: noqa: N818 - the names state the cause
"""Why somebody is not signed in. No error quotes a token, a code, or what the issuer wrote.

OidcError
├── IssuerUnusable   the issuer does not answer, or not as it has to: nobody can sign in until an operator has looked
└── SignInRefused    this sign-in is not believed; begun anew, it may be
    └── NotAMember   it is believed, and no group of the person is mapped
"""

from typing import ClassVar


class OidcError(Exception):
    """Somebody is not signed in.

    Attributes:
        reason: the cause as a stable word, for logs.
    """

    code: ClassVar[str] = "sign_in_failed"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class IssuerUnusable(OidcError):
    """The issuer does not answer, or not as OpenID Connect says."""

    code = "issuer_unusable"


class SignInRefused(OidcError):
    """What came back from the issuer, or from the browser, is not believed."""

    code = "sign_in_refused"


class NotAMember(SignInRefused):
    """Somebody the issuer knows, whom nothing here is for."""

    code = "no_group"


def refused(reason: str) -> SignInRefused:
    """The refusal of a sign-in. What exactly was wrong is for the log: it would help an attacker alone."""
    return SignInRefused("This sign-in could not be completed. Begin it again.", reason=reason)
