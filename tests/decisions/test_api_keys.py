"""Keys as they are written, and how many there may be."""

import pytest

from bickford_sora.decisions.api_keys import API_KEYS_MAX, SECRET_BYTES, check_room, secret_of, tenant_of
from bickford_sora.errors import Conflicting


def test_a_key_names_its_tenant() -> None:
    assert secret_of("acme", b"\1" * SECRET_BYTES) == "bk_live_acme_" + "01" * SECRET_BYTES
    assert tenant_of(secret_of("acme-films", b"\1" * SECRET_BYTES)) == "acme-films"


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "bk_live_alpha_key",
        "bk_live_acme_" + "01" * (SECRET_BYTES - 1),
        "bk_live_acme_" + "01" * SECRET_BYTES + "\n",
        "bk_live_1acme_" + "01" * SECRET_BYTES,
        "bk_live_acme:x_" + "01" * SECRET_BYTES,
        "bk_test_acme_" + "01" * SECRET_BYTES,
    ],
)
def test_what_was_never_issued_names_none(presented: str) -> None:
    assert tenant_of(presented) is None


def test_a_project_has_so_many_keys_in_use_and_no_more() -> None:
    check_room(API_KEYS_MAX - 1)
    with pytest.raises(Conflicting) as refused:
        check_room(API_KEYS_MAX)
    assert refused.value.code == "too_many_api_keys"
