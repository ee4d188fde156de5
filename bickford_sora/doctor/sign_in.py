"""Checks of the issuer that people sign in by: that it answers, is the one that is meant, and has keys."""

from bickford_sora.composition.sign_in import issuer, redirect_uri
from bickford_sora.doctor.finding import Finding, ok, problem
from bickford_sora.oidc.errors import IssuerUnusable
from bickford_sora.settings import Settings

CHECK = "sign_in"
ADVICE = {
    "issuer_mismatch": "Set BICKFORD_OIDC_ISSUER to what the issuer's discovery document names.",
    "fetch_failed": "Check BICKFORD_OIDC_ISSUER, that this machine reaches it, and BICKFORD_OIDC_CA_FILE.",
    "no_algorithm_in_common": "Have the issuer sign ID tokens with RS256 or ES256.",
}
"""What to do, by the reason; the message says what else is wrong."""


def check_sign_in(settings: Settings) -> Finding:
    """Asks the issuer what it says of itself, and for its keys. Whether it knows us shows when somebody signs in."""
    try:
        asked = issuer(settings)
    except OSError as error:
        said = f"the certificates cannot be read: {error.strerror or error}"
        return problem(CHECK, said, "Correct BICKFORD_OIDC_CA_FILE.")
    if asked is None:
        return ok(CHECK, "people sign in to the console by API key alone")
    try:
        asked.keys()
    except IssuerUnusable as error:
        advice = ADVICE.get(error.reason, "Check that BICKFORD_OIDC_ISSUER is an issuer of OpenID Connect.")
        return problem(CHECK, f"{asked.url}: {error.message}", advice)
    return ok(CHECK, f"{asked.url} answers, and has to send browsers back to {redirect_uri(settings)}")
