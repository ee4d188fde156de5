import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bickford_sora.callers import (
    Callers,
    KeyInvalid,
    configured_projects,
    load_or_make_api_key,
    load_or_make_master_key,
)
from bickford_sora.errors import Unauthorized
from bickford_sora.settings import Settings
from ledger.keys import Keys, MemoryKeyStore

KEYS = Keys(b"m" * 32, MemoryKeyStore())


def settings(**values: Any) -> Settings:
    return Settings(**{"data_dir": Path("/nowhere"), "api_key": None, "api_keys": None, "master_key": None, **values})


def callers(**projects: str) -> Callers:
    return Callers({key: project for project, key in projects.items()}, digest=KEYS.digest)


def test_a_key_names_its_project_and_two_opaque_ids() -> None:
    known = callers(alpha="bk_live_alpha", beta="bk_live_beta")
    alpha = known.authenticate({"authorization": "Bearer bk_live_alpha"})
    beta = known.authenticate({"api-key": "bk_live_beta"})
    assert (alpha.tenant, alpha.project, beta.project) == ("main", "alpha", "beta")
    assert alpha.key_id.removeprefix("key_") == alpha.requester.removeprefix("req-")
    assert len(alpha.key_id) == len("key_") + 16
    assert alpha.key_id != beta.key_id
    assert (
        KEYS.open(
            KEYS.seal("text", requester=alpha.requester, subject="video_" + "0" * 32, field="render.intent.prompt")
        )
        == "text"
    )


def test_ids_stay_the_same_over_restarts() -> None:
    assert callers(alpha="bk_live_alpha").authenticate({"api-key": "bk_live_alpha"}) == callers(
        alpha="bk_live_alpha"
    ).authenticate({"api-key": "bk_live_alpha"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer bk_live_alph"},
        {"authorization": "Bearer bk_live_alpha2"},
        {"authorization": "bk_live_alpha"},
        {"authorization": "Bearer \ud800"},
        {"authorization": "Bearer wrong", "api-key": "bk_live_alpha"},
        {"api-key": "k" * 100_000},
    ],
    ids=str,
)
def test_anything_else_is_unauthorized(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized) as refused:
        callers(alpha="bk_live_alpha").authenticate(headers)
    assert refused.value.code == "invalid_api_key"


def test_a_key_is_nowhere_to_be_found_in_the_callers() -> None:
    assert "bk_live_alpha" not in repr(vars(callers(alpha="bk_live_alpha")))


def test_configured_keys_belong_to_their_projects() -> None:
    configured = settings(api_keys=SecretStr("team-a=key-of-a-1, team-b=key=of=b,, acme/team-a=theirs-of-a"))
    assert configured_projects(SecretStr("bootstrap-key"), configured) == {
        "bootstrap-key": "default",
        "key-of-a-1": "team-a",
        "key=of=b": "team-b",
        "theirs-of-a": "acme/team-a",
    }


def test_a_configured_key_has_every_role_in_its_project_and_spans_nothing_unless_it_is_the_first() -> None:
    places = {"key-of-a": "team-a", "key-of-them": "acme/team-a", "first-key": "default"}
    known = Callers(places, digest=KEYS.digest, spanning=["first-key"])
    ours, theirs, first = (known.authenticate({"api-key": key}) for key in places)
    assert (ours.tenant, ours.project, theirs.tenant, theirs.project) == ("main", "team-a", "acme", "team-a")
    assert ours.roles == theirs.roles == first.roles == {"requester", "approver", "auditor", "admin"}
    assert [(each.everywhere, each.may_assert_requester) for each in (ours, theirs, first)] == [
        (False, False),
        (False, False),
        (True, True),
    ]
    assert known.configured({"api-key": "key-of-a"}) == known.confirmed(ours) == ours
    assert known.configured({"api-key": "another-key"}) is None


@pytest.mark.parametrize(
    "listed",
    [
        "a/b/c=secret-key",
        "/a=secret-key",
        "Acme/a=secret-key",
        "secret-key",
        "=secret-key",
        "Team=secret-key",
        "team=short",
        "team=secret key",
        "a=secret-key,b=secret-key",
    ],
)
def test_malformed_keys_are_named_by_their_place_and_never_shown(listed: str) -> None:
    with pytest.raises(KeyInvalid, match=r"entry [12] of BICKFORD_API_KEYS") as refused:
        configured_projects(SecretStr("bootstrap-key"), settings(api_keys=SecretStr(listed)))
    assert "secret" not in str(refused.value)


def test_an_api_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "api.key"
    first = load_or_make_api_key(path, settings())
    again = load_or_make_api_key(path, settings())
    assert first.made
    assert (again.made, again.secret) == (False, first.secret)
    assert first.secret.get_secret_value().startswith("bk_live_")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [*path.parent.iterdir()] == [path]


def test_a_configured_key_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "api.key"
    key = load_or_make_api_key(path, settings(api_key=SecretStr("configured")))
    assert (key.secret.get_secret_value(), key.made, path.parent.exists()) == ("configured", False, False)


def test_many_that_make_a_key_at_once_get_the_same_one(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    with ThreadPoolExecutor(16) as pool:
        made = [*pool.map(lambda _: load_or_make_master_key(path, settings()), range(16))]
    assert len(set(made)) == 1
    assert len(made[0]) == 32
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("content", ["", "c2hvcnQ=", "not base64 at all", "ä"])
def test_a_damaged_master_key_is_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(content)
    with pytest.raises(KeyInvalid, match=r"master\.key"):
        load_or_make_master_key(path, settings())
    assert path.read_text() == content


def test_a_configured_master_key_is_32_bytes_in_base64(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    given = settings(master_key=SecretStr(base64.b64encode(b"k" * 32).decode()))
    assert load_or_make_master_key(path, given) == b"k" * 32
    with pytest.raises(KeyInvalid, match="BICKFORD_MASTER_KEY"):
        load_or_make_master_key(path, settings(master_key=SecretStr("k" * 32)))
    assert not path.exists()
