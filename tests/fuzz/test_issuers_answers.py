"""What an issuer says, and what a browser brings back: anything at all is taken or refused, in our own words."""

import orjson
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jws

from bickford_sora.oidc.errors import IssuerUnusable, SignInRefused
from bickford_sora.oidc.id_tokens import Expected, verified
from bickford_sora.oidc.metadata import read_keys, read_metadata
from bickford_sora.oidc.people import People
from bickford_sora.settings import OidcGroup
from ledger.keys import Keys, MemoryKeyStore
from tests.fuzz.bytes import altered, damaged, refusal, tried

ISSUER = "https://sso.example"
KEY = jwk.ECKey.generate_key("P-256", {"use": "sig", "kid": "one"})
KEYS = orjson.dumps({"keys": [KEY.as_dict(private=False)]})
KEY_SETS = altered(KEY.as_dict(private=False)).map(lambda key: b'{"keys":[%s]}' % key)
EXPECTED = Expected(ISSUER, "sora", "nonce")
NOW_S = 1_800_000_000
CLAIMS = {
    "iss": ISSUER,
    "sub": "person-1",
    "aud": ["sora"],
    "azp": "sora",
    "exp": NOW_S + 60,
    "iat": NOW_S,
    "nonce": "nonce",
    "email": "mia@example.com",
    "groups": ["film"],
}
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "response_types_supported": ["code"],
}
PEOPLE = People(
    ISSUER,
    [OidcGroup(group="film", project="film", roles=("requester",))],
    groups_claim="groups",
    name_claim="email",
    digest=Keys(b"m" * 32, MemoryKeyStore()).digest,
)


def signed(claims: bytes) -> str:
    return jws.serialize_compact({"alg": "ES256", "kid": "one"}, claims, KEY, algorithms=["ES256"])


TOKEN = signed(orjson.dumps(CLAIMS))


@tried(60)
@given(document=damaged(orjson.dumps(METADATA)) | altered(METADATA))
def test_no_metadata_breaks_its_reader(document: bytes) -> None:
    refusal(IssuerUnusable, read_metadata, document, ISSUER)


@tried(60)
@given(document=damaged(KEYS) | KEY_SETS)
def test_no_key_breaks_its_reader(document: bytes) -> None:
    refusal(IssuerUnusable, read_keys, document)


@tried(100)
@given(token=damaged(TOKEN.encode()).map(lambda each: each.decode("latin-1")) | st.text(max_size=40))
def test_no_altered_token_is_believed(token: str) -> None:
    refused = refusal(SignInRefused, verified, token, read_keys(KEYS), EXPECTED, NOW_S)
    # The end of a signature has bits that mean nothing; what was signed is the text before it.
    assert refused is not None or token.rpartition(".")[0] == TOKEN.rpartition(".")[0]


@tried(60)
@given(claims=altered(CLAIMS))
def test_whatever_an_issuer_claims_leads_to_somebody_or_a_refusal(claims: bytes) -> None:
    token = signed(claims)
    refusal(SignInRefused, lambda: PEOPLE.known(verified(token, read_keys(KEYS), EXPECTED, NOW_S)))
