# ruff: noqa: N818 - the names state the cause
"""Why somebody is not signed in. No error quotes a token, a code, or what the issuer wrote.

OidcError
├── IssuerUnusable   the issuer does not answer, or not as it has to: nobody can sign in until an operator has looked
└── SignInRefused    this sign-in is not believed; begun anew, it may be
    └── NotAMember   it is believed, and no group of the person is mapped
"""


class OidcError(Exception):
    """Somebody is not signed in.

    Attributes:
        message: what to do, for whoever wants to sign in, or for the operator.
        reason: the cause as a stable word, for logs.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class IssuerUnusable(OidcError):
    """The issuer does not answer, or not as OpenID Connect says."""


class SignInRefused(OidcError):
    """What came back from the issuer, or from the browser, is not believed."""


class NotAMember(SignInRefused):
    """Somebody the issuer knows, whom nothing here is for."""


def refused(reason: str) -> SignInRefused:
    """The refusal of a sign-in. What exactly was wrong is for the log: it would help an attacker alone."""
    return SignInRefused("This sign-in could not be completed. Begin it again.", reason=reason)
